//! The stage of a step that asks a model: many rows in work at once, no waiting for the slowest, and all leave in order, or as they end where who takes them wants that.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use polars::prelude::*;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batch::Batch;
use super::report::add;
use super::stage::{Fate, Placed, Shared, mask, reason};
use crate::cell::{Cell, Cells, column_of};
use crate::error::{Error, Result};
use crate::guarded::panic_message;
use crate::key::{ColumnType, Direction, KeyUse};
use crate::model::Model;
use crate::operator::{DatasetResult, Kind, NewRow, Others, Outcome, RowWork, Seed, SourceWork, Summary};
use crate::row::{Row, child_id, root_of, seed_id, text_of};
use crate::serving::ErrorClass;
use crate::storage::Arrival;

/// Rows that may have ended while one before them has not: the bound of what a slow row can hold back, and of memory.
const MOST_HELD: usize = 16_384;
/// Seeds that are taken as one batch.
const SEEDS_A_BATCH: u64 = 1024;
/// The most rows that leave as one batch, and how long those that have ended wait for others: a frame is worth its making, yet a later step has work soon, and
/// making it holds up the calls.
const MOST_LEAVING: usize = 256;
const GATHER: Duration = Duration::from_millis(10);

/// What is done with each row.
#[derive(Clone)]
pub(super) enum Job {
    /// One row of the data set.
    Row(Arc<dyn RowWork>),
    /// One seed of rows out of nothing. Batches pass before the first seed.
    Seed(Arc<dyn SourceWork>),
}

/// A batch of which some rows are in work.
struct Segment {
    batch: Arc<Batch>,
    outcomes: Vec<Option<Ended>>,
    started: usize,
    emitted: usize,
    /// Rows that have ended and have not left, where they leave in any order.
    ended: Vec<usize>,
}

/// How a row's work ended.
enum Ended {
    Well(Outcome),
    Skipped,
    Dropped,
    /// Kept, with the reason where the step tells it.
    Kept(Option<String>),
}

pub(super) struct RowStage {
    pub placed: Placed,
    pub job: Job,
    pub model: Model,
    /// The most rows in work at once.
    pub in_work: usize,
    /// The step's seed: the pipeline's, and the step's number.
    pub seed: u64,
    pub shared: Arc<Shared>,
    /// The most seeds that are asked.
    pub most_seeds: u64,
    /// For a run over failed rows alone: the seeds that are among them.
    pub roots: Option<Arc<HashSet<String>>>,
    /// How those who take the rows want them to come.
    pub arrival: Arrival,
}

/// The place of a row: its segment, counted from the first one, and its index there.
type Place = (usize, usize);

/// Rows in work, and how each ends.
type Tasks = JoinSet<(Place, Result<Option<Outcome>>)>;

impl RowStage {
    /// Runs the stage. However it ends, the calls in flight end too before they are given up, so that what they buy is kept.
    pub async fn run(self, input: mpsc::Receiver<Batch>, output: Option<mpsc::Sender<Batch>>) -> Result<Option<DatasetResult>> {
        let Shared { stop, failed, grace, .. } = &*self.shared;
        let mut tasks = JoinSet::new();
        let done = tokio::select! {
            biased;
            done = self.flow(&mut tasks, input, output) => done,
            () = failed.asked() => Err(Error::Stopped),
        };
        match &done {
            // Nothing is there to wait for, or what comes could not be kept.
            Err(Error::Unreachable { class: ErrorClass::Unreachable, .. } | Error::Journal { .. }) => failed.at_once(),
            // Also where nobody takes the rows any more: who took them has failed.
            _ if !tasks.is_empty() && !stop.is_asked() => failed.gently(),
            _ => {}
        }
        tokio::select! {
            biased;
            () = stop.given_up(*grace) => {}
            () = failed.given_up(*grace) => {}
            () = async { while tasks.join_next().await.is_some() {} } => {}
        }
        done
    }

    async fn flow(&self, tasks: &mut Tasks, mut input: mpsc::Receiver<Batch>, output: Option<mpsc::Sender<Batch>>) -> Result<Option<DatasetResult>> {
        let mut summary = match &self.job {
            Job::Row(work) => work.summary(),
            Job::Seed(_) => None,
        };
        let gathered = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(gathered);
        let mut segments: VecDeque<Segment> = VecDeque::new();
        let (mut first_segment, mut held, mut more) = (0usize, 0usize, true);
        let mut next_seed = 0;
        // Batches that leave, and whether each was handed to where the step's rows are written.
        let mut outbox: VecDeque<(Batch, bool)> = VecDeque::new();
        let leaving = |batch: Batch| (batch, self.placed.written.is_none());
        let given_up = self.shared.stop.given_up(self.shared.grace);
        tokio::pin!(given_up);
        loop {
            if self.shared.stop.is_asked() {
                self.leave_out_the_rest(&mut segments, &mut more);
            }
            if !more && let Some(segment) = self.seeds(&mut next_seed, segments.back(), &segments) {
                segments.push_back(segment);
            }
            // Start what may be started.
            for (offset, segment) in segments.iter_mut().enumerate() {
                while segment.started < segment.batch.height() && self.has_room(tasks, held) {
                    self.start(tasks, (first_segment + offset, segment.started), &segment.batch);
                    segment.started += 1;
                    held += 1;
                }
            }
            // Pass on what has ended, without a gap where it leaves in order.
            let mut waiting = false;
            let late = Instant::now() >= gathered.deadline();
            for segment in &mut segments {
                let ready = segment.ready(self.arrival);
                let whole = segment.emitted + ready == segment.batch.height();
                let gathers = match self.arrival {
                    // They are gathered only while those before them cannot be taken.
                    Arrival::AtOnce => !outbox.is_empty(),
                    Arrival::InOrder | Arrival::AsTheyEnd => !whole && ready < MOST_LEAVING && !late,
                };
                waiting |= gathers && ready > 0 && self.arrival != Arrival::AtOnce;
                if ready > 0 && !gathers {
                    gathered.as_mut().reset(Instant::now() + GATHER);
                    held -= ready;
                    let batch = self.emit(segment, ready)?;
                    if let Some(summary) = &mut summary {
                        summary.observe(&batch.frame)?;
                    }
                    match (batch.height(), &output) {
                        (0, _) => {}
                        (_, None) if self.placed.written.is_none() => {}
                        (rows, _) => {
                            if self.arrival == Arrival::AtOnce {
                                self.shared.unwritten.more(rows);
                            }
                            outbox.push_back(leaving(batch));
                        }
                    }
                }
                if segment.emitted < segment.batch.height() && self.arrival == Arrival::InOrder {
                    break;
                }
                if segment.emitted == segment.batch.height() {
                    segment.clear(); // it may stand behind others for long
                }
            }
            while segments.pop_front_if(|segment| segment.batch.height() == 0).is_some() {
                first_segment += 1;
            }
            if !more && segments.is_empty() && outbox.is_empty() && !self.seeds_remain(next_seed) {
                break;
            }
            let wants_more = more && self.has_room(tasks, held) && segments.back().is_none_or(|last| last.started == last.batch.height());
            tokio::select! {
                biased;
                () = &mut given_up => return Err(Error::Stopped),
                () = self.shared.stop.asked(), if more && !self.shared.stop.is_asked() => {}
                () = &mut gathered, if waiting => {}
                () = self.shared.unwritten.written(), if self.arrival == Arrival::AtOnce && self.shared.unwritten.rows() > 0 => {}
                Some(ended) = tasks.join_next() => {
                    // Many end at about the same time; what follows is done once for all of them.
                    for ended in std::iter::once(ended).chain(std::iter::from_fn(|| tasks.try_join_next())) {
                        let ((segment, index), result) = ended.map_err(|_| Error::Stopped)?;
                        let segment = &mut segments[segment - first_segment];
                        segment.outcomes[index] = Some(self.ended(&segment.batch, index, result)?);
                        if self.arrival != Arrival::InOrder {
                            segment.ended.push(index);
                        }
                    }
                }
                // A place is reserved first, so that a batch goes to each taker once whatever else happens meanwhile.
                place = reserve(self.placed.written.as_ref()), if outbox.front().is_some_and(|leaving| !leaving.1) => match place {
                    Some(place) => {
                        place.send(outbox[0].0.clone());
                        if output.is_some() { outbox[0].1 = true } else { drop(outbox.pop_front()) }
                    }
                    None => return Ok(None),
                },
                place = reserve(output.as_ref()), if output.is_some() && outbox.front().is_some_and(|leaving| leaving.1) => match (place, outbox.pop_front()) {
                    (Some(place), Some((batch, _))) => place.send(batch),
                    _ => return Ok(None),
                },
                batch = input.recv(), if wants_more => match batch {
                    Some(batch) if matches!(self.job, Job::Seed(_)) => {
                        let counts = self.placed.counts(&self.shared);
                        add(&counts.rows_in, batch.height() as u64);
                        add(&counts.rows_out, batch.height() as u64);
                        outbox.push_back(leaving(self.widened(&batch)?));
                    }
                    Some(batch) => {
                        add(&self.placed.counts(&self.shared).rows_in, batch.height() as u64);
                        segments.push_back(Segment::new(batch));
                    }
                    None => more = false,
                },
                else => {}
            }
        }
        match summary {
            Some(mut summary) if !self.shared.cut.load(Ordering::SeqCst) => Summary::end(&mut *summary).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether one more row may be taken into work, beside those in work and those that are held. Where others share the rows, one that is not written counts as in work.
    fn has_room(&self, tasks: &Tasks, held: usize) -> bool {
        let in_work = if self.arrival == Arrival::AtOnce { held + self.shared.unwritten.rows() } else { tasks.len() };
        in_work < self.in_work && held < MOST_HELD
    }

    fn leave_out_the_rest(&self, segments: &mut VecDeque<Segment>, more: &mut bool) {
        if *more || segments.iter().any(|segment| segment.started < segment.batch.height()) {
            self.shared.cut.store(true, Ordering::SeqCst);
        }
        *more = false;
        for segment in segments.iter_mut() {
            let started = segment.started;
            if started < segment.batch.height() {
                segment.batch = Arc::new(segment.batch.slice(0, started));
                segment.outcomes.truncate(started);
            }
        }
        segments.retain(|segment| segment.batch.height() > 0);
    }

    fn seeds_remain(&self, next: u64) -> bool {
        matches!(&self.job, Job::Seed(work) if next < work.seeds().min(self.most_seeds)) && !self.shared.stop.is_asked()
    }

    /// The next seeds as a batch of rows without values, once all rows before them are taken.
    fn seeds(&self, next: &mut u64, last: Option<&Segment>, segments: &VecDeque<Segment>) -> Option<Segment> {
        let Job::Seed(work) = &self.job else { return None };
        if segments.len() > 1 || last.is_some_and(|last| last.started < last.batch.height()) || !self.seeds_remain(*next) {
            return None;
        }
        let numbers = *next..(*next + SEEDS_A_BATCH).min(work.seeds()).min(self.most_seeds);
        *next = numbers.end;
        let wanted = |id: &String| self.roots.as_ref().is_none_or(|roots| roots.contains(root_of(id)));
        let ids: StringChunked = numbers.map(|number| seed_id(self.placed.step.number, number)).filter(wanted).map(Some).collect();
        if ids.is_empty() {
            return None;
        }
        let frame = DataFrame::empty_with_height(ids.len());
        Some(Segment::new(Batch::new(frame, ids)))
    }

    fn start(&self, tasks: &mut Tasks, place: Place, batch: &Arc<Batch>) {
        let (job, model, batch, seed, index) = (self.job.clone(), self.model.clone(), batch.clone(), self.seed, place.1);
        let operator = self.placed.step.info().name;
        self.shared.live.mark(self.placed.counts(&self.shared));
        tasks.spawn(async move {
            let work = async {
                match &job {
                    Job::Row(work) => {
                        let row = Row::new(&batch.frame, index, batch.id(index), seed);
                        if work.skips(&row) { Ok(None) } else { work.row(row, &model).await.map(Some) }
                    }
                    Job::Seed(work) => {
                        let number = batch.id(index).rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
                        let rows = work.rows(&Seed::new(number, seed), &model).await?;
                        let rows = rows.into_iter().map(|cells| NewRow { cells, others: Others::Null }).collect();
                        Ok(Some(Outcome { rows, ..Outcome::default() }))
                    }
                }
            };
            let result = AssertUnwindSafe(work).catch_unwind().await;
            let result =
                result.unwrap_or_else(|panic| Err(Error::Operator { operator: operator.to_owned(), message: format!("panicked: {}", panic_message(&*panic)) }));
            (place, result)
        });
    }

    /// Counts a row that has ended and holds it to the operator's kind.
    fn ended(&self, batch: &Batch, index: usize, result: Result<Option<Outcome>>) -> Result<Ended> {
        let counts = self.placed.counts(&self.shared);
        let info = self.placed.step.info();
        let broke = |what: &str| Err(Error::Operator { operator: info.name.to_owned(), message: format!("{what}, and its kind is {}", info.kind.name()) });
        let result = match result {
            Ok(Some(outcome)) if !outcome.rows.is_empty() && info.kind != Kind::Generate => broke("makes rows"),
            Ok(Some(outcome)) if !outcome.keep && matches!(info.kind, Kind::Eval | Kind::Refine) => broke("drops a row"),
            Ok(Some(outcome)) => match self.undeclared(&outcome) {
                Some(name) => {
                    Err(Error::Operator { operator: info.name.to_owned(), message: format!("writes the column `{name}`, which none of its keys declares") })
                }
                None => Ok(Some(outcome)),
            },
            other => other,
        };
        self.shared.live.mark(counts);
        Ok(match result {
            Ok(Some(outcome)) => Ended::Well(outcome),
            Ok(None) => {
                add(&counts.skipped, 1);
                Ended::Skipped
            }
            // It was not to be asked any more, and is left for another run.
            Err(Error::Stopped) if self.shared.stop.is_asked() => {
                self.shared.cut.store(true, Ordering::SeqCst);
                Ended::Dropped
            }
            Err(error) => {
                let told = self.placed.step.error_key.as_ref().map(|_| reason(&error));
                match self.shared.row_failed(&self.placed, batch, index, error)? {
                    Fate::Drop => Ended::Dropped,
                    Fate::Keep => Ended::Kept(told),
                }
            }
        })
    }

    /// For a row that is not asked about: which column is to blame.
    fn blank(&self, batch: &Batch, index: usize) -> Option<String> {
        let row = Row::new(&batch.frame, index, batch.id(index), self.seed);
        let mut needed = self.placed.step.keys.iter().filter(|key| key.direction != Direction::Write && !key.nullable);
        needed.find(|key| row.is_blank_at(&key.key)).map(|key| format!("`{}` is null or blank", key.key))
    }

    fn undeclared(&self, outcome: &Outcome) -> Option<String> {
        let declared = |name: &str| self.placed.step.keys.iter().any(|key| key.direction != Direction::Read && key.key == name);
        std::iter::once(&outcome.cells)
            .chain(outcome.rows.iter().map(|row| &row.cells))
            .flat_map(Cells::names)
            .find(|name| !declared(name))
            .map(ToOwned::to_owned)
    }

    /// As many rows of a segment as have ended, as they leave the step.
    fn emit(&self, segment: &mut Segment, ready: usize) -> Result<Batch> {
        let (batch, places) = match self.arrival {
            Arrival::InOrder => (segment.batch.slice(segment.emitted, ready), (segment.emitted..segment.emitted + ready).collect()),
            Arrival::AsTheyEnd | Arrival::AtOnce => (segment.batch.take(&segment.ended)?, std::mem::take(&mut segment.ended)),
        };
        segment.emitted += ready;
        let outcomes = places.into_iter().map(|place| segment.outcomes[place].take().unwrap_or(Ended::Skipped));
        let counts = self.placed.counts(&self.shared);
        let filter = self.placed.step.info().kind == Kind::Filter;
        let mut rows = Leaving::default();
        let mut judged = self.shared.is_observed().then(Leaving::default);
        // Which rows are dropped, and why where that is told.
        let mut dropped: Vec<Option<Option<String>>> = vec![None; batch.height()];
        for (index, ended) in outcomes.enumerate() {
            if let (Some(judged), false) = (&mut judged, matches!(ended, Ended::Well(_))) {
                judged.push(index, batch.id(index).to_owned(), Cells::new(), Others::AsParent);
            }
            match ended {
                Ended::Well(outcome) => {
                    if !outcome.keep && outcome.rows.is_empty() {
                        add(&counts.dropped, 1);
                        dropped[index] = Some(outcome.why);
                    }
                    if let Some(judged) = &mut judged {
                        judged.push(index, batch.id(index).to_owned(), outcome.cells.clone(), Others::AsParent);
                    }
                    if outcome.keep {
                        rows.push(index, batch.id(index).to_owned(), outcome.cells, Others::AsParent);
                    }
                    for (number, row) in outcome.rows.into_iter().enumerate() {
                        rows.push(index, child_id(batch.id(index), self.placed.step.number, number + 1), row.cells, row.others);
                    }
                }
                // A filter cannot keep a row that it knows nothing of; other kinds pass it on with nulls.
                Ended::Skipped if filter => {
                    add(&counts.dropped, 1);
                    dropped[index] = Some(self.blank(&batch, index));
                }
                Ended::Skipped => rows.push(index, batch.id(index).to_owned(), Cells::new(), Others::AsParent),
                Ended::Kept(told) => {
                    let cells = match (&self.placed.step.error_key, told) {
                        (Some(key), Some(told)) => Cells::new().put(key, told.into()),
                        _ => Cells::new(),
                    };
                    rows.push(index, batch.id(index).to_owned(), cells, Others::AsParent);
                }
                Ended::Dropped => {}
            }
        }
        add(&counts.rows_out, rows.ids.len() as u64);
        if let Some(judged) = judged {
            let after = judged.into_batch(&batch, &self.placed.step.keys, &self.placed.step.schema)?;
            let lines = self.shared.observe(
                &self.placed,
                &batch.ids,
                (&batch.frame, &after.frame),
                |index| dropped[index].is_some(),
                |index| dropped[index].clone().flatten(),
            )?;
            self.shared.tell_dropped(&lines)?;
        }
        rows.into_batch(&batch, &self.placed.step.keys, &self.placed.step.schema)
    }

    /// A batch that passes a step which makes rows out of nothing: its columns, and nulls in what the step writes.
    fn widened(&self, batch: &Batch) -> Result<Batch> {
        let mut rows = Leaving { keeps_written: true, ..Leaving::default() };
        for index in 0..batch.height() {
            rows.push(index, batch.id(index).to_owned(), Cells::new(), Others::AsParent);
        }
        rows.into_batch(batch, &self.placed.step.keys, &self.placed.step.schema)
    }
}

/// A place for a batch with a taker; `None` when it takes no more.
async fn reserve(taker: Option<&mpsc::Sender<Batch>>) -> Option<mpsc::Permit<'_, Batch>> {
    taker?.reserve().await.ok()
}

impl Segment {
    fn new(batch: Batch) -> Self {
        let outcomes = (0..batch.height()).map(|_| None).collect();
        Self { batch: Arc::new(batch), outcomes, started: 0, emitted: 0, ended: Vec::new() }
    }

    /// Lets go of rows that have all left.
    fn clear(&mut self) {
        *self = Self::new(Batch::new(self.batch.frame.clear(), self.batch.ids.clear()));
    }

    /// How many rows may leave.
    fn ready(&self, arrival: Arrival) -> usize {
        match arrival {
            Arrival::InOrder => self.outcomes[self.emitted..].iter().take_while(|outcome| outcome.is_some()).count(),
            Arrival::AsTheyEnd | Arrival::AtOnce => self.ended.len(),
        }
    }
}

/// Rows that leave a step: for each the row that it came of, its identity, and what is written into it.
#[derive(Default)]
struct Leaving {
    from: Vec<IdxSize>,
    ids: Vec<String>,
    cells: Vec<Cells>,
    as_parent: Vec<bool>,
    /// Rows pass a step that is about others: what stands in the columns that it writes stays too.
    keeps_written: bool,
}

impl Leaving {
    fn push(&mut self, from: usize, id: String, cells: Cells, others: Others) {
        self.from.push(from as IdxSize);
        self.ids.push(id);
        self.cells.push(cells);
        self.as_parent.push(others == Others::AsParent);
    }

    fn into_batch(mut self, batch: &Batch, keys: &[KeyUse], schema: &Schema) -> Result<Batch> {
        let height = self.ids.len();
        let untouched = height == batch.height() && self.from.iter().enumerate().all(|(index, from)| index == *from as usize);
        let before = if untouched { batch.frame.clone() } else { batch.frame.take(&IdxCa::from_vec(PlSmallStr::EMPTY, std::mem::take(&mut self.from)))? };
        let all_as_parent = self.as_parent.iter().all(|as_parent| *as_parent);
        let as_parent = mask(&self.as_parent);
        let mut columns = Vec::with_capacity(schema.len());
        for (name, data_type) in schema.iter() {
            let written = keys.iter().rev().find(|key| key.direction != Direction::Read && key.key == name.as_str());
            let old = before.column(name).ok();
            columns.push(match (written, old) {
                (Some(key), old) => self.written(key, old)?,
                (None, Some(old)) if all_as_parent => old.clone(),
                (None, Some(old)) => old.zip_with(&as_parent, &Column::full_null(name.clone(), height, data_type))?,
                (None, None) => Column::full_null(name.clone(), height, data_type),
            });
        }
        let ids: StringChunked = self.ids.into_iter().map(Some).collect();
        Ok(Batch::new(DataFrame::new(height, columns)?, ids))
    }

    /// The cells that the operator wrote; where it wrote none, null, or for a changed column what stood there.
    fn written(&mut self, key: &KeyUse, old: Option<&Column>) -> Result<Column> {
        let mut cells = Vec::with_capacity(self.cells.len());
        for (index, (row, as_parent)) in self.cells.iter_mut().zip(&self.as_parent).enumerate() {
            let cell = row.take(&key.key);
            cells.push(match (cell, key.direction, old) {
                (Cell::Null, direction, Some(old)) if *as_parent && (direction == Direction::Change || self.keeps_written) => {
                    unchanged(old, index, &key.column_type)?
                }
                (cell, ..) => cell,
            });
        }
        column_of(&key.key, &key.column_type, cells)
    }
}

fn unchanged(column: &Column, index: usize, column_type: &ColumnType) -> Result<Cell> {
    let value = column.get(index)?;
    Ok(match column_type {
        ColumnType::Integer => value.extract::<i64>().map_or(Cell::Null, Cell::Integer),
        ColumnType::Float => value.extract::<f64>().map_or(Cell::Null, Cell::Float),
        _ => text_of(value).map_or(Cell::Null, |text| Cell::Text(text.into_owned())),
    })
}
