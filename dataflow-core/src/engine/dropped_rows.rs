//! Every row that the steps of a run drop, each told in a line of a file that was asked for.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use polars::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::key::Direction;
use crate::pipeline::CompiledStep;
use crate::row::json_of;
use crate::whole_file::WholeFile;

/// A row that a step dropped.
#[derive(Debug, Serialize)]
struct DroppedRow<'a> {
    /// The row's identity.
    row: &'a str,
    /// The step's number.
    step: usize,
    /// The step's name.
    name: &'a str,
    /// The operator.
    operator: &'a str,
    /// What the step wrote about it, such as a count or a label.
    wrote: Map<String, Value>,
    /// What was measured and the bounds, where the step tells them.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// The row as it came to the step.
    values: Map<String, Value>,
}

/// Takes the lines of dropped rows as they come.
pub(super) struct DroppedRows {
    path: PathBuf,
    file: Mutex<Option<WholeFile>>,
}

impl DroppedRows {
    /// Begins the file, which appears at the run's end.
    pub fn begin(path: PathBuf) -> Result<Self> {
        let file = Mutex::new(Some(WholeFile::create(&path)?));
        Ok(Self { path, file })
    }

    /// The lines of the rows of a batch that a step dropped, with the frames before the step and after it, which has the rows in the same places.
    pub fn lines(
        &self,
        step: &CompiledStep,
        ids: &StringChunked,
        (before, after): (&DataFrame, &DataFrame),
        dropped: impl Fn(usize) -> bool,
        why: impl Fn(usize) -> Option<String>,
    ) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        for (index, id) in ids.iter().enumerate().filter(|(index, _)| dropped(*index)) {
            let cell = |column: &Column| Some((column.name().to_string(), json_of(&column.get(index).ok()?)));
            let written = step.keys.iter().filter(|key| key.direction == Direction::Write);
            let row = DroppedRow {
                row: id.unwrap_or_default(),
                step: step.number,
                name: &step.name,
                operator: step.info().name,
                wrote: written.filter_map(|key| cell(after.column(&key.key).ok()?)).collect(),
                why: why(index),
                values: before.columns().iter().filter_map(cell).collect(),
            };
            serde_json::to_writer(&mut lines, &row).map_err(|error| Error::storage(format!("writing `{}`", self.path.display()), io::Error::from(error)))?;
            lines.push(b'\n');
        }
        Ok(lines)
    }

    /// Writes lines behind those that came before.
    pub fn push(&self, lines: &[u8]) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.as_mut().map_or(Ok(()), |file| file.append(lines));
        if written.is_err() {
            *file = None; // half a line would be in it
        }
        written
    }

    /// Gives the file its name; gives its path, where all could be written.
    pub fn commit(&self) -> Result<Option<PathBuf>> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).take();
        file.map(|file| file.commit().map(|()| self.path.clone())).transpose()
    }
}
