//! What end-to-end tests and benchmarks are made of: the built binaries, and a model service that is a process of its own.

#![expect(clippy::expect_used, clippy::panic, reason = "a test ends when its set-up is wrong")]

pub mod database_servers;
pub mod tables;
pub mod usage;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie below the root")
}

/// The path of a built binary, built anew where its source has changed.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let this = std::env::current_exe().expect("this program has a path");
        // target/debug/deps/it-1234 for a test, target/release/benchmark for a program.
        let folder = this.ancestors().skip(1).find(|folder| folder.file_name().is_some_and(|name| name != "deps")).expect("a profile's folder").to_owned();
        let mut build = Command::new(env!("CARGO"));
        // What `cargo test` told this program of itself would have build scripts run again, and half the tree be built anew.
        for (name, _) in std::env::vars_os() {
            let told =
                |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"].iter().any(|begin| name.starts_with(begin));
            if name.to_str().is_some_and(told) {
                build.env_remove(name);
            }
        }
        build.current_dir(root()).args(["build", "--quiet", "--workspace", "--bins", "--target-dir"]).arg(folder.parent().expect("the target folder"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo can be called").success(), "the binaries are built");
        folder
    });
    folder.join(name)
}

/// A call of the `dataflow` command in a folder, without the user's own key and address.
pub fn dataflow(folder: &Path) -> Command {
    let mut command = Command::new(binary("dataflow"));
    command.current_dir(folder).env_remove("DF_API_KEY").env_remove("DF_API_URL").env_remove("DF_MODEL").stdin(Stdio::null());
    command
}

/// Runs a command to its end: its exit code, stdout and stderr.
pub fn finished(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// The JSON objects of a JSONL file, in order.
pub fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Writes `count` rows `{"id": "0001", "raw_content": "text 1 …"}`, each with `filler` bytes of text more.
pub fn write_rows(path: &Path, count: usize, filler: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("the input can be written"));
    let filler = "lorem ipsum dolor sit amet ".repeat(filler / 27 + 1);
    for number in 1..=count {
        writeln!(
            file,
            "{}",
            serde_json::json!({ "id": format!("{number:07}"), "raw_content": format!("text {number} {}", &filler[..filler.len().min(filler.len() / 27 * 27)]) })
        )
        .expect("the input can be written");
    }
    file.flush().expect("the input can be written");
}

/// The fault-injecting model service as a process of its own; it ends when this is dropped.
pub struct Service {
    process: Child,
    url: String,
}

impl Service {
    /// Starts it with flags such as `["--latency-ms", "100"]`.
    pub fn start(flags: &[&str]) -> Self {
        let mut process = Command::new(binary("dataflow-upstream")).args(flags).stdout(Stdio::piped()).spawn().expect("the service starts");
        let mut url = String::new();
        BufReader::new(process.stdout.take().expect("its stdout is piped")).read_line(&mut url).expect("it prints its address");
        Self { process, url: url.trim().to_owned() }
    }

    /// The base URL, for `api_url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it counted so far: `requests`, `answered`, `prompts` and so on.
    pub fn counts(&self) -> Value {
        let address = self.url.trim_start_matches("http://").split('/').next().expect("a host");
        let mut stream = TcpStream::connect(address).expect("the service listens");
        write!(stream, "GET /counts HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("the service reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("the service answers");
        let start = reply.find('{').expect("an object");
        let end = reply.rfind('}').expect("an object");
        serde_json::from_str(&reply[start..=end]).expect("counts are JSON")
    }

    /// Answers that were given for questions that had been answered before.
    pub fn bought_twice(&self) -> u64 {
        let counts = self.counts();
        let prompts = counts["prompts"].as_object().cloned().unwrap_or_default();
        prompts.values().map(|prompt| prompt["answered"].as_u64().unwrap_or(0).saturating_sub(1)).sum()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended already
        let _ = self.process.wait();
    }
}

/// A pipeline file of `steps` steps, each asking about the reply of the one before, over `input.jsonl` of its folder.
pub fn write_chain(folder: &Path, url: &str, steps: usize, max_concurrency: usize, more: &str) -> PathBuf {
    let mut text = format!(
        "name: chain\nstorage:\n  input: ./input.jsonl\n  output: ./output.jsonl\n  cache_path: ./cache\n\
         serving:\n  default: {{ type: api, api_url: \"{url}\", model: test, api_key: none, max_concurrency: {max_concurrency}, timeout: 5 }}\n{more}steps:\n"
    );
    for step in 1..=steps {
        let input = if step == 1 { "raw_content".to_owned() } else { format!("reply_{}", step - 1) };
        text += &format!("  - {{ operator: PromptedGenerator, name: step_{step}, user_prompt: \"{step}: \", input_key: {input}, output_key: reply_{step} }}\n");
    }
    let path = folder.join("chain.yaml");
    std::fs::write(&path, text).expect("the pipeline file can be written");
    path
}
