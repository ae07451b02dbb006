//! A graph as a Mermaid flowchart, for Markdown pages.

use std::fmt::Write as _;

use super::drawing::{Carries, Drawing, Label, Sketch, colours, shorten};
use super::{Node, PipelineGraph};
use crate::operator::Kind;

impl Drawing {
    /// The graph as a Mermaid flowchart.
    pub fn mermaid(self, graph: &PipelineGraph) -> String {
        let sketch = Sketch::new(graph, self.untouched);
        let mut text = format!("---\ntitle: \"{}\"\n---\nflowchart TD\n", escape(&graph.name));
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
        insta::assert_snapshot!(translate().to_mermaid(), @r#""#);
    }

    #[test]
    fn untouched_keys_are_dotted() {
        assert!(Drawing { untouched: Untouched::Show }.mermaid(&translate()).contains("input -.->|\"id, 来源 #34;x#34;#124;#60;b#62;\"| output"));
    }
}
