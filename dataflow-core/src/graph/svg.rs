//! A graph as a picture that stands alone: SVG, light and dark.

use std::fmt::Write as _;

use super::drawing::{Carries, Colours, Drawing, Sketch, colours, shorten};
use super::layout::{ARROW, BOX_WIDTH, LINE_HEIGHT, Layout, Line, Rect, Route, Tag};
use super::{Node, PipelineGraph};
use crate::operator::Kind;

const STYLE: &str = include_str!("picture.css");
const HEAD: f64 = 44.0;
const LEGEND: f64 = 74.0;
const LEAST_WIDTH: f64 = 470.0;

impl Drawing {
    /// The graph as an SVG picture with a title and a legend.
    pub fn svg(self, graph: &PipelineGraph) -> String {
        let sketch = Sketch::new(graph, self.untouched);
        let layout = Layout::new(&sketch);
        let colours = colours(&sketch.nodes);
        let (width, height) = (layout.width.max(LEAST_WIDTH), layout.height + HEAD + LEGEND);
        let name = escape(&graph.name);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{name}\">\n\
             <title>{name}</title>\n<style>{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n\
             <text class=\"title\" x=\"28\" y=\"38\">{}</text>\n",
            escape(&shorten(&graph.name, (width / 11.0) as usize))
        );
        // A `write!` to a string cannot fail.
        let _ = writeln!(text, "<g transform=\"translate({} {HEAD})\">", (width - layout.width) / 2.0);
        for line in &layout.lines {
            text.push_str(&line_of(&layout, line, &colours[line.source]));
        }
        for line in &layout.lines {
            if let Some(tag) = &line.label {
                text.push_str(&label_of(&layout, line, tag, &colours[line.source]));
            }
        }
        for ((node, rect), colours) in sketch.nodes.iter().zip(&layout.boxes).zip(&colours) {
            text.push_str(&box_of(node, rect, colours));
        }
        text.push_str("</g>\n");
        text.push_str(&legend(height - LEGEND + 8.0));
        text.push_str("</svg>\n");
        text
    }
}

impl PipelineGraph {
    /// The graph as an SVG picture, without the keys that nothing changes.
    pub fn to_svg(&self) -> String {
        Drawing::default().svg(self)
    }
}

fn line_of(layout: &Layout, line: &Line, colours: &Colours) -> String {
    let (path, tip) = path(layout, line);
    let dashes = match line.carries {
        Carries::Keys => "",
        Carries::Untouched => " stroke-dasharray=\"7 5\"",
        Carries::Rows => " stroke-dasharray=\"1.5 5\" stroke-linecap=\"round\"",
    };
    let colour = &colours.line;
    format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/><path d=\"{tip}\" fill=\"{colour}\"/>\n")
}

/// The line of a link and its arrow head.
fn path(layout: &Layout, line: &Line) -> (String, String) {
    let (source, target) = (layout.boxes[line.source], layout.boxes[line.target]);
    match line.route {
        Route::Straight => {
            let (x, bottom) = (source.x + BOX_WIDTH / 2.0, target.y);
            let path = format!("M{x} {} V{}", source.y + source.height, bottom - ARROW);
            (path, format!("M{x} {bottom} l-4.5 -{ARROW} h9 z"))
        }
        Route::Aside { lane, leave, enter } => {
            let away = if lane > source.x { 1.0 } else { -1.0 };
            let edge = |rect: &Rect| if away > 0.0 { rect.x + rect.width } else { rect.x };
            let (from, to) = (source.y + leave, target.y + enter);
            let down = if to > from { 8.0 } else { -8.0 };
            let bend = lane - away * 8.0;
            let path = format!(
                "M{} {from} H{bend} Q{lane} {from} {lane} {} V{} Q{lane} {to} {bend} {to} H{}",
                edge(&source),
                from + down,
                to - down,
                edge(&target) + away * ARROW
            );
            (path, format!("M{} {to} l{} -4.5 v9 z", edge(&target), away * ARROW))
        }
    }
}

fn label_of(layout: &Layout, line: &Line, tag: &Tag, colours: &Colours) -> String {
    let (source, target) = (layout.boxes[line.source], layout.boxes[line.target]);
    let (x, y) = match line.route {
        Route::Straight => (source.x + BOX_WIDTH / 2.0, (source.y + source.height + target.y - ARROW) / 2.0),
        Route::Aside { lane, enter, .. } if lane > source.x => (target.x + target.width + ARROW + 5.0 + tag.width / 2.0, target.y + enter),
        Route::Aside { enter, .. } => (target.x - ARROW - 5.0 - tag.width / 2.0, target.y + enter),
    };
    let mut text = format!(
        "<g><title>{}</title><rect class=\"label\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\" stroke=\"{}\"/>",
        escape(&line.keys.join(", ")),
        x - tag.width / 2.0,
        y - tag.height / 2.0,
        tag.width,
        tag.height,
        colours.line
    );
    let first = y - (tag.label.lines.len() - 1) as f64 * LINE_HEIGHT / 2.0 + 4.0;
    for (at, words) in tag.label.text().iter().enumerate() {
        let _ = write!(text, "<text class=\"key\" x=\"{x}\" y=\"{}\">{}</text>", first + at as f64 * LINE_HEIGHT, escape(words));
    }
    text.push_str("</g>\n");
    text
}

fn box_of(node: &Node, rect: &Rect, colours: &Colours) -> String {
    let Rect { x, y, width, height } = *rect;
    let lines = node.lines();
    let middle = y + height / 2.0;
    let mut text = format!("<g id=\"{}\"><title>{}</title>", node.id(), escape(&lines.join(" · ")));
    if let Node::Step(step) = node {
        let _ = write!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"12\" fill=\"{}\"/>\
             <text class=\"name\" x=\"{left}\" y=\"{}\">{}</text><text class=\"operator\" x=\"{left}\" y=\"{}\">{}</text>\
             <text class=\"step\" x=\"{left}\" y=\"{}\">{}</text>{}",
            colours.fill,
            middle - 15.0,
            escape(&shorten(&lines[0], 32)),
            middle + 5.0,
            escape(&shorten(&lines[1], 36)),
            middle + 26.0,
            escape(&shorten(&lines[2], 27)),
            badge(step.kind, x + width - 84.0, middle + 12.0),
            left = x + 16.0,
        );
    } else {
        let centre = x + width / 2.0;
        let _ = write!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"27\" fill=\"{}\"/>\
             <text class=\"name end\" x=\"{centre}\" y=\"{}\">{}</text><text class=\"step end\" x=\"{centre}\" y=\"{}\">{}</text>",
            colours.fill,
            middle - 4.0,
            lines[0],
            middle + 15.0,
            lines[1],
        );
    }
    text.push_str("</g>\n");
    text
}

/// A kind's name on white, in the kind's colour.
fn badge(kind: Kind, x: f64, y: f64) -> String {
    let colour = kind_colour(kind);
    format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"72\" height=\"20\" rx=\"10\" fill=\"#ffffff\" stroke=\"{colour}\"/>\
         <text class=\"badge\" x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
        x + 36.0,
        y + 14.0,
        kind.name()
    )
}

/// The colour in which a kind's name is written on white.
pub(super) fn kind_colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Generate => "#15803d",
        Kind::Eval => "#a16207",
        Kind::Filter => "#be123c",
        Kind::Refine => "#0e7490",
    }
}

fn legend(y: f64) -> String {
    let mut text = String::from("<g>");
    for (at, kind) in [Kind::Generate, Kind::Eval, Kind::Filter, Kind::Refine].into_iter().enumerate() {
        text.push_str(&badge(kind, 28.0 + at as f64 * 80.0, y));
    }
    let below = y + 42.0;
    let _ = writeln!(
        text,
        "<linearGradient id=\"steps\"><stop offset=\"0\" stop-color=\"#7c3aed\"/><stop offset=\"1\" stop-color=\"#2563eb\"/></linearGradient>\
         <rect x=\"28\" y=\"{0}\" width=\"48\" height=\"10\" rx=\"5\" fill=\"url(#steps)\"/><text class=\"legend\" x=\"82\" y=\"{1}\">first to last step</text>\
         <rect x=\"198\" y=\"{0}\" width=\"20\" height=\"10\" rx=\"5\" fill=\"#0f766e\"/><text class=\"legend\" x=\"224\" y=\"{1}\">input</text>\
         <rect x=\"266\" y=\"{0}\" width=\"20\" height=\"10\" rx=\"5\" fill=\"#b45309\"/><text class=\"legend\" x=\"292\" y=\"{1}\">output</text>\
         <path d=\"M344 {2} h28\" stroke=\"#8b5cf6\" stroke-width=\"2\" stroke-dasharray=\"1.5 5\" stroke-linecap=\"round\"/><text class=\"legend\" x=\"378\" y=\"{1}\">rows, no key</text></g>",
        below - 9.0,
        below,
        below - 4.0
    );
    text
}

/// A text in XML: its special characters named, and what XML cannot hold replaced.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other if other.is_control() => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::drawing::Untouched;
    use crate::graph::fixtures::{long, translate};

    #[test]
    fn every_step_says_its_number() {
        let picture = long().to_svg();
        for step in 1..=25 {
            assert!(picture.contains(&format!("(step={step})")), "{step}");
        }
    }

    #[test]
    fn texts_of_the_user_are_escaped() {
        let picture = Drawing { untouched: Untouched::Show }.svg(&translate());
        assert!(picture.contains("来源 &quot;x&quot;|&lt;b&gt;"));
        assert!(!picture.contains("<b>"));
        assert!(!translate().to_svg().contains("来源"));
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(escape("a\u{0}\n<&>'\u{ffff}"), "a  &lt;&amp;&gt;&#39;\u{fffd}");
    }
}
