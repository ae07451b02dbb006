//! Where the boxes, lines and labels of a picture go.
//!
//! Steps follow one another, so boxes stand in one column. A link to the next box runs straight down; all longer ones of a node
//! share a trunk in a lane beside the column, from which a branch with its keys runs to each box that reads them. Lanes lie
//! outside of all boxes and labels, so no line crosses a box.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Node;
use super::drawing::{Carries, Label, Sketch};

pub(super) const BOX_WIDTH: f64 = 288.0;
pub(super) const LINE_HEIGHT: f64 = 15.0;
/// The width of a column of the labels' fixed-width font.
pub(super) const COLUMN: f64 = 7.0;
pub(super) const ARROW: f64 = 9.0;
const STEP_HEIGHT: f64 = 80.0;
const END_HEIGHT: f64 = 54.0;
const LANE: f64 = 15.0;
const MARGIN: f64 = 28.0;
const PORT_GAP: f64 = 7.0;
const LABEL_PADDING: f64 = 8.0;

/// A picture's geometry, in pixels. Boxes are in the order of the sketch's nodes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) boxes: Vec<Rect>,
    pub(super) lines: Vec<Line>,
}

/// A box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A link on its way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) carries: Carries,
    pub(super) keys: Vec<String>,
    pub(super) route: Route,
    pub(super) label: Option<Tag>,
}

/// How a link runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "way", rename_all = "lowercase")]
pub(super) enum Route {
    /// Down from the source's lower edge to the target's upper edge.
    Straight,
    /// Out to the lane at `lane` and back; `leave` and `enter` are heights below the upper edges of source and target.
    Aside { lane: f64, leave: f64, enter: f64 },
}

/// A label with its size.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tag {
    #[serde(flatten)]
    pub(super) label: Label,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Tag {
    fn new(keys: &[String], columns: usize, lines: usize) -> Option<Self> {
        let label = Label::new(keys, columns, lines)?;
        let width = label.columns as f64 * COLUMN + 2.0 * LABEL_PADDING;
        let height = label.lines.len() as f64 * LINE_HEIGHT + 5.0;
        Some(Self { label, width, height })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Right,
    Left,
}

/// The long links of one node.
struct Trunk {
    source: usize,
    carries: Carries,
    from: usize,
    to: usize,
    side: Side,
    lane: usize,
    links: Vec<usize>,
}

impl Trunk {
    fn meets(&self, other: &Self) -> bool {
        self.side == other.side && self.from < other.to && other.from < self.to
    }
}

impl Layout {
    pub(super) fn new(sketch: &Sketch<'_>) -> Self {
        let straight = |at: usize| {
            let link = &sketch.links[at];
            link.source + 1 == link.target && link.carries != Carries::Untouched
        };
        let mut tags: Vec<Option<Tag>> = (0..sketch.links.len())
            .map(|at| if straight(at) { Tag::new(&sketch.links[at].keys, 40, 2) } else { Tag::new(&sketch.links[at].keys, 22, 3) })
            .collect();
        let trunks = trunks(sketch, straight);
        let (ports, heights) = ports(sketch, &trunks, &tags);

        let gutter = |side: Side| {
            let widest = trunks.iter().filter(|trunk| trunk.side == side).flat_map(|trunk| &trunk.links).filter_map(|link| tags[*link].as_ref());
            let widest = widest.map(|tag| tag.width).fold(0.0, f64::max);
            if widest > 0.0 { widest + ARROW + 22.0 } else { 0.0 }
        };
        let lanes = |side: Side| trunks.iter().filter(|trunk| trunk.side == side).map(|trunk| trunk.lane + 1).max().unwrap_or(0) as f64 * LANE;
        let left = MARGIN + lanes(Side::Left) + gutter(Side::Left);
        let right = left + BOX_WIDTH;
        let lane_at = |side: Side, lane: usize| match side {
            Side::Right => right + gutter(Side::Right) + lane as f64 * LANE,
            Side::Left => left - gutter(Side::Left) - lane as f64 * LANE,
        };

        let mut boxes = Vec::with_capacity(heights.len());
        let mut y = MARGIN;
        for (at, height) in heights.into_iter().enumerate() {
            boxes.push(Rect { x: left, y, width: BOX_WIDTH, height });
            let between = (0..sketch.links.len()).find(|link| straight(*link) && sketch.links[*link].source == at);
            let tag = between.and_then(|link| tags[link].as_ref()).map_or(0.0, |tag| tag.height + 6.0);
            y += height + 34.0 + tag;
        }
        let height = boxes.last().map_or(0.0, |last| last.y + last.height) + MARGIN;
        let width = right + gutter(Side::Right) + lanes(Side::Right) + MARGIN;

        let mut routes: BTreeMap<usize, Route> = BTreeMap::new();
        for trunk in &trunks {
            for link in &trunk.links {
                let (leave, enter) = ports[link];
                routes.insert(*link, Route::Aside { lane: lane_at(trunk.side, trunk.lane), leave, enter });
            }
        }
        let placed = sketch.links.iter().enumerate().map(|(at, link)| Line {
            source: link.source,
            target: link.target,
            carries: link.carries,
            keys: link.keys.clone(),
            route: routes.get(&at).copied().unwrap_or(Route::Straight),
            label: tags[at].take(),
        });
        Self { width, height, lines: placed.collect(), boxes }
    }
}

/// Gathers the long links into trunks and gives each its side and lane: the shorter, the nearer to the boxes.
fn trunks(sketch: &Sketch<'_>, straight: impl Fn(usize) -> bool) -> Vec<Trunk> {
    let mut trunks: Vec<Trunk> = Vec::new();
    for (at, link) in sketch.links.iter().enumerate().filter(|(at, _)| !straight(*at)) {
        let (from, to) = (link.source.min(link.target), link.source.max(link.target));
        match trunks.iter_mut().find(|trunk| (trunk.source, trunk.carries) == (link.source, link.carries)) {
            Some(trunk) => {
                (trunk.from, trunk.to) = (trunk.from.min(from), trunk.to.max(to));
                trunk.links.push(at);
            }
            None => trunks.push(Trunk { source: link.source, carries: link.carries, from, to, side: Side::Right, lane: 0, links: vec![at] }),
        }
    }
    // Untouched keys come last and so outermost: the rest of the picture is the same with and without them.
    trunks.sort_by_key(|trunk| (trunk.carries, trunk.to - trunk.from, trunk.source));
    for at in 0..trunks.len() {
        let mut best: Option<(usize, Side)> = None;
        for side in [Side::Right, Side::Left] {
            trunks[at].side = side;
            let before = &trunks[..at];
            let lane = if trunks[at].carries == Carries::Untouched {
                before.iter().filter(|other| other.side == side).map(|other| other.lane + 1).max().unwrap_or(0)
            } else {
                (0..at).find(|lane| !before.iter().any(|other| other.lane == *lane && other.meets(&trunks[at]))).unwrap_or(at)
            };
            if best.is_none_or(|(fewer, _)| lane < fewer) {
                best = Some((lane, side));
            }
        }
        if let Some((lane, side)) = best {
            (trunks[at].lane, trunks[at].side) = (lane, side);
        }
    }
    trunks
}

/// The heights at which each long link leaves and enters, by link, and the heights that the boxes need for that.
fn ports(sketch: &Sketch<'_>, trunks: &[Trunk], tags: &[Option<Tag>]) -> (BTreeMap<usize, (f64, f64)>, Vec<f64>) {
    let mut stacks: BTreeMap<(usize, Side), Vec<Port>> = BTreeMap::new();
    for trunk in trunks {
        for link in &trunk.links {
            let height = tags[*link].as_ref().map_or(LINE_HEIGHT, |tag| tag.height);
            let order = (trunk.carries == Carries::Untouched, Direction::Enters, trunk.lane);
            stacks.entry((sketch.links[*link].target, trunk.side)).or_default().push(Port { order, height, links: vec![*link] });
        }
        let order = (trunk.carries == Carries::Untouched, Direction::Leaves, trunk.lane);
        stacks.entry((trunk.source, trunk.side)).or_default().push(Port { order, height: LINE_HEIGHT, links: trunk.links.clone() });
    }
    let stack_height = |stack: &[Port]| stack.iter().map(|port| port.height + PORT_GAP).sum::<f64>() - PORT_GAP;
    let heights: Vec<f64> = (0..sketch.nodes.len())
        .map(|node| {
            let least = if matches!(sketch.nodes[node], Node::Step(_)) { STEP_HEIGHT } else { END_HEIGHT };
            [Side::Right, Side::Left].iter().filter_map(|side| stacks.get(&(node, *side))).map(|stack| stack_height(stack) + 16.0).fold(least, f64::max)
        })
        .collect();

    let mut ports: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for ((node, _), mut stack) in stacks {
        stack.sort_by_key(|port| port.order);
        let mut y = (heights[node] - stack_height(&stack)) / 2.0;
        for port in stack {
            for link in port.links {
                let (leave, enter) = ports.entry(link).or_default();
                *(if port.order.1 == Direction::Enters { enter } else { leave }) = y + port.height / 2.0;
            }
            y += port.height + PORT_GAP;
        }
    }
    (ports, heights)
}

/// A place at a box's side where a branch enters or a trunk leaves.
struct Port {
    /// Untouched keys last; what enters above what leaves, so that a trunk that ends here can share its lane with one that
    /// begins; inner lanes first, so that branches of one box do not cross.
    order: (bool, Direction, usize),
    height: f64,
    links: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Enters,
    Leaves,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::PipelineGraph;
    use crate::graph::drawing::Untouched;
    use crate::graph::fixtures::{long, translate};

    /// The segments of a line that are not a touch of its own two boxes.
    fn segments(layout: &Layout, line: &Line) -> Vec<Rect> {
        let (source, target) = (layout.boxes[line.source], layout.boxes[line.target]);
        match line.route {
            Route::Straight => {
                let top = source.y + source.height;
                vec![Rect { x: source.x + BOX_WIDTH / 2.0, y: top, width: 0.0, height: target.y - top }]
            }
            Route::Aside { lane, leave, enter } => {
                let out = |rect: Rect, y: f64| {
                    let edge = if lane > rect.x { rect.x + rect.width } else { rect.x };
                    Rect { x: edge.min(lane), y, width: (edge - lane).abs(), height: 0.0 }
                };
                let (from, to) = (source.y + leave, target.y + enter);
                vec![out(source, from), Rect { x: lane, y: from.min(to), width: 0.0, height: (to - from).abs() }, out(target, to)]
            }
        }
    }

    fn overlap(one: Rect, other: Rect) -> bool {
        one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height
    }

    fn check(graph: &PipelineGraph, untouched: Untouched) -> Layout {
        let layout = Layout::new(&Sketch::new(graph, untouched));
        for (at, one) in layout.boxes.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + one.width <= layout.width && one.y + one.height <= layout.height);
            assert!(layout.boxes[at + 1..].iter().all(|other| !overlap(*one, *other)), "boxes overlap");
            for line in &layout.lines {
                for segment in segments(&layout, line) {
                    assert!(!overlap(segment, *one), "{line:?} crosses {one:?}");
                }
            }
        }
        layout
    }

    #[test]
    fn no_line_crosses_a_box() {
        for untouched in [Untouched::Hide, Untouched::Show] {
            check(&translate(), untouched);
            check(&long(), untouched);
        }
    }

    #[test]
    fn trunks_of_different_nodes_never_share_a_place() {
        let layout = check(&long(), Untouched::Show);
        let uprights: Vec<_> = layout.lines.iter().filter(|line| line.route != Route::Straight).map(|line| (line, segments(&layout, line)[1])).collect();
        for (line, one) in &uprights {
            for (other_line, other) in &uprights {
                let same = (line.source, line.carries) == (other_line.source, other_line.carries);
                let apart = (one.x - other.x).abs() > 1.0 || one.y >= other.y + other.height || other.y >= one.y + one.height;
                assert!(same || apart, "{line:?} {other_line:?}");
            }
        }
    }

    #[test]
    fn boxes_stay_where_they_are_when_untouched_keys_are_shown() {
        let tops = |untouched| check(&translate(), untouched).boxes.iter().map(|rect| rect.y).collect::<Vec<_>>();
        assert_eq!(tops(Untouched::Hide)[..4], tops(Untouched::Show)[..4]);
    }

    #[test]
    fn a_graph_of_nothing_has_a_layout() {
        check(&PipelineGraph { name: String::new(), graph: petgraph::graph::DiGraph::new() }, Untouched::Show);
    }
}
