//! Where each reply stands: all segments of a folder, read once, and the place of the newest record of each key.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dataflow_core::journal::QuestionKey;

use super::record::{self, Kind, Record};

pub(super) const EXTENSION: &str = "segment";
pub(super) const LOCK: &str = "lock";
/// A segment that has grown beyond it is not appended to by the next process.
const FULL: u64 = 1 << 30;

/// A segment and the place of a record in it, in eight bytes: an entry of the index takes 24, and a byte of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    const OFFSET_BITS: u32 = 44; // 16 TiB a segment, a million segments

    pub fn new(segment: usize, offset: u64) -> Self {
        Self((segment as u64) << Self::OFFSET_BITS | offset)
    }

    pub fn segment(self) -> usize {
        (self.0 >> Self::OFFSET_BITS) as usize
    }

    pub fn offset(self) -> u64 {
        self.0 & ((1 << Self::OFFSET_BITS) - 1)
    }
}

/// Takes the first eight bytes of a key, which is a hash already.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }
}

type ByKey<T> = HashMap<QuestionKey, T, BuildHasherDefault<KeyHasher>>;

#[derive(Debug)]
pub(super) struct Segment {
    pub name: String,
    pub file: Arc<File>,
    /// How far it was read.
    pub end: u64,
    /// The length at which it was read last; a longer file may hold more.
    seen: u64,
    own: bool,
}

/// A segment that this process appends to.
#[derive(Debug)]
pub(super) struct OwnSegment {
    pub name: String,
    pub file: File,
}

/// All segments, and the place of each reply.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: ByKey<Place>,
    /// When a key was forgotten last, so that an older reply in a segment that is read later stays forgotten.
    forgotten: ByKey<u64>,
    segments: Vec<Segment>,
    superseded: BTreeSet<String>,
}

impl Index {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn forgotten(&self) -> usize {
        self.forgotten.len()
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub fn entries(&self) -> impl Iterator<Item = Place> {
        self.entries.values().copied()
    }

    pub fn find(&self, key: QuestionKey) -> Option<(Arc<File>, Place)> {
        let place = *self.entries.get(&key)?;
        Some((Arc::clone(&self.segments[place.segment()].file), place))
    }

    /// Takes an entry out whose record turned out to be damaged, unless it was replaced meanwhile.
    pub fn drop_damaged(&mut self, key: QuestionKey, place: Place) {
        if self.entries.get(&key) == Some(&place) {
            self.entries.remove(&key);
        }
    }

    /// Whether a segment is longer than it was read, or unknown.
    pub fn is_behind(&self, folder: &Path) -> io::Result<bool> {
        for name in segment_names(folder)? {
            match self.segments.iter().find(|segment| segment.name == name) {
                _ if self.superseded.contains(&name) => {}
                Some(segment) if segment.own || segment.file.metadata()?.len() <= segment.seen => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Reads what was not read as yet of all segments but this process's own, which is the one of the name given at the first reading.
    pub fn read_folder(&mut self, folder: &Path, own: Option<&str>) -> io::Result<()> {
        let names = segment_names(folder)?;
        for name in &names {
            if self.segments.iter().all(|segment| &segment.name != name) && !self.superseded.contains(name) {
                let file = match File::open(folder.join(name)) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                self.superseded.extend(supersedes(&file)?);
                self.segments.push(Segment { name: name.clone(), file: Arc::new(file), end: 0, seen: 0, own: false });
            }
        }
        let first = self.entries.is_empty();
        for number in 0..self.segments.len() {
            let segment = &self.segments[number];
            if segment.own || self.superseded.contains(&segment.name) {
                continue;
            }
            let (file, name, end) = (Arc::clone(&segment.file), segment.name.clone(), segment.end);
            let seen = file.metadata()?.len();
            if seen <= segment.seen {
                continue;
            }
            let scanned = record::scan(&file, end, |offset, record| self.take(number, offset, record))?;
            if scanned.damaged > 0 {
                tracing::warn!(segment = name, bytes = scanned.damaged, "damaged records in the journal were passed over");
            }
            // What another process is writing at this moment is not damage.
            if scanned.end < seen && (own == Some(name.as_str()) || first && file.try_lock_shared().is_ok_and(|()| file.unlock().is_ok())) {
                tracing::warn!(segment = name, bytes = seen - scanned.end, "the last record of the journal was cut off and is passed over");
            }
            let segment = &mut self.segments[number];
            (segment.end, segment.seen) = (scanned.end, seen);
        }
        Ok(())
    }

    /// Marks the segment that this process appends to, and cuts off a torn end. Returns its number and its length.
    pub fn adopt(&mut self, own: &OwnSegment) -> io::Result<(usize, u64)> {
        let number = self
            .segments
            .iter()
            .position(|segment| segment.name == own.name)
            .ok_or_else(|| io::Error::other(format!("the segment `{}` has gone", own.name)))?;
        let segment = &mut self.segments[number];
        segment.own = true;
        if own.file.metadata()?.len() > segment.end {
            own.file.set_len(segment.end)?;
        }
        Ok((number, segment.end))
    }

    /// Takes a record in, which may be older than what is known.
    pub fn take(&mut self, segment: usize, offset: u64, record: &Record<'_>) {
        let place = Place::new(segment, offset);
        match record.kind {
            Kind::Reply => {
                if self.forgotten.get(&record.key).is_some_and(|time| *time >= record.time) {
                    return;
                }
                match self.entries.get(&record.key).map(|known| self.time_of(*known)) {
                    Some(known) if known > record.time => {}
                    _ => drop(self.entries.insert(record.key, place)),
                }
            }
            Kind::Forgotten => {
                let time = self.forgotten.entry(record.key).or_default();
                *time = record.time.max(*time);
                if self.entries.get(&record.key).is_some_and(|known| self.time_of(*known) <= record.time) {
                    self.entries.remove(&record.key);
                }
            }
            Kind::Supersedes => {}
        }
    }

    /// Takes in a record that this process has just written; nothing is newer.
    pub fn take_own(&mut self, kind: Kind, key: QuestionKey, time: u64, place: Place) {
        match kind {
            Kind::Reply => drop(self.entries.insert(key, place)),
            Kind::Forgotten => {
                self.entries.remove(&key);
                self.forgotten.insert(key, time);
            }
            Kind::Supersedes => {}
        }
    }

    /// When the record at a place was written; 0 where it cannot be read, so that any other is newer.
    fn time_of(&self, place: Place) -> u64 {
        record::read_at(&self.segments[place.segment()].file, place.offset()).ok().flatten().map_or(0, |record| record.time)
    }
}

/// The names that the first record of a segment says to be superseded.
fn supersedes(file: &File) -> io::Result<Vec<String>> {
    let record = record::read_at(file, 0)?.filter(|record| record.kind == Kind::Supersedes);
    Ok(record.map(|record| String::from_utf8_lossy(&record.payload).lines().map(str::to_owned).collect()).unwrap_or_default())
}

/// The segments of a folder, oldest first.
pub(super) fn segment_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| Path::new(name).extension().is_some_and(|extension| extension == EXTENSION)) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The file whose lock says whether a folder is in use: shared by those that have it open, held alone by who prunes it.
pub(super) fn lock_folder(folder: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(folder.join(LOCK))
}

/// A segment to append to, held locked: one that nobody appends to, or a new one.
pub(super) fn claim_segment(folder: &Path) -> io::Result<OwnSegment> {
    let mut superseded = BTreeSet::new();
    let names = segment_names(folder)?;
    for name in &names {
        superseded.extend(File::open(folder.join(name)).and_then(|file| supersedes(&file)).unwrap_or_default());
    }
    for name in names.into_iter().filter(|name| !superseded.contains(name)) {
        let Ok(file) = OpenOptions::new().read(true).append(true).open(folder.join(&name)) else { continue };
        if file.metadata()?.len() < FULL && file.try_lock().is_ok() {
            return Ok(OwnSegment { name, file });
        }
    }
    new_segment(folder)
}

fn new_segment(folder: &Path) -> io::Result<OwnSegment> {
    loop {
        let name = new_name(EXTENSION);
        match OpenOptions::new().create_new(true).read(true).append(true).open(folder.join(&name)) {
            Ok(file) => match file.try_lock() {
                Ok(()) => return Ok(OwnSegment { name, file }),
                Err(TryLockError::WouldBlock) => {} // another process was quicker to claim it
                Err(TryLockError::Error(error)) => return Err(error),
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// A file name that sorts by time.
pub(super) fn new_name(extension: &str) -> String {
    format!("{:014x}-{:x}.{extension}", now(), std::process::id())
}

/// Microseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}
