//! What a run did: counted while it goes on, told at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::dead_letter::DeadLetter;
use super::examples::{RowChange, RowExample};
use crate::error::Error;

/// The counters of one step. Read at any time, from any thread.
#[derive(Debug, Default)]
pub(crate) struct StepCounts {
    pub rows_in: AtomicU64,
    pub rows_out: AtomicU64,
    pub dropped: AtomicU64,
    pub failed: AtomicU64,
    pub failed_by_class: Mutex<BTreeMap<String, u64>>,
    pub first_failure: OnceLock<String>,
    pub skipped: AtomicU64,
    pub calls: AtomicU64,
    pub from_journal: AtomicU64,
    pub shared: AtomicU64,
    pub reasks: AtomicU64,
    pub input_tokens: AtomicU64,
    pub output_tokens: AtomicU64,
    /// Microseconds of the run at which its first batch came and its last one went.
    pub first: AtomicU64,
    pub last: AtomicU64,
    /// Nanoseconds that a rule worked, of all threads together.
    pub worked: AtomicU64,
}

impl StepCounts {
    /// Counts a failed row under the class of its error.
    pub fn row_failed(&self, letter: &DeadLetter) {
        add(&self.failed, 1);
        *self.failed_by_class.lock().unwrap_or_else(PoisonError::into_inner).entry(letter.class.clone()).or_default() += 1;
        self.first_failure.get_or_init(|| format!("row {}: {}", letter.row, letter.message));
    }

    /// Counts the time that a rule works.
    pub fn worked<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        add(&self.worked, begun.elapsed().as_nanos() as u64);
        done
    }
}

pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// A run that goes on, for whoever shows its progress.
#[derive(Debug)]
pub struct LiveRun {
    pub(crate) pipeline: String,
    pub(crate) started: Instant,
    pub(crate) source_rows: Option<u64>,
    pub(crate) read: AtomicU64,
    pub(crate) read_all: std::sync::atomic::AtomicBool,
    pub(crate) steps: Vec<(usize, String, String, StepCounts)>,
}

impl LiveRun {
    pub(crate) fn mark(&self, counts: &StepCounts) {
        let now = self.started.elapsed().as_micros() as u64;
        let _ = counts.first.compare_exchange(0, now.max(1), Ordering::Relaxed, Ordering::Relaxed); // only the first batch sets it
        counts.last.fetch_max(now.max(1), Ordering::Relaxed);
    }

    /// The pipeline's name.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// The time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Rows of the source, where they are known, and rows read so far.
    pub fn source(&self) -> (Option<u64>, u64) {
        let read = get(&self.read);
        (if self.read_all.load(Ordering::Relaxed) { Some(read) } else { self.source_rows }, read)
    }

    /// The counts of each step so far.
    pub fn steps(&self) -> Vec<StepReport> {
        self.steps
            .iter()
            .map(|(number, name, operator, counts)| {
                let (first, last) = (get(&counts.first), get(&counts.last));
                StepReport {
                    step: *number,
                    name: name.clone(),
                    operator: operator.clone(),
                    rows_in: get(&counts.rows_in),
                    rows_out: get(&counts.rows_out),
                    dropped: get(&counts.dropped),
                    failed: get(&counts.failed),
                    failed_by_class: counts.failed_by_class.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                    first_failure: counts.first_failure.get().cloned(),
                    skipped: get(&counts.skipped),
                    calls: get(&counts.calls),
                    from_journal: get(&counts.from_journal),
                    shared: get(&counts.shared),
                    reasks: get(&counts.reasks),
                    input_tokens: get(&counts.input_tokens),
                    output_tokens: get(&counts.output_tokens),
                    seconds: last.saturating_sub(first) as f64 / 1e6,
                    work_seconds: Some(get(&counts.worked)).filter(|worked| *worked > 0).map(|worked| worked as f64 / 1e9),
                    result: None,
                    examples: Vec::new(),
                }
            })
            .collect()
    }
}

/// Told when a run begins and ends; whoever shows progress looks at the live run in between.
pub trait Observer: Send + Sync {
    /// The run begins.
    fn begins(&self, run: Arc<LiveRun>);

    /// The run has ended, well or not, and this is its report.
    fn ends(&self, report: &Report);
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// All rows went through, those aside that are counted as failed.
    Complete,
    /// It was asked to stop; the next run goes on.
    Stopped,
    /// An error ended it; the next run goes on.
    Failed,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Its number, from 1.
    pub step: usize,
    /// Its name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Rows that came.
    pub rows_in: u64,
    /// Rows that went on.
    pub rows_out: u64,
    /// Rows that the operator dropped, failed rows aside.
    pub dropped: u64,
    /// Rows that failed, dropped or kept.
    pub failed: u64,
    /// Failed rows by the class of their error.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_by_class: BTreeMap<String, u64>,
    /// The first row that failed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<String>,
    /// Rows that were passed over, because what they are asked about is null or blank.
    pub skipped: u64,
    /// Model calls that were paid for, re-asks among them.
    pub calls: u64,
    /// Answers that the journal gave.
    pub from_journal: u64,
    /// Answers that were shared with an equal question in flight.
    pub shared: u64,
    /// Questions that were asked again because the reply did not fit.
    pub reasks: u64,
    /// Tokens of the paid questions.
    pub input_tokens: u64,
    /// Tokens of the paid replies.
    pub output_tokens: u64,
    /// From its first batch to its last, in which other steps work too.
    pub seconds: f64,
    /// What a rule's own work took, of all threads together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_seconds: Option<f64>,
    /// The result for the whole set, where the operator gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The first rows that it dropped, and the first whose text it changed, where the run was to explain that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<RowExample>,
}

/// The result for the whole set of a step that did not run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CachedResult {
    /// The step's number, from 1.
    pub step: usize,
    /// Its name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// The result.
    pub result: Value,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The pipeline's name.
    pub pipeline: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// When it began, in RFC 3339.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// Rows that were read from the source, or from the step cache that the run resumed from.
    pub rows_read: u64,
    /// Records of the source that are malformed and were set aside.
    pub malformed: u64,
    /// Rows of the output; of a table, those that were filled in.
    pub rows_written: u64,
    /// Rows that failed in any step.
    pub failed: u64,
    /// What the calls cost, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<f64>,
    /// The step after which the run began, because its cache still held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_after_step: Option<usize>,
    /// Where the rows are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// Where the failed rows are told, if any failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<PathBuf>,
    /// Where the rows are told that steps dropped, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<PathBuf>,
    /// The error that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why this report itself could not be written, though the rows were.
    #[serde(skip)]
    pub unwritten: Option<String>,
    /// The results of steps that did not run, since their caches hold, as the runs gave them that made these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cached_results: Vec<CachedResult>,
    /// The steps that ran.
    pub steps: Vec<StepReport>,
}

impl Report {
    /// Takes in the error that ended the run, if one did.
    pub(super) fn end_by(&mut self, error: Option<&Error>) {
        if let Some(error) = error {
            (self.outcome, self.error) = (RunOutcome::Failed, Some(error.to_string()));
        }
    }
}

/// Characters of a step's result that are shown.
const RESULT_SHOWN: usize = 400;

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["step", "rows in", "out", "dropped", "failed", "calls", "journal", "tokens in", "out", "seconds"];
        let mut table: Vec<Vec<String>> = vec![header.map(str::to_owned).to_vec()];
        table.extend(self.steps.iter().map(|step| {
            let numbers = [step.rows_in, step.rows_out, step.dropped, step.failed, step.calls, step.from_journal, step.input_tokens, step.output_tokens];
            std::iter::once(format!("{} {}", step.step, step.name))
                .chain(numbers.map(|number| number.to_string()))
                .chain([format!("{:.2}", step.work_seconds.unwrap_or(step.seconds))])
                .collect()
        }));
        let width = |column: usize| table.iter().map(|row| display_width(&row[column])).max().unwrap_or(0);
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        if !self.steps.is_empty() {
            for row in &table {
                for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                    let pad = " ".repeat(width - display_width(cell));
                    if column == 0 { write!(formatter, "{cell}{pad}")? } else { write!(formatter, "  {pad}{cell}")? }
                }
                writeln!(formatter)?;
            }
        }
        self.explained(formatter)?;
        let cached = self.cached_results.iter().map(|cached| (cached.step, &cached.name, &cached.result));
        for (step, name, result) in cached.chain(self.steps.iter().filter_map(|step| Some((step.step, &step.name, step.result.as_ref()?)))) {
            let told = result.to_string();
            let cut = told.char_indices().nth(RESULT_SHOWN).map_or(told.len(), |(end, _)| end);
            let more = if cut < told.len() { "… (the report has all of it)" } else { "" };
            writeln!(formatter, "step {step} {name}: {}{more}", &told[..cut])?;
        }
        let ended = match self.outcome {
            RunOutcome::Complete => "complete",
            RunOutcome::Stopped => "stopped, and can be resumed",
            RunOutcome::Failed => "ended by an error, and can be resumed",
        };
        write!(
            formatter,
            "{}: {ended}: {} rows read, {} written, {} failed, {:.2} s",
            self.pipeline, self.rows_read, self.rows_written, self.failed, self.seconds
        )?;
        let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
        for (class, rows) in self.steps.iter().flat_map(|step| &step.failed_by_class) {
            *classes.entry(class).or_default() += rows;
        }
        if !classes.is_empty() {
            let classes: Vec<String> = classes.into_iter().map(|(class, rows)| format!("{rows} {class}")).collect();
            write!(formatter, "\nfailed: {}", classes.join(", "))?;
            let first = self.steps.iter().find_map(|step| step.first_failure.as_ref().map(|why| (step, why)));
            if let Some((step, why)) = first {
                write!(formatter, "\nthe first in step {} `{}`: {}", step.step, step.name, why.replace('\n', "\n  "))?;
            }
        }
        if self.malformed > 0 {
            write!(formatter, "\n{} malformed records were set aside", self.malformed)?;
        }
        if let Some(money) = self.money {
            write!(formatter, "\nmoney: {money:.4}")?;
        }
        if let Some(step) = self.resumed_after_step {
            write!(formatter, "\nresumed after step {step}, whose cache still holds")?;
        }
        if let Some(output) = &self.output {
            write!(formatter, "\noutput: {}", output.display())?;
        }
        if let Some(errors) = &self.errors {
            write!(formatter, "\nfailed rows: {}", errors.display())?;
        }
        if let Some(dropped) = &self.dropped {
            write!(formatter, "\ndropped rows: {}", dropped.display())?;
        }
        if let Some(why) = &self.unwritten {
            write!(formatter, "\nwarning: the rows are written, and the report is not: {why}")?;
        }
        Ok(())
    }
}

impl Report {
    /// For each step with examples: what it dropped and changed.
    fn explained(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let (dropped, changed): (Vec<&RowExample>, Vec<&RowExample>) =
                step.examples.iter().partition(|example| matches!(example.what, RowChange::Dropped { .. }));
            for (what, examples) in [(format!("dropped {} rows", step.dropped), dropped), ("changed texts".to_owned(), changed)] {
                if examples.is_empty() {
                    continue;
                }
                writeln!(formatter, "step {} {} {what}; the first are", step.step, step.name)?;
                examples.iter().try_for_each(|example| writeln!(formatter, "  {example}"))?;
            }
        }
        Ok(())
    }
}

/// Columns that a text takes on a terminal, near enough: East Asian letters take two.
fn display_width(text: &str) -> usize {
    text.chars()
        .map(|character| {
            if ('\u{1100}'..'\u{1160}').contains(&character)
                || ('\u{2e80}'..'\u{a4d0}').contains(&character)
                || ('\u{ac00}'..'\u{d7a4}').contains(&character)
                || ('\u{f900}'..'\u{fb00}').contains(&character)
                || ('\u{ff00}'..'\u{ff61}').contains(&character)
                || character >= '\u{1f300}'
            {
                2
            } else {
                1
            }
        })
        .sum()
}
