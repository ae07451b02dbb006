//! Rows that fail, runs that end early, and those that go on from there.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_stopped_does_not_wait_for_a_service_and_blames_no_row_for_it() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(100)));
    pipeline.serving("default", Arc::new(Cooling::default()) as Arc<dyn LLMServing>);
    pipeline.step(ask("text", "reply"));
    let stop = Stop::default();
    let run = Run { stop: stop.clone(), grace: Duration::from_mins(10), ..Run::default() };
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.gently();
    });
    let forward = async { pipeline.compile().unwrap().forward(run).await };
    let report = tokio::time::timeout(Duration::from_secs(20), forward).await.expect("nobody waits").unwrap();
    assert_eq!((report.outcome, report.failed, report.rows_written), (RunOutcome::Stopped, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_row_is_dropped_kept_or_ends_the_run() {
    let journal = || Arc::new(MemoryJournal::default());
    let storage = MemoryStorage::new(rows(3));
    let echo = Echo::failing(8, &["t2"]);
    let report = one_step(&storage, &echo, &journal(), OnError::Drop).forward(Run::default()).await.unwrap();
    assert_eq!(texts(&storage.output_frame().unwrap(), "text"), ["t1", "t3"]);
    assert_eq!(report.failed, 1);
    let letters = std::fs::read_to_string(report.errors.unwrap()).unwrap();
    let letter: DeadLetter = serde_json::from_str(&letters).unwrap();
    assert_eq!((&*letter.row, letter.step, &*letter.class, &*letter.message), ("2", 1, "transient", "the service said 500"));

    one_step(&storage, &echo, &journal(), OnError::Keep).forward(Run::default()).await.unwrap();
    assert_eq!(texts(&storage.output_frame().unwrap(), "reply"), ["re: t1", "null", "re: t3"]);

    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.serving("default", echo.clone() as Arc<dyn LLMServing>);
    pipeline.step(ask("text", "reply")).on_error(OnError::Keep).error_key("why");
    pipeline.step(Longer { input_key: "why".into(), output_key: "length".into(), min: 1 });
    pipeline.compile().unwrap().forward(Run::default()).await.unwrap();
    let told = storage.output_frame().unwrap();
    assert_eq!((texts(&told, "why"), texts(&told, "text")), (vec!["transient: the service said 500".to_owned()], vec!["t2".to_owned()]));

    let error = one_step(&storage, &echo, &journal(), OnError::Fail).forward(Run::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "step 1 `AskOnce`: row 2: the service said 500");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_rows_are_run_alone_and_put_in_their_places() {
    for on_error in [OnError::Drop, OnError::Keep] {
        let storage = MemoryStorage::new(rows(300));
        let (echo, journal) = (Echo::failing(8, &["t1", "t150", "t300"]), Arc::new(MemoryJournal::default()));
        let mut pipeline = Pipeline::new("p", storage.clone());
        pipeline.serving("default", echo.clone() as Arc<dyn LLMServing>).journal(journal);
        pipeline.step(ask("text", "reply")).on_error(on_error);
        pipeline.step(OneMore { input_key: "reply".into() });
        let compiled = pipeline.compile().unwrap();
        let run = Run { batch_rows: 64, ..Run::default() };
        assert_eq!(compiled.forward(run.clone()).await.unwrap().failed, 3);
        let before = echo.calls();
        echo.fails.lock().unwrap().retain(|text| text == "t150");
        let report = compiled.forward(Run { retry_failed: true, ..run.clone() }).await.unwrap();
        assert_eq!((report.rows_read, report.failed, echo.calls() - before), (3, 1, 2), "{on_error:?}");
        let read = |name: &str| serde_json::from_slice::<Value>(&std::fs::read(Storage::work_path(&storage).join(name)).unwrap()).unwrap()["rows_read"].clone();
        assert_eq!((read("p_report.json"), read("p_retry_report.json")), (json!(300), json!(3)), "the report of all rows stays");
        echo.fails.lock().unwrap().clear();
        assert_eq!(compiled.forward(Run { retry_failed: true, ..run.clone() }).await.unwrap().rows_read, 1);
        let expected: Vec<String> = (1..=300).flat_map(|n| [format!("re: t{n}"), format!("re: t{n}+")]).collect();
        assert_eq!(texts(&storage.output_frame().unwrap(), "reply"), expected, "{on_error:?}");
        assert_eq!(compiled.forward(Run { retry_failed: true, ..run }).await.unwrap().rows_read, 0, "nothing is left to retry");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_rows_are_put_among_those_of_their_own_run_only() {
    let storage = MemoryStorage::new(rows(30));
    let (echo, journal) = (Echo::failing(8, &["t1", "t20"]), Arc::new(MemoryJournal::default()));
    let retry = |limit| Run { retry_failed: true, limit, ..Run::default() };
    let pipeline = |on_error| one_step(&storage, &echo, &journal, on_error);
    assert_eq!(pipeline(OnError::Drop).forward(Run { limit: Some(25), ..Run::default() }).await.unwrap().failed, 2);
    let error = pipeline(OnError::Drop).forward(retry(None)).await.unwrap_err().to_string();
    assert!(error.starts_with("the pipeline, its input or `--limit` is not that of the run before"), "{error}");
    assert!(pipeline(OnError::Drop).forward(retry(Some(25))).await.is_ok());
    // A run that ended early told of some failed rows only.
    pipeline(OnError::Fail).forward(Run { from: RunFrom::Fresh, limit: Some(25), ..Run::default() }).await.unwrap_err();
    let error = pipeline(OnError::Fail).forward(retry(Some(25))).await.unwrap_err().to_string();
    assert!(error.starts_with("the run before did not come to its end"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_resumes_from_the_last_cache_that_holds() {
    let storage = MemoryStorage::new(rows(5)).with_caches();
    let (echo, journal) = (Echo::of(8), Arc::new(MemoryJournal::default()));
    let pipeline = |storage: &MemoryStorage, before: &str| {
        let mut pipeline = Pipeline::new("p", storage.clone());
        pipeline.serving("default", echo.clone() as Arc<dyn LLMServing>).journal(journal.clone());
        pipeline.step(Loud { input_key: "text".into() }).named("loud");
        pipeline.step(AskOnce { before: before.into(), ..ask("text", "reply") }).named("ask");
        pipeline.compile().unwrap()
    };
    let first = pipeline(&storage, "").forward(Run::default()).await.unwrap();
    assert_eq!((first.resumed_after_step, first.steps.len()), (None, 2));
    let again = pipeline(&storage, "").forward(Run::default()).await.unwrap();
    assert_eq!((again.resumed_after_step, again.steps.len(), again.rows_written), (Some(2), 0, 5));
    let changed = pipeline(&storage, "please ").forward(Run::default()).await.unwrap();
    assert_eq!((changed.resumed_after_step, changed.steps[0].calls), (Some(1), 5));
    assert_eq!(texts(&storage.output_frame().unwrap(), "reply")[0], "re: please T1");
    let from = pipeline(&storage, "please ").forward(Run { from: RunFrom::Step("ask".into()), ..Run::default() }).await.unwrap();
    assert_eq!((from.resumed_after_step, from.steps[0].from_journal), (Some(1), 5));

    assert!(crate::engine::cache::runs_code_of_ones_own(&pipeline(&storage, "").steps[0]), "an operator of another crate changes with its program");
    let explained = pipeline(&storage, "please ").forward(Run { explain_drops: true, ..Run::default() }).await.unwrap();
    assert_eq!((explained.resumed_after_step, explained.steps[1].calls, explained.steps[1].from_journal), (None, 0, 5), "all that is dropped is told");

    let other = storage.clone().with_input(rows(6));
    let error = pipeline(&other, "").forward(Run { from: RunFrom::Step("2".into()), ..Run::default() }).await.unwrap_err();
    assert!(error.to_string().starts_with("the cache of step 1 `loud` does not hold"), "{error}");
    assert_eq!(pipeline(&other, "").forward(Run::default()).await.unwrap().resumed_after_step, None, "a stale cache is never used");
}

/// Counts the rows. # 中文 计数。
#[operator(test, eval, Dataset)]
#[derive(Default)]
struct Counted {
    /// Text. 中文：文本。
    input_key: Input<Text>,
}

struct Counting(usize);

impl Dataset for Counted {
    fn start(&self) -> Result<Box<dyn DatasetWork>> {
        Ok(Box::new(Counting(0)))
    }
}

impl DatasetWork for Counting {
    fn batch(&mut self, frame: &DataFrame) -> Result<Changes> {
        self.0 += frame.height();
        Ok(Changes::default())
    }
    fn end(&mut self) -> Result<Option<DatasetResult>> {
        Ok(Some(DatasetResult { value: json!({ "rows": self.0 }), path: None }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_has_the_results_of_steps_whose_caches_hold() {
    let storage = MemoryStorage::new(rows(5)).with_caches();
    let results = async |min: i64, from: RunFrom| {
        let mut pipeline = Pipeline::new("p", storage.clone());
        pipeline.step(Counted { input_key: "text".into() }).named("all");
        pipeline.step(Longer { input_key: "text".into(), output_key: "length".into(), min });
        pipeline.step(Counted { input_key: "text".into() }).named("long");
        let report = pipeline.compile().unwrap().forward(Run { from, ..Run::default() }).await.unwrap();
        let told = report.to_string().lines().filter(|line| line.contains("\"rows\"")).collect::<Vec<_>>().join(", ");
        let written: Value = serde_json::from_slice(&std::fs::read(Storage::work_path(&storage).join("p_report.json")).unwrap()).unwrap();
        (told, written["cached_results"].clone())
    };
    let (all, long) = (r#"step 1 all: {"rows":5}"#, r#"step 3 long: {"rows":5}"#);
    assert_eq!(results(1, RunFrom::LastThatHolds).await, (format!("{all}, {long}"), Value::Null));
    assert_eq!(results(1, RunFrom::LastThatHolds).await, (format!("{all}, {long}"), Value::Null), "the report of the run that made the caches stays");
    let of_first = json!([{ "step": 1, "name": "all", "operator": "Counted", "result": { "rows": 5 } }]);
    assert_eq!(results(3, RunFrom::LastThatHolds).await, (format!("{all}, {}", r#"step 3 long: {"rows":0}"#), of_first.clone()));
    assert_eq!(results(3, RunFrom::Step("long".into())).await.1, of_first);
}

/// Puts what a file says in the place of its name. # 中文 读文件。
#[operator(test, refine, Refine)]
#[derive(Default)]
struct Opened {
    /// Paths. 中文：路径。
    #[path(named)]
    input_key: InOut<Text>,
}

impl Refine for Opened {
    fn refine<'a>(&self, path: &'a str) -> Cow<'a, str> {
        std::fs::read_to_string(path).unwrap_or_default().into()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_whose_rows_name_files_is_run_each_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let storage = MemoryStorage::new(df!("text" => [file.path().to_str().unwrap()]).unwrap()).with_caches();
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.step(Filled { input_key: "gold".into(), output_key: "filled".into() });
    pipeline.step(Opened { input_key: "text".into() });
    pipeline.step(Loud { input_key: "text".into() });
    let compiled = pipeline.compile().unwrap();
    for (says, resumed_after) in [("one", None), ("two", Some(1))] {
        std::fs::write(file.path(), says).unwrap();
        assert_eq!(compiled.forward(Run::default()).await.unwrap().resumed_after_step, resumed_after);
        assert_eq!(texts(&storage.output_frame().unwrap(), "text"), [says.to_uppercase()]);
    }
}

/// Puts a word of a list in the place of each text; the list is read where problems are looked for. # 中文 读词表。
#[operator(test, refine, Refine)]
#[derive(Default)]
struct Listed {
    /// Texts. 中文：文本。
    input_key: InOut<Text>,
    /// The list. 中文：词表。
    list_path: PathBuf,
    #[serde(skip)]
    list: Arc<Mutex<String>>,
}

impl Refine for Listed {
    fn refine<'a>(&self, _: &'a str) -> Cow<'a, str> {
        self.list.lock().unwrap().clone().into()
    }

    fn problems(&self) -> Vec<String> {
        *self.list.lock().unwrap() = std::fs::read_to_string(&self.list_path).unwrap_or_default();
        if self.list.lock().unwrap().is_empty() { vec!["the list is empty".into()] } else { Vec::new() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_has_changed_since_the_pipeline_was_compiled_is_read_anew() {
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), "owl").unwrap();
    let storage = MemoryStorage::new(rows(1)).with_caches();
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.step(Listed { input_key: "text".into(), list_path: list.path().into(), ..Listed::default() });
    let compiled = pipeline.compile().unwrap();
    for word in ["owl", "newt and toad"] {
        std::fs::write(list.path(), word).unwrap();
        compiled.forward(Run::default()).await.unwrap();
        assert_eq!(texts(&storage.output_frame().unwrap(), "text"), [word]);
    }
    std::fs::write(list.path(), "").unwrap();
    assert_eq!(compiled.forward(Run::default()).await.unwrap_err().to_string(), "step 1 `Listed`: the list is empty");
}

/// Puts a text after each, which may be in a file. # 中文 追加文本。
#[operator(test, refine, Refine)]
#[derive(Default)]
struct Followed {
    /// Texts. 中文：文本。
    input_key: InOut<Text>,
    /// The text, or the path of a file that ends in `.json`. 中文：文本或文件路径。
    #[path(json)]
    by: String,
}

impl Refine for Followed {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        format!("{text}{}", std::fs::read_to_string(&self.by).unwrap_or(self.by.clone())).into()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_run_again_when_the_file_changes_that_stands_for_what_is_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (by, second) in [(path("file.json"), None), (path("no file"), Some(1))] {
        let storage = MemoryStorage::new(rows(1)).with_caches();
        let mut pipeline = Pipeline::new("p", storage.clone());
        pipeline.step(Followed { input_key: "text".into(), by: by.clone() });
        let compiled = pipeline.compile().unwrap();
        for (says, resumed_after) in [("!", None), ("?!", second), ("?!", Some(1))] {
            if std::fs::read_to_string(path("file.json")).ok().as_deref() != Some(says) {
                std::fs::write(path("file.json"), says).unwrap();
            }
            assert_eq!(compiled.forward(Run::default()).await.unwrap().resumed_after_step, resumed_after, "{by}: {says}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_do_not_write_the_same_files_at_once() {
    let storage = MemoryStorage::new(rows(3)).with_caches();
    let pipeline = |name: &str| {
        let mut pipeline = Pipeline::new(name, storage.clone());
        pipeline.step(Loud { input_key: "text".into() });
        pipeline.compile().unwrap()
    };
    pipeline("p").forward(Run::default()).await.unwrap();
    let lock = |of: &str| storage.work_path().join(of);
    for (lock, name, expected, hint) in [
        (lock(".p.lock"), "p", "another run of `p` is at work in ", "a `cache_path` of its own"),
        (lock(".step1.lock"), "q", "another pipeline is at work with the same step caches in ", "a `cache_path` of its own"),
        (lock(".output.lock"), "q", "another pipeline is at work on the same output, `", "another `output`"),
    ] {
        assert!(!lock.exists(), "one that is gone leaves nothing");
        let file = std::fs::File::create(&lock).unwrap();
        file.lock().unwrap();
        let error = pipeline(name).forward(Run::default()).await.unwrap_err().to_string();
        assert!(error.starts_with(expected) && error.contains(hint), "{error}");
        drop(file);
        pipeline(name).forward(Run::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_cannot_be_written_is_told_and_the_rows_are_there() {
    let storage = MemoryStorage::new(rows(3));
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.step(Loud { input_key: "text".into() });
    let folder = tempfile::tempdir().unwrap();
    let compiled = pipeline.compile().unwrap();
    let refused = compiled.forward(Run { report: Some(folder.path().to_owned()), ..Run::default() }).await.unwrap_err().to_string();
    assert!(refused.ends_with("is a folder, and a file should be written there"), "{refused}");
    assert!(storage.output_frame().is_none(), "it is refused before a row is read");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let report = compiled.forward(Run { report: Some(file.join("report.json")), ..Run::default() }).await.unwrap();
    assert_eq!((report.outcome, report.rows_written), (RunOutcome::Complete, 3));
    assert!(report.to_string().contains("the rows are written, and the report is not: "), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gentle_stop_keeps_what_is_in_flight_before_a_step_that_has_ended() {
    let (slow, quick) = (Arc::new(Echo { limit: 20, delay: Duration::from_millis(100), ..Echo::default() }), Echo::of(20));
    let stop = Stop::default();
    *quick.stops.lock().unwrap() = Some((5, stop.clone()));
    let journal = Arc::new(MemoryJournal::default());
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(500)));
    pipeline.serving("default", slow.clone() as Arc<dyn LLMServing>).serving("quick", quick.clone() as Arc<dyn LLMServing>).journal(journal.clone());
    pipeline.step(ask("text", "a")).named("a");
    pipeline.step(ask("a", "b")).named("b").on("quick");
    let report = pipeline.compile().unwrap().forward(Run { stop, ..Run::default() }).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Stopped);
    assert_eq!((slow.in_flight.load(Ordering::SeqCst), journal.len()), (0, slow.calls() + quick.calls()), "no call is given up, and every answer is kept");
    assert!(slow.calls() < 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_ends_the_run_lets_the_calls_in_flight_end() {
    let echo = Arc::new(Echo { limit: 20, delay: Duration::from_millis(100), fails: Mutex::new(vec!["t3".into()]), ..Echo::default() });
    let journal = Arc::new(MemoryJournal::default());
    let compiled = one_step(&MemoryStorage::new(rows(500)), &echo, &journal, OnError::Fail);
    let error = compiled.forward(Run::default()).await.unwrap_err();
    assert!(matches!(&error, Error::RowFailed { row, .. } if row == "3"), "{error}");
    assert_eq!((echo.in_flight.load(Ordering::SeqCst), journal.len()), (0, echo.calls()), "what was asked is kept");
    assert!((1..100).contains(&echo.calls()), "no more is asked than what was begun before the failure was seen: {}", echo.calls());
}

/// Enough for so many calls.
struct Calls(AtomicUsize, Stop);

impl crate::engine::Purse for Calls {
    fn reserve<'a>(&'a self, _: &'a Chat) -> futures::future::BoxFuture<'a, Option<super::Held>> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if !left {
            self.1.gently();
        }
        Box::pin(std::future::ready(left.then(super::Held::default)))
    }
    fn settle(&self, _: &Chat, _: super::Held, _: Option<&Reply>) {}
    fn money(&self) -> Option<f64> {
        Some(0.5)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_made_that_the_purse_does_not_allow_and_its_row_is_left_for_another_run() {
    let storage = MemoryStorage::new(rows(200));
    let (echo, journal) = (Echo::of(10), Arc::new(MemoryJournal::default()));
    let compiled = one_step(&storage, &echo, &journal, OnError::Keep);
    let stop = Stop::default();
    let purse = Arc::new(Calls(AtomicUsize::new(30), stop.clone()));
    let report = compiled.forward(Run { stop, purse: Some(purse), ..Run::default() }).await.unwrap();
    assert_eq!((report.outcome, report.failed, report.money), (RunOutcome::Stopped, 0, Some(0.5)));
    assert_eq!((echo.calls(), journal.len(), report.steps[0].rows_out), (30, 30, 30), "what was bought leaves the step");
    compiled.forward(Run::default()).await.unwrap();
    assert_eq!((echo.calls(), storage.output_frame().unwrap().height()), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gentle_stop_keeps_what_is_in_flight_and_the_next_run_goes_on() {
    let storage = MemoryStorage::new(rows(1000));
    let (echo, journal) = (Echo::of(10), Arc::new(MemoryJournal::default()));
    let compiled = one_step(&storage, &echo, &journal, OnError::Drop);
    let stop = Stop::default();
    *echo.stops.lock().unwrap() = Some((100, stop.clone()));
    let report = compiled.forward(Run { stop, batch_rows: 100, ..Run::default() }).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Stopped);
    assert!(storage.output_frame().is_none(), "an output that is not whole is not there");
    let answered = echo.calls();
    assert!((100..=150).contains(&answered), "{answered}");
    assert_eq!(journal.len(), answered);
    assert_eq!(compiled.forward(Run::default()).await.unwrap().steps[0].from_journal as usize, answered);
    assert_eq!(echo.calls(), 1000);
    assert_eq!(storage.output_frame().unwrap().height(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_never_reached_ends_the_run() {
    let echo = Arc::new(Echo { limit: 4, unreachable: true, ..Echo::default() });
    let error = one_step(&MemoryStorage::new(rows(1000)), &echo, &Arc::default(), OnError::Drop).forward(Run::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "serving `default` gives no answers: connection refused");
}

#[tokio::test]
async fn a_panic_in_a_rule_names_the_operator() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(df!("text" => ["fine", "panic"]).unwrap()));
    pipeline.step(Longer { input_key: "text".into(), output_key: "n".into(), min: 0 });
    let error = pipeline.compile().unwrap().forward(Run::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("operator `Longer`: panicked: "), "{error}");
}
