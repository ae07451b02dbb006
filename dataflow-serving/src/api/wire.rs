//! What goes over the wire: requests are written once a call, replies are read into typed structs.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dataflow_core::serving::{Chat, Embeddings, ErrorClass, Finish, Message, Reply, Role, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::classify::{Failure, in_band};
use super::options::{ApiOptions, SchemaMode};
use super::schema::closed;

#[derive(Serialize)]
struct ChatRequest<'a> {
    model: &'a str,
    messages: Cow<'a, [Message]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
}

/// Writes a chat as a request's body.
pub(crate) fn chat_request(options: &ApiOptions, chat: &Chat) -> serde_json::Result<Vec<u8>> {
    let sampling = &chat.sampling;
    let mut request = ChatRequest {
        model: &options.model,
        messages: Cow::Borrowed(&chat.messages),
        temperature: sampling.temperature.or(options.temperature),
        top_p: sampling.top_p.or(options.top_p),
        max_tokens: sampling.max_tokens.or(options.max_tokens),
        // With one seed for all, independent samples would be one answer many times.
        seed: sampling.seed.or(options.seed).map(|seed| seed.wrapping_add(chat.sample as i64)),
        stop: if sampling.stop.is_empty() { &options.stop } else { &sampling.stop },
        response_format: None,
    };
    if let Some(schema) = &chat.json_schema {
        let is_object = schema["type"] == "object" || schema.get("properties").is_some();
        if options.json_schema_mode == SchemaMode::Send && is_object {
            request.response_format = Some(match closed(schema) {
                Some(closed) => json!({ "type": "json_schema", "json_schema": { "name": "reply", "strict": true, "schema": closed } }),
                None => json!({ "type": "json_schema", "json_schema": { "name": "reply", "schema": schema } }),
            });
        } else {
            // The services take objects only; a list or a plain value is asked for in words.
            tell_in_words(request.messages.to_mut(), schema);
        }
    }
    if options.extra_body.is_empty() {
        return serde_json::to_vec(&request);
    }
    let mut body = serde_json::to_value(&request)?;
    if let Value::Object(fields) = &mut body {
        fields.extend(options.extra_body.clone());
    }
    serde_json::to_vec(&body)
}

fn tell_in_words(messages: &mut Vec<Message>, schema: &Value) {
    let words = format!("Reply with one JSON value and nothing else. It has to follow this JSON schema:\n{schema}");
    match messages.iter_mut().rev().find(|message| message.role == Role::User) {
        Some(message) => message.content = format!("{}\n\n{words}", message.content),
        None => messages.push(Message { role: Role::User, content: words }),
    }
}

#[derive(Deserialize)]
struct ChatReply {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    message: Option<WireMessage>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Default, Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

impl From<WireUsage> for Usage {
    fn from(usage: WireUsage) -> Self {
        Self { input_tokens: usage.prompt_tokens.unwrap_or(0), output_tokens: usage.completion_tokens.unwrap_or(0) }
    }
}

/// Reads the body of a 200 to a chat.
pub(crate) fn read_chat(body: &[u8]) -> Result<Reply, Failure> {
    let reply: ChatReply = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if let Some(error) = reply.error.filter(|error| !error.is_null()) {
        return Err(in_band(&error));
    }
    let Some(choice) = reply.choices.and_then(|choices| choices.into_iter().next()) else {
        return Err(Failure::new(ErrorClass::Transient, "the reply holds no choice"));
    };
    if let Some(error) = choice.error.filter(|error| !error.is_null()) {
        return Err(in_band(&error));
    }
    let finish = match choice.finish_reason.as_deref() {
        Some("length" | "max_tokens") => Finish::Length,
        Some("content_filter") => return Err(Failure::new(ErrorClass::Filtered, "the service withheld the reply (content_filter)")),
        Some("error") => return Err(Failure::new(ErrorClass::Transient, "the service broke off the reply")),
        _ => Finish::Stop,
    };
    let Some(message) = choice.message else { return Err(Failure::new(ErrorClass::Transient, "the reply holds no message")) };
    if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
        return Err(Failure::new(ErrorClass::Filtered, format!("the model refused: {refusal}")));
    }
    let thinking = message.reasoning_content.or(message.reasoning).filter(|thinking| !thinking.is_empty());
    Ok(Reply {
        content: message.content.unwrap_or_default(),
        thinking,
        finish,
        usage: reply.usage.unwrap_or_default().into(),
        model: reply.model.unwrap_or_default(),
    })
}

#[derive(Deserialize)]
struct EmbeddingsReply {
    #[serde(default)]
    data: Vec<WireVector>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WireVector {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// Reads the body of a 200 to a request for vectors.
pub(crate) fn read_embeddings(body: &[u8], texts: usize) -> Result<Embeddings, Failure> {
    let reply: EmbeddingsReply = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    if let Some(error) = reply.error.filter(|error| !error.is_null()) {
        return Err(in_band(&error));
    }
    let found = reply.data.len();
    let by_index: BTreeMap<usize, Vec<f32>> =
        reply.data.into_iter().enumerate().map(|(place, vector)| (vector.index.unwrap_or(place), vector.embedding)).collect();
    if found != texts || !by_index.keys().copied().eq(0..texts) {
        return Err(Failure::new(ErrorClass::Transient, format!("{texts} vectors were asked for, and {found} came")));
    }
    Ok(Embeddings { vectors: by_index.into_values().collect(), usage: reply.usage.unwrap_or_default().into() })
}

fn unreadable(error: &serde_json::Error) -> Failure {
    // The error's own text could quote the reply, which is nobody's business here.
    let what = if error.is_eof() { "is cut short" } else { "is not the JSON that was expected" };
    Failure::new(ErrorClass::Transient, format!("the reply {what} (line {}, column {})", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(options: &ApiOptions, chat: &Chat) -> Value {
        serde_json::from_slice(&chat_request(options, chat).unwrap()).unwrap()
    }

    #[test]
    fn a_request_holds_what_was_set_and_nothing_else() {
        let chat = Chat::system("Be brief.").user("你好");
        assert_eq!(
            written(&ApiOptions::default(), &chat),
            json!({
                "model": "gpt-4o", "temperature": 0.0,
                "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "你好" }],
            })
        );
        let mut options = ApiOptions { seed: Some(40), ..ApiOptions::default() };
        options.extra_body.insert("temperature".into(), json!(1));
        let body = written(&options, &chat.sample(2));
        assert_eq!((&body["seed"], &body["temperature"]), (&json!(42), &json!(1)));
    }

    #[test]
    fn a_schema_is_sent_or_told_in_words() {
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
        let body = written(&ApiOptions::default(), &Chat::from("How many?").with_schema(schema.clone()));
        assert_eq!(body["response_format"]["json_schema"]["schema"]["additionalProperties"], false);
        let in_words = ApiOptions { json_schema_mode: SchemaMode::Words, ..ApiOptions::default() };
        for body in [
            written(&in_words, &Chat::from("How many?").with_schema(schema)),
            written(&ApiOptions::default(), &Chat::from("How many?").with_schema(json!({ "type": "array", "items": { "type": "string" } }))),
        ] {
            let content = body["messages"][0]["content"].as_str().unwrap();
            assert!(
                body.get("response_format").is_none() && content.starts_with("How many?\n\nReply with one JSON value") && content.contains("\"type\":"),
                "{body}"
            );
        }
    }

    #[test]
    fn a_reply_is_read_with_its_thinking_its_end_and_its_usage() {
        let body = json!({
            "model": "m-1", "usage": { "prompt_tokens": 3, "completion_tokens": 5 },
            "choices": [{ "message": { "content": "42", "reasoning_content": "six times seven" }, "finish_reason": "length" }],
        });
        let reply = read_chat(body.to_string().as_bytes()).unwrap();
        let usage = Usage { input_tokens: 3, output_tokens: 5 };
        assert_eq!(reply, Reply { content: "42".into(), thinking: Some("six times seven".into()), finish: Finish::Length, usage, model: "m-1".into() });
    }

    #[test]
    fn a_200_without_an_answer_is_a_failure_of_its_class() {
        let check = |body: &str| read_chat(body.as_bytes()).map_err(|failure| (failure.class, failure.message)).unwrap_err();
        assert_eq!(check("{\"choices\": [").0, ErrorClass::Transient);
        assert_eq!(check("<html>"), (ErrorClass::Transient, "the reply is not the JSON that was expected (line 1, column 1)".into()));
        assert_eq!(check("{\"choices\": []}").0, ErrorClass::Transient);
        assert_eq!(check(r#"{"error": {"message": "no money", "code": "insufficient_quota"}}"#).0, ErrorClass::Quota);
        assert_eq!(check(r#"{"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}"#).0, ErrorClass::Filtered);
        assert_eq!(check(r#"{"choices": [{"message": {"content": null, "refusal": "no"}, "finish_reason": "stop"}]}"#).0, ErrorClass::Filtered);
    }
}
