//! A model that is built in and needs nothing: its answers are not real, have the form that was asked for, and are the same each time.

mod answer;
mod instance;
mod request;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dataflow_core::serving::{Chat, Embeddings, Finish, LLMServing, Reply, ServingError, ServingKind, Usage};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use request::Request;

inventory::submit! {
    ServingKind { name: "demo", build: |value| Ok(Arc::new(crate::options::read::<DemoServing>(value)?)) }
}

/// Answers everything at once, for nothing, and with nothing true in it: to try a pipeline before a model is paid for.
///
/// ```
/// use dataflow_core::serving::{Chat, LLMServing};
/// use dataflow_serving::DemoServing;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let reply = DemoServing::default().chat(&Chat::from("为什么天空是蓝色的？")).await.unwrap();
/// assert!(reply.content.contains("天空"));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DemoServing {
    /// Milliseconds that it takes over an answer.
    pub latency_ms: u64,
    /// How many calls may be in flight at once; a file says 1 or more.
    #[serde(deserialize_with = "at_least_one")]
    pub max_concurrency: usize,
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    NonZeroUsize::deserialize(deserializer).map(NonZeroUsize::get)
}

impl Default for DemoServing {
    fn default() -> Self {
        Self { latency_ms: 0, max_concurrency: 16 }
    }
}

/// What is shown before the first answer.
pub(crate) const NOTICE: &str = "the demo model answers, and its answers are not real (由内置演示模型作答，回答不真实)";

#[async_trait]
impl LLMServing for DemoServing {
    fn identity(&self) -> Value {
        json!({ "model": "demo" })
    }

    fn spec(&self) -> Value {
        let mut spec = json!({ "type": "demo" });
        if self.latency_ms != 0 {
            spec["latency_ms"] = self.latency_ms.into();
        }
        if self.max_concurrency != Self::default().max_concurrency {
            spec["max_concurrency"] = self.max_concurrency.into();
        }
        spec
    }

    fn max_concurrency(&self) -> usize {
        self.max_concurrency.max(1)
    }

    fn notice(&self) -> Option<String> {
        Some(NOTICE.to_owned())
    }

    async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError> {
        if self.latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.latency_ms)).await;
        }
        let request = Request::of(chat);
        let content = match &chat.json_schema {
            Some(schema) => instance::of_schema(schema, &request).to_string(),
            None => answer::to(&request),
        };
        let read = chat.messages.iter().map(|message| message.content.chars().count()).sum();
        let usage = Usage { input_tokens: tokens(read), output_tokens: tokens(content.chars().count()) };
        Ok(Reply { content, thinking: None, finish: Finish::Stop, usage, model: "demo".into() })
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, ServingError> {
        let read = texts.iter().map(|text| text.chars().count()).sum();
        Ok(Embeddings { vectors: texts.iter().map(|text| vector_of(text)).collect(), usage: Usage { input_tokens: tokens(read), output_tokens: 0 } })
    }
}

/// Four characters are a token, roughly.
fn tokens(characters: usize) -> u64 {
    characters.div_ceil(4) as u64
}

/// A unit vector of the text's pairs of characters, so that texts that are alike lie near each other.
fn vector_of(text: &str) -> Vec<f32> {
    const DIMENSIONS: usize = 64;
    let mut vector = vec![0.0_f32; DIMENSIONS];
    let characters: Vec<char> = text.to_lowercase().chars().collect();
    for pair in characters.windows(2) {
        let hash = request::mix(u64::from(pair[0]) << 32 | u64::from(pair[1]));
        vector[hash as usize % DIMENSIONS] += 1.0;
    }
    vector[0] += 1e-3; // a text without pairs has a direction too
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.into_iter().map(|value| value / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(chat: impl Into<Chat>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(DemoServing::default().chat(&chat.into())).unwrap().content
    }

    fn is_chinese(text: &str) -> bool {
        text.chars().any(|character| ('\u{4E00}'..='\u{9FFF}').contains(&character))
    }

    #[test]
    fn a_file_asks_for_at_least_one_call_at_once() {
        let refused = |calls: Value| dataflow_core::registry::build_serving("d", &json!({ "type": "demo", "max_concurrency": calls })).unwrap_err().to_string();
        assert_eq!(refused(json!(0)), "serving `d`: `max_concurrency` should be a whole number from 1 on, found `0`");
        assert_eq!(refused(json!("many")), "serving `d`: `max_concurrency` should be a whole number from 1 on, found `many`");
        let of_environment = dataflow_core::registry::build_serving("e", &json!({ "type": "env", "max_concurrency": 0 })).unwrap_err().to_string();
        assert_eq!(of_environment, "serving `e`: `max_concurrency` should be a whole number from 1 on, found `0`");
    }

    #[test]
    fn it_answers_in_the_language_of_the_question_and_the_same_each_time() {
        assert!(is_chinese(&ask("为什么天空是蓝色的？")));
        assert!(!is_chinese(&ask("Why is the sky blue?")));
        assert_eq!(ask("Why is the sky blue?"), ask("Why is the sky blue?"));
        let chat = Chat::from("Why is the sky blue?");
        let samples: std::collections::HashSet<String> = (0..8).map(|sample| ask(chat.clone().sample(sample))).collect();
        assert!(samples.len() > 1, "independent samples differ");
    }

    #[test]
    fn it_gives_what_a_schema_allows() {
        let schema = json!({
            "type": "object", "required": ["prompts", "score", "ok", "kind", "part", "maybe"],
            "properties": {
                "prompts": { "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 4 },
                "score": { "type": "integer", "minimum": 1, "maximum": 5 },
                "share": { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
                "ok": { "type": "boolean" }, "kind": { "enum": ["a", "b"] },
                "part": { "$ref": "#/$defs/Part" }, "maybe": { "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/Part" }] },
                "short": { "type": "string", "maxLength": 5 },
            },
            "$defs": { "Part": { "type": "object", "properties": { "question": { "type": ["string", "null"] } }, "required": ["question"] } },
        });
        let validator = jsonschema::validator_for(&schema).unwrap();
        for number in 0..50 {
            let text = ask(Chat::from(format!("Question {number}?")).with_schema(schema.clone()));
            let value: Value = serde_json::from_str(&text).unwrap();
            assert!(validator.is_valid(&value), "{value}");
        }
    }

    #[test]
    fn a_schema_without_end_is_answered_too() {
        let schema = json!({ "$ref": "#/$defs/Tree", "$defs": { "Tree": { "type": "object", "properties": { "children": { "type": "array", "items": { "$ref": "#/$defs/Tree" } } } } } });
        assert!(ask(Chat::from("Grow.").with_schema(schema)).len() < 10_000);
    }

    #[test]
    fn forms_in_words_are_kept() {
        let judged: Value = serde_json::from_str(&ask(
            "Is it well put?\nWhat is 2+2?\nReply with JSON and nothing else: {\"judgement_test\": true/false, \"error_type\": \"<what is wrong, or null>\"}",
        ))
        .unwrap();
        assert!(judged["judgement_test"].is_boolean() && judged["error_type"].is_string(), "{judged}");
        let score: i64 = ask("Rate this from 1 to 5.\nThe sky is blue.\nOnly output the score.").parse().unwrap();
        assert!((1..=5).contains(&score));
        let score: i64 = ask("请给下面的文本打分，1到5分，只输出分数。\n天空是蓝色的。").parse().unwrap();
        assert!((1..=5).contains(&score));
        let pair = ask("Write one pair.\nQ: the question\nA: the answer\nThe sky is blue.");
        assert!(pair.starts_with("Q: ") && pair.contains("\nA: "), "{pair}");
        assert_eq!(ask("Does it hold? Reply with <ans>yes</ans> or <ans>no</ans>.").replace("no", "yes"), "<ans>yes</ans>");
        assert!(ask("Solve it and put the result in \\boxed{}.\nWhat is 2+2?").contains("\\boxed{"));
        assert!(is_chinese(&ask(Chat::system("Translate into Chinese.").user("Good morning."))));
    }

    #[test]
    fn a_pipeline_file_builds_it_and_gets_it_back() {
        let spec = json!({ "type": "demo", "latency_ms": 5 });
        assert_eq!(dataflow_core::registry::build_serving("judge", &spec).unwrap().spec(), spec);
    }

    #[test]
    fn texts_that_are_alike_lie_near_each_other() {
        let likeness = |left: &str, right: &str| vector_of(left).iter().zip(vector_of(right)).map(|(left, right)| left * right).sum::<f32>();
        assert!(likeness("the sky is blue", "the sky is blue today") > likeness("the sky is blue", "一只猫"));
        assert!((likeness("", "") - 1.0).abs() < 1e-3);
    }
}
