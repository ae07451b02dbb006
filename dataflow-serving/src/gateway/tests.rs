//! Over real sockets: what a caller sees, and what the services were asked.

use dataflow_upstream::{Behaviour, Fault, Upstream};
use futures::StreamExt;
use serde_json::{Value, json};

use super::*;

/// A gateway over services, the first with a thousand times the weight of the others, so that it is asked first.
struct Running {
    url: String,
    config: PathBuf,
    client: reqwest::Client,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<Result<()>>,
    _folder: tempfile::TempDir,
}

fn configuration(upstreams: &[&Upstream], models: &Value, gateway: &Value) -> Value {
    let model = |(index, _): (usize, &&Upstream)| {
        let mut model = json!({
            "id": format!("m{index}"), "model": format!("real-{index}"), "channel_id": index, "api_key": "sk-upstream-secret-key", "safe_rps": 0, "timeout": 5,
            "weight": if index == 0 { 1000.0 } else { 0.001 },
        });
        model.as_object_mut().unwrap().extend(models.as_object().unwrap().clone());
        model
    };
    let channels: serde_json::Map<String, Value> =
        upstreams.iter().enumerate().map(|(index, upstream)| (index.to_string(), json!({ "base_url": upstream.url().trim_end_matches("/v1") }))).collect();
    json!({ "models": upstreams.iter().enumerate().map(model).collect::<Vec<_>>(), "channels": channels, "gateway": gateway })
}

impl Running {
    fn start(upstreams: &[&Upstream], models: &Value, gateway: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        std::fs::write(&config, configuration(upstreams, models, gateway).to_string()).unwrap();
        let options = GatewayOptions { config: config.clone(), host: "127.0.0.1".into(), port: 0, drain: Duration::from_secs(5) };
        let gateway = Gateway::bind(options).unwrap();
        let url = format!("http://{}", gateway.address());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = tokio::spawn(gateway.serve(async { _ = stopped.await }));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, config, client, stop: Some(stop), served, _folder: folder }
    }

    async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", "application/json").header("authorization", "Bearer callers-own");
        request.body(body.to_string()).send().await.unwrap()
    }

    async fn chat(&self, body: &Value) -> (u16, http::HeaderMap, Value) {
        let response = self.post("/v1/chat/completions", body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    async fn stream(&self, body: &Value) -> (u16, String) {
        let mut body = body.clone();
        body["stream"] = true.into();
        let response = self.post("/v1/chat/completions", &body).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let bytes = self.client.get(format!("{}{path}", self.url)).send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

fn question() -> Value {
    json!({ "model": "auto", "messages": [{ "role": "user", "content": "Say it in some words." }] })
}

fn run(future: impl Future<Output = ()>) {
    rustls::crypto::ring::default_provider().install_default().ok(); // another test may have
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future);
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < patience, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The words of a stream, put together.
fn said(stream: &str) -> String {
    let chunks = stream.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).filter_map(|data| serde_json::from_str::<Value>(data).ok());
    chunks.filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str().map(ToOwned::to_owned)).collect()
}

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
fn a_stream_that_breaks_after_its_first_words_ends_in_an_error_and_never_as_if_it_were_whole() {
    run(async {
        for fault in [Fault::CutBody, Fault::StallAfterContent, Fault::BadEventLater, Fault::ErrorEventLater] {
            let (faulty, other) = (Upstream::start(Behaviour::default().share(fault, 1.0)), Upstream::start(Behaviour::default()));
            let gateway = Running::start(&[&faulty, &other], &json!({ "timeout_idle": 0.3 }), &json!({}));
            let (status, text) = gateway.stream(&question()).await;
            assert!(status == 200 && said(&text).starts_with("echo"), "{fault:?}: {text}");
            assert!(!text.contains("[DONE]") && !text.contains("\"stop\""), "{fault:?}: {text}");
            let last = text.trim_end().rsplit("\n\n").next().unwrap().strip_prefix("data: ").unwrap();
            let last: Value = serde_json::from_str(last).unwrap();
            let wanted = if fault == Fault::ErrorEventLater { json!(503) } else { json!("upstream_stream_interrupted") };
            assert_eq!(last["error"]["code"], wanted, "{fault:?}");
            assert_eq!((faulty.counts().requests, other.counts().requests), (1, 0), "no other model goes on in the middle");
            assert_eq!(gateway.get("/admin/models").await["models"][0]["in_flight"], 0, "{fault:?}");
        }
    });
}

#[test]
fn letters_that_are_cut_in_two_arrive_whole() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().chunk_bytes(7).answer(|_| "中文测试，一字不丢。".into()));
        let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        let (_, text) = gateway.stream(&question()).await;
        assert_eq!(said(&text), "中文测试，一字不丢。");
        assert!(text.ends_with("data: [DONE]\n\n"));
    });
}

#[test]
fn a_caller_that_leaves_ends_the_call_at_the_service() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().first([Fault::StallAfterContent, Fault::Stall]));
        let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        let mut body = question();
        body["stream"] = json!(true);
        let response = gateway.post("/v1/chat/completions", &body).await;
        let mut stream = response.bytes_stream();
        assert!(stream.next().await.unwrap().is_ok());
        drop(stream);
        until("the stream is ended at the service", || upstream.counts().left == 1).await;
        let left = tokio::time::timeout(Duration::from_millis(200), gateway.chat(&question())).await;
        assert!(left.is_err());
        until("the call is ended at the service", || upstream.counts().left == 2).await;
        let told = gateway.get("/admin/models").await;
        assert_eq!((&told["models"][0]["in_flight"], &told["models"][0]["failed"]), (&json!(0), &json!(0)), "that is no fault of the service");
    });
}

#[test]
fn a_request_at_fault_is_answered_at_once_with_the_services_own_words() {
    run(async {
        let (one, other) = (Upstream::start(Behaviour::default()), Upstream::start(Behaviour::default()));
        let gateway = Running::start(&[&one, &other], &json!({}), &json!({}));
        let mut body = question();
        body["messages"][0]["content"] = json!("[[status 422]]");
        let (status, _, reply) = gateway.chat(&body).await;
        assert_eq!((status, &reply["error"]["message"], &reply["error"]["type"]), (422, &json!("the prompt asked for this status"), &json!("asked_for")));
        assert_eq!(gateway.stream(&body).await.0, 422);
        assert_eq!(one.counts().requests + other.counts().requests, 2);
        assert_eq!(gateway.get("/admin/health").await["status"], "healthy");
        for (body, status, code) in [
            (json!({ "model": "nobody", "messages": [{ "role": "user", "content": "x" }] }), 404, "model_not_found"),
            (json!({ "model": "auto", "messages": [] }), 400, "invalid_request"),
            (json!([1]), 400, "invalid_request"),
        ] {
            let (found, _, reply) = gateway.chat(&body).await;
            assert_eq!((found, &reply["error"]["code"]), (status, &json!(code)), "{reply}");
        }
    });
}

#[test]
fn an_exhausted_call_tells_the_status_the_time_and_not_to_try_again() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().share(Fault::Quota, 1.0));
        let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        let (status, headers, reply) = gateway.chat(&question()).await;
        assert_eq!((status, &reply["error"]["code"]), (429, &json!("insufficient_quota")));
        assert_eq!((&headers["x-should-retry"], &headers["x-flux-attempts"]), (&"false".parse().unwrap(), &"1".parse().unwrap()));
        let leaking = Upstream::start(Behaviour::default().share(Fault::Leak, 1.0));
        let gateway = Running::start(&[&leaking], &json!({}), &json!({}));
        let (status, _, reply) = gateway.chat(&question()).await;
        assert!(status == 401 && !reply.to_string().contains("upstream-secret"), "{reply}");
        assert!(!gateway.get("/admin/status").await.to_string().contains("upstream-secret"));
        let refusing = Upstream::start(Behaviour::default().share(Fault::RateLimited, 1.0).retry_after(Some(Duration::from_secs(30))));
        let gateway = Running::start(&[&refusing], &json!({}), &json!({ "queue_timeout": 0.2 }));
        let (status, headers, _) = gateway.chat(&question()).await;
        assert!(matches!(status, 429 | 503), "{status}");
        assert!(headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 25, "{headers:?}");
    });
}

#[test]
fn keys_are_asked_for_and_bodies_are_bounded() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({}), &json!({ "api_keys": ["callers-own"], "admin_key": "root", "max_body_mb": 1 }));
        assert_eq!(gateway.chat(&question()).await.0, 200);
        let get = |path: &str, key: &'static str| gateway.client.get(format!("{}{path}", gateway.url)).bearer_auth(key).send();
        assert_eq!(get("/v1/models", "wrong").await.unwrap().status(), 401);
        assert_eq!(get("/admin/status", "callers-own").await.unwrap().status(), 401);
        let metrics = get("/metrics", "root").await.unwrap().text().await.unwrap();
        assert!(metrics.contains("gen_ai_server_request_duration_seconds_count") && metrics.contains("dataflow_gateway_overhead_seconds_bucket"), "{metrics}");
        assert!(!metrics.contains("secret") && get("/admin", "none").await.unwrap().text().await.unwrap().contains("<title>"));
        let mut large = question();
        large["messages"][0]["content"] = "x".repeat(2 << 20).into();
        let (status, _, reply) = gateway.chat(&large).await;
        assert_eq!((status, &reply["error"]["code"]), (413, &json!("request_too_large")));
        let options = GatewayOptions { config: gateway.config.clone(), host: "0.0.0.0".into(), port: 0, drain: Duration::ZERO };
        assert!(Gateway::bind(options.clone()).is_ok());
        std::fs::write(&gateway.config, configuration(&[&upstream], &json!({}), &json!({})).to_string()).unwrap();
        let error = Gateway::bind(options).unwrap_err().to_string();
        assert!(error.contains("there are no `gateway.api_keys`") && error.contains("hint:"), "{error}");
    });
}

#[test]
fn a_changed_file_takes_effect_and_a_bad_one_does_not() {
    run(async {
        let (one, other) = (Upstream::start(Behaviour::default()), Upstream::start(Behaviour::default()));
        let gateway = Running::start(&[&one], &json!({}), &json!({}));
        std::fs::write(&gateway.config, configuration(&[&one, &other], &json!({}), &json!({})).to_string()).unwrap();
        assert_eq!(gateway.post("/admin/reload", &json!({})).await.status(), 200);
        assert_eq!(gateway.get("/admin/health").await["total_models"], 2);
        std::fs::write(&gateway.config, "models: [{ id: 1 }]").unwrap();
        let refused = gateway.post("/admin/reload", &json!({})).await;
        assert_eq!(refused.status(), 400);
        assert!(refused.text().await.unwrap().contains("missing field `model`"));
        assert_eq!(gateway.chat(&question()).await.0, 200);
        assert!(gateway.get("/admin/health").await["last_reload_error"].is_string());
        std::fs::write(&gateway.config, configuration(&[&other], &json!({}), &json!({})).to_string()).unwrap();
        let patience = Instant::now() + Duration::from_secs(10);
        while gateway.get("/admin/health").await["total_models"] != 1 {
            assert!(Instant::now() < patience, "the file is watched");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

#[test]
fn calls_on_their_way_are_answered_before_the_end() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().between_tokens(Duration::from_millis(30)));
        let mut gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        let mut body = question();
        body["stream"] = json!(true);
        let mut stream = gateway.post("/v1/chat/completions", &body).await.bytes_stream();
        let mut text = stream.next().await.unwrap().unwrap().to_vec();
        gateway.stop.take().unwrap().send(()).unwrap();
        while let Some(bytes) = stream.next().await {
            text.extend_from_slice(&bytes.unwrap());
        }
        assert!(text.ends_with(b"data: [DONE]\n\n"));
        assert!(tokio::time::timeout(Duration::from_secs(3), gateway.served).await.unwrap().unwrap().is_ok());
    });
}

#[test]
fn a_stream_that_ends_lets_the_next_in_line_go() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().between_tokens(Duration::from_millis(20)));
        let gateway = Running::start(&[&upstream], &json!({ "max_concurrency": 1 }), &json!({ "queue_timeout": 20 }));
        let body = question();
        let begun = Instant::now();
        let streams = futures::future::join_all((0..3).map(|_| gateway.stream(&body))).await;
        assert!(streams.iter().all(|(status, text)| *status == 200 && text.ends_with("data: [DONE]\n\n")));
        assert_eq!(upstream.counts().max_in_flight, 1);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    });
}
