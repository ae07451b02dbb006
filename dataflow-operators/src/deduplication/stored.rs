//! What pairs of rows are compared by, texts or signatures, in a temporary file, so that memory holds eight bytes for each.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use dataflow_core::{Error, Result};

/// How many bytes are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// Pieces of bytes, by their number.
pub(super) struct Stored {
    file: File,
    written: u64,
    gathered: Vec<u8>,
    starts: Vec<u64>,
}

impl Stored {
    pub(super) fn create() -> Result<Self> {
        let file = tempfile::tempfile().map_err(|error| Error::storage("cannot make a temporary file for what rows are compared by", error))?;
        Ok(Self { file, written: 0, gathered: Vec::new(), starts: Vec::new() })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.starts.push(self.end());
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHERED {
            let written = self.file.seek(SeekFrom::Start(self.written)).and_then(|_| self.file.write_all(&self.gathered));
            written.map_err(|error| Error::storage("cannot write to the temporary file of what rows are compared by", error))?;
            self.written += self.gathered.len() as u64;
            self.gathered.clear();
        }
        Ok(())
    }

    pub(super) fn get(&mut self, number: usize) -> Result<Option<Vec<u8>>> {
        let Some(start) = self.starts.get(number).copied() else { return Ok(None) };
        let end = self.starts.get(number + 1).copied().unwrap_or_else(|| self.end());
        let bytes = if start >= self.written {
            self.gathered[(start - self.written) as usize..(end - self.written) as usize].to_vec()
        } else {
            let mut bytes = vec![0; (end - start) as usize];
            let read = self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.read_exact(&mut bytes));
            read.map_err(|error| Error::storage("cannot read from the temporary file of what rows are compared by", error))?;
            bytes
        };
        Ok(Some(bytes))
    }

    fn end(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_from_memory_and_from_the_file() {
        let mut pieces = Stored::create().unwrap();
        let of = |number: usize| format!("{number} 文{}", "x".repeat(number % 3000)).into_bytes();
        for number in 0..2000 {
            pieces.push(&of(number)).unwrap();
            assert_eq!(pieces.get(number).unwrap(), Some(of(number)));
        }
        assert!(pieces.written > 0 && !pieces.gathered.is_empty(), "some are in the file and some are not");
        for number in (0..2000).rev() {
            assert_eq!(pieces.get(number).unwrap(), Some(of(number)));
        }
        assert_eq!(pieces.get(2000).unwrap(), None);
    }
}
