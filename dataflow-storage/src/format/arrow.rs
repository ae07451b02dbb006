//! Apache Arrow's file format, read by record batches.

use std::path::PathBuf;
use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::sync::{Arc, Mutex, PoisonError};

use dataflow_core::Result;
use dataflow_core::storage::{FrameReader, Sink, Source};
use polars::prelude::*;
use polars_arrow::io::ipc::read::{FileReader, get_row_count, read_file_metadata};
use polars_arrow::io::ipc::write::{Compression, FileWriter, WriteOptions};

use super::columnar::{Gathered, conform, guarded, slices};
use super::{Compresses, FormatInfo};
use crate::input_file::InputFile;
use crate::whole_file::{SharedWriter, WholeFile};

pub(super) const INFO: FormatInfo = FormatInfo {
    name: "arrow",
    extensions: &["arrow", "feather", "ipc"],
    compresses: Compresses::ByItself,
    source: |file, options| Ok(Arc::new(ArrowSource { file: Arc::new(file), wanted: options.schema.clone(), found: Mutex::new(None) })),
    sink: |file, _, schema| {
        let options = WriteOptions { compression: Some(Compression::LZ4) };
        let mut writer = FileWriter::new(file.writer(), Arc::new(schema.to_arrow(CompatLevel::newest())), None, options);
        guarded(|| writer.start()).map_err(|error| file.error(error))?;
        Ok(Box::new(ArrowSink { file, writer, gathered: Gathered::new(RECORD_BATCH) }))
    },
};

/// Rows of a record batch that is written.
const RECORD_BATCH: usize = 16_384;

#[derive(Debug)]
struct ArrowSource {
    file: Arc<InputFile>,
    wanted: Option<SchemaRef>,
    found: Mutex<Option<(SchemaRef, u64)>>,
}

impl ArrowSource {
    fn found(&self) -> Result<(SchemaRef, u64)> {
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = &*known {
            return Ok(found.clone());
        }
        let mut file = self.file.open_beginning(b"ARROW1", "an Arrow file")?;
        let found = guarded(|| {
            let schema = IpcReader::new(file.try_clone()?).with_n_rows(Some(0)).finish()?.schema().clone();
            Ok((schema, get_row_count(&mut file)? as u64))
        });
        let found = found.map_err(|error| self.file.error(error))?;
        *known = Some(found.clone());
        Ok(found)
    }
}

impl Source for ArrowSource {
    fn schema(&self) -> Result<SchemaRef> {
        Ok(match &self.wanted {
            Some(wanted) => wanted.clone(),
            None => self.found()?.0,
        })
    }

    fn rows(&self) -> Option<u64> {
        self.found().ok().map(|(_, rows)| rows)
    }

    fn fingerprint(&self) -> Result<String> {
        self.file.fingerprint()
    }

    fn open(&self, batch_rows: usize) -> Result<Box<dyn FrameReader>> {
        let mut raw = BufReader::new(self.file.open_raw()?);
        let batches = guarded(|| {
            let metadata = read_file_metadata(&mut raw)?;
            Ok(FileReader::new(raw, metadata, None, None))
        });
        let batches = batches.map_err(|error| self.file.error(error))?;
        Ok(Box::new(Reader { file: self.file.clone(), batches, schema: self.schema()?, ready: VecDeque::new(), batch_rows }))
    }
}

struct Reader {
    file: Arc<InputFile>,
    batches: FileReader<BufReader<File>>,
    schema: SchemaRef,
    ready: VecDeque<DataFrame>,
    batch_rows: usize,
}

impl FrameReader for Reader {
    fn next_frame(&mut self) -> Result<Option<DataFrame>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            let batch = guarded(|| self.batches.next().transpose().map(|batch| batch.map(DataFrame::from)));
            let Some(frame) = batch.map_err(|error| self.file.error(error))? else { return Ok(None) };
            let frame = conform(frame, &self.schema, self.file.path())?;
            self.ready = slices(&frame, self.batch_rows);
        }
    }
}

struct ArrowSink {
    file: WholeFile,
    writer: FileWriter<SharedWriter>,
    gathered: Gathered,
}

impl ArrowSink {
    fn put(&mut self, frame: Option<DataFrame>) -> Result<()> {
        let Some(frame) = frame else { return Ok(()) };
        let written = guarded(|| frame.iter_chunks(CompatLevel::newest(), false).try_for_each(|batch| self.writer.write(&batch, None)));
        written.map_err(|error| self.file.error(error))
    }
}

impl Sink for ArrowSink {
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
        let Self { file, mut writer, .. } = *self;
        guarded(|| writer.finish()).map_err(|error| file.error(error))?;
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use crate::format::testing::{check_round_trips, read_frame, write};
    use polars::prelude::*;

    check_round_trips!("x.arrow", exact);

    #[test]
    fn rows_come_in_batches_over_record_batches() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.arrow");
        let frame = df!("n" => (0..40_000i64).collect::<Vec<_>>()).unwrap();
        write(&path, &[frame.slice(0, 15_000), frame.slice(15_000, 25_000)]);
        assert!(read_frame(&path, 3000).0.equals(&frame));
    }

    #[test]
    fn a_file_that_is_no_arrow_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.arrow");
        std::fs::write(&path, "ARROW1 but no more").unwrap();
        let error = crate::source_at(&path, &crate::ReadOptions::default()).unwrap().schema().unwrap_err();
        assert!(error.to_string().contains("x.arrow"), "{error}");
    }
}
