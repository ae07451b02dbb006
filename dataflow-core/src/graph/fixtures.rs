//! Graphs to draw in tests.

use std::collections::BTreeMap;

use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::{Value, json};

use super::{Edge, EdgeKey, GraphKey, Node, PipelineGraph, StepNode};
use crate::operator::{Kind, Shape};

/// A pipeline of three model steps, with texts that every format has to escape.
pub fn translate() -> PipelineGraph {
    let mut graph = Growing::new("translate <b>\"it\"</b>", &["id", "raw_content", "来源 \"x\"|<b>"]);
    let generator = ("core_text", "PromptedGenerator", Kind::Generate);
    let ask = |system: &str, input: &str, output: &str| json!({ "system_prompt": system, "input_key": input, "output_key": output });
    let chinese = "Translate \"into\" Chinese.</script><b>|\\n\nNo notes.";
    graph.step("chinese", generator, Some("default"), ask(chinese, "raw_content", "content_zh"));
    graph.step("french", generator, Some("default"), ask("Translate into French.", "content_zh", "content_fr"));
    graph.step("check", generator, Some("judge"), ask("Translate back into English.", "content_fr", "raw_content_again"));
    graph.end()
}

/// A pipeline of 25 steps: rules, filters that write nothing, a few model steps, and many keys.
pub fn long() -> PipelineGraph {
    let mut graph = Growing::new("web pages to reasoning data", &["id", "title", "text", "url", "language", "fetched_at", "licence", "作者"]);
    let refine = |name: &'static str| ("general_text", name, Kind::Refine);
    let filter = |name: &'static str| ("general_text", name, Kind::Filter);
    let generate = |name: &'static str| ("reasoning", name, Kind::Generate);
    let score = |name: &'static str| ("core_text", name, Kind::Eval);
    let scores = ["clarity", "depth", "correctness", "difficulty", "originality", "usefulness", "safety", "fluency"];

    graph.step("spaces", refine("RemoveExtraSpacesRefiner"), None, json!({ "change_key": "text" }));
    graph.step("html", refine("HtmlUrlRemoverRefiner"), None, json!({ "change_key": "text" }));
    graph.step("emoji", refine("RemoveEmojiRefiner"), None, json!({ "change_key": "text" }));
    graph.step("long enough", filter("CharNumberFilter"), None, json!({ "threshold": 100, "input_key": "text" }));
    graph.step("words", filter("WordNumberFilter"), None, json!({ "min_words": 20, "max_words": 10_000, "input_key": "text" }));
    graph.step("duplicates", filter("MinHashDeduplicateFilter"), None, json!({ "num_perm": 128, "threshold": 0.9, "input_key": "text" }));
    graph.step("ngrams", score("NgramSampleEvaluator"), None, json!({ "ngrams": 5, "input_key": "text", "output_key": "ngram_score" }));
    graph.step("varied", filter("GeneralFilter"), None, json!({ "filter_rules": ["ngram_score > 0.4"], "input_keys": ["ngram_score"] }));
    graph.step(
        "quality",
        score("PromptedEvaluator"),
        Some("judge"),
        json!({ "system_prompt": "Rate the text.", "input_key": "text", "output_key": "quality" }),
    );
    graph.step("good", filter("GeneralFilter"), None, json!({ "filter_rules": ["quality >= 4"], "input_keys": ["quality"] }));
    graph.step(
        "domain",
        generate("PromptedGenerator"),
        Some("default"),
        json!({ "system_prompt": "Name the domain.", "input_key": "text", "output_key": "domain" }),
    );
    graph.step("summary", generate("PromptedGenerator"), Some("default"), json!({ "system_prompt": "总结全文。", "input_key": "text", "output_key": "摘要" }));
    graph.step(
        "question",
        generate("FormatStrPromptedGenerator"),
        Some("default"),
        json!({
            "prompt_template": "About {domain}:\n{summary}\n{title}",
            "input_keys": { "domain": "domain", "summary": "摘要", "title": "title" }, "output_key": "question",
        }),
    );
    graph.step("sound questions", ("reasoning", "ReasoningQuestionFilter", Kind::Filter), Some("judge"), json!({ "input_key": "question" }));
    graph.step(
        "harder",
        generate("ReasoningQuestionGenerator"),
        Some("default"),
        json!({ "num_prompts": 3, "input_key": "question", "output_key": "harder_question" }),
    );
    graph.step("answers", generate("ReasoningAnswerGenerator"), Some("default"), json!({ "input_key": "harder_question", "output_key": "generated_cot" }));
    graph.step(
        "judged",
        ("reasoning", "ReasoningAnswerModelJudgeFilter", Kind::Filter),
        Some("judge"),
        json!({ "input_keys": ["harder_question", "generated_cot"], "output_key": "answer_match_result" }),
    );
    graph.step(
        "no loops",
        ("reasoning", "ReasoningAnswerNgramFilter", Kind::Filter),
        None,
        json!({ "min_score": 0.1, "ngrams": 5, "input_keys": ["harder_question", "generated_cot"] }),
    );
    graph.step(
        "polish",
        ("core_text", "PromptedRefiner", Kind::Refine),
        Some("default"),
        json!({ "system_prompt": "Make it clear.", "change_key": "generated_cot" }),
    );
    graph.step(
        "a name of a step that is rather longer than its box",
        ("core_text", "PromptedEvaluator", Kind::Eval),
        Some("a serving with a long name"),
        json!({ "rubric": "Score each of the eight.".repeat(40), "input_keys": ["harder_question", "generated_cot"], "output_keys": scores }),
    );
    graph.step("all well", filter("GeneralFilter"), None, json!({ "filter_rules": ["clarity + depth > 6"], "input_keys": scores }));
    graph.step(
        "turns",
        ("conversation", "MultiTurnConversationGenerator", Kind::Generate),
        Some("default"),
        json!({ "turns": 6, "input_key": "harder_question", "output_key": "conversation" }),
    );
    graph.step("domains", ("core_text", "BenchDatasetEvaluator", Kind::Eval), None, json!({ "input_keys": ["domain", "generated_cot"] }));
    graph.step("tidy answers", refine("RemoveExtraSpacesRefiner"), None, json!({ "change_key": "generated_cot" }));
    graph.step("short", filter("CharNumberFilter"), None, json!({ "threshold": 10, "input_key": "generated_cot" }));
    graph.end()
}

/// A graph while steps are added to it.
struct Growing {
    name: String,
    graph: DiGraph<Node, Edge>,
    /// Each key's last writer, in the order of the columns.
    writers: Vec<(String, NodeIndex)>,
    input: NodeIndex,
    steps: usize,
}

impl Growing {
    fn new(name: &str, columns: &[&str]) -> Self {
        let mut graph = DiGraph::new();
        let input = graph.add_node(Node::Input { columns: columns.iter().map(|key| graph_key("", key)).collect() });
        let writers = columns.iter().map(|key| ((*key).to_owned(), input)).collect();
        Self { name: name.to_owned(), graph, writers, input, steps: 0 }
    }

    /// Adds a step whose parameters name its keys: `input_*` is read, `output_*` written, `change_*` both.
    fn step(&mut self, name: &str, operator: (&str, &str, Kind), serving: Option<&str>, parameters: Value) {
        self.steps += 1;
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for (field, value) in parameters.as_object().into_iter().flatten() {
            let keys: Vec<&str> = match value {
                Value::String(key) => vec![key],
                Value::Array(keys) => keys.iter().filter_map(Value::as_str).collect(),
                Value::Object(keys) => keys.values().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            let keys = keys.into_iter().map(|key| graph_key(field, key));
            match field.split('_').next() {
                Some("input") => reads.extend(keys),
                Some("output") => writes.extend(keys),
                Some("change") => {
                    let keys: Vec<_> = keys.collect();
                    reads.extend(keys.clone());
                    writes.extend(keys);
                }
                _ => {}
            }
        }
        let (category, operator, kind) = operator;
        let node = self.graph.add_node(Node::Step(StepNode {
            step: self.steps,
            name: name.to_owned(),
            operator: operator.to_owned(),
            category: category.to_owned(),
            kind,
            shape: if serving.is_some() { Shape::Row } else { Shape::Column },
            parameters,
            reads: reads.clone(),
            writes: writes.clone(),
            serving: serving.map(str::to_owned),
        }));
        self.join(node, reads.iter().map(|key| key.key.clone()).collect());
        for key in writes {
            self.writers.retain(|(written, _)| *written != key.key);
            self.writers.push((key.key, node));
        }
    }

    fn join(&mut self, node: NodeIndex, keys: Vec<String>) {
        let is_end = matches!(self.graph[node], Node::Output { .. });
        let mut edges: BTreeMap<NodeIndex, Edge> = BTreeMap::new();
        for key in keys {
            if let Some((_, writer)) = self.writers.iter().find(|(written, _)| *written == key) {
                let untouched = is_end && *writer == self.input;
                edges.entry(*writer).or_default().keys.push(EdgeKey { key, untouched });
            }
        }
        for (writer, edge) in edges {
            self.graph.add_edge(writer, node, edge);
        }
    }

    fn end(mut self) -> PipelineGraph {
        let keys: Vec<String> = self.writers.iter().map(|(key, _)| key.clone()).collect();
        let output = self.graph.add_node(Node::Output { columns: keys.iter().map(|key| graph_key("", key)).collect() });
        self.join(output, keys);
        PipelineGraph { name: self.name, graph: self.graph }
    }
}

fn graph_key(field: &str, key: &str) -> GraphKey {
    GraphKey { key: key.to_owned(), column_type: "text".to_owned(), field: field.to_owned() }
}
