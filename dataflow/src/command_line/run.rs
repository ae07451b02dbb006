//! `dataflow run`.

use std::path::PathBuf;

use crate::Result;
use crate::pipeline_file::PipelineFile;
use crate::terminal::{Exit, PathArguments, RunArguments};
use clap::Args;
use dataflow_core::storage::StoragePaths;

#[derive(Args)]
pub struct Arguments {
    /// The pipeline file
    file: PathBuf,
    #[command(flatten)]
    paths: PathArguments,
    /// Replace a value of the file, such as `serving.default.model=gpt-4o` or `steps.2.min_words=5`; may be given often
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = crate::pipeline_file::assignment)]
    set: Vec<String>,
    #[command(flatten)]
    run: RunArguments,
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
    let Arguments { file, paths, set, run } = arguments;
    let StoragePaths { input, output, cache_path } = paths.paths();
    let storage = [("input", input.as_ref()), ("output", output.as_ref()), ("cache_path", cache_path.as_ref())];
    let compiled = overridden(file, set, &storage)?.pipeline()?.compile()?;
    Ok(run.run(&compiled).await)
}
