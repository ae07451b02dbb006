//! `type: local`: a model server that is started, used and stopped, also when the run is killed.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use dataflow_tests::{binary, dataflow, finished, rows, write_rows};

/// A pipeline whose model server is the test service, on a port of its own.
fn write_pipeline(folder: &Path, flags: &str) -> (PathBuf, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(); // free again at once
    let service = binary("dataflow-upstream");
    let path = folder.join("local.yaml");
    let text = format!(
        "name: local\nstorage: {{ input: ./input.jsonl, output: ./output.jsonl, cache_path: ./cache }}\nserving:\n  default:\n    type: local\n    model: tiny\n    \
         command: [\"{}\", --port, \"{{port}}\"{flags}]\n    port: {port}\n    log_path: ./server.log\n    max_concurrency: 8\n    stop_timeout: 5\nsteps:\n  \
         - {{ operator: PromptedGenerator, user_prompt: \"Say: \", input_key: raw_content, output_key: reply }}\n",
        service.display()
    );
    std::fs::write(&path, text).unwrap();
    (path, port)
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < patience, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_is_started_waited_for_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 50, 0);
    let (pipeline, port) = write_pipeline(folder.path(), ", --loading-ms, \"300\"");
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("run").arg(&pipeline));
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("is started on this machine and stopped afterwards"), "{stderr}");
    let rows = rows(&folder.path().join("output.jsonl"));
    assert!(rows.len() == 50 && rows.iter().all(|row| row["reply"].as_str().unwrap().contains("Say: ")));
    until("the server is stopped", || !listens(port));
    assert!(std::fs::read_to_string(folder.path().join("server.log")).unwrap().contains(&format!("127.0.0.1:{port}")), "what it printed is kept");
}

#[test]
fn a_server_ends_with_a_run_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 50, 0);
    let (pipeline, port) = write_pipeline(folder.path(), ", --latency-ms, \"60000\"");
    let mut run = dataflow(folder.path()).arg("run").arg(&pipeline).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    until("the server is started", || listens(port));
    run.kill().unwrap();
    run.wait().unwrap();
    until("the server is gone too", || !listens(port));
}

#[test]
fn a_server_that_cannot_start_is_told_with_its_last_lines() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 5, 0);
    let (pipeline, _) = write_pipeline(folder.path(), ", --no-such-flag, \"1\"");
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("run").arg(&pipeline));
    assert_ne!(code, 0);
    assert!(stderr.contains("has ended (exit status: 2); its last lines:") && stderr.contains("there is no `--no-such-flag`"), "{stderr}");
    let text = std::fs::read_to_string(&pipeline).unwrap().replace(&binary("dataflow-upstream").display().to_string(), "no-such-server");
    std::fs::write(&pipeline, text).unwrap();
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("check").arg(&pipeline));
    assert_ne!(code, 0);
    assert!(stderr.contains("there is no program `no-such-server`"), "{stderr}");
}
