//! A graph in Graphviz's DOT.

use std::fmt::Write as _;

use super::drawing::{Carries, Drawing, Label, Sketch, colours};
use super::{Node, PipelineGraph};

impl Drawing {
    /// The graph in DOT.
    pub fn dot(self, graph: &PipelineGraph) -> String {
        let sketch = Sketch::new(graph, self.untouched);
        let colours = colours(&sketch.nodes);
        let mut text = format!("digraph \"{}\" {{\n", escape(&graph.name));
        let _ = writeln!(text, "    graph [rankdir=TB, label=\"{}\", labelloc=t, fontname=\"sans-serif\"];", escape(&graph.name));
        text.push_str("    node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontcolor=\"#ffffff\"];\n");
        text.push_str("    edge [fontname=\"monospace\", fontsize=10];\n");
        for (node, colours) in sketch.nodes.iter().zip(&colours) {
            let mut lines = node.lines();
            let shape = match node {
                Node::Input { .. } | Node::Output { .. } => ", shape=cylinder, style=filled",
                Node::Step(step) => {
                    lines[2] = format!("{} · {}", lines[2], step.kind.name());
                    ""
                }
            };
            let label: Vec<String> = lines.iter().map(|line| escape(line)).collect();
            // A `write!` to a string cannot fail.
            let _ = writeln!(text, "    {} [label=\"{}\"{shape}, fillcolor=\"{}\", color=\"{}\"];", node.id(), label.join("\\n"), colours.fill, colours.line);
        }
        for link in &sketch.links {
            let label = Label::new(&link.keys, 40, 3).map(|label| label.text().iter().map(|line| escape(line)).collect::<Vec<_>>().join("\\n"));
            let style = match link.carries {
                Carries::Keys => "solid",
                Carries::Untouched => "dashed",
                Carries::Rows => "dotted",
            };
            let (source, target) = (sketch.nodes[link.source].id(), sketch.nodes[link.target].id());
            let _ =
                writeln!(text, "    {source} -> {target} [label=\"{}\", style={style}, color=\"{}\"];", label.unwrap_or_default(), colours[link.source].line);
        }
        text.push_str("}\n");
        text
    }
}

impl PipelineGraph {
    /// The graph in Graphviz's DOT, without the keys that nothing changes.
    pub fn to_dot(&self) -> String {
        Drawing::default().dot(self)
    }
}

/// A text between quotes. Graphviz also reads HTML's character references there.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '&' => escaped.push_str("&amp;"),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::drawing::Untouched;
    use crate::graph::fixtures::translate;

    #[test]
    fn three_steps_are_a_digraph() {
        insta::assert_snapshot!(translate().to_dot(), @r##"
        digraph "translate <b>\"it\"</b>" {
            graph [rankdir=TB, label="translate <b>\"it\"</b>", labelloc=t, fontname="sans-serif"];
            node [shape=box, style="rounded,filled", fontname="sans-serif", fontcolor="#ffffff"];
            edge [fontname="monospace", fontsize=10];
            input [label="Input\n3 columns", shape=cylinder, style=filled, fillcolor="#0f766e", color="#14a394"];
            step_1 [label="chinese\nPromptedGenerator\n(step=1) · default · generate", fillcolor="#7c3aed", color="#8b5cf6"];
            step_2 [label="french\nPromptedGenerator\n(step=2) · default · generate", fillcolor="#514fec", color="#636ff6"];
            step_3 [label="check\nPromptedGenerator\n(step=3) · judge · generate", fillcolor="#2563eb", color="#3b82f6"];
            output [label="Output\n6 columns", shape=cylinder, style=filled, fillcolor="#b45309", color="#d97706"];
            input -> step_1 [label="raw_content", style=solid, color="#14a394"];
            step_1 -> step_2 [label="content_zh", style=solid, color="#8b5cf6"];
            step_1 -> output [label="content_zh", style=solid, color="#8b5cf6"];
            step_2 -> step_3 [label="content_fr", style=solid, color="#636ff6"];
            step_2 -> output [label="content_fr", style=solid, color="#636ff6"];
            step_3 -> output [label="raw_content_again", style=solid, color="#3b82f6"];
        }
        "##);
    }

    #[test]
    fn untouched_keys_are_dashed() {
        assert!(Drawing { untouched: Untouched::Show }.dot(&translate()).contains(r#"[label="id, raw_content, 来源 \"x\"|<b>", style=dashed"#));
    }

    #[test]
    fn what_graphviz_would_read_is_escaped() {
        assert_eq!(escape("a\\N \"b\" &lt; 列\nc"), "a\\\\N \\\"b\\\" &amp;lt; 列 c");
    }
}
