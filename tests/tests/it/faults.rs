//! A service that fails in every way, over real sockets: every row is answered, none is bought twice, and order is kept.

use dataflow_tests::{Service, dataflow, finished, rows, write_chain, write_rows};

#[test]
fn every_row_is_answered_once_through_faults() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 2000, 100);
    let service = Service::start(&[
        "--latency-ms",
        "5",
        "--seed",
        "11",
        "--retry-after-ms",
        "20",
        "--rate-429",
        "0.05",
        "--rate-500",
        "0.05",
        "--rate-reset",
        "0.02",
        "--rate-cut",
        "0.02",
    ]);
    let pipeline = write_chain(folder.path(), service.url(), 1, 100, "");
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("run").arg(&pipeline));
    assert_eq!(code, 0, "{stderr}");
    let rows = rows(&folder.path().join("output.jsonl"));
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, (1..=2000).map(|number| format!("{number:07}")).collect::<Vec<_>>());
    for row in &rows {
        assert!(row["reply_1"].as_str().unwrap().contains(row["raw_content"].as_str().unwrap().trim()), "each row has its own answer");
    }
    let counts = service.counts();
    assert_eq!((counts["answered"].as_u64(), service.bought_twice()), (Some(2000), 0));
    assert!(counts["requests"].as_u64().unwrap() > 2200, "the faults happened: {}", counts["requests"]);
}

#[test]
fn the_service_is_never_asked_by_more_than_the_limit_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 300, 0);
    let service = Service::start(&["--latency-ms", "20"]);
    let pipeline = write_chain(folder.path(), service.url(), 3, 17, "");
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("run").arg(&pipeline));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(service.counts()["max_in_flight"], 17);
}
