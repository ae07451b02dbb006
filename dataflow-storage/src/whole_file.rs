//! A file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use dataflow_core::{Error, Result};
use tempfile::NamedTempFile;

use crate::compression::Compression;

const SUFFIX: &str = ".unfinished";

/// A file under a temporary name in its folder; [`commit`](Self::commit) gives it its name, dropping it removes it.
pub(crate) struct WholeFile {
    path: PathBuf,
    temporary: NamedTempFile,
    writer: SharedWriter,
}

/// A buffered writer of the temporary file. It is shared because some libraries keep the writer that they are given.
#[derive(Clone)]
pub(crate) struct SharedWriter(Arc<Mutex<BufWriter<File>>>);

impl Write for SharedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl WholeFile {
    /// Begins a file that will be at `path`; its folders are made.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let doing = |error: io::Error| Error::storage(format!("creating `{}`", path.display()), error);
        let folder = folder_of(path);
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Err(Error::Configuration(format!("`{}` is not the name of a file", path.display())));
        };
        if path.is_dir() {
            return Err(Error::Configuration(format!("`{}` is a folder, and a file should be written there", path.display())));
        }
        fs::create_dir_all(folder).map_err(doing)?;
        let prefix = format!(".{name}.");
        remove_orphans(folder, &prefix);
        let temporary = temporary_in(folder, &prefix).map_err(doing)?;
        let _ = temporary.as_file().try_lock(); // only tells `remove_orphans` of a later run that this one is alive; some file systems have no locks
        let file = temporary.as_file().try_clone().map_err(doing)?;
        let writer = SharedWriter(Arc::new(Mutex::new(BufWriter::with_capacity(1 << 18, file))));
        Ok(Self { path: path.to_owned(), temporary, writer })
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
        self.path.clone()
    }

    /// Makes the file visible, durably.
    pub(crate) fn commit(self) -> Result<()> {
        let path = self.path;
        let doing = |error: io::Error| Error::storage(format!("writing `{}`", path.display()), error);
        self.writer.0.lock().unwrap_or_else(PoisonError::into_inner).flush().map_err(doing)?;
        self.temporary.as_file().sync_all().map_err(doing)?;
        self.temporary.persist(&path).map_err(|error| doing(error.error))?;
        let _ = fs::remove_file(partial(&path)); // what a stopped run left has been overtaken; most often there is none
        sync_folder(folder_of(&path)).map_err(doing)
    }
}

/// `answers.partial.jsonl.gz` for `answers.jsonl.gz`.
fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let inner = Compression::of(path).strip(&name);
    let stem = inner.rsplit_once('.').map_or(inner, |(stem, _)| stem);
    path.with_file_name(format!("{stem}.partial{}", &name[stem.len()..]))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary_in(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666)); // the umask applies, as for every other file
    }
    builder.tempfile_in(folder)
}

/// Removes what a killed run left of the same file: a temporary file that no process has locked.
fn remove_orphans(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(prefix) && name.ends_with(SUFFIX) && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path()); // what stays is only clutter
        }
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_after_commit_and_nothing_is_there_without() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/数据.txt");
        let file = WholeFile::create(&path).unwrap();
        file.writer().write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);

        let file = WholeFile::create(&path).unwrap();
        file.writer().write_all(b"whole").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_a_living_run_is_not_disturbed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        fs::write(folder.path().join(".x.txt.abc.unfinished"), "orphan").unwrap();
        let first = WholeFile::create(&path).unwrap();
        let second = WholeFile::create(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        first.commit().unwrap();
        second.commit().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let Err(error) = WholeFile::create(&folder.path().join("file/x.txt")) else { panic!("made a folder in a file") };
        assert!(error.to_string().contains("file/x.txt"), "{error}");
    }
}
