//! Apache Parquet, read by row groups.

use std::path::PathBuf;
use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use dataflow_core::{Error, Result};
use dataflow_core::storage::{FrameReader, Sink, Source};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    DataFrame, DataType, ParquetCompression, ParquetReader, ParquetWriter, SchemaRef, SerReader,
};

use super::columnar::{Gathered, conform, guarded, slices};
use super::{Compresses, FormatInfo};
use crate::input_file::InputFile;
use crate::whole_file::{SharedWriter, WholeFile};

pub(super) const INFO: FormatInfo = FormatInfo {
    name: "parquet",
    extensions: &["parquet", "pq"],
    compresses: Compresses::ByItself,
    source: |file, options| Ok(Arc::new(ParquetSource { file: Arc::new(file), wanted: options.schema.clone(), found: Mutex::new(None) })),
    sink: |file, compression, schema| {
        debug_assert_eq!(compression, crate::compression::Compression::None);
        if let Some((name, _)) = schema.iter().find(|(_, data_type)| holds_empty_object(data_type)) {
            let message = format!("column `{name}` holds objects without members, which parquet has no form for\nhint: write jsonl, json or arrow, or leave the column out");
            return Err(Error::Configuration(message));
        }
        let schema = schema.clone();
        let options = ParquetWriter::new(file.writer()).with_compression(ParquetCompression::Zstd(None)).with_row_group_size(Some(ROW_GROUP));
        let writer = guarded(|| options.batched(&schema)).map_err(|error| file.error(error))?;
        Ok(Box::new(ParquetSink { file, writer, gathered: Gathered::new(ROW_GROUP) }))
    },
};

fn holds_empty_object(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.is_empty() || fields.iter().any(|field| holds_empty_object(field.dtype())),
        DataType::List(inner) => holds_empty_object(inner),
        _ => false,
    }
}

/// Rows of a row group that is written: enough to compress well, and little enough to be read back in bounded memory.
const ROW_GROUP: usize = 16_384;

/// Rows that are decoded at once of a row group that somebody else has written.
const MOST_ROWS: usize = 131_072;

#[derive(Debug)]
struct ParquetSource {
    file: Arc<InputFile>,
    wanted: Option<SchemaRef>,
    found: Mutex<Option<Found>>,
}

/// What the file's footer says.
#[derive(Clone, Debug)]
struct Found {
    schema: SchemaRef,
    groups: Vec<usize>,
}

impl ParquetSource {
    fn found(&self) -> Result<Found> {
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = &*known {
            return Ok(found.clone());
        }
        let file = self.file.open_beginning(b"PAR1", "a Parquet file")?;
        let found = guarded(|| {
            let mut reader = ParquetReader::new(file.try_clone()?);
            let mut groups = Vec::new();
            for group in &reader.get_metadata()?.row_groups {
                groups.push(group.num_rows());
            }
            let schema = ParquetReader::new(file).with_slice(Some((0, 0))).finish()?.schema().clone();
            Ok(Found { schema, groups })
        });
        let found = found.map_err(|error| self.file.error(error))?;
        *known = Some(found.clone());
        Ok(found)
    }
}

impl Source for ParquetSource {
    fn schema(&self) -> Result<SchemaRef> {
        Ok(match &self.wanted {
            Some(wanted) => wanted.clone(),
            None => self.found()?.schema,
        })
    }

    fn rows(&self) -> Option<u64> {
        self.found().ok().map(|found| found.groups.iter().sum::<usize>() as u64)
    }

    fn fingerprint(&self) -> Result<String> {
        self.file.fingerprint()
    }

    fn open(&self, batch_rows: usize) -> Result<Box<dyn FrameReader>> {
        let mut parts = VecDeque::new();
        let mut begin = 0;
        for rows in self.found()?.groups {
            parts.extend((0..rows).step_by(MOST_ROWS).map(|at| (begin + at, MOST_ROWS.min(rows - at))));
            begin += rows;
        }
        let raw = self.file.open_raw()?;
        Ok(Box::new(Reader { file: self.file.clone(), raw, schema: self.schema()?, parts, ready: VecDeque::new(), batch_rows }))
    }
}

struct Reader {
    file: Arc<InputFile>,
    raw: File,
    schema: SchemaRef,
    parts: VecDeque<(usize, usize)>,
    ready: VecDeque<DataFrame>,
    batch_rows: usize,
}

impl FrameReader for Reader {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            let Some(part) = self.parts.pop_front() else { return Ok(None) };
            let frame = guarded(|| ParquetReader::new(self.raw.try_clone()?).with_slice(Some(part)).finish());
            let frame = conform(frame.map_err(|error| self.file.error(error))?, &self.schema, self.file.path())?;
            self.ready = slices(&frame, self.batch_rows);
        }
    }
}

struct ParquetSink {
    file: WholeFile,
    writer: BatchedWriter<SharedWriter>,
    gathered: Gathered,
}

impl ParquetSink {
    fn put(&mut self, frame: Option<DataFrame>) -> Result<()> {
        match frame {
            Some(frame) => guarded(|| self.writer.write_batch(&frame)).map_err(|error| self.file.error(error)),
            None => Ok(()),
        }
    }
}

impl Sink for ParquetSink {
    fn write(&mut self, frame: &DataFrame) -> Result<()> {
        let full = self.gathered.add(frame)?;
        self.put(full)
    }

    fn aside(&mut self) -> Option<PathBuf> {
        Some(self.file.aside())
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        let rest = self.gathered.take();
        self.put(rest)?;
        let Self { file, writer, .. } = *self;
        guarded(|| writer.finish()).map_err(|error| file.error(error))?;
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use crate::format::testing::{check_round_trips, read_frame, write};
    use polars::prelude::*;

    check_round_trips!("x.parquet", exact);

    #[test]
    fn rows_come_in_batches_over_row_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let frame = df!("n" => (0..40_000i64).collect::<Vec<_>>()).unwrap();
        write(&path, &[frame.slice(0, 15_000), frame.slice(15_000, 25_000)]);
        assert!(read_frame(&path, 3000).0.equals(&frame));
    }

    #[test]
    fn a_file_that_is_no_parquet_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        std::fs::write(&path, "PAR1 but no more").unwrap();
        let error = crate::source_at(&path, &crate::ReadOptions::default()).unwrap().schema().unwrap_err();
        assert!(error.to_string().contains("x.parquet"), "{error}");
    }
}
