//! What a run can be told on a command line, by `dataflow run` and by a program that is one pipeline.

use std::path::PathBuf;

use clap::Args;
use dataflow_core::storage::StoragePaths;
use dataflow_core::{CompiledPipeline, Run, RunFrom};

use super::{Exit, ProgressMode};

/// Where a pipeline reads and writes, where it is not as it says itself.
#[derive(Args, Clone, Debug)]
pub struct PathArguments {
    /// Read the rows from here
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Write the rows here
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Keep step caches, journal, report and failed rows here
    #[arg(long, value_name = "FOLDER")]
    cache_path: Option<PathBuf>,
}

impl PathArguments {
    /// The paths, from the current folder.
    pub fn paths(&self) -> StoragePaths {
        let Self { input, output, cache_path } = self.clone();
        StoragePaths { input, output, cache_path }
    }
}

/// How a pipeline is run.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Read the first rows only
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Begin at a step, by its number or name; the cache of the step before it has to hold
    #[arg(long, value_name = "STEP", conflicts_with_all = ["fresh", "retry_failed"])]
    from: Option<String>,
    /// Run only the rows that failed in the run before, and put them in their places
    #[arg(long)]
    retry_failed: bool,
    /// Use neither step caches nor earlier answers: every model call is made, and paid for, anew
    #[arg(long, conflicts_with = "retry_failed")]
    fresh: bool,
    /// Write the report here
    #[arg(long, value_name = "PATH")]
    report: Option<PathBuf>,
    /// Show ten rows that each step drops, and ten texts that it changes, at the end and in the report; all steps run, and answers come from the journal
    #[arg(long)]
    explain_drops: bool,
    /// Write every row that a step drops here, a line of JSON each: the step, what it wrote, why, and the row; all steps run, and answers come from the journal
    #[arg(long, value_name = "PATH")]
    dropped: Option<PathBuf>,
    /// How progress is shown: auto, plain, json (events on stdout), none
    #[arg(long, default_value = "auto", value_name = "HOW")]
    progress: ProgressMode,
}

impl RunArguments {
    /// Runs a pipeline so.
    pub async fn run(&self, compiled: &CompiledPipeline) -> Exit {
        let from = match (&self.from, self.fresh) {
            (Some(step), _) => RunFrom::Step(step.clone()),
            (None, true) => RunFrom::Fresh,
            (None, false) => RunFrom::LastThatHolds,
        };
        let run = Run {
            limit: self.limit,
            from,
            retry_failed: self.retry_failed,
            report: self.report.clone(),
            explain_drops: self.explain_drops,
            dropped: self.dropped.clone(),
            ..Run::default()
        };
        super::run(compiled, run, self.progress).await
    }
}
