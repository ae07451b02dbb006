//! DataFlow's vocabulary and engine.
//!
//! Operators, keys, prompts, the serving and storage traits, the registry; and the way from a pipeline to a graph to a run.
//! There is no HTTP here, no SQL, no file format and no terminal.

extern crate self as dataflow_core; // the attributes name this crate so, here as everywhere

pub mod cell;
pub mod configuration;
pub mod docs;
pub mod engine;
mod error;
pub mod example;
pub mod graph;
mod guarded;
pub mod journal;
pub mod key;
pub mod model;
pub mod operator;
pub mod pipeline;
pub mod prompt;
pub mod registry;
pub mod reply;
pub mod row;
pub mod serving;
pub mod shape;
pub mod storage;
#[doc(hidden)]
pub mod testing;
pub mod variables;
pub mod whole_file;

pub use cell::{Cell, Cells};
pub use dataflow_macros::{operator, prompt};
pub use engine::{Report, Run, RunFrom, RunOutcome, Stop};
pub use error::{Error, Result};
pub use minijinja::context;
pub use pipeline::{CompiledPipeline, OnError, Pipeline};

/// What the attributes' output names; not for use by hand.
#[doc(hidden)]
pub mod private {
    pub use {inventory, minijinja, polars, schemars, serde, serde_json};
}
