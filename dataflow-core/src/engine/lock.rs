//! A file that keeps others away from files beside it while it is there and held.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock that is held, until it is dropped or the program ends, however that does.
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of a name; `None` where somebody else has it. Where a file system has no locks everybody has.
    pub fn take(path: PathBuf) -> io::Result<Option<Self>> {
        loop {
            let file = File::create(&path)?;
            if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                return Ok(None);
            }
            // Whoever had it may have removed it since it was opened here, and a third may have another of the name.
            if is_at(&file, &path) {
                return Ok(Some(Self { path, _file: file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // what stays is only clutter
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    file.metadata().map(place).is_ok_and(|held| path.metadata().map(place).is_ok_and(|there| there == held))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_has_it_at_a_time_and_it_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".x.lock");
        let lock = Lock::take(path.clone()).unwrap().unwrap();
        assert!(Lock::take(path.clone()).unwrap().is_none());
        drop(lock);
        assert!(!path.exists());
        let holders = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        if let Some(_lock) = Lock::take(path.clone()).unwrap() {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            holders.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
    }
}
