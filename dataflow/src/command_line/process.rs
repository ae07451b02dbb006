//! `dataflow process`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use dataflow_core::Run;
use dataflow_core::engine::Observer;
use dataflow_serving::pool::LogSettings;

use crate::process::{Process, ProcessConfiguration, ProcessOptions, ProgressFile, hold_to_budget};
use crate::terminal::{Exit, Logs, ProgressMode, log_as, run_watched, say};
use crate::{CompiledPipeline, Result};

#[derive(Args)]
pub struct Arguments {
    /// The configuration file, AI-DataFlux's as it is
    #[arg(short, long, default_value = "config.yaml", value_name = "FILE")]
    config: PathBuf,
    /// Tell what a run would do, and write nothing
    #[arg(long)]
    validate: bool,
    /// Print the pipeline that the file becomes, as YAML
    #[arg(long, conflicts_with = "validate")]
    explain: bool,
    /// Ask the running gateway of `global.flux_api_url`, also where the file has models
    #[arg(long)]
    gateway: bool,
    /// Add columns that are to be written and that the table does not have
    #[arg(long)]
    create_columns: bool,
    /// Count `retry_limits` as AI-DataFlux did: as tries and not as retries
    #[arg(long)]
    legacy_attempts: bool,
    /// Work on the first rows only
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Write the report here
    #[arg(long, value_name = "PATH")]
    report: Option<PathBuf>,
    /// Keep AI-DataFlux's progress JSON in this file
    #[arg(long, value_name = "PATH")]
    progress_file: Option<PathBuf>,
    /// How progress is shown: auto, plain, json (events on stdout), none
    #[arg(long, default_value = "auto", value_name = "HOW")]
    progress: ProgressMode,
}

impl Arguments {
    /// Logs as the file says, where it says something of them.
    pub fn logs(&self) -> Result<Option<Logs>> {
        LogSettings::of_file(&self.config).map(|settings| log_as(&settings)).transpose()
    }
}

pub async fn run(arguments: &Arguments) -> Result<Exit> {
    let configuration = ProcessConfiguration::read(&arguments.config)?;
    for warning in &configuration.warnings {
        say(&format!("warning: {warning}"));
    }
    let options = ProcessOptions {
        create_columns: arguments.create_columns && !arguments.validate,
        legacy_attempts: arguments.legacy_attempts,
        gateway: arguments.gateway,
    };
    let Process { pipeline, pool } = configuration.process(options)?;
    if arguments.explain {
        super::give(crate::pipeline_file::to_yaml(&pipeline.to_spec())?.as_bytes(), None)?;
        return Ok(Exit::Well);
    }
    let compiled = pipeline.compile()?;
    if arguments.validate {
        super::give(told(&configuration, &compiled, arguments.limit).as_bytes(), None)?;
        return Ok(Exit::Well);
    }
    let run = Run { limit: arguments.limit, report: arguments.report.clone(), ..Run::default() };
    hold_to_budget(configuration.budget, pool, run.stop.clone());
    let progress_file = arguments.progress_file.clone().map(|path| Arc::new(ProgressFile::new(path)) as Arc<dyn Observer>);
    Ok(run_watched(&compiled, run, arguments.progress, progress_file).await)
}

/// What a run would do.
fn told(configuration: &ProcessConfiguration, compiled: &CompiledPipeline, limit: Option<u64>) -> String {
    let most = compiled.most_calls(limit);
    let rows = most.source_rows.unwrap_or_default();
    let mut text = format!(
        "{} ({}): {rows} rows to do\nreads: {}\nwrites: {}\n",
        configuration.name,
        configuration.datasource.kind,
        configuration.columns_to_extract.join(", "),
        configuration.columns_to_write.iter().map(|(field, column)| format!("{field} -> {column}")).collect::<Vec<_>>().join(", "),
    );
    text += &format!(
        "a run makes at most {} model calls, and one more for each reply that has to be asked for again\n",
        most.calls.map_or_else(|| "an unknown number of".to_owned(), |calls| calls.to_string())
    );
    for warning in configuration.placeholder_warnings() {
        text += &format!("warning: {warning}\n");
    }
    text
}
