//! What looks at a batch while it runs: its budget, its memory, its log, and the progress file of AI-DataFlux.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dataflow_core::Stop;
use dataflow_core::engine::{LiveRun, Observer};
use dataflow_serving::PoolServing;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::memory::{Memory, halvings};
use super::{Budget, Process, ProcessConfiguration};

/// How often the budget is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Looks at a batch while it runs.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Seen>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Seen {
    stop: Stop,
    budget: Budget,
    pool: Option<Arc<PoolServing>>,
    page_rows: Arc<AtomicUsize>,
    batch_size: usize,
    shard_size: u64,
    memory_limit: u64,
    progress_file: Option<PathBuf>,
    logs_progress: bool,
    spent: AtomicBool,
}

impl Watch {
    /// A watch over a batch that is about to run, which it stops by `stop` once its budget is spent. The progress file is gone after a run that came to its end.
    pub fn new(configuration: &ProcessConfiguration, process: &Process, stop: Stop, progress_file: Option<PathBuf>) -> Self {
        let datasource = &configuration.datasource;
        let seen = Seen {
            stop,
            budget: configuration.budget,
            pool: process.pool.clone(),
            page_rows: Arc::clone(&process.page_rows),
            batch_size: datasource.concurrency.batch_size,
            shard_size: datasource.concurrency.shard_size.max(1) as u64,
            memory_limit: datasource.memory_limit_mb.saturating_mul(1 << 20),
            progress_file,
            logs_progress: configuration.log.output.eq_ignore_ascii_case("file"),
            spent: AtomicBool::new(false),
        };
        Self { seen: Arc::new(seen), task: Mutex::new(None) }
    }

    /// Whether the budget ended the run.
    pub fn has_spent(&self) -> bool {
        self.seen.spent.load(Ordering::SeqCst)
    }
}

impl Observer for Watch {
    fn begins(&self, run: Arc<LiveRun>) {
        let task = tokio::spawn(look_on(Arc::clone(&self.seen), run));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    fn ends(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        if let Some(path) = &self.seen.progress_file {
            let _ = std::fs::remove_file(path); // it may not have come to be
        }
    }
}

async fn look_on(seen: Arc<Seen>, run: Arc<LiveRun>) {
    let (mut memory, mut halved) = (Memory::new(), 0);
    let page_rows = seen.page_rows.load(Ordering::Relaxed);
    let mut due = [Instant::now(); 3];
    let mut is_due = |which: usize, every: u64| {
        let now = Instant::now();
        let is_due = now >= due[which];
        if is_due {
            due[which] = now + Duration::from_secs(every);
        }
        is_due
    };
    loop {
        if !seen.has_budget_left(&run) && !seen.spent.swap(true, Ordering::SeqCst) {
            tracing::warn!("the budget is spent; the run stops");
            seen.stop.gently();
        }
        if is_due(0, 1)
            && let Some(path) = &seen.progress_file
        {
            let temporary = path.with_extension("tmp");
            let content = progress(&run, seen.shard_size).to_string();
            if let Err(error) = std::fs::write(&temporary, content).and_then(|()| std::fs::rename(&temporary, path)) {
                tracing::warn!(path = %path.display(), %error, "the progress file cannot be written");
            }
        }
        if is_due(1, 5) {
            let reading = memory.read();
            let wanted = halvings(halved, reading, seen.memory_limit);
            if wanted != halved {
                let calls = (seen.batch_size >> wanted).max(1);
                tracing::warn!(
                    process_mb = reading.process >> 20,
                    system_percent = (reading.used * 100.0).round(),
                    calls,
                    "memory decides how many rows are worked on at once"
                );
                halved = wanted;
            }
            seen.page_rows.store((page_rows >> halved).max(1), Ordering::Relaxed);
            if seen.logs_progress {
                let told = progress(&run, seen.shard_size);
                let told = |name: &str| told[name].as_u64().unwrap_or_default();
                tracing::info!(
                    total = told("total"),
                    processed = told("processed"),
                    active = told("active"),
                    errors = told("errors"),
                    pauses = seen.pool.as_ref().map(|pool| pool.pauses()),
                    process_mb = reading.process >> 20,
                    "progress"
                );
            }
        }
        if let Some(pool) = &seen.pool {
            pool.hold_to((seen.batch_size >> halved).max(1));
        }
        tokio::time::sleep(TICK).await;
    }
}

impl Seen {
    /// Whether there is something left beside what the rows in work will still take.
    fn has_budget_left(&self, run: &LiveRun) -> bool {
        if self.budget == Budget::default() {
            return true;
        }
        let steps = run.steps();
        let (mut tokens, mut calls, mut in_work) = (0, 0, 0);
        for step in &steps {
            tokens += step.input_tokens + step.output_tokens;
            calls += step.calls;
            in_work += step.rows_in.saturating_sub(step.rows_out + step.dropped + step.failed);
        }
        let money: f64 =
            self.pool.iter().filter_map(|pool| pool.pool().ok()).flat_map(|pool| pool.deployments().to_vec()).filter_map(|one| one.usage().1).sum();
        // The rows in work will take about as much as those before them; of the rows that a step has, it works on few.
        let in_work = in_work.min(self.batch_size as u64);
        let expected = 1.0 + in_work as f64 / (calls as f64).max(1.0);
        let left = |spent: f64, most: Option<f64>| most.is_none_or(|most| spent * expected < most);
        left(tokens as f64, self.budget.tokens.map(|most| most as f64)) && left(money, self.budget.money)
    }
}

/// What AI-DataFlux's control panel reads.
fn progress(run: &LiveRun, shard_size: u64) -> Value {
    let (total, read) = run.source();
    let steps = run.steps();
    let errors: u64 = steps.iter().map(|step| step.failed).sum();
    let processed = steps.last().map_or(0, |step| step.rows_out).saturating_sub(errors);
    let total = total.unwrap_or(read);
    let shards = total.div_ceil(shard_size).max(1);
    let shard = ((processed + errors) / shard_size + 1).min(shards);
    json!({
        "total": total, "processed": processed, "active": read.saturating_sub(processed + errors), "shard": format!("{shard}/{shards}"), "errors": errors,
        "ts": chrono::Utc::now().timestamp_millis() as f64 / 1000.0,
    })
}
