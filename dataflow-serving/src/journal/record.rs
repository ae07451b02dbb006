//! The records of a segment: how they are written, read back, and found again behind damage.
//!
//! A record is a mark of four bytes, the length and the CRC-32 of what follows, and then: kind (1), microseconds since 1970 (8),
//! key (16), payload. Numbers are little-endian. The mark holds a byte that no UTF-8 text has, so that no reply looks like a record.

use std::fs::File;
use std::io;

use dataflow_core::journal::QuestionKey;

const MARK: [u8; 4] = [0xDF, 0xFF, b'j', 1];
/// Mark, length and checksum.
const PREFIX: usize = 12;
/// Kind, time and key.
const FIXED: usize = 25;
/// The longest record that is believed; a greater length is damage.
const LONGEST: usize = 256 << 20;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The payload is a reply as JSON.
    Reply = 1,
    /// Replies to the key from before are of no use.
    Forgotten = 2,
    /// The payload names segments whose content this one holds in their place, one a line.
    Supersedes = 3,
}

/// A record within a buffer.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub kind: Kind,
    pub time: u64,
    pub key: QuestionKey,
    pub payload: &'a [u8],
}

/// A record of its own.
#[derive(Debug)]
pub(super) struct OwnedRecord {
    pub kind: Kind,
    pub time: u64,
    pub key: QuestionKey,
    pub payload: Vec<u8>,
}

/// A record's bytes, whose time is set later.
pub(super) fn encode(kind: Kind, key: QuestionKey, payload: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(1024);
    bytes.extend(MARK);
    bytes.extend([0; PREFIX - 4]);
    bytes.push(kind as u8);
    bytes.extend([0; 8]);
    bytes.extend(key.0);
    payload(&mut bytes)?;
    let length = bytes.len() - PREFIX;
    if length > LONGEST {
        return Err(io::Error::other(format!("a reply of {length} bytes is too long for the journal")));
    }
    bytes[4..8].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// Sets the time of an encoded record, and its checksum.
pub(super) fn seal(bytes: &mut [u8], time: u64) {
    bytes[PREFIX + 1..PREFIX + 9].copy_from_slice(&time.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[PREFIX..]);
    bytes[8..PREFIX].copy_from_slice(&checksum.to_le_bytes());
}

enum Parsed<'a> {
    Whole(Record<'a>, usize),
    /// It needs so many bytes.
    Longer(usize),
    Damaged,
}

fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return if bytes.len() < 4 || bytes.starts_with(&MARK) { Parsed::Longer(PREFIX) } else { Parsed::Damaged };
    };
    let number = |at: usize| u32::from_le_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]);
    let length = number(4) as usize;
    if prefix[..4] != MARK || !(FIXED..=LONGEST).contains(&length) {
        return Parsed::Damaged;
    }
    let Some(content) = rest.get(..length) else { return Parsed::Longer(PREFIX + length) };
    if crc32fast::hash(content) != number(8) {
        return Parsed::Damaged;
    }
    let kind = match content[0] {
        1 => Kind::Reply,
        2 => Kind::Forgotten,
        3 => Kind::Supersedes,
        _ => return Parsed::Damaged,
    };
    let (mut time, mut key) = ([0; 8], [0; 16]);
    time.copy_from_slice(&content[1..9]);
    key.copy_from_slice(&content[9..FIXED]);
    Parsed::Whole(Record { kind, time: u64::from_le_bytes(time), key: QuestionKey(key), payload: &content[FIXED..] }, PREFIX + length)
}

/// The record at a place; `None` where there is no whole one.
pub(super) fn read_at(file: &File, offset: u64) -> io::Result<Option<OwnedRecord>> {
    let mut bytes = vec![0; 4096];
    let filled = fill_at(file, &mut bytes, offset)?;
    bytes.truncate(filled);
    if let Parsed::Longer(needed) = parse(&bytes) {
        let known = bytes.len();
        bytes.resize(needed.max(known), 0);
        let filled = fill_at(file, &mut bytes[known..], offset + known as u64)?;
        bytes.truncate(known + filled);
    }
    Ok(match parse(&bytes) {
        Parsed::Whole(record, _) => Some(OwnedRecord { kind: record.kind, time: record.time, key: record.key, payload: record.payload.to_vec() }),
        _ => None,
    })
}

/// How a segment's reading ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Where the last whole record ends.
    pub end: u64,
    /// Bytes between whole records that belong to none.
    pub damaged: u64,
}

/// Shows each whole record from a place on, with the place where it begins; damage is passed over.
pub(super) fn scan(file: &File, from: u64, mut visit: impl FnMut(u64, &Record<'_>)) -> io::Result<Scanned> {
    let mut scanned = Scanned { end: from, damaged: 0 };
    let (mut buffer, mut base, mut at) = (Vec::new(), from, 0); // `buffer` holds the file from `base` on; `at` is the place within it
    let mut at_end = false;
    loop {
        match parse(&buffer[at..]) {
            Parsed::Whole(record, length) => {
                let begin = base + at as u64;
                scanned.damaged += begin - scanned.end;
                visit(begin, &record);
                at += length;
                scanned.end = begin + length as u64;
            }
            Parsed::Longer(needed) if !at_end => {
                buffer.drain(..at);
                base += at as u64;
                at = 0;
                let known = buffer.len();
                let wanted = needed.max(CHUNK);
                buffer.resize(known + wanted, 0);
                let filled = fill_at(file, &mut buffer[known..], base + known as u64)?;
                buffer.truncate(known + filled);
                at_end = filled < wanted;
            }
            Parsed::Longer(_) if buffer.len() <= at => return Ok(scanned),
            // Also a record that claims to go beyond the end: its length may be what is damaged.
            Parsed::Longer(_) | Parsed::Damaged => {
                at += 1;
                at += buffer[at..].iter().position(|byte| *byte == MARK[0]).unwrap_or(buffer.len() - at);
            }
        }
    }
}

/// Fills a buffer from a place in a file, as far as the file goes.
fn fill_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while !buffer.is_empty() {
        match read_some_at(file, buffer, offset) {
            Ok(0) => break,
            Ok(count) => {
                filled += count;
                offset += count as u64;
                buffer = &mut buffer[count..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}
