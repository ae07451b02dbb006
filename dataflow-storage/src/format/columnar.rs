//! What the formats that hold columns have in common.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use dataflow_core::{Error, Result};
use polars::prelude::*;

/// Calls into a reader or writer that panics on some files instead of failing.
pub(super) fn guarded<T>(work: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(polars_err!(ComputeError: "the reader gave up: {}", message.unwrap_or("no reason given")))
    })
}

/// The rows in frames of at most `rows`.
pub(super) fn slices(frame: &DataFrame, rows: usize) -> VecDeque<DataFrame> {
    let rows = rows.max(1);
    (0..frame.height()).step_by(rows).map(|at| frame.slice(at as i64, rows)).collect()
}

/// The frame with the columns that are wanted, in their order and with their types.
pub(super) fn conform(frame: DataFrame, schema: &SchemaRef, path: &Path) -> Result<DataFrame> {
    if frame.schema() == schema {
        return Ok(frame);
    }
    let malformed = |message: String| Error::Malformed { place: path.display().to_string(), message };
    let columns = schema.iter().map(|(name, data_type)| {
        let column = frame.column(name).map_err(|_| malformed(format!("it has no column `{name}`")))?;
        column.strict_cast(data_type).map_err(|error| malformed(format!("column `{name}` is not {data_type:?}: {error}")))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(DataFrame::new(frame.height(), columns)?)
}

/// Gathers frames until there are enough rows for a group, as small groups make large and slow files.
pub(super) struct Gathered {
    enough: usize,
    frame: Option<DataFrame>,
}

impl Gathered {
    pub(super) fn new(enough: usize) -> Self {
        Self { enough, frame: None }
    }

    /// Adds rows; gives all that is gathered where that is enough.
    pub(super) fn add(&mut self, frame: &DataFrame) -> Result<Option<DataFrame>> {
        match &mut self.frame {
            Some(gathered) => {
                gathered.vstack_mut(frame)?;
            }
            None => self.frame = Some(frame.clone()),
        }
        let full = self.frame.as_ref().is_some_and(|frame| frame.height() >= self.enough);
        Ok(if full { self.take() } else { None })
    }

    /// Gives what is gathered, in one chunk.
    pub(super) fn take(&mut self) -> Option<DataFrame> {
        let mut frame = self.frame.take().filter(|frame| frame.height() > 0)?;
        frame.rechunk_mut();
        Some(frame)
    }
}
