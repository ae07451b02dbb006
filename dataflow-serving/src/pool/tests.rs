use super::*;
use dataflow_core::serving::{Chat, LLMServing};
use dataflow_upstream::{Behaviour, Fault, Upstream};
use futures::StreamExt;
use serde_json::json;

/// A pool of one model a line: identity, address, weight, more.
fn pool_of(models: &[(&str, &str, f64, serde_json::Value)]) -> serde_json::Value {
    let entry = |(id, _, weight, more): &(&str, &str, f64, serde_json::Value)| {
        let mut model = json!({ "id": id, "model": "m", "channel_id": id, "weight": weight, "safe_rps": 0, "timeout": 2 });
        for (name, value) in more.as_object().into_iter().flatten() {
            model[name] = value.clone();
        }
        model
    };
    let channels: serde_json::Map<String, serde_json::Value> =
        models.iter().map(|(id, url, ..)| ((*id).to_owned(), json!({ "base_url": url.trim_end_matches("/v1") }))).collect();
    json!({ "models": models.iter().map(entry).collect::<Vec<_>>(), "channels": channels })
}

fn serving(value: serde_json::Value) -> PoolServing {
    PoolServing::try_new(crate::options::read(value).unwrap()).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Asks so many different questions, so many at once; the numbers of answers and of errors.
async fn ask(serving: &PoolServing, calls: usize, at_once: usize) -> (usize, Vec<String>) {
    let asked = futures::stream::iter(0..calls).map(|number| async move { serving.chat(&Chat::from(format!("question {number}"))).await });
    let replies: Vec<_> = asked.buffer_unordered(at_once).collect().await;
    let errors: Vec<String> = replies.iter().filter_map(|reply| reply.as_ref().err()).map(ToString::to_string).collect();
    (replies.len() - errors.len(), errors)
}

fn nothing() -> serde_json::Value {
    json!({})
}

const NOWHERE: &str = "http://127.0.0.1:9";

#[test]
fn each_is_chosen_as_often_as_its_weight_says() {
    let weights = [10.0, 5.0, 1.0, 0.0];
    let models: Vec<_> = ["a", "b", "c", "d"].iter().zip(weights).map(|(id, weight)| (*id, NOWHERE, weight, json!({ "max_concurrency": 10 }))).collect();
    let serving = serving(pool_of(&models));
    let pool = serving.pool().unwrap();
    let mut counts = HashMap::new();
    for _ in 0..100_000 {
        let lease = pool.choose(&CallOptions::default(), &[]).unwrap();
        *counts.entry(lease.deployment().name().to_owned()).or_insert(0.0) += 1.0;
    }
    for (id, weight) in ["a", "b", "c"].iter().zip(weights) {
        let (share, wanted): (f64, f64) = (counts[*id] / 100_000.0, weight / 16.0);
        // Four standard deviations.
        assert!((share - wanted).abs() < 4.0 * (wanted * (1.0 - wanted) / 100_000.0).sqrt(), "{id}: {share} for {wanted}");
    }
    assert!(!counts.contains_key("d"), "what has no weight is asked by name alone");
    let by_name = CallOptions { model: "d".into(), ..CallOptions::default() };
    assert_eq!(pool.choose(&by_name, &[]).unwrap().deployment().name(), "d");
}

#[test]
fn faults_of_the_service_are_answered_elsewhere() {
    for fault in [
        Fault::RateLimited,
        Fault::Quota,
        Fault::Unauthorized,
        Fault::Status(503),
        Fault::Reset,
        Fault::CutBody,
        Fault::BadJson,
        Fault::ErrorInBody,
        Fault::NoChoices,
    ] {
        let (faulty, well) = (Upstream::start(Behaviour::default().share(fault, 1.0)), Upstream::start(Behaviour::default()));
        let serving = serving(pool_of(&[("faulty", &faulty.url(), 1000.0, nothing()), ("well", &well.url(), 1.0, nothing())]));
        let (answered, errors) = run(ask(&serving, 20, 4));
        assert_eq!((answered, errors), (20, Vec::new()), "{fault:?}");
        assert!(faulty.counts().requests <= 12, "{fault:?}: the faulty one was asked {} times", faulty.counts().requests);
        assert_eq!(well.counts().answered, 20, "{fault:?}");
    }
}

#[test]
fn a_request_at_fault_is_returned_at_once_and_disables_nothing() {
    let (one, other) = (Upstream::start(Behaviour::default()), Upstream::start(Behaviour::default()));
    let serving = serving(pool_of(&[("one", &one.url(), 1.0, nothing()), ("other", &other.url(), 1.0, nothing())]));
    run(async {
        for _ in 0..10 {
            let error = serving.chat(&Chat::from("[[status 400]]")).await.unwrap_err();
            assert_eq!((error.class, error.status), (ErrorClass::Caller, Some(400)));
        }
        assert_eq!(one.counts().requests + other.counts().requests, 10, "each was asked once");
        assert!(serving.pool().unwrap().deployments().iter().all(|deployment| deployment.health().available));
        assert!(serving.chat(&Chat::from("well")).await.is_ok());
    });
}

#[test]
fn a_lone_deployment_is_waited_for() {
    let upstream =
        Upstream::start(Behaviour::default().first([Fault::RateLimited, Fault::Status(500), Fault::Reset]).retry_after(Some(Duration::from_millis(200))));
    let serving = serving(pool_of(&[("one", &upstream.url(), 1.0, nothing())]));
    assert_eq!(run(ask(&serving, 1, 1)), (1, Vec::new()));
    assert_eq!(upstream.counts().requests, 4);
}

#[test]
fn a_lone_deployment_that_refuses_the_key_is_told_at_once() {
    let upstream = Upstream::start(Behaviour::default().share(Fault::Leak, 1.0));
    let serving = serving(pool_of(&[("one", &upstream.url(), 1.0, json!({ "api_key": "sk-very-secret" }))]));
    let (answered, errors) = run(ask(&serving, 1, 1));
    assert_eq!(answered, 0);
    assert!(errors[0].contains("401") && !errors[0].contains("very-secret"), "{errors:?}");
    assert!(!format!("{serving:?} {}", serving.spec()).contains("very-secret"));
}

#[test]
fn a_name_goes_to_those_that_have_it_and_to_no_other() {
    let (one, other) = (Upstream::start(Behaviour::default()), Upstream::start(Behaviour::default()));
    let mut value = pool_of(&[("one", &one.url(), 1.0, json!({ "name": "fast" })), ("other", &other.url(), 1.0, nothing())]);
    value["model"] = json!("fast");
    let serving = serving(value.clone());
    assert_eq!(run(ask(&serving, 20, 4)), (20, Vec::new()));
    assert_eq!((one.counts().answered, other.counts().answered), (20, 0));
    value["model"] = json!("slow");
    let error = PoolServing::try_new(crate::options::read(value).unwrap()).unwrap_err();
    assert!(error.to_string().contains("no model of the pool has this id, name or model"), "{error}");
}

#[test]
fn a_reload_keeps_what_is_known_of_a_deployment() {
    let upstream = Upstream::start(Behaviour::default());
    let value = pool_of(&[("one", &upstream.url(), 1.0, json!({ "safe_rps": 100 })), ("dead", NOWHERE, 1.0, nothing())]);
    let configuration = |value: serde_json::Value| Configuration::of_value(value, &|_| None).unwrap().0;
    let serving = serving(value.clone());
    run(ask(&serving, 50, 8));
    let pool = serving.pool().unwrap();
    let before: Vec<HealthReport> = pool.deployments().iter().map(|deployment| deployment.health()).collect();
    let mut changed = value;
    changed["models"][0]["weight"] = json!(7);
    pool.reload(&configuration(changed.clone())).unwrap();
    let after: Vec<HealthReport> = pool.deployments().iter().map(|deployment| deployment.health()).collect();
    assert_eq!((after[0].answered, after[1].failed), (before[0].answered, before[1].failed));
    assert!((pool.deployments()[0].settings().weight - 7.0).abs() < f64::EPSILON);
    changed["models"] = json!([]);
    assert!(pool.reload(&configuration(changed)).is_err());
    assert_eq!(pool.deployments().len(), 2, "what cannot be used changes nothing");
}

#[test]
fn limits_are_waited_for_in_line_and_not_beyond_the_deadline() {
    let upstream = Upstream::start(Behaviour::default());
    let serving = serving(pool_of(&[("one", &upstream.url(), 1.0, json!({ "safe_rps": 10 }))]));
    run(async {
        let begun = Instant::now();
        assert_eq!(ask(&serving, 26, 26).await, (26, Vec::new()));
        assert!(begun.elapsed() > Duration::from_millis(450), "20 go at once, and 6 more take half a second: {:?}", begun.elapsed());
        let pool = serving.pool().unwrap();
        let options = CallOptions { queue_timeout: Some(Duration::from_millis(20)), ..CallOptions::default() };
        let exhausted = pool.call(&options, |lease| async move { Err::<(), _>((lease, Failure::new(ErrorClass::Caller, "not asked"))) }).await;
        assert!(matches!(exhausted, Err(Exhausted::NotReady { after: Some(_), .. })), "{exhausted:?}");
        assert_eq!(pool.waiting(), 0);
    });
}

#[test]
fn calls_that_are_given_up_leave_no_place_taken() {
    let upstream = Upstream::start(Behaviour::default().latency(Duration::from_secs(30)));
    let serving = serving(pool_of(&[("one", &upstream.url(), 1.0, json!({ "max_concurrency": 2 }))]));
    run(async {
        let question = Chat::from("x");
        let calls = futures::future::join_all((0..6).map(|_| serving.chat(&question)));
        assert!(tokio::time::timeout(Duration::from_millis(200), calls).await.is_err());
    });
    let pool = serving.pool().unwrap();
    assert_eq!((pool.deployments()[0].health().in_flight, pool.waiting()), (0, 0));
}

#[test]
fn an_untuned_pool_finds_the_pace_of_a_service() {
    let upstream = Upstream::start(Behaviour::default().latency(Duration::from_millis(20)).requests_per_second(40));
    let serving = serving(pool_of(&[("one", &upstream.url(), 1.0, nothing())]));
    assert_eq!(run(ask(&serving, 200, 64)), (200, Vec::new()));
    // The first to come are all on their way before one is refused; of those after them few are.
    let refused = upstream.counts().requests - 200;
    assert!(refused <= 64 + 16, "{refused} of 200 calls were refused");
}

#[test]
fn a_reply_that_breaks_the_schema_goes_to_who_asked_and_blames_nobody() {
    let upstream = Upstream::start(Behaviour::default().answer(|_| "I would say seven.".into()));
    let serving = serving(pool_of(&[("a", &upstream.url(), 1.0, nothing())]));
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    let reply = run(serving.chat(&Chat::from("How many?").with_schema(schema))).unwrap();
    assert_eq!(reply.content, "I would say seven.");
    let health = serving.pool().unwrap().deployments()[0].health();
    assert_eq!((upstream.counts().requests, health.answered, health.failed), (1, 1, 0));
}

#[test]
fn calls_that_always_fail_end_in_bounded_time_also_where_nobody_else_is_there() {
    let upstream = Upstream::start(Behaviour::default().share(Fault::Status(500), 1.0));
    let mut value = pool_of(&[("one", &upstream.url(), 1.0, nothing())]);
    value["max_retries"] = json!(1);
    let begun = Instant::now();
    let (answered, errors) = run(ask(&serving(value), 6, 6));
    assert_eq!((answered, errors.len(), upstream.counts().requests), (0, 6, 12), "each is tried twice: {errors:?}");
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[test]
fn a_call_that_waits_for_its_service_ends_with_the_run() {
    let upstream = Upstream::start(Behaviour::default().share(Fault::RateLimited, 1.0).retry_after(Some(Duration::from_mins(5))));
    let pool = serving(pool_of(&[("one", &upstream.url(), 1.0, nothing())]));
    let api = crate::ApiServing::new(upstream.url(), "m");
    run(async {
        for serving in [&pool as &dyn LLMServing, &api] {
            let begun = Instant::now();
            let chat = Chat::from("x");
            let hurry = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                serving.stop_waiting();
            };
            let (reply, ()) = tokio::join!(serving.chat(&chat), hurry);
            assert!(reply.is_err() && begun.elapsed() < Duration::from_secs(5), "{reply:?} after {:?}", begun.elapsed());
        }
    });
}

#[test]
fn a_call_that_alone_is_refused_ends_too() {
    let upstream = Upstream::start(Behaviour::default().retry_after(Some(Duration::from_millis(5))));
    let mut value = pool_of(&[("one", &upstream.url(), 1.0, nothing())]);
    value["max_retries"] = json!(2);
    let serving = serving(value);
    run(async {
        assert_eq!(ask(&serving, 3, 3).await, (3, Vec::new()));
        let refused = serving.chat(&Chat::from("[[status 429]]")).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::RateLimited);
    });
    assert_eq!(upstream.counts().requests - 3, u64::from(super::MOST_REFUSALS) + 3);
}

#[test]
fn a_service_that_was_never_reached_is_given_up_soon() {
    let serving = serving(pool_of(&[("one", NOWHERE, 1.0, nothing())]));
    let begun = Instant::now();
    let (answered, errors) = run(ask(&serving, 10, 10));
    assert!(answered == 0 && errors.iter().all(|error| error.contains("no connection")), "{errors:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn what_is_written_out_holds_no_secret() {
    let mut value = pool_of(&[("one", "http://me:wordpass@127.0.0.1:9/v1", 1.0, json!({ "api_key": "sk-in-the-file" }))]);
    value["channels"]["one"]["proxy"] = json!("http://me:proxypass@proxy.example:3128");
    value["gateway"] = json!({ "api_keys": ["callers-key"], "admin_key": "root-key", "max_queue": 5 });
    let serving = serving(value);
    let shown = format!("{} {serving:?}", serving.spec());
    for secret in ["wordpass", "proxypass", "sk-in-the-file", "callers-key", "root-key"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    let spec = serving.spec();
    assert_eq!((&spec["gateway"], &spec["channels"]["one"]["proxy"]), (&json!({ "max_queue": 5 }), &json!("http://me@proxy.example:3128/")));
}

#[test]
fn a_call_does_not_wait_for_one_that_rests_long_while_another_can_be_tried_again() {
    let (empty, shaky) = (Upstream::start(Behaviour::default().share(Fault::Quota, 1.0)), Upstream::start(Behaviour::default().first([Fault::Status(500)])));
    let serving = serving(pool_of(&[("empty", &empty.url(), 1000.0, nothing()), ("shaky", &shaky.url(), 0.001, nothing())]));
    let asked = async { tokio::time::timeout(Duration::from_secs(20), ask(&serving, 2, 1)).await };
    assert_eq!(run(asked).unwrap(), (2, Vec::new()));
    assert_eq!((empty.counts().requests, shaky.counts().requests), (1, 3));
}

#[test]
fn headers_that_say_that_nothing_is_left_are_heeded_before_a_refusal() {
    let says = |left: &str| vec![("x-ratelimit-remaining-requests".to_owned(), left.to_owned()), ("x-ratelimit-reset-requests".to_owned(), "1m0s".to_owned())];
    let (full, empty) = (Upstream::start(Behaviour::default().headers(says("5"))), Upstream::start(Behaviour::default().headers(says("0"))));
    let serving = serving(pool_of(&[("empty", &empty.url(), 1000.0, nothing()), ("full", &full.url(), 0.001, nothing())]));
    assert_eq!(run(ask(&serving, 10, 1)), (10, Vec::new()));
    assert_eq!((empty.counts().requests, full.counts().requests), (1, 9));
    let reports: Vec<HealthReport> = serving.pool().unwrap().deployments().iter().map(|deployment| deployment.health()).collect();
    assert!(reports[0].cooling_seconds > 50.0 && reports[0].failed == 0 && reports[1].available);
}

#[test]
fn a_reload_keeps_limits_and_what_was_used_of_them() {
    let upstream = Upstream::start(Behaviour::default());
    let value = pool_of(&[("one", &upstream.url(), 1.0, json!({ "safe_rps": 5, "safe_tpm": 100_000, "max_concurrency": 4 }))]);
    let serving = serving(value.clone());
    assert_eq!(run(ask(&serving, 8, 4)), (8, Vec::new()));
    let pool = serving.pool().unwrap();
    let left = || pool.left("one").map(|left| left.unwrap().remaining);
    let before = left();
    assert!(before[0] < 5.0 && before[1] < 100_000.0 && before[1] > 99_000.0, "what was not used has come back: {before:?}");
    let mut changed = value;
    changed["models"][0]["weight"] = json!(3);
    changed["models"][0]["max_concurrency"] = json!(7);
    changed["models"][0]["safe_tpm"] = json!(50_000);
    pool.reload(&Configuration::of_value(changed, &|_| None).unwrap().0).unwrap();
    let after = left();
    assert!(after[0] < 6.0 && after[1] < 50_000.0 && after[1] > 49_000.0, "{after:?}");
    assert_eq!((pool.deployments()[0].health().concurrency, pool.deployments()[0].health().answered), (7, 8));
}

#[test]
fn ten_thousand_calls_are_answered_beside_one_that_is_dead() {
    let alive = Upstream::start(Behaviour::default());
    let serving = serving(pool_of(&[("dead", NOWHERE, 10.0, nothing()), ("alive", &alive.url(), 5.0, nothing())]));
    assert_eq!(run(ask(&serving, 10_000, 16)), (10_000, Vec::new()));
    let pool = serving.pool().unwrap();
    let dead = pool.deployments()[0].health();
    // Those that are on their way when it dies, and then a probe now and again.
    assert!(dead.failed <= 16 + 8, "the dead one was asked {} times", dead.failed);
    assert_eq!(alive.counts().requests, 10_000);
    assert!(pool.deployments().iter().all(|deployment| deployment.health().in_flight == 0), "no place is lost");
}

#[test]
fn equal_calls_of_a_pool_with_a_cache_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(Behaviour::default().latency(Duration::from_millis(30)));
    let mut value = pool_of(&[("one", &upstream.url(), 1.0, nothing())]);
    value["cache"] = json!(true);
    value["cache_path"] = json!(folder.path());
    let serving = serving(value);
    run(async {
        let chat = Chat::from("the same");
        let replies = futures::future::join_all((0..4).map(|_| serving.chat(&chat))).await;
        assert!(replies.iter().all(|reply| reply.as_ref().unwrap().content == "echo: the same"));
        serving.chat(&chat).await.unwrap();
        assert_eq!(upstream.counts().requests, 1);
        serving.chat(&chat.clone().sample(1)).await.unwrap();
        assert_eq!(upstream.counts().requests, 2, "another sample is another question");
    });
}

#[test]
fn no_call_is_made_once_the_run_ends_in_a_pause() {
    let upstream = Upstream::start(Behaviour::default().share(Fault::Status(500), 1.0));
    let mut options = pool_of(&[("one", &upstream.url(), 1.0, nothing())]);
    (options["pause"], options["pause_window"], options["max_retries"]) = (json!(60), json!(60), json!(20));
    let serving = serving(options);
    run(async {
        let chat = Chat::from("x");
        let hurry = async {
            while serving.pauses() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let asked = upstream.counts().requests;
            tokio::time::sleep(Duration::from_millis(300)).await;
            serving.stop_waiting();
            asked
        };
        let (reply, asked) = tokio::join!(serving.chat(&chat), hurry);
        assert!(reply.is_err());
        assert_eq!(upstream.counts().requests, asked);
    });
}

#[test]
fn all_calls_pause_once_when_no_model_is_well() {
    let upstream = Upstream::start(Behaviour::default().first([Fault::Status(500); 5]));
    let mut options = pool_of(&[("a", &upstream.url(), 1.0, nothing())]);
    (options["pause"], options["pause_window"], options["max_concurrency"]) = (json!(0.3), json!(60), json!(5));
    let serving = serving(options);
    let (answered, errors) = run(ask(&serving, 10, 5));
    assert_eq!((answered, errors.len(), serving.pauses()), (10, 0, 1), "{errors:?}");
    let upstream = Upstream::start(Behaviour::default());
    let mut options = pool_of(&[("a", &upstream.url(), 1.0, nothing()), ("b", NOWHERE, 1.0, nothing())]);
    options["pause"] = json!(60);
    let serving = self::serving(options);
    assert_eq!((run(ask(&serving, 30, 5)).0, serving.pauses()), (30, 0), "while one is well there is no pause");
}

#[test]
fn fewer_calls_can_be_let_in_and_more_again() {
    let upstream = Upstream::start(Behaviour::default().latency(Duration::from_millis(20)));
    let mut options = pool_of(&[("a", &upstream.url(), 1.0, nothing())]);
    options["max_concurrency"] = json!(8);
    let serving = serving(options);
    assert_eq!(serving.hold_to(2), 2);
    assert_eq!(run(ask(&serving, 20, 20)).0, 20);
    assert_eq!((upstream.counts().max_in_flight, serving.hold_to(100)), (2, 8));
    run(ask(&serving, 40, 40));
    assert_eq!(upstream.counts().max_in_flight, 8);
}
