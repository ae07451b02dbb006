//! Calls that are not answered: what their callers are told, and what is counted.

use http::Method;

use super::*;

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
            "dataflow_gateway_overhead_seconds_count 5",
            r#"dataflow_deployment_failed_total{deployment="one",id="m0"}"#,
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
fn what_is_asked_for_wrongly_is_told_in_plain_words() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({ "name": "one" }), &json!({}));
        let (status, _, reply) = gateway.chat(&json!([])).await;
        assert_eq!((status, reply["error"]["message"].as_str().unwrap()), (400, "the body should be a JSON object of a request, found another JSON value"));
        for deadline in ["soon", "0"] {
            let late = gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).header("x-flux-deadline-ms", deadline).body(question().to_string());
            assert_eq!(late.send().await.unwrap().status(), 400, "{deadline}");
        }
        assert_eq!(gateway.get("/v1/models/one").await["id"], "one");
        assert_eq!(gateway.get("/v1/models/two").await["error"]["code"], "model_not_found");
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
fn tries_that_take_their_whole_time_are_two_at_the_most() {
    run(async {
        let (one, other) = (Upstream::start(Behaviour::default().share(Fault::Stall, 1.0)), Upstream::start(Behaviour::default().share(Fault::Stall, 1.0)));
        let alone = Running::start(&[&one], &json!({ "timeout": 0.3 }), &json!({}));
        let (status, _, reply) = alone.chat(&question()).await;
        assert_eq!((status, &reply["error"]["code"], one.counts().requests), (504, &json!("upstream_timeout"), 2), "{reply}");
        let both = Running::start(&[&one, &other], &json!({ "timeout": 0.3 }), &json!({}));
        let (status, text) = both.stream(&question()).await;
        assert_eq!((status, one.counts().requests, other.counts().requests), (504, 3, 1), "{text}");
    });
}

#[test]
fn any_model_is_none_where_no_model_has_a_weight() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({ "weight": 0 }), &json!({}));
        let (status, _, reply) = gateway.chat(&question()).await;
        let told = "`auto` means any model with a weight above 0, and there is none\nhint: ask for a model by its name";
        assert_eq!((status, reply["error"]["message"].as_str()), (404, Some(told)));
        let mut named = question();
        named["model"] = "m0".into();
        assert_eq!(gateway.chat(&named).await.0, 200);
    });
}

#[test]
fn where_no_call_may_wait_none_does() {
    run(async {
        let slow = Upstream::start(Behaviour::default().latency(Duration::from_millis(300)));
        let gateway = Running::start(&[&slow], &json!({ "max_concurrency": 1 }), &json!({ "max_queue": 0 }));
        let second = async {
            until("the service is asked", || slow.counts().requests == 1).await;
            gateway.chat(&question()).await
        };
        let body = question();
        let (first, second) = tokio::join!(gateway.chat(&body), second);
        assert_eq!((first.0, second.0, &second.2["error"]["code"]), (200, 429, &json!("rate_limited")));
        assert_eq!(gateway.chat(&question()).await.0, 200);
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
fn words_that_are_no_json_are_told_with_their_status() {
    run(async {
        for (path, stream) in [("chat/completions", false), ("chat/completions", true), ("embeddings", false)] {
            let upstream = Upstream::start(Behaviour::default());
            let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
            let mut file = configuration(&[&upstream], &json!({}), &json!({}));
            file["channels"]["0"]["base_url"] = plain_service(404, "no such path here,\nsk-upstream-secret-key").await.into();
            std::fs::write(&gateway.config, file.to_string()).unwrap();
            assert_eq!(gateway.post("/admin/reload", &json!({})).await.status(), 200);
            let mut body = question();
            (body["stream"], body["input"]) = (stream.into(), "x".into());
            for _ in 0..3 {
                let response = gateway.post(&format!("/v1/{path}"), &body).await;
                assert_eq!(response.status(), 404, "{path}, stream: {stream}");
                let reply: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
                let told = (reply["error"]["message"].as_str().unwrap(), &reply["error"]["code"]);
                assert_eq!(told, ("404: no such path here, ***", &json!("upstream_not_found")), "{path}, stream: {stream}");
            }
            if path == "chat/completions" {
                let (status, _, reply) = gateway.chat(&question()).await;
                let message = "no model can be asked at the moment\n`m0`: 404: no such path here, ***";
                assert_eq!((status, reply["error"]["message"].as_str().unwrap()), (503, message), "the service is left alone, and why is told");
            }
        }
    });
}

#[test]
fn a_model_that_rests_says_why_where_its_key_or_its_account_is_at_fault() {
    run(async {
        for (fault, words) in [(Fault::Quota, "429: "), (Fault::Unauthorized, "401: ")] {
            let upstream = Upstream::start(Behaviour::default().share(fault, 1.0));
            let gateway = Running::start(&[&upstream], &json!({}), &json!({ "queue_timeout": 0.05 }));
            gateway.chat(&question()).await;
            let (status, _, reply) = gateway.chat(&question()).await;
            let told = reply["error"]["message"].as_str().unwrap();
            assert_eq!((status, upstream.counts().requests), (503, 1), "{fault:?}: {told}");
            assert!(told.starts_with(&format!("no model can be asked at the moment\n`m0`: {words}")), "{fault:?}: {told}");
        }
    });
}

/// The status of an error, its code, and what it says of another try: when, and whether that is of use at all.
fn again((status, headers, reply): (u16, http::HeaderMap, Value)) -> (u16, String, Option<u64>, bool) {
    let after = headers.get("retry-after").map(|after| after.to_str().unwrap().parse().unwrap());
    (status, reply["error"]["code"].as_str().unwrap_or_default().to_owned(), after, headers.get("x-should-retry").is_none_or(|again| again != "false"))
}

#[test]
fn whether_and_when_to_try_again_is_told_on_every_path() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().first([Fault::Unauthorized]));
        let gateway = Running::start(&[&upstream], &json!({}), &json!({ "max_body_mb": 1 }));
        assert_eq!(again(gateway.chat(&question()).await), (401, "invalid_api_key".into(), None, false));
        let (status, code, after, is_of_use) = again(gateway.chat(&question()).await);
        assert_eq!((status, code.as_str(), is_of_use), (503, "no_available_model", false), "clients would not wait so long, and try again at once");
        assert!(after.is_some_and(|after| (290..=300).contains(&after)), "{after:?}");
        let asking = |text: &str| json!({ "model": "auto", "messages": [{ "role": "user", "content": text }] });
        let large = again(gateway.chat(&asking(&"x".repeat(2 << 20))).await);
        assert_eq!(large, (413, "request_too_large".into(), None, true), "no client tries it again of itself");

        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        assert_eq!(again(gateway.chat(&asking("[[status 422]]")).await), (422, String::new(), None, false));
        assert_eq!(again(gateway.chat(&asking("[[status 501]]")).await), (501, String::new(), None, false), "which clients would try again");

        let slow = Upstream::start(Behaviour::default().latency(Duration::from_millis(300)));
        let gateway = Running::start(&[&slow], &json!({ "max_concurrency": 1 }), &json!({ "max_queue": 1 }));
        let question = question();
        let told = futures::future::join_all((0..4).map(|_| gateway.chat(&question))).await;
        let refused: Vec<_> = told.into_iter().map(again).filter(|told| told.0 != 200).collect();
        assert!(!refused.is_empty() && refused.iter().all(|told| *told == (429, "rate_limited".into(), Some(1), true)), "{refused:?}");
    });
}

#[test]
fn each_reply_is_counted_once_also_where_nothing_was_tried() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({ "name": "one" }), &json!({ "api_keys": ["callers-own"], "admin_key": "root", "max_body_mb": 1 }));
        let at = |path: &str| format!("{}{path}", gateway.url);
        gateway.chat(&question()).await;
        gateway.stream(&question()).await;
        gateway.chat(&json!([])).await;
        gateway.chat(&json!({ "model": "a-callers-invention", "messages": [1] })).await;
        gateway.chat(&json!({ "model": "auto", "messages": ["x".repeat(2 << 20)] })).await;
        let mut asked = question();
        asked["messages"][0]["content"] = "[[status 422]]".into();
        gateway.chat(&asked).await;
        let key = "callers-own";
        for request in [
            gateway.client.post(at("/v1/chat/completions")).bearer_auth("wrong").body("{}"),
            gateway.client.get(at("/v1/chat/completions")).bearer_auth(key),
            gateway.client.request(Method::OPTIONS, at("/v1/embeddings")),
            gateway.client.get(at("/v1/models")).bearer_auth(key),
            gateway.client.get(at("/v1/models/a-callers-invention")).bearer_auth(key),
            gateway.client.get(at("/v1/a-callers-invention")).bearer_auth(key),
            gateway.client.get(at("/admin/health")).bearer_auth("root"),
        ] {
            request.send().await.unwrap();
        }
        let metrics = gateway.client.get(at("/metrics")).bearer_auth("root").send().await.unwrap().text().await.unwrap();
        let counted: Vec<&str> = metrics.lines().filter(|line| line.starts_with("dataflow_gateway_requests_total")).collect();
        assert_eq!(
            counted,
            [
                r#"dataflow_gateway_requests_total{route="/v1/chat/completions",status="200"} 2"#,
                r#"dataflow_gateway_requests_total{route="/v1/chat/completions",status="400"} 1"#,
                r#"dataflow_gateway_requests_total{route="/v1/chat/completions",status="401"} 1"#,
                r#"dataflow_gateway_requests_total{route="/v1/chat/completions",status="404"} 1"#,
                r#"dataflow_gateway_requests_total{route="/v1/chat/completions",status="405"} 1"#,
                r#"dataflow_gateway_requests_total{route="/v1/chat/completions",status="413"} 1"#,
                r#"dataflow_gateway_requests_total{route="/v1/chat/completions",status="422"} 1"#,
                r#"dataflow_gateway_requests_total{route="/v1/embeddings",status="204"} 1"#,
                r#"dataflow_gateway_requests_total{route="/v1/models",status="200"} 1"#,
                r#"dataflow_gateway_requests_total{route="/v1/models",status="404"} 1"#,
                r#"dataflow_gateway_requests_total{route="other",status="404"} 1"#,
            ]
        );
        for expected in [
            "dataflow_gateway_overhead_seconds_count 12",
            "dataflow_gateway_requests_in_flight 0",
            r#"gen_ai_server_request_duration_seconds_count{deployment="",error_type="401",gen_ai_operation_name="chat",gen_ai_request_model=""} 1"#,
            r#"gen_ai_server_request_duration_seconds_count{deployment="one",error_type="",gen_ai_operation_name="chat",gen_ai_request_model="auto"} 2"#,
        ] {
            assert!(metrics.contains(expected), "{expected} is missing in:\n{metrics}");
        }
        assert!(!metrics.contains("invention"), "no label is made of what a caller invents");
    });
}
