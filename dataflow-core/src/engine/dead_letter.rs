//! Rows that failed, each told in a line of `<name>_errors.jsonl`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::row::root_of;

/// One failed row, or one record of the source that is malformed (its step is 0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The row's identity; for a malformed record, its line in the source.
    pub row: String,
    /// What the row is known by in its source, where that tells it better: a database's key, a row of a sheet, a line of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// The step's number.
    pub step: usize,
    /// The step's name.
    pub name: String,
    /// The operator.
    pub operator: String,
    /// The class of the error.
    pub class: String,
    /// What happened.
    pub message: String,
}

/// Where a pipeline's dead letters are.
pub(crate) fn path_of(work_path: &Path, pipeline: &str) -> PathBuf {
    work_path.join(format!("{pipeline}_errors.jsonl"))
}

/// The source rows that failed in the run before.
pub(crate) fn failed_roots(path: &Path) -> Result<HashSet<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(Error::storage(format!("cannot read {}", path.display()), error)),
    };
    let mut roots = HashSet::new();
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| Error::storage(format!("cannot read {}", path.display()), error))?;
        let letter: DeadLetter = serde_json::from_str(&line)
            .map_err(|error| Error::Malformed { place: format!("{} line {}", path.display(), index + 1), message: error.to_string() })?;
        if letter.step > 0 {
            roots.insert(root_of(&letter.row).to_owned());
        }
    }
    Ok(roots)
}

/// Takes failed rows as they come. The file is there from the first one on.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    path: PathBuf,
    file: Mutex<Option<BufWriter<File>>>,
}

impl DeadLetters {
    /// Begins a run: what an earlier run left is removed.
    pub fn begin(path: PathBuf) -> Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::storage(format!("cannot remove {}", path.display()), error)),
            _ => Ok(Self { path, file: Mutex::new(None) }),
        }
    }

    pub fn push(&self, letter: &DeadLetter) -> Result<()> {
        let failed = |error: std::io::Error| Error::storage(format!("cannot write {}", self.path.display()), error);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = if let Some(writer) = &mut *file {
            writer
        } else {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            file.insert(BufWriter::new(File::create(&self.path).map_err(failed)?))
        };
        serde_json::to_writer(&mut *writer, letter).map_err(|error| failed(error.into()))?;
        writer.write_all(b"\n").and_then(|()| writer.flush()).map_err(failed)
    }

    /// The file's path, if a row failed.
    pub fn written(&self) -> Option<PathBuf> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).is_some().then(|| self.path.clone())
    }
}
