//! What operator tests are made of: a model that follows a script, and the conformance test of every operator.

#![expect(clippy::expect_used, clippy::panic, reason = "a test ends when its set-up is wrong")]

mod storage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use polars::prelude::*;
use serde_json::Value;

use crate::cell::{Cell, Cells};
use crate::engine::apply::apply_columns;
use crate::error::{Error, Result};
use crate::key::{ColumnType, Direction};
use crate::model::{Answers, Model};
use crate::operator::{Kind, Operator, Outcome, Seed, Shape, Work};
use crate::row::Row;
use crate::serving::{Chat, Embeddings, ErrorClass, Reply, ServingError};

pub use serde_json::json;
pub use storage::{MemoryJournal, MemoryStorage};

/// What a scripted model says to a chat.
type Script = Box<dyn FnMut(&Chat) -> Option<String> + Send>;

/// A model that answers with a function of the chat, and remembers what it was asked.
#[derive(Clone)]
pub struct ScriptedModel {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<Chat>>>,
    forgotten: Arc<Mutex<Vec<Chat>>>,
}

impl ScriptedModel {
    /// Answers with what `script` gives; `None` is a failed call.
    pub fn new(script: impl FnMut(&Chat) -> Option<String> + Send + 'static) -> Self {
        Self { script: Arc::new(Mutex::new(Box::new(script))), asked: Arc::default(), forgotten: Arc::default() }
    }

    /// Answers with these replies, one after another; a call beyond the last fails.
    pub fn replies<S: Into<String>>(replies: impl IntoIterator<Item = S>) -> Self {
        let mut replies: std::collections::VecDeque<String> = replies.into_iter().map(Into::into).collect();
        Self::new(move |_| replies.pop_front())
    }

    /// The model that an operator sees.
    pub fn model(&self) -> Model {
        Model::new(Arc::new(self.clone()))
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Chat> {
        self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// What was forgotten so far.
    pub fn forgotten(&self) -> Vec<Chat> {
        self.forgotten.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Answers for ScriptedModel {
    async fn answer(&self, chat: &Chat) -> Result<Reply> {
        self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(chat.clone());
        let content = (self.script.lock().unwrap_or_else(std::sync::PoisonError::into_inner))(chat);
        match content {
            Some(content) => Ok(Reply { content, ..Reply::default() }),
            None => Err(Error::Serving(ServingError::new(ErrorClass::Transient, "the script has no reply"))),
        }
    }

    async fn forget(&self, chat: &Chat) -> Result<()> {
        self.forgotten.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(chat.clone());
        Ok(())
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings> {
        let mut known: HashMap<&str, f32> = HashMap::new();
        let vectors = texts
            .iter()
            .map(|text| {
                let next = known.len() as f32;
                vec![*known.entry(text).or_insert(next), 1.0]
            })
            .collect();
        Ok(Embeddings { vectors, ..Embeddings::default() })
    }
}

/// Runs a rule operator over texts of one column and prints each row: what the operator wrote, or `dropped`.
pub fn check_rule<'a>(operator: &dyn Operator, column: &str, texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.into_iter().collect();
    let frame = DataFrame::new_infer_height(vec![Column::new(column.into(), texts)]).expect("one column");
    check_frame(operator, frame)
}

/// Runs a rule operator over a frame, which may have any columns, and prints each row.
pub fn check_frame(operator: &dyn Operator, frame: DataFrame) -> String {
    let (frame, keep) = run_rule(operator, frame);
    let lines: Vec<String> = (0..frame.height()).map(|index| if keep[index] { print_row(&frame, index) } else { "dropped".to_owned() }).collect();
    lines.join("\n")
}

fn print_row(frame: &DataFrame, index: usize) -> String {
    let cells: Vec<String> = frame
        .columns()
        .iter()
        .map(|column| {
            let value = column.get(index).expect("within the frame");
            format!("{}={}", column.name(), crate::row::text_of(value).unwrap_or("null".into()))
        })
        .collect();
    cells.join(" ")
}

/// What a rule operator makes of a frame, its kind checked: all rows, and which of them stay.
pub fn run_rule(operator: &dyn Operator, frame: DataFrame) -> (DataFrame, Vec<bool>) {
    let height = frame.height();
    let changes = match operator.work().expect("the operator can work") {
        Work::Column(work) => work.batch(&frame),
        Work::Dataset(mut work) => work.batch(&frame),
        Work::Row(_) | Work::Source(_) => panic!("{} asks a model: use `check_row` or `check_seed`", operator.info().name),
    }
    .expect("the rule works on the frame");
    let frame = apply_columns(operator.info(), &operator.keys(), frame, &changes).expect("the operator keeps to its kind");
    let keep = changes.keep.map_or_else(|| vec![true; height], |keep| keep.iter().map(|keep| keep == Some(true)).collect());
    (frame, keep)
}

/// Runs an operator that asks a model over one row, given as a JSON object, and prints the prompts and what the row becomes.
pub fn check_row(operator: &dyn Operator, model: &ScriptedModel, row: Value) -> String {
    let frame = frame_of(&[row]);
    let Work::Row(work) = operator.work().expect("the operator can work") else { panic!("{} does not work by rows", operator.info().name) };
    let row = Row::new(&frame, 0, "1", 7);
    let before = model.asked().len();
    let outcome = if work.skips(&row) { "skipped".to_owned() } else { print_outcome(block_on(work.row(row, &model.model()))) };
    format!("{}\n{outcome}", print_chats(&model.asked()[before..])).trim_start().to_owned()
}

/// Runs the seed of a number of an operator that makes rows out of nothing, and prints the prompts and the rows.
pub fn check_seed(operator: &dyn Operator, model: &ScriptedModel, number: u64) -> String {
    let Work::Source(work) = operator.work().expect("the operator can work") else { panic!("{} does not make rows out of nothing", operator.info().name) };
    let seed = Seed::new(number, 7);
    let before = model.asked().len();
    let rows = match block_on(work.rows(&seed, &model.model())) {
        Ok(rows) => rows.iter().map(|cells| format!("-> {}", print_cells(cells))).collect::<Vec<_>>().join("\n"),
        Err(error) => format!("failed ({}): {error}", error.class()),
    };
    format!("{}\n{rows}", print_chats(&model.asked()[before..]))
}

/// A frame of JSON objects with the same keys; a key whose values are all null is a column of nulls.
pub fn frame_of(rows: &[Value]) -> DataFrame {
    let lines = rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    JsonReader::new(std::io::Cursor::new(lines)).with_json_format(JsonFormat::JsonLines).infer_schema_len(None).finish().expect("objects with the same keys")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

fn print_chats(chats: &[Chat]) -> String {
    let lines = chats.iter().map(|chat| {
        let messages = chat.messages.iter().map(|message| format!("[{}] {}", message.role.as_str(), message.content));
        let schema = chat.json_schema.is_some().then(|| "(with a JSON schema)".to_owned());
        let sample = (chat.sample > 0).then(|| format!("(sample {})", chat.sample));
        messages.chain(schema).chain(sample).collect::<Vec<_>>().join("\n")
    });
    lines.collect::<Vec<_>>().join("\n---\n")
}

fn print_outcome(outcome: Result<Outcome>) -> String {
    match outcome {
        Err(error) => format!("failed ({}): {error}", error.class()),
        Ok(Outcome { keep, cells, rows, why }) => {
            let own = if keep { format!("-> {}", print_cells(&cells)) } else { format!("-> dropped {}", print_cells(&cells)) };
            let why = why.map(|why| format!(" because {why}")).unwrap_or_default();
            std::iter::once(format!("{}{why}", own.trim_end()))
                .chain(rows.iter().map(|row| format!("+> {} ({:?})", print_cells(&row.cells), row.others)))
                .collect::<Vec<_>>()
                .join("\n")
        }
    }
}

fn print_cells(cells: &Cells) -> String {
    let print = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Integer(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Null => "null".to_owned(),
        other => format!("{other:?}"),
    };
    cells.names().map(|name| format!("{name}={}", print(cells.get(name).unwrap_or(&Cell::Null)))).collect::<Vec<_>>().join(" ")
}

/// Holds an operator to what every operator promises: see [`check_conformance`].
#[macro_export]
macro_rules! conformance {
    ($operator:ty) => {
        #[test]
        fn conforms() {
            $crate::testing::check_conformance(stringify!($operator));
        }
    };
}
pub use conformance;

/// Holds a registered operator to what every operator promises: its defaults survive a round trip through a file, unknown fields are refused,
/// it is described in both languages, its schema names its fields, and a rule keeps to its kind on an empty frame, on nulls and on text.
pub fn check_conformance(name: &str) {
    let info = crate::registry::operator(name).unwrap_or_else(|| panic!("`{name}` is registered"));
    let operator = info.with_defaults().expect("the defaults are a valid operator");
    let again = (info.build)(operator.parameters()).expect("what an operator writes it can read");
    assert_eq!(operator.parameters(), again.parameters(), "the defaults survive a round trip");
    assert!((info.build)(serde_json::json!({ "no_such_parameter": 1 })).is_err() || info.fields.is_empty(), "unknown fields are refused");
    assert!(!info.docs.en.is_empty() && !info.docs.zh.is_empty(), "the operator is described in both languages");
    let schema = (info.schema)();
    for field in info.fields {
        assert!(!field.docs.en.is_empty() && !field.docs.zh.is_empty(), "`{}` is described in both languages", field.name);
        assert!(schema["properties"].get(field.name).is_some(), "`{}` is in the schema", field.name);
    }
    for usage in operator.prompts() {
        assert_eq!(usage.problems(info.module), [], "the default prompt of `{}` is allowed", usage.field);
        for allowed in usage.allowed {
            assert!(crate::registry::prompt(allowed).is_some(), "the allowed prompt `{allowed}` is registered");
        }
    }
    let writes: Vec<_> = operator.keys().into_iter().filter(|key| key.direction != Direction::Read).collect();
    assert!(info.kind == Kind::Filter || !writes.is_empty() || info.shape != Shape::Row, "an operator that asks a model writes something");
    assert!(operator.work().is_ok(), "the operator with its defaults can work");
    if matches!(info.shape, Shape::Column | Shape::Dataset) {
        rule_conforms(operator.as_ref());
    }
}

fn rule_conforms(operator: &dyn Operator) {
    let reads: Vec<_> = operator.keys().into_iter().filter(|key| key.direction != Direction::Write).collect();
    for height in [0, 1, 3] {
        let columns = reads.iter().map(|key| match key.column_type {
            ColumnType::Text | ColumnType::Any => Column::new(key.key.as_str().into(), [None, Some(""), Some("Some text, 一些文字。")][3 - height..].to_vec()),
            _ => Column::full_null(key.key.as_str().into(), height, &key.column_type.data_type()),
        });
        let frame = DataFrame::new(height, columns.collect()).expect("columns of one height");
        let before = frame.clone();
        let (after, keep) = run_rule(operator, frame);
        assert_eq!((after.height(), keep.len()), (height, height), "no row comes");
        for column in before.columns() {
            let changed = operator.keys().iter().any(|key| key.key == column.name().as_str() && key.direction != Direction::Read);
            assert!(changed || after.column(column.name()).expect("no column goes").equals_missing(column), "`{}` is left alone", column.name());
        }
    }
}
