//! A request's body: what the gateway reads of it, and the same body for a deployment, all else byte for byte.

use std::borrow::Cow;

use bytes::Bytes;
use dataflow_core::journal::QuestionKey;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::estimate::Said;
use crate::pool::ModelSettings;

/// Fields that go only to models with `supports_advanced_params`.
const ADVANCED: [&str; 3] = ["presence_penalty", "frequency_penalty", "logit_bias"];

/// A request's body, read once.
#[derive(Debug)]
pub(super) struct RequestBody {
    bytes: Bytes,
    /// Its fields in their order: the name, and where the name with its value stands.
    fields: Vec<(String, std::ops::Range<usize>)>,
    /// The model that is asked for.
    pub model: String,
    /// Whether the reply is to come in pieces.
    pub stream: bool,
    /// About how many tokens it takes.
    pub tokens: u64,
}

#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    stream: Option<bool>,
    messages: Option<Vec<IgnoredAny>>,
    input: Option<IgnoredAny>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

/// What a request is at fault in: the field, and what should be there.
pub(super) type Fault = (Option<&'static str>, String);

impl RequestBody {
    /// Reads a chat's body, or that of a request for vectors; the error tells the caller what is wrong with it.
    pub fn read(bytes: Bytes, route: super::Route) -> Result<Self, Fault> {
        let wrong = |error: serde_json::Error| match (bytes.trim_ascii_start().first(), error.is_data()) {
            (Some(b'{'), _) | (_, false) => (None, format!("the body should be a JSON object of a request: {error}")),
            _ => (None, "the body should be a JSON object of a request, found another JSON value".to_owned()),
        };
        let seen: Seen<'_> = serde_json::from_slice(&bytes).map_err(wrong)?;
        let model = match &seen.model {
            Some(model) => model.clone().into_owned(),
            None => return Err((Some("model"), "`model` is missing: name a model, or `auto` for any\nhint: GET /v1/models lists them".into())),
        };
        match route {
            super::Route::Chat if seen.messages.as_ref().is_none_or(Vec::is_empty) => {
                return Err((Some("messages"), "`messages` should be a list with at least one message".into()));
            }
            super::Route::Embeddings if seen.input.is_none() => return Err((Some("input"), "`input` should be a text, or a list of texts".into())),
            _ => {}
        }
        let stream = seen.stream.unwrap_or(false) && route == super::Route::Chat;
        let tokens = (bytes.len() as u64 / 4).saturating_add(seen.max_tokens.or(seen.max_completion_tokens).unwrap_or(0));
        let fields = fields(&bytes);
        Ok(Self { bytes, fields, model, stream, tokens })
    }

    /// What tells the question from all others: the route, the caller, the models that may answer, and all that the body says.
    pub fn question_key(&self, route: super::Route, caller: &[u8], identity: &str) -> QuestionKey {
        let mut fields: Vec<&[u8]> = self.fields.iter().filter(|(name, _)| name != "stream").map(|(_, place)| &self.bytes[place.clone()]).collect();
        fields.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for part in [route.name().as_bytes(), caller, identity.as_bytes()].into_iter().chain(fields) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        QuestionKey(key)
    }

    /// The texts in it.
    pub fn texts(&self) -> Said {
        Said::of(&self.bytes)
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// The body as a deployment takes it: its own model's name, its temperature where none is given, and no field that it does not take.
    pub fn written_for(&self, settings: &ModelSettings, route: super::Route) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.bytes.len() + settings.model.len() + 32);
        let next = |body: &mut Vec<u8>| body.push(if body.is_empty() { b'{' } else { b',' });
        for (name, place) in &self.fields {
            if ADVANCED.contains(&name.as_str()) && !settings.supports_advanced_params && route == super::Route::Chat {
                continue;
            }
            next(&mut body);
            if name == "model" {
                body.extend_from_slice(b"\"model\":");
                body.extend_from_slice(serde_json::Value::from(settings.model.as_str()).to_string().as_bytes());
            } else {
                body.extend_from_slice(&self.bytes[place.clone()]);
            }
        }
        if let Some(temperature) = settings.temperature.filter(|_| route == super::Route::Chat && !self.has("temperature")) {
            next(&mut body);
            body.extend_from_slice(format!("\"temperature\":{temperature}").as_bytes());
        }
        body.push(b'}');
        body
    }
}

/// Where the fields of an object stand, which is known to be well-formed.
fn fields(bytes: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let mut fields = Vec::new();
    let mut at = after_spaces(bytes, 0) + 1; // the opening brace
    loop {
        let start = after_spaces(bytes, at);
        if bytes.get(start) != Some(&b'"') {
            return fields;
        }
        let name_end = after_text(bytes, start);
        let name = serde_json::from_slice(&bytes[start..name_end]).unwrap_or_default();
        let value = after_spaces(bytes, after_spaces(bytes, name_end) + 1); // past the colon
        let end = after_value(bytes, value);
        fields.push((name, start..end));
        at = after_spaces(bytes, end) + 1; // past the comma, or the closing brace
        if bytes.get(at - 1) != Some(&b',') {
            return fields;
        }
    }
}

pub(super) fn after_spaces(bytes: &[u8], from: usize) -> usize {
    bytes[from.min(bytes.len())..].iter().position(|byte| !byte.is_ascii_whitespace()).map_or(bytes.len(), |at| from + at)
}

pub(super) fn after_text(bytes: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

fn after_value(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = after_text(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::Route;
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn settings(more: &Value) -> ModelSettings {
        let mut value = json!({ "id": "1", "model": "real \"name\"", "channel_id": "c" });
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    fn written(body: &str, more: &Value) -> String {
        let body = RequestBody::read(Bytes::copy_from_slice(body.as_bytes()), Route::Chat).unwrap();
        String::from_utf8(body.written_for(&settings(more), Route::Chat)).unwrap()
    }

    #[test]
    fn all_but_the_model_and_the_defaults_stays_byte_for_byte() {
        assert_eq!(
            written(r#" { "model" : "auto", "messages":[ {"role":"user", "content":"a\"}]{" } ],"seed":  1.50 , "x":{"y":[1,{}]} } "#, &json!({})),
            r#"{"model":"real \"name\"","messages":[ {"role":"user", "content":"a\"}]{" } ],"seed":  1.50,"x":{"y":[1,{}]},"temperature":0.7}"#
        );
        assert_eq!(
            written(r#"{"messages":[1],"temperature":0,"logit_bias":{"5":1},"model":"m"}"#, &json!({})),
            r#"{"messages":[1],"temperature":0,"model":"real \"name\""}"#
        );
        assert_eq!(
            written(r#"{"messages":[1],"logit_bias":{"5":1},"model":"m"}"#, &json!({ "temperature": null, "supports_advanced_params": true })),
            r#"{"messages":[1],"logit_bias":{"5":1},"model":"real \"name\""}"#
        );
    }

    #[test]
    fn questions_are_told_apart_by_all_that_shapes_their_answers() {
        let key = |body: &str, route: Route, caller: &str, identity: &str| {
            let body = RequestBody::read(Bytes::copy_from_slice(body.as_bytes()), Route::Chat).unwrap();
            body.question_key(route, caller.as_bytes(), identity)
        };
        let body = r#"{"model":"m","messages":[1],"seed":1}"#;
        let one = key(body, Route::Chat, "k", "i");
        assert_eq!(one, key(r#"{"stream":false, "seed":1, "messages":[1], "model":"m"}"#, Route::Chat, "k", "i"), "the order of fields says nothing");
        for other in [
            key(r#"{"model":"m","messages":[1],"seed":2}"#, Route::Chat, "k", "i"),
            key(r#"{"model":"n","messages":[1],"seed":1}"#, Route::Chat, "k", "i"),
            key(body, Route::Embeddings, "k", "i"),
            key(body, Route::Chat, "another caller", "i"),
            key(body, Route::Chat, "k", "another model"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_caller_is_told_what_is_wrong() {
        let check = |body: &'static str| RequestBody::read(Bytes::from_static(body.as_bytes()), Route::Chat).unwrap_err();
        assert_eq!(check("{}").0, Some("model"));
        assert_eq!(check(r#"{"model":"m","messages":[]}"#).0, Some("messages"));
        assert!(check("[").1.starts_with("the body should be a JSON object"));
        assert!(RequestBody::read(Bytes::from_static(b"{\"model\":\"m\"}"), Route::Embeddings).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((".{0,6}", inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect()))
            ]
        })
    }

    proptest! {
        /// Every field of any request reaches the deployment as it was.
        #[test]
        fn whatever_a_request_holds_arrives(extra in prop::collection::btree_map("x_.{0,6}", any_json(), 0..5), pretty in any::<bool>()) {
            let mut request = json!({ "model": "auto", "messages": [{ "role": "user", "content": "hi" }], "temperature": 0.5 });
            request.as_object_mut().unwrap().extend(extra);
            let text = if pretty { serde_json::to_string_pretty(&request) } else { serde_json::to_string(&request) }.unwrap();
            let arrived: Value = serde_json::from_str(&written(&text, &json!({}))).unwrap();
            request["model"] = "real \"name\"".into();
            prop_assert_eq!(arrived, request);
        }
    }
}
