//! Asks for a score from 1 to 5.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use crate::pattern::pattern;
use dataflow_core::Result;
use dataflow_core::model::Model;
use dataflow_core::reply::find_json;
use dataflow_core::serving::Chat;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

/// What the model is told by default.
pub(super) const SYSTEM_PROMPT: &str = "Please evaluate the quality of this data on a scale from 1 to 5.";

const SCALE: RangeInclusive<i64> = 1..=5;

/// The form of the reply.
#[derive(Deserialize, JsonSchema)]
struct Score {
    /// A whole number from 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    #[expect(dead_code, reason = "the reply is read more leniently than its schema asks")]
    score: i64,
}

/// The model's score of a text; a reply without one is asked for again, and fails then.
pub(super) async fn ask(model: &Model, system_prompt: &str, text: &str) -> Result<i64> {
    let request = format!("{text}\n\nReply with the score alone, a whole number from 1 to 5, as JSON: {{\"score\": <number>}}");
    let chat = Chat::system(system_prompt).user(request).with_schema(schemars::schema_for!(Score).to_value());
    model.ask(chat).parsed(parse).await
}

/// The score in JSON, or a reply that is a score and nothing else. A number amid prose is no verdict.
fn parse(reply: &str) -> Result<i64, String> {
    static BARE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?i)^[^\w-]*(?:(?:score|rating|评分|得分|分数)\s*(?:is|为|是)?[^\w-]*)?(-?\d+)(?:\.0+)?(?:\s*/\s*5|\s*out of 5|\s*分)?\W*$")
    });
    let mut found = None;
    find_json(reply, |value| {
        found = value.get("score").and_then(|score| score.as_i64().or_else(|| score.as_str()?.trim().parse().ok()));
        found.is_some()
    });
    let bare = || BARE.captures(reply.trim())?.get(1)?.as_str().parse::<i64>().ok();
    match found.or_else(bare) {
        Some(score) if SCALE.contains(&score) => Ok(score),
        Some(other) => Err(format!("a whole number from 1 to 5 was expected, and the score is {other}")),
        None => Err("a whole number from 1 to 5 was expected, and there is none that stands for itself".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_read_from_json_and_from_a_bare_number_and_never_from_prose() {
        for reply in ["4", " **4** ", "Score: 4/5", "得分：4分", "4.0", "{\"score\": 4}", "```json\n{\"score\": \"4\"}\n```", "It reads well. {\"score\": 4}"]
        {
            assert_eq!(parse(reply), Ok(4), "{reply}");
        }
        for reply in ["On a scale from 1 to 5 it is good.", "0", "10", "-4", "3.5", "{\"score\": 9}", ""] {
            assert!(parse(reply).is_err(), "{reply}");
        }
    }
}
