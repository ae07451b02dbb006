//! The index on disk by which rows are compared with those of other runs.
//!
//! It is a folder with a file for each data set. A run reads the files of all others and, when it has ended well, writes its own, whole or not at all. So a run that is repeated or
//! taken up again does not meet its own rows, and what it keeps is the same each time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use dataflow_core::whole_file::WholeFile;
use dataflow_core::{Error, Result};
use serde::{Deserialize, Serialize};

const ENDING: &str = "duplicates";
/// Stands in the place of an identity's length behind the last row.
const END: u16 = u16::MAX;

/// The first line of a data set's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    version: u32,
    /// What shapes the signatures.
    settings: String,
    /// How many numbers a signature has.
    width: usize,
    /// A hash of the data set's first text, by which another data set of the same name is told.
    first: String,
    /// Whether each row has its text too.
    #[serde(default)]
    texts: bool,
}

/// The file that this run writes.
pub(crate) struct Index {
    folder: PathBuf,
    name: String,
    settings: String,
    width: usize,
    /// Whether rows are compared by their texts, which it then holds.
    texts: bool,
    file: Option<WholeFile>,
    rows: u64,
}

impl Index {
    pub(crate) fn new(folder: &Path, name: &str, settings: &str, width: usize, texts: bool) -> Self {
        Self { folder: folder.to_owned(), name: name.to_owned(), settings: settings.to_owned(), width, texts, file: None, rows: 0 }
    }

    /// Reads the rows of all other data sets: each one's name and identity, its signature, and its text where this run compares texts.
    pub(crate) fn read_others(&self, mut row: impl FnMut(String, &[u64], &[u8]) -> Result<()>) -> Result<()> {
        let failed = |error| Error::storage(format!("cannot read the index {}", self.folder.display()), error);
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        // In the order of their names, so that a run is the same each time.
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == ENDING) && **path != self.path()) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let (header, mut file) = open(path)?;
            if self.texts && !header.texts {
                return Err(Error::Configuration(format!(
                    "the index should hold texts, with which `verify: exact` compares, found one without in {}\nhint: name a new `index_path`, and run all data sets again with `verify: exact`",
                    path.display()
                )));
            }
            self.fits(&header, path)?;
            let mut taken = Ok(());
            read_rows(&mut file, &header, |identity, signature, text| {
                if taken.is_ok() {
                    taken = row(format!("{name}/{identity}"), signature, text);
                }
            })
            .map_err(|error| broken(path, &error))?;
            taken?;
        }
        Ok(())
    }

    fn fits(&self, header: &Header, path: &Path) -> Result<()> {
        if (header.version, header.width, &header.settings) == (1, self.width, &self.settings) {
            return Ok(());
        }
        Err(Error::Configuration(format!(
            "the index should hold signatures of `{}`, found those of `{}` in {}\nhint: give each operator and each setting an `index_path` of its own",
            self.settings,
            header.settings,
            path.display()
        )))
    }

    /// Takes in the next row that stays.
    pub(crate) fn push(&mut self, identity: &str, text: &str, signature: &[u64]) -> Result<()> {
        if self.file.is_none() {
            self.file = Some(self.begin(text)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let length = u16::try_from(identity.len()).ok().filter(|length| *length != END);
        let length = length.ok_or_else(|| Error::Data(format!("an identity should have fewer than {END} bytes to be indexed, found {}", identity.len())))?;
        file.append(&length.to_le_bytes())?;
        file.append(identity.as_bytes())?;
        for number in signature {
            file.append(&number.to_le_bytes())?;
        }
        if self.texts {
            file.append(&(text.len() as u64).to_le_bytes())?;
            file.append(text.as_bytes())?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Begins the file, where it is none of other data.
    fn begin(&self, first_text: &str) -> Result<WholeFile> {
        let first = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(first_text.as_bytes()));
        let header = Header { version: 1, settings: self.settings.clone(), width: self.width, first, texts: self.texts };
        let path = self.path();
        if path.exists() {
            let (known, _) = open(&path)?;
            self.fits(&known, &path)?;
            if known.first != header.first {
                return Err(Error::Configuration(format!(
                    "the index has other data under the name `{}`, whose first text is not this one's\nhint: give this data set an `index_name` of its own, or delete {} if its data has changed",
                    self.name,
                    path.display()
                )));
            }
        }
        let mut file = WholeFile::create(&path)?;
        file.append(format!("{}\n", serde_json::to_string(&header).unwrap_or_default()).as_bytes())?;
        Ok(file)
    }

    /// Makes the file visible to other runs.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        file.append(&END.to_le_bytes())?;
        file.append(&self.rows.to_le_bytes())?;
        file.commit()
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.{ENDING}", self.name))
    }
}

fn open(path: &Path) -> Result<(Header, BufReader<File>)> {
    let mut file = BufReader::new(File::open(path).map_err(|error| Error::storage(format!("cannot read {}", path.display()), error))?);
    let mut line = String::new();
    file.read_line(&mut line).map_err(|error| broken(path, &error))?;
    let header = serde_json::from_str(&line).map_err(|error| broken(path, &error.into()))?;
    Ok((header, file))
}

fn read_rows(file: &mut impl Read, header: &Header, mut row: impl FnMut(&str, &[u64], &[u8])) -> std::io::Result<()> {
    let malformed = |what: &'static str| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let (mut two, mut eight, mut signature, mut text, mut rows) = ([0; 2], [0; 8], vec![0; header.width], Vec::new(), 0);
    loop {
        file.read_exact(&mut two)?;
        let length = u16::from_le_bytes(two);
        if length == END {
            file.read_exact(&mut eight)?;
            return if u64::from_le_bytes(eight) == rows { Ok(()) } else { Err(malformed("rows are missing")) };
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
        std::fs::write(&path, &whole[..whole.len() - 11]).unwrap();
        let cut = others(folder.path(), "b", "hash").unwrap_err().to_string();
        assert!(cut.contains("found one that is cut or malformed"), "{cut}");
    }
}
