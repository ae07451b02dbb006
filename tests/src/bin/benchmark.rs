//! The figures that DataFlow is built for, measured in one run on this machine. `cargo run --release --bin benchmark`
//!
//! The model service is a process of its own with a fixed latency; wall times are from its first request to its last answer, as ratios
//! to what the number of calls in flight allows. Arguments choose parts: `step`, `chain`, `memory`; without any, all are run.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints, and ends when its set-up is wrong")]

use std::io::{BufWriter, Write};

use dataflow_tests::usage::run;
use dataflow_tests::{Service, write_chain, write_rows};

const ROWS: usize = 10_000;
const IN_FLIGHT: usize = 256;
const LATENCY: f64 = 0.1;
const MANY_ROWS: usize = 5_000_000;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == part);
    println!("{:<58} {:>10} {:>10} {:>8}", "", "measured", "target", "");
    if wanted("step") {
        calls("one model step, 10,000 rows, 256 in flight, 100 ms", 1, 1.05);
    }
    if wanted("chain") {
        calls("three model steps in a chain", 3, 1.10);
    }
    if wanted("memory") {
        memory();
    }
}

fn print(what: &str, measured: &str, target: &str, well: bool) {
    println!("{what:<58} {measured:>10} {target:>10} {:>8}", if well { "well" } else { "MISSED" });
}

/// A chain of model steps: wall of the calls against the bound, and processor time a call.
fn calls(what: &str, steps: usize, most: f64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_rows(&folder.path().join("input.jsonl"), ROWS, 1000);
    let service = Service::start(&["--latency-ms", "100"]);
    let pipeline = write_chain(folder.path(), service.url(), steps, IN_FLIGHT, "");
    let used = run(folder.path(), &["run", &pipeline.display().to_string()]);
    let counts = service.counts();
    let time = |name: &str| counts[name].as_f64().expect("a time");
    let bound = (ROWS * steps) as f64 * LATENCY / IN_FLIGHT as f64;
    let ratio = (time("last_answer") - time("first_request")) / bound;
    assert_eq!(counts["answered"], ROWS * steps, "every question is answered once");
    print(what, &format!("{ratio:.3} x"), &format!("{most:.2} x"), ratio <= most);
    let each = used.processor.as_secs_f64() * 1e6 / (ROWS * steps) as f64;
    print("  processor time a call, journal and caches on", &format!("{each:.1} us"), "80 us", each <= 80.0);
    print("  most memory", &format!("{} MB", used.memory >> 20), "400 MB", used.memory < 400 << 20);
}

/// Five million rows through four rules: memory, and rows a second.
fn memory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("input.jsonl");
    let mut file = BufWriter::new(std::fs::File::create(&input).expect("the input can be written"));
    for number in 0..MANY_ROWS {
        let words = ["river", "stone", "winter", "lantern", "paper", "harbour", "cloud", "window"];
        write!(file, "{{\"id\": {number}, \"text\": \"See https://example.org/{number}  the {} and the {}", words[number % 8], words[number / 8 % 8])
            .expect("the input can be written");
        for place in 0..number % 23 {
            write!(file, " {}", words[(number + place) % 8]).expect("the input can be written");
        }
        writeln!(file, " \u{1f600}.\"}}").expect("the input can be written");
    }
    file.flush().expect("the input can be written");
    let size = input.metadata().expect("the input is there").len();
    let pipeline = folder.path().join("rules.yaml");
    std::fs::write(
        &pipeline,
        "name: rules\nstorage: { input: ./input.jsonl, output: ./output.jsonl, cache_path: ./cache, cache_type: none }\nsteps:\n\
         - { operator: RemoveEmojiRefiner }\n- { operator: HtmlUrlRemoverRefiner }\n- { operator: RemoveExtraSpacesRefiner }\n- { operator: WordNumberFilter, min_words: 8 }\n",
    )
    .expect("the pipeline file can be written");
    let used = run(folder.path(), &["run", &pipeline.display().to_string()]);
    print("5,000,000 rows of JSONL through four rules: most memory", &format!("{} MB", used.memory >> 20), "400 MB", used.memory < 400 << 20);
    let seconds = used.wall.as_secs_f64();
    println!("  {:.1} s, {:.0} rows a second, {:.0} MB/s of input", seconds, MANY_ROWS as f64 / seconds, size as f64 / 1e6 / seconds);
}
