//! The commands, a file each.

pub mod check;
pub mod describe;
pub mod graph;
pub mod journal;
pub mod new;
pub mod run;

use std::io::Write;
use std::path::Path;

use dataflow::{Error, Result};

/// Writes what was asked for to a file, or to stdout.
fn give(content: &[u8], to: Option<&Path>) -> Result<()> {
    if let Some(path) = to {
        return std::fs::write(path, content).map_err(|error| Error::storage(format!("cannot write {}", path.display()), error));
    }
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(content).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::storage("cannot write to stdout", error)),
        _ => Ok(()),
    }
}
