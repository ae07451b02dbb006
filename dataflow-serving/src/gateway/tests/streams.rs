//! Streams: whole, broken, left by their callers.

use super::*;

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

#[test]
fn a_stream_that_tells_no_usage_is_counted_by_its_words() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let models = json!({ "safe_tpm": 100_000, "prices": { "in": 1e6, "out": 2e6 } });
        let gateway = Running::start(&[&upstream], &models, &json!({}));
        let mut body = question();
        body["max_tokens"] = json!(50_000);
        let (_, text) = gateway.stream(&body).await;
        assert!(!text.contains("usage"), "nothing that passes is changed: {text}");
        let model = gateway.get("/admin/models").await["models"][0].take();
        // "auto", "user" and the question; "echo: " and the question, with the role.
        let (asked, said) = ((4 + 4 + 21_u32).div_ceil(4), (27 + 9_u32).div_ceil(4));
        assert_eq!((&model["input_tokens"], &model["output_tokens"]), (&json!(asked), &json!(said)), "{model}");
        assert_eq!(model["cost"], json!(f64::from(asked + 2 * said)));
        let (_, headers, _) = gateway.chat(&question()).await;
        let remaining: u32 = headers["x-ratelimit-remaining-tokens"].to_str().unwrap().parse().unwrap();
        assert!(remaining > 99_000, "what the call was thought to take has come back: {remaining}");
        body["stream_options"] = json!({ "include_usage": true });
        let told = gateway.stream(&body).await.1;
        assert!(told.contains("\"usage\""), "{told}");
    });
}

#[test]
fn a_stream_whose_time_is_over_is_told_whose_time_it_was() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().between_tokens(Duration::from_millis(60)).answer(|_| "word ".repeat(1000)));
        let gateway = Running::start(&[&upstream], &json!({ "timeout": 0.6 }), &json!({}));
        let mut body = question();
        body["stream"] = true.into();
        let ask = |deadline: &'static str| {
            gateway.client.post(format!("{}/v1/chat/completions", gateway.url)).header("x-flux-deadline-ms", deadline).body(body.to_string()).send()
        };
        let callers = ask("300").await.unwrap().text().await.unwrap();
        assert!(callers.contains("the time that the caller gives the stream is over") && !callers.contains("[DONE]"), "{callers}");
        let models = ask("30000").await.unwrap().text().await.unwrap();
        assert!(models.contains("the stream took longer than `timeout` allows") && !models.contains("[DONE]"), "{models}");
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
fn a_call_that_does_not_end_in_time_is_told_so_in_an_error() {
    run(async {
        let upstream = Upstream::start(Behaviour::default().share(Fault::Stall, 1.0));
        let mut gateway = Running::start_with(&[&upstream], &json!({}), &json!({}), Duration::from_millis(100));
        let stop = gateway.stop.take().unwrap();
        let stopping = async {
            until("the service is asked", || upstream.counts().requests == 1).await;
            stop.send(()).unwrap();
        };
        let body = question();
        let ((status, headers, reply), ()) = tokio::join!(gateway.chat(&body), stopping);
        assert_eq!((status, &reply["error"]["code"], &reply["error"]["type"]), (503, &json!("gateway_stops"), &json!("gateway_error")), "{reply}");
        assert!(headers.contains_key("retry-after") && headers.contains_key("x-request-id"), "{headers:?}");
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
