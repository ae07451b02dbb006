//! gzip and zstd around the text formats.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// What wraps a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// What a file's name tells.
    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().map(std::ffi::OsStr::to_ascii_lowercase) {
            Some(extension) if extension == "gz" => Self::Gzip,
            Some(extension) if extension == "zst" => Self::Zstd,
            _ => Self::None,
        }
    }

    /// A file's name without the ending that told the compression.
    pub(crate) fn strip(self, name: &str) -> &str {
        match self {
            Self::None => name,
            Self::Gzip | Self::Zstd => name.rsplit_once('.').map_or(name, |(inner, _)| inner),
        }
    }

    /// Unwraps what is read.
    pub(crate) fn reader(self, raw: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::None => Box::new(raw),
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, raw))), // several members are one text
            Self::Zstd => Box::new(zstd::Decoder::new(raw)?),
        })
    }

    /// Wraps what is written.
    pub(crate) fn writer<W: Write>(self, raw: W) -> io::Result<Compressed<W>> {
        Ok(match self {
            Self::None => Compressed::None(raw),
            Self::Gzip => Compressed::Gzip(Box::new(GzEncoder::new(raw, flate2::Compression::default()))),
            Self::Zstd => Compressed::Zstd(Box::new(zstd::Encoder::new(raw, zstd::DEFAULT_COMPRESSION_LEVEL)?)),
        })
    }
}

/// A writer that compresses.
pub(crate) enum Compressed<W: Write> {
    None(W),
    Gzip(Box<GzEncoder<W>>),
    Zstd(Box<zstd::Encoder<'static, W>>),
}

impl<W: Write> Compressed<W> {
    /// Writes the end of the compressed text.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::None(raw) => Ok(raw),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(raw) => raw.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(raw) => raw.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}
