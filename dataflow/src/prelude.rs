//! What most pipelines and operators name: `use dataflow::prelude::*;`.

pub use dataflow_core::key::{Any, Boolean, Float, IfPresent, InOut, Input, Integer, List, Messages, Nullable, Output, Text};
pub use dataflow_core::model::Model;
pub use dataflow_core::operator::{Changes, DatasetResult, DatasetWork, Others, Outcome, Seed, Summary};
pub use dataflow_core::prompt::{Prompt, PromptTemplate};
pub use dataflow_core::row::Row;
pub use dataflow_core::serving::{Chat, LLMServing, Message, Role};
pub use dataflow_core::shape::{AskModel, Columns, Dataset, MakeRows, Measure, Refine};
pub use dataflow_core::{Cells, CompiledPipeline, OnError, Pipeline, Result, Run, RunFrom, context, operator, prompt};
pub use dataflow_serving::{ApiServing, DemoServing, EnvServing};
pub use dataflow_storage::{CacheType, FileStorage};

pub use crate::DrawGraph;
pub use crate::graph_page::GraphPage;
