//! A file that is whole or not there, and the pairs of repeated rows in one.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use dataflow_core::{Error, Result};
use serde_json::json;
use tempfile::NamedTempFile;

/// A file that appears under its name when it is finished.
pub(super) struct WholeFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl WholeFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = std::fs::create_dir_all(folder).and_then(|()| NamedTempFile::new_in(folder));
        let file = file.map_err(|error| Error::storage(format!("cannot write {}", path.display()), error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::storage(format!("cannot write {}", self.path.display()), error))
    }

    pub(super) fn finish(self) -> Result<()> {
        let failed = |error| Error::storage(format!("cannot write {}", self.path.display()), error);
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error)).map(drop)
    }
}

/// The pairs that were found: the row that goes, the row that it repeats, and how alike they are.
pub(super) struct Pairs(WholeFile);

impl Pairs {
    pub(super) fn create(path: &Path) -> Result<Self> {
        WholeFile::create(path).map(Self)
    }

    pub(super) fn push(&mut self, row: &str, repeats: &str, similarity: Option<f64>) -> Result<()> {
        self.0.write(format!("{}\n", json!({ "row": row, "repeats": repeats, "similarity": similarity })).as_bytes())
    }

    pub(super) fn finish(self) -> Result<()> {
        self.0.finish()
    }
}
