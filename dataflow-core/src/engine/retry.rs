//! Runs the rows that failed in the run before, and puts them in their places among the rows that did not.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use super::batch::Batch;
use super::cache::{self, Beside, CacheReader, CacheWriter};
use super::dead_letter::{failed_roots, path_of};
use super::passage::Passage;
use super::report::{Report, RunOutcome};
use super::run::{Plan, Run};
use super::stage::joined;
use crate::error::{Error, Result};
use crate::pipeline::CompiledPipeline;
use crate::row::{compare_ids, root_of};
use crate::whole_file;

pub(super) async fn run(pipeline: &CompiledPipeline, run: &Run) -> Result<Report, (Box<Report>, Error)> {
    let fail = |error| (Box::new(pipeline.empty_report()), error);
    let errors = path_of(pipeline.storage.work_path(), &pipeline.name);
    let roots = failed_roots(&errors).map_err(fail)?;
    let fingerprints = cache::fingerprints(pipeline, run.limit).map_err(fail)?;
    // Only rows that failed in a whole run of this very pipeline can be put among the others of that run.
    let refused =
        |message: &str| Err(fail(Error::Configuration(format!("{message}\nhint: run without `--retry-failed`; the journal answers what was paid for"))));
    match Beside::of(pipeline, pipeline.steps.len()).manifest() {
        None => return refused("the run before did not come to its end, so its rows are not there yet"),
        Some(manifest) if Some(&manifest.fingerprint) != fingerprints.last() => {
            return refused("the pipeline, its input or `--limit` is not that of the run before, so its failed rows cannot be put among the others");
        }
        Some(_) => {}
    }
    if roots.is_empty() {
        let mut report = pipeline.empty_report();
        report.outcome = RunOutcome::Complete;
        report.output = pipeline.output_path();
        return Ok(report);
    }
    if let Some(step) = pipeline.dataset_step() {
        return Err(fail(Error::Configuration(format!(
            "step {} `{}` compares rows with one another, so failed rows cannot be run alone\nhint: run without `--retry-failed`; the journal answers what was paid for",
            step.number, step.name
        ))));
    }
    let old = cache::open_written(pipeline, run.batch_rows).map_err(fail)?;
    let Some(old) = old else {
        return Err(fail(Error::Configuration(
            "the run before left no output to put the rows into\nhint: run without `--retry-failed`; the journal answers what was paid for".into(),
        )));
    };
    let letters = std::fs::read(&errors).map_err(|error| fail(Error::storage(format!("cannot read {}", errors.display()), error)))?;
    let roots = Arc::new(roots);
    let plan = Plan { after: 0, fingerprints: fingerprints.clone(), roots: Some(roots.clone()), gathers: true };
    let (mut report, rows, error) = Passage { pipeline, run, plan }.pass().await;
    if error.is_some() || report.outcome != RunOutcome::Complete {
        // Nothing was put in place, so the failed rows are still those of the run before.
        whole_file::write(&errors, &letters).map_err(|error| (Box::new(report.clone()), error))?;
        report.errors = Some(errors);
        return match error {
            Some(error) => Err((Box::new(report), error)),
            None => Ok(report),
        };
    }
    let merged = merge(pipeline, old, rows, roots, fingerprints, report.failed).await;
    match merged {
        Ok(written) => {
            report.rows_written = written;
            report.output = pipeline.output_path();
            Ok(report)
        }
        Err(error) => Err((Box::new(report), error)),
    }
}

/// Writes the rows of the run before without those that failed, with the new rows where those stood.
async fn merge(
    pipeline: &CompiledPipeline,
    mut old: CacheReader,
    rows: Vec<Batch>,
    roots: Arc<HashSet<String>>,
    fingerprints: Vec<String>,
    failed: u64,
) -> Result<u64> {
    let last = pipeline.steps.len();
    let schema = pipeline.schema();
    let sinks = pipeline.storage.output(schema)?.into_iter().chain(pipeline.storage.step_sink(last, schema)?).collect();
    let mut writer = CacheWriter::begin(sinks, Beside::of(pipeline, last))?;
    joined(
        tokio::task::spawn_blocking(move || {
            let mut new = NewRows { batches: rows.into(), taken: 0 };
            while let Some(batch) = old.next()? {
                let batch = batch.filter_ids(|id| !roots.contains(root_of(id)))?;
                let mut from = 0;
                for index in 0..batch.height() {
                    if new.comes_before(batch.id(index)) {
                        writer.rewrite(&batch.slice(from, index - from))?;
                        from = index;
                        new.write_before(Some(batch.id(index)), &mut writer)?;
                    }
                }
                writer.rewrite(&batch.slice(from, batch.height() - from))?;
            }
            new.write_before(None, &mut writer)?;
            writer.commit(fingerprints[last].clone(), failed, None) // a result was one over other rows
        })
        .await,
    )
}

/// The new rows in order, some of them written already.
struct NewRows {
    batches: std::collections::VecDeque<Batch>,
    taken: usize,
}

impl NewRows {
    fn comes_before(&self, id: &str) -> bool {
        self.batches.front().is_some_and(|batch| compare_ids(batch.id(self.taken), id) == Ordering::Less)
    }

    fn write_before(&mut self, id: Option<&str>, writer: &mut CacheWriter) -> Result<()> {
        while let Some(batch) = self.batches.front() {
            let end =
                (self.taken..batch.height()).find(|index| id.is_some_and(|id| compare_ids(batch.id(*index), id) != Ordering::Less)).unwrap_or(batch.height());
            writer.rewrite(&batch.slice(self.taken, end - self.taken))?;
            self.taken = end;
            if end < batch.height() {
                break;
            }
            self.batches.pop_front();
            self.taken = 0;
        }
        Ok(())
    }
}
