//! A graph as one page that needs nothing else: no network, no other file.

use serde::Serialize;

use super::drawing::{Colours, Sketch, Untouched, colours, shorten};
use super::json::as_value;
use super::layout::Layout;
use super::svg::{escape, kind_colour};
use super::{Node, PipelineGraph};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const WORDS: &str = include_str!("words.js");
const VIEW: &str = include_str!("view.js");
const SCRIPT: &str = include_str!("page.js");

/// What the page's script draws.
#[derive(Serialize)]
struct PageData<'a> {
    name: &'a str,
    nodes: Vec<PageNode<'a>>,
    layout: Layout,
}

#[derive(Serialize)]
struct PageNode<'a> {
    id: String,
    #[serde(flatten)]
    node: &'a Node,
    /// The box's lines, cut to its width.
    lines: Vec<String>,
    colours: Colours,
    /// The colour of the kind's badge.
    badge: Option<&'static str>,
}

impl PipelineGraph {
    /// The graph as one self-contained page: nodes can be dragged, the view zoomed and panned, and details shown.
    pub fn to_html(&self) -> String {
        // The page holds the keys that nothing changes, and hides them until its switch is turned.
        let sketch = Sketch::new(self, Untouched::Show);
        let nodes = sketch.nodes.iter().zip(colours(&sketch.nodes)).map(|(node, colours)| PageNode {
            id: node.id(),
            node,
            lines: node.lines().iter().zip([32, 36, 27]).map(|(line, columns)| shorten(line, columns)).collect(),
            colours,
            badge: if let Node::Step(step) = node { Some(kind_colour(step.kind)) } else { None },
        });
        let data = PageData { name: &self.name, nodes: nodes.collect(), layout: Layout::new(&sketch) };
        page(&escape(&self.name), &in_script(&as_value(&data).to_string()))
    }
}

/// Fills the page's places in one pass, so that nothing within a filling is taken for a place.
fn page(title: &str, data: &str) -> String {
    let mut text = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len());
    for (at, part) in PAGE.split("{{").enumerate() {
        let (place, rest) = if at == 0 { ("", part) } else { part.split_once("}}").unwrap_or(("", part)) };
        match place {
            "title" => text.push_str(title),
            "style" => text.push_str(STYLE),
            "data" => text.push_str(data),
            "script" => [WORDS, VIEW, SCRIPT].iter().for_each(|script| text.push_str(script)),
            _ => {}
        }
        text.push_str(rest);
    }
    text
}

/// JSON that can stand in a `script` element: no `</script>` and no `<!--` can come of it.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::fixtures::{long, translate};

    /// What stands in the page's data element.
    fn data_of(page: &str) -> &str {
        let rest = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap().1;
        rest.split_once("</script>").unwrap().0
    }

    #[test]
    fn a_script_end_in_a_parameter_is_harmless() {
        let page = translate().to_html();
        let data: serde_json::Value = serde_json::from_str(data_of(&page)).unwrap();
        assert_eq!(data["nodes"][1]["parameters"]["system_prompt"], "Translate \"into\" Chinese.</script><b>|\\n\nNo notes.");
        assert!(page.contains("<title>translate &lt;b&gt;&quot;it&quot;&lt;/b&gt;"));
    }

    #[test]
    fn the_page_names_no_address() {
        let page = long().to_html();
        // The names of XML's vocabularies look like addresses and are never fetched.
        let page = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("@import") && !page.contains("src=\""));
    }

    #[test]
    fn every_place_of_the_page_is_filled() {
        let page = page("the title", "{\"{{style}}\":1}");
        assert!(page.contains("the title") && page.contains("{\"{{style}}\":1}"));
        assert_eq!(page.matches("{{").count(), 1);
    }
}
