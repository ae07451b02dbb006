//! A graph as a Mermaid flowchart, for Markdown pages.

use std::fmt::Write as _;

use serde_json::Value;

use super::drawing::{Carries, Drawing, Label, Sketch, colours, shorten};
use super::{Node, PipelineGraph};
use crate::operator::Kind;

impl Drawing {
    /// The graph as a Mermaid flowchart.
    pub fn mermaid(self, graph: &PipelineGraph) -> String {
        let sketch = Sketch::new(graph, self.untouched);
        // The title stands in YAML, which reads JSON's texts.
        let mut text = format!("---\ntitle: {}\n---\nflowchart TD\n", Value::String(shorten(&graph.name, 200)));
        for node in &sketch.nodes {
            let lines: Vec<String> = node.lines().iter().map(|line| escape(line)).collect();
            let line = match node {
                Node::Input { .. } | Node::Output { .. } => format!("    {}([\"{}\"])\n", node.id(), lines.join("<br/>")),
                Node::Step(step) => {
                    let lines = format!("<b>{}</b><br/>{}<br/>{} · {}", lines[0], lines[1], lines[2], step.kind.name());
                    match step.kind {
                        Kind::Filter => format!("    {}{{{{\"{lines}\"}}}}\n", node.id()),
                        _ => format!("    {}[\"{lines}\"]\n", node.id()),
                    }
                }
            };
            text.push_str(&line);
        }
        for link in &sketch.links {
            let (source, target) = (sketch.nodes[link.source].id(), sketch.nodes[link.target].id());
            let label = Label::new(&link.keys, 40, 3).map(|label| label.text().iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br/>"));
            let arrow = if link.carries == Carries::Keys { "-->" } else { "-.->" };
            let label = label.map(|label| format!("|\"{label}\"|")).unwrap_or_default();
            // A `write!` to a string cannot fail.
            let _ = writeln!(text, "    {source} {arrow}{label} {target}");
        }
        for (node, colours) in sketch.nodes.iter().zip(colours(&sketch.nodes)) {
            let _ = writeln!(text, "    style {} fill:{},stroke:{},color:#ffffff", node.id(), colours.fill, colours.line);
        }
        text
    }
}

impl PipelineGraph {
    /// The graph as a Mermaid flowchart, without the keys that nothing changes.
    pub fn to_mermaid(&self) -> String {
        Drawing::default().mermaid(self)
    }
}

/// Mermaid reads `#` and a number as that character, and has too many special characters to name: all but the plainest are numbers.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in shorten(text, 200).chars() {
        if character.is_alphanumeric() || " _-.,()=+·…".contains(character) {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "#{};", u32::from(character));
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
    fn three_steps_are_a_flowchart() {
        insta::assert_snapshot!(translate().to_mermaid(), @r#"
        ---
        title: "translate <b>\"it\"</b>"
        ---
        flowchart TD
            input(["Input<br/>3 columns"])
            step_1["<b>chinese</b><br/>PromptedGenerator<br/>(step=1) · default · generate"]
            step_2["<b>french</b><br/>PromptedGenerator<br/>(step=2) · default · generate"]
            step_3["<b>check</b><br/>PromptedGenerator<br/>(step=3) · judge · generate"]
            output(["Output<br/>6 columns"])
            input -->|"raw_content"| step_1
            step_1 -->|"content_zh"| step_2
            step_1 -->|"content_zh"| output
            step_2 -->|"content_fr"| step_3
            step_2 -->|"content_fr"| output
            step_3 -->|"raw_content_again"| output
            style input fill:#0f766e,stroke:#14a394,color:#ffffff
            style step_1 fill:#7c3aed,stroke:#8b5cf6,color:#ffffff
            style step_2 fill:#514fec,stroke:#636ff6,color:#ffffff
            style step_3 fill:#2563eb,stroke:#3b82f6,color:#ffffff
            style output fill:#b45309,stroke:#d97706,color:#ffffff
        "#);
    }

    #[test]
    fn untouched_keys_are_dotted() {
        assert!(Drawing { untouched: Untouched::Show }.mermaid(&translate()).contains("input -.->|\"id, raw_content, 来源 #34;x#34;#124;#60;b#62;\"| output"));
    }
}
