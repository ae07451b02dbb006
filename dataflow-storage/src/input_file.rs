//! A file that is read: where it is, what wraps it, and what its content hashes to.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::UNIX_EPOCH;

use dataflow_core::registry::nearest;
use dataflow_core::storage::Rejected;
use dataflow_core::{Error, Result};

use crate::compression::Compression;
use crate::format::OnMalformed;

const HASHED_WHOLE: u64 = 1 << 30; // bytes; a larger file is told by its size, its time and samples
const SAMPLES: u64 = 64;
const SAMPLE: usize = 1 << 16;

/// A file that was there when it was found.
#[derive(Debug)]
pub(crate) struct InputFile {
    path: PathBuf,
    compression: Compression,
    options: String,
    content: Mutex<Option<(Stamp, String)>>,
}

/// What tells that a file was replaced, short of reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: u128,
}

impl InputFile {
    /// The file at `path`; where there is none, the error names the nearest in the folder.
    pub(crate) fn find(path: &Path, compression: Compression, options: String) -> Result<Self> {
        check_is_there(path)?;
        Ok(Self { path: path.to_owned(), compression, options, content: Mutex::new(None) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The raw bytes.
    pub(crate) fn open_raw(&self) -> Result<File> {
        File::open(&self.path).map_err(|error| self.error(error))
    }

    /// The raw bytes of a file that has to begin so, as all of its format do.
    pub(crate) fn open_beginning(&self, begin: &[u8], format: &str) -> Result<File> {
        let mut file = self.open_raw()?;
        let mut found = Vec::new();
        (&mut file).take(begin.len() as u64).read_to_end(&mut found).map_err(|error| self.error(error))?;
        if found != begin {
            let (expected, found) = (begin.escape_ascii(), found.escape_ascii());
            return Err(Error::Malformed {
                place: self.path.display().to_string(),
                message: format!(
                    "{format} begins with `{expected}`, and this file with `{found}`\nhint: say what it is by `format:` under `storage`, or by its ending"
                ),
            });
        }
        file.rewind().map_err(|error| self.error(error))?;
        Ok(file)
    }

    /// The text inside what wraps it.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>> {
        self.compression.reader(self.open_raw()?).map_err(|error| self.error(error))
    }

    /// A pass over the whole file, while another thread hashes the content for [`fingerprint`](Self::fingerprint).
    pub(crate) fn hashed_beside<T>(&self, pass: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            scope.spawn(|| self.fingerprint()); // an error comes again when it is asked for
            pass()
        })
    }

    /// A text that changes with the content, and with the options that shape how it is read.
    pub(crate) fn fingerprint(&self) -> Result<String> {
        let stamp = self.stamp()?;
        let mut known = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let content = match &*known {
            Some((at, content)) if *at == stamp => content.clone(),
            _ => self.hash(stamp).map_err(|error| self.error(error))?,
        };
        *known = Some((stamp, content.clone()));
        Ok(blake3::hash(format!("{content} {}", self.options).as_bytes()).to_hex().to_string())
    }

    fn hash(&self, stamp: Stamp) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let mut hasher = blake3::Hasher::new();
        if stamp.size <= HASHED_WHOLE {
            hasher.update_reader(file)?;
        } else {
            hasher.update(&stamp.size.to_le_bytes());
            hasher.update(&stamp.modified.to_le_bytes());
            let mut sample = vec![0; SAMPLE];
            for number in 0..SAMPLES {
                file.seek(SeekFrom::Start((stamp.size - SAMPLE as u64) / (SAMPLES - 1) * number))?;
                file.read_exact(&mut sample)?;
                hasher.update(&sample);
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn stamp(&self) -> Result<Stamp> {
        let metadata = self.path.metadata().map_err(|error| self.error(error))?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Stamp { size: metadata.len(), modified: modified.map_or(0, |time| time.as_nanos()) })
    }

    /// An error of reading, with the path.
    pub(crate) fn error(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        reading(&self.path, source)
    }
}

/// An error of reading, with the path.
pub(crate) fn reading(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::storage(format!("reading `{}`", path.display()), source)
}

/// Refuses a path where no file is, of which the error names the nearest in the folder, and one of a pipe or a device: what was read of it is gone from it.
pub(crate) fn check_is_there(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::NotFound(format!("`{}` is a folder, and the input is one file", path.display())));
    }
    if path.is_file() {
        return Ok(());
    }
    if path.exists() {
        return Err(Error::NotFound(format!(
            "`{}` is no file that can be read twice, as an input is: once for its columns, once for its rows\nhint: write it to a file first",
            path.display()
        )));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside: Vec<String> = folder.read_dir().into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let hint = if folder.is_dir() {
        nearest(&name, beside.iter().map(String::as_str))
            .map(|nearest| format!("\nhint: there is `{}`", path.with_file_name(nearest).display()))
            .unwrap_or_default()
    } else {
        format!("\nhint: the folder `{}` does not exist either", folder.display())
    };
    Err(Error::NotFound(format!("no file at `{}`{hint}", path.display())))
}

const MAY_BE_SET_ASIDE: &str = "hint: mend it, or have such records set aside with `on_malformed: set_aside` under `storage`";

/// What to do about a record whose end is not there, whatever the user chose.
pub(crate) const NOT_SET_ASIDE: &str = "hint: mend it; it cannot be set aside, since where the record ends is not known";

/// Does with malformed records what the user chose.
#[derive(Debug)]
pub(crate) struct Malformed {
    path: PathBuf,
    choice: OnMalformed,
    rejected: Vec<Rejected>,
}

impl Malformed {
    pub(crate) fn new(path: &Path, choice: OnMalformed) -> Self {
        Self { path: path.to_owned(), choice, rejected: Vec::new() }
    }

    /// A record that cannot be read: an error, or set aside.
    pub(crate) fn record(&mut self, line: u64, message: impl Into<String>, text: &[u8]) -> Result<()> {
        match self.choice {
            OnMalformed::Fail => Err(self.at(line, format!("{}\n{MAY_BE_SET_ASIDE}", message.into()))),
            OnMalformed::SetAside => {
                self.rejected.push(Rejected { line, message: message.into(), text: String::from_utf8_lossy(text).into_owned(), key: None });
                Ok(())
            }
        }
    }

    /// What makes the rest of the file unreadable, whatever the user chose.
    pub(crate) fn at(&self, line: u64, message: impl Into<String>) -> Error {
        Error::Malformed { place: format!("{} line {line}", self.path.display()), message: message.into() }
    }

    pub(crate) fn take(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.rejected)
    }
}
