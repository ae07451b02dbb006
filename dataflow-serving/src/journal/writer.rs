//! Appends records: whoever finds nobody writing writes what has gathered, and the others wait for it.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use dataflow_core::Result;
use dataflow_core::journal::QuestionKey;
use tokio::sync::oneshot;

use super::failed;
use super::index::{Index, OwnSegment, Place, now};
use super::record::{self, Kind};

/// The longest time that a written record is not on the disk.
const SYNC_EVERY: Duration = Duration::from_millis(100);

type Done = oneshot::Sender<Result<(), Fault>>;

/// An error of writing, which is told to each that waits.
#[derive(Clone, Debug)]
struct Fault(io::ErrorKind, String);

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self(error.kind(), error.to_string())
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(fault.0, fault.1)
    }
}

struct Waiting {
    kind: Kind,
    key: QuestionKey,
    length: usize,
    done: Done,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
    /// Somebody writes, and takes what gathers meanwhile too.
    writing: bool,
}

/// What the disk does not have yet.
#[derive(Default)]
struct Dirt {
    soiled: bool,
    syncs: Vec<Done>,
    closing: bool,
}

#[derive(Default)]
struct Shared {
    dirt: Mutex<Dirt>,
    soil: Condvar,
}

impl Shared {
    fn dirt(&self) -> MutexGuard<'_, Dirt> {
        self.dirt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends to this process's segment. Dropped, it brings what was written to the disk.
///
/// A record goes into the system's page cache by the task that brings it, which costs less than to wake a thread for it; only the
/// disk is waited for on a thread of its own.
pub(super) struct Writer {
    queue: Mutex<Queue>,
    segment: Mutex<Segment>,
    shared: Arc<Shared>,
    syncs: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Writer")
    }
}

impl Writer {
    pub fn start(own: OwnSegment, segment: usize, length: u64, index: Arc<RwLock<Index>>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let file = Arc::new(own.file);
        let segment = Segment { file: Arc::clone(&file), number: segment, length, index, last_time: 0, fault: None };
        let syncer = Arc::clone(&shared);
        let syncs = std::thread::Builder::new().name("journal-sync".into()).spawn(move || sync_now_and_then(&syncer, &file))?;
        Ok(Self { queue: Mutex::default(), segment: Mutex::new(segment), shared, syncs: Some(syncs) })
    }

    /// Appends a record; returns when the file has it.
    pub async fn append(&self, kind: Kind, key: QuestionKey, payload: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<()> {
        let bytes = record::encode(kind, key, payload).map_err(failed("writing a reply".into()))?;
        let (done, wait) = oneshot::channel();
        let nobody_writes = {
            let mut queue = self.queue();
            queue.bytes.extend_from_slice(&bytes);
            queue.waiting.push(Waiting { kind, key, length: bytes.len(), done });
            !std::mem::replace(&mut queue.writing, true)
        };
        if nobody_writes {
            let turn = Turn(self);
            tokio::task::yield_now().await; // replies that came in the same moment go with it
            drop(turn);
        }
        answer(wait, "writing a reply").await
    }

    /// Returns when the disk has all that was appended.
    pub async fn sync(&self) -> Result<()> {
        let fault = self.segment.lock().unwrap_or_else(PoisonError::into_inner).fault.clone();
        if let Some(fault) = fault {
            return Err(failed("bringing replies to the disk".into())(fault.into()));
        }
        let (done, wait) = oneshot::channel();
        self.shared.dirt().syncs.push(done);
        self.shared.soil.notify_one();
        answer(wait, "bringing replies to the disk").await
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_what_has_gathered(&self) {
        let mut segment = self.segment.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (mut bytes, waiting) = {
                let mut queue = self.queue();
                if queue.waiting.is_empty() {
                    queue.writing = false;
                    break;
                }
                (std::mem::take(&mut queue.bytes), std::mem::take(&mut queue.waiting))
            };
            segment.write(&mut bytes, waiting);
        }
        drop(segment);
        let mut dirt = self.shared.dirt();
        if !std::mem::replace(&mut dirt.soiled, true) {
            drop(dirt);
            self.shared.soil.notify_one();
        }
    }
}

/// The duty to write what has gathered, also where the task that has it is given up.
struct Turn<'a>(&'a Writer);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.write_what_has_gathered();
    }
}

async fn answer(wait: oneshot::Receiver<Result<(), Fault>>, doing: &str) -> Result<()> {
    let outcome = wait.await.unwrap_or_else(|_| Err(Fault(io::ErrorKind::Other, "the journal's writer has ended".into())));
    outcome.map_err(|fault| failed(doing.to_owned())(fault.into()))
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.dirt().closing = true;
        self.shared.soil.notify_one();
        if let Some(syncs) = self.syncs.take() {
            syncs.join().ok(); // it ends by itself
        }
    }
}

/// The file that this process appends to.
struct Segment {
    file: Arc<File>,
    number: usize,
    length: u64,
    index: Arc<RwLock<Index>>,
    last_time: u64,
    /// After a write that failed nothing more is taken: who pays for a reply must know that it is kept.
    fault: Option<Fault>,
}

impl Segment {
    fn write(&mut self, bytes: &mut [u8], waiting: Vec<Waiting>) {
        let time = now().max(self.last_time + 1); // later than all before, also where the clock was set back
        let mut at = 0;
        for (number, record) in waiting.iter().enumerate() {
            record::seal(&mut bytes[at..at + record.length], time + number as u64);
            at += record.length;
        }
        self.last_time = time + waiting.len() as u64;
        if self.fault.is_none()
            && let Err(error) = (&*self.file).write_all(bytes)
        {
            tracing::error!(%error, "the journal cannot be written; nothing further is kept");
            self.file.set_len(self.length).ok(); // a torn end is passed over in any case
            self.fault = Some(error.into());
        }
        let outcome = self.fault.clone().map_or(Ok(()), Err);
        if outcome.is_ok() {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            let mut offset = self.length;
            for (number, record) in waiting.iter().enumerate() {
                index.take_own(record.kind, record.key, time + number as u64, Place::new(self.number, offset));
                offset += record.length as u64;
            }
            self.length = offset;
        }
        for record in waiting {
            record.done.send(outcome.clone()).ok(); // who asked may have gone
        }
    }
}

/// Brings what was written to the disk, at most every [`SYNC_EVERY`] and at once where it is asked for, until the writer is done.
fn sync_now_and_then(shared: &Shared, file: &File) {
    loop {
        let wanted = |dirt: &Dirt| dirt.closing || !dirt.syncs.is_empty();
        let mut dirt = shared.dirt();
        while !dirt.soiled && !wanted(&dirt) {
            dirt = shared.soil.wait(dirt).unwrap_or_else(PoisonError::into_inner);
        }
        // More gathers meanwhile.
        let mut dirt = shared.soil.wait_timeout_while(dirt, SYNC_EVERY, |dirt| !wanted(dirt)).unwrap_or_else(PoisonError::into_inner).0;
        let Dirt { soiled, syncs, closing } = std::mem::take(&mut *dirt);
        dirt.closing = closing;
        drop(dirt);
        let outcome = if soiled || !syncs.is_empty() { file.sync_data().map_err(Fault::from) } else { Ok(()) };
        if let Err(Fault(_, error)) = &outcome {
            tracing::warn!(%error, "the journal could not be brought to the disk; a loss of power could lose its end");
        }
        for done in syncs {
            done.send(outcome.clone()).ok(); // who asked may have gone
        }
        if closing {
            return;
        }
    }
}
