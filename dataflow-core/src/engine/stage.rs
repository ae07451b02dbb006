//! What every stage of a run shares, and the stages that work on whole batches.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use polars::prelude::*;
use tokio::sync::{Notify, mpsc};

use super::apply::apply_columns;
use super::batch::Batch;
use super::dead_letter::{DeadLetter, DeadLetters};
use super::dropped_rows::DroppedRows;
use super::examples::Examples;
use super::purse::Purse;
use super::report::{LiveRun, StepCounts, add};
use super::stop::Stop;
use crate::error::{Error, Result};
use crate::guarded::{guarded, panic_message};
use crate::operator::{Changes, ColumnWork, DatasetResult, DatasetWork, Prepared};
use crate::pipeline::{CompiledStep, OnError};
use crate::storage::{Refused, Source};

/// Batches that wait between two stages.
pub(super) const WAITING_BATCHES: usize = 2;

/// What every stage of a run shares.
pub(super) struct Shared {
    pub live: Arc<LiveRun>,
    /// Where the rows come from, which knows what each is known by.
    pub source: Arc<dyn Source>,
    /// What the run may spend, where somebody holds it to that.
    pub purse: Option<Arc<dyn Purse>>,
    pub letters: DeadLetters,
    /// Rows that show what each step does, where they are asked for.
    pub examples: Option<Examples>,
    /// Takes all rows that are dropped, where they are asked for.
    pub dropped_rows: Option<DroppedRows>,
    pub stop: Stop,
    /// Asked when a step has failed: no further call is begun, and those in flight end.
    pub failed: Stop,
    /// How long calls in flight may take after a gentle stop or a failure.
    pub grace: Duration,
    /// Set when rows were left out because the run was asked to stop.
    pub cut: AtomicBool,
    /// Of the last step.
    pub unwritten: Unwritten,
}

/// A step in a stage: its place in the live run, and where its rows are written, if they are.
#[derive(Clone)]
pub(super) struct Placed {
    pub step: Arc<CompiledStep>,
    pub place: usize,
    pub written: Option<mpsc::Sender<Batch>>,
}

impl Placed {
    pub fn counts<'a>(&self, shared: &'a Shared) -> &'a StepCounts {
        &shared.live.steps[self.place].3
    }

    /// Passes a batch on, to the next stage and to where the step's rows are written. `false` when nobody takes it any more.
    pub async fn pass(&self, batch: Batch, next: Option<&mpsc::Sender<Batch>>) -> bool {
        if batch.height() == 0 {
            return true;
        }
        if let Some(written) = &self.written
            && written.send(batch.clone()).await.is_err()
        {
            return false;
        }
        match next {
            Some(next) => next.send(batch).await.is_ok(),
            None => true,
        }
    }
}

/// Rows that have left the last step and are not written as yet, where they keep their places among those in work until they are.
#[derive(Default)]
pub(super) struct Unwritten {
    rows: AtomicUsize,
    fewer: Notify,
}

impl Unwritten {
    pub fn more(&self, rows: usize) {
        self.rows.fetch_add(rows, Ordering::SeqCst);
    }

    pub fn less(&self, rows: usize) {
        let fewer = |before: usize| Some(before.saturating_sub(rows)); // rows of a rule are not counted
        self.rows.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).ok();
        self.fewer.notify_one();
    }

    pub fn rows(&self) -> usize {
        self.rows.load(Ordering::SeqCst)
    }

    /// Returns when some were written since it last did.
    pub async fn written(&self) {
        self.fewer.notified().await;
    }
}

/// What becomes of a failed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Drop,
    Keep,
}

impl Shared {
    /// Tells of a row that its target refused when it was written.
    pub fn row_refused(&self, placed: &Placed, batch: &Batch, refused: Refused) -> Result<()> {
        self.tell(placed, &self.letter(placed, batch, refused.row, "refused", refused.message))
    }

    /// Whether somebody wants to see what steps do.
    pub fn is_observed(&self) -> bool {
        self.examples.is_some() || self.dropped_rows.is_some()
    }

    /// Shows a batch before and after a step, which has its rows in the same places, to whoever wants to see it; `dropped` says which rows go, and `why`. Gives the lines of these rows, for
    /// [`tell_dropped`](Self::tell_dropped) when it is the batch's turn.
    pub fn observe(
        &self,
        placed: &Placed,
        ids: &StringChunked,
        frames: (&DataFrame, &DataFrame),
        dropped: impl Fn(usize) -> bool,
        why: impl Fn(usize) -> Option<String>,
    ) -> Result<Vec<u8>> {
        if let Some(examples) = &self.examples {
            examples.observe(placed.place, &placed.step.keys, ids, frames, &dropped, &why);
        }
        match &self.dropped_rows {
            Some(rows) => rows.lines(&placed.step, ids, frames, dropped, why),
            None => Ok(Vec::new()),
        }
    }

    /// Tells of dropped rows.
    pub fn tell_dropped(&self, lines: &[u8]) -> Result<()> {
        self.dropped_rows.as_ref().map_or(Ok(()), |rows| rows.push(lines))
    }

    fn tell(&self, placed: &Placed, letter: &DeadLetter) -> Result<()> {
        placed.counts(self).row_failed(letter);
        self.letters.push(letter)
    }

    fn letter(&self, placed: &Placed, batch: &Batch, index: usize, class: &str, message: String) -> DeadLetter {
        let step = &placed.step;
        DeadLetter {
            row: batch.id(index).to_owned(),
            key: self.source.row_key(&batch.frame, index),
            step: step.number,
            name: step.name.clone(),
            operator: step.info().name.to_owned(),
            class: class.to_owned(),
            message,
        }
    }

    /// Tells of a failed row; an error when it ends the run.
    pub fn row_failed(&self, placed: &Placed, batch: &Batch, index: usize, error: Error) -> Result<Fate> {
        if error.stops_the_run() {
            return Err(error);
        }
        let step = &placed.step;
        let message = error.to_string();
        self.tell(placed, &self.letter(placed, batch, index, error.class(), message.clone()))?;
        match step.on_error {
            OnError::Drop => Ok(Fate::Drop),
            OnError::Keep => Ok(Fate::Keep),
            OnError::Fail => Err(Error::RowFailed { step: step.number, name: step.name.clone(), row: batch.id(index).to_owned(), message }),
        }
    }
}

/// Why a row failed, as its `error_key` tells it.
pub(super) fn reason(error: &Error) -> String {
    format!("{}: {error}", error.class())
}

/// The batch after an operator's changes: its columns put in, failed and dropped rows taken out. What is to be told of dropped rows goes to `lines`.
fn changed(
    shared: &Shared,
    placed: &Placed,
    batch: Batch,
    mut changes: Changes,
    why: impl Fn(&DataFrame, usize) -> Option<String>,
    lines: &mut Vec<u8>,
) -> Result<Batch> {
    let step = &placed.step;
    let counts = placed.counts(shared);
    let Batch { frame, ids } = batch;
    if let Some(key) = &step.error_key {
        let mut told = vec![None; frame.height()];
        for (index, error) in &changes.failed {
            told[*index] = Some(reason(error));
        }
        changes.columns.push(Column::new(key.as_str().into(), told));
    }
    let before = shared.is_observed().then(|| frame.clone());
    let frame = apply_columns(step.info(), &step.keys, frame, &changes)?;
    let batch = Batch::new(frame, ids);
    if let Some(before) = before {
        let failed: HashSet<usize> = changes.failed.iter().map(|(index, _)| *index).collect();
        let dropped = |index| changes.keep.as_ref().is_some_and(|keep| keep.get(index) != Some(true)) && !failed.contains(&index);
        lines.extend(shared.observe(placed, &batch.ids, (&before, &batch.frame), dropped, |index| why(&before, index))?);
    }
    let mut failed: Vec<usize> = Vec::new();
    for (index, error) in changes.failed {
        if shared.row_failed(placed, &batch, index, error)? == Fate::Drop {
            failed.push(index);
        }
    }
    let came = batch.height();
    if changes.keep.is_none() && failed.is_empty() {
        add(&counts.rows_out, came as u64);
        return Ok(batch);
    }
    let mut keep: Vec<bool> = changes.keep.map_or_else(|| vec![true; came], |keep| keep.iter().map(|keep| keep == Some(true)).collect());
    for index in &failed {
        keep[*index] = false;
    }
    // Most rules drop few rows: a batch that keeps all is passed on as it is.
    let kept = if keep.iter().all(|keep| *keep) { batch } else { batch.filter(&keep.into_iter().map(Some).collect())? };
    add(&counts.rows_out, kept.height() as u64);
    add(&counts.dropped, (came - kept.height() - failed.len()) as u64);
    Ok(kept)
}

/// Rules one after another over the same batch while it is in the processor's cache; several batches at once, in order.
pub(super) async fn columns(
    steps: Vec<(Placed, Arc<dyn ColumnWork>)>,
    mut input: mpsc::Receiver<Batch>,
    output: Option<mpsc::Sender<Batch>>,
    shared: Arc<Shared>,
) -> Result<()> {
    let steps = Arc::new(steps);
    let workers = workers();
    let mut in_work = FuturesOrdered::new();
    let mut more = true;
    while more || !in_work.is_empty() {
        tokio::select! {
            biased;
            Some(done) = in_work.next() => {
                let (batches, dropped): (Vec<Option<Batch>>, Vec<u8>) = joined(done)?;
                shared.tell_dropped(&dropped)?;
                let last = batches.len() - 1;
                for (index, ((placed, _), batch)) in steps.iter().zip(batches).enumerate() {
                    let next = if index == last { output.as_ref() } else { None };
                    if let Some(batch) = batch
                        && !placed.pass(batch, next).await
                    {
                        return Ok(());
                    }
                }
            }
            batch = input.recv(), if more && in_work.len() < workers => match batch {
                Some(batch) => {
                    let (steps, shared) = (steps.clone(), shared.clone());
                    in_work.push_back(tokio::task::spawn_blocking(move || columns_of(&steps, batch, &shared)));
                }
                None => more = false,
            },
        }
    }
    Ok(())
}

/// The batch after each of the steps behind which somebody takes it, and what is to be told of dropped rows. What nobody takes is let go, since a batch may wait for its turn.
fn columns_of(steps: &[(Placed, Arc<dyn ColumnWork>)], mut batch: Batch, shared: &Shared) -> Result<(Vec<Option<Batch>>, Vec<u8>)> {
    let (mut after, mut dropped) = (Vec::with_capacity(steps.len()), Vec::new());
    for (index, (placed, work)) in steps.iter().enumerate() {
        let counts = placed.counts(shared);
        shared.live.mark(counts);
        add(&counts.rows_in, batch.height() as u64);
        if batch.height() > 0 {
            batch = counts.worked(|| {
                let changes = guarded(placed.step.info(), || work.batch(&batch.frame))?;
                changed(shared, placed, batch, changes, |frame, index| work.why(frame, index), &mut dropped)
            })?;
        }
        shared.live.mark(counts);
        let is_taken = placed.written.is_some() || index + 1 == steps.len();
        after.push(is_taken.then(|| batch.clone()));
    }
    Ok((after, dropped))
}

/// One operator over all batches in order.
pub(super) async fn dataset(
    placed: Placed,
    mut work: Box<dyn DatasetWork>,
    mut input: mpsc::Receiver<Batch>,
    output: Option<mpsc::Sender<Batch>>,
    shared: Arc<Shared>,
) -> Result<Option<DatasetResult>> {
    let preparation = work.preparation();
    let mut prepared = FuturesOrdered::new();
    let mut more = true;
    while more || !prepared.is_empty() {
        tokio::select! {
            biased;
            Some(ready) = prepared.next() => {
                let (batch, prepared) = ready?;
                let (placed_there, shared_there) = (placed.clone(), shared.clone());
                let done = tokio::task::spawn_blocking(move || {
                    let batch = dataset_batch(&placed_there, work.as_mut(), batch, prepared, &shared_there)?;
                    Ok((work, batch))
                });
                let (back, batch) = joined(done.await)?;
                work = back;
                if !placed.pass(batch, output.as_ref()).await {
                    return Ok(None);
                }
            }
            batch = input.recv(), if more && prepared.len() < workers() => match batch {
                Some(batch) => {
                    let preparing = preparation.clone().map(|preparation| {
                        let (placed, shared, frame) = (placed.clone(), shared.clone(), batch.frame.clone());
                        tokio::task::spawn_blocking(move || placed.counts(&shared).worked(|| guarded(placed.step.info(), || preparation.prepare(&frame))))
                    });
                    prepared.push_back(async move {
                        let prepared = match preparing {
                            Some(preparing) => Some(joined(preparing.await)?),
                            None => None,
                        };
                        Ok::<_, Error>((batch, prepared))
                    });
                }
                None => more = false,
            },
        }
    }
    // A result over some of the rows would pass for one over all.
    if shared.cut.load(Ordering::SeqCst) { Ok(None) } else { joined(tokio::task::spawn_blocking(move || guarded(placed.step.info(), || work.end())).await) }
}

/// The batch after an operator over all rows, whose turn it is.
fn dataset_batch(placed: &Placed, work: &mut dyn DatasetWork, batch: Batch, prepared: Option<Prepared>, shared: &Shared) -> Result<Batch> {
    let counts = placed.counts(shared);
    shared.live.mark(counts);
    add(&counts.rows_in, batch.height() as u64);
    let mut dropped = Vec::new();
    let batch = counts.worked(|| {
        let changes = guarded(placed.step.info(), || {
            work.identities(&batch.ids);
            match prepared {
                Some(prepared) => work.prepared_batch(&batch.frame, prepared),
                None => work.batch(&batch.frame),
            }
        })?;
        changed(shared, placed, batch, changes, |_, index| work.why(index), &mut dropped)
    })?;
    shared.tell_dropped(&dropped)?;
    shared.live.mark(counts);
    Ok(batch)
}

/// How many batches a stage works on at once.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// The result of a task, a panic in it made an error.
pub(super) fn joined<T>(done: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    match done {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Err(Error::Stopped),
        Err(error) => Err(Error::Operator { operator: "engine".into(), message: format!("panicked: {}", panic_message(&*error.into_panic())) }),
    }
}

/// The rows for which a mask holds.
pub(super) fn mask(keep: &[bool]) -> BooleanChunked {
    keep.iter().map(|keep| Some(*keep)).collect()
}
