//! Operators: what they declare, and the work that the engine has them do.

use std::any::Any;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use polars::prelude::{BooleanChunked, Column, DataFrame, StringChunked};
use serde::Serialize;
use serde_json::Value;

use crate::cell::Cells;
use crate::docs::{Docs, Language};
use crate::error::Result;
use crate::key::KeyUse;
use crate::model::Model;
use crate::prompt::PromptUse;
use crate::row::Row;

/// What an operator does to a data set. The engine holds every operator to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Rows stay and columns come, or rows come.
    Generate,
    /// Rows stay and score columns come, or one result for the whole set.
    Eval,
    /// Fewer rows; no cell changes but for a score or label column.
    Filter,
    /// Rows stay, and the text of a column changes.
    Refine,
}

impl Kind {
    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Eval => "eval",
            Self::Filter => "filter",
            Self::Refine => "refine",
        }
    }
}

/// How an operator works through a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A rule over a batch of rows.
    Column,
    /// Asks a model about one row at a time, any number of times.
    Row,
    /// Sees all rows in order and remembers.
    Dataset,
    /// Makes rows out of nothing, by asking a model.
    Source,
}

/// A parameter or key of an operator, as its docs tell it.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The field's name.
    pub name: &'static str,
    /// What it is for.
    pub docs: Docs,
    /// For one that names a file or a folder, or a column whose cells do: what becomes of it.
    pub path: Option<PathUse>,
}

/// What becomes of a file or folder that a parameter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathUse {
    /// A file that is read: what is in it shapes the rows.
    Reads,
    /// A file that is written beside the rows, anew in each run.
    Writes,
    /// A folder that is written into, and stays from run to run.
    Keeps,
    /// Such a folder that one step of a pipeline has to itself.
    Owns,
    /// Of a column: its cells name files that are read, which may change while the cells do not.
    Named,
    /// Of a parameter that names what is built in: a value that ends in `.json` is a file that is [read](Self::Reads).
    Json,
}

/// Whether a value of a parameter that may name what is built in names a file of JSON.
pub fn is_json_file(value: &str) -> bool {
    Path::new(value).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// What the registry knows of an operator.
pub struct OperatorInfo {
    /// Its name: the type's.
    pub name: &'static str,
    /// The category, such as `core_text`.
    pub category: &'static str,
    /// What it does to a data set.
    pub kind: Kind,
    /// How it works through it.
    pub shape: Shape,
    /// The module that declares it; its first part is the crate.
    pub module: &'static str,
    /// What it does.
    pub docs: Docs,
    /// Its parameters and keys, in the order of the struct.
    pub fields: &'static [FieldInfo],
    /// The prompts that it allows, by the field that holds them.
    pub prompts: &'static [(&'static str, &'static [&'static str])],
    /// Makes it of its parameters; what is left out has its default.
    pub build: fn(Value) -> Result<Box<dyn Operator>>,
    /// The JSON schema of its parameters.
    pub schema: fn() -> Value,
}

inventory::collect!(OperatorInfo);

impl fmt::Debug for OperatorInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({} {})", self.name, self.category, self.kind.name())
    }
}

impl OperatorInfo {
    /// The operator with all its defaults.
    pub fn with_defaults(&self) -> Result<Box<dyn Operator>> {
        (self.build)(Value::Object(serde_json::Map::new()))
    }

    /// The files and folders that parameters name: each with its field and what becomes of it.
    pub fn paths(&self, parameters: &Value) -> Vec<(&'static str, PathUse, PathBuf)> {
        let path = |field: &FieldInfo| {
            let path = parameters.get(field.name)?.as_str().filter(|path| !path.is_empty())?;
            let path_use = match field.path? {
                PathUse::Json if is_json_file(path) => PathUse::Reads,
                PathUse::Named | PathUse::Json => return None,
                others => others,
            };
            Some((field.name, path_use, path.into()))
        };
        self.fields.iter().filter_map(path).collect()
    }

    /// Whether it reads files that its rows name.
    pub fn reads_files_of_rows(&self) -> bool {
        self.fields.iter().any(|field| field.path == Some(PathUse::Named))
    }

    /// What the operator does and what each parameter is for, in a language; DataFlow's `get_desc`.
    pub fn get_desc(&self, language: Language) -> String {
        let defaults = self.with_defaults().map(|operator| operator.parameters()).unwrap_or_default();
        let mut text = self.docs.get(language).to_owned();
        let heading = match language {
            Language::En => "\n\nParameters:",
            Language::Zh => "\n\n参数：",
        };
        text.push_str(heading);
        for field in self.fields {
            let default = defaults.get(field.name).map(|value| format!(" (= {value})")).unwrap_or_default();
            let _ = write!(text, "\n- {}{default}: {}", field.name, field.docs.get(language).replace('\n', " ")); // a String takes every write
        }
        text
    }
}

/// An operator: plain data, its parameters and the names of the columns that it reads and writes.
///
/// The `#[operator]` attribute writes this trait from the struct's fields and docs; the work itself is one of the traits
/// of [`shape`](crate::shape).
pub trait Operator: fmt::Debug + Send + Sync + 'static {
    /// What the registry knows of it.
    fn info(&self) -> &'static OperatorInfo;

    /// Every column that it reads, changes or writes.
    fn keys(&self) -> Vec<KeyUse>;

    /// The prompts that it holds.
    fn prompts(&self) -> Vec<PromptUse<'_>>;

    /// Its parameters, as a pipeline file has them.
    fn parameters(&self) -> Value;

    /// What is wrong with its parameters, a sentence each; asked at compile.
    fn problems(&self) -> Vec<String>;

    /// What the engine is to do. Called once a run.
    fn work(&self) -> Result<Work>;

    /// The most model calls that one row can need, re-asks of unreadable replies aside, and the most rows that it can become.
    fn at_most(&self) -> AtMost;

    /// What it keeps from run to run beside the rows. Asked before each run; an error ends that before a row is read.
    fn kept(&self) -> Result<Option<Kept>> {
        Ok(None)
    }
}

/// What a step keeps from run to run beside its rows, such as an index by which rows of several runs are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file that a run over all rows leaves. Where it is gone, the step is worked through again.
    pub file: PathBuf,
    /// What other runs have left, in short. Where that has changed since, the step is worked through again.
    pub others: String,
}

/// Upper bounds of what one row needs and becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtMost {
    /// Model calls for a row; for an operator that makes rows out of nothing, for each seed.
    pub calls: u64,
    /// Rows that come of a row; of a seed.
    pub rows: u64,
    /// Seeds of an operator that makes rows out of nothing.
    pub seeds: u64,
}

impl Default for AtMost {
    fn default() -> Self {
        Self { calls: 0, rows: 1, seeds: 0 }
    }
}

/// The work of an operator, in one of the four shapes.
pub enum Work {
    /// A batch at a time, in any order, on any thread.
    Column(Arc<dyn ColumnWork>),
    /// A row at a time, many at once.
    Row(Arc<dyn RowWork>),
    /// All batches in order.
    Dataset(Box<dyn DatasetWork>),
    /// Rows out of nothing, a seed at a time, many at once.
    Source(Arc<dyn SourceWork>),
}

/// What a batch becomes. The engine applies it, so that nothing else of the batch can change.
#[derive(Debug, Default)]
pub struct Changes {
    /// Columns that the operator has declared to write or change, each as long as the batch.
    pub columns: Vec<Column>,
    /// For filters: which rows stay.
    pub keep: Option<BooleanChunked>,
    /// Rows that could not be worked on, by their place in the batch.
    pub failed: Vec<(usize, crate::Error)>,
}

/// A rule over a batch of rows.
pub trait ColumnWork: Send + Sync {
    /// What the batch becomes.
    fn batch(&self, frame: &DataFrame) -> Result<Changes>;

    /// Why a row of a batch is dropped, beyond what is written about it. Asked for rows that are shown.
    fn why(&self, frame: &DataFrame, index: usize) -> Option<String> {
        let _ = (frame, index);
        None
    }
}

/// What was made of a batch before its turn came.
pub type Prepared = Box<dyn Any + Send>;

/// The part of a work over all rows that needs no memory.
pub trait Prepare: Send + Sync {
    /// What [`DatasetWork::prepared_batch`] is handed with the batch.
    fn prepare(&self, frame: &DataFrame) -> Result<Prepared>;
}

/// Work over all rows in order, with a memory.
pub trait DatasetWork: Send {
    /// Tells, before each batch, the identities of its rows: for work that names rows in what it writes beside the data set.
    fn identities(&mut self, identities: &StringChunked) {
        let _ = identities;
    }

    /// Tells, before the first batch, that only the first rows come: what other runs rely on is not to be replaced by what is known of these.
    fn only_first_rows(&mut self) {}

    /// Tells, before the first batch, that it will be asked why rows are dropped.
    fn will_explain(&mut self) {}

    /// The part of the work that needs to know nothing of other batches, where there is one: it is done for several batches at once.
    fn preparation(&self) -> Option<Arc<dyn Prepare>> {
        None
    }

    /// What the next batch becomes.
    fn batch(&mut self, frame: &DataFrame) -> Result<Changes>;

    /// What the next batch becomes, for which this was prepared.
    fn prepared_batch(&mut self, frame: &DataFrame, prepared: Prepared) -> Result<Changes> {
        drop(prepared);
        self.batch(frame)
    }

    /// Why a row of the last batch is dropped, beyond what is written about it. Asked for rows that are shown.
    fn why(&self, index: usize) -> Option<String> {
        let _ = index;
        None
    }

    /// The result for the whole set, after the last batch.
    fn end(&mut self) -> Result<Option<DatasetResult>> {
        Ok(None)
    }
}

/// One result for a whole set. It goes into the report, and into a file where the operator names one.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetResult {
    /// The result.
    pub value: Value,
    /// The file that it is written to as well.
    pub path: Option<PathBuf>,
}

/// What one row becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Whether the row itself stays.
    pub keep: bool,
    /// What is written into the row.
    pub cells: Cells,
    /// Rows that come of it, right after it.
    pub rows: Vec<NewRow>,
    /// Why it goes, where it does and nothing comes of it: told wherever dropped rows are shown.
    pub why: Option<String>,
}

/// A row that comes of another.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRow {
    /// What is written into it.
    pub cells: Cells,
    /// What its other columns hold.
    pub others: Others,
}

/// What the columns of a new row hold that the operator does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// What the row holds that it came of.
    AsParent,
    /// Null: what was true of the parent need not be true of it.
    Null,
}

impl From<Cells> for Outcome {
    fn from(cells: Cells) -> Self {
        Self { keep: true, cells, ..Self::default() }
    }
}

impl Outcome {
    /// For filters: the row stays or goes.
    pub fn keep_if(keep: bool, cells: Cells) -> Self {
        Self { keep, cells, ..Self::default() }
    }

    /// The row becomes these rows, each with the row's other columns.
    pub fn become_rows(rows: impl IntoIterator<Item = Cells>) -> Self {
        let rows = rows.into_iter().map(|cells| NewRow { cells, others: Others::AsParent }).collect();
        Self { rows, ..Self::default() }
    }

    /// The row goes, and nothing comes of it.
    ///
    /// ```
    /// # use dataflow_core::operator::Outcome;
    /// let outcome = Outcome::drop_because("it has no pair of a question and an answer");
    /// assert!(!outcome.keep && outcome.rows.is_empty());
    /// ```
    pub fn drop_because(why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..Self::default() }
    }

    /// The row stays, and these rows come after it.
    #[must_use]
    pub fn and_rows(mut self, others: Others, rows: impl IntoIterator<Item = Cells>) -> Self {
        self.rows.extend(rows.into_iter().map(|cells| NewRow { cells, others }));
        self
    }
}

/// Work on one row, which may ask a model.
pub trait RowWork: Send + Sync {
    /// What the row at `index` becomes.
    fn row<'a>(&'a self, row: Row<'a>, model: &'a Model) -> BoxFuture<'a, Result<Outcome>>;

    /// Whether the row is passed on untouched and unasked: by default, where a key that must not be is null or blank.
    fn skips(&self, row: &Row<'_>) -> bool;

    /// What gathers a result for the whole set from the step's own output.
    fn summary(&self) -> Option<Box<dyn Summary>> {
        None
    }
}

/// Gathers one result for a whole set from the frames that a step gives out, in order.
pub trait Summary: Send {
    /// Takes the next rows in.
    fn observe(&mut self, frame: &DataFrame) -> Result<()>;

    /// The result.
    fn end(&mut self) -> Result<DatasetResult>;
}

/// Work that makes rows out of nothing.
pub trait SourceWork: Send + Sync {
    /// How many seeds there are; each is asked once.
    fn seeds(&self) -> u64;

    /// The rows of one seed.
    fn rows<'a>(&'a self, seed: &'a Seed, model: &'a Model) -> BoxFuture<'a, Result<Vec<Cells>>>;
}

/// The number of one beginning of rows out of nothing, and its randomness.
#[derive(Clone, Debug)]
pub struct Seed {
    /// From 0.
    pub number: u64,
    pub(crate) seed: u64,
}

impl Seed {
    /// A seed for tests.
    pub fn new(number: u64, seed: u64) -> Self {
        Self { number, seed }
    }

    /// A source of randomness that is the same for this seed and `purpose` in every run with the pipeline's seed.
    pub fn random(&self, purpose: &str) -> rand_chacha::ChaCha8Rng {
        crate::row::seeded(self.seed, &[&self.number.to_string(), purpose])
    }

    /// As [`random`](Self::random), and the same for every seed of the step: for what they share, such as the order of a list that they go through.
    pub fn random_of_step(&self, purpose: &str) -> rand_chacha::ChaCha8Rng {
        crate::row::seeded(self.seed, &[purpose])
    }
}
