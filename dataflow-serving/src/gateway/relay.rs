//! What passes through a stream: events as they came, and what they tell about it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use dataflow_core::serving::{ErrorClass, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::attempt::{Tokens, failure_in_band};
use super::estimate::{self, Said};
use super::sse::{Splitter, data, is_comment};
use crate::pool::Failure;

/// A stream on its way through.
#[derive(Debug, Default)]
pub(super) struct Relay {
    splitter: Splitter,
    ready: VecDeque<Bytes>,
    progress: Progress,
    /// A choice has said why it ends.
    finished: bool,
    /// Tokens that were written, once the stream has told.
    written: Option<u64>,
    /// What the stream took, once it has told.
    told: Usage,
    /// What it was asked, and what it has said.
    asked: Said,
    said: Said,
    /// Events after the first words that are not the JSON that was expected.
    malformed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// Nothing yet that a reader would see.
    #[default]
    Nothing,
    Begun,
    Done,
}

/// As much of an event as tells what it is.
#[derive(Deserialize)]
struct Chunk<'a> {
    error: Option<Value>,
    #[serde(borrow, default)]
    choices: Vec<ChunkChoice<'a>>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    finish_reason: Option<String>,
}

impl Relay {
    /// Of a stream that was asked so much.
    pub fn new(asked: Said) -> Self {
        Self { asked, ..Self::default() }
    }

    /// What the stream has taken so far: as it tells, or about so.
    pub fn usage(&self) -> Usage {
        estimate::usage(self.told, self.asked, self.said)
    }

    /// Whether there is something that a reader would see.
    pub fn has_begun(&self) -> bool {
        self.progress != Progress::Nothing
    }

    /// Events that went out although they are not the JSON that was expected.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Whether the stream has said that it is at its end.
    pub fn is_done(&self) -> bool {
        self.progress == Progress::Done
    }

    /// Whether an end of the connection now is an end of the answer.
    pub fn may_end(&self) -> bool {
        self.is_done() || (self.finished && !self.splitter.is_within_an_event())
    }

    /// All that can be passed on now.
    pub fn give(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        if self.ready.is_empty() {
            return Some(first);
        }
        let mut all = BytesMut::from(first);
        self.ready.drain(..).for_each(|event| all.extend_from_slice(&event));
        Some(all.freeze())
    }

    /// Takes what has come. A failure ends the stream; an error that the service told itself is among what is given still.
    pub fn take(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let events = self.splitter.push(chunk).map_err(|_| Failure::new(ErrorClass::Transient, "an event of the stream is too large"))?;
        for event in events {
            if self.is_done() {
                break;
            }
            let Some(data) = data(&event) else {
                // Fields without data would be read as an empty event by some clients.
                if is_comment(&event) && self.has_begun() {
                    self.ready.push_back(event);
                }
                continue;
            };
            if data.trim_ascii() == b"[DONE]" {
                self.end()?;
                self.progress = Progress::Done;
            } else {
                self.look(&data, &event)?;
            }
            self.ready.push_back(event);
        }
        Ok(())
    }

    fn look(&mut self, data: &[u8], event: &Bytes) -> Result<(), Failure> {
        let named_error = event.starts_with(b"event: error") || event.starts_with(b"event:error");
        let chunk: Chunk<'_> = match serde_json::from_slice(data) {
            Ok(chunk) => chunk,
            // What is behind it may be well: it goes out as it came, and whether the stream was whole is told by its end.
            Err(_) if self.has_begun() && !named_error => {
                self.malformed += 1;
                return Ok(());
            }
            Err(_) => return Err(Failure::new(ErrorClass::Transient, "an event of the stream is not the JSON that was expected")),
        };
        let error = chunk.error.filter(|error| !error.is_null()).or_else(|| if named_error { serde_json::from_slice(data).ok() } else { None });
        if let Some(error) = error {
            if self.has_begun() {
                self.ready.push_back(event.clone());
            }
            return Err(failure_in_band(&error, data));
        }
        if let Some(usage) = chunk.usage {
            self.written = usage.written();
            self.told = usage.into();
        }
        let ends = |choice: &ChunkChoice<'_>| choice.finish_reason.as_ref().is_some_and(|reason| reason != "stop");
        self.finished |= chunk.choices.iter().any(|choice| choice.finish_reason.is_some());
        // One that ends without a word may have had nothing to say: what comes yet tells.
        let told = chunk.choices.iter().any(ends) || (self.finished && self.written.is_some_and(|written| written > 0));
        let deltas = || chunk.choices.iter().filter_map(|choice| choice.delta);
        deltas().for_each(|delta| self.said.add(delta.get().as_bytes()));
        // What cannot be read is no reason to wait any longer.
        let says = |delta: &RawValue| serde_json::from_str(delta.get()).map_or(true, |delta| says_something(&delta));
        if !self.has_begun() && (told || deltas().any(says)) {
            self.progress = Progress::Begun;
        }
        Ok(())
    }

    /// The stream has come to its end. That is a failure where it has said nothing and did not mean to.
    pub fn end(&mut self) -> Result<(), Failure> {
        if !self.has_begun() {
            if !self.finished {
                return Err(Failure::new(ErrorClass::Transient, "the stream ended before its first word"));
            }
            if self.written == Some(0) {
                return Err(Failure::new(ErrorClass::Transient, "the reply is empty"));
            }
            self.progress = Progress::Begun;
        }
        Ok(())
    }
}

/// Whether a delta, or a message, holds more than the role.
pub(super) fn says_something(delta: &Value) -> bool {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    delta.as_object().is_some_and(|fields| fields.iter().any(|(name, value)| name != "role" && !empty(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(relay: &mut Relay, events: &[&str]) -> Result<String, Failure> {
        for event in events {
            relay.take(format!("{event}\n\n").as_bytes())?;
        }
        Ok(relay.give().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default())
    }

    const ROLE: &str = r#"data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    const WORD: &str = r#"data:{"choices":[{"delta":{"content":"a"}}]}"#;
    const END: &str = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;

    #[test]
    fn a_stream_begins_with_its_first_words_and_not_with_its_role() {
        let mut relay = Relay::default();
        relay.take(format!(": ping\n\nretry: 5\n\n{ROLE}\n\n").as_bytes()).unwrap();
        assert!(!relay.has_begun());
        assert_eq!(take(&mut relay, &[WORD, "id: 7", ": wait"]).unwrap(), format!("{ROLE}\n\n{WORD}\n\n: wait\n\n"));
        assert!(relay.has_begun() && !relay.may_end());
        take(&mut relay, &[END]).unwrap();
        assert!(relay.may_end() && !relay.is_done());
        assert_eq!(relay.usage(), Usage { input_tokens: 3, output_tokens: 4 });
        assert_eq!(take(&mut relay, &["data: [DONE]", "data: more"]).unwrap(), "data: [DONE]\n\n");
        assert!(relay.is_done());
    }

    #[test]
    fn what_a_stream_took_is_thought_from_its_words_until_it_tells() {
        let asked = Said::of(br#"{"content":"12345678"}"#);
        let mut relay = Relay::new(asked);
        assert_eq!(relay.usage(), Usage { input_tokens: 2, output_tokens: 0 });
        let words = r#"data: {"choices":[{"delta":{"content":"four"}},{"delta":{"reasoning_content":"four more"}}]}"#;
        take(&mut relay, &[words, words, r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#]).unwrap();
        assert_eq!(relay.usage(), Usage { input_tokens: 2, output_tokens: 7 });
        take(&mut relay, &[END]).unwrap();
        assert_eq!(relay.usage(), Usage { input_tokens: 3, output_tokens: 4 });
    }

    #[test]
    fn tools_and_thinking_are_words_too() {
        for delta in [r#"{"tool_calls":[{"index":0}]}"#, r#"{"reasoning_content":"x"}"#, r#"{"audio":{"id":"1"}}"#] {
            let mut relay = Relay::default();
            relay.take(format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n").as_bytes()).unwrap();
            assert!(relay.has_begun(), "{delta}");
        }
        let mut relay = Relay::default();
        relay.take(b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]}}]}\n\n").unwrap();
        assert!(!relay.has_begun());
    }

    #[test]
    fn a_stream_without_a_word_is_a_failure_where_nothing_was_written() {
        const STOP: &str = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        let usage = |written: u64| format!("data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{written}}}}}");
        assert_eq!(take(&mut Relay::default(), &[ROLE, STOP, &usage(0), "data: [DONE]"]).unwrap_err().message, "the reply is empty");
        for events in [vec![ROLE, STOP, &usage(1), "data: [DONE]"], vec![ROLE, STOP, "data: [DONE]"]] {
            let mut relay = Relay::default();
            assert!(take(&mut relay, &events).unwrap().ends_with("data: [DONE]\n\n") && relay.is_done());
        }
        let mut cut = Relay::default();
        take(&mut cut, &[r#"data: {"choices":[{"delta":{},"finish_reason":"length"}]}"#]).unwrap();
        assert!(cut.has_begun());
    }

    #[test]
    fn a_malformed_event_among_words_goes_out_as_it_came() {
        const BAD: &str = "data: {\"choices\":[{\"delta\":";
        let mut relay = Relay::default();
        assert_eq!(take(&mut relay, &[WORD, BAD, WORD]).unwrap(), format!("{WORD}\n\n{BAD}\n\n{WORD}\n\n"));
        assert!(relay.malformed() == 1 && !relay.may_end(), "it is no end of the answer");
        assert!(take(&mut relay, &[END, "data: [DONE]"]).is_ok() && relay.is_done());
        assert!(take(&mut Relay::default(), &[ROLE, BAD]).is_err(), "before the first word another service can be asked");
        let mut relay = Relay::default();
        assert!(take(&mut relay, &[WORD, "event: error\ndata: broken"]).is_err(), "what is named an error is one");
    }

    #[test]
    fn what_goes_wrong_has_its_class() {
        let check = |events: &[&str]| take(&mut Relay::default(), events).map_err(|failure| (failure.class, failure.status)).unwrap_err();
        assert_eq!(check(&[r#"data: {"error":{"message":"no","code":429}}"#]), (ErrorClass::RateLimited, Some(429)));
        assert_eq!(check(&["event: error\ndata: {\"message\":\"no\",\"code\":\"insufficient_quota\"}"]), (ErrorClass::Quota, None));
        assert_eq!(check(&[ROLE, "data: {"]), (ErrorClass::Transient, None));
        assert_eq!(check(&["data: [DONE]"]), (ErrorClass::Transient, None));
        let mut relay = Relay::default();
        assert!(take(&mut relay, &[WORD, r#"data: {"error":{"message":"no"}}"#]).is_err());
        let given = relay.give().unwrap();
        assert!(given.ends_with(b"{\"error\":{\"message\":\"no\"}}\n\n"), "the service's own error is passed on");
    }
}
