//! What holds of `dataflow process` whatever happens: every row is filled in once, nothing is bought twice but what was in flight at a kill, and no other cell changes.

use std::process::{Child, Stdio};
use std::time::Duration;

use dataflow_tests::tables::{TableKind, TestTable};
use dataflow_tests::{Service, dataflow, finished};

const ROWS: usize = 3_000;
const SHARED_ROWS: usize = 5_000;
const IN_FLIGHT: usize = 50;

/// A service that fails in every way, now and then.
const FAULTS: [&str; 14] = [
    "--latency-ms",
    "20",
    "--retry-after-ms",
    "30",
    "--rate-429",
    "0.03",
    "--rate-500",
    "0.03",
    "--rate-reset",
    "0.03",
    "--rate-cut",
    "0.03",
    "--rate-bad-json",
    "0.03",
];

fn begin(folder: &std::path::Path) -> Child {
    begin_as(folder, "jobs.yaml")
}

fn begin_as(folder: &std::path::Path, file: &str) -> Child {
    let words = std::fs::File::create(folder.join("stderr.txt")).unwrap();
    dataflow(folder).args(["process", "-c", file, "--progress", "none"]).stderr(Stdio::from(words)).spawn().unwrap()
}

fn words(folder: &std::path::Path) -> String {
    std::fs::read_to_string(folder.join("stderr.txt")).unwrap()
}

fn answered(service: &Service) -> u64 {
    service.counts()["answered"].as_u64().unwrap()
}

/// Waits until the service has given so many answers more, or the process has ended.
fn until(service: &Service, answers: u64, process: &mut Child) {
    let from = answered(service);
    while answered(service) < from + answers && process.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(3));
    }
}

fn check(kind: TableKind) {
    let folder = tempfile::tempdir().unwrap();
    let mut table = match TestTable::make(kind, folder.path(), ROWS, 20) {
        Ok(table) => table,
        Err(why) => {
            println!("skipped: {kind:?}: {why}");
            return;
        }
    };
    let service = Service::start(&FAULTS);
    table.configure(service.url(), &format!(", concurrency: {{ batch_size: {IN_FLIGHT}, save_interval: 0.2, retry_limits: {{ api_error: 30 }} }}"), "");
    for answers in [150, 600, 370] {
        let mut run = begin(folder.path());
        until(&service, answers, &mut run);
        run.kill().unwrap(); // SIGKILL: the process has no say in it
        run.wait().unwrap();
    }
    // The database goes away and comes back in the middle of the last run.
    let mut run = begin(folder.path());
    until(&service, 200, &mut run);
    table.restart();
    let status = run.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{kind:?}: {}", words(folder.path()));
    table.check_filled(ROWS);
    let twice = service.bought_twice();
    assert!(twice <= 3 * IN_FLIGHT as u64, "{kind:?}: {twice} answers were bought twice, and at most {} calls were in flight at the kills", 3 * IN_FLIGHT);
    assert_eq!(answered(&service) - twice, ROWS as u64 - 20, "{kind:?}");
}

#[test]
fn kills_lose_nothing_in_sqlite() {
    check(TableKind::Sqlite);
}

#[test]
fn kills_lose_nothing_in_a_csv_file() {
    check(TableKind::Csv);
}

#[test]
fn kills_lose_nothing_in_a_workbook() {
    check(TableKind::Excel);
}

#[test]
fn kills_and_a_restart_lose_nothing_in_mariadb() {
    check(TableKind::MariaDb);
}

#[test]
fn kills_and_a_restart_lose_nothing_in_postgresql() {
    check(TableKind::PostgreSql);
}

/// Two engines on one table, each with a journal of its own, of which one is killed while some calls are slow and some fail.
fn check_claims(kind: TableKind) {
    let folder = tempfile::tempdir().unwrap();
    let table = match TestTable::make(kind, folder.path(), SHARED_ROWS, 0) {
        Ok(table) => table,
        Err(why) => {
            println!("skipped: {kind:?}: {why}");
            return;
        }
    };
    let service = Service::start(&["--latency-ms", "40", "--rate-500", "0.03", "--rate-429", "0.03", "--retry-after-ms", "30"]);
    let engine = |name: &str| {
        let limits = format!("concurrency: {{ batch_size: {IN_FLIGHT}, retry_limits: {{ api_error: 30 }} }}");
        let written = table.configure(service.url(), &format!(", claim: true, claim_lease: 2, {limits}"), "");
        let file = format!("{name}.yaml");
        std::fs::rename(written, folder.path().join(&file)).unwrap();
        begin_as(folder.path(), &file)
    };
    let (mut one, mut two) = (engine("one"), engine("two"));
    until(&service, 1_500, &mut one);
    one.kill().unwrap();
    one.wait().unwrap();
    assert_eq!(two.wait().unwrap().code(), Some(0), "{kind:?}: {}", words(folder.path()));
    table.check_filled(SHARED_ROWS);
    let twice = service.bought_twice();
    assert!(twice <= IN_FLIGHT as u64, "{kind:?}: {twice} answers were bought twice, and at most {IN_FLIGHT} calls were in flight at the kill");
    let (code, _, stderr) = finished(dataflow(folder.path()).args(["process", "-c", "two.yaml"]));
    assert!(code == 0 && stderr.contains("0 rows read"), "{stderr}");
}

#[test]
fn two_engines_share_a_table_of_postgresql_and_one_dies() {
    check_claims(TableKind::PostgreSql);
}

#[test]
fn two_engines_share_a_table_of_mariadb_and_one_dies() {
    check_claims(TableKind::MariaDb);
}

#[test]
fn two_engines_share_a_table_of_sqlite_and_one_dies() {
    check_claims(TableKind::Sqlite);
}

#[test]
fn two_engines_in_one_folder_share_a_table_and_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let table = TestTable::make(TableKind::Sqlite, folder.path(), ROWS, 0).unwrap();
    let service = Service::start(&["--latency-ms", "20"]);
    table.configure(service.url(), &format!(", claim: true, concurrency: {{ batch_size: {IN_FLIGHT} }}"), "");
    let (mut one, mut two) = (begin(folder.path()), begin(folder.path()));
    assert_eq!((one.wait().unwrap().code(), two.wait().unwrap().code()), (Some(0), Some(0)));
    table.check_filled(ROWS);
    assert_eq!((answered(&service), service.bought_twice()), (ROWS as u64, 0));
    let reports = ["jobs", "jobs-2"].map(|name| std::fs::read(folder.path().join(format!("cache/jobs/{name}_report.json"))).unwrap());
    let written = reports.map(|report| serde_json::from_slice::<serde_json::Value>(&report).unwrap()["rows_written"].as_u64().unwrap());
    assert!(written.iter().sum::<u64>() == ROWS as u64 && written.iter().all(|rows| *rows > 0), "both had a part: {written:?}");
}
