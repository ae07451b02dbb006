//! Replies as server-sent events, and how they go wrong.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Fault};
use crate::delay;
use crate::ledger::InFlight;
use crate::service::overloaded;

/// What a stream does next.
pub(crate) enum Piece {
    Send(Bytes),
    Wait(Duration),
    /// Breaks the connection off.
    Cut,
    /// Says nothing more and keeps the connection.
    Stall,
}

/// The stream of a reply; `None` where the fault leaves no stream.
pub(crate) fn pieces(behaviour: &Behaviour, request: &Value, reply: &Value, fault: Option<Fault>) -> Option<Vec<Piece>> {
    let mut events = Events { behaviour, reply, pieces: Vec::new() };
    match fault {
        None
        | Some(
            Fault::CutBody | Fault::CutBeforeContent | Fault::StallBeforeContent | Fault::StallAfterContent | Fault::ErrorEventLater | Fault::BadEventLater,
        ) => {}
        Some(Fault::NoChoices) => {
            events.send("[DONE]");
            return Some(events.pieces);
        }
        Some(Fault::ErrorEvent) => {
            events.send(&overloaded().to_string());
            return Some(events.pieces);
        }
        Some(Fault::BadJson) => {
            events.send("{\"choices\": [{\"delta\":");
            return Some(events.pieces);
        }
        Some(_) => return None,
    }
    let choices = reply["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
    for choice in choices {
        events.chunk(&json!([{ "index": choice["index"], "delta": { "role": "assistant", "content": "" }, "finish_reason": null }]));
    }
    match fault {
        Some(Fault::CutBeforeContent) => events.pieces.extend([Piece::Wait(Duration::from_millis(1)), Piece::Cut]),
        Some(Fault::StallBeforeContent) => events.pieces.push(Piece::Stall),
        _ => {}
    }
    events.pieces.push(Piece::Wait(behaviour.first_token));
    let mut told = 0;
    for choice in choices {
        for delta in deltas(&choice["message"]) {
            if told == 2 {
                events.go_wrong(fault);
            }
            told += 1;
            let mut part = json!({ "index": choice["index"], "delta": delta, "finish_reason": null });
            if let Some(logprobs) = choice.get("logprobs") {
                part["logprobs"] = logprobs.clone();
            }
            events.chunk(&json!([part]));
            events.pieces.push(Piece::Wait(behaviour.between_tokens));
        }
        events.chunk(&json!([{ "index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"] }]));
    }
    if told <= 2 {
        events.go_wrong(fault);
    }
    if request["stream_options"]["include_usage"] == true {
        events.chunk_with(&json!([]), Some(&reply["usage"]));
    }
    events.send("[DONE]");
    Some(events.pieces)
}

struct Events<'a> {
    behaviour: &'a Behaviour,
    reply: &'a Value,
    pieces: Vec<Piece>,
}

impl Events<'_> {
    fn send(&mut self, data: &str) {
        let event = Bytes::from(format!("data: {data}\n\n"));
        match self.behaviour.chunk_bytes {
            // Apart in time too, or the kernel would put them together again.
            Some(size) => self.pieces.extend(
                (0..event.len())
                    .step_by(size)
                    .flat_map(|start| [Piece::Send(event.slice(start..event.len().min(start + size))), Piece::Wait(Duration::from_micros(200))]),
            ),
            None => self.pieces.push(Piece::Send(event)),
        }
    }

    fn chunk(&mut self, choices: &Value) {
        self.chunk_with(choices, None);
    }

    fn chunk_with(&mut self, choices: &Value, usage: Option<&Value>) {
        let mut chunk = json!({
            "id": self.reply["id"], "object": "chat.completion.chunk", "created": self.reply["created"], "model": self.reply["model"],
            "system_fingerprint": self.reply["system_fingerprint"], "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        self.send(&chunk.to_string());
    }

    fn go_wrong(&mut self, fault: Option<Fault>) {
        match fault {
            Some(Fault::CutBody) => self.pieces.extend([Piece::Wait(Duration::from_millis(200)), Piece::Cut]),
            Some(Fault::StallAfterContent) => self.pieces.push(Piece::Stall),
            Some(Fault::ErrorEventLater) => {
                self.send(&overloaded().to_string());
                self.pieces.extend([Piece::Wait(Duration::from_millis(1)), Piece::Cut]);
            }
            Some(Fault::BadEventLater) => self.send("{\"choices\": [{\"delta\":"),
            _ => {}
        }
    }
}

/// A message in pieces of some letters.
fn deltas(message: &Value) -> Vec<Value> {
    let mut deltas = Vec::new();
    for field in ["reasoning_content", "content"] {
        let letters: Vec<char> = message[field].as_str().unwrap_or_default().chars().collect();
        deltas.extend(letters.chunks(4).map(|letters| json!({ field: letters.iter().collect::<String>() })));
    }
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let function = |name: Option<&Value>, arguments: &str| {
            let mut function = json!({ "arguments": arguments });
            if let Some(name) = name {
                function["name"] = name.clone();
            }
            function
        };
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let begin = json!({ "index": index, "id": call["id"], "type": "function", "function": function(Some(&call["function"]["name"]), "") });
        deltas.push(json!({ "tool_calls": [begin] }));
        deltas.push(json!({ "tool_calls": [{ "index": index, "function": function(None, arguments) }] }));
    }
    deltas
}

/// Does piece after piece; the request is in flight until the last, or until the client goes away.
pub(crate) fn response(pieces: Vec<Piece>, in_flight: InFlight) -> Response {
    let steps = stream::unfold((VecDeque::from(pieces), Some(in_flight)), |(mut pieces, mut in_flight)| async move {
        loop {
            match pieces.pop_front() {
                Some(Piece::Send(bytes)) => return Some((Ok(bytes), (pieces, in_flight))),
                Some(Piece::Wait(time)) => delay::until(Instant::now() + time).await,
                Some(Piece::Cut) => {
                    if let Some(in_flight) = in_flight.take() {
                        in_flight.failed();
                    }
                    pieces.clear();
                    return Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), (pieces, None)));
                }
                Some(Piece::Stall) => std::future::pending().await,
                None => {
                    if let Some(in_flight) = in_flight.take() {
                        in_flight.answered();
                    }
                    return None;
                }
            }
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], Body::from_stream(steps)).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::Upstream;

    /// What a client reads of a stream, until its end or until nothing has come for half a second.
    fn read(upstream: &Upstream, request: &Value) -> String {
        let address = upstream.url().replace("http://", "").replace("/v1", "");
        let mut socket = TcpStream::connect(&address).unwrap();
        let body = request.to_string();
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        socket.write_all((head + &body).as_bytes()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).ok(); // a stall ends here, and what was read is there
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn question() -> Value {
        json!({ "model": "m", "stream": true, "messages": [{ "role": "user", "content": "Say it in some words." }] })
    }

    #[test]
    fn each_fault_of_a_stream_shows_as_it_is_named() {
        let check = |fault: Fault| {
            let upstream = Upstream::start(Behaviour::default().first([fault]));
            let text = read(&upstream, &question());
            let told = ["\"role\"", "echo", "overloaded", "[DONE]", "\r\n0\r\n\r\n"].map(|part| text.contains(part));
            (told, upstream.counts().answered)
        };
        assert_eq!(check(Fault::CutBeforeContent), ([true, false, false, false, false], 0));
        assert_eq!(check(Fault::CutBody), ([true, true, false, false, false], 0));
        assert_eq!(check(Fault::StallBeforeContent), ([true, false, false, false, false], 0));
        assert_eq!(check(Fault::StallAfterContent), ([true, true, false, false, false], 0));
        assert_eq!(check(Fault::ErrorEvent), ([false, false, true, false, true], 1));
        assert_eq!(check(Fault::ErrorEventLater), ([true, true, true, false, false], 0));
        assert_eq!(check(Fault::NoChoices), ([false, false, false, true, true], 1));
        assert_eq!(check(Fault::BadEventLater), ([true, true, false, true, true], 1));
    }

    #[test]
    fn a_stream_can_be_cut_within_its_letters_and_loses_none() {
        let upstream = Upstream::start(Behaviour::default().chunk_bytes(1).answer(|_| "中文".into()).keep_requests());
        let text = read(&upstream, &question());
        assert!(text.contains("\r\n1\r\n\u{fffd}\r\n"), "a letter is in three chunks: {text}");
        assert_eq!(upstream.requests()[0].json(), question());
    }

    #[test]
    fn a_client_that_leaves_is_counted() {
        let upstream = Upstream::start(Behaviour::default().first([Fault::StallAfterContent]));
        read(&upstream, &question());
        let patience = Instant::now() + Duration::from_secs(5);
        while upstream.counts().left == 0 {
            assert!(Instant::now() < patience);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(upstream.counts().in_flight_now, 0);
    }
}
