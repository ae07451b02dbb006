//! How a pipeline is run, and what is planned before its rows are let through.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::lock::Lock;
use super::passage::Passage;
use super::purse::Purse;
use super::report::{Observer, Report, RunOutcome};
use super::{cache, retry, stop::Stop};
use crate::error::{Error, Result};
use crate::guarded::guarded;
use crate::operator::{PathUse, Shape};
use crate::pipeline::{CompiledPipeline, CompiledStep, place};
use crate::storage::Storage;
use crate::whole_file;

/// Where a run begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RunFrom {
    /// After the last step whose cache still holds.
    #[default]
    LastThatHolds,
    /// At a step, by its number or its name; the cache of the step before it has to hold.
    Step(String),
    /// At the source; neither step caches nor the journal are read, so everything is asked anew.
    Fresh,
}

/// How a pipeline is run.
#[derive(Clone)]
pub struct Run {
    /// Reads the first rows of the source only.
    pub limit: Option<u64>,
    /// Where the run begins.
    pub from: RunFrom,
    /// Runs only the rows that failed in the run before, and puts them in their places.
    pub retry_failed: bool,
    /// Rows a batch.
    pub batch_rows: usize,
    /// How long calls in flight may take after a gentle stop.
    pub grace: Duration,
    /// Where the report is written; without it `<name>_report.json` in the work folder, and `<name>_retry_report.json` where only failed rows are run.
    pub report: Option<PathBuf>,
    /// Keeps, for the report, the first rows that each step drops and the first whose text it changes.
    pub explain_drops: bool,
    /// Where every row that a step drops is told, a line of JSON each: the step, what it wrote, why, and the row.
    pub dropped: Option<PathBuf>,
    /// Files that somebody who looks on writes, and what they are called.
    pub also_written: Vec<(&'static str, PathBuf)>,
    /// Asks the run to stop.
    pub stop: Stop,
    /// Holds it to what it may spend.
    pub purse: Option<Arc<dyn Purse>>,
    /// Shows its progress.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            limit: None,
            from: RunFrom::default(),
            retry_failed: false,
            batch_rows: 1024,
            grace: Duration::from_secs(30),
            report: None,
            explain_drops: false,
            dropped: None,
            also_written: Vec::new(),
            stop: Stop::default(),
            purse: None,
            observer: None,
        }
    }
}

impl CompiledPipeline {
    /// Whether answers outlive the run that bought them.
    pub fn has_journal(&self) -> bool {
        self.journal.is_some() || self.storage.journal_path().is_some()
    }

    /// Whether failed rows can be run alone: no step compares rows with one another.
    pub fn can_retry_failed(&self) -> bool {
        self.dataset_step().is_none()
    }

    pub(super) fn dataset_step(&self) -> Option<&CompiledStep> {
        self.steps.iter().find(|step| step.info().shape == Shape::Dataset).map(AsRef::as_ref)
    }

    /// Whether a step asks a model.
    pub fn asks_models(&self) -> bool {
        self.steps.iter().any(|step| step.serving.is_some())
    }

    /// Runs the pipeline: rows stream from the source through the steps to the output.
    ///
    /// Rows that failed are counted in the report and told in the dead-letter file. A run that was asked to stop is no error: its
    /// report says so. An error ends the run with all that was paid for kept; its report is written all the same.
    pub async fn forward(&self, run: Run) -> Result<Report> {
        let which = if run.retry_failed { "retry_report" } else { "report" };
        let report_path = run.report.clone().unwrap_or_else(|| report_path(&*self.storage, &self.name, which));
        self.check_written(&run)?;
        let _alone = self.alone()?;
        self.read_changed_files()?;
        let started = chrono::Utc::now();
        let begun = Instant::now();
        let done = if run.retry_failed {
            retry::run(self, &run).await
        } else {
            let plan = Plan::of(self, &run)?; // a run that cannot begin leaves the report of the one before
            Passage { pipeline: self, run: &run, plan }.run().await
        };
        let (mut report, error) = match done {
            Ok(report) => (report, None),
            Err((report, error)) => (*report, Some(error)),
        };
        report.started = started.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        report.seconds = begun.elapsed().as_secs_f64();
        report.end_by(error.as_ref());
        for path in [&mut report.output, &mut report.errors, &mut report.dropped].into_iter().flatten() {
            *path = path.canonicalize().unwrap_or_else(|_| path.clone()); // `pipelines/../out` says less than where it is
        }
        // Where no step had to run, the report of the run that made the caches stays.
        let nothing_ran = error.is_none() && report.resumed_after_step == Some(self.steps.len()) && tells_the_same(&report_path, &report);
        let written = if nothing_ran { Ok(()) } else { whole_file::write(&report_path, &serde_json::to_vec_pretty(&report).unwrap_or_default()) };
        if let Some(observer) = &run.observer {
            observer.ends(&report);
        }
        if let (None, RunOutcome::Complete, Err(unwritten)) = (&error, report.outcome, &written) {
            report.unwritten = Some(unwritten.to_string()); // the rows are there
            return Ok(report);
        }
        error.or(written.err()).map_or(Ok(report), Err)
    }

    /// What is told of a run is not written over what it reads and writes.
    fn check_written(&self, run: &Run) -> Result<()> {
        let mut files = self.files.clone();
        for (what, path) in [(super::REPORT, &run.report), ("the file of dropped rows", &run.dropped)] {
            let Some(path) = path else { continue };
            if let Some(told) = whole_file::told_of_name(what, path) {
                return Err(Error::Configuration(told));
            }
            whole_file::check_no_folder(path)?;
            files.add(what, PathUse::Writes, path);
        }
        for (what, path) in &run.also_written {
            files.add(*what, PathUse::Writes, path);
        }
        match files.clashes().into_iter().next() {
            Some(clash) => Err(Error::Configuration(format!("{}\nhint: {}", clash.message, clash.hint))),
            None => Ok(()),
        }
    }

    /// Has steps look again at the files that they read, such as lists of words, which may have changed since the pipeline was compiled.
    fn read_changed_files(&self) -> Result<()> {
        for (index, step) in self.steps.iter().enumerate() {
            let (info, operator) = (step.info(), &step.operator);
            if info.paths(&operator.parameters()).iter().all(|(_, path_use, _)| *path_use != PathUse::Reads) {
                continue;
            }
            if let Some(problem) = guarded(info, || Ok(operator.problems()))?.into_iter().next() {
                return Err(Error::Configuration(format!("step {} `{}`: {problem}", index + 1, step.name)));
            }
        }
        Ok(())
    }

    /// Keeps other runs of this pipeline out of its work folder, and those of other pipelines away from its step caches and its output, where both would write the same
    /// files; gone when it is dropped, and with the program however that ends.
    fn alone(&self) -> Result<Vec<Lock>> {
        let folder = self.storage.work_path();
        let lock = |(path, taken, instead): (PathBuf, String, &str)| {
            let failed = |error| Error::storage(format!("cannot write {}", path.display()), error);
            std::fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
            let lock = Lock::take(path.clone()).map_err(failed)?;
            lock.ok_or_else(|| Error::Configuration(format!("{taken}\nhint: wait for its end, or {instead}")))
        };
        locks(&*self.storage, &self.name).into_iter().map(lock).collect()
    }

    pub(super) fn empty_report(&self) -> Report {
        Report {
            pipeline: self.name.clone(),
            outcome: RunOutcome::Failed,
            started: String::new(),
            seconds: 0.0,
            rows_read: 0,
            money: None,
            malformed: 0,
            rows_written: 0,
            failed: 0,
            resumed_after_step: None,
            output: None,
            errors: None,
            dropped: None,
            error: None,
            unwritten: None,
            cached_results: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Where the rows are after a run.
    pub(super) fn output_path(&self) -> Option<PathBuf> {
        self.storage.output_path().or_else(|| self.storage.step_path(self.steps.len()))
    }

    fn step_number(&self, step: &str) -> Result<usize> {
        let by_name = self.steps.iter().find(|known| known.name == step).map(|known| known.number);
        by_name.or_else(|| step.parse().ok().filter(|number| (1..=self.steps.len()).contains(number))).ok_or_else(|| {
            let names: Vec<String> = self.steps.iter().map(|step| format!("{} `{}`", step.number, step.name)).collect();
            Error::Configuration(format!("there is no step `{step}`\nhint: the steps are {}", names.join(", ")))
        })
    }
}

/// The locks that a run takes, each with what is told where another run has it, and what may be done instead of waiting.
pub(super) fn locks(storage: &dyn Storage, pipeline: &str) -> Vec<(PathBuf, String, &'static str)> {
    let folder = storage.work_path();
    let beside = |path: &Path| Some(path.with_file_name(format!(".{}.lock", path.file_name()?.to_string_lossy())));
    let own_folder = "give this one a `cache_path` of its own";
    let run = (folder.join(format!(".{pipeline}.lock")), format!("another run of `{pipeline}` is at work in {}", folder.display()), own_folder);
    let caches = storage.step_path(1).and_then(|path| beside(&path));
    let caches = caches.map(|path| (path, format!("another pipeline is at work with the same step caches in {}", folder.display()), own_folder));
    // What is no file, such as `/dev/stdout`, takes what comes from everybody.
    let output = storage.replaced_path().filter(|path| path.metadata().map_or(true, |found| found.is_file()));
    let output = output.and_then(|path| {
        let taken = format!("another pipeline is at work on the same output, `{}`", path.display());
        Some((beside(&place(&path))?, taken, "name another `output` for this one"))
    });
    std::iter::once(run).chain(caches).chain(output).collect()
}

/// Where a run tells how it went, where it is not told another place.
pub(super) fn report_path(storage: &dyn Storage, pipeline: &str, which: &str) -> PathBuf {
    storage.work_path().join(format!("{pipeline}_{which}.json"))
}

/// What a run begins with.
pub(super) struct Plan {
    /// The step whose cache is read; 0 for the source.
    pub after: usize,
    pub fingerprints: Vec<String>,
    /// Only rows that came of these source rows are run.
    pub roots: Option<Arc<HashSet<String>>>,
    /// Whether caches and the output are written; a run over failed rows gathers its rows instead.
    pub gathers: bool,
}

impl Plan {
    fn of(pipeline: &CompiledPipeline, run: &Run) -> Result<Self> {
        let fingerprints = cache::fingerprints(pipeline, run.limit)?;
        let after = match &run.from {
            RunFrom::Fresh => 0,
            // To tell what every step drops they all run; answers come from the journal.
            RunFrom::LastThatHolds if (run.explain_drops || run.dropped.is_some()) && (pipeline.has_journal() || !pipeline.asks_models()) => 0,
            RunFrom::LastThatHolds => cache::last_that_holds(pipeline, &fingerprints, run.limit).unwrap_or(0),
            RunFrom::Step(step) => {
                let before = pipeline.step_number(step)? - 1;
                if before > 0 && !cache::holds(pipeline, before, &fingerprints[before], run.limit) {
                    return Err(Error::Configuration(format!(
                        "the cache of step {before} `{}` does not hold: it is missing, a row failed on the way to it, or the input, a step before it or an index that it compares with has changed\nhint: run without `--from`",
                        pipeline.steps[before - 1].name
                    )));
                }
                if let Some(reads) = pipeline.steps[..before].iter().find(|step| step.info().reads_files_of_rows()) {
                    tracing::warn!("step {} `{}` reads files that its rows name: they are taken as they were when it ran", reads.number, reads.name);
                }
                before
            }
        };
        Ok(Self { after, fingerprints, roots: None, gathers: false })
    }
}

/// Whether a file is a report of the same rows of the same pipeline.
fn tells_the_same(path: &Path, report: &Report) -> bool {
    let known = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (Some(known), Ok(new)) = (known, serde_json::to_value(report)) else { return false };
    ["pipeline", "outcome", "rows_written"].iter().all(|field| known[*field] == new[*field])
}
