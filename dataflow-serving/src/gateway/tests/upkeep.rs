//! The gateway itself: its keys, its limits, its file read anew, and all of it at once.

use super::*;

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
fn a_port_that_is_taken_is_told_with_its_cause_before_the_hint() {
    run(async {
        let upstream = Upstream::start(Behaviour::default());
        let gateway = Running::start(&[&upstream], &json!({}), &json!({}));
        let port = gateway.url.rsplit_once(':').unwrap().1.parse().unwrap();
        let options = GatewayOptions { config: gateway.config.clone(), host: "127.0.0.1".into(), port, drain: Duration::ZERO };
        let error = Gateway::bind(options).unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "no second try goes on from here: {error:?}");
        let told = error.to_string();
        assert!(told.starts_with(&format!("cannot listen at 127.0.0.1:{port}: ")) && told.ends_with("`--host` another address"), "{told}");
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
fn a_panic_over_a_file_is_an_error_like_any_other() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let survived = super::super::survived::<()>(|| panic!("odd"));
    std::panic::set_hook(quiet);
    assert_eq!(survived.unwrap_err().to_string(), "the configuration made the gateway panic");
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
