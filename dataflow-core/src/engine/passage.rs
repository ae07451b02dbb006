//! One passage of rows through the steps: sets its stages up, lets the rows through, and makes visible what was written.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::answers::{Served, StepAnswers};
use super::batch::Batch;
use super::cache::{self, Beside, CacheWriter};
use super::dead_letter::{DeadLetters, path_of};
use super::dropped_rows::DroppedRows;
use super::examples::Examples;
use super::reading::{Reading, each_batch};
use super::report::{LiveRun, Report, RunOutcome, StepCounts};
use super::rows::{Job, RowStage};
use super::run::{Plan, Run, RunFrom};
use super::stage::{Placed, Shared, Unwritten, WAITING_BATCHES, columns, dataset, joined};
use super::stop::Stop;
use crate::error::{Error, Result};
use crate::guarded::guarded;
use crate::journal::{Journal, open_journal};
use crate::model::{Answers, Model};
use crate::operator::{ColumnWork, DatasetResult, DatasetWork, Work};
use crate::pipeline::{CompiledPipeline, CompiledStep};
use crate::serving::{Chat, Embeddings, Reply};
use crate::storage::{Arrival, Sink};
use crate::whole_file;

/// One passage of rows through the steps.
pub(super) struct Passage<'a> {
    pub pipeline: &'a CompiledPipeline,
    pub run: &'a Run,
    pub plan: Plan,
}

/// Batches of fewer rows wait so long for others before they are written.
const ROWS_WORTH_A_WRITE: usize = 512;
const GATHER: Duration = Duration::from_millis(25);

/// Where a step's rows are written.
type Writer = (usize, JoinHandle<Result<CacheWriter>>);

impl Passage<'_> {
    /// Runs to the end, and writes caches and output.
    pub async fn run(self) -> Result<Report, (Box<Report>, Error)> {
        let (report, _, error) = self.pass().await;
        match error {
            None => Ok(report),
            Some(error) => Err((Box::new(report), error)),
        }
    }

    /// Lets the rows through; gives the report, the rows of the last step where the plan gathers them, and the error that ended it.
    pub async fn pass(&self) -> (Report, Vec<Batch>, Option<Error>) {
        let pipeline = self.pipeline;
        let steps = &pipeline.steps[self.plan.after..];
        let live = Arc::new(LiveRun {
            pipeline: pipeline.name.clone(),
            started: Instant::now(),
            source_rows: if self.plan.roots.is_some() { None } else { pipeline.source.rows().map(|rows| self.run.limit.map_or(rows, |limit| rows.min(limit))) },
            read: AtomicU64::new(0),
            read_all: AtomicBool::new(false),
            steps: steps.iter().map(|step| (step.number, step.name.clone(), step.info().name.to_owned(), StepCounts::default())).collect(),
        });
        let mut report = pipeline.empty_report();
        report.resumed_after_step = (self.plan.after > 0).then_some(self.plan.after);
        report.cached_results = cache::results(pipeline, self.plan.after, &self.plan.fingerprints);
        let letters = match DeadLetters::begin(path_of(pipeline.storage.work_path(), &pipeline.name)) {
            Ok(letters) => letters,
            Err(error) => return (report, Vec::new(), Some(error)),
        };
        // Where no step has to run, the file of the run that did stays.
        let wanted = self.run.dropped.clone().filter(|_| !steps.is_empty());
        let dropped_rows = match wanted.map(DroppedRows::begin).transpose() {
            Ok(dropped_rows) => dropped_rows,
            Err(error) => return (report, Vec::new(), Some(error)),
        };
        let shared = Arc::new(Shared {
            live: live.clone(),
            source: Arc::clone(&pipeline.source),
            purse: self.run.purse.clone(),
            letters,
            examples: self.run.explain_drops.then(|| Examples::of(steps.len())),
            dropped_rows,
            stop: self.run.stop.clone(),
            failed: Stop::default(),
            grace: self.run.grace,
            cut: AtomicBool::new(false),
            unwritten: Unwritten::default(),
        });
        if let Some(observer) = &self.run.observer {
            observer.begins(live.clone());
        }
        let mut done = self.stream(&shared).await;
        report.money = self.run.purse.as_ref().and_then(|purse| purse.money());
        report.rows_read = live.read.load(Ordering::Relaxed);
        report.steps = live.steps();
        if let Some(examples) = &shared.examples {
            for (place, step) in report.steps.iter_mut().enumerate() {
                step.examples = examples.take(place);
            }
        }
        report.failed = report.steps.iter().map(|step| step.failed).sum();
        report.errors = shared.letters.written();
        match shared.dropped_rows.as_ref().map_or(Ok(None), DroppedRows::commit) {
            Ok(path) => report.dropped = path,
            Err(error) => done = done.and(Err(error)),
        }
        match done {
            Ok(streamed) => {
                report.outcome = if shared.cut.load(Ordering::SeqCst) { RunOutcome::Stopped } else { RunOutcome::Complete };
                report.malformed = streamed.malformed;
                report.rows_written = streamed.rows_written;
                report.output = streamed.output;
                for (step, result) in streamed.results {
                    if let Some(report) = report.steps.iter_mut().find(|known| known.step == step) {
                        report.result = Some(result.value);
                    }
                }
                (report, streamed.gathered, None)
            }
            Err(Error::Stopped) if self.run.stop.is_asked() => {
                report.outcome = RunOutcome::Stopped;
                (report, Vec::new(), None)
            }
            Err(error) => (report, Vec::new(), Some(error)),
        }
    }

    async fn stream(&self, shared: &Arc<Shared>) -> Result<Streamed> {
        let steps = &self.pipeline.steps[self.plan.after..];
        let served = self.serve(shared).await?;
        let servings: Vec<_> = self.pipeline.servings.iter().map(|(_, serving)| serving.clone()).collect();
        let ending = shared.clone();
        let watch = tokio::spawn(async move {
            tokio::select! {
                () = ending.stop.asked() => {}
                () = ending.failed.asked() => {}
            }
            for serving in &servings {
                serving.stop_waiting();
            }
        });
        let passed = self.pass_rows(steps, &served, shared).await;
        watch.abort();
        for (_, serving) in &self.pipeline.servings {
            serving.stop().await;
        }
        passed
    }

    /// Starts the servings that the steps ask.
    async fn serve(&self, shared: &Arc<Shared>) -> Result<Vec<Option<Arc<Served>>>> {
        let steps = &self.pipeline.steps[self.plan.after..];
        let asked: HashSet<usize> = steps.iter().filter_map(|step| step.serving).collect();
        let journal: Option<Arc<dyn Journal>> = match (&self.pipeline.journal, self.pipeline.storage.journal_path()) {
            _ if asked.is_empty() => None,
            (Some(journal), _) => Some(journal.clone()),
            (None, Some(path)) => Some(open_journal(&path)?),
            (None, None) => None,
        };
        let mut served = Vec::new();
        for (index, (name, serving)) in self.pipeline.servings.iter().enumerate() {
            if !asked.contains(&index) {
                served.push(None);
                continue;
            }
            serving.start().await.map_err(|error| Error::Unreachable { serving: name.clone(), message: error.message, class: error.class })?;
            let reads_journal = self.run.from != RunFrom::Fresh;
            served.push(Some(Arc::new(Served::new(name, serving.clone(), journal.clone(), reads_journal, shared))));
        }
        Ok(served)
    }

    async fn pass_rows(&self, steps: &[Arc<CompiledStep>], served: &[Option<Arc<Served>>], shared: &Arc<Shared>) -> Result<Streamed> {
        let mut work = Vec::with_capacity(steps.len());
        for step in steps {
            work.push(guarded(step.info(), || {
                let mut begun = step.operator.work()?;
                if let Work::Dataset(begun) = &mut begun {
                    if self.run.limit.is_some() {
                        begun.only_first_rows();
                    }
                    if shared.is_observed() {
                        begun.will_explain();
                    }
                }
                Ok(begun)
            })?);
        }
        let (source, mut input) = mpsc::channel(WAITING_BATCHES);
        let (writers, placed, arrival) = self.writers(steps, shared)?;
        let mut stages: JoinSet<Result<Vec<(usize, DatasetResult)>>> = JoinSet::new();
        let malformed = Arc::new(AtomicU64::new(0));
        self.read(source, shared.clone(), malformed.clone(), &mut stages)?;
        let mut remaining = placed.into_iter().zip(work).peekable();
        while let Some((placed, work)) = remaining.next() {
            let last = |remaining: &mut std::iter::Peekable<_>| remaining.peek().is_none();
            let channel = |last: bool| {
                if last {
                    (None, None)
                } else {
                    let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
                    (Some(sender), Some(receiver))
                }
            };
            let number = placed.step.number;
            let shared = shared.clone();
            let next = match work {
                Work::Column(first) => {
                    // Rules that follow one another are one stage.
                    let mut rules: Vec<(Placed, Arc<dyn ColumnWork>)> = vec![(placed, first)];
                    while let Some((placed, Work::Column(next))) = remaining.next_if(|(_, work): &(Placed, Work)| matches!(work, Work::Column(_))) {
                        rules.push((placed, next));
                    }
                    let (output, next) = channel(last(&mut remaining));
                    stages.spawn(async move { columns(rules, input, output, shared).await.map(|()| Vec::new()) });
                    next
                }
                Work::Dataset(work) => {
                    let (output, next) = channel(last(&mut remaining));
                    let work: Box<dyn DatasetWork> = work;
                    stages.spawn(async move { Ok(dataset(placed, work, input, output, shared).await?.map(|result| (number, result)).into_iter().collect()) });
                    next
                }
                Work::Row(_) | Work::Source(_) => {
                    let (output, next) = channel(last(&mut remaining));
                    let arrival = if output.is_none() { arrival } else { Arrival::InOrder };
                    let stage = self.row_stage(placed, work, served, shared, arrival);
                    stages.spawn(async move { Ok(stage.run(input, output).await?.map(|result| (number, result)).into_iter().collect()) });
                    next
                }
            };
            match next {
                Some(next) => input = next,
                None => break,
            }
        }
        self.settle(stages, writers, shared, &malformed).await
    }

    fn row_stage(&self, placed: Placed, work: Work, served: &[Option<Arc<Served>>], shared: Arc<Shared>, arrival: Arrival) -> RowStage {
        let job = match work {
            Work::Row(work) => Job::Row(work),
            Work::Source(work) => Job::Seed(work),
            Work::Column(_) | Work::Dataset(_) => unreachable!("rules are stages of their own"),
        };
        let served = placed.step.serving.and_then(|serving| served[serving].clone());
        let in_work = served.as_ref().map_or(64, |served| served.rows_in_work(arrival));
        let model = match served {
            Some(served) => Model::new(Arc::new(StepAnswers { served, live: shared.live.clone(), place: placed.place })),
            None => Model::new(Arc::new(NoAnswers)),
        };
        let seed = self.pipeline.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(placed.step.number as u64);
        RowStage { placed, job, model, in_work, seed, shared, most_seeds: self.run.limit.unwrap_or(u64::MAX), roots: self.plan.roots.clone(), arrival }
    }

    /// A writer for each step whose rows are written, each on a thread of its own; and how those of the last step should come.
    fn writers(&self, steps: &[Arc<CompiledStep>], shared: &Arc<Shared>) -> Result<(Vec<Writer>, Vec<Placed>, Arrival)> {
        let mut arrival = Arrival::InOrder;
        let mut writers = Vec::new();
        let mut placed = Vec::new();
        let last = self.pipeline.steps.len();
        for (place, step) in steps.iter().enumerate() {
            let sinks = if self.plan.gathers { Vec::new() } else { self.sinks(step.number)? };
            let written = if sinks.is_empty() && !(self.plan.gathers && step.number == last) {
                None
            } else {
                let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
                let writer = if self.plan.gathers { CacheWriter::gather() } else { CacheWriter::begin(sinks, Beside::of(self.pipeline, step.number))? };
                if step.number == last {
                    arrival = writer.arrival();
                }
                let (shared, of) = (shared.clone(), Placed { step: step.clone(), place, written: None });
                writers.push((step.number, tokio::task::spawn_blocking(move || write_all(writer, receiver, &of, &shared))));
                Some(sender)
            };
            placed.push(Placed { step: step.clone(), place, written });
        }
        Ok((writers, placed, arrival))
    }

    fn sinks(&self, step: usize) -> Result<Vec<Box<dyn Sink>>> {
        let storage = &self.pipeline.storage;
        let schema = &self.pipeline.steps[step - 1].schema;
        let output = if step == self.pipeline.steps.len() { storage.output(schema)? } else { None };
        Ok(output.into_iter().chain(storage.step_sink(step, schema)?).collect())
    }

    /// Reads the source, or the cache that the run resumes from, on a thread of its own.
    fn read(
        &self,
        to: mpsc::Sender<Batch>,
        shared: Arc<Shared>,
        malformed: Arc<AtomicU64>,
        stages: &mut JoinSet<Result<Vec<(usize, DatasetResult)>>>,
    ) -> Result<()> {
        let limit = self.run.limit.unwrap_or(u64::MAX);
        let reading = if self.plan.after > 0 {
            Reading::Cache(cache::open(self.pipeline, self.plan.after, self.run.batch_rows)?)
        } else {
            Reading::Source { frames: self.pipeline.source.open(self.run.batch_rows)?, read: 0, limit, roots: self.plan.roots.clone() }
        };
        let everything_is_cached = self.plan.after == self.pipeline.steps.len();
        let output = if everything_is_cached { self.pipeline.storage.output(self.pipeline.schema())? } else { None };
        stages.spawn(async move {
            let read = tokio::task::spawn_blocking(move || match (everything_is_cached, output) {
                (true, Some(mut output)) => {
                    let whole = each_batch(reading, &shared, &malformed, |batch| output.write(&batch.frame).map(|()| true))?;
                    if whole { output.commit() } else { Ok(()) }
                }
                (true, None) => each_batch(reading, &shared, &malformed, |_| Ok(true)).map(drop),
                // A later stage that takes no more has ended, and says why.
                (false, _) => each_batch(reading, &shared, &malformed, |batch| Ok(to.blocking_send(batch).is_ok())).map(drop),
            });
            joined(read.await).map(|()| Vec::new())
        });
        Ok(())
    }

    /// Waits for all stages, and makes what was written visible.
    async fn settle(
        &self,
        mut stages: JoinSet<Result<Vec<(usize, DatasetResult)>>>,
        writers: Vec<Writer>,
        shared: &Arc<Shared>,
        malformed: &AtomicU64,
    ) -> Result<Streamed> {
        let mut streamed = Streamed::default();
        let mut failed: Option<Error> = None;
        while let Some(done) = stages.join_next().await {
            match joined(done) {
                Ok(results) => streamed.results.extend(results),
                Err(error) => {
                    // The first error is the cause; what the others say follows from it.
                    if failed.is_none() || matches!(failed, Some(Error::Stopped)) {
                        failed = Some(error);
                    }
                    shared.failed.gently();
                }
            }
        }
        let cut = shared.cut.load(Ordering::SeqCst);
        let mut whole = Vec::new();
        for (step, writer) in writers {
            match joined(writer.await) {
                Ok(writer) => whole.push((step, writer)),
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        let stopped = cut || matches!(failed, Some(Error::Stopped));
        if let Some(error) = failed
            && !(stopped && matches!(error, Error::Stopped))
        {
            return Err(error);
        }
        shared.cut.fetch_or(stopped, Ordering::SeqCst);
        streamed.malformed = malformed.load(Ordering::Relaxed);
        let last = self.pipeline.steps.len();
        let counts: Vec<(usize, u64)> = shared.live.steps().iter().map(|step| (step.step, step.failed)).collect();
        let fingerprints = self.plan.fingerprints.clone();
        let output = self.pipeline.output_path();
        let rows_read = shared.live.read.load(Ordering::Relaxed);
        let nothing_ran = counts.is_empty();
        joined(
            tokio::task::spawn_blocking(move || {
                for (step, mut writer) in whole {
                    // A record that was set aside is told again by the next run, so a cache without it is not resumed from.
                    let failed = counts.iter().filter(|(number, _)| *number <= step).map(|(_, failed)| failed).sum::<u64>() + streamed.malformed;
                    if let Some(rows) = writer.gathered() {
                        streamed.gathered = rows;
                        continue;
                    }
                    if stopped {
                        if step == last {
                            (streamed.output, streamed.rows_written) = writer.commit_partial()?;
                        }
                    } else {
                        let result = streamed.results.iter().find(|(number, _)| *number == step).map(|(_, result)| result.value.clone());
                        let rows = writer.commit(fingerprints[step].clone(), failed, result)?;
                        if step == last {
                            streamed.rows_written = rows;
                            streamed.output = output.clone();
                        }
                    }
                }
                if nothing_ran && !stopped {
                    streamed.rows_written = rows_read;
                    streamed.output = output;
                }
                for (_, result) in &streamed.results {
                    if let Some(path) = &result.path {
                        whole_file::write(path, &serde_json::to_vec_pretty(&result.value).unwrap_or_default())?;
                    }
                }
                Ok(streamed)
            })
            .await,
        )
    }
}

/// What came of a passage.
#[derive(Default)]
struct Streamed {
    malformed: u64,
    rows_written: u64,
    output: Option<PathBuf>,
    results: Vec<(usize, DatasetResult)>,
    gathered: Vec<Batch>,
}

/// For a step that asks nothing.
struct NoAnswers;

#[async_trait]
impl Answers for NoAnswers {
    async fn answer(&self, _: &Chat) -> Result<Reply> {
        Err(Error::Configuration("the operator asks a model, and says that it makes no calls".into()))
    }
    async fn forget(&self, _: &Chat) -> Result<()> {
        Ok(())
    }
    async fn embed(&self, _: &[String]) -> Result<Embeddings> {
        Err(Error::Configuration("the operator asks a model, and says that it makes no calls".into()))
    }
}

/// Writes batches as they come. Small ones wait a little for others, since a transaction of a table is worth its making.
fn write_all(mut writer: CacheWriter, mut batches: mpsc::Receiver<Batch>, placed: &Placed, shared: &Shared) -> Result<CacheWriter> {
    let runtime = Handle::current();
    let at_once = writer.arrival() == Arrival::AtOnce;
    let gather = if at_once { Duration::ZERO } else { GATHER };
    while let Some(mut batch) = batches.blocking_recv() {
        let until = tokio::time::Instant::now() + gather;
        while batch.height() < ROWS_WORTH_A_WRITE
            && let Ok(Some(more)) = runtime.block_on(async { tokio::time::timeout_at(until, batches.recv()).await })
        {
            batch = batch.and(&more)?;
        }
        for refused in writer.write(&batch)? {
            shared.row_refused(placed, &batch, refused)?;
        }
        if at_once {
            shared.unwritten.less(batch.height());
        }
    }
    Ok(writer)
}
