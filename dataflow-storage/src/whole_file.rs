//! A sink's file: whole or not there, compressed or not, and under another name where a run was stopped.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow_core::{Error, Result, whole_file};

use crate::compression::Compression;

/// A file that [`commit`](Self::commit) makes visible.
pub(crate) struct WholeFile {
    path: PathBuf,
    writer: SharedWriter,
}

/// Writes to the file. It is shared because some libraries keep the writer that they are given.
#[derive(Clone)]
pub(crate) struct SharedWriter(Arc<Mutex<Option<whole_file::WholeFile>>>);

impl SharedWriter {
    fn file(&self) -> MutexGuard<'_, Option<whole_file::WholeFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for SharedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().as_mut().map_or_else(|| Err(finished()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().as_mut().map_or(Ok(()), Write::flush)
    }
}

fn finished() -> io::Error {
    io::Error::other("the file is finished already")
}

impl WholeFile {
    /// Begins a file that will be at `path`; its folders are made.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = whole_file::WholeFile::create(path)?;
        Ok(Self { path: path.to_owned(), writer: SharedWriter(Arc::new(Mutex::new(Some(file)))) })
    }

    /// Where to write.
    pub(crate) fn writer(&self) -> SharedWriter {
        self.writer.clone()
    }

    /// The final path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error of writing, with the path.
    pub(crate) fn error(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::storage(format!("writing `{}`", self.path.display()), source)
    }

    /// Gives the file another name to appear under, which says that it is not all: `answers.partial.jsonl.gz` for `answers.jsonl.gz`.
    pub(crate) fn aside(&mut self) -> PathBuf {
        self.path = partial(&self.path);
        if let Some(file) = &mut *self.writer.file() {
            file.rename(self.path.clone());
        }
        self.path.clone()
    }

    /// Makes the file visible, durably.
    pub(crate) fn commit(self) -> Result<()> {
        let file = self.writer.file().take().ok_or_else(|| self.error(finished()))?;
        file.commit()?;
        let _ = fs::remove_file(partial(&self.path)); // what a stopped run left has been overtaken; most often there is none
        Ok(())
    }
}

/// `answers.partial.jsonl.gz` for `answers.jsonl.gz`.
fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let inner = Compression::of(path).strip(&name);
    let stem = inner.rsplit_once('.').map_or(inner, |(stem, _)| stem);
    path.with_file_name(format!("{stem}.partial{}", &name[stem.len()..]))
}
