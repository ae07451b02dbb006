//! What the service replies: an echo, and whatever of OpenAI's interface the request asks for.

use serde_json::{Map, Value, json};

use crate::behaviour::Behaviour;
use crate::service::Marks;

/// The whole reply to a chat, streamed or not.
pub(crate) fn chat_reply(behaviour: &Behaviour, request: &Value, bytes: usize, number: u64, marks: &Marks) -> Value {
    let mut content = match &behaviour.answer {
        Some(answer) => answer(request),
        None => match request.pointer("/response_format/json_schema/schema") {
            Some(schema) => example_of(schema).to_string(),
            None => format!("echo: {}", last_user_message(request)),
        },
    };
    let mut finish = "stop";
    if marks.length {
        content = content.chars().take(content.chars().count() / 2).collect();
        finish = "length";
    }
    if marks.filter {
        content.clear();
        finish = "content_filter";
    }
    let (read, written) = (bytes / 4, content.len() / 4 + 1);
    let mut message = json!({ "role": "assistant", "content": content });
    if marks.thinking {
        message["reasoning_content"] = "I think before I answer.".into();
    }
    let tool = request.pointer("/tools/0/function/name").filter(|_| request["tool_choice"] != "none" && !answered_by_tool(request));
    if let Some(name) = tool {
        message["content"] = Value::Null;
        message["tool_calls"] =
            json!([{ "id": format!("call_{number}"), "type": "function", "function": { "name": name, "arguments": "{\"city\":\"Paris\"}" } }]);
        finish = "tool_calls";
    }
    let choices: Vec<Value> = (0..request["n"].as_u64().unwrap_or(1))
        .map(|index| {
            let mut choice = json!({ "index": index, "message": message, "finish_reason": finish });
            if request["logprobs"] == true {
                choice["logprobs"] = json!({ "content": [{ "token": "echo", "logprob": -0.25, "bytes": [101, 99, 104, 111], "top_logprobs": [] }] });
            }
            choice
        })
        .collect();
    json!({
        "id": format!("chatcmpl-{number}"), "object": "chat.completion", "created": 1_700_000_000, "model": request["model"], "choices": choices,
        "usage": { "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written },
        "system_fingerprint": "fp_upstream", "x_of_this_service_alone": { "kept": true },
    })
}

/// Whether the conversation ends with what a tool gave.
fn answered_by_tool(request: &Value) -> bool {
    request["messages"].as_array().and_then(|messages| messages.last()).is_some_and(|message| message["role"] == "tool")
}

/// A value that follows a schema of the simple kinds.
fn example_of(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            Value::Object(properties.map(|(name, schema)| (name.clone(), example_of(schema))).collect::<Map<_, _>>())
        }
        Some("array") => json!([]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => schema.pointer("/enum/0").cloned().unwrap_or_else(|| "text".into()),
    }
}

fn last_user_message(request: &Value) -> &str {
    let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages.iter().rev().find(|message| message["role"] == "user").and_then(|message| message["content"].as_str()).unwrap_or_default()
}
