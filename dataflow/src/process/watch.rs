//! What looks at a batch while it runs: its memory, its log, and the progress file of AI-DataFlux.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dataflow_core::engine::{LiveRun, Observer, Report};
use dataflow_serving::PoolServing;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use super::memory::{Memory, halvings};
use super::{Ledger, Process, ProcessConfiguration};
use crate::terminal::{Companion, rows_per_second};

/// How often it is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Looks at a batch while it runs.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Seen>,
    task: Mutex<Option<JoinHandle<()>>>,
    run: Mutex<Option<Arc<LiveRun>>>,
}

#[derive(Debug)]
struct Seen {
    ledger: Arc<Ledger>,
    pool: Option<Arc<PoolServing>>,
    page_rows: Arc<AtomicUsize>,
    batch_size: usize,
    shard_size: u64,
    memory_limit: u64,
    progress_file: Option<PathBuf>,
    logs_progress: bool,
    writes_errors: bool,
    /// Bytes of this process at the last look.
    process_bytes: AtomicU64,
}

impl Watch {
    /// A watch over a batch that is about to run. The progress file is gone after a run that came to its end.
    pub fn new(configuration: &ProcessConfiguration, process: &Process, ledger: Arc<Ledger>, progress_file: Option<PathBuf>) -> Self {
        let datasource = &configuration.datasource;
        let seen = Seen {
            ledger,
            pool: process.pool.clone(),
            page_rows: Arc::clone(&process.page_rows),
            batch_size: datasource.concurrency.batch_size,
            shard_size: datasource.concurrency.shard_size.max(1) as u64,
            memory_limit: datasource.memory_limit_mb.saturating_mul(1 << 20),
            progress_file,
            logs_progress: configuration.log.output.eq_ignore_ascii_case("file"),
            writes_errors: configuration.write_errors,
            process_bytes: AtomicU64::new(0),
        };
        Self { seen: Arc::new(seen), task: Mutex::new(None), run: Mutex::new(None) }
    }

    /// Whether the table refused what was found out about a row.
    fn has_refused_rows(&self) -> bool {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.as_ref().is_some_and(|run| run.steps().iter().any(|step| step.failed_by_class.contains_key("refused")))
    }
}

impl Companion for Watch {
    fn facts(&self) -> Map<String, Value> {
        let pauses = self.seen.pool.as_ref().map(|pool| ("pauses".to_owned(), Value::from(pool.pauses())));
        let memory = ("process_mb".to_owned(), Value::from(self.seen.process_bytes.load(Ordering::Relaxed) >> 20));
        pauses.into_iter().chain([memory]).collect()
    }

    fn is_stuck(&self) -> bool {
        self.seen.ledger.too_small().is_some()
    }

    fn about_failures(&self) -> &'static str {
        if self.has_refused_rows() {
            "hint: the answers of the refused rows are in the journal, and the same command writes them once the table takes them; with `--fresh` rows that are still to be done are asked about anew"
        } else if self.seen.writes_errors {
            "hint: the outputs of rows whose calls failed hold `ERROR: …` now, and are not tried again: empty those cells, and leave `write_errors` out, to have them tried"
        } else {
            "hint: run the same command again, and the failed rows are tried again"
        }
    }
}

impl Observer for Watch {
    fn begins(&self, run: Arc<LiveRun>) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&run));
        let task = tokio::spawn(look_on(Arc::clone(&self.seen), run));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    fn ends(&self, _: &Report) {
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
        if is_due(0, 1)
            && let Some(path) = &seen.progress_file
        {
            let temporary = path.with_extension("tmp");
            let content = seen.progress(&run).to_string();
            if let Err(error) = std::fs::write(&temporary, content).and_then(|()| std::fs::rename(&temporary, path)) {
                tracing::warn!(path = %path.display(), %error, "the progress file cannot be written");
            }
        }
        if is_due(1, 5) {
            let reading = memory.read();
            seen.process_bytes.store(reading.process, Ordering::Relaxed);
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
                let told = seen.progress(&run);
                let told = |name: &str| told[name].as_u64().unwrap_or_default();
                tracing::info!(
                    total = told("total"),
                    processed = told("processed"),
                    active = told("active"),
                    errors = told("errors"),
                    rows_per_second = rows_per_second(&run),
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
    /// What AI-DataFlux's control panel reads.
    fn progress(&self, run: &LiveRun) -> Value {
        let (total, read) = run.source();
        let steps = run.steps();
        let errors: u64 = steps.iter().map(|step| step.failed).sum();
        let processed = steps.last().map_or(0, |step| step.rows_out).saturating_sub(errors);
        let total = total.unwrap_or(read);
        let shards = total.div_ceil(self.shard_size).max(1);
        let shard = ((processed + errors) / self.shard_size + 1).min(shards);
        json!({
            "total": total, "processed": processed, "active": self.ledger.in_flight(), "shard": format!("{shard}/{shards}"), "errors": errors,
            "ts": chrono::Utc::now().timestamp_millis() as f64 / 1000.0,
        })
    }
}
