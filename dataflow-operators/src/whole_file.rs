//! A file that is whole or not there.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use dataflow_core::{Error, Result};
use tempfile::NamedTempFile;

/// A file that appears under its name when it is finished.
pub(crate) struct WholeFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl WholeFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = std::fs::create_dir_all(folder).and_then(|()| NamedTempFile::new_in(folder));
        let file = file.map_err(|error| Error::storage(format!("cannot write {}", path.display()), error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::storage(format!("cannot write {}", self.path.display()), error))
    }

    pub(crate) fn finish(self) -> Result<()> {
        let failed = |error| Error::storage(format!("cannot write {}", self.path.display()), error);
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error)).map(drop)
    }
}
