//! The JSON Schema of a file, as the file is read: with variables in the place of values, keys without a value, and the sections of others.

use serde_json::{Map, Value, json};

use super::Configuration;
use super::reading::OTHER_SECTIONS;

/// Sections in which a key without a value is as one that is not there.
const NULL_IS_ABSENT: [&str; 4] = ["ModelSettings", "ChannelSettings", "GatewaySettings", "GlobalSettings"];

/// The schema.
pub(super) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Configuration).to_value();
    loosen(&mut schema, true);
    schema["additionalProperties"] = false.into();
    if let Some(sections) = schema["properties"].as_object_mut() {
        sections.extend(OTHER_SECTIONS.map(|name| (name.to_owned(), json!({ "description": "Of `dataflow process`." }))));
    }
    for (name, section) in schema["$defs"].as_object_mut().into_iter().flatten() {
        loosen(section, NULL_IS_ABSENT.contains(&name.as_str()));
    }
    schema
}

/// Lets a variable stand for each value that is no text anyway, and nothing for what may be absent.
fn loosen(section: &mut Value, may_be_null: bool) {
    let needed: Vec<Value> = section["required"].as_array().cloned().unwrap_or_default();
    for (key, value) in section.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(strict) = value.as_object_mut() else { continue };
        let mut loose: Map<String, Value> =
            ["description", "default"].into_iter().filter_map(|name| Some((name.to_owned(), strict.shift_remove(name)?))).collect();
        let mut ways = vec![Value::Object(std::mem::take(strict))];
        if !["array", "object"].iter().any(|kind| ways[0]["type"] == *kind) {
            ways.push(json!({ "type": "string", "pattern": r"\$\{" }));
        }
        if may_be_null && !needed.contains(&key.as_str().into()) {
            ways.push(json!({ "type": "null" }));
        }
        loose.insert("anyOf".into(), ways.into());
        *strict = loose;
    }
}

/// A pattern of some words, large or small.
pub(super) fn any_case(words: &[&str]) -> String {
    let letter = |letter: char| format!("[{}{letter}]", letter.to_ascii_uppercase());
    let words: Vec<String> = words.iter().map(|word| word.chars().map(letter).collect()).collect();
    format!("^({})$", words.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the schema says of a file, and what the program does.
    fn check(text: &str) -> (bool, bool) {
        let value: Value = serde_yaml::from_str(text).unwrap();
        let by_schema = jsonschema::is_valid(&Configuration::json_schema(), &value);
        let read = Configuration::parse(text, &|name| ["KEY", "N", "P"].contains(&name).then(|| "1".into()));
        (by_schema, read.is_ok_and(|(_, warnings)| warnings.is_empty()))
    }

    fn file(model: &str, channel: &str, more: &str) -> String {
        format!("models: [{{ id: 1, model: m, channel_id: a{model} }}]\nchannels: {{ a: {{ base_url: 'http://a.example'{channel} }} }}\n{more}\n")
    }

    #[test]
    fn what_can_be_used_is_well_by_the_schema() {
        let models = [
            "",
            ", weight: '${W:-3}'",
            ", weight: null",
            ", weight: -1",
            ", timeout: null",
            ", timeout: 0.5",
            ", api_key: 12",
            ", api_key: '${KEY}'",
            ", api_key: null",
            ", temperature: null",
            ", safe_rps: 0",
            ", safe_rps: 0.2",
            ", safe_tpm: 5",
            ", max_concurrency: '${N}'",
            ", prices: { in: 1, out: '${P}' }",
            ", prices: null",
            ", supports_json_schema: '${V:-true}'",
            ", name: null",
            ", name: ''",
            ", name: one",
        ];
        let channels = ["", ", ssl_verify: '${V:-true}'", ", timeout: null", ", proxy: null", ", proxy: 'http://p:1'", ", ip_pool: null", ", api_path: null"];
        let others = [
            "",
            "gateway: null",
            "gateway: { queue_timeout: 0, cache: on }",
            "gateway: { cache: true, backoff: ladder }",
            "gateway: { backoff: '${B:-ladder}' }",
            "gateway: { api_keys: null, admin_key: 12 }",
            "gateway: { api_keys: [one, 2] }",
            "global: null",
            "global: { log: null }",
            "global: { log: { level: DEBUG } }",
            "datasource: { type: excel }",
            "routing: null",
            "budget: { tokens: 1 }",
            "gateway: { max_queue: 0 }",
        ];
        let all = models
            .map(|model| file(model, "", ""))
            .into_iter()
            .chain(channels.map(|channel| file("", channel, "")))
            .chain(others.map(|more| file("", "", more)));
        for text in all {
            assert_eq!(check(&text), (true, true), "by the schema, as it is read: {text}");
        }
        assert_eq!(check(include_str!("../../../../example_data/gateway/config.yaml")), (true, true));
    }

    #[test]
    fn what_is_refused_or_warned_of_is_wrong_by_the_schema() {
        let models = [
            ", weigth: 1",
            ", weight: much",
            ", weight: '3'",
            ", timeout: 0",
            ", timeout: -1",
            ", timeout_idle: 0",
            ", timeout_first_token: -2",
            ", temperature: -1",
            ", safe_rps: 1e-9",
            ", safe_rps: 1e9",
            ", safe_tpm: 0",
            ", safe_tpm: -1",
            ", max_concurrency: 0",
            ", max_concurrency: 1.5",
            ", prices: { in: -1 }",
            ", prices: { on: 1 }",
            ", prices: { in: null }",
            ", supports_json_schema: yes please",
            ", name: auto",
            ", name: 5",
            ", api_key: true",
        ];
        let channels = [", ssl_verify: maybe", ", timeout: -1", ", api_pth: x", ", ip_pool: 10.0.0.1", ", name: [a]"];
        let others = [
            "gatway: {}",
            "gateway: { apikeys: [a] }",
            "gateway: { max_body_mb: 0 }",
            "gateway: { queue_timeout: -1 }",
            "gateway: { backoff: stairs }",
            "gateway: { cache: maybe }",
            "gateway: { api_keys: sk-1 }",
            "gateway: []",
            "global: { log: { level: loud } }",
            "global: { log: { level: null } }",
            "global: { lgo: {} }",
            "gateway: { max_queue: -1 }",
        ];
        let whole = [
            "models: [{ id: auto, model: m, channel_id: a }]\nchannels: { a: { base_url: 'http://a.example' } }",
            "models: [{ id: 1, model: ' ', channel_id: a }]\nchannels: { a: { base_url: 'http://a.example' } }",
            "models: [{ model: m, channel_id: a }]\nchannels: { a: { base_url: 'http://a.example' } }",
            "models: [7]",
            "channels: { a: { base_url: nowhere } }",
            "channels: { a: {} }",
        ]
        .map(ToOwned::to_owned);
        let all = models
            .map(|model| file(model, "", ""))
            .into_iter()
            .chain(channels.map(|channel| file("", channel, "")))
            .chain(others.map(|more| file("", "", more)));
        for text in all.chain(whole) {
            assert_eq!(check(&text), (false, false), "by the schema, as it is read: {text}");
        }
    }
}
