//! Replies as AI-DataFlux was seen to read them, against which ours are held.
//!
//! `test_data/flux-vectors.json.zst` was recorded from AI-DataFlux at d001ef6 with the required field `c`, of `a` or `b`, and the field `n`, of 1 or 2:
//! `{"extract": [[reply, what it reads or why it refuses, what would be better]]}`, packed with `zstd -19`. A reply that we read otherwise is a line of
//! [`DEVIATIONS`] with its reason; a difference without a line fails the test, and so does a line without a difference.

use std::collections::{BTreeMap, BTreeSet};

use dataflow_core::row::Row;
use dataflow_core::testing::frame_of;
use serde_json::{Value, json};

use super::{RecordGenerator, RecordProfile};

/// The reply, what ours makes of it, and why.
const DEVIATIONS: &[(&str, &str, &str)] = &[
    (r#"{"c":"a","n":true}"#, "invalid_field_values", "`true` is no number, though Python has it equal to 1"),
    (r#"Sure! {"c":"a","o":{"k":1}} done"#, r#"{"c":"a","o":{"k":1}}"#, "braces are counted, so that an object within the record does not end it"),
    (r#"<think>{"c":"b"}</think>{"c":"a"}"#, r#"{"c":"a"}"#, "what a model thinks is not its answer"),
    (r#"{"c":"x, }"}"#, "invalid_field_values", "a comma within a text is the text's, and no slip to be mended"),
    ("```\n{\"c\":\"zzz\"}\n``` or {\"c\":\"a\"}", r#"{"c":"a"}"#, "a record that breaks a rule does not hide a later one that keeps it"),
    ("  ", "empty_ai_response", "a blank reply is as empty as none"),
];

fn read(reply: &str) -> String {
    let profile = RecordProfile {
        required_fields: vec!["c".into()],
        field_rules: BTreeMap::from([("c".to_owned(), vec![json!("a"), json!("b")]), ("n".to_owned(), vec![json!(1), json!(2)])]),
        ..RecordProfile::default()
    };
    match profile.prepare(std::iter::empty()).unwrap().read(reply) {
        Ok(record) => Value::Object(record).to_string(),
        Err(why) if why.contains("is empty") => "empty_ai_response".into(),
        Err(why) if why.contains("is not one of") => "invalid_field_values".into(),
        Err(why) if why.contains("there is none") => "invalid_or_missing_json".into(),
        Err(why) => why,
    }
}

fn vectors() -> Value {
    let packed = include_bytes!("../../../../test_data/flux-vectors.json.zst");
    serde_json::from_slice(&zstd::decode_all(&packed[..]).unwrap()).unwrap()
}

#[test]
fn replies_are_read_as_ai_dataflux_reads_them_or_better() {
    let vectors = vectors();
    let mut used = BTreeSet::new();
    for vector in vectors["extract"].as_array().unwrap() {
        let reply = vector[0].as_str().unwrap();
        let theirs = vector[1].as_str().map_or_else(|| vector[1].to_string(), ToOwned::to_owned);
        match DEVIATIONS.iter().find(|(known, ..)| *known == reply) {
            Some((known, ours, reason)) => {
                assert_eq!(read(reply), *ours, "{reply}: {reason}");
                assert_ne!(*ours, theirs, "{reply} is read as AI-DataFlux reads it, and needs no line");
                used.insert(*known);
            }
            None => assert_eq!(read(reply), theirs, "{reply}"),
        }
        assert!(vector[2].is_null() || used.contains(reply), "{reply} is marked as one that should be read better, and has no line");
    }
    assert_eq!(used.len(), DEVIATIONS.len(), "a line is of a reply that is not among the vectors");
}

#[test]
fn rows_are_told_as_ai_dataflux_tells_them() {
    for vector in vectors()["prompt"].as_array().unwrap() {
        let row = vector["row"].as_object().unwrap();
        let operator = RecordGenerator { input_keys: row.keys().map(|name| name.as_str().into()).collect(), ..RecordGenerator::default() };
        let frame = frame_of(&[Value::Object(row.clone())]);
        let chat = operator.questions().unwrap()(&Row::new(&frame, 0, "1", 0)).unwrap().unwrap();
        assert_eq!(chat.messages.last().unwrap().content, vector["record_json"].as_str().unwrap());
    }
}
