//! What `dataflow process` takes over each kind of table. `cargo run --release --bin benchmark_process`
//!
//! The model service is a process of its own with a fixed latency; wall times are from its first request to its last answer, as ratios to what the
//! calls in flight allow. Arguments choose parts: `sqlite`, `csv`, `excel`, `mariadb`, `postgresql`, `start`; without any, all are run.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints, and ends when its set-up is wrong")]

use std::time::{Duration, Instant};

use dataflow_tests::tables::{TableKind, TestTable};
use dataflow_tests::usage::run;
use dataflow_tests::{Service, dataflow};

const ROWS: usize = 20_000;
const IN_FLIGHT: usize = 100;
const LATENCY: f64 = 0.05;

/// A table of which little is to be done.
const MANY_ROWS: usize = 1_000_000;
const OPEN_ROWS: usize = 1000;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == part);
    println!("{:<58} {:>10} {:>10} {:>8}", "", "measured", "target", "");
    for (name, kind, most) in [
        ("sqlite", TableKind::Sqlite, 1.05),
        ("csv", TableKind::Csv, 1.05),
        ("excel", TableKind::Excel, 1.10),
        ("mariadb", TableKind::MariaDb, 1.10),
        ("postgresql", TableKind::PostgreSql, 1.10),
    ] {
        if wanted(name) {
            filled(name, kind, most);
        }
    }
    if wanted("start") {
        start();
    }
}

fn print(what: &str, measured: &str, target: &str, well: bool) {
    println!("{what:<58} {measured:>10} {target:>10} {:>8}", if well { "well" } else { "MISSED" });
}

/// A whole table: wall of the calls against the bound, and processor time a row.
fn filled(name: &str, kind: TableKind, most: f64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let table = match TestTable::make(kind, folder.path(), ROWS, 0) {
        Ok(table) => table,
        Err(why) => {
            println!("{name}: skipped: {why}");
            return;
        }
    };
    let service = Service::start(&["--latency-ms", "50"]);
    table.configure(service.url(), &format!(", concurrency: {{ batch_size: {IN_FLIGHT} }}"), "");
    let used = run(folder.path(), &["process", "-c", "jobs.yaml"]);
    let counts = service.counts();
    let time = |name: &str| counts[name].as_f64().expect("a time");
    let bound = ROWS as f64 * LATENCY / IN_FLIGHT as f64;
    let ratio = (time("last_answer") - time("first_request")) / bound;
    assert_eq!(counts["answered"], ROWS, "every row is asked about once");
    table.check_filled(ROWS);
    print(&format!("{name}, 20,000 rows, 100 in flight, 50 ms"), &format!("{ratio:.3} x"), &format!("{most:.2} x"), ratio <= most);
    let each = used.processor.as_secs_f64() * 1e6 / ROWS as f64;
    print("  processor time a row, journal on", &format!("{each:.1} us"), "100 us", each <= 100.0);
    println!("  the whole process {:.3} x, most memory {} MB", used.wall.as_secs_f64() / bound, used.memory >> 20);
}

/// A large table with little to do: when the first question is asked, and the memory.
fn start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let table = TestTable::make(TableKind::Sqlite, folder.path(), MANY_ROWS, MANY_ROWS - OPEN_ROWS).expect("SQLite is built in");
    let service = Service::start(&[]);
    table.configure(service.url(), &format!(", concurrency: {{ batch_size: {IN_FLIGHT} }}"), "");
    let begun = Instant::now();
    let mut process = dataflow(folder.path())
        .args(["process", "-c", "jobs.yaml", "--limit", "1", "--progress", "none"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    while service.counts()["requests"] == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let first = begun.elapsed().as_secs_f64();
    assert!(process.wait().expect("it ends").success());
    print("sqlite, 1,000,000 rows of which 1,000 are open: first call", &format!("{first:.2} s"), "2 s", first <= 2.0);
    let used = run(folder.path(), &["process", "-c", "jobs.yaml"]);
    assert_eq!(service.counts()["answered"], OPEN_ROWS, "every open row is asked about once");
    print("  most memory", &format!("{} MB", used.memory >> 20), "300 MB", used.memory < 300 << 20);
    println!("  the whole process {:.2} s", used.wall.as_secs_f64());
}
