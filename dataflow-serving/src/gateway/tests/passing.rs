//! What a caller sees of a call that is answered: the request arrives as it is, and the reply comes back whole.

use super::*;

#[test]
fn a_request_arrives_as_it_is_and_its_reply_comes_back_whole() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().keep_requests());
        let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        let mut body = question();
        body["tools"] = json!([{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } }]);
        body["n"] = json!(2);
        body["logprobs"] = json!(true);
        body["seed"] = json!(7);
        body["messages"][0]["content"] = json!([{ "type": "text", "text": "中" }, { "type": "image_url", "image_url": { "url": "data:," } }]);
        let (status, headers, reply) = gateway.chat(&body).await;
        assert_eq!(status, 200, "{reply}");
        assert_eq!(reply["choices"].as_array().unwrap().len(), 2);
        assert_eq!(reply["choices"][1]["message"]["tool_calls"][0]["function"]["name"], "weather");
        assert_eq!((&reply["choices"][0]["logprobs"]["content"][0]["token"], &reply["x_of_this_service_alone"]["kept"]), (&json!("echo"), &json!(true)));
        assert_eq!((headers["x-flux-model"].to_str().unwrap(), headers["x-flux-attempts"].to_str().unwrap()), ("m0", "1"));
        assert!(headers.contains_key("x-request-id") && headers.contains_key("x-flux-overhead-ms"));
        let received = &upstream.requests()[0];
        body["model"] = json!("real-0");
        body["temperature"] = json!(0.7);
        assert_eq!(received.json(), body);
        assert_eq!(received.header("authorization"), Some("Bearer sk-upstream-secret-key"), "the caller's own key goes nowhere");
        let vectors = gateway.post("/v1/embeddings", &json!({ "model": "m0", "input": ["a", "b"] })).await;
        let vectors: Value = serde_json::from_slice(&vectors.bytes().await.unwrap()).unwrap();
        assert_eq!(vectors["data"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn every_fault_before_the_first_word_is_answered_elsewhere() {
    let (always, streams) = (
        [
            Fault::RateLimited,
            Fault::Quota,
            Fault::Unauthorized,
            Fault::Status(500),
            Fault::Status(503),
            Fault::Status(529),
            Fault::Status(408),
            Fault::Reset,
            Fault::Stall,
            Fault::BadJson,
            Fault::ErrorInBody,
            Fault::NoChoices,
            Fault::ErrorEvent,
            Fault::CutBeforeContent,
            Fault::StallBeforeContent,
        ],
        [true, false],
    );
    run(async {
        let one = |fault: Fault, stream: bool| async move {
            let (faulty, well) = (Upstream::start(Behaviour::default().share(fault, 1.0)), Upstream::start(Behaviour::default()));
            let gateway = Running::start(&[&faulty, &well], &json!({ "timeout": 1, "timeout_first_token": 0.5 }), &json!({}));
            if stream {
                let (status, text) = gateway.stream(&question()).await;
                assert_eq!((status, said(&text).as_str()), (200, "echo: Say it in some words."), "{fault:?}: {text}");
                assert!(text.ends_with("data: [DONE]\n\n") && !text.contains("error"), "{fault:?}: {text}");
            } else {
                let (status, headers, reply) = gateway.chat(&question()).await;
                assert_eq!(reply["choices"][0]["message"]["content"], "echo: Say it in some words.", "{fault:?}: {status} {reply}");
                assert_eq!(headers["x-flux-attempts"], "2", "{fault:?}");
            }
            assert_eq!((faulty.counts().requests, well.counts().requests), (1, 1), "{fault:?}, stream: {stream}");
        };
        futures::stream::iter(streams.into_iter().flat_map(|stream| always.map(|fault| (fault, stream))))
            .for_each_concurrent(6, |(fault, stream)| one(fault, stream))
            .await;
    });
}

#[test]
fn a_slow_first_word_is_given_up_for_another_service() {
    run(async {
        let (slow, well) = (Upstream::start(Behaviour::default().first_token(Duration::from_secs(20))), Upstream::start(Behaviour::default()));
        let gateway = Running::start(&[&slow, &well], &json!({ "timeout_first_token": 0.2 }), &json!({}));
        let (status, text) = gateway.stream(&question()).await;
        assert!(status == 200 && text.ends_with("data: [DONE]\n\n"), "{text}");
        until("the slow one is not read any more", || slow.counts().left == 1).await;
        assert_eq!((slow.counts().requests, well.counts().requests), (1, 1));
    });
}

#[test]
fn equal_calls_share_one_answer_and_only_where_they_may() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start(Behaviour::default().latency(Duration::from_millis(100)));
        let gateway = Running::start(&[&upstream], &json!({}), &json!({ "cache": "on", "cache_path": folder.path().join("journal") }));
        let question = question();
        let replies = futures::future::join_all((0..5).map(|_| gateway.chat(&question))).await;
        let told: Vec<&str> = replies.iter().map(|(_, headers, _)| headers["x-flux-cache"].to_str().unwrap()).collect();
        assert_eq!((told.iter().filter(|told| **told == "shared").count(), upstream.counts().requests), (4, 1), "{told:?}");
        let (_, headers, again) = gateway.chat(&question).await;
        assert_eq!((&headers["x-flux-cache"], &headers["x-flux-attempts"]), (&"hit".parse().unwrap(), &"0".parse().unwrap()));
        assert!(replies.iter().all(|(status, _, reply)| *status == 200 && *reply == again), "the whole reply comes back");
        // Another caller, a stream, a reply that was cut and an error are nobody else's.
        let other = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).bearer_auth("another").body(question.to_string());
        assert_eq!(other.send().await.unwrap().headers()["x-flux-cache"], "miss");
        let mut streamed = question.clone();
        streamed["stream"] = true.into();
        let stream = gateway.post("/v1/chat/completions", &streamed).await;
        assert!(!stream.headers().contains_key("x-flux-cache") && stream.text().await.unwrap().ends_with("data: [DONE]\n\n"));
        assert_eq!(upstream.counts().requests, 3, "a stream is always asked for");
        for (text, asked) in [("[[length]] a long answer", 2), ("[[status 400]]", 2)] {
            let before = upstream.counts().requests;
            let mut body = question.clone();
            body["messages"][0]["content"] = text.into();
            gateway.chat(&body).await;
            gateway.chat(&body).await;
            assert_eq!(upstream.counts().requests - before, asked, "{text}");
        }
        assert!(!upstream.counts().prompts.is_empty());
    });
}

#[test]
fn a_gateway_is_a_serving_and_what_it_has_tried_is_not_tried_again() {
    use crate::gateway_serving::{GatewayServing, GatewayServingOptions};
    use dataflow_core::serving::{Chat, ErrorClass, LLMServing};
    run(async {
        let upstream = Upstream::start(Behaviour::default().first([Fault::Status(500)]).keep_requests());
        let gateway = Running::start(&[&upstream], &json!({}), &json!({ "api_keys": ["callers-own"] }));
        let options = GatewayServingOptions { url: gateway.url.clone(), api_key: Some("callers-own".into()), ..GatewayServingOptions::default() };
        let serving = GatewayServing::from(options.clone());
        let reply = serving.chat(&Chat::from("Why?")).await.unwrap();
        assert_eq!((reply.content.as_str(), upstream.counts().requests), ("echo: Why?", 2), "the gateway has tried again, and nobody else");
        assert!(upstream.requests()[0].header("x-flux-deadline-ms").is_some());
        assert_eq!(serving.embed(&["a".to_owned(), "b".to_owned()]).await.unwrap().vectors.len(), 2);
        let error = serving.chat(&Chat::from("[[status 422]]")).await.unwrap_err();
        assert_eq!((error.class, error.status), (ErrorClass::Caller, Some(422)));
        let stranger = GatewayServing::from(GatewayServingOptions { api_key: Some("wrong".into()), ..options.clone() });
        assert_eq!(stranger.chat(&Chat::from("x")).await.unwrap_err().class, ErrorClass::Auth);
        let nobody = GatewayServing::from(GatewayServingOptions { model: "nobody".into(), ..options });
        let error = nobody.chat(&Chat::from("x")).await.unwrap_err();
        assert!(error.message.contains("there is no model `nobody`"), "{error}");
        let failing = Upstream::start(Behaviour::default().share(Fault::Quota, 1.0));
        let gateway = Running::start(&[&failing], &json!({}), &json!({}));
        let serving = GatewayServing::new(gateway.url.clone(), "auto");
        assert_eq!(serving.chat(&Chat::from("x")).await.unwrap_err().class, ErrorClass::Quota);
        assert_eq!(failing.counts().requests, 1);
    });
}
