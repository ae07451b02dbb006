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
pub use report::{LiveRun, Observer, Report, RunOutcome, StepReport};
pub use run::{Run, RunFrom};
pub use stop::Stop;
