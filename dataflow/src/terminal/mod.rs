//! Runs a pipeline as a command-line program does: progress, signals, the summary, the exit code.

mod arguments;
mod exit_code;
mod logs;
mod progress;
#[cfg(feature = "otlp")]
mod spans;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use dataflow_core::engine::{LiveRun, Observer};
use dataflow_core::{CompiledPipeline, Error, Report, Run, RunOutcome, Stop};
use serde_json::{Map, Value};

pub use arguments::{PathArguments, RunArguments};
pub use exit_code::Exit;
pub use logs::{Logs, log_as};
pub use progress::ProgressMode;
pub(crate) use progress::rows_per_second;

/// Looks on at a run that has more to it than its steps, and tells it.
pub trait Companion: Observer {
    /// What progress tells beside the steps, by its name.
    fn facts(&self) -> Map<String, Value>;

    /// What a user does about the rows that failed.
    fn about_failures(&self) -> &'static str;

    /// Whether a run that was stopped would stop there again.
    fn is_stuck(&self) -> bool;
}

/// Runs a compiled pipeline in a terminal and tells how it went.
///
/// One Ctrl-C or SIGTERM stops it gently, a second one at once. Everything that is shown goes to stderr.
pub async fn run(compiled: &CompiledPipeline, run: Run, mode: ProgressMode) -> Exit {
    run_watched(compiled, run, mode, None).await
}

/// As [`run`], with a companion that looks on.
pub async fn run_watched(compiled: &CompiledPipeline, mut run: Run, mode: ProgressMode, companion: Option<Arc<dyn Companion>>) -> Exit {
    for notice in notices(compiled) {
        say(&notice);
    }
    for warning in compiled.warnings() {
        say(&format!("warning: {warning}"));
    }
    let signal = stop_on_signals(&run.stop, if compiled.asks_models() { "the calls in flight are finished" } else { "the rows in work are finished" });
    let shown = progress::observer(mode, companion.clone()).map(|observer| observer as Arc<dyn Observer>);
    run.observer = match (shown, companion.clone().map(|companion| companion as Arc<dyn Observer>)) {
        (Some(shown), Some(other)) => Some(Arc::new(Both(shown, other))),
        (shown, other) => shown.or(other),
    };
    let retries = run.retry_failed;
    let again = |how: &str| goes_on(how, compiled);
    let done = compiled.forward(run).await;
    let signal = signal.load(Ordering::SeqCst);
    match done {
        Ok(report) if retries && report.rows_read == 0 => {
            say("no row failed in the run before, so there is none to run again");
            Exit::of_report(&report, signal)
        }
        Ok(report) => {
            say(&report.to_string());
            if report.outcome == RunOutcome::Stopped {
                if !companion.is_some_and(|companion| companion.is_stuck()) {
                    say(&again("run the same command again to go on"));
                }
            } else if let Some(companion) = companion.filter(|_| has_failures(&report)) {
                say(companion.about_failures());
            } else if report.failed > 0 && compiled.can_retry_failed() {
                say("hint: `--retry-failed` runs the failed rows again and puts them in their places");
            }
            Exit::of_report(&report, signal)
        }
        Err(error) => {
            tell(&error);
            let exit = Exit::of_error(&error);
            match exit {
                Exit::Stopped if matches!(error, Error::RowFailed { .. }) => say(&again("once the row or the step is mended the same command goes on")),
                Exit::Stopped => say(&again("run the same command again to go on")),
                Exit::Unreachable => say(&again("once that is mended the same command goes on")),
                _ => {}
            }
            exit
        }
    }
}

/// Has two look on.
struct Both(Arc<dyn Observer>, Arc<dyn Observer>);

impl Observer for Both {
    fn begins(&self, run: Arc<LiveRun>) {
        self.0.begins(Arc::clone(&run));
        self.1.begins(run);
    }

    fn ends(&self, report: &Report) {
        self.0.ends(report);
        self.1.ends(report);
    }
}

/// What a user does after a run that did not get to its end, and what becomes of its answers.
fn goes_on(how: &str, compiled: &CompiledPipeline) -> String {
    let answers = match (compiled.asks_models(), compiled.has_journal()) {
        (true, true) => "what was answered is in the journal and is not asked again",
        (true, false) => "without a journal its last rows are asked about again",
        (false, _) => "no model is asked, and rules begin again after the last step whose cache is whole",
    };
    format!("hint: {how}; {answers}")
}

/// The `main` of a program that is one pipeline: compiles it, runs it in the terminal as its arguments say, and exits as `dataflow run` does.
///
/// ```no_run
/// use dataflow::prelude::*;
///
/// fn pipeline() -> Result<Pipeline> {
///     Ok(Pipeline::new("empty", FileStorage::empty()))
/// }
///
/// fn main() -> std::process::ExitCode {
///     dataflow::terminal::main(pipeline)
/// }
/// ```
pub fn main(pipeline: impl FnOnce() -> dataflow_core::Result<dataflow_core::Pipeline>) -> ExitCode {
    /// Runs this program's pipeline; paths start from the current folder.
    #[derive(clap::Parser)]
    #[command(version = None)]
    struct Program {
        #[command(flatten)]
        paths: PathArguments,
        #[command(flatten)]
        run: RunArguments,
    }
    let Program { paths, run } = <Program as clap::Parser>::parse();
    let exit = match start_up().and_then(|runtime| Ok((runtime, pipeline()?.over(&paths.paths())?.compile()?))) {
        Ok((runtime, compiled)) => runtime.block_on(run.run(&compiled)),
        Err(error) => {
            tell(&error);
            Exit::of_error(&error)
        }
    };
    exit.into()
}

/// The runtime, with logs to stderr as `RUST_LOG` says. Without it there are warnings, told as all others are.
pub fn start_up() -> dataflow_core::Result<tokio::runtime::Runtime> {
    let shown = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // A program may have set its own.
    let _ = match tracing_subscriber::EnvFilter::try_from_default_env() {
        Ok(filter) => shown.with_env_filter(filter).try_init(),
        Err(_) => shown.with_env_filter("warn").with_ansi(false).event_format(logs::Plain).try_init(),
    };
    // A connection is a file, and many systems allow a program 1,024 until it asks for as many as it may have.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!(%error, "the limit of open files stays");
    }
    runtime()
}

/// The runtime alone.
pub(crate) fn runtime() -> dataflow_core::Result<tokio::runtime::Runtime> {
    // Calls to a service are a little work and much waiting: one thread does them for less than several that wake one another, and rules
    // have threads of their own.
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Error::storage("cannot start the runtime", error))
}

/// What the servings say before the first call.
fn notices(compiled: &CompiledPipeline) -> Vec<String> {
    compiled.notices().into_iter().map(|(name, notice)| format!("serving `{name}`: {notice}")).collect()
}

/// Says something to the user, on stderr.
#[expect(clippy::print_stderr, reason = "the terminal is what this module is for")]
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Tells an error with its hint, on stderr.
pub fn tell(error: &Error) {
    let text = error.to_string();
    let label = if std::io::stderr().is_terminal() { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    let mut causes = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            causes = format!("{causes}: {cause_text}");
        }
        source = cause.source();
    }
    say(&format!("{label}: {text}{causes}"));
}

/// Stops the run gently at the first SIGINT or SIGTERM and at once at the second; gives the number of the first.
fn stop_on_signals(stop: &Stop, first_ends: &'static str) -> Arc<AtomicI32> {
    let first = Arc::new(AtomicI32::new(0));
    let (stop, seen) = (stop.clone(), first.clone());
    tokio::spawn(async move {
        loop {
            let Some(number) = next_signal().await else { return };
            if seen.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                say(&format!("\nstopping: {first_ends} first; once more to stop at once"));
                stop.gently();
            } else {
                say("\nstopping at once");
                stop.at_once();
            }
        }
    });
    first
}

/// The number of the next SIGTERM or SIGINT.
#[cfg(unix)]
pub(crate) async fn next_signal() -> Option<i32> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).ok()?;
    let mut interrupt = signal(SignalKind::interrupt()).ok()?;
    tokio::select! {
        _ = terminate.recv() => Some(15),
        _ = interrupt.recv() => Some(2),
    }
}

/// The number of the next Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn next_signal() -> Option<i32> {
    tokio::signal::ctrl_c().await.ok().map(|()| 2)
}

/// Whether a report has failed rows.
pub(crate) fn has_failures(report: &Report) -> bool {
    report.failed > 0 || report.malformed > 0
}
