//! The index on disk by which rows are compared with those of other runs.
//!
//! It is a folder with a file for each data set. A run reads the files of all others and, when it has ended well, writes its own, whole or not at all. So a run that is repeated or
//! taken up again does not meet its own rows, and what it keeps is the same each time.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use dataflow_core::operator::Kept;
use dataflow_core::whole_file::WholeFile;
use dataflow_core::{Error, Result};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const ENDING: &str = "duplicates";
/// Stands in the place of an identity's length behind the last row.
const END: u16 = u16::MAX;
/// Files of version 1 have no hash at their end.
const VERSION: u32 = 2;
/// The bytes behind the last row: `END`, the number of rows, and a hash of all before it.
const TRAILER: usize = 18;
/// How many texts tell a data set from another.
const FIRST: usize = 100;

/// The first line of a data set's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    version: u32,
    /// What shapes the signatures.
    settings: String,
    /// How many numbers a signature has.
    width: usize,
    /// Hashes of the data set's first texts, by which another data set of the same name is told; empty where it has none.
    first: String,
    /// Whether each row has its text too.
    #[serde(default)]
    texts: bool,
}

impl Header {
    fn has_rows(&self) -> bool {
        !self.first.is_empty()
    }

    /// Whether a data set that begins with other texts is the same, changed a little: half of the first texts of one of them are among those of the other.
    fn is_of(&self, first: &BTreeSet<String>) -> bool {
        let known: BTreeSet<&str> = self.first.split(' ').collect();
        let both = first.iter().filter(|text| known.contains(text.as_str())).count();
        2 * both >= known.len().min(first.len()) && both > 0
    }
}

/// The index as a run sees it, and the file in it that this run writes.
pub(crate) struct Index {
    folder: PathBuf,
    name: String,
    settings: String,
    width: usize,
    /// Whether rows are compared by their texts, which it then holds.
    texts: bool,
    /// Hashes of the first texts.
    first: BTreeSet<String>,
    /// What stands behind the header of a file that is not begun, since the first texts are not all known.
    waiting: Vec<u8>,
    file: Option<(WholeFile, Xxh3)>,
    rows: u64,
}

impl Index {
    pub(crate) fn new(folder: &Path, name: &str, settings: &str, width: usize, texts: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            settings: settings.to_owned(),
            width,
            texts,
            first: BTreeSet::new(),
            waiting: Vec::new(),
            file: None,
            rows: 0,
        }
    }

    /// What later runs depend on. It looks at the beginning and the end of each file, so that an index that cannot be used is told before a row is read; the width of signatures need not be known.
    pub(crate) fn kept(&self) -> Result<Kept> {
        let mut others = String::new();
        for path in self.paths()? {
            let (header, mut file) = open(&path)?;
            let length = file.seek(SeekFrom::End(0)).map_err(|error| broken(&path, &error))?;
            let mut end = [0; TRAILER];
            let read = file.seek(SeekFrom::Start(length.saturating_sub(TRAILER as u64))).and_then(|_| file.read_exact(&mut end));
            read.map_err(|error| broken(&path, &error))?;
            let at = if header.version == 1 { 8 } else { 0 };
            if end[at..at + 2] != END.to_le_bytes() {
                return Err(broken(&path, &malformed("its end is missing")));
            }
            self.fits(&header, &path)?;
            if path != self.path() {
                others += &format!("{} {length} {:016x}\n", path.file_name().unwrap_or_default().to_string_lossy(), xxh3_64(&end));
            }
        }
        Ok(Kept { file: self.path(), others })
    }

    /// Reads the rows of all other data sets: each one's name and identity, its signature, and its text where this run compares texts.
    pub(crate) fn read_others(&self, mut row: impl FnMut(String, &[u64], &[u8]) -> Result<()>) -> Result<()> {
        for path in self.paths()?.into_iter().filter(|path| *path != self.path()) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let (header, mut file) = open(&path)?;
            self.fits(&header, &path)?;
            if header.has_rows() && header.width != self.width {
                return Err(broken(&path, &malformed("its signatures have another length")));
            }
            let mut taken = Ok(());
            read_rows(&mut file, &header, |identity, signature, text| {
                if taken.is_ok() {
                    taken = row(format!("{name}/{identity}"), signature, text);
                }
            })
            .map_err(|error| broken(&path, &error))?;
            taken?;
        }
        Ok(())
    }

    /// The files of all data sets in the order of their names, so that a run is the same each time.
    fn paths(&self) -> Result<Vec<PathBuf>> {
        let failed = |error| Error::storage(format!("cannot read the index {}", self.folder.display()), error);
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect::<Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == ENDING));
        paths.sort();
        Ok(paths)
    }

    /// Whether a file's rows can be compared with those of this run, or replaced by them.
    fn fits(&self, header: &Header, path: &Path) -> Result<()> {
        let wrong = |message: String| Err(Error::Configuration(message));
        if header.version > VERSION {
            return wrong(format!(
                "the index should be of version {VERSION} or before, found version {} in {}\nhint: it is of a newer DataFlow; use that, or name a new `index_path`",
                header.version,
                path.display()
            ));
        }
        if self.texts && !header.texts && header.has_rows() && path != self.path() {
            return wrong(format!(
                "the index should hold texts, with which `verify: exact` compares, found one without in {}\nhint: name a new `index_path`, and run all data sets again with `verify: exact`",
                path.display()
            ));
        }
        // How many numbers vectors have is known from the first of them on.
        let same = header.settings.strip_prefix(&self.settings).is_some_and(|more| more.is_empty() || more.starts_with(" dimensions="));
        if same || !header.has_rows() {
            return Ok(());
        }
        wrong(format!(
            "the index should hold signatures of `{}`, found those of `{}` in {}\nhint: give each operator and each setting an `index_path` of its own",
            self.settings,
            header.settings,
            path.display()
        ))
    }

    /// Takes in the next row that stays.
    pub(crate) fn push(&mut self, identity: &str, text: &str, signature: &[u64]) -> Result<()> {
        let length = u16::try_from(identity.len()).ok().filter(|length| *length != END);
        let length = length.ok_or_else(|| Error::Data(format!("an identity should have fewer than {END} bytes to be indexed, found {}", identity.len())))?;
        self.append(&length.to_le_bytes())?;
        self.append(identity.as_bytes())?;
        for number in signature {
            self.append(&number.to_le_bytes())?;
        }
        if self.texts {
            self.append(&(text.len() as u64).to_le_bytes())?;
            self.append(text.as_bytes())?;
        }
        self.rows += 1;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let Some((file, hash)) = &mut self.file else {
            self.waiting.extend_from_slice(bytes);
            return Ok(());
        };
        hash.update(bytes);
        file.append(bytes)
    }

    /// Looks at the next text of the data set, whether its row stays or not, until there are enough to tell whether it is other data.
    pub(crate) fn meet(&mut self, text: &str) -> Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        self.first.insert(format!("{:016x}", xxh3_64(text.as_bytes())));
        if self.first.len() < FIRST { Ok(()) } else { self.begin() }
    }

    /// Begins the file, where it would not replace other data.
    fn begin(&mut self) -> Result<()> {
        let path = self.path();
        if path.exists() {
            let (known, _) = open(&path)?;
            self.fits(&known, &path)?;
            if known.has_rows() && self.first.is_empty() {
                // It is nobody else's data, and rows that are left in no output would have those of other runs dropped.
                tracing::warn!("the data set `{}` has no rows any more: those that it had in the index are taken away", self.name);
            } else if known.has_rows() && !known.is_of(&self.first) {
                return Err(Error::Configuration(format!(
                    "the index has other data under the name `{}`, most of whose first texts are not this one's\nhint: give this data set an `index_name` of its own, or delete {} if its data has changed",
                    self.name,
                    path.display()
                )));
            }
        }
        let first = self.first.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let header = Header { version: VERSION, settings: self.settings.clone(), width: self.width, first, texts: self.texts };
        self.file = Some((WholeFile::create(&path)?, Xxh3::new()));
        self.append(format!("{}\n", serde_json::to_string(&header).unwrap_or_default()).as_bytes())?;
        let waiting = std::mem::take(&mut self.waiting);
        self.append(&waiting)
    }

    /// Makes the file visible to other runs; one of a data set without a text has no rows.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.file.is_none() {
            self.begin()?;
        }
        self.append(&END.to_le_bytes())?;
        self.append(&self.rows.to_le_bytes())?;
        let Some((mut file, hash)) = self.file.take() else { return Ok(()) };
        file.append(&hash.digest().to_le_bytes())?;
        file.commit()
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.{ENDING}", self.name))
    }
}

/// A file, and a hash of what has been read of it.
struct Hashed {
    file: BufReader<File>,
    hash: Xxh3,
}

impl Read for Hashed {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.hash.update(&bytes[..read]);
        Ok(read)
    }
}

impl Seek for Hashed {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

fn open(path: &Path) -> Result<(Header, Hashed)> {
    let mut file = BufReader::new(File::open(path).map_err(|error| Error::storage(format!("cannot read {}", path.display()), error))?);
    let mut line = String::new();
    file.read_line(&mut line).map_err(|error| broken(path, &error))?;
    let header = serde_json::from_str(&line).map_err(|error| broken(path, &error.into()))?;
    let mut hash = Xxh3::new();
    hash.update(line.as_bytes());
    Ok((header, Hashed { file, hash }))
}

fn malformed(what: &'static str) -> std::io::Error {
    std::io::Error::new(ErrorKind::InvalidData, what)
}

fn read_rows(file: &mut Hashed, header: &Header, mut row: impl FnMut(&str, &[u64], &[u8])) -> std::io::Result<()> {
    let (mut two, mut eight, mut signature, mut text, mut rows) = ([0; 2], [0; 8], vec![0; header.width], Vec::new(), 0);
    loop {
        file.read_exact(&mut two)?;
        let length = u16::from_le_bytes(two);
        if length == END {
            file.read_exact(&mut eight)?;
            if u64::from_le_bytes(eight) != rows {
                return Err(malformed("rows are missing"));
            }
            let hash = file.hash.digest();
            if header.version > 1 {
                file.read_exact(&mut eight)?;
            }
            return if header.version == 1 || u64::from_le_bytes(eight) == hash { Ok(()) } else { Err(malformed("its bytes have changed")) };
        }
        let mut identity = vec![0; usize::from(length)];
        file.read_exact(&mut identity)?;
        for number in &mut signature {
            file.read_exact(&mut eight)?;
            *number = u64::from_le_bytes(eight);
        }
        if header.texts {
            file.read_exact(&mut eight)?;
            let length = u64::from_le_bytes(eight);
            text.clear();
            if file.by_ref().take(length).read_to_end(&mut text)? as u64 != length {
                return Err(malformed("a text is cut"));
            }
        }
        row(std::str::from_utf8(&identity).map_err(|_| malformed("an identity is not UTF-8"))?, &signature, &text);
        rows += 1;
    }
}

fn broken(path: &Path, error: &std::io::Error) -> Error {
    Error::Data(format!(
        "{} should be an index of duplicates, found one that is cut or malformed: {error}\nhint: delete it, and run its data set again",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, name: &str, rows: &[(&str, u64)]) -> Result<()> {
        let mut index = Index::new(folder, name, "hash", 2, false);
        for (identity, hash) in rows {
            index.meet(identity)?;
            index.push(identity, identity, &[*hash, 0])?;
        }
        index.finish()
    }

    fn others(folder: &Path, name: &str, settings: &str) -> Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        Index::new(folder, name, settings, 2, false).read_others(|name, signature, _| {
            found.push((name, signature[0]));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_run_reads_the_rows_of_all_others_and_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), "b", &[("1", 7)]).unwrap();
        written(folder.path(), "a", &[("1", 5), ("2.3-1", 6)]).unwrap();
        assert_eq!(others(folder.path(), "c", "hash").unwrap(), [("a/1".into(), 5), ("a/2.3-1".into(), 6), ("b/1".into(), 7)]);
        assert_eq!(others(folder.path(), "a", "hash").unwrap(), [("b/1".into(), 7)]);
        written(folder.path(), "a", &[("1", 5)]).unwrap();
        assert_eq!(others(folder.path(), "b", "hash").unwrap(), [("a/1".into(), 5)], "a run that is repeated replaces its rows");
    }

    #[test]
    fn texts_come_back_where_they_are_compared_and_an_index_without_them_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut with_texts = Index::new(folder.path(), "a", "hash", 2, true);
        with_texts.meet("a text").unwrap();
        with_texts.push("1", "a text", &[5, 0]).unwrap();
        with_texts.push("2", "", &[6, 0]).unwrap();
        with_texts.finish().unwrap();
        let mut found = Vec::new();
        let other = Index::new(folder.path(), "b", "hash", 2, true);
        let mut take = |name, signature: &[u64], text: &[u8]| {
            found.push((name, signature[0], String::from_utf8(text.to_vec()).unwrap()));
            Ok(())
        };
        other.read_others(&mut take).unwrap();
        assert_eq!(found, [("a/1".into(), 5, "a text".into()), ("a/2".into(), 6, String::new())]);
        assert_eq!(others(folder.path(), "b", "hash").unwrap(), [("a/1".into(), 5), ("a/2".into(), 6)]);
        written(folder.path(), "c", &[("1", 7)]).unwrap();
        let told = other.read_others(|_, _, _| Ok(())).unwrap_err().to_string();
        assert!(told.starts_with("the index should hold texts") && told.contains("c.duplicates"), "{told}");
    }

    #[test]
    fn other_data_other_settings_and_cut_files_are_told() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), "a", &[("1", 5), ("2", 6)]).unwrap();
        let other = written(folder.path(), "a", &[("9", 9)]).unwrap_err().to_string();
        assert!(other.starts_with("the index has other data under the name `a`") && other.contains("hint: give this data set an `index_name`"), "{other}");
        let settings = others(folder.path(), "b", "other").unwrap_err().to_string();
        assert!(settings.starts_with("the index should hold signatures of `other`, found those of `hash`"), "{settings}");
        let path = folder.path().join("a.duplicates");
        let whole = std::fs::read(&path).unwrap();
        let told = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            others(folder.path(), "b", "hash").unwrap_err().to_string()
        };
        let kept = || Index::new(folder.path(), "b", "hash", 0, false).kept().map_err(|error| error.to_string());
        for cut in [&whole[..whole.len() - 11], &whole[..40], b"", b"\xff\xff\n"] {
            assert!(told(cut).contains("found one that is cut or malformed"), "{}", told(cut));
            assert!(kept().unwrap_err().contains("found one that is cut or malformed"));
        }
        let mut flipped = whole.clone();
        flipped[whole.len() - 30] ^= 1; // in the signature of the last row
        assert!(told(&flipped).contains("malformed: its bytes have changed"), "{}", told(&flipped));
    }

    #[test]
    fn a_data_set_that_has_changed_a_little_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..2 * FIRST).map(|row| row.to_string()).collect();
        let write = |names: &[String]| {
            let rows: Vec<_> = names.iter().map(|name| (name.as_str(), 5)).collect();
            written(folder.path(), "a", &rows).map_err(|error| error.to_string())
        };
        let rows_of_a = || others(folder.path(), "b", "hash").unwrap().len();
        for (changed, rows) in
            [(&names[1..], "a row less"), (&names[..], "a row more"), (&names[FIRST / 2..], "the first rows less"), (&names[..FIRST], "the last less")]
        {
            write(changed).expect(rows);
            assert_eq!(rows_of_a(), changed.len(), "{rows}");
        }
        assert!(write(&names[FIRST..]).unwrap_err().starts_with("the index has other data under the name `a`, most of whose first texts are not this one's"));
        assert_eq!(rows_of_a(), FIRST);
    }

    #[test]
    fn what_other_runs_have_left_is_known_without_reading_it_all() {
        let folder = tempfile::tempdir().unwrap();
        let kept = |name: &str| Index::new(&folder.path().join("index"), name, "hash", 0, false).kept().unwrap();
        assert_eq!(kept("a"), Kept { file: folder.path().join("index/a.duplicates"), others: String::new() });
        assert!(!folder.path().join("index").exists(), "looking writes nothing");
        let write = |name: &str, rows: &[(&str, u64)]| written(&folder.path().join("index"), name, rows).unwrap();
        write("a", &[("1", 5)]);
        assert_eq!(kept("a").others, "", "a run does not depend on its own rows");
        let of_b = kept("b").others;
        write("a", &[("1", 5)]);
        assert_eq!(kept("b").others, of_b, "the same rows again change nothing");
        write("a", &[("1", 5), ("2", 6)]);
        assert_ne!(kept("b").others, of_b);
        let other = Index::new(&folder.path().join("index"), "a", "other", 0, false).kept().unwrap_err().to_string();
        assert!(other.starts_with("the index should hold signatures of `other`, found those of `hash`"), "{other}");
        let texts = Index::new(&folder.path().join("index"), "b", "hash", 0, true).kept().unwrap_err().to_string();
        assert!(texts.starts_with("the index should hold texts, with which `verify: exact` compares"), "{texts}");
    }

    #[test]
    fn a_data_set_without_rows_leaves_a_file_without_rows_also_where_it_had_some() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), "a", &[]).unwrap();
        assert_eq!(others(folder.path(), "b", "any setting").unwrap(), []);
        written(folder.path(), "a", &[("1", 5)]).unwrap();
        assert_eq!(others(folder.path(), "b", "hash").unwrap(), [("a/1".into(), 5)]);
        written(folder.path(), "a", &[]).unwrap();
        assert_eq!(others(folder.path(), "b", "hash").unwrap(), []);
        written(folder.path(), "a", &[("7", 9)]).expect("what has no rows is no other data");
    }

    #[test]
    fn files_of_the_version_before_are_read_and_those_of_a_later_one_are_told() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), "a", &[("1", 5)]).unwrap();
        let path = folder.path().join("a.duplicates");
        let whole = std::fs::read(&path).unwrap();
        let of = |version: &[u8], rest: &[u8]| std::fs::write(&path, [b"{\"version\":", version, rest].concat()).unwrap();
        let rest = whole.strip_prefix(b"{\"version\":2").unwrap();
        of(b"1", &rest[..rest.len() - 8]);
        assert_eq!(others(folder.path(), "b", "hash").unwrap(), [("a/1".into(), 5)]);
        assert!(Index::new(folder.path(), "b", "hash", 0, false).kept().is_ok());
        of(b"3", rest);
        for told in [others(folder.path(), "b", "hash").unwrap_err(), Index::new(folder.path(), "b", "hash", 0, false).kept().unwrap_err()] {
            assert!(told.to_string().starts_with("the index should be of version 2 or before, found version 3"), "{told}");
        }
    }
}
