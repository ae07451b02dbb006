//! DataFlow prepares data for language models: tables flow through operators that generate, evaluate, filter and refine rows.
//!
//! A pipeline is written in Rust or in YAML, compiled into a graph whose keys are checked before a row is read, and run with
//! every model call paid for once.
//!
//! ```no_run
//! use dataflow::prelude::*;
//! use dataflow::operators::core_text::PromptedGenerator;
//!
//! # async fn run() -> dataflow::Result<()> {
//! let storage = FileStorage::open("example_data/core_text/translate.jsonl")?;
//! let mut pipeline = Pipeline::new("translate", storage);
//! pipeline.serving("default", EnvServing::new());
//! pipeline.step(PromptedGenerator { system_prompt: "Translate into Chinese.".into(), output_key: "content_zh".into(), ..Default::default() });
//! let compiled = pipeline.compile()?;
//! println!("{}", compiled.forward(Run::default()).await?);
//! # Ok(())
//! # }
//! ```

pub mod command_line;
pub mod graph_page;
pub mod pipeline_file;
pub mod prelude;
pub mod process;
pub mod terminal;
mod yaml;

pub use dataflow_core as core;
pub use dataflow_core::{Cell, Cells, CompiledPipeline, Error, OnError, Pipeline, Report, Result, Run, RunFrom, RunOutcome, Stop, context, operator, prompt};
pub use dataflow_operators as operators;
pub use dataflow_serving as serving;
pub use dataflow_storage as storage;

use graph_page::{GraphPage, ServedGraph};

/// Shows a compiled pipeline's graph.
pub trait DrawGraph {
    /// Serves the graph as a page on this machine, opens the browser where there is one, and returns. The page goes when the
    /// returned value does.
    fn draw_graph(&self, page: GraphPage) -> std::io::Result<ServedGraph>;
}

impl DrawGraph for CompiledPipeline {
    fn draw_graph(&self, page: GraphPage) -> std::io::Result<ServedGraph> {
        graph_page::serve(self.graph(), page)
    }
}
