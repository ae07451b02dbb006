//! A storage and a journal in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use polars::prelude::*;
use serde_json::Value;

use crate::error::Result;
use crate::journal::{Journal, QuestionKey};
use crate::serving::Reply;
use crate::storage::{Arrival, FrameReader, Sink, Source, Storage};

/// Rows in memory. Step caches and the output are kept in memory too; what the engine must remember lies in a folder, if one is given.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    input: DataFrame,
    work: PathBuf,
    caches: bool,
    arrival: Arrival,
    written: Arc<Mutex<HashMap<PathBuf, DataFrame>>>,
}

impl MemoryStorage {
    /// The rows of a frame; the work folder is a fresh one below the system's temporary folder.
    pub fn new(input: DataFrame) -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self {
            input,
            work: std::env::temp_dir().join(format!("dataflow-core-test-{}-{number}", std::process::id())),
            caches: false,
            arrival: Arrival::InOrder,
            written: Arc::default(),
        }
    }

    /// Rows of JSON objects with the same keys.
    pub fn of(rows: &[Value]) -> Self {
        Self::new(super::frame_of(rows))
    }

    /// Keeps step caches too.
    #[must_use]
    pub fn with_caches(mut self) -> Self {
        self.caches = true;
        self
    }

    /// Wants rows to come so, as its output.
    #[must_use]
    pub fn arriving(mut self, arrival: Arrival) -> Self {
        self.arrival = arrival;
        self
    }

    /// The rows of the output; `None` before there are any.
    pub fn output_frame(&self) -> Option<DataFrame> {
        self.read(&self.path("output"))
    }

    /// Another input with what was written before.
    #[must_use]
    pub fn with_input(mut self, input: DataFrame) -> Self {
        self.input = input;
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    fn read(&self, path: &Path) -> Option<DataFrame> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn sink(&self, path: PathBuf, schema: &SchemaRef) -> Box<dyn Sink> {
        Box::new(MemorySink { frame: DataFrame::empty_with_schema(schema), path, arrival: self.arrival, written: self.written.clone() })
    }
}

impl Drop for MemoryStorage {
    fn drop(&mut self) {
        if Arc::strong_count(&self.written) == 1 {
            let _ = std::fs::remove_dir_all(&self.work); // a run may have left nothing there
        }
    }
}

#[derive(Debug)]
struct MemorySource(DataFrame);

impl Source for MemorySource {
    fn schema(&self) -> Result<SchemaRef> {
        Ok(self.0.schema().clone())
    }
    fn rows(&self) -> Option<u64> {
        Some(self.0.height() as u64)
    }
    fn fingerprint(&self) -> Result<String> {
        Ok(format!("{:?}", self.0.rows_json()))
    }
    fn open(&self, batch_rows: usize) -> Result<Box<dyn FrameReader>> {
        Ok(Box::new(MemoryReader { frame: self.0.clone(), at: 0, batch_rows }))
    }
}

trait RowsJson {
    fn rows_json(&self) -> Vec<String>;
}

impl RowsJson for DataFrame {
    fn rows_json(&self) -> Vec<String> {
        (0..self.height())
            .map(|index| {
                self.columns().iter().map(|column| column.get(index).map(|value| format!("{value:?}")).unwrap_or_default()).collect::<Vec<_>>().join("\u{1f}")
            })
            .collect()
    }
}

struct MemoryReader {
    frame: DataFrame,
    at: usize,
    batch_rows: usize,
}

impl FrameReader for MemoryReader {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        if self.at >= self.frame.height() {
            return Ok(None);
        }
        let frame = self.frame.slice(self.at as i64, self.batch_rows);
        self.at += frame.height();
        Ok(Some(frame))
    }
}

struct MemorySink {
    frame: DataFrame,
    path: PathBuf,
    arrival: Arrival,
    written: Arc<Mutex<HashMap<PathBuf, DataFrame>>>,
}

impl Sink for MemorySink {
    fn write(&mut self, frame: &DataFrame) -> Result<()> {
        self.frame.vstack_mut(frame)?;
        Ok(())
    }
    fn commit(self: Box<Self>) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| crate::Error::storage("cannot make the work folder", error))?;
        }
        std::fs::write(&self.path, "in memory").map_err(|error| crate::Error::storage("cannot write", error))?;
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(self.path, self.frame);
        Ok(())
    }
    fn arrival(&self) -> Arrival {
        self.arrival
    }
    fn aside(&mut self) -> Option<PathBuf> {
        self.path.set_extension("partial");
        Some(self.path.clone())
    }
}

impl Storage for MemoryStorage {
    fn spec(&self) -> Value {
        serde_json::json!({ "type": "memory" })
    }
    fn source(&self) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(MemorySource(self.input.clone())))
    }
    fn output(&self, schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>> {
        Ok(Some(self.sink(self.path("output"), schema)))
    }
    fn written_output(&self, _: &SchemaRef) -> Result<Option<Arc<dyn Source>>> {
        Ok(self.output_frame().map(|frame| Arc::new(MemorySource(frame)) as Arc<dyn Source>))
    }
    fn output_path(&self) -> Option<PathBuf> {
        Some(self.path("output"))
    }
    fn step_path(&self, step: usize) -> Option<PathBuf> {
        self.caches.then(|| self.path(&format!("step{step}")))
    }
    fn step_sink(&self, step: usize, schema: &SchemaRef) -> Result<Option<Box<dyn Sink>>> {
        Ok(self.step_path(step).map(|path| self.sink(path, schema)))
    }
    fn step_source(&self, step: usize, _: &SchemaRef) -> Result<Option<Arc<dyn Source>>> {
        Ok(self.step_path(step).and_then(|path| self.read(&path)).map(|frame| Arc::new(MemorySource(frame)) as Arc<dyn Source>))
    }
    fn work_path(&self) -> &Path {
        &self.work
    }
    fn journal_path(&self) -> Option<PathBuf> {
        None
    }
}

/// A journal in memory, for tests of what is asked and what is not.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<HashMap<QuestionKey, Reply>>);

impl MemoryJournal {
    /// How many replies it keeps.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether it keeps none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    fn get(&self, key: QuestionKey) -> Result<Option<Reply>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned())
    }
    async fn put(&self, key: QuestionKey, reply: &Reply) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, reply.clone());
        Ok(())
    }
    async fn forget(&self, key: QuestionKey) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        Ok(())
    }
    async fn sync(&self) -> Result<()> {
        Ok(())
    }
}
