//! Where rows come from and where they go: the traits that every file format and database stands behind.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{DataFrame, SchemaRef};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// A record that its format does not allow, set aside instead of failing the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Its line or row in the source, from 1.
    pub line: u64,
    /// What was expected and what was found.
    pub message: String,
    /// The record as it stands.
    pub text: String,
    /// What it is known by in the source, where that is not its line.
    pub key: Option<Value>,
}

/// Reads a source from its first row to its last, a frame at a time. Every frame has the source's schema.
pub trait FrameReader: Send {
    /// The next rows; `None` after the last.
    fn next_frame(&mut self) -> Result<Option<DataFrame>>;

    /// Records that were set aside since the last call.
    fn take_rejected(&mut self) -> Vec<Rejected> {
        Vec::new()
    }
}

/// Rows that can be read, more than once.
pub trait Source: fmt::Debug + Send + Sync {
    /// The columns and their types. May read the whole source once where the format does not say them.
    fn schema(&self) -> Result<SchemaRef>;

    /// How many rows there are, where that is known without reading all again.
    fn rows(&self) -> Option<u64>;

    /// A text that changes when the content changes; a stale step cache is told by it.
    fn fingerprint(&self) -> Result<String>;

    /// Begins to read, with at most `batch_rows` rows a frame.
    fn open(&self, batch_rows: usize) -> Result<Box<dyn FrameReader>>;

    /// Things that the user should know about the content, such as a column of mixed types.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// What a row of a frame is known by in the source, such as its key in a database: a failed row is told by it. `None` where that is its number alone.
    fn row_key(&self, frame: &DataFrame, row: usize) -> Option<Value> {
        let _ = (frame, row);
        None
    }
}

/// A row that its target does not take: that row's failure, and not its neighbours'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the frame that was written, from 0.
    pub row: usize,
    /// What the target says.
    pub message: String,
}

/// How a sink wants rows to come to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// In the order of the source, small batches gathered for a while.
    #[default]
    InOrder,
    /// As they end, since it finds each row's place by its key: a slow row holds up no other. Small batches are gathered.
    AsTheyEnd,
    /// As they end and without being gathered, since others would do again what is not written as yet.
    AtOnce,
}

/// Takes rows and makes them visible all at once: until [`commit`](Self::commit) there is nothing, and dropping it leaves nothing.
pub trait Sink: Send {
    /// Appends rows. Every frame has the schema that the sink was made with.
    fn write(&mut self, frame: &DataFrame) -> Result<()>;

    /// How rows should come.
    fn arrival(&self) -> Arrival {
        Arrival::InOrder
    }

    /// Rows of the last frame that the target does not take, such as a value that a database's column refuses; the others are written.
    fn take_refused(&mut self) -> Vec<Refused> {
        Vec::new()
    }

    /// Rows that it has written, where those are not all that it was given and did not refuse: a table leaves a failed row as it was.
    fn rows_written(&self) -> Option<u64> {
        None
    }

    /// Makes all rows visible, durably.
    fn commit(self: Box<Self>) -> Result<()>;

    /// Has the rows appear beside the target instead, under a name that says that they are not all, and gives that name: for a run
    /// that was stopped. `None` where there is no such name.
    fn aside(&mut self) -> Option<PathBuf> {
        None
    }
}

/// Where a run keeps its rows: an input, an output, one cache a step, and a folder for what it must remember.
///
/// Every sink appears whole or not at all.
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// The storage as a pipeline file has it.
    fn spec(&self) -> Value;

    /// The same storage with other paths than its own, for a command line that names them. One whose rows are in no files of their own refuses them.
    fn over(&self, paths: &StoragePaths) -> Result<Arc<dyn Storage>> {
        let _ = paths;
        Err(Error::Configuration("this storage has no paths that others can stand in for\nhint: leave `--input`, `--output` and `--cache-path` away".into()))
    }

    /// The rows to begin with. A storage without an input gives a source without rows and columns.
    fn source(&self) -> Result<Arc<dyn Source>>;

    /// What is wrong with how it is set up, which [`compile`](crate::Pipeline::compile) tells with all other problems. What to do follows in a line that begins `hint: `.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Where the last step's rows go, where that is not the last step's cache alone.
    fn output(&self, schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>>;

    /// The rows that an earlier run left in the output, read with the types that they were written with.
    fn written_output(&self, schema: &SchemaRef) -> Result<Option<Arc<dyn Source>>>;

    /// The path of the input, where it is a file that must not be written over.
    fn input_path(&self) -> Option<PathBuf> {
        None
    }

    /// The path of the output, to tell the user.
    fn output_path(&self) -> Option<PathBuf>;

    /// The file that a run writes anew as its output, which two runs must not do at once; none where rows go into what is there.
    fn replaced_path(&self) -> Option<PathBuf> {
        self.output_path()
    }

    /// The path of a step's cache, steps counted from 1; `None` where no caches are kept.
    fn step_path(&self, step: usize) -> Option<PathBuf>;

    /// Writes a step's cache.
    fn step_sink(&self, step: usize, schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>>;

    /// Reads a step's cache, whose columns and types are known from when it was written.
    fn step_source(&self, step: usize, schema: &SchemaRef) -> Result<Option<Arc<dyn Source>>>;

    /// The folder for dead letters, manifests and the report.
    fn work_path(&self) -> &Path;

    /// The journal's path; `None` where it is turned off.
    fn journal_path(&self) -> Option<PathBuf>;
}

/// Paths that stand in for those of a storage, from the current folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoragePaths {
    /// The file that is read.
    pub input: Option<PathBuf>,
    /// The file that is written.
    pub output: Option<PathBuf>,
    /// The folder for step caches and what else a run must remember.
    pub cache_path: Option<PathBuf>,
}

/// What a storage has to know of the file that describes it.
#[derive(Clone, Debug, Default)]
pub struct StorageContext {
    /// The folder that relative paths start from.
    pub base: PathBuf,
}

impl StorageContext {
    /// A path of the file, which does not depend on where the program was started.
    pub fn path(&self, path: &Path) -> PathBuf {
        let path = self.base.join(path);
        std::path::absolute(&path).unwrap_or(path)
    }
}

/// A kind of storage that pipeline files can name by `type`; `file` where they name none.
pub struct StorageKind {
    /// The `type` in the file.
    pub name: &'static str,
    /// Makes a storage of what the file says, `type` left out.
    pub build: fn(Value, &StorageContext) -> Result<Arc<dyn Storage>>,
}

inventory::collect!(StorageKind);
