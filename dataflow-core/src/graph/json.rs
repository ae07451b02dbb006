//! A graph as JSON, for other programs.

use serde::Serialize;
use serde_json::Value;

use super::drawing::{Sketch, Untouched};
use super::{EdgeKey, Node, PipelineGraph};
use petgraph::visit::EdgeRef;

#[derive(Serialize)]
struct GraphJson<'a> {
    name: &'a str,
    nodes: Vec<NodeJson<'a>>,
    edges: Vec<EdgeJson<'a>>,
}

#[derive(Serialize)]
struct NodeJson<'a> {
    id: String,
    #[serde(flatten)]
    node: &'a Node,
}

#[derive(Serialize)]
struct EdgeJson<'a> {
    source: String,
    target: String,
    keys: &'a [EdgeKey],
}

impl PipelineGraph {
    /// The whole graph as JSON: `name`, `nodes` in their order, each with an `id` (`input`, `step_1`, `output`), and `edges` that
    /// name them. Keys that nothing changes are part of it, marked `untouched`.
    pub fn to_json(&self) -> Value {
        let nodes = Sketch::new(self, Untouched::Show).nodes.into_iter().map(|node| NodeJson { id: node.id(), node }).collect();
        let edge = |edge: petgraph::graph::EdgeReference<'_, super::Edge>| (edge.source(), edge.target());
        let mut references: Vec<_> = self.graph.edge_references().collect();
        references.sort_by_key(|reference| edge(*reference));
        let edges = references
            .into_iter()
            .map(|reference| EdgeJson {
                source: self.graph[reference.source()].id(),
                target: self.graph[reference.target()].id(),
                keys: &reference.weight().keys,
            })
            .collect();
        as_value(&GraphJson { name: &self.name, nodes, edges })
    }
}

#[expect(clippy::expect_used, reason = "the types have text for keys and no failing `Serialize`")]
pub(super) fn as_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("plain structs with text keys are JSON")
}

#[cfg(test)]
mod tests {
    use crate::graph::fixtures::translate;

    #[test]
    fn nodes_and_edges_have_stable_names() {
        let json = translate().to_json();
        let ids: Vec<_> = json["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["input", "step_1", "step_2", "step_3", "output"]);
        insta::assert_snapshot!(json["edges"][0], @r#"{"source":"input","target":"step_1","keys":[{"key":"raw_content","untouched":false}]}"#);
        insta::assert_snapshot!(json["nodes"][1], @r#"{"id":"step_1","node":"step","step":1,"name":"chinese","operator":"PromptedGenerator","category":"core_text","kind":"generate","shape":"row","parameters":{"system_prompt":"Translate \"into\" Chinese.</script><b>|\\n\nNo notes.","input_key":"raw_content","output_key":"content_zh"},"reads":[{"key":"raw_content","type":"text","field":"input_key"}],"writes":[{"key":"content_zh","type":"text","field":"output_key"}],"serving":"default"}"#);
    }
}
