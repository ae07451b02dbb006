//! `dataflow run`.

use std::path::PathBuf;

use clap::Args;
use dataflow::pipeline_file::PipelineFile;
use dataflow::terminal::{self, Exit, ProgressMode};
use dataflow::{Result, Run, RunFrom};

#[derive(Args)]
pub struct Arguments {
    /// The pipeline file
    file: PathBuf,
    /// Read the rows from here
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Write the rows here
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Keep step caches, journal, report and failed rows here
    #[arg(long, value_name = "FOLDER")]
    cache_path: Option<PathBuf>,
    /// Read the first rows only
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Replace a value of the file, such as `serving.default.model=gpt-4o` or `steps.2.min_words=5`; may be given often
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
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
    /// How progress is shown: auto, plain, json (events on stdout), none
    #[arg(long, default_value = "auto", value_name = "HOW")]
    progress: ProgressMode,
}

/// What is replaced in a file from the command line.
pub fn overridden(file: &PathBuf, set: &[String], storage: &[(&str, Option<&PathBuf>)]) -> Result<PipelineFile> {
    let mut read = PipelineFile::read(file)?;
    set.iter().try_for_each(|assignment| read.set(assignment))?;
    for (key, path) in storage {
        if let Some(path) = path {
            read.set_storage_path(key, path)?;
        }
    }
    Ok(read)
}

pub async fn run(arguments: &Arguments) -> Result<Exit> {
    let Arguments { file, input, output, cache_path, limit, set, from, retry_failed, fresh, report, progress } = arguments;
    let storage = [("input", input.as_ref()), ("output", output.as_ref()), ("cache_path", cache_path.as_ref())];
    let compiled = overridden(file, set, &storage)?.pipeline()?.compile()?;
    let from = match (from, fresh) {
        (Some(step), _) => RunFrom::Step(step.clone()),
        (None, true) => RunFrom::Fresh,
        (None, false) => RunFrom::LastThatHolds,
    };
    let run = Run { limit: *limit, from, retry_failed: *retry_failed, report: report.clone(), ..Run::default() };
    Ok(terminal::run(&compiled, run, *progress).await)
}
