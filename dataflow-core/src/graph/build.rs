//! Draws up the graph of a compiled pipeline.

use std::collections::HashMap;
use std::sync::Arc;

use petgraph::graph::{DiGraph, NodeIndex};
use polars::prelude::Schema;

use super::{Edge, EdgeKey, GraphKey, Node, PipelineGraph, StepNode};
use crate::key::{Direction, KeyUse};
use crate::pipeline::CompiledStep;
use crate::serving::LLMServing;

impl PipelineGraph {
    pub(crate) fn of(name: &str, source: &Schema, steps: &[Arc<CompiledStep>], servings: &[(String, Arc<dyn LLMServing>)]) -> Self {
        let columns = |schema: &Schema| {
            schema.iter().map(|(name, data_type)| GraphKey { key: name.to_string(), column_type: data_type.to_string(), field: String::new() }).collect()
        };
        let mut graph = DiGraph::new();
        let input = graph.add_node(Node::Input { columns: columns(source) });
        let mut writers: HashMap<String, NodeIndex> = source.iter_names().map(|name| (name.to_string(), input)).collect();
        let mut edges: Vec<(NodeIndex, NodeIndex, EdgeKey)> = Vec::new();
        let mut previous = input;
        for step in steps {
            let of = |directions: &[Direction]| step.keys.iter().filter(|key| directions.contains(&key.direction)).map(graph_key).collect();
            let node = graph.add_node(Node::Step(StepNode {
                step: step.number,
                name: step.name.clone(),
                operator: step.info().name.to_owned(),
                category: step.info().category.to_owned(),
                kind: step.info().kind,
                shape: step.info().shape,
                parameters: step.operator.parameters(),
                reads: of(&[Direction::Read, Direction::Change]),
                writes: of(&[Direction::Write, Direction::Change]),
                serving: step.serving.map(|serving| servings[serving].0.clone()),
            }));
            let reads: Vec<&KeyUse> = step.keys.iter().filter(|key| key.direction != Direction::Write).collect();
            for key in &reads {
                if let Some(writer) = writers.get(&key.key) {
                    edges.push((*writer, node, EdgeKey { key: key.key.clone(), untouched: false }));
                }
            }
            if reads.is_empty() {
                edges.push((previous, node, EdgeKey { key: String::new(), untouched: false })); // rows alone: the step reads no column
            }
            for key in step.keys.iter().filter(|key| key.direction != Direction::Read) {
                writers.insert(key.key.clone(), node);
            }
            previous = node;
        }
        let last = steps.last().map_or(source, |step| &step.schema);
        let output = graph.add_node(Node::Output { columns: columns(last) });
        for name in last.iter_names() {
            if let Some(writer) = writers.get(name.as_str()) {
                edges.push((*writer, output, EdgeKey { key: name.to_string(), untouched: *writer == input }));
            }
        }
        for (from, to, key) in edges {
            let edge = match graph.find_edge(from, to) {
                Some(edge) => edge,
                None => graph.add_edge(from, to, Edge::default()),
            };
            if !key.key.is_empty() && !graph[edge].keys.iter().any(|known| known.key == key.key) {
                graph[edge].keys.push(key);
            }
        }
        Self { name: name.to_owned(), graph }
    }
}

fn graph_key(key: &KeyUse) -> GraphKey {
    GraphKey { key: key.key.clone(), column_type: key.column_type.to_string(), field: key.field.to_string() }
}
