//! Runs of small pipelines in memory.

mod compiling;
mod ending;
mod observing;

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
use crate::operator::{Changes, DatasetResult, DatasetWork, Others, Outcome, Seed};
use crate::pipeline::{CompiledPipeline, OnError, Pipeline};
use crate::row::Row;
use crate::serving::{Chat, ErrorClass, LLMServing, Reply, ServingError};
use crate::shape::{AskModel, Columns, Dataset, MakeRows, Measure, Refine};
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

/// Texts without a 2 stay. # 中文 去掉含 2 的文本。
#[operator(test, filter, AskModel)]
#[derive(Default)]
struct Without2 {
    /// Text. 中文：文本。
    input_key: Input<Text>,
}

impl AskModel for Without2 {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let has = row.text(&self.input_key)?.contains('2');
        Ok(if has { Outcome::drop_because("it has a 2") } else { Cells::new().into() })
    }
    fn calls_per_row(&self) -> u64 {
        0
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
    /// What is kept. 中文：留存。
    #[path(owns)]
    index_path: Option<PathBuf>,
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
    LastFirst { input_key: "text".into(), output_one_key: "one".into(), output_two_key: "two".into(), notes_path, index_path: None }
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
async fn rows_that_keep_their_places_until_they_are_written_wake_the_step_that_waits_for_them() {
    for round in 0..20 {
        let storage = MemoryStorage::new(rows(200)).arriving(crate::storage::Arrival::AtOnce);
        let mut pipeline = Pipeline::new("p", storage.clone());
        pipeline.serving("default", Echo::of(4) as Arc<dyn LLMServing>);
        pipeline.step(ask("text", "a")).named("a");
        pipeline.step(ask("a", "b")).named("b");
        let compiled = pipeline.compile().unwrap();
        let report = tokio::time::timeout(Duration::from_secs(20), compiled.forward(Run::default())).await;
        assert_eq!(report.unwrap_or_else(|_| panic!("round {round} waits for ever")).unwrap().rows_written, 200);
    }
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
