//! The run of a compiled pipeline: rows stream from step to step, each model call is paid for once, and every failure is told.

mod answers;
pub(crate) mod apply;
mod batch;
mod cache;
mod dead_letter;
mod dropped_rows;
mod examples;
mod lock;
mod passage;
mod purse;
mod reading;
mod report;
mod retry;
mod rows;
mod run;
mod stage;
mod stop;
#[cfg(test)]
mod tests;

pub use dead_letter::DeadLetter;
pub use examples::{RowChange, RowExample};
pub use purse::{Held, Purse};
pub use report::{CachedResult, LiveRun, Observer, Report, RunOutcome, StepReport};
pub use run::{Run, RunFrom};
pub use stop::Stop;

use std::path::PathBuf;

use crate::storage::Storage;

/// What a run calls the file in which it tells how it went.
pub(crate) const REPORT: &str = "the report";

/// The files that a run of a pipeline of so many steps writes for itself, and what they are called.
pub(crate) fn files_of_run(storage: &dyn Storage, pipeline: &str, steps: usize) -> Vec<(String, PathBuf)> {
    let of_step = |step| cache::Beside::at(storage, pipeline, step).paths().map(move |path| (format!("the cache of step {step}"), path)).collect::<Vec<_>>();
    let reports = ["report", "retry_report"].map(|which| (REPORT.to_owned(), run::report_path(storage, pipeline, which)));
    let failed = ("the file of failed rows".to_owned(), dead_letter::path_of(storage.work_path(), pipeline));
    let locks = run::locks(storage, pipeline).into_iter().map(|(path, ..)| ("the lock of the run".to_owned(), path));
    (1..=steps).flat_map(of_step).chain(reports).chain([failed]).chain(locks).collect()
}
