//! Runs of small pipelines in memory.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use polars::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::key::{IfPresent, InOut, Input, Integer, Output, Text};
use crate::model::Model;
use crate::operator::{Changes, Others, Outcome, Seed};
use crate::pipeline::{CompiledPipeline, OnError, Pipeline};
use crate::row::Row;
use crate::serving::{Chat, ErrorClass, LLMServing, Reply, ServingError};
use crate::shape::{AskModel, Columns, MakeRows, Measure, Refine};
use crate::storage::Storage;
use crate::testing::{MemoryJournal, MemoryStorage};
use crate::{Cells, Error, Result, operator};

/// Asks about a text. # 中文 询问。
#[operator(test, generate, AskModel)]
#[derive(Default)]
struct AskOnce {
    /// Text. 中文：文本。
    input_key: Input<Text>,
    /// Reply. 中文：回复。
    output_key: Output<Text>,
    /// Stands before the text. 中文：前缀。
    before: String,
}

impl AskModel for AskOnce {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let reply = model.ask(format!("{}{}", self.before, row.text(&self.input_key)?)).text().await?;
        Ok(Cells::new().set(&self.output_key, reply).into())
    }
}

/// Makes a row more of each. # 中文 扩展。
#[operator(test, generate, AskModel)]
#[derive(Default)]
struct OneMore {
    /// Text. 中文：文本。
    input_key: InOut<Text>,
}

impl AskModel for OneMore {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let more = Cells::new().replace(&self.input_key, format!("{}+", row.text(&self.input_key)?));
        Ok(Outcome::from(Cells::new()).and_rows(Others::Null, [more]))
    }
    fn calls_per_row(&self) -> u64 {
        0
    }
    fn rows_per_row(&self) -> u64 {
        2
    }
}

/// Rows out of nothing. # 中文 造行。
#[operator(test, generate, MakeRows)]
#[derive(Default)]
struct FromNothing {
    /// How many. 中文：行数。
    rows: u64,
    /// Where. 中文：列。
    output_key: Output<Text>,
}

impl MakeRows for FromNothing {
    fn seeds(&self) -> u64 {
        self.rows
    }
    async fn rows(&self, seed: &Seed, model: &Model) -> Result<Vec<Cells>> {
        let reply = model.ask(Chat::from("make one").sample(seed.number)).text().await?;
        Ok(vec![Cells::new().set(&self.output_key, reply)])
    }
}

/// Longer texts stay. # 中文 保留长文本。
#[operator(test, filter, Measure)]
#[derive(Default)]
struct Longer {
    /// Text. 中文：文本。
    input_key: Input<Text>,
    /// Length. 中文：长度。
    output_key: Output<Integer>,
    /// Least. 中文：下限。
    min: i64,
}

impl Measure for Longer {
    type Value = i64;
    fn measure(&self, text: &str) -> Option<i64> {
        assert_ne!(text, "panic", "the text says so");
        Some(text.chars().count() as i64)
    }
    fn keep(&self, length: i64) -> bool {
        length >= self.min
    }
}

/// Loud. # 中文 大写。
#[operator(test, refine, Refine)]
#[derive(Default)]
struct Loud {
    /// Text. 中文：文本。
    input_key: InOut<Text>,
}

impl Refine for Loud {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        text.to_uppercase().into()
    }
}

/// Writes two columns, the last first. # 中文 倒序写列。
#[operator(test, eval, Columns)]
#[derive(Default)]
struct LastFirst {
    /// Text. 中文：文本。
    input_key: Input<Text>,
    /// One. 中文：一。
    output_one_key: Output<Integer>,
    /// Two. 中文：二。
    output_two_key: Output<Integer>,
    /// What is noted. 中文：记录。
    #[path(writes)]
    notes_path: Option<PathBuf>,
}

impl Columns for LastFirst {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let column = |name: &str, value: i64| Column::new(name.into(), vec![value; frame.height()]);
        Ok(Changes { columns: vec![column(self.output_two_key.as_str(), 2), column(self.output_one_key.as_str(), 1)], ..Changes::default() })
    }
}

/// Writes a null. # 中文 写入空值。
#[operator(test, refine, Columns)]
#[derive(Default)]
struct Filled {
    /// Text. 中文：文本。
    input_key: IfPresent<Input<Text>>,
    /// Null. 中文：空值。
    output_key: Output<Text>,
}

impl Columns for Filled {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        Ok(Changes { columns: vec![Column::full_null(self.output_key.as_str().into(), frame.height(), &DataType::String)], ..Changes::default() })
    }
}

fn last_first(notes_path: Option<PathBuf>) -> LastFirst {
    LastFirst { input_key: "text".into(), output_one_key: "one".into(), output_two_key: "two".into(), notes_path }
}

/// Answers `re: <question>` after a while; questions that are told to fail do.
#[derive(Debug, Default)]
struct Echo {
    limit: usize,
    delay: Duration,
    fails: Mutex<Vec<String>>,
    unreachable: bool,
    asked: Mutex<HashMap<String, usize>>,
    in_flight: AtomicUsize,
    most: AtomicUsize,
    /// Stops the run gently at so many answers.
    stops: Mutex<Option<(usize, Stop)>>,
}

impl Echo {
    fn of(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, delay: Duration::from_millis(2), ..Self::default() })
    }
    fn failing(limit: usize, fails: &[&str]) -> Arc<Self> {
        Arc::new(Self { limit, fails: Mutex::new(fails.iter().map(ToString::to_string).collect()), ..Self::default() })
    }
    fn calls(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }
}

#[async_trait]
impl LLMServing for Echo {
    fn identity(&self) -> Value {
        json!({ "model": "echo" })
    }
    fn spec(&self) -> Value {
        json!({ "type": "echo" })
    }
    fn max_concurrency(&self) -> usize {
        self.limit
    }
    async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError> {
        let question = chat.messages.last().unwrap().content.clone();
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let fails = self.fails.lock().unwrap().contains(&question);
        tokio::time::sleep(if fails { Duration::ZERO } else { self.delay }).await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.unreachable {
            return Err(ServingError::new(ErrorClass::Unreachable, "connection refused"));
        }
        if fails {
            return Err(ServingError::new(ErrorClass::Transient, "the service said 500"));
        }
        *self.asked.lock().unwrap().entry(question.clone()).or_default() += 1;
        if let Some((_, stop)) = self.stops.lock().unwrap().as_ref().filter(|(answers, _)| self.calls() >= *answers) {
            stop.gently();
        }
        Ok(Reply { content: format!("re: {question}"), ..Reply::default() })
    }
}

/// Has each call wait until the run is to end.
#[derive(Debug, Default)]
struct Cooling(Stop);

#[async_trait]
impl LLMServing for Cooling {
    fn identity(&self) -> Value {
        json!({ "model": "cooling" })
    }
    fn spec(&self) -> Value {
        json!({ "type": "cooling" })
    }
    fn max_concurrency(&self) -> usize {
        4
    }
    fn stop_waiting(&self) {
        self.0.gently();
    }
    async fn chat(&self, _: &Chat) -> Result<Reply, ServingError> {
        self.0.asked().await;
        Err(ServingError::new(ErrorClass::Transient, "the service said 503"))
    }
}

fn rows(count: usize) -> DataFrame {
    DataFrame::new_infer_height(vec![
        Column::new("text".into(), (1..=count).map(|n| format!("t{n}")).collect::<Vec<_>>()),
        Column::new("gold".into(), (1..=count as i64).collect::<Vec<_>>()),
    ])
    .unwrap()
}

fn ask(input: &str, output: &str) -> AskOnce {
    AskOnce { input_key: input.into(), output_key: output.into(), before: String::new() }
}

fn texts(frame: &DataFrame, column: &str) -> Vec<String> {
    crate::shape::texts_of(frame, column).unwrap().iter().map(|text| text.unwrap_or("null").to_owned()).collect()
}

fn one_step(storage: &MemoryStorage, serving: &Arc<Echo>, journal: &Arc<MemoryJournal>, on_error: OnError) -> CompiledPipeline {
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.serving("default", serving.clone() as Arc<dyn LLMServing>).journal(journal.clone());
    pipeline.step(ask("text", "reply")).on_error(on_error);
    pipeline.compile().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_leave_in_the_order_they_came_through_every_shape() {
    let storage = MemoryStorage::new(rows(500));
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.serving("default", Echo::of(32) as Arc<dyn LLMServing>);
    pipeline.step(Loud { input_key: "text".into() });
    pipeline.step(ask("text", "a"));
    pipeline.step(OneMore { input_key: "text".into() });
    pipeline.step(Longer { input_key: "text".into(), output_key: "length".into(), min: 3 });
    pipeline.step(ask("text", "b")).named("b");
    let report = pipeline.compile().unwrap().forward(Run { batch_rows: 64, ..Run::default() }).await.unwrap();
    let frame = storage.output_frame().unwrap();
    let expected: Vec<String> = (1..=500).flat_map(|n| [format!("T{n}"), format!("T{n}+")]).filter(|text| text.len() >= 3).collect();
    assert_eq!(texts(&frame, "text"), expected);
    assert_eq!(texts(&frame, "b"), expected.iter().map(|text| format!("re: {text}")).collect::<Vec<_>>());
    // What was true of a row need not be true of one that came of it.
    assert_eq!(frame.column("gold").unwrap().null_count(), 500);
    assert_eq!((report.outcome, report.rows_read, report.rows_written, report.failed), (RunOutcome::Complete, 500, expected.len() as u64, 0));
    assert_eq!((report.steps[2].rows_in, report.steps[2].rows_out, report.steps[3].dropped), (500, 1000, 9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_stand_in_the_order_of_their_keys_whatever_order_they_are_written_in() {
    let storage = MemoryStorage::new(rows(10));
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.step(last_first(None));
    let compiled = pipeline.compile().unwrap();
    compiled.forward(Run::default()).await.unwrap();
    let frame = storage.output_frame().unwrap();
    assert_eq!(frame.schema().iter_names().collect::<Vec<_>>(), compiled.schema().iter_names().collect::<Vec<_>>());
    assert_eq!(frame.get_column_names(), ["text", "gold", "one", "two"]);
}

#[test]
fn a_file_beside_the_rows_is_one_steps_alone() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(1)));
    pipeline.step(last_first(Some("./notes.jsonl".into()))).named("first");
    pipeline.step(last_first(Some("notes.jsonl".into()))).named("second");
    let error = pipeline.compile().unwrap_err().to_string();
    assert!(error.contains("`notes_path` would be written over `notes_path` of step 1 `first`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_shows_what_its_steps_drop_and_change() {
    let storage = MemoryStorage::new(rows(500));
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.serving("default", Echo::of(32) as Arc<dyn LLMServing>);
    pipeline.step(Longer { input_key: "text".into(), output_key: "length".into(), min: 3 });
    pipeline.step(Loud { input_key: "text".into() });
    pipeline.step(ask("text", "a"));
    let compiled = pipeline.compile().unwrap();
    let report = compiled.forward(Run { batch_rows: 4, explain_drops: true, ..Run::default() }).await.unwrap();
    assert_eq!((report.steps[0].dropped, report.steps[0].examples.len(), report.steps[1].examples.len()), (9, 9, 10));
    assert_eq!(
        serde_json::to_value(&report.steps[0].examples[1]).unwrap(),
        json!({"row": "2", "dropped": {"wrote": {"length": 2}, "why": "measured 2, min 3", "read": {"text": "t2"}}})
    );
    assert_eq!(
        serde_json::to_value(&report.steps[1].examples[0]).unwrap(),
        json!({"row": "10", "changed": {"column": "text", "before": "t10", "after": "T10"}})
    );
    assert!(report.steps[2].examples.is_empty());
    let told = report.to_string();
    assert!(told.contains("dropped 9 rows; the first are\n  row 1: length=2 (measured 2, min 3) for text=\"t1\"\n"), "{told}");
    assert!(told.contains("  row 10, text:\n    - \"t10\"\n    + \"T10\"\n"), "{told}");
    let plain = compiled.forward(Run::default()).await.unwrap();
    assert!(plain.steps.iter().all(|step| step.examples.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_dropped_row_is_told_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dropped.jsonl");
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(500)));
    pipeline.step(Longer { input_key: "text".into(), output_key: "length".into(), min: 4 }).named("long");
    let compiled = pipeline.compile().unwrap();
    let report = compiled.forward(Run { batch_rows: 4, dropped: Some(path.clone()), ..Run::default() }).await.unwrap();
    assert_eq!((report.steps[0].dropped, report.dropped), (99, Some(path.canonicalize().unwrap())));
    let mut told: Vec<Value> = std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    told.sort_by_key(|row| row["row"].as_str().unwrap().parse::<u64>().unwrap());
    assert_eq!(told.len(), 99);
    assert_eq!(
        told[41],
        json!({
            "row": "42", "step": 1, "name": "long", "operator": "Longer", "wrote": {"length": 3}, "why": "measured 3, min 4",
            "values": {"text": "t42", "gold": 42}
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_does_not_wait_for_a_service_and_blames_no_row_for_it() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(100)));
    pipeline.serving("default", Arc::new(Cooling::default()) as Arc<dyn LLMServing>);
    pipeline.step(ask("text", "reply"));
    let stop = Stop::default();
    let run = Run { stop: stop.clone(), grace: Duration::from_mins(10), ..Run::default() };
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.gently();
    });
    let forward = async { pipeline.compile().unwrap().forward(run).await };
    let report = tokio::time::timeout(Duration::from_secs(20), forward).await.expect("nobody waits").unwrap();
    assert_eq!((report.outcome, report.failed, report.rows_written), (RunOutcome::Stopped, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_serving_is_busy_to_its_limit_and_never_beyond_it() {
    let storage = MemoryStorage::new(rows(4000));
    let echo = Echo::of(100);
    let mut pipeline = Pipeline::new("p", storage);
    pipeline.serving("default", echo.clone() as Arc<dyn LLMServing>);
    pipeline.step(ask("text", "a")).named("a");
    pipeline.step(ask("a", "b")).named("b");
    let compiled = pipeline.compile().unwrap();
    assert_eq!(compiled.llm_serving_list(), [("default", 2)]);
    compiled.forward(Run::default()).await.unwrap();
    assert_eq!(echo.most.load(Ordering::SeqCst), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_not_asked_again_and_equal_questions_share() {
    let storage = MemoryStorage::new(df!("text" => ["same", "other", "same", "same"]).unwrap());
    let (echo, journal) = (Echo::of(8), Arc::new(MemoryJournal::default()));
    let compiled = one_step(&storage, &echo, &journal, OnError::Drop);
    let first = compiled.forward(Run::default()).await.unwrap();
    assert_eq!((first.steps[0].calls, first.steps[0].shared, echo.calls()), (2, 2, 2));
    let second = compiled.forward(Run::default()).await.unwrap();
    assert_eq!((second.steps[0].calls, second.steps[0].from_journal, echo.calls()), (0, 4, 2));
    let fresh = compiled.forward(Run { from: RunFrom::Fresh, ..Run::default() }).await.unwrap();
    assert_eq!((fresh.steps[0].calls, echo.calls()), (2, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_out_of_nothing_follow_those_that_came_and_are_not_shared() {
    let storage = MemoryStorage::new(rows(2));
    let echo = Echo::of(8);
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.serving("default", echo.clone() as Arc<dyn LLMServing>);
    pipeline.step(FromNothing { rows: 3, output_key: "made".into() });
    let compiled = pipeline.compile().unwrap();
    assert_eq!(compiled.most_calls(None).calls, Some(3));
    compiled.forward(Run::default()).await.unwrap();
    assert_eq!(texts(&storage.output_frame().unwrap(), "made"), ["null", "null", "re: make one", "re: make one", "re: make one"]);
    assert_eq!(echo.calls(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_row_is_dropped_kept_or_ends_the_run() {
    let journal = || Arc::new(MemoryJournal::default());
    let storage = MemoryStorage::new(rows(3));
    let echo = Echo::failing(8, &["t2"]);
    let report = one_step(&storage, &echo, &journal(), OnError::Drop).forward(Run::default()).await.unwrap();
    assert_eq!(texts(&storage.output_frame().unwrap(), "text"), ["t1", "t3"]);
    assert_eq!(report.failed, 1);
    let letters = std::fs::read_to_string(report.errors.unwrap()).unwrap();
    let letter: DeadLetter = serde_json::from_str(&letters).unwrap();
    assert_eq!((&*letter.row, letter.step, &*letter.class, &*letter.message), ("2", 1, "transient", "the service said 500"));

    one_step(&storage, &echo, &journal(), OnError::Keep).forward(Run::default()).await.unwrap();
    assert_eq!(texts(&storage.output_frame().unwrap(), "reply"), ["re: t1", "null", "re: t3"]);

    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.serving("default", echo.clone() as Arc<dyn LLMServing>);
    pipeline.step(ask("text", "reply")).on_error(OnError::Keep).error_key("why");
    pipeline.step(Longer { input_key: "why".into(), output_key: "length".into(), min: 1 });
    pipeline.compile().unwrap().forward(Run::default()).await.unwrap();
    let told = storage.output_frame().unwrap();
    assert_eq!((texts(&told, "why"), texts(&told, "text")), (vec!["transient: the service said 500".to_owned()], vec!["t2".to_owned()]));

    let error = one_step(&storage, &echo, &journal(), OnError::Fail).forward(Run::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "step 1 `AskOnce`: row 2: the service said 500");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_rows_are_run_alone_and_put_in_their_places() {
    for on_error in [OnError::Drop, OnError::Keep] {
        let storage = MemoryStorage::new(rows(300));
        let (echo, journal) = (Echo::failing(8, &["t1", "t150", "t300"]), Arc::new(MemoryJournal::default()));
        let mut pipeline = Pipeline::new("p", storage.clone());
        pipeline.serving("default", echo.clone() as Arc<dyn LLMServing>).journal(journal);
        pipeline.step(ask("text", "reply")).on_error(on_error);
        pipeline.step(OneMore { input_key: "reply".into() });
        let compiled = pipeline.compile().unwrap();
        let run = Run { batch_rows: 64, ..Run::default() };
        assert_eq!(compiled.forward(run.clone()).await.unwrap().failed, 3);
        let before = echo.calls();
        echo.fails.lock().unwrap().retain(|text| text == "t150");
        let report = compiled.forward(Run { retry_failed: true, ..run.clone() }).await.unwrap();
        assert_eq!((report.rows_read, report.failed, echo.calls() - before), (3, 1, 2), "{on_error:?}");
        let read = |name: &str| serde_json::from_slice::<Value>(&std::fs::read(Storage::work_path(&storage).join(name)).unwrap()).unwrap()["rows_read"].clone();
        assert_eq!((read("p_report.json"), read("p_retry_report.json")), (json!(300), json!(3)), "the report of all rows stays");
        echo.fails.lock().unwrap().clear();
        assert_eq!(compiled.forward(Run { retry_failed: true, ..run.clone() }).await.unwrap().rows_read, 1);
        let expected: Vec<String> = (1..=300).flat_map(|n| [format!("re: t{n}"), format!("re: t{n}+")]).collect();
        assert_eq!(texts(&storage.output_frame().unwrap(), "reply"), expected, "{on_error:?}");
        assert_eq!(compiled.forward(Run { retry_failed: true, ..run }).await.unwrap().rows_read, 0, "nothing is left to retry");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_rows_are_put_among_those_of_their_own_run_only() {
    let storage = MemoryStorage::new(rows(30));
    let (echo, journal) = (Echo::failing(8, &["t1", "t20"]), Arc::new(MemoryJournal::default()));
    let retry = |limit| Run { retry_failed: true, limit, ..Run::default() };
    let pipeline = |on_error| one_step(&storage, &echo, &journal, on_error);
    assert_eq!(pipeline(OnError::Drop).forward(Run { limit: Some(25), ..Run::default() }).await.unwrap().failed, 2);
    let error = pipeline(OnError::Drop).forward(retry(None)).await.unwrap_err().to_string();
    assert!(error.starts_with("the pipeline, its input or `--limit` is not that of the run before"), "{error}");
    assert!(pipeline(OnError::Drop).forward(retry(Some(25))).await.is_ok());
    // A run that ended early told of some failed rows only.
    pipeline(OnError::Fail).forward(Run { from: RunFrom::Fresh, limit: Some(25), ..Run::default() }).await.unwrap_err();
    let error = pipeline(OnError::Fail).forward(retry(Some(25))).await.unwrap_err().to_string();
    assert!(error.starts_with("the run before did not come to its end"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_resumes_from_the_last_cache_that_holds() {
    let storage = MemoryStorage::new(rows(5)).with_caches();
    let (echo, journal) = (Echo::of(8), Arc::new(MemoryJournal::default()));
    let pipeline = |storage: &MemoryStorage, before: &str| {
        let mut pipeline = Pipeline::new("p", storage.clone());
        pipeline.serving("default", echo.clone() as Arc<dyn LLMServing>).journal(journal.clone());
        pipeline.step(Loud { input_key: "text".into() }).named("loud");
        pipeline.step(AskOnce { before: before.into(), ..ask("text", "reply") }).named("ask");
        pipeline.compile().unwrap()
    };
    let first = pipeline(&storage, "").forward(Run::default()).await.unwrap();
    assert_eq!((first.resumed_after_step, first.steps.len()), (None, 2));
    let again = pipeline(&storage, "").forward(Run::default()).await.unwrap();
    assert_eq!((again.resumed_after_step, again.steps.len(), again.rows_written), (Some(2), 0, 5));
    let changed = pipeline(&storage, "please ").forward(Run::default()).await.unwrap();
    assert_eq!((changed.resumed_after_step, changed.steps[0].calls), (Some(1), 5));
    assert_eq!(texts(&storage.output_frame().unwrap(), "reply")[0], "re: please T1");
    let from = pipeline(&storage, "please ").forward(Run { from: RunFrom::Step("ask".into()), ..Run::default() }).await.unwrap();
    assert_eq!((from.resumed_after_step, from.steps[0].from_journal), (Some(1), 5));

    let other = storage.clone().with_input(rows(6));
    let error = pipeline(&other, "").forward(Run { from: RunFrom::Step("2".into()), ..Run::default() }).await.unwrap_err();
    assert!(error.to_string().starts_with("the cache of step 1 `loud` does not hold"), "{error}");
    assert_eq!(pipeline(&other, "").forward(Run::default()).await.unwrap().resumed_after_step, None, "a stale cache is never used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gentle_stop_keeps_what_is_in_flight_before_a_step_that_has_ended() {
    let (slow, quick) = (Arc::new(Echo { limit: 20, delay: Duration::from_millis(100), ..Echo::default() }), Echo::of(20));
    let stop = Stop::default();
    *quick.stops.lock().unwrap() = Some((5, stop.clone()));
    let journal = Arc::new(MemoryJournal::default());
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(500)));
    pipeline.serving("default", slow.clone() as Arc<dyn LLMServing>).serving("quick", quick.clone() as Arc<dyn LLMServing>).journal(journal.clone());
    pipeline.step(ask("text", "a")).named("a");
    pipeline.step(ask("a", "b")).named("b").on("quick");
    let report = pipeline.compile().unwrap().forward(Run { stop, ..Run::default() }).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Stopped);
    assert_eq!((slow.in_flight.load(Ordering::SeqCst), journal.len()), (0, slow.calls() + quick.calls()), "no call is given up, and every answer is kept");
    assert!(slow.calls() < 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_ends_the_run_lets_the_calls_in_flight_end() {
    let echo = Arc::new(Echo { limit: 20, delay: Duration::from_millis(100), fails: Mutex::new(vec!["t3".into()]), ..Echo::default() });
    let journal = Arc::new(MemoryJournal::default());
    let compiled = one_step(&MemoryStorage::new(rows(500)), &echo, &journal, OnError::Fail);
    let error = compiled.forward(Run::default()).await.unwrap_err();
    assert!(matches!(&error, Error::RowFailed { row, .. } if row == "3"), "{error}");
    assert_eq!((echo.in_flight.load(Ordering::SeqCst), journal.len()), (0, echo.calls()), "what was asked is kept");
    assert!((1..100).contains(&echo.calls()), "no more is asked than what was begun before the failure was seen: {}", echo.calls());
}

/// Enough for so many calls.
struct Calls(AtomicUsize, Stop);

impl super::Purse for Calls {
    fn reserve<'a>(&'a self, _: &'a Chat) -> futures::future::BoxFuture<'a, Option<super::Held>> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if !left {
            self.1.gently();
        }
        Box::pin(std::future::ready(left.then(super::Held::default)))
    }
    fn settle(&self, _: &Chat, _: super::Held, _: Option<&Reply>) {}
    fn money(&self) -> Option<f64> {
        Some(0.5)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_made_that_the_purse_does_not_allow_and_its_row_is_left_for_another_run() {
    let storage = MemoryStorage::new(rows(200));
    let (echo, journal) = (Echo::of(10), Arc::new(MemoryJournal::default()));
    let compiled = one_step(&storage, &echo, &journal, OnError::Keep);
    let stop = Stop::default();
    let purse = Arc::new(Calls(AtomicUsize::new(30), stop.clone()));
    let report = compiled.forward(Run { stop, purse: Some(purse), ..Run::default() }).await.unwrap();
    assert_eq!((report.outcome, report.failed, report.money), (RunOutcome::Stopped, 0, Some(0.5)));
    assert_eq!((echo.calls(), journal.len(), report.steps[0].rows_out), (30, 30, 30), "what was bought leaves the step");
    compiled.forward(Run::default()).await.unwrap();
    assert_eq!((echo.calls(), storage.output_frame().unwrap().height()), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gentle_stop_keeps_what_is_in_flight_and_the_next_run_goes_on() {
    let storage = MemoryStorage::new(rows(1000));
    let (echo, journal) = (Echo::of(10), Arc::new(MemoryJournal::default()));
    let compiled = one_step(&storage, &echo, &journal, OnError::Drop);
    let stop = Stop::default();
    *echo.stops.lock().unwrap() = Some((100, stop.clone()));
    let report = compiled.forward(Run { stop, batch_rows: 100, ..Run::default() }).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Stopped);
    assert!(storage.output_frame().is_none(), "an output that is not whole is not there");
    let answered = echo.calls();
    assert!((100..=150).contains(&answered), "{answered}");
    assert_eq!(journal.len(), answered);
    assert_eq!(compiled.forward(Run::default()).await.unwrap().steps[0].from_journal as usize, answered);
    assert_eq!(echo.calls(), 1000);
    assert_eq!(storage.output_frame().unwrap().height(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_never_reached_ends_the_run() {
    let echo = Arc::new(Echo { limit: 4, unreachable: true, ..Echo::default() });
    let error = one_step(&MemoryStorage::new(rows(1000)), &echo, &Arc::default(), OnError::Drop).forward(Run::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "serving `default` gives no answers: connection refused");
}

#[tokio::test]
async fn a_panic_in_a_rule_names_the_operator() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(df!("text" => ["fine", "panic"]).unwrap()));
    pipeline.step(Longer { input_key: "text".into(), output_key: "n".into(), min: 0 });
    let error = pipeline.compile().unwrap().forward(Run::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("operator `Longer`: panicked: "), "{error}");
}

#[tokio::test]
async fn an_empty_data_set_and_blank_cells_cost_nothing() {
    let echo = Echo::of(4);
    let storage = MemoryStorage::new(df!("text" => [None, Some(""), Some(" ")]).unwrap());
    let report = one_step(&storage, &echo, &Arc::default(), OnError::Drop).forward(Run::default()).await.unwrap();
    assert_eq!((report.steps[0].skipped, report.rows_written, echo.calls()), (3, 3, 0));
    assert_eq!(texts(&storage.output_frame().unwrap(), "reply"), ["null", "null", "null"]);
    let storage = MemoryStorage::new(rows(0));
    assert_eq!(one_step(&storage, &echo, &Arc::default(), OnError::Drop).forward(Run::default()).await.unwrap().rows_written, 0);
    assert_eq!(storage.output_frame().unwrap().get_column_names(), ["text", "gold", "reply"]);
}

#[tokio::test]
async fn lists_and_records_are_read_as_their_json_text() {
    let storage = MemoryStorage::of(&[json!({ "tags": ["a", "b"], "page": { "n": 1 } }), json!({ "tags": null, "page": null })]);
    let mut pipeline = Pipeline::new("nested", storage.clone());
    pipeline.step(Longer { input_key: "page".into(), output_key: "length".into(), min: 1 });
    pipeline.step(Loud { input_key: "tags".into() });
    let compiled = pipeline.compile().unwrap();
    insta::assert_snapshot!(compiled.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r"
    step 1 `Longer` (Longer): `input_key` reads `page` as text, and the column holds struct[1]
        hint: each cell is read as its JSON text; a step that writes a column of text can take out what is meant
    step 2 `Loud` (Loud): `input_key` reads `tags` as text, and the column holds list[str]
        hint: each cell is read as its JSON text; a step that writes a column of text can take out what is meant
    ");
    compiled.forward(Run::default()).await.unwrap();
    let frame = storage.output_frame().unwrap();
    assert_eq!((texts(&frame, "length"), texts(&frame, "tags")), (vec!["7".into()], vec![r#"["A","B"]"#.to_owned()]));
}

#[test]
fn compile_tells_all_problems_at_once() {
    let storage = MemoryStorage::of(&[json!({ "raw_content": "x", "id": 1, "tags": ["a"] })]);
    let mut pipeline = Pipeline::new("translate", storage);
    pipeline.step(ask("raw_content", "content_zh")).named("op1");
    pipeline.step(ask("content_ZH", "content_en")).named("op2").on("judge");
    pipeline.step(ask("raw_inputs", "x")).named("op3");
    pipeline.step(ask("later", "content_zh")).named("op4");
    pipeline.step(ask("tags", "later")).named("op5");
    pipeline.step(ask("", ""));
    let Err(Error::DoesNotCompile(problems)) = pipeline.compile() else { panic!("it compiles") };
    insta::assert_snapshot!(problems, @r"
    pipeline `translate` does not compile: 7 problems
      there is no serving `default`, which step 1 `op1` asks
        hint: the pipeline has no serving: add one named `default`
      there is no serving `judge`, which step 2 `op2` asks
        hint: the pipeline has no serving: add one named `default`
      step 2 `op2` (AskOnce): `input_key` reads `content_ZH`, which no earlier step and not the data set gives
        hint: did you mean `content_zh`, written by step 1 `op1`?
      step 3 `op3` (AskOnce): `input_key` reads `raw_inputs`, which no earlier step and not the data set gives
        hint: did you mean `raw_content` of the data set?
      step 4 `op4` (AskOnce): `input_key` reads `later`, which comes only later
        hint: step 5 `op5` writes it
      step 6 `AskOnce` (AskOnce): `input_key` is not set
        hint: name a column of type text
      step 6 `AskOnce` (AskOnce): `output_key` is not set
        hint: name the column to write
      warning: step 4 `op4` (AskOnce): `output_key` overwrites `content_zh` of step 1 `op1`, which no step has read
      warning: step 5 `op5` (AskOnce): `input_key` reads `tags` as text, and the column holds list[str]
        hint: each cell is read as its JSON text; a step that writes a column of text can take out what is meant
    ");
}

#[test]
fn a_column_that_may_be_missing_is_warned_of_unless_the_step_itself_fills_it_in() {
    let mut pipeline = Pipeline::new("sparse", MemoryStorage::of(&[json!({ "text": "x", "counts": 1 })]));
    pipeline.step(Filled { input_key: "count".into(), output_key: "sum".into() });
    pipeline.step(Filled { input_key: "total".into(), output_key: "total".into() });
    let compiled = pipeline.compile().unwrap();
    insta::assert_snapshot!(compiled.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r"
    step 1 `Filled` (Filled): `input_key` reads `count`, which no earlier step and not the data set gives, and is null
        hint: did you mean `counts` of the data set?
    ");
}

#[test]
fn a_pipeline_and_its_file_are_one_value() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::of(&[json!({ "text": "x" })]));
    pipeline.seed(7).serving("judge", Echo::of(1) as Arc<dyn LLMServing>);
    pipeline.step(ask("text", "reply")).named("a").on("judge").on_error(OnError::Keep);
    let spec = pipeline.to_spec();
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(
        text,
        r#"{"name":"p","seed":7,"storage":{"type":"memory"},"serving":{"judge":{"type":"echo"}},"steps":[{"operator":"AskOnce","name":"a","serving":"judge","on_error":"keep","input_key":"text","output_key":"reply","before":""}]}"#
    );
    assert_eq!(serde_json::from_str::<crate::pipeline::PipelineSpec>(&text).unwrap(), spec);
}
