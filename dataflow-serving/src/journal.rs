//! The reply journal: a folder of append-only files that survives a killed process, and that several processes can share.
//!
//! A process appends to a segment of its own, which it holds locked, and reads all others. A record is whole by its checksum or it
//! is passed over; nothing is ever changed in place. What is forgotten is a record too.

mod index;
mod record;
mod upkeep;
mod writer;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dataflow_core::journal::{Journal, JournalOpener, QuestionKey};
use dataflow_core::serving::{Finish, Reply};
use dataflow_core::{Error, Result};

use index::{Index, claim_segment, lock_folder};
use record::Kind;
pub use upkeep::{ModelStats, PruneOptions, PruneReport, Stats, export, prune, stats};
use writer::Writer;

inventory::submit! {
    JournalOpener { open: |path| Ok(FileJournal::open(path)? as Arc<dyn Journal>) }
}

/// How often, at the most, a miss looks for what other processes have appended.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// A reply journal in a folder.
#[derive(Debug)]
pub struct FileJournal {
    folder: PathBuf,
    index: Arc<RwLock<Index>>,
    looked: Mutex<Instant>,
    writer: Writer,
    /// Held shared as long as the journal is open, so that nobody prunes it meanwhile.
    _lock: File,
}

/// Whether a folder holds a journal: one that was opened once, with answers or without.
pub fn is_journal(folder: &Path) -> bool {
    folder.join(index::LOCK).is_file() || index::segment_names(folder).is_ok_and(|names| !names.is_empty())
}

impl FileJournal {
    /// Opens the journal in a folder, or makes it. A folder that this process has open already gives the same journal.
    pub fn open(folder: &Path) -> Result<Arc<Self>> {
        static OPEN: Mutex<Option<HashMap<PathBuf, Weak<FileJournal>>>> = Mutex::new(None);
        let failed = |doing: &str| failed(format!("{doing} `{}`", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed("making"))?;
        let folder = folder.canonicalize().map_err(failed("finding"))?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(journal) = open.get(&folder).and_then(Weak::upgrade) {
            return Ok(journal);
        }
        open.retain(|_, journal| journal.strong_count() > 0);
        let journal = Arc::new(Self::open_anew(&folder).map_err(failed("opening"))?);
        open.insert(folder, Arc::downgrade(&journal));
        Ok(journal)
    }

    fn open_anew(folder: &Path) -> io::Result<Self> {
        let lock = lock_folder(folder)?;
        lock.lock_shared()?;
        // Claimed before it is read, so that nobody appends to it between.
        let own = claim_segment(folder)?;
        let mut index = Index::default();
        index.read_folder(folder, Some(&own.name))?;
        let (segment, length) = index.adopt(&own)?;
        let index = Arc::new(RwLock::new(index));
        let writer = Writer::start(own, segment, length, Arc::clone(&index))?;
        Ok(Self { folder: folder.to_owned(), index, looked: Mutex::new(Instant::now()), writer, _lock: lock })
    }

    /// How many replies it holds.
    pub fn len(&self) -> usize {
        self.index.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, key: QuestionKey) -> Result<Option<Reply>> {
        let Some((file, place)) = self.index.read().unwrap_or_else(PoisonError::into_inner).find(key) else { return Ok(None) };
        let record = record::read_at(&file, place.offset()).map_err(failed("reading a reply".into()))?;
        let reply = record.filter(|record| record.kind == Kind::Reply && record.key == key).and_then(|record| serde_json::from_slice(&record.payload).ok());
        if reply.is_none() {
            tracing::warn!(%key, "a reply in the journal is damaged; it is asked for anew");
            self.index.write().unwrap_or_else(PoisonError::into_inner).drop_damaged(key, place);
        }
        Ok(reply)
    }

    /// Reads what other processes have appended, if nobody looked within [`LOOK_AROUND`].
    fn look_around(&self) -> Result<bool> {
        let Ok(mut looked) = self.looked.try_lock() else { return Ok(false) };
        if looked.elapsed() < LOOK_AROUND {
            return Ok(false);
        }
        *looked = Instant::now();
        if !self.index.read().unwrap_or_else(PoisonError::into_inner).is_behind(&self.folder).map_err(failed("looking for new replies".into()))? {
            return Ok(false);
        }
        self.index.write().unwrap_or_else(PoisonError::into_inner).read_folder(&self.folder, None).map_err(failed("reading new replies".into()))?;
        Ok(true)
    }
}

#[async_trait]
impl Journal for FileJournal {
    fn get(&self, key: QuestionKey) -> Result<Option<Reply>> {
        match self.find(key)? {
            None if self.look_around()? => self.find(key),
            found => Ok(found),
        }
    }

    /// Keeps a reply; one that was cut or withheld is passed over.
    async fn put(&self, key: QuestionKey, reply: &Reply) -> Result<()> {
        if reply.finish != Finish::Stop {
            return Ok(());
        }
        self.writer.append(Kind::Reply, key, |payload| serde_json::to_writer(payload, reply).map_err(io::Error::from)).await
    }

    async fn forget(&self, key: QuestionKey) -> Result<()> {
        self.writer.append(Kind::Forgotten, key, |_| Ok(())).await
    }

    async fn sync(&self) -> Result<()> {
        self.writer.sync().await
    }
}

/// Wraps an error of reading or writing with what was being done.
fn failed(doing: String) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Journal { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::serving::Usage;
    use proptest::prelude::*;
    use std::fs;
    use std::sync::LazyLock;
    use tempfile::TempDir;

    fn key(number: u64) -> QuestionKey {
        let mut key = [7; 16];
        key[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        QuestionKey(key)
    }

    fn reply(content: impl Into<String>) -> Reply {
        Reply { content: content.into(), model: "m".into(), usage: Usage { input_tokens: 2, output_tokens: 3 }, ..Reply::default() }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn put(journal: &FileJournal, number: u64, content: &str) {
        run(journal.put(key(number), &reply(content))).unwrap();
    }

    fn get(journal: &FileJournal, number: u64) -> Option<String> {
        journal.get(key(number)).unwrap().map(|reply| reply.content)
    }

    fn only_segment(folder: &TempDir) -> PathBuf {
        let names = index::segment_names(folder.path()).unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        folder.path().join(&names[0])
    }

    #[test]
    fn replies_are_there_again_after_it_was_closed() {
        let folder = TempDir::new().unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        let full = Reply { thinking: Some("hm".into()), ..reply("你好 👋") };
        run(journal.put(key(1), &full)).unwrap();
        put(&journal, 2, &"long ".repeat(10_000));
        assert_eq!(journal.get(key(1)).unwrap(), Some(full.clone()));
        drop(journal);
        let journal = FileJournal::open(folder.path()).unwrap();
        assert_eq!((journal.len(), journal.get(key(1)).unwrap()), (2, Some(full)));
        assert_eq!(get(&journal, 2).unwrap().len(), 50_000);
        assert_eq!(get(&journal, 3), None);
        put(&journal, 3, "three");
        drop(journal);
        only_segment(&folder); // the second opening went on in the first one's file
        assert_eq!(get(&FileJournal::open(folder.path()).unwrap(), 3).unwrap(), "three");
    }

    #[test]
    fn two_openings_in_one_process_are_one_journal() {
        let folder = TempDir::new().unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        let again = FileJournal::open(&folder.path().join(".")).unwrap();
        assert!(Arc::ptr_eq(&journal, &again));
        let through_the_registry = dataflow_core::journal::open_journal(folder.path()).unwrap();
        put(&journal, 1, "one");
        assert_eq!(through_the_registry.get(key(1)).unwrap().unwrap().content, "one");
    }

    #[test]
    fn what_another_process_writes_is_seen() {
        let folder = TempDir::new().unwrap();
        let (one, other) = (FileJournal::open_anew(folder.path()).unwrap(), FileJournal::open_anew(folder.path()).unwrap());
        put(&one, 1, "one");
        put(&other, 2, "two");
        assert_eq!((get(&one, 2), get(&other, 1)), (None, None)); // nobody looks again so soon
        *one.looked.lock().unwrap() = Instant::now().checked_sub(LOOK_AROUND).unwrap();
        assert_eq!(get(&one, 2).as_deref(), Some("two"));
        run(other.forget(key(2))).unwrap();
        run(other.forget(key(1))).unwrap();
        drop((one, other));
        let journal = FileJournal::open(folder.path()).unwrap();
        assert_eq!((get(&journal, 1), get(&journal, 2)), (None, None));
    }

    #[test]
    fn what_is_forgotten_stays_so_until_it_is_answered_again() {
        let folder = TempDir::new().unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        put(&journal, 1, "useless");
        put(&journal, 2, "good");
        run(journal.forget(key(1))).unwrap();
        assert_eq!(get(&journal, 1), None);
        drop(journal);
        let journal = FileJournal::open(folder.path()).unwrap();
        assert_eq!((get(&journal, 1), get(&journal, 2).as_deref()), (None, Some("good")));
        put(&journal, 1, "better");
        drop(journal);
        assert_eq!(get(&FileJournal::open(folder.path()).unwrap(), 1).as_deref(), Some("better"));
    }

    #[test]
    fn a_reply_that_was_cut_is_not_kept() {
        let folder = TempDir::new().unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        run(journal.put(key(1), &Reply { finish: Finish::Length, ..reply("half an ans") })).unwrap();
        assert_eq!(get(&journal, 1), None);
    }

    #[test]
    fn a_thousand_puts_at_once_are_all_kept() {
        let folder = TempDir::new().unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        let replies: Vec<Reply> = (0..1000).map(|number| reply(number.to_string())).collect();
        run(async {
            let puts = replies.iter().enumerate().map(|(number, reply)| journal.put(key(number as u64), reply));
            futures::future::try_join_all(puts).await.unwrap();
            journal.sync().await.unwrap();
        });
        drop(journal);
        let journal = FileJournal::open(folder.path()).unwrap();
        assert!((0..1000).all(|number| get(&journal, number) == Some(number.to_string())));
    }

    #[test]
    fn a_journal_that_cannot_be_written_takes_nothing_more() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = FileJournal::open(&folder.path().join("file")).unwrap_err();
        assert!(matches!(error, Error::Journal { .. }), "{error}");
        // A segment that is open for reading alone stands for a full disk.
        let path = folder.path().join("1.segment");
        fs::write(&path, "").unwrap();
        let own = index::OwnSegment { name: "1.segment".into(), file: File::open(&path).unwrap() };
        let writer = Writer::start(own, 0, 0, Arc::default()).unwrap();
        for _ in 0..2 {
            let error = run(writer.append(Kind::Reply, key(1), |_| Ok(()))).unwrap_err();
            assert!(error.to_string().starts_with("journal: writing a reply: "), "{error}");
        }
        assert!(run(writer.sync()).is_err());
    }

    #[test]
    fn counting_and_writing_out() {
        let folder = TempDir::new().unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        put(&journal, 1, "one");
        put(&journal, 2, "two");
        run(journal.forget(key(2))).unwrap();
        let stats = stats(folder.path()).unwrap();
        assert_eq!(
            (stats.entries, stats.segments, stats.forgotten, stats.models["m"]),
            (1, 1, 1, ModelStats { entries: 1, input_tokens: 2, output_tokens: 3 })
        );
        assert!(stats.bytes > 0 && stats.oldest.is_some() && stats.oldest == stats.newest);
        let mut lines = Vec::new();
        assert_eq!(export(folder.path(), &mut lines).unwrap(), 1);
        let line: serde_json::Value = serde_json::from_slice(&lines).unwrap();
        assert_eq!((&line["content"], &line["key"]), (&"one".into(), &key(1).to_string().into()));
        assert!(matches!(super::stats(&folder.path().join("none")), Err(Error::NotFound(_))));
    }

    #[test]
    fn pruning_takes_out_what_it_is_told_and_waits_for_nobody() {
        let folder = TempDir::new().unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        put(&journal, 1, "one");
        run(journal.put(key(2), &Reply { model: "other".into(), ..reply("two") })).unwrap();
        put(&journal, 3, "three");
        run(journal.forget(key(3))).unwrap();
        let of_other = PruneOptions { model: Some("other".into()), ..PruneOptions::default() };
        let error = prune(folder.path(), &of_other).unwrap_err();
        assert!(error.to_string().contains("is in use"), "{error}");
        drop(journal);
        let before = only_segment(&folder);
        let saved = fs::read(&before).unwrap();
        let report = prune(folder.path(), &of_other).unwrap();
        assert_eq!((report.kept, report.removed), (1, 1));
        assert!(report.bytes_after < report.bytes_before);
        // A prune that was killed before it had removed the old file is whole nevertheless.
        fs::write(&before, saved).unwrap();
        let journal = FileJournal::open(folder.path()).unwrap();
        assert_eq!((get(&journal, 1).as_deref(), get(&journal, 2), get(&journal, 3)), (Some("one"), None, None));
        put(&journal, 4, "four");
        drop(journal);
        assert_eq!(prune(folder.path(), &PruneOptions { older_than: Some(Duration::ZERO), model: None }).unwrap().removed, 2);
        only_segment(&folder);
        assert!(FileJournal::open(folder.path()).unwrap().is_empty());
    }

    const THREE: [&str; 3] = ["one", "two 二", "three"];

    /// The bytes of a segment with three replies, and where its records end.
    fn three() -> &'static (Vec<u8>, Vec<usize>) {
        static BYTES: LazyLock<(Vec<u8>, Vec<usize>)> = LazyLock::new(|| {
            let folder = TempDir::new().unwrap();
            let journal = FileJournal::open(folder.path()).unwrap();
            let mut ends = Vec::new();
            for (number, content) in THREE.into_iter().enumerate() {
                put(&journal, number as u64, content);
                ends.push(fs::metadata(only_segment(&folder)).unwrap().len() as usize);
            }
            drop(journal);
            (fs::read(only_segment(&folder)).unwrap(), ends)
        });
        &BYTES
    }

    fn folder_with(bytes: &[u8]) -> TempDir {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("1.segment"), bytes).unwrap();
        folder
    }

    #[test]
    fn a_torn_end_costs_the_last_record_alone_wherever_it_is_torn() {
        let (bytes, ends) = three();
        for cut in ends[1]..bytes.len() {
            let folder = folder_with(&bytes[..cut]);
            let journal = FileJournal::open(folder.path()).unwrap();
            assert_eq!((get(&journal, 0).as_deref(), get(&journal, 1).as_deref(), get(&journal, 2)), (Some(THREE[0]), Some(THREE[1]), None), "cut at {cut}");
            if cut % 16 == 0 {
                put(&journal, 2, "again");
                drop(journal);
                let journal = FileJournal::open(folder.path()).unwrap();
                assert_eq!((journal.len(), get(&journal, 2).as_deref()), (3, Some("again")), "cut at {cut}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_damaged_byte_costs_one_record_and_changes_none(at in 0usize..1000, change in 1u8..) {
            let (bytes, ends) = three();
            let (mut bytes, at) = (bytes.clone(), at % bytes.len());
            bytes[at] ^= change;
            let folder = folder_with(&bytes);
            let damaged = ends.iter().position(|end| at < *end).unwrap();
            let journal = FileJournal::open(folder.path()).unwrap();
            for (number, content) in THREE.into_iter().enumerate() {
                prop_assert_eq!(get(&journal, number as u64), (number != damaged).then(|| content.to_owned()));
            }
        }

        #[test]
        fn a_byte_that_is_damaged_while_the_journal_is_open_gives_no_wrong_reply(at in 0usize..1000, change in 1u8..) {
            let (bytes, ends) = three();
            let (mut damaged_bytes, at) = (bytes.clone(), at % bytes.len());
            let folder = folder_with(bytes);
            let journal = FileJournal::open(folder.path()).unwrap();
            damaged_bytes[at] ^= change;
            fs::write(only_segment(&folder), &damaged_bytes).unwrap();
            let damaged = ends.iter().position(|end| at < *end).unwrap() as u64;
            prop_assert_eq!(get(&journal, damaged), None);
            prop_assert_eq!(journal.len(), 2);
        }

        #[test]
        fn any_bytes_can_be_scanned(bytes in proptest::collection::vec(prop_oneof![Just(0xDFu8), Just(0xFF), Just(b'j'), Just(1), any::<u8>()], 0..300)) {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("any.segment");
            fs::write(&path, bytes).unwrap();
            record::scan(&File::open(&path).unwrap(), 0, |_, _| {}).unwrap();
        }
    }
}
