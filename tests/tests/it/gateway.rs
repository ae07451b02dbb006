//! `dataflow gateway` as a program: its pages, its logs, its end, and pipelines that ask it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dataflow_tests::{Service, dataflow, finished, rows, write_rows};
use serde_json::Value;

/// A running gateway; killed when dropped.
pub struct Gateway {
    process: Child,
    port: u16,
}

impl Gateway {
    pub fn start(folder: &Path, config: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(); // free again at once
        let mut command = dataflow(folder);
        command.args(["gateway", "--port", &port.to_string(), "-c"]).arg(config).stderr(std::fs::File::create(folder.join("gateway.log")).unwrap());
        let process = command.stdout(Stdio::null()).spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < patience, "it listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The status, and the body.
    pub fn ask(&self, head: &str, body: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(socket, "{head} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}", self.port).unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn tell_to_stop(&self) {
        Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
    }

    /// Told to stop, it ends; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.tell_to_stop();
        self.process.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended already
        let _ = self.process.wait();
    }
}

/// A configuration of one model at a service.
pub fn write_config(folder: &Path, service: &str, more: &str) -> PathBuf {
    let path = folder.join("config.yaml");
    let base = service.trim_end_matches("/v1");
    let text = format!("models:\n  - {{ id: 1, name: fast, model: m, channel_id: 1, safe_rps: 0 }}\nchannels:\n  1: {{ base_url: \"{base}\" }}\n{more}");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn it_serves_logs_as_the_file_says_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&[]);
    let log = "global: { log: { level: debug, format: json, output: file, file_path: ./logs/own.log, date_format: \"%Y/%m/%d\" } }\n";
    let gateway = Gateway::start(folder.path(), &write_config(folder.path(), service.url(), log));
    let question = r#"{"model":"fast","messages":[{"role":"user","content":"Why?"}]}"#;
    let (status, reply) = gateway.ask("POST /v1/chat/completions", question);
    assert!(status == 200 && reply.contains("echo: Why?"), "{status} {reply}");
    assert_eq!(gateway.ask("POST /v1/chat/completions", "{}").0, 400);
    assert_eq!(gateway.ask("POST /admin/reload", "").0, 200);
    assert_eq!(gateway.stop(), Some(0));
    let logs = std::fs::read_to_string(folder.path().join("logs/own.log")).unwrap();
    let lines: Vec<Value> = logs.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let told = |message: &str| lines.iter().any(|line| line["fields"]["message"].as_str().is_some_and(|text| text.contains(message)));
    assert!(told("a request was refused or failed") && told("the configuration was read anew"), "{logs}");
    assert!(lines[0]["timestamp"].as_str().unwrap().starts_with("20") && lines[0]["timestamp"].as_str().unwrap().len() == 10, "{logs}");
    assert!(!logs.contains("Why?"), "no prompt is logged");
}

#[test]
fn told_twice_it_ends_at_once_and_tells_its_callers() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&["--latency-ms", "60000"]);
    let mut gateway = Gateway::start(folder.path(), &write_config(folder.path(), service.url(), ""));
    std::thread::scope(|scope| {
        let question = r#"{"model":"fast","messages":[{"role":"user","content":"Why?"}]}"#;
        let call = scope.spawn(|| gateway.ask("POST /v1/chat/completions", question));
        let patience = Instant::now() + Duration::from_secs(10);
        let wait = |done: &dyn Fn() -> bool| {
            while !done() {
                assert!(Instant::now() < patience);
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        wait(&|| gateway.ask("GET /metrics", "").1.contains("dataflow_gateway_requests_in_flight 1"));
        gateway.tell_to_stop();
        wait(&|| TcpStream::connect(("127.0.0.1", gateway.port)).is_err());
        gateway.tell_to_stop();
        let (status, reply) = call.join().unwrap();
        assert!(status == 503 && reply.contains("gateway_stops"), "{status} {reply}");
    });
    assert_eq!(gateway.process.wait().unwrap().code(), Some(143));
}

#[test]
fn a_pipeline_asks_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 200, 0);
    let service = Service::start(&["--latency-ms", "2", "--rate-500", "0.05", "--rate-reset", "0.05"]);
    let config = write_config(folder.path(), service.url(), "gateway: { api_keys: [callers-own] }\n");
    let gateway = Gateway::start(folder.path(), &config);
    let pipeline = folder.path().join("pipeline.yaml");
    let text = format!(
        "name: through\nstorage: {{ input: ./input.jsonl, output: ./output.jsonl, cache_path: ./cache }}\nserving:\n  default: {{ type: gateway, url: \"{}\", \
         model: fast, max_concurrency: 16 }}\nsteps:\n  - {{ operator: PromptedGenerator, user_prompt: \"Say: \", input_key: raw_content, output_key: reply }}\n",
        gateway.url()
    );
    std::fs::write(&pipeline, text).unwrap();
    let (code, _, stderr) = finished(dataflow(folder.path()).env("DF_GATEWAY_KEY", "callers-own").arg("run").arg(&pipeline));
    assert_eq!(code, 0, "{stderr}");
    let rows = rows(&folder.path().join("output.jsonl"));
    assert!(rows.len() == 200 && rows.iter().all(|row| row["reply"].as_str().unwrap().contains(row["raw_content"].as_str().unwrap().trim())));
    assert_eq!(service.counts()["answered"], 200);
    drop(gateway);
    let (code, _, stderr) = finished(dataflow(folder.path()).args(["run", "--fresh", "--limit", "3"]).arg(&pipeline));
    assert_ne!(code, 0);
    assert!(stderr.contains("is the gateway running?"), "{stderr}");
}

#[test]
fn the_schema_of_the_configuration_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, _) = finished(dataflow(folder.path()).args(["gateway", "--schema"]));
    let schema: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, 0);
    assert!(["models", "channels", "gateway", "global"].iter().all(|section| schema["properties"].get(section).is_some()), "{stdout}");
    assert!(stdout.contains("\"safe_tpm\"") && stdout.contains("\"queue_timeout\"") && stdout.contains("\"cache\""));
}
