//! `dataflow process`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use dataflow_core::engine::Purse;
use dataflow_core::{Run, RunFrom};
use dataflow_serving::pool::{Configuration, LogSettings};

use crate::process::{Counted, Ledger, Mode, Process, ProcessConfiguration, ProcessOptions, Rows, Watch};
use crate::terminal::{Companion, Exit, Logs, ProgressMode, log_as, run_watched, runtime, say};
use crate::{CompiledPipeline, Result};

/// Rows whose tokens are counted before a run, where the file says nothing else.
const SAMPLE: usize = 2000;

#[derive(Args)]
pub struct Arguments {
    /// The configuration file, AI-DataFlux's as it is
    #[arg(short, long, default_value = "config.yaml", value_name = "FILE")]
    config: PathBuf,
    /// Tell what a run would do, and write nothing
    #[arg(long)]
    validate: bool,
    /// Print the pipeline that the file becomes, as YAML for `dataflow run`
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
    /// Ask anew about all rows that are still to be done, also where the journal has an answer; rows that are done stay as they are
    #[arg(long)]
    fresh: bool,
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
        LogSettings::of_file(&self.config).map(|settings| log_as(&settings, &self.config)).transpose()
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let options = ProcessOptions { create_columns: arguments.create_columns, legacy_attempts: arguments.legacy_attempts, gateway: arguments.gateway };
    let (configuration, process) = ProcessConfiguration::open(&arguments.config, options)?;
    for warning in &configuration.warnings {
        say(&format!("warning: {warning}"));
    }
    if arguments.explain {
        super::give(configuration.explained(&process)?.as_bytes(), None)?;
        return Ok(Exit::Well);
    }
    if arguments.validate {
        super::give(told(&configuration, process, options, arguments.limit)?.as_bytes(), None)?;
        return Ok(Exit::Well);
    }
    if let Some(notice) = process.pool.as_deref().and_then(|pool| default_rates(pool.configuration())) {
        say(&notice);
    }
    for warning in configuration.placeholder_warnings(&process.columns) {
        say(&format!("warning: {warning}"));
    }
    let from = if arguments.fresh { RunFrom::Fresh } else { RunFrom::default() };
    let also_written = arguments.progress_file.iter().map(|path| ("the progress file", path.clone())).collect();
    let mut run = Run { limit: arguments.limit, from, report: arguments.report.clone(), also_written, ..Run::default() };
    let ledger = Arc::new(Ledger::new(&configuration, &process, run.stop.clone()));
    run.purse = Some(Arc::clone(&ledger) as Arc<dyn Purse>);
    let watch = Arc::new(Watch::new(&configuration, &process, Arc::clone(&ledger), arguments.progress_file.clone()));
    let Process { pipeline, own_name: _kept, .. } = process;
    let compiled = pipeline.compile()?;
    let exit = runtime()?.block_on(run_watched(&compiled, run, arguments.progress, Some(watch as Arc<dyn Companion>)));
    if let Some(needed) = ledger.too_small() {
        say(&format!("error: the budget of the file does not pay for one call, which is thought to take {needed}\nhint: raise `budget`"));
        return Ok(if exit == Exit::Stopped { Exit::BadConfiguration } else { exit });
    }
    if let Some(spent) = ledger.over() {
        say(&format!("hint: the budget of the file is spent: {spent}; raise `budget` for the next run, which goes on where this one stopped"));
    }
    Ok(exit)
}

/// What somebody who set no rate should know: AI-DataFlux's default is low.
fn default_rates(configuration: &Configuration) -> Option<String> {
    let unsaid: Vec<&str> = configuration.models.iter().filter(|model| model.safe_rps.is_none()).map(|model| model.id.as_str()).collect();
    let rate = configuration.requests_per_second()?;
    (!unsaid.is_empty()).then(|| {
        format!("hint: all models together are asked at most {rate} times a second, since `safe_rps` is a tenth of the weight where it is not given (models {}); 0 is no limit", unsaid.join(", "))
    })
}

/// What a run would do.
fn told(configuration: &ProcessConfiguration, process: Process, options: ProcessOptions, limit: Option<u64>) -> Result<String> {
    let declared = |name: &str| process.columns.iter().find(|column| column.name == name).map_or("new, text", |column| column.declared.as_str()).to_owned();
    let reads: Vec<String> = configuration.columns_to_extract.iter().map(|name| format!("{name} ({})", declared(name))).collect();
    let writes: Vec<String> = configuration.columns_to_write.iter().map(|(field, name)| format!("{field} -> {name} ({})", declared(name))).collect();
    let prices = configuration.prices(process.pool.as_deref());
    let models = process.pool.as_ref().map(|pool| {
        let models = pool.configuration().models.iter();
        let told = models.map(|model| {
            format!("{} ({}) through channel `{}`, weight {}", model.name.as_ref().unwrap_or(&model.id), model.model, model.channel_id, model.weight)
        });
        told.collect::<Vec<_>>().join("; ")
    });
    let rate = process.pool.as_ref().and_then(|pool| pool.configuration().requests_per_second());
    let rates = process.pool.as_deref().and_then(|pool| default_rates(pool.configuration()));
    let nobody_answers = runtime()?.block_on(configuration.unreachable(&process, options));
    let (columns, text_of_file) = (process.columns.clone(), process.text.clone());
    let asks_gateway = options.gateway || configuration.whole.get("global").is_some_and(|global| global.get("flux_api_url").is_some());
    let compiled: CompiledPipeline = process.pipeline.compile()?;
    let most = compiled.most_calls(limit);
    let rows = most.source_rows.unwrap_or_default();
    let rows = limit.map_or(rows, |limit| rows.min(limit));
    let mut text = format!(
        "{} ({}): {rows} rows to do\nreads: {}\nwrites: {}\nasks: {}\n",
        configuration.name,
        configuration.datasource.kind,
        reads.join(", "),
        writes.join(", "),
        models.unwrap_or_else(|| if asks_gateway {
            "a gateway".into()
        } else {
            "whoever `DF_API_URL` and `DF_API_KEY` name; the demo model without them".into()
        }),
    );
    if let Some(read) = text_of_file {
        _ = writeln!(text, "text: {read}");
    }
    if configuration.routing.enabled {
        let field = configuration.routing.field.as_deref().unwrap_or_default();
        let profiles = configuration.routing.subtasks.iter().map(|subtask| {
            let text = subtask.text.as_str().map_or_else(|| subtask.text.to_string(), ToOwned::to_owned);
            format!("`{text}` by {}", subtask.profile.display())
        });
        _ = writeln!(text, "routes: where `{field}` is {}; all else by the file itself", profiles.collect::<Vec<_>>().join(", "));
    }
    let _ = writeln!(
        text,
        "calls: at most {}, and at most {} more for each row whose reply has to be asked for again",
        most.calls.map_or_else(|| "an unknown number".to_owned(), |calls| calls.to_string()),
        configuration.operator(options).content_retries
    ); // a String takes every write
    if let (Some(rate), Some(calls)) = (rate, most.calls) {
        _ = writeln!(text, "time: at least {:.0} s, at {rate} calls a second, which is what the models' `safe_rps` allow together", calls as f64 / rate);
    }
    drop(compiled);
    let sample = usize::try_from(configuration.token_estimation.sample_size).unwrap_or(SAMPLE);
    let storage = configuration.storage(options)?;
    let written = configuration.columns_to_write.values().chain(&configuration.error_column).cloned().collect::<Vec<_>>();
    if let Some(statements) = storage.look(|table| async move { table.missing_columns(&written).await })? {
        _ = writeln!(text, "adds, when it runs: {}", statements.replace('\n', " "));
    }
    let estimate = configuration.estimated(&storage, Mode::Io, Rows::Open, Some(sample))?;
    let mean = |counted: &Option<Counted>| counted.as_ref().filter(|counted| counted.looked_at() > 0).map(Counted::mean);
    let (question, reply) = (mean(&estimate.questions), mean(&estimate.replies));
    let all = |mean: f64| mean * rows as f64;
    match (question, reply) {
        (Some(question), Some(reply)) => {
            _ = writeln!(text, "tokens: about {:.0} of questions and {:.0} of replies, {question:.1} and {reply:.1} a row", all(question), all(reply));
        }
        (Some(question), None) => {
            _ = writeln!(text, "tokens: about {:.0} of questions, {question:.1} a row; of replies not known, since no row is answered yet", all(question));
        }
        (None, _) if rows > 0 => text += "tokens: not known, since none of the rows that were looked at can be read\n",
        (None, _) => text += "tokens: none, since no row is to be done\n",
    }
    match (prices, question) {
        (Some(prices), Some(question)) => {
            let money = (all(question) * prices.input + all(reply.unwrap_or_default()) * prices.output) / 1e6;
            let least = if reply.is_none() { "at least " } else { "about " };
            _ = writeln!(text, "money: {least}{money:.4}");
        }
        (None, Some(_)) => text += "money: not known; `prices: {in: 2.5, out: 10}` at each model, for a million tokens, would tell\n",
        (_, None) => {}
    }
    for warning in
        configuration.placeholder_warnings(&columns).into_iter().chain(configuration.prompt_warnings()).chain(configuration.column_warnings(&columns))
    {
        _ = writeln!(text, "warning: {warning}");
    }
    for warning in nobody_answers {
        _ = writeln!(text, "warning: {warning}\n  hint: is the service running, and reachable from here?");
    }
    if let Some(rates) = rates {
        _ = writeln!(text, "{rates}");
    }
    Ok(text)
}
