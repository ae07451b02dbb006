//! What looks at a batch while it runs: its budget, and the progress file of AI-DataFlux.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dataflow_core::Stop;
use dataflow_core::engine::{LiveRun, Observer};
use dataflow_serving::pool::Pool;
use serde_json::json;

use super::Budget;

/// Stops a run gently once its budget is spent. What is in flight then is finished and paid for too.
pub fn hold_to_budget(budget: Budget, pool: Option<Arc<Pool>>, stop: Stop) {
    if budget == Budget::default() {
        return;
    }
    tokio::spawn(async move {
        let Some(pool) = pool else { return }; // a gateway holds its own
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let (mut tokens, mut money) = (0, 0.0);
            for deployment in pool.deployments().iter() {
                let (usage, cost) = deployment.usage();
                tokens += usage.input_tokens + usage.output_tokens;
                money += cost.unwrap_or(0.0);
            }
            if budget.tokens.is_some_and(|most| tokens >= most) || budget.money.is_some_and(|most| money >= most) {
                tracing::warn!(tokens, money, "the budget is spent; the run stops");
                stop.gently();
                return;
            }
        }
    });
}

/// Keeps `{total, processed, active, shard, errors, ts}` in a file while a run goes on; it is gone after a run that came to its end.
#[derive(Debug)]
pub struct ProgressFile {
    path: PathBuf,
    /// Another that looks on, such as the progress bars.
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl ProgressFile {
    /// A progress file at a path.
    pub fn new(path: PathBuf) -> Self {
        Self { path, task: Mutex::new(None) }
    }
}

impl Observer for ProgressFile {
    fn begins(&self, run: Arc<LiveRun>) {
        let path = self.path.clone();
        let write = async move {
            loop {
                let (total, read) = run.source();
                let steps = run.steps();
                let processed = steps.last().map_or(0, |step| step.rows_out);
                let errors: u64 = steps.iter().map(|step| step.failed).sum();
                let content = json!({
                    "total": total.unwrap_or(read), "processed": processed, "active": read.saturating_sub(processed), "shard": "1/1", "errors": errors,
                    "ts": chrono::Utc::now().timestamp_millis() as f64 / 1000.0,
                });
                let temporary = path.with_extension("tmp");
                if std::fs::write(&temporary, content.to_string()).and_then(|()| std::fs::rename(&temporary, &path)).is_err() {
                    tracing::warn!(path = %path.display(), "the progress file cannot be written");
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokio::spawn(write));
    }

    fn ends(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        let _ = std::fs::remove_file(&self.path); // it may not have come to be
    }
}
