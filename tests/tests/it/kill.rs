//! A process killed at any moment: the next run asks again only for what was in flight.

use std::time::Duration;

use dataflow_tests::{Service, dataflow, finished, rows, write_chain, write_rows};

const ROWS: usize = 1500;
const IN_FLIGHT: usize = 20;

#[test]
fn twenty_kills_lose_nothing_that_was_paid_for() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), ROWS, 50);
    let service = Service::start(&["--latency-ms", "20"]);
    let pipeline = write_chain(folder.path(), service.url(), 2, IN_FLIGHT, "");
    let mut moment = 0x2545_f491_u64;
    let mut most_in_flight = 0;
    for _ in 0..20 {
        let mut run = dataflow(folder.path()).arg("run").arg(&pipeline).stderr(std::process::Stdio::null()).spawn().unwrap();
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(60 + (moment >> 33) % 250));
        run.kill().unwrap(); // SIGKILL: the process has no say in it
        run.wait().unwrap();
        most_in_flight += IN_FLIGHT as u64;
    }
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("run").arg(&pipeline));
    assert_eq!(code, 0, "{stderr}");
    let ids: Vec<String> = rows(&folder.path().join("output.jsonl")).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (1..=ROWS).map(|number| format!("{number:07}")).collect::<Vec<_>>(), "every row is there once, in order");
    let twice = service.bought_twice();
    assert!(twice <= most_in_flight, "{twice} answers were bought twice, and at most {most_in_flight} calls were in flight at the kills");
    assert_eq!(service.counts()["answered"].as_u64().unwrap() - twice, 2 * ROWS as u64);
}

#[test]
fn another_pipeline_does_not_write_the_same_output_at_once_and_may_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 60, 0);
    let service = Service::start(&["--latency-ms", "50"]);
    let first = write_chain(folder.path(), service.url(), 1, 1, "");
    let second = folder.path().join("other.yaml");
    let text = std::fs::read_to_string(&first).unwrap().replace("name: chain", "name: other").replace("./cache", "./other");
    std::fs::write(&second, text.replace("max_concurrency: 1", "max_concurrency: 60")).unwrap();
    let mut run = dataflow(folder.path()).arg("run").arg(&first).stderr(std::process::Stdio::null()).spawn().unwrap();
    while service.counts()["answered"].as_u64().unwrap() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("run").arg(&second));
    assert_eq!(code, 78, "{stderr}");
    assert!(stderr.contains("another pipeline is at work on the same output, `") && stderr.contains("name another `output` for this one"), "{stderr}");
    run.kill().unwrap(); // SIGKILL
    run.wait().unwrap();
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("run").arg(&second));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(rows(&folder.path().join("output.jsonl")).len(), 60);
}

#[cfg(unix)]
#[test]
fn a_signal_stops_the_run_and_the_next_one_goes_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        write_rows(&folder.path().join("input.jsonl"), 600, 0);
        let service = Service::start(&["--latency-ms", "20"]);
        let pipeline = write_chain(folder.path(), service.url(), 2, 10, "");
        let run = dataflow(folder.path()).arg("run").arg(&pipeline).stderr(std::process::Stdio::piped()).spawn().unwrap();
        while service.counts()["answered"].as_u64().unwrap() < 100 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(std::process::Command::new("kill").args([format!("-{signal}"), run.id().to_string()]).status().unwrap().success());
        let output = run.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains("stopped, and can be resumed") && stderr.contains("run the same command again"), "{stderr}");
        assert!(!folder.path().join("output.jsonl").exists(), "an output that is not whole is not there");
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("cache/chain_report.json")).unwrap()).unwrap();
        assert_eq!(report["outcome"], "stopped");
        let partial = rows(&folder.path().join("output.partial.jsonl"));
        assert_eq!(partial.len() as u64, report["rows_written"].as_u64().unwrap(), "what was finished is beside the output");

        let (code, _, stderr) = finished(dataflow(folder.path()).arg("run").arg(&pipeline));
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(rows(&folder.path().join("output.jsonl")).len(), 600);
        assert_eq!((service.counts()["answered"].as_u64(), service.bought_twice()), (Some(1200), 0), "a gentle stop loses no answer");
    }
}

#[cfg(unix)]
#[test]
fn no_call_begins_after_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 600, 0);
    let service = Service::start(&["--latency-ms", "1000"]);
    let pipeline = write_chain(folder.path(), service.url(), 2, 10, "");
    let requests = || service.counts()["requests"].as_u64().unwrap();
    let mut run = dataflow(folder.path()).arg("run").arg(&pipeline).stderr(std::process::Stdio::null()).spawn().unwrap();
    while requests() < 20 {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200)); // the second ten are all on their way, and none of them is answered as yet
    assert!(std::process::Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let counts = service.counts();
    assert_eq!((counts["requests"].as_u64(), counts["answered"].as_u64()), (Some(20), Some(20)), "ten more would begin as ten end");
}
