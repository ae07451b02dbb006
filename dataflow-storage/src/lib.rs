//! Where rows come from and where they go: files of seven formats, one module each under [`mod@format`].
//!
//! [`FileStorage`] is what a pipeline uses. [`source_at`] and [`sink_at`] read and write a single file. A [`table::Table`] is read where something is to be done, and written back in place.

mod column_builder;
mod column_text;
mod compression;
mod file_storage;
pub mod format;
mod inferred_type;
mod input_file;
mod json_rows;
mod scalar_text;
mod separator;
pub mod table;
mod whole_file;

pub use file_storage::{CacheType, FileStorage};
pub use format::{Format, OnMalformed, ReadOptions, ValueType, sink_at, source_at};
pub use separator::Separator;
