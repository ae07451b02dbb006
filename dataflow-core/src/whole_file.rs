//! A file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::error::{Error, Result};

const SUFFIX: &str = ".unfinished";

/// The longest name of a file to which endings are added, such as that of the temporary file: file systems take 255 bytes in all.
pub const MOST_BYTES_OF_NAME: usize = 200;

/// What is wrong with the name of a file of JSON that is written as plain text: its ending tells of something else.
pub fn told_of_name(what: &str, path: &Path) -> Option<String> {
    const OTHERS: [&str; 8] = ["gz", "zst", "csv", "tsv", "parquet", "arrow", "feather", "xlsx"];
    let ending = path.extension()?.to_str().filter(|ending| OTHERS.iter().any(|other| ending.eq_ignore_ascii_case(other)))?;
    let shown = path.display();
    Some(format!("{what} is written as plain JSON, and `{shown}` ends in `.{ending}`\nhint: give it a name that ends in `.jsonl` or `.json`"))
}

/// A file under a temporary name in its folder; [`commit`](Self::commit) gives it its name, dropping it removes it.
///
/// A symbolic link stays, and the file that it leads to is written. What is no file, such as `/dev/stdout` or a named pipe, is written as it comes.
pub struct WholeFile {
    path: PathBuf,
    temporary: Option<TempPath>,
    file: BufWriter<File>,
}

impl WholeFile {
    /// Begins a file that will be at `path`; its folders are made.
    pub fn create(path: &Path) -> Result<Self> {
        let doing = |error: io::Error| Error::storage(format!("creating `{}`", path.display()), error);
        if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let file = File::options().write(true).open(path).map_err(doing)?;
            return Ok(Self { path: path.to_owned(), temporary: None, file: BufWriter::with_capacity(1 << 18, file) });
        }
        let path = &led_to(path);
        let folder = folder_of(path);
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Err(Error::Configuration(format!("`{}` is not the name of a file", path.display())));
        };
        check_no_folder(path)?;
        fs::create_dir_all(folder).map_err(doing)?;
        let prefix = format!(".{name}.");
        remove_orphans(folder, &prefix);
        let (file, temporary) = temporary_in(folder, &prefix).map_err(doing)?.into_parts();
        let _ = file.try_lock(); // only tells `remove_orphans` of a later run that this one is alive; some file systems have no locks
        Ok(Self { path: path.to_owned(), temporary: Some(temporary), file: BufWriter::with_capacity(1 << 18, file) })
    }

    /// Writes on; an error names the path.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::storage(format!("writing `{}`", self.path.display()), error))
    }

    /// Gives the file another name to appear under.
    pub fn rename(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Makes the file visible, durably.
    pub fn commit(self) -> Result<()> {
        let Self { path, temporary, mut file } = self;
        let doing = |error: io::Error| Error::storage(format!("writing `{}`", path.display()), error);
        file.flush().map_err(doing)?;
        let Some(temporary) = temporary else { return Ok(()) };
        file.get_ref().sync_all().map_err(doing)?;
        temporary.persist(&path).map_err(|error| doing(error.error))?;
        sync_folder(folder_of(&path)).map_err(doing)
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Refuses a path where no file can be, since a folder is there.
pub(crate) fn check_no_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::Configuration(format!("`{}` is a folder, and a file should be written there", path.display())));
    }
    Ok(())
}

/// Writes a small file whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = WholeFile::create(path)?;
    file.append(bytes)?;
    file.commit()
}

/// The path that a symbolic link leads to, or the path itself.
pub(crate) fn led_to(path: &Path) -> PathBuf {
    match fs::read_link(path) {
        Ok(target) => path.canonicalize().unwrap_or_else(|_| folder_of(path).join(target)),
        Err(_) => path.to_owned(),
    }
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
        let mut file = WholeFile::create(&path).unwrap();
        file.append(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);

        write(&path, b"whole").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_tells_of_another_format_is_told() {
        let told = |path: &str| told_of_name("the report", Path::new(path));
        for path in ["x.jsonl.gz", "x.json.ZST", "x.csv"] {
            assert!(told(path).is_some_and(|told| told.starts_with("the report is written as plain JSON, and `x.")), "{path}");
        }
        for path in ["x.jsonl", "x.json", "x.txt", "x", ".gz", "/dev/stderr"] {
            assert_eq!(told(path), None, "{path}");
        }
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

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link.txt"), folder.path().join("target.txt"));
        std::os::unix::fs::symlink("target.txt", &link).unwrap();
        for text in ["first", "second"] {
            write(&link, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
        }
        assert!(link.is_symlink());
        let device = folder.path().join("device");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        write(&device, b"gone").unwrap();
        assert!(device.is_symlink() && !Path::new("/dev/null").metadata().unwrap().is_file());
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let Err(error) = WholeFile::create(&folder.path().join("file/x.txt")) else { panic!("made a folder in a file") };
        assert!(error.to_string().contains("file/x.txt"), "{error}");
    }
}
