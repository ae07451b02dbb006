//! Reads the rows of a run, from the source or from a step cache, and gives each its identity.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::batch::Batch;
use super::cache::CacheReader;
use super::dead_letter::DeadLetter;
use super::report::add;
use super::stage::Shared;
use crate::error::Result;
use crate::storage::FrameReader;

/// Where the rows of a run come from.
pub(super) enum Reading {
    /// The cache of the step that the run resumes after.
    Cache(CacheReader),
    /// The source, or the rows of it that came of `roots`.
    Source { frames: Box<dyn FrameReader>, read: u64, limit: u64, roots: Option<Arc<HashSet<String>>> },
}

impl Reading {
    fn next(&mut self, shared: &Shared, malformed: &AtomicU64) -> Result<Option<Batch>> {
        match self {
            Self::Cache(reader) => reader.next(),
            Self::Source { read, limit, .. } if *read >= *limit => Ok(None),
            Self::Source { frames, read, limit, roots } => {
                let frame = frames.next_frame()?;
                for rejected in frames.take_rejected() {
                    add(malformed, 1);
                    shared.letters.push(&DeadLetter {
                        row: format!("line {}", rejected.line),
                        key: rejected.key,
                        step: 0,
                        name: "source".into(),
                        operator: String::new(),
                        class: "malformed".into(),
                        message: format!("{}: {}", rejected.message, rejected.text),
                    })?;
                }
                let Some(frame) = frame else { return Ok(None) };
                let frame = if frame.height() as u64 > *limit - *read { frame.head(Some((*limit - *read) as usize)) } else { frame };
                let batch = Batch::numbered(frame, *read + 1);
                *read += batch.height() as u64;
                match roots {
                    Some(roots) => batch.filter_ids(|id| roots.contains(id)).map(Some),
                    None => Ok(Some(batch)),
                }
            }
        }
    }
}

/// Hands over every batch until `take` takes no more or the run is asked to stop; tells whether all were handed over.
pub(super) fn each_batch(mut reading: Reading, shared: &Shared, malformed: &AtomicU64, mut take: impl FnMut(Batch) -> Result<bool>) -> Result<bool> {
    loop {
        if shared.stop.is_asked() {
            shared.cut.store(true, Ordering::SeqCst);
            return Ok(false);
        }
        let Some(batch) = reading.next(shared, malformed)? else { break };
        if batch.height() == 0 {
            continue;
        }
        add(&shared.live.read, batch.height() as u64);
        if !take(batch)? {
            return Ok(false);
        }
    }
    shared.live.read_all.store(true, Ordering::Relaxed);
    Ok(true)
}
