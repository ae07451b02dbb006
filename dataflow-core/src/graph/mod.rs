//! The shape of a compiled pipeline, as a graph that can be drawn.

mod build;
mod dot;
mod drawing;
#[doc(hidden)]
pub mod fixtures;
mod html;
mod json;
mod layout;
mod mermaid;
mod svg;

pub use drawing::{Drawing, Untouched};

use petgraph::graph::DiGraph;
use serde::Serialize;
use serde_json::Value;

use crate::operator::{Kind, Shape};

/// A pipeline as a graph: the data set's input, a node a step, the data set's output; each edge carries the keys that
/// one node writes and another reads.
#[derive(Clone, Debug)]
pub struct PipelineGraph {
    /// The pipeline's name.
    pub name: String,
    /// Nodes in the order input, steps, output.
    pub graph: DiGraph<Node, Edge>,
}

/// A node of the graph.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "node", rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "a graph has few nodes, and nearly all are steps")]
pub enum Node {
    /// The data set as it is read.
    Input {
        /// Its columns.
        columns: Vec<GraphKey>,
    },
    /// One step.
    Step(StepNode),
    /// The data set as it is written.
    Output {
        /// Its columns.
        columns: Vec<GraphKey>,
    },
}

/// A step of the graph.
#[derive(Clone, Debug, Serialize)]
pub struct StepNode {
    /// Its number, from 1.
    pub step: usize,
    /// Its name.
    pub name: String,
    /// The operator's registered name.
    pub operator: String,
    /// The operator's category.
    pub category: String,
    /// The operator's kind.
    pub kind: Kind,
    /// The operator's shape.
    pub shape: Shape,
    /// The operator's parameters, as a pipeline file has them.
    pub parameters: Value,
    /// The keys that it reads, by field.
    pub reads: Vec<GraphKey>,
    /// The keys that it writes or changes, by field.
    pub writes: Vec<GraphKey>,
    /// The serving that it asks, where it asks one.
    pub serving: Option<String>,
}

/// A column at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphKey {
    /// The column's name.
    pub key: String,
    /// What its cells hold.
    #[serde(rename = "type")]
    pub column_type: String,
    /// The operator's field that names it, such as `input_key`; empty at the input and output.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// Keys on their way from the node that wrote them last to one that reads them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Edge {
    /// The columns.
    pub keys: Vec<EdgeKey>,
}

/// A key on an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EdgeKey {
    /// The column's name.
    pub key: String,
    /// Whether it passes from the input to the output without any step writing or changing it; pictures hide it by default.
    pub untouched: bool,
}
