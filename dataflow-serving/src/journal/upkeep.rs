//! What the command line does with a journal: count it, write it out, clear it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use dataflow_core::journal::QuestionKey;
use dataflow_core::serving::Reply;
use dataflow_core::{Error, Result};
use serde::Serialize;
use serde_json::json;

use super::failed;
use super::index::{EXTENSION, Index, lock_folder, new_name, now, segment_names};
use super::record::{self, Kind, OwnedRecord};

/// What one model's replies come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelStats {
    /// Replies.
    pub entries: u64,
    /// Tokens of the questions.
    pub input_tokens: u64,
    /// Tokens of the replies.
    pub output_tokens: u64,
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Replies that can be had.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files.
    pub segments: u64,
    /// Questions whose reply was forgotten at some time.
    pub forgotten: u64,
    /// When the oldest reply came.
    pub oldest: Option<DateTime<Utc>>,
    /// When the newest reply came.
    pub newest: Option<DateTime<Utc>>,
    /// By the model that answered.
    pub models: BTreeMap<String, ModelStats>,
}

/// Counts what a journal holds. It may be in use.
pub fn stats(folder: &Path) -> Result<Stats> {
    let index = read(folder)?;
    let mut stats = Stats { forgotten: index.forgotten() as u64, ..Stats::default() };
    for name in segment_names(folder).map_err(reading(folder))? {
        stats.segments += 1;
        stats.bytes += folder.join(name).metadata().map_err(reading(folder))?.len();
    }
    each_reply(&index, |record, reply| {
        stats.entries += 1;
        let time = time_of(record.time);
        stats.oldest = Some(stats.oldest.map_or(time, |oldest| oldest.min(time)));
        stats.newest = Some(stats.newest.map_or(time, |newest| newest.max(time)));
        let model = stats.models.entry(reply.model).or_default();
        model.entries += 1;
        model.input_tokens += reply.usage.input_tokens;
        model.output_tokens += reply.usage.output_tokens;
        Ok(())
    })
    .map_err(reading(folder))?;
    Ok(stats)
}

/// Writes a journal out as JSON lines, oldest first: key, time, model, content, thinking, usage. It may be in use. Returns how many lines there are.
pub fn export(folder: &Path, mut output: impl Write) -> Result<u64> {
    let index = read(folder)?;
    let mut lines = 0;
    each_reply(&index, |record, reply| {
        let line = json!({
            "key": record.key.to_string(), "time": time_of(record.time).to_rfc3339_opts(SecondsFormat::Millis, true), "model": reply.model,
            "content": reply.content, "thinking": reply.thinking, "usage": reply.usage,
        });
        lines += 1;
        writeln!(output, "{line}")
    })
    .and_then(|()| output.flush())
    .map_err(reading(folder))?;
    Ok(lines)
}

/// Which replies a prune takes out; a reply goes where all that is given holds. With nothing given, only what is forgotten or double goes.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// Those that came longer ago.
    pub older_than: Option<Duration>,
    /// Those of this model.
    pub model: Option<String>,
}

impl PruneOptions {
    fn takes_out(&self, now: u64, record: &OwnedRecord, reply: &Reply) -> bool {
        let old = self.older_than.is_none_or(|age| u128::from(now.saturating_sub(record.time)) > age.as_micros());
        let of_model = self.model.as_ref().is_none_or(|model| &reply.model == model);
        (self.older_than.is_some() || self.model.is_some()) && old && of_model
    }
}

/// What a prune did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// Replies that stay.
    pub kept: u64,
    /// Replies that are gone.
    pub removed: u64,
    /// Bytes of all files before.
    pub bytes_before: u64,
    /// Bytes of all files now.
    pub bytes_after: u64,
}

/// Takes replies out of a journal, as a whole or not at all. Refused while the journal is open anywhere.
pub fn prune(folder: &Path, options: &PruneOptions) -> Result<PruneReport> {
    must_exist(folder)?;
    let lock = lock_folder(folder).map_err(reading(folder))?;
    if lock.try_lock().is_err() {
        return Err(Error::Configuration(format!("the journal `{}` is in use\nhint: wait for the run that uses it, or stop it", folder.display())));
    }
    prune_locked(folder, options).map_err(failed(format!("pruning `{}`", folder.display())))
}

fn prune_locked(folder: &Path, options: &PruneOptions) -> io::Result<PruneReport> {
    let mut index = Index::default();
    index.read_folder(folder, None)?;
    let old = segment_names(folder)?;
    let mut report = PruneReport::default();
    for name in &old {
        report.bytes_before += folder.join(name).metadata()?.len();
    }
    let unfinished = folder.join(new_name("tmp"));
    let result = write_kept(&unfinished, &index, &old, options, &mut report);
    if let Err(error) = result {
        std::fs::remove_file(&unfinished).ok();
        return Err(error);
    }
    // From here on the new segment stands for the old ones, whether or not they can be removed.
    let fresh = folder.join(new_name(EXTENSION));
    std::fs::rename(&unfinished, &fresh)?;
    if let Ok(folder) = File::open(folder) {
        folder.sync_all().ok(); // not every system can
    }
    for name in &old {
        std::fs::remove_file(folder.join(name)).ok();
    }
    report.bytes_after = fresh.metadata()?.len();
    Ok(report)
}

fn write_kept(path: &Path, index: &Index, old: &[String], options: &PruneOptions, report: &mut PruneReport) -> io::Result<()> {
    let now = now();
    let file = OpenOptions::new().create_new(true).write(true).open(path)?;
    let mut output = BufWriter::with_capacity(1 << 20, file);
    let write = |output: &mut BufWriter<File>, kind, key, time, payload: &[u8]| {
        let mut bytes = record::encode(kind, key, |bytes| bytes.write_all(payload))?;
        record::seal(&mut bytes, time);
        output.write_all(&bytes)
    };
    write(&mut output, Kind::Supersedes, QuestionKey([0; 16]), now, old.join("\n").as_bytes())?;
    each_reply(index, |record, reply| {
        if options.takes_out(now, record, &reply) {
            report.removed += 1;
            return Ok(());
        }
        report.kept += 1;
        write(&mut output, Kind::Reply, record.key, record.time, &record.payload)
    })?;
    output.into_inner()?.sync_all()
}

fn read(folder: &Path) -> Result<Index> {
    must_exist(folder)?;
    let mut index = Index::default();
    index.read_folder(folder, None).map_err(reading(folder))?;
    Ok(index)
}

fn must_exist(folder: &Path) -> Result<()> {
    if folder.is_dir() { Ok(()) } else { Err(Error::NotFound(format!("there is no journal `{}`", folder.display()))) }
}

/// Shows each reply that can be had, in the order of the files.
fn each_reply(index: &Index, mut visit: impl FnMut(&OwnedRecord, Reply) -> io::Result<()>) -> io::Result<()> {
    let mut places: Vec<_> = index.entries().collect();
    places.sort_unstable_by_key(|place| (place.segment(), place.offset()));
    for place in places {
        let Some(record) = record::read_at(&index.segments()[place.segment()].file, place.offset())? else { continue };
        if let Ok(reply) = serde_json::from_slice(&record.payload) {
            visit(&record, reply)?;
        }
    }
    Ok(())
}

fn time_of(microseconds: u64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(microseconds as i64).unwrap_or_default()
}

fn reading(folder: &Path) -> impl FnOnce(io::Error) -> Error {
    failed(format!("reading `{}`", folder.display()))
}
