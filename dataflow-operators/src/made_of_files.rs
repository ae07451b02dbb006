//! What is made of files, such as lists of words: once for all steps, and anew where a file has changed when a pipeline compiles.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// What one function made of files, by what it was made with and by their paths.
pub(crate) struct MadeOfFiles<T, With = ()> {
    made: RwLock<BTreeMap<With, BTreeMap<PathBuf, Made<T>>>>,
    make: fn(&Path, With) -> Result<T, String>,
}

struct Made<T> {
    made: Arc<T>,
    /// The file as it was just before.
    state: Option<State>,
}

/// Length, time of the last change, and what the file system knows of it beside those, which tell whether a file has changed.
type State = (u64, Option<SystemTime>, (u64, i64, i64));

fn state(path: &Path) -> Option<State> {
    path.metadata().ok().map(|metadata| (metadata.len(), metadata.modified().ok(), inode(&metadata)))
}

/// Which file it is, and when that was last written: a time of change that was set back hides neither.
#[cfg(unix)]
fn inode(metadata: &Metadata) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, i64, i64) {
    (0, 0, 0)
}

impl<T, With: Copy + Ord> MadeOfFiles<T, With> {
    pub(crate) const fn by(make: fn(&Path, With) -> Result<T, String>) -> Self {
        Self { made: RwLock::new(BTreeMap::new()), make }
    }

    /// What was made of a file when it was last looked at, also where that has changed or is gone since: rows are many, and those of one run go by the same.
    pub(crate) fn known(&self, path: &Path, with: With) -> Result<Arc<T>, String> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let known = made.get(&with).and_then(|files| files.get(path)).map(|known| Arc::clone(&known.made));
        drop(made);
        known.map_or_else(|| self.as_it_is(path, with), Ok)
    }

    /// What a file makes now.
    pub(crate) fn as_it_is(&self, path: &Path, with: With) -> Result<Arc<T>, String> {
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        let state = state(path);
        let files = made.entry(with).or_default();
        if let Some(known) = files.get(path).filter(|known| state.is_some() && known.state == state) {
            return Ok(Arc::clone(&known.made));
        }
        let made = Arc::new((self.make)(path, with)?);
        files.insert(path.to_owned(), Made { made: Arc::clone(&made), state });
        Ok(made)
    }

    /// What is wrong with a file that a parameter names, as it is now.
    pub(crate) fn problem(&self, parameter: &str, path: &Path, with: With) -> Option<String> {
        self.as_it_is(path, with).err().map(|error| format!("`{parameter}`: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_until_it_has_changed_when_it_is_looked_at() {
        static TEXTS: MadeOfFiles<String, usize> = MadeOfFiles::by(|path, times| {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            if text.is_empty() { Err("it is empty".into()) } else { Ok(text.repeat(times)) }
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        let known = |times| TEXTS.known(&path, times).map(|text| (*text).clone());
        assert!(known(1).is_err(), "what is not there is looked for again");
        std::fs::write(&path, "one").unwrap();
        assert_eq!([known(1), known(2)], [Ok("one".into()), Ok("oneone".into())]);
        assert!(Arc::ptr_eq(&TEXTS.known(&path, 1).unwrap(), &TEXTS.as_it_is(&path, 1).unwrap()), "steps share it");
        std::fs::write(&path, "two and more").unwrap();
        assert_eq!(known(1), Ok("one".into()), "while a run goes on");
        assert_eq!(TEXTS.problem("list", &path, 1), None);
        assert_eq!([known(1), known(2)], [Ok("two and more".into()), Ok("oneone".into())]);
        std::fs::write(&path, "").unwrap();
        assert_eq!(TEXTS.problem("list", &path, 1).as_deref(), Some("`list`: it is empty"));
        std::fs::remove_file(&path).unwrap();
        assert!(TEXTS.as_it_is(&path, 1).is_err(), "when a pipeline compiles");
        assert_eq!(known(1), Ok("two and more".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_the_same_length_and_time_is_told_from_the_one_before() {
        static TEXTS: MadeOfFiles<String> = MadeOfFiles::by(|path, ()| std::fs::read_to_string(path).map_err(|error| error.to_string()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        let read = || TEXTS.as_it_is(&path, ()).map(|text| (*text).clone());
        std::fs::write(&path, "one").unwrap();
        let (time, before) = (path.metadata().unwrap().modified().unwrap(), read());
        let other = folder.path().join("other.txt");
        std::fs::write(&other, "two").unwrap();
        std::fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!((before, read()), (Ok("one".into()), Ok("two".into())));
    }
}
