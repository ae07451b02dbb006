//! How fast the rules are, measured in one run on this machine. `cargo bench --workspace --bench rules`
//!
//! Rows have 1.2 KB of running text that is the same in every run. Without arguments all parts are run; `chains`, `minhash`, `operators` or names of operators choose.
//! Each time is the best of several, since whatever else runs on the machine only adds to it.

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a benchmark prints, and ends when its set-up is wrong")]

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dataflow::prelude::{FileStorage, Run, RunFrom};
use dataflow_core::key::{ColumnType, Direction};
use dataflow_core::operator::{Operator, OperatorInfo, Shape, Work};
use dataflow_core::registry;
use dataflow_core::storage::Storage;
use dataflow_core::testing::frame_of;
use polars::prelude::DataFrame;
use serde_json::{Map, Value, json};

/// That of the `dataflow` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHAIN_ROWS: usize = 100_000;
const OPERATOR_ROWS: usize = 8_192;
const TEXT_BYTES: usize = 1_200;
const BATCH_ROWS: usize = 1_024;
const TRIES: usize = 3;
/// The argument of the process that measures MinHash.
const MINHASH_HERE: &str = "minhash-here";
/// The longest that one try of one operator lasts.
const LONGEST: Duration = Duration::from_secs(2);

/// The eight rules whose speed has a target.
const EIGHT: &[(&str, &str)] = &[
    ("RemoveEmojiRefiner", "input_key: text"),
    ("HtmlUrlRemoverRefiner", "input_key: text"),
    ("RemoveExtraSpacesRefiner", "input_key: text"),
    ("WordNumberFilter", "input_key: text, min_words: 20, max_words: 100000"),
    ("SentenceNumberFilter", "input_key: text, min_sentences: 3, max_sentences: 7500"),
    ("MeanWordLengthFilter", "input_key: text, min_length: 3, max_length: 10"),
    ("SymbolWordRatioFilter", "input_key: text, threshold: 0.4"),
    ("UniqueWordsFilter", "input_key: text, threshold: 0.1"),
];

/// DataFlow's filter of texts for pre-training.
const TEXT_PT: &[(&str, &str)] = &[
    ("RemoveEmojiRefiner", "input_key: text"),
    ("HtmlUrlRemoverRefiner", "input_key: text"),
    ("RemoveExtraSpacesRefiner", "input_key: text"),
    ("MinHashDeduplicateFilter", "input_key: text"),
    ("BlocklistFilter", "input_key: text"),
    ("WordNumberFilter", "input_key: text, min_words: 20, max_words: 100000"),
    ("ColonEndFilter", "input_key: text"),
    ("SentenceNumberFilter", "input_key: text, min_sentences: 3, max_sentences: 7500"),
    ("LineEndWithEllipsisFilter", "input_key: text"),
    ("ContentNullFilter", "input_key: text"),
    ("MeanWordLengthFilter", "input_key: text"),
    ("SymbolWordRatioFilter", "input_key: text"),
    ("HtmlEntityFilter", "input_key: text"),
    ("NoPuncFilter", "input_key: text"),
    ("SpecialCharacterFilter", "input_key: text"),
    ("WatermarkFilter", "input_key: text, watermarks: [Copyright, Watermark, Confidential]"),
    ("CurlyBracketFilter", "input_key: text"),
    ("CapitalWordsFilter", "input_key: text"),
    ("LoremIpsumFilter", "input_key: text"),
    ("UniqueWordsFilter", "input_key: text"),
    ("CharNumberFilter", "input_key: text"),
    ("LineStartWithBulletpointFilter", "input_key: text"),
    ("LineWithJavascriptFilter", "input_key: text"),
];

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect(); // cargo adds it
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == part);
    if wanted("chains") {
        chains();
    }
    if chosen == [MINHASH_HERE] {
        return minhash();
    }
    if wanted("minhash") {
        minhash_on_one_core();
    }
    let named = |info: &OperatorInfo| chosen.iter().any(|chosen| chosen == info.name);
    if wanted("operators") || registry::operators().iter().any(|info| named(info)) {
        operators(|info| wanted("operators") || named(info));
    }
}

/// Pipelines from a file to a file on all cores, over what reading and writing the file alone takes.
fn chains() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("input.jsonl");
    let mut file = BufWriter::new(std::fs::File::create(&input).expect("the input can be written"));
    let mut texts = Texts::new();
    for id in 0..CHAIN_ROWS {
        writeln!(file, "{}", json!({ "id": id, "text": texts.next(TEXT_BYTES) })).expect("the input can be written");
    }
    file.flush().expect("the input can be written");
    let size = input.metadata().expect("the input is there").len();
    let floor = best(|| timed(|| copy(&input, &folder.path().join("copy.jsonl"))));
    println!("{:<58} {:>12} {:>10} {:>8}", format!("{CHAIN_ROWS} rows of {} bytes", size / CHAIN_ROWS as u64), "rows/s", "target", "x floor");
    print_chain("reading and writing the file alone", floor, None, floor);
    let runtime = dataflow::terminal::start_up().expect("a runtime");
    for (what, steps, target) in [("eight rules", EIGHT, 75_000.0), ("the 23 steps of text_pt", TEXT_PT, 40_000.0)] {
        let pipeline = folder.path().join("pipeline.yaml");
        let steps: Vec<String> = steps.iter().map(|(operator, parameters)| format!("  - {{ operator: {operator}, {parameters} }}\n")).collect();
        let storage = "{ input: ./input.jsonl, output: ./output.jsonl, cache_path: ./cache, cache_type: none }";
        std::fs::write(&pipeline, format!("name: rules\nstorage: {storage}\nsteps:\n{}", steps.concat())).expect("the pipeline file can be written");
        let mut rows = 0;
        let time = best(|| {
            timed(|| {
                let compiled = dataflow::pipeline_file::compile(&pipeline).expect("the pipeline compiles");
                let report = runtime.block_on(compiled.forward(Run { from: RunFrom::Fresh, ..Run::default() })).expect("the pipeline runs");
                rows = report.rows_written;
            })
        });
        print_chain(&format!("{what} ({rows} rows stay)"), time, Some(target), floor);
    }
    println!();
}

fn print_chain(what: &str, time: Duration, target: Option<f64>, floor: Duration) {
    let speed = CHAIN_ROWS as f64 / time.as_secs_f64();
    let (aim, well) = target.map_or((String::new(), ""), |target| (format!("{target:.0}"), if speed >= target { "well" } else { "MISSED" }));
    println!("{what:<58} {speed:>12.0} {aim:>10} {:>8.2} {well}", time.as_secs_f64() / floor.as_secs_f64());
}

fn copy(from: &Path, to: &Path) {
    let storage = FileStorage::open(from).expect("the input is there").output(to);
    let source = storage.source().expect("the input can be read");
    let mut sink =
        Storage::output(&storage, &source.schema().expect("the input has a schema")).expect("the output can be written").expect("there is an output");
    let mut frames = source.open(BATCH_ROWS).expect("the input can be read");
    while let Some(frame) = frames.next_frame().expect("the input can be read") {
        sink.write(&frame).expect("the output can be written");
    }
    sink.commit().expect("the output can be written");
}

/// Has this program measure MinHash anew, on one processor: what the rule and polars do on all cores is done on that one then.
fn minhash_on_one_core() {
    let this = std::env::current_exe().expect("this program has a path");
    let done = Command::new("taskset").args(["-c", "1"]).arg(this).arg(MINHASH_HERE).status();
    if !done.is_ok_and(|status| status.success()) {
        println!("MinHash is not measured: taskset is not there, or there is one processor\n");
    }
}

fn minhash() {
    let operator = registry::operator("MinHashDeduplicateFilter").expect("it is registered");
    let operator = (operator.build)(json!({ "input_key": "text" })).expect("its parameters are right");
    let mut texts = Texts::new();
    let rows: Vec<Value> = (0..20_000).map(|_| json!({ "text": texts.next(1_100) })).collect();
    let frames: Vec<_> = rows.chunks(BATCH_ROWS).map(frame_of).collect();
    let time = best(|| run(operator.as_ref(), &frames, Duration::MAX).1);
    let speed = rows.len() as f64 / time.as_secs_f64();
    let well = if speed >= 30_000.0 { "well" } else { "MISSED" };
    println!("{:<58} {speed:>12.0} {:>10} {well:>8}\n", "MinHash, 128 permutations, 1,100 bytes, one core", "30000");
}

/// Each rule alone, over frames in memory.
fn operators(wanted: impl Fn(&OperatorInfo) -> bool) {
    let mut texts = Texts::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let needed = needed(folder.path(), &texts.words);
    let texts: Vec<String> = (0..OPERATOR_ROWS).map(|_| texts.next(TEXT_BYTES)).collect();
    println!("{:<50} {:>8} {:>12} {:>12}", "rule, over frames in memory", "kind", "rows/s", "us a row");
    for info in registry::operators().iter().filter(|info| matches!(info.shape, Shape::Column | Shape::Dataset) && wanted(info)) {
        match prepared(info, &needed) {
            Err(why) => println!("{:<50} {:>8} not measured: {why}", info.name, info.kind.name()),
            Ok(operator) => {
                let frames: Vec<_> = texts.chunks(BATCH_ROWS).map(|texts| frame_of(&rows_for(operator.as_ref(), texts))).collect();
                let speed = (0..TRIES)
                    .map(|_| {
                        let (rows, time) = run(operator.as_ref(), &frames, LONGEST);
                        rows as f64 / time.as_secs_f64()
                    })
                    .fold(0.0, f64::max);
                println!("{:<50} {:>8} {speed:>12.0} {:>12.2}", info.name, info.kind.name(), 1e6 / speed);
            }
        }
    }
}

/// Parameters without which some operators do nothing, by their names: rules, and files about the words of the texts.
fn needed(folder: &Path, words: &[String]) -> Map<String, Value> {
    let write = |name: &str, content: String| {
        let path = folder.join(name);
        std::fs::write(&path, content).expect("the temporary folder can be written");
        path
    };
    let frequencies: Map<String, Value> = words.iter().enumerate().map(|(rank, word)| (word.clone(), json!(1 + 10_000 / (rank + 1)))).collect();
    // A word in ten is not in the dictionary.
    let entries = words.iter().enumerate().filter(|(rank, _)| rank % 10 != 9);
    let dictionary: Vec<String> = entries.map(|(rank, word)| format!("{word} {}", 1 + 10_000_000 / (rank + 1))).collect();
    let needed = json!({
        "GeneralFilter": { "filter_rules": ["length(text) > 100"] },
        "PandasOperator": { "process_fn": { "shown": "UPPER(text)" } },
        "CiderSampleEvaluator": { "idf_path": write("frequencies.json", json!({ "df": frequencies, "ref_len": 10_000 }).to_string()) },
        "SpellingCorrectionRefiner": { "dictionary_path": write("dictionary.txt", dictionary.join("\n")) },
    });
    needed.as_object().cloned().unwrap_or_default()
}

/// An operator with its defaults, and what has none.
fn prepared(info: &OperatorInfo, needed: &Map<String, Value>) -> Result<Box<dyn Operator>, String> {
    let mut parameters = needed.get(info.name).and_then(Value::as_object).cloned().unwrap_or_default();
    let has = |name: &str| info.fields.iter().any(|field| field.name == name);
    let needs_key = |operator: &dyn Operator| !operator.keys().iter().any(|key| key.direction != Direction::Write);
    if has("input_key") && info.with_defaults().is_ok_and(|operator| needs_key(operator.as_ref())) {
        parameters.insert("input_key".into(), "text".into());
    }
    if has("tokenizer") && has("model_name_or_path") {
        parameters.insert("tokenizer".into(), "whitespace".into());
    }
    let operator = (info.build)(Value::Object(parameters)).map_err(|error| error.to_string())?;
    match operator.problems().first() {
        Some(problem) => Err(problem.clone()),
        None => Ok(operator),
    }
}

/// Rows with a value for each key that the operator reads.
fn rows_for(operator: &dyn Operator, texts: &[String]) -> Vec<Value> {
    let keys = operator.keys();
    let of = |(number, text): (usize, &String)| {
        let mut row = Map::from_iter([("text".to_owned(), Value::from(text.as_str()))]);
        for key in keys.iter().filter(|key| key.direction != Direction::Write) {
            let value = match key.column_type {
                ColumnType::Integer => json!(number % 50),
                ColumnType::Float => json!(number as f64 / 100.0),
                ColumnType::Boolean => json!(number % 2 == 0),
                ColumnType::List(_) => json!([text]),
                ColumnType::Vector => json!([number % 50, 1]),
                ColumnType::Messages => json!([{ "role": "user", "content": text }]),
                ColumnType::Text | ColumnType::Any | ColumnType::Inferred => text.as_str().into(),
            };
            row.insert(key.key.clone(), value);
        }
        Value::Object(row)
    };
    texts.iter().enumerate().map(of).collect()
}

/// Has an operator work through the frames once, or for as long as it may: the rows that it worked on, and the time that it took.
fn run(operator: &dyn Operator, frames: &[DataFrame], longest: Duration) -> (usize, Duration) {
    let mut work = operator.work().expect("the operator can work");
    let (begun, mut rows) = (Instant::now(), 0);
    for frame in frames {
        let changes = match &mut work {
            Work::Column(work) => work.batch(frame),
            Work::Dataset(work) => work.batch(frame),
            Work::Row(_) | Work::Source(_) => unreachable!("only rules are measured"),
        };
        let changes = changes.expect("the rule works on the frame");
        if let Some(keep) = &changes.keep {
            frame.filter(keep).expect("one answer for each row");
        }
        rows += frame.height();
        if begun.elapsed() > longest {
            break;
        }
    }
    (rows, begun.elapsed())
}

/// The least time of several tries.
fn best(work: impl FnMut() -> Duration) -> Duration {
    std::iter::repeat_with(work).take(TRIES).min().unwrap_or_default()
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// Running text of invented words: a few are frequent and most are rare, as in a language; sentences, commas, now and then a link or an emoji.
struct Texts {
    words: Vec<String>,
    random: u64,
}

impl Texts {
    fn new() -> Self {
        let mut texts = Self { words: Vec::new(), random: 42 };
        let (onsets, vowels, ends) = (
            ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "st", "tr", "w"],
            ["a", "e", "i", "o", "u", "ea"],
            ["", "n", "r", "s", "t", "ng"],
        );
        for rank in 0..20_000 {
            let syllables = 1 + texts.below(if rank < 200 { 2 } else { 4 });
            let word = (0..syllables)
                .map(|_| [onsets[texts.below(onsets.len())], vowels[texts.below(vowels.len())], ends[texts.below(ends.len())]].concat())
                .collect();
            texts.words.push(word);
        }
        texts
    }

    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) as usize * end) >> 31
    }

    /// The rank of a word: that of Zipf's law, by the inverse of its distribution.
    fn rank(&mut self) -> usize {
        let share = self.below(1 << 30) as f64 / f64::from(1 << 30);
        ((self.words.len() as f64).powf(share) as usize).min(self.words.len()) - 1
    }

    fn next(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 64);
        while text.len() < bytes {
            let length = 5 + self.below(18);
            for place in 0..length {
                let rank = self.rank();
                let word = &self.words[rank];
                match place {
                    0 => text.extend(word[..1].to_uppercase().chars().chain(word[1..].chars())),
                    _ => text.push_str(word),
                }
                let comma = self.below(12) == 0;
                text.push_str(if place + 1 == length {
                    ". "
                } else if comma {
                    ", "
                } else {
                    " "
                });
            }
            match self.below(60) {
                0 => text.push_str("See https://example.org/page for <b>more</b>. "),
                1 => text.push_str("\u{1f600}  "),
                2 => text.push('\n'),
                _ => {}
            }
        }
        text
    }
}
