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
        Self::start_with(upstreams, models, gateway, Duration::from_secs(5))
    }

    fn start_with(upstreams: &[&Upstream], models: &Value, gateway: &Value, drain: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        std::fs::write(&config, configuration(upstreams, models, gateway).to_string()).unwrap();
        let options = GatewayOptions { config: config.clone(), host: "127.0.0.1".into(), port: 0, drain };
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

    /// A stream during which the gateway is told to end.
    async fn stream_over_the_end(&mut self) -> String {
        let mut body = question();
        body["stream"] = json!(true);
        let mut stream = self.post("/v1/chat/completions", &body).await.bytes_stream();
        let mut text = stream.next().await.unwrap().unwrap().to_vec();
        self.stop.take().unwrap().send(()).unwrap();
        while let Some(bytes) = stream.next().await {
            text.extend_from_slice(&bytes.unwrap());
        }
        String::from_utf8(text).unwrap()
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
        for fault in [Fault::CutBody, Fault::StallAfterContent, Fault::ErrorEventLater] {
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
fn a_malformed_event_in_the_midst_of_a_stream_does_not_end_it() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().share(Fault::BadEventLater, 1.0));
        let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        let (status, text) = gateway.stream(&question()).await;
        assert_eq!((status, said(&text).as_str()), (200, "echo: Say it in some words."), "{text}");
        assert!(text.contains("data: {\"choices\": [{\"delta\":\n\n") && text.ends_with("data: [DONE]\n\n"), "{text}");
        let models = gateway.get("/admin/models").await;
        assert_eq!((&models["models"][0]["in_flight"], &models["models"][0]["answered"]), (&json!(0), &json!(1)), "{models}");
    });
}

/// What the headers of a reply tell of its way: who was asked, how often, and whether the gateway's own time is told.
fn way(headers: &http::HeaderMap) -> (Option<&str>, &str, bool) {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    let overhead = text("x-flux-overhead-ms").and_then(|told| told.parse::<f64>().ok());
    assert!(headers.contains_key("x-request-id"));
    (text("x-flux-model"), text("x-flux-attempts").unwrap_or_default(), overhead.is_some_and(|told| (0.0..400.0).contains(&told)))
}

#[test]
fn errors_tell_their_way_and_are_counted_by_their_deployment() {
    run(async {
        let statuses = [("[[status 422]]", 422, "1"), ("[[status 404]]", 404, "1"), ("[[status 500]]", 500, "4")];
        let (upstream, stalling) = (Upstream::start(Behaviour::default()), Upstream::start(Behaviour::default().share(Fault::Stall, 1.0)));
        let gateway = Running::start(&[&upstream], &json!({ "name": "one", "safe_rps": 0 }), &json!({}));
        for (text, status, most) in statuses {
            let mut body = question();
            body["messages"][0]["content"] = json!(text);
            let request = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).header("x-flux-deadline-ms", "1500").body(body.to_string());
            let response = request.send().await.unwrap();
            assert!(matches!(response.status().as_u16(), found if found == status || found == 504));
            let (model, attempts, is_told) = way(response.headers());
            assert!(model == Some("one") && is_told && (status == 500 || attempts == most), "{text}: {:?}", response.headers());
        }
        let (status, headers, _) = gateway.chat(&json!({ "model": "nobody", "messages": [{ "role": "user", "content": "x" }] })).await;
        assert_eq!((status, way(&headers)), (404, (None, "0", true)));
        let (status, headers, _) = gateway.chat(&json!([])).await;
        assert_eq!((status, way(&headers)), (400, (None, "0", true)));
        let metrics = gateway.client.get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap();
        for expected in [
            r#"gen_ai_server_request_duration_seconds_count{deployment="one",error_type="422",gen_ai_operation_name="chat",gen_ai_request_model="auto"} 1"#,
            r#"gen_ai_server_request_duration_seconds_count{deployment="",error_type="404",gen_ai_operation_name="chat",gen_ai_request_model="unknown"} 1"#,
            "dataflow_gateway_overhead_seconds_count 4",
            r#"dataflow_deployment_failed{deployment="one",id="m0"}"#,
            r#"dataflow_deployment_available{deployment="one",id="m0"}"#,
        ] {
            assert!(metrics.contains(expected), "{expected} is missing in:\n{metrics}");
        }
        let gateway = Running::start(&[&stalling], &json!({ "timeout": 0.3 }), &json!({}));
        let request = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).header("x-flux-deadline-ms", "250").body(question().to_string());
        let response = request.send().await.unwrap();
        assert_eq!((response.status().as_u16(), way(response.headers())), (504, (Some("m0"), "1", true)));
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
        std::fs::write(&gateway.config, "channels: { a: { base_url: 'http://h', proxy: 'ftp://y' }, b: { base_url: 'ftp://h' } }").unwrap();
        let options = GatewayOptions { config: gateway.config.clone(), host: "0.0.0.0".into(), port: 0, drain: Duration::ZERO };
        let error = Gateway::bind(options).unwrap_err().to_string();
        for told in ["channel `a`: `proxy`", "channel `b`: `base_url`", "there are no models", "there are no `gateway.api_keys`"] {
            assert!(error.contains(told), "{told} is missing in: {error}");
        }
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
        let told = refused.text().await.unwrap();
        assert!(told.contains("missing field `model`") && told.contains("missing field `channel_id`"), "{told}");
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
        let text = gateway.stream_over_the_end().await;
        assert!(text.ends_with("data: [DONE]\n\n"));
        assert!(tokio::time::timeout(Duration::from_secs(3), gateway.served).await.unwrap().unwrap().is_ok());
    });
}

#[test]
fn a_stream_that_does_not_end_in_time_is_broken_off_with_an_error() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().share(Fault::StallAfterContent, 1.0));
        let mut gateway = Running::start_with(&[&upstream], &json!({}), &json!({}), Duration::from_millis(100));
        let text = gateway.stream_over_the_end().await;
        assert!(text.contains("upstream_stream_interrupted") && !text.contains("[DONE]"), "{text}");
        assert!(tokio::time::timeout(Duration::from_secs(3), gateway.served).await.unwrap().unwrap().is_ok());
    });
}

#[test]
fn what_is_asked_for_wrongly_is_told_in_plain_words() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({ "name": "one" }), &json!({}));
        let (status, _, reply) = gateway.chat(&json!([])).await;
        assert_eq!((status, reply["error"]["message"].as_str().unwrap()), (400, "the body should be a JSON object of a request, found another JSON value"));
        let late = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).header("x-flux-deadline-ms", "soon").body(question().to_string());
        assert_eq!(late.send().await.unwrap().status(), 400);
        assert_eq!(gateway.get("/v1/models/one").await["id"], "one");
        assert_eq!(gateway.get("/v1/models/two").await["error"]["code"], "model_not_found");
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

/// What a caller sees of a lone service that fails each time, and how often that was asked.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    code: Value,
    retry_after: Option<u64>,
    requests: u64,
}

#[test]
fn what_nobody_can_answer_is_told_as_the_service_told_it() {
    let seen = |fault: Fault, stream: bool| async move {
        let upstream = Upstream::start(Behaviour::default().share(fault, 1.0).retry_after(Some(Duration::from_secs(30))));
        let patience = json!({ "timeout": 0.5, "timeout_first_token": 0.3 });
        let gateway = Running::start(&[&upstream], &patience, &json!({}));
        let mut body = question();
        body["stream"] = stream.into();
        let request = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).header("x-flux-deadline-ms", "1500").body(body.to_string());
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        assert_eq!(headers["content-type"], "application/json", "{fault:?}, stream: {stream}");
        assert_eq!(headers["x-should-retry"], "false", "{fault:?}, stream: {stream}: the gateway has tried");
        let reply: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert!(reply["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{reply}");
        let retry_after = headers.get("retry-after").map(|after| after.to_str().unwrap().parse().unwrap());
        let requests = upstream.counts().requests;
        assert_eq!(headers["x-flux-attempts"].to_str().unwrap(), requests.to_string(), "{fault:?}, stream: {stream}");
        assert_eq!(gateway.get("/admin/models").await["models"][0]["in_flight"], 0);
        Seen { status, code: reply["error"]["code"].clone(), retry_after, requests }
    };
    let table = [
        (Fault::RateLimited, 429, json!("rate_limit_exceeded"), Some(30), true),
        (Fault::Quota, 429, json!("insufficient_quota"), Some(600), true),
        (Fault::Status(402), 402, Value::Null, None, true),
        (Fault::Unauthorized, 401, json!("invalid_api_key"), None, true),
        (Fault::Status(403), 403, Value::Null, None, true),
        (Fault::Status(404), 404, Value::Null, None, true),
        (Fault::Status(408), 408, Value::Null, None, false),
        (Fault::Status(409), 409, Value::Null, None, false),
        (Fault::Status(425), 425, Value::Null, None, false),
        (Fault::Status(500), 500, Value::Null, None, false),
        (Fault::Status(502), 502, Value::Null, None, false),
        (Fault::Status(503), 503, Value::Null, Some(1), false),
        (Fault::Status(524), 524, Value::Null, None, false),
        (Fault::Status(529), 529, Value::Null, None, false),
        (Fault::Reset, 502, json!("upstream_error"), None, false),
        (Fault::CutBeforeContent, 502, json!("upstream_error"), None, false),
        (Fault::Stall, 504, json!("upstream_timeout"), None, false),
        (Fault::StallBeforeContent, 504, json!("upstream_timeout"), None, false),
        (Fault::BadJson, 502, json!("upstream_error"), None, false),
        (Fault::ErrorInBody, 503, json!(503), Some(1), false),
        (Fault::ErrorEvent, 503, json!(503), Some(1), false),
        (Fault::NoChoices, 502, json!("upstream_error"), None, false),
    ];
    run(async {
        let rows = table.into_iter().flat_map(|row| [true, false].map(|stream| (row.clone(), stream)));
        futures::stream::iter(rows)
            .for_each_concurrent(8, |((fault, status, code, retry_after, is_asked_once), stream)| async move {
                let found = seen(fault, stream).await;
                let requests = if is_asked_once { 1 } else { found.requests };
                // On a slow machine the last try may meet the caller's deadline before its answer.
                let late = Seen { status: 504, code: json!("upstream_timeout"), retry_after: None, requests };
                if is_asked_once || found != late {
                    assert_eq!(found, Seen { status, code, retry_after, requests }, "{fault:?}, stream: {stream}");
                }
                assert!((1..=6).contains(&found.requests), "{fault:?}, stream: {stream}");
            })
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
fn a_call_takes_no_longer_than_its_caller_waits_and_blames_nobody_for_it() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().latency(Duration::from_secs(20)).keep_requests());
        let gateway = Running::start(&[&upstream], &json!({ "timeout": 30 }), &json!({}));
        let begun = Instant::now();
        let request = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).header("x-flux-deadline-ms", "300").body(question().to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 504);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let told: u64 = upstream.requests()[0].header("x-flux-deadline-ms").unwrap().parse().unwrap();
        assert!((1..=300).contains(&told), "who is asked is told too: {told}");
        let model = &gateway.get("/admin/models").await["models"][0];
        assert_eq!((&model["failed"], &model["available"]), (&json!(0), &json!(true)));
    });
}

#[test]
fn what_is_left_of_the_limits_is_told_to_callers() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({ "safe_rps": 1, "safe_tpm": 60_000 }), &json!({ "queue_timeout": 0.05 }));
        let (_, headers, _) = gateway.chat(&question()).await;
        let number = |name: &str| headers[name].to_str().unwrap().parse::<u64>().unwrap();
        assert_eq!((number("x-ratelimit-limit-requests"), number("x-ratelimit-remaining-requests")), (2, 1));
        assert!(number("x-ratelimit-limit-tokens") == 60_000 && number("x-ratelimit-remaining-tokens") < 60_000);
        assert!(headers["x-ratelimit-reset-requests"].to_str().unwrap().ends_with('s'));
        gateway.chat(&question()).await;
        let (status, headers, reply) = gateway.chat(&question()).await;
        assert_eq!((status, &reply["error"]["code"]), (429, &json!("queue_timeout")));
        assert_eq!((&headers["retry-after"], &headers["x-ratelimit-remaining-requests"]), (&"1".parse().unwrap(), &"0".parse().unwrap()));
        assert!(!headers.contains_key("x-should-retry"), "it was not tried, so it may be tried later");
        assert_eq!(upstream.counts().requests, 2);
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
        assert_eq!(gateway.stream(&question).await.0, 200);
        assert_eq!(upstream.counts().requests, 3);
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
fn a_head_that_is_too_large_is_refused() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        let large = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).header("x-large", "x".repeat(100 << 10));
        let refused = large.body(question().to_string()).send().await;
        let refused = refused.map_or(431, |response| response.status().as_u16()); // or the connection is closed
        assert_eq!(refused, 431);
        assert_eq!(gateway.chat(&question()).await.0, 200, "others are served");
        assert_eq!(upstream.counts().requests, 1);
    });
}

#[test]
fn nothing_is_lost_through_reloads_dying_services_and_leaving_callers() {
    const SAFE_RPS: u64 = 30;
    run(async {
        let shaky = Behaviour::default().latency(Duration::from_millis(3)).between_tokens(Duration::from_millis(1));
        let faults = [Fault::Status(500), Fault::RateLimited, Fault::Reset, Fault::CutBody, Fault::ErrorInBody];
        let shaky = faults.into_iter().fold(shaky.retry_after(Some(Duration::from_millis(50))), |shaky, fault| shaky.share(fault, 0.04));
        let (one, two) = (Upstream::start(shaky.clone().seed(3)), Upstream::start(shaky.seed(4)));
        let held = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&one, &two, &held], &json!({}), &json!({ "max_queue": 100_000 }));
        let configure = |round: u64| {
            let mut value = configuration(&[&one, &two, &held], &json!({}), &json!({ "max_queue": 100_000 }));
            for (place, weight) in [10.0, 5.0 + (round % 3) as f64, 5.0].into_iter().enumerate() {
                value["models"][place]["weight"] = json!(weight);
            }
            value["models"][2]["safe_rps"] = json!(SAFE_RPS);
            // A service dies, and comes back.
            if round % 5 == 4 {
                value["channels"]["1"]["base_url"] = json!("http://127.0.0.1:9");
            }
            std::fs::write(&gateway.config, value.to_string()).unwrap();
        };
        configure(0);
        assert_eq!(gateway.post("/admin/reload", &json!({})).await.status(), 200);
        let begun = Instant::now();
        let before = held.counts().requests;
        let stop = begun + Duration::from_secs(4);
        let reloads = async {
            let mut round = 1;
            while Instant::now() < stop {
                configure(round);
                assert_eq!(gateway.post("/admin/reload", &json!({})).await.status(), 200);
                round += 1;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        };
        let callers = futures::future::join_all((0..48u64).map(|caller| {
            let gateway = &gateway;
            async move {
                let (mut answered, mut told, mut left) = (0u64, 0u64, 0u64);
                for number in 0.. {
                    if Instant::now() >= stop {
                        break;
                    }
                    let mut body = question();
                    let text = format!("caller {caller}, call {number}");
                    body["messages"][0]["content"] = text.clone().into();
                    body["stream"] = (number % 2 == 0).into();
                    let call = async {
                        let response = gateway.post("/v1/chat/completions", &body).await;
                        (response.status().as_u16(), response.text().await.unwrap())
                    };
                    if number % 7 == 3 {
                        // Leaves in the middle, somewhere.
                        left += u64::from(tokio::time::timeout(Duration::from_millis(caller % 5), call).await.is_err());
                        continue;
                    }
                    let (status, reply) = call.await;
                    let is_whole = if number % 2 == 0 { reply.ends_with("data: [DONE]\n\n") } else { serde_json::from_str::<Value>(&reply).is_ok() };
                    if status == 200 && is_whole && !reply.contains("\"error\"") {
                        let said = if number % 2 == 0 { said(&reply) } else { reply.clone() };
                        assert!(said.contains(&format!("echo: {text}")), "each call has its own answer: {reply}");
                        answered += 1;
                    } else {
                        assert!(reply.contains("\"error\"") && !reply.contains("[DONE]"), "no call is lost without an error: {status} {reply}");
                        told += 1;
                    }
                }
                (answered, told, left)
            }
        }));
        let (counts, ()) = tokio::join!(callers, reloads);
        let (answered, told, left) = counts.into_iter().fold((0, 0, 0), |all, one| (all.0 + one.0, all.1 + one.1, all.2 + one.2));
        let seconds = begun.elapsed().as_secs_f64();
        assert!(answered > 200 && left > 0 && told * 4 < answered, "{answered} answered, {told} told of an error, {left} left");
        // What has no limit is no limit's: the burst, and what fills again.
        let most = (SAFE_RPS * 2) as f64 + SAFE_RPS as f64 * seconds + 1.0;
        assert!(((held.counts().requests - before) as f64) <= most, "{} for {most}", held.counts().requests - before);
        until("all places are free", || gateway_is_idle(&[&one, &two, &held])).await;
        let status = gateway.get("/admin/status").await;
        assert!(status["models"].as_array().unwrap().iter().all(|model| model["in_flight"] == 0), "{status}");
        assert_eq!((&status["health"]["waiting"], &status["health"]["in_flight"]), (&json!(0), &json!(0)));
    });
}

fn gateway_is_idle(upstreams: &[&Upstream]) -> bool {
    upstreams.iter().all(|upstream| upstream.counts().in_flight_now == 0)
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
