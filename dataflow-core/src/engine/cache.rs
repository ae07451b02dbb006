//! Step caches: a file a step, whole or not there, with the fingerprint of everything that shaped it and the identity of each row.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use polars::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::batch::Batch;
use super::report::CachedResult;
use crate::error::{Error, Result};
use crate::operator::PathUse;
use crate::pipeline::{CompiledPipeline, CompiledStep};
use crate::storage::{Arrival, FrameReader, Refused, Sink, Storage};
use crate::whole_file::{self, WholeFile};

/// What is written beside a cache once it is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Of the source, and of every step up to this one.
    pub fingerprint: String,
    /// Rows in the cache.
    pub rows: u64,
    /// Rows that failed on the way here; a cache with any is not resumed from.
    pub failed: u64,
    /// The step's result for the whole set, where it gives one: a run that resumes behind the step tells it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Length and time of the last change of the cache file, which tell whether somebody has changed it since; `None` where there is no file.
    pub file: Option<(u64, u128)>,
}

fn file_state(path: &Path) -> Option<(u64, u128)> {
    let metadata = path.metadata().ok()?;
    let changed = metadata.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((metadata.len(), changed.as_nanos()))
}

/// The fingerprint after each step; the first is the source's.
pub(crate) fn fingerprints(pipeline: &CompiledPipeline, limit: Option<u64>) -> Result<Vec<String>> {
    let mut fingerprint =
        hash(&["dataflow step cache 1", &pipeline.source.fingerprint()?, &format!("{limit:?} {}", pipeline.seed), &format!("{:?}", pipeline.source_schema)]);
    let mut all = vec![fingerprint.clone()];
    for step in &pipeline.steps {
        let prompts: Vec<String> = step.operator.prompts().iter().map(|usage| usage.template.source().into_owned()).collect();
        let paths = step.info().paths(&step.operator.parameters());
        let read = paths.iter().filter(|(_, path_use, _)| *path_use == PathUse::Reads).map(|(_, _, path)| file_state(path));
        let serving = step.serving.map(|serving| pipeline.servings[serving].1.identity().to_string()).unwrap_or_default();
        let kept = step.operator.kept()?.map(|kept| kept.others);
        let parts = [
            &fingerprint,
            env!("CARGO_PKG_VERSION"),
            step.info().module,
            step.info().name,
            &step.operator.parameters().to_string(),
            &prompts.join("\n"),
            &serving,
            &format!("{:?} {:?}", step.on_error, step.error_key),
            &format!("{:?}", read.collect::<Vec<_>>()),
        ];
        let program = runs_code_of_ones_own(step).then(program);
        fingerprint = hash(&parts.into_iter().chain(kept.as_deref()).chain(program).collect::<Vec<_>>());
        all.push(fingerprint.clone());
    }
    Ok(all)
}

/// Whether a step does what the program's own code says, which may change with each build; DataFlow's operators change with its version.
pub(super) fn runs_code_of_ones_own(step: &CompiledStep) -> bool {
    let info = step.info();
    let parameters = step.operator.parameters();
    let functions = info.fields.iter().filter(|field| field.name.ends_with("_functions"));
    !info.module.starts_with("dataflow_operators::") || functions.filter_map(|field| parameters[field.name].as_array()).any(|names| !names.is_empty())
}

/// The state of the program's file.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| format!("{:?}", std::env::current_exe().ok().and_then(|path| file_state(&path))))
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The files beside a step's rows: manifest and identities. They lie in the work folder, also where no caches are kept, so
/// that the output's rows can be told apart.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    cache: Option<PathBuf>,
    manifest: PathBuf,
    ids: PathBuf,
}

impl Beside {
    pub fn of(pipeline: &CompiledPipeline, step: usize) -> Self {
        Self::at(&*pipeline.storage, &pipeline.name, step)
    }

    pub fn at(storage: &dyn Storage, pipeline: &str, step: usize) -> Self {
        let cache = storage.step_path(step);
        let name = |ending: &str| match &cache {
            Some(path) => path.with_file_name(format!("{}.{ending}", path.file_name().unwrap_or_default().to_string_lossy())),
            None => storage.work_path().join(format!("{pipeline}_step{step}.{ending}")),
        };
        Self { manifest: name("manifest.json"), ids: name("rows"), cache }
    }

    /// The rows' file, where there is one, and those beside it.
    pub fn paths(self) -> impl Iterator<Item = PathBuf> {
        self.cache.into_iter().chain([self.manifest, self.ids])
    }

    pub fn manifest(&self) -> Option<Manifest> {
        serde_json::from_slice(&std::fs::read(&self.manifest).ok()?).ok()
    }

    /// Removes the manifest, after which the cache counts as not there.
    pub fn forget(&self) -> Result<()> {
        match std::fs::remove_file(&self.manifest) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::storage(format!("cannot remove {}", self.manifest.display()), error)),
            _ => Ok(()),
        }
    }

    pub fn ids(&self) -> Result<IdReader> {
        let file = File::open(&self.ids).map_err(|error| Error::storage(format!("cannot read {}", self.ids.display()), error))?;
        Ok(IdReader(BufReader::new(file), self.ids.clone()))
    }
}

/// Reads the identities of a cache's rows, in order.
pub(crate) struct IdReader(BufReader<File>, PathBuf);

impl IdReader {
    pub fn next(&mut self, count: usize) -> Result<StringChunked> {
        let mut ids = StringChunkedBuilder::new(PlSmallStr::EMPTY, count);
        let mut line = String::new();
        for _ in 0..count {
            line.clear();
            let read = self.0.read_line(&mut line).map_err(|error| Error::storage(format!("cannot read {}", self.1.display()), error))?;
            if read == 0 {
                return Err(Error::Malformed {
                    place: self.1.display().to_string(),
                    message: "it holds fewer rows than the file that it belongs to\nhint: run with `--fresh`, or without `--retry-failed`".into(),
                });
            }
            ids.append_value(line.trim_end());
        }
        Ok(ids.finish())
    }
}

/// Reads a cache with the identities of its rows.
pub(crate) struct CacheReader {
    pub frames: Box<dyn FrameReader>,
    pub ids: IdReader,
}

impl CacheReader {
    pub fn next(&mut self) -> Result<Option<Batch>> {
        let Some(frame) = self.frames.next_frame()? else { return Ok(None) };
        let ids = self.ids.next(frame.height())?;
        Ok(Some(Batch::new(frame, ids)))
    }
}

/// Writes one step's rows, their identities, and at the end the manifest; or gathers the rows.
pub(crate) enum CacheWriter {
    Files { sinks: Vec<Box<dyn Sink>>, beside: Beside, ids: WholeFile, rows: u64, refused: u64 },
    Gather(Vec<Batch>),
}

impl CacheWriter {
    /// `sinks` are the cache and, for the last step, the output.
    pub fn begin(sinks: Vec<Box<dyn Sink>>, beside: Beside) -> Result<Self> {
        beside.forget()?;
        let ids = WholeFile::create(&beside.ids)?;
        Ok(Self::Files { sinks, beside, ids, rows: 0, refused: 0 })
    }

    /// Keeps the rows in memory.
    pub fn gather() -> Self {
        Self::Gather(Vec::new())
    }

    /// Writes rows; gives those that a sink refused.
    pub fn write(&mut self, batch: &Batch) -> Result<Vec<Refused>> {
        let mut refused = Vec::new();
        if batch.height() == 0 {
            return Ok(refused);
        }
        match self {
            Self::Gather(batches) => batches.push(batch.clone()),
            Self::Files { sinks, ids, rows, refused: refused_rows, .. } => {
                for sink in sinks {
                    sink.write(&batch.frame)?;
                    refused.extend(sink.take_refused());
                }
                for id in batch.ids.iter() {
                    let id = id.unwrap_or_default();
                    ids.append(id.as_bytes())?;
                    ids.append(b"\n")?;
                }
                *rows += batch.height() as u64;
                *refused_rows += refused.len() as u64;
            }
        }
        Ok(refused)
    }

    /// Writes rows of a run before, which its target has taken once.
    pub fn rewrite(&mut self, batch: &Batch) -> Result<()> {
        match self.write(batch)?.into_iter().next() {
            None => Ok(()),
            Some(refused) => Err(Error::Data(format!("row {} was refused: {}", batch.id(refused.row), refused.message))),
        }
    }

    /// How all its sinks together want rows to come.
    pub fn arrival(&self) -> Arrival {
        match self {
            Self::Files { sinks, .. } if sinks.iter().all(|sink| sink.arrival() != Arrival::InOrder) => {
                sinks.first().map_or(Arrival::InOrder, |sink| sink.arrival())
            }
            _ => Arrival::InOrder,
        }
    }

    /// Rows that were written: what the first sink says, or all that it did not refuse.
    fn written(&self) -> u64 {
        match self {
            Self::Files { sinks, rows, refused, .. } => sinks.first().and_then(|sink| sink.rows_written()).unwrap_or(rows.saturating_sub(*refused)),
            Self::Gather(_) => 0,
        }
    }

    /// Makes all visible, the manifest last; gives the number of rows that were written. `result` is the step's for the whole set.
    pub fn commit(self, fingerprint: String, failed: u64, result: Option<Value>) -> Result<u64> {
        let written = self.written();
        let Self::Files { sinks, beside, ids, rows, .. } = self else { return Ok(0) };
        for sink in sinks {
            sink.commit()?;
        }
        ids.commit()?;
        whole_file::write(
            &beside.manifest,
            &serde_json::to_vec(&Manifest { fingerprint, rows, failed, result, file: beside.cache.as_deref().and_then(file_state) }).unwrap_or_default(),
        )?;
        Ok(written)
    }

    /// Makes the rows of a stopped run visible under a name that says so: of the output, or where there is none of the cache.
    pub fn commit_partial(self) -> Result<(Option<PathBuf>, u64)> {
        let written = self.written();
        match self {
            Self::Files { sinks, rows, .. } if rows > 0 => match sinks.into_iter().next().and_then(|mut sink| Some((sink.aside()?, sink))) {
                Some((path, sink)) => sink.commit().map(|()| (Some(path), written)),
                None => Ok((None, 0)),
            },
            _ => Ok((None, 0)),
        }
    }

    /// The rows that were gathered; `None` where they were written.
    pub fn gathered(&mut self) -> Option<Vec<Batch>> {
        match self {
            Self::Gather(batches) => Some(std::mem::take(batches)),
            Self::Files { .. } => None,
        }
    }
}

/// The last step whose cache holds: the same source and steps, no failed row, and all its files there.
pub(crate) fn last_that_holds(pipeline: &CompiledPipeline, fingerprints: &[String], limit: Option<u64>) -> Option<usize> {
    // What a file says that a row names is in no fingerprint.
    let last = pipeline.steps.iter().position(|step| step.info().reads_files_of_rows()).unwrap_or(pipeline.steps.len());
    (1..=last).rev().find(|step| holds(pipeline, *step, &fingerprints[*step], limit))
}

pub(crate) fn holds(pipeline: &CompiledPipeline, step: usize, fingerprint: &str, limit: Option<u64>) -> bool {
    // What steps write beside the rows is made again with them; a run over the first rows alone leaves what is kept for later runs.
    let is_kept = |step: &CompiledStep| limit.is_some() || step.operator.kept().is_ok_and(|kept| kept.is_none_or(|kept| kept.file.exists()));
    let written = |step: &Arc<CompiledStep>| {
        is_kept(step) && step.info().paths(&step.operator.parameters()).iter().all(|(_, path_use, path)| *path_use == PathUse::Reads || path.exists())
    };
    if !pipeline.steps[..step].iter().all(written) {
        return false;
    }
    let beside = Beside::of(pipeline, step);
    let file = beside.cache.as_deref().and_then(file_state);
    let holds = |manifest: Manifest| manifest.fingerprint == fingerprint && manifest.failed == 0 && manifest.file == file;
    file.is_some() && beside.ids.exists() && beside.manifest().is_some_and(holds)
}

/// The results of the steps up to one, as the runs gave them that made their caches.
pub(crate) fn results(pipeline: &CompiledPipeline, after: usize, fingerprints: &[String]) -> Vec<CachedResult> {
    let of_step = |step: &Arc<CompiledStep>| {
        let manifest = Beside::of(pipeline, step.number).manifest()?;
        let result = manifest.result.filter(|_| manifest.fingerprint == fingerprints[step.number])?;
        Some(CachedResult { step: step.number, name: step.name.clone(), operator: step.info().name.to_owned(), result })
    };
    pipeline.steps[..after].iter().filter_map(of_step).collect()
}

/// Opens a step's cache; the caller knows that it holds.
pub(crate) fn open(pipeline: &CompiledPipeline, step: usize, batch_rows: usize) -> Result<CacheReader> {
    let schema = &pipeline.steps[step - 1].schema;
    let source = pipeline.storage.step_source(step, schema)?.ok_or_else(|| Error::Configuration(format!("the cache of step {step} is gone")))?;
    Ok(CacheReader { frames: source.open(batch_rows)?, ids: Beside::of(pipeline, step).ids()? })
}

/// Where the rows of the last step are read from after a run: the output, or the last cache.
pub(crate) fn open_written(pipeline: &CompiledPipeline, batch_rows: usize) -> Result<Option<CacheReader>> {
    let last = pipeline.steps.len();
    let source: Option<Arc<dyn crate::storage::Source>> = match pipeline.storage.written_output(pipeline.schema())? {
        Some(source) => Some(source),
        None => pipeline.storage.step_source(last, pipeline.schema())?,
    };
    let Some(source) = source else { return Ok(None) };
    Ok(Some(CacheReader { frames: source.open(batch_rows)?, ids: Beside::of(pipeline, last).ids()? }))
}
