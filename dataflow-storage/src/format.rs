//! The file formats, and how one is told from a file's name.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use dataflow_core::registry::nearest;
use dataflow_core::storage::{Sink, Source};
use dataflow_core::{Error, Result};
use polars::prelude::{DataType, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::Separator;
use crate::compression::Compression;
use crate::input_file::InputFile;
use crate::whole_file::WholeFile;

mod columnar;
mod delimited;
#[cfg(test)]
mod testing;

/// What a format's file has to offer.
pub(crate) struct FormatInfo {
    name: &'static str,
    extensions: &'static [&'static str],
    compresses: Compresses,
    source: fn(InputFile, &ReadOptions) -> Result<Arc<dyn Source>>,
    sink: fn(WholeFile, Compression, &SchemaRef) -> Result<Box<dyn Sink>>,
}

/// Whether a format is text, which gzip and zstd may wrap, or compresses by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compresses {
    ByWrapping,
    ByItself,
}

macro_rules! formats {
    ($($(#[$doc:meta])* $module:ident $variant:ident,)*) => {
        $(mod $module;)*

        /// A file format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Format {
            $($(#[$doc])* $variant,)*
        }

        impl Format {
            /// All formats.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            fn info(self) -> &'static FormatInfo {
                match self { $(Self::$variant => &$module::INFO,)* }
            }
        }
    };
}

formats! {
    /// An array of objects.
    json Json,
    /// An object a line.
    jsonl Jsonl,
    /// Values separated by commas.
    csv Csv,
    /// Values separated by tabs.
    tsv Tsv,
    /// Apache Parquet.
    parquet Parquet,
    /// Apache Arrow's file format, also called Feather 2.
    arrow Arrow,
    /// An Excel workbook.
    xlsx Xlsx,
}

impl Format {
    /// The format's name in a pipeline file.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The format that a file's name tells; what follows as `.gz` or `.zst` is compression.
    pub fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let inner = Compression::of(path).strip(&name);
        let extension = inner.rsplit_once('.').map_or("", |(_, extension)| extension);
        Self::ALL.iter().copied().find(|format| format.info().extensions.contains(&extension)).ok_or_else(|| {
            Error::Configuration(format!(
                "the name of `{}` does not tell its format\nhint: say it with `format:` (an output's with `output_format:`), one of {}",
                path.display(),
                names()
            ))
        })
    }

    /// The format of a file, told by its name where it is not said, and how it is compressed.
    pub(crate) fn of_file(path: &Path, said: Option<Self>) -> Result<(Self, Compression)> {
        let format = said.map_or_else(|| Self::of(path), Ok)?;
        Ok((format, format.compression(path)?))
    }

    fn compression(self, path: &Path) -> Result<Compression> {
        let compression = Compression::of(path);
        if compression != Compression::None && self.info().compresses == Compresses::ByItself {
            return Err(Error::Configuration(format!(
                "`{}`: {} files are not wrapped in gzip or zstd\nhint: leave the last ending away; the format compresses by itself",
                path.display(),
                self.name(),
            )));
        }
        Ok(compression)
    }
}

fn names() -> String {
    Format::ALL.iter().map(|format| format!("`{}`", format.name())).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name).ok_or_else(|| {
            let nearest = nearest(name, Self::ALL.iter().map(|format| format.name()));
            let meant = nearest.map(|nearest| format!("did you mean `{nearest}`? ")).unwrap_or_default();
            Error::Configuration(format!("unknown format `{name}`\nhint: {meant}it is one of {}", names()))
        })
    }
}

impl Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What becomes of a record that its format does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMalformed {
    /// Reading fails, and the error names the line.
    #[default]
    Fail,
    /// The record is skipped and handed out by `take_rejected`.
    SetAside,
}

/// What the fields of one column of a text file are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// Text, as it stands.
    Text,
    /// 64-bit integers.
    Integer,
    /// 64-bit floating point numbers.
    Float,
    /// Truth values.
    Boolean,
}

impl ValueType {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::String,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
        }
    }
}

/// How a file is read, where its name and its content do not tell.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The format; by the file's name where this is `None`.
    pub format: Option<Format>,
    /// The sheet of a workbook; the first where this is `None`.
    pub sheet: Option<String>,
    /// What stands between the fields of a csv or tsv; a comma or a tab where this is `None`.
    pub separator: Option<Separator>,
    /// What becomes of a malformed record.
    pub on_malformed: OnMalformed,
    /// What some columns are read as.
    pub types: Vec<(String, ValueType)>,
    /// The columns and their types, exactly; nothing is inferred then, and a file without them is malformed.
    pub schema: Option<SchemaRef>,
}

impl ReadOptions {
    /// A text that differs where rows would be read differently.
    fn fingerprint(&self) -> String {
        let separator = self.separator.map(|separator| format!(" {separator}")).unwrap_or_default();
        format!("{:?} {:?} {:?} {:?}{separator}", self.format, self.sheet, self.on_malformed, self.types)
    }

    /// Puts the wanted types into an inferred schema; a name that is not there is an error.
    pub(crate) fn apply_types(&self, path: &Path, schema: &mut polars::prelude::Schema) -> Result<()> {
        for (name, value_type) in &self.types {
            if !schema.contains(name) {
                let meant = nearest(name, schema.iter_names().map(polars::prelude::PlSmallStr::as_str));
                let hint = meant.map(|name| format!("\nhint: did you mean `{name}`?")).unwrap_or_default();
                return Err(Error::Configuration(format!("`schema` names the column `{name}`, which `{}` does not have{hint}", path.display())));
            }
            schema.set_dtype(name, value_type.data_type());
        }
        Ok(())
    }
}

/// The rows of a file.
///
/// ```
/// use dataflow_storage::{ReadOptions, source_at};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("poems.jsonl");
/// std::fs::write(&path, "{\"title\": \"静夜思\", \"lines\": 4}\n")?;
/// let poems = source_at(&path, &ReadOptions::default())?;
/// assert_eq!(poems.schema()?.len(), 2);
/// let first = poems.open(100)?.next_frame()?.expect("one frame");
/// assert_eq!(first.height(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn source_at(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Arc<dyn Source>> {
    let path = path.as_ref();
    let (format, compression) = Format::of_file(path, options.format)?;
    let file = InputFile::find(path, compression, options.fingerprint())?;
    (format.info().source)(file, options)
}

/// A file to be written, whole or not at all; its format is told by its name where `format` is `None`.
pub fn sink_at(path: impl AsRef<Path>, format: Option<Format>, schema: &SchemaRef) -> Result<Box<dyn Sink>> {
    let path = path.as_ref();
    let (format, compression) = Format::of_file(path, format)?;
    (format.info().sink)(WholeFile::create(path)?, compression, schema)
}
