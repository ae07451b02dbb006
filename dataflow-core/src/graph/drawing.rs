//! What every picture of a graph shows: nodes in their order, links between them, labels that stay short, and colours.

use std::collections::BTreeMap;

use petgraph::visit::EdgeRef;
use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{EdgeKey, Node, PipelineGraph};

/// What a picture shows and what it leaves out.
///
/// ```
/// use dataflow_core::graph::{Drawing, PipelineGraph, Untouched};
/// let graph = PipelineGraph { name: "empty".into(), graph: Default::default() };
/// let picture = Drawing { untouched: Untouched::Show }.svg(&graph);
/// assert!(picture.starts_with("<svg"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawing {
    /// Whether keys are drawn that no step writes or changes.
    pub untouched: Untouched,
}

/// Whether keys are drawn that pass from the input to the output as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Untouched {
    /// They are left out.
    #[default]
    Hide,
    /// They are drawn.
    Show,
}

/// A graph in the order in which it is read: input, steps by number, output. Links name nodes by their place in that order.
pub(super) struct Sketch<'a> {
    pub(super) nodes: Vec<&'a Node>,
    pub(super) links: Vec<Link>,
}

/// A line between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) carries: Carries,
    pub(super) keys: Vec<String>,
}

/// What a link stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Carries {
    /// Keys that the target reads.
    Keys,
    /// Keys on their way from the input to the output that nothing changes.
    Untouched,
    /// Rows alone: the target follows the source and reads nothing of it.
    Rows,
}

impl<'a> Sketch<'a> {
    pub(super) fn new(graph: &'a PipelineGraph, untouched: Untouched) -> Self {
        let mut order: Vec<_> = graph.graph.node_indices().collect();
        order.sort_by_key(|index| place(&graph.graph[*index]));
        let nodes: Vec<&Node> = order.iter().map(|index| &graph.graph[*index]).collect();
        let at: BTreeMap<_, _> = order.iter().enumerate().map(|(at, index)| (*index, at)).collect();

        let mut keys: BTreeMap<(usize, usize, Carries), Vec<String>> = BTreeMap::new();
        for edge in graph.graph.edge_references() {
            let (source, target) = (at[&edge.source()], at[&edge.target()]);
            // A key that a step reads is worth its line, changed or not: only the way past all steps is left out.
            let past_all = matches!((nodes[source], nodes[target]), (Node::Input { .. }, Node::Output { .. }));
            for EdgeKey { key, untouched: same } in &edge.weight().keys {
                let carries = if *same && past_all { Carries::Untouched } else { Carries::Keys };
                if carries == Carries::Keys || untouched == Untouched::Show {
                    keys.entry((source, target, carries)).or_default().push(key.clone());
                }
            }
        }
        for target in 1..nodes.len() {
            let source = target - 1;
            if !keys.contains_key(&(source, target, Carries::Keys)) {
                keys.insert((source, target, Carries::Rows), Vec::new());
            }
        }
        let links = keys.into_iter().map(|((source, target, carries), keys)| Link { source, target, carries, keys }).collect();
        Self { nodes, links }
    }
}

fn place(node: &Node) -> (u8, usize) {
    match node {
        Node::Input { .. } => (0, 0),
        Node::Step(step) => (1, step.step),
        Node::Output { .. } => (2, 0),
    }
}

impl Node {
    /// The node's name in every form of the graph: `input`, `step_1`, `output`.
    pub fn id(&self) -> String {
        match self {
            Self::Input { .. } => "input".to_owned(),
            Self::Step(step) => format!("step_{}", step.step),
            Self::Output { .. } => "output".to_owned(),
        }
    }

    /// What stands in the node's box, from the top.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Input { columns } => vec!["Input".to_owned(), counted(columns.len())],
            Self::Step(step) => {
                let mut last = format!("(step={})", step.step);
                if let Some(serving) = &step.serving {
                    last = format!("{last} · {serving}");
                }
                vec![step.name.clone(), step.operator.clone(), last]
            }
            Self::Output { columns } => vec!["Output".to_owned(), counted(columns.len())],
        }
    }
}

fn counted(columns: usize) -> String {
    if columns == 1 { "1 column".to_owned() } else { format!("{columns} columns") }
}

/// A label of a link: lines of keys, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Label {
    pub(super) lines: Vec<Vec<Piece>>,
    /// The widest line, in columns of a fixed-width font.
    pub(super) columns: usize,
}

/// A key in a label, or the count of those that have no room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    pub(super) text: String,
    /// The key in full; `None` for the count.
    pub(super) key: Option<String>,
}

impl Label {
    /// Puts as many keys as go into `lines` lines of `columns` columns. Needs two lines to have room for a count.
    pub(super) fn new(keys: &[String], columns: usize, lines: usize) -> Option<Self> {
        let most = keys.len().min(columns * lines);
        (1..=most).rev().map(|shown| Self::of_first(keys, shown, columns)).find(|label| label.lines.len() <= lines.max(2))
    }

    fn of_first(keys: &[String], shown: usize, columns: usize) -> Self {
        let mut pieces: Vec<Piece> = keys[..shown].iter().map(|key| Piece { text: shorten(key, columns), key: Some(key.clone()) }).collect();
        if shown < keys.len() {
            pieces.push(Piece { text: format!("+{} more", keys.len() - shown), key: None });
        }
        let mut label = Self { lines: Vec::new(), columns: 0 };
        let mut used = 0;
        for piece in pieces {
            let width = piece.text.width();
            match label.lines.last_mut() {
                Some(line) if used + 2 + width <= columns => {
                    used += 2 + width;
                    line.push(piece);
                }
                _ => {
                    used = width;
                    label.lines.push(vec![piece]);
                }
            }
            label.columns = label.columns.max(used);
        }
        label
    }

    /// The lines as plain text.
    pub(super) fn text(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join(", ")).collect()
    }
}

/// The text on one line, cut to a number of columns with an ellipsis.
pub(super) fn shorten(text: &str, columns: usize) -> String {
    let line: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    if line.width() <= columns {
        return line;
    }
    let mut cut = String::new();
    let mut used = 1;
    for character in line.chars() {
        used += character.width().unwrap_or(0);
        if used > columns {
            break;
        }
        cut.push(character);
    }
    cut.push('…');
    cut
}

/// The colours of a node: its box, with white text upon it, and the lines that leave it, on light and dark ground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Colours {
    pub(super) fill: String,
    pub(super) line: String,
}

const PURPLE: [u8; 3] = [0x7c, 0x3a, 0xed];
const BLUE: [u8; 3] = [0x25, 0x63, 0xeb];
const PURPLE_LINE: [u8; 3] = [0x8b, 0x5c, 0xf6];
const BLUE_LINE: [u8; 3] = [0x3b, 0x82, 0xf6];

/// The colours of the nodes in their order: steps from purple to blue.
pub(super) fn colours(nodes: &[&Node]) -> Vec<Colours> {
    let steps = nodes.iter().filter(|node| matches!(node, Node::Step(_))).count();
    let mut step = 0;
    let mut next = || {
        let share = if steps > 1 { f64::from(u32::try_from(step).unwrap_or(u32::MAX)) / (steps - 1) as f64 } else { 0.0 };
        step += 1;
        Colours { fill: blend(PURPLE, BLUE, share), line: blend(PURPLE_LINE, BLUE_LINE, share) }
    };
    let plain = |fill: &str, line: &str| Colours { fill: fill.to_owned(), line: line.to_owned() };
    nodes
        .iter()
        .map(|node| match node {
            Node::Input { .. } => plain("#0f766e", "#14a394"),
            Node::Step(_) => next(),
            Node::Output { .. } => plain("#b45309", "#d97706"),
        })
        .collect()
}

fn blend(from: [u8; 3], to: [u8; 3], share: f64) -> String {
    let part = |at: usize| (f64::from(from[at]) + (f64::from(to[at]) - f64::from(from[at])) * share).round() as u8;
    format!("#{:02x}{:02x}{:02x}", part(0), part(1), part(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::fixtures::{long, translate};

    fn label(keys: &[&str], columns: usize, lines: usize) -> Vec<String> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Label::new(&keys, columns, lines).map(|label| label.text()).unwrap_or_default()
    }

    #[test]
    fn a_label_wraps_and_then_counts() {
        assert_eq!(label(&[], 20, 2), Vec::<String>::new());
        assert_eq!(label(&["question", "answer"], 20, 2), ["question, answer"]);
        assert_eq!(label(&["question", "answer", "score"], 16, 2), ["question, answer", "score"]);
        assert_eq!(label(&["question", "answer", "score", "domain", "language"], 16, 2), ["question, answer", "score, +2 more"]);
        assert_eq!(label(&["一个非常长的列名称啊啊啊", "b"], 10, 2), ["一个非常…", "b"]);
    }

    #[test]
    fn a_thousand_keys_make_a_short_label() {
        let keys: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
        let label = Label::new(&keys, 30, 2).unwrap();
        assert_eq!(label.text(), ["k0, k1, k2, k3, k4, k5, k6, k7", "k8, k9, k10, k11, +988 more"]);
    }

    #[test]
    fn untouched_keys_are_drawn_when_asked_for() {
        let graph = translate();
        let links = |untouched| Sketch::new(&graph, untouched).links.into_iter().filter(|link| link.carries == Carries::Untouched).count();
        assert_eq!((links(Untouched::Hide), links(Untouched::Show)), (0, 1));
    }

    #[test]
    fn neighbours_without_a_key_are_joined_by_rows() {
        let graph = long();
        let sketch = Sketch::new(&graph, Untouched::Hide);
        for target in 1..sketch.nodes.len() {
            assert!(sketch.links.iter().any(|link| link.source == target - 1 && link.target == target), "{target}");
        }
    }

    #[test]
    fn steps_run_from_purple_to_blue() {
        let graph = long();
        let colours = colours(&Sketch::new(&graph, Untouched::Hide).nodes);
        assert_eq!(colours[1].fill, "#7c3aed");
        assert_eq!(colours[25].fill, "#2563eb");
    }
}
