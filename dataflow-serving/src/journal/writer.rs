//! The one thread that appends: whatever has gathered while it wrote goes into the file with the next write.

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
    syncs: Vec<Done>,
    /// The writer waits for something to do.
    idle: bool,
    closing: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    /// Something was written that the disk does not have yet; the writer is done.
    dirty: Mutex<(bool, bool)>,
    soil: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dirty(&self) -> MutexGuard<'_, (bool, bool)> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends to this process's segment. Dropped, it writes what has gathered and brings it to the disk.
pub(super) struct Writer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
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
        let work = Work { file: Arc::clone(&file), segment, length, index, shared: Arc::clone(&shared), last_time: 0, fault: None };
        let writes = std::thread::Builder::new().name("journal-write".into()).spawn(move || work.run())?;
        // A disk takes its time to take what it is given: the writer does not wait for it.
        let syncer = Arc::clone(&shared);
        let syncs = std::thread::Builder::new().name("journal-sync".into()).spawn(move || sync_now_and_then(&syncer, &file))?;
        Ok(Self { shared, threads: vec![writes, syncs] })
    }

    /// Appends a record; returns when the file has it.
    pub async fn append(&self, kind: Kind, key: QuestionKey, payload: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<()> {
        let bytes = record::encode(kind, key, payload).map_err(failed("writing a reply".into()))?;
        let (done, wait) = oneshot::channel();
        {
            let mut queue = self.shared.queue();
            queue.bytes.extend_from_slice(&bytes);
            queue.waiting.push(Waiting { kind, key, length: bytes.len(), done });
            self.wake(queue);
        }
        answer(wait, "writing a reply").await
    }

    /// Returns when the disk has all that was appended.
    pub async fn sync(&self) -> Result<()> {
        let (done, wait) = oneshot::channel();
        {
            let mut queue = self.shared.queue();
            queue.syncs.push(done);
            self.wake(queue);
        }
        answer(wait, "bringing replies to the disk").await
    }

    fn wake(&self, mut queue: MutexGuard<'_, Queue>) {
        if std::mem::take(&mut queue.idle) {
            drop(queue);
            self.shared.work.notify_one();
        }
    }
}

async fn answer(wait: oneshot::Receiver<Result<(), Fault>>, doing: &str) -> Result<()> {
    let outcome = wait.await.unwrap_or_else(|_| Err(Fault(io::ErrorKind::Other, "the journal's writer has ended".into())));
    outcome.map_err(|fault| failed(doing.to_owned())(fault.into()))
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.closing = true;
        drop(queue);
        self.shared.work.notify_one();
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

struct Work {
    file: Arc<File>,
    segment: usize,
    length: u64,
    index: Arc<RwLock<Index>>,
    shared: Arc<Shared>,
    last_time: u64,
    /// After a write that failed nothing more is taken: who pays for a reply must know that it is kept.
    fault: Option<Fault>,
}

impl Work {
    fn run(mut self) {
        let (mut bytes, mut waiting) = (Vec::new(), Vec::new());
        loop {
            let (syncs, closing) = {
                let mut queue = self.shared.queue();
                while queue.waiting.is_empty() && queue.syncs.is_empty() && !queue.closing {
                    queue.idle = true;
                    queue = self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                queue.idle = false;
                std::mem::swap(&mut bytes, &mut queue.bytes);
                std::mem::swap(&mut waiting, &mut queue.waiting);
                (std::mem::take(&mut queue.syncs), queue.closing)
            };
            if !waiting.is_empty() {
                self.write(&mut bytes, &mut waiting);
            }
            if !syncs.is_empty() {
                let outcome = match &self.fault {
                    Some(fault) => Err(fault.clone()),
                    None => self.file.sync_data().map_err(Fault::from),
                };
                for done in syncs {
                    done.send(outcome.clone()).ok(); // who asked may have gone
                }
            }
            if closing {
                let mut dirty = self.shared.dirty();
                dirty.1 = true;
                drop(dirty);
                self.shared.soil.notify_one();
                return;
            }
            // One long reply must not hold its room for ever.
            if bytes.capacity() > 16 << 20 {
                bytes = Vec::new();
            }
        }
    }

    fn write(&mut self, bytes: &mut Vec<u8>, waiting: &mut Vec<Waiting>) {
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
        if let Some(fault) = &self.fault {
            waiting.drain(..).for_each(|record| drop(record.done.send(Err(fault.clone()))));
            bytes.clear();
            return;
        }
        {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            let mut offset = self.length;
            for (number, record) in waiting.iter().enumerate() {
                index.take_own(record.kind, record.key, time + number as u64, Place::new(self.segment, offset));
                offset += record.length as u64;
            }
        }
        self.length += bytes.len() as u64;
        bytes.clear();
        waiting.drain(..).for_each(|record| drop(record.done.send(Ok(()))));
        let mut dirty = self.shared.dirty();
        if !std::mem::replace(&mut dirty.0, true) {
            drop(dirty);
            self.shared.soil.notify_one();
        }
    }
}

/// Brings what was written to the disk, at most every [`SYNC_EVERY`], until the writer is done.
fn sync_now_and_then(shared: &Shared, file: &File) {
    loop {
        let mut dirty = shared.dirty();
        while !dirty.0 && !dirty.1 {
            dirty = shared.soil.wait(dirty).unwrap_or_else(PoisonError::into_inner);
        }
        let done = dirty.1;
        if !done {
            // More gathers meanwhile; the end of the writer cuts it short.
            dirty = shared.soil.wait_timeout_while(dirty, SYNC_EVERY, |dirty| !dirty.1).map_or_else(|error| error.into_inner().0, |(dirty, _)| dirty);
        }
        let soiled = std::mem::take(&mut dirty.0);
        let done = dirty.1;
        drop(dirty);
        if soiled && let Err(error) = file.sync_data() {
            tracing::warn!(%error, "the journal could not be brought to the disk; a loss of power could lose its end");
        }
        if done {
            return;
        }
    }
}
