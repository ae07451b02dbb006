//! What a run shows of its rows.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_shows_what_its_steps_drop_and_change() {
    let storage = MemoryStorage::new(rows(500));
    let mut pipeline = Pipeline::new("p", storage.clone());
    pipeline.serving("default", Echo::of(32) as Arc<dyn LLMServing>);
    pipeline.step(Longer { input_key: "text".into(), output_key: "length".into(), min: 3 });
    pipeline.step(Loud { input_key: "text".into() });
    pipeline.step(ask("text", "a"));
    let compiled = pipeline.compile().unwrap();
    let report = compiled.forward(Run { batch_rows: 4, explain_drops: true, ..Run::default() }).await.unwrap();
    assert_eq!((report.steps[0].dropped, report.steps[0].examples.len(), report.steps[1].examples.len()), (9, 9, 10));
    assert_eq!(
        serde_json::to_value(&report.steps[0].examples[1]).unwrap(),
        json!({"row": "2", "dropped": {"wrote": {"length": 2}, "why": "measured 2, min 3", "read": {"text": "t2"}}})
    );
    assert_eq!(
        serde_json::to_value(&report.steps[1].examples[0]).unwrap(),
        json!({"row": "10", "changed": {"column": "text", "before": "t10", "after": "T10"}})
    );
    assert!(report.steps[2].examples.is_empty());
    let told = report.to_string();
    assert!(told.contains("dropped 9 rows; the first are\n  row 1: length=2 (measured 2, min 3) for text=\"t1\"\n"), "{told}");
    assert!(told.contains("  row 10, text:\n    - \"t10\"\n    + \"T10\"\n"), "{told}");
    let plain = compiled.forward(Run::default()).await.unwrap();
    assert!(plain.steps.iter().all(|step| step.examples.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_dropped_row_is_told_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dropped.jsonl");
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(500)));
    pipeline.step(Longer { input_key: "text".into(), output_key: "length".into(), min: 4 }).named("long");
    let compiled = pipeline.compile().unwrap();
    let report = compiled.forward(Run { batch_rows: 4, dropped: Some(path.clone()), ..Run::default() }).await.unwrap();
    assert_eq!((report.steps[0].dropped, report.dropped), (99, Some(path.canonicalize().unwrap())));
    let told: Vec<Value> = std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows = told.iter().map(|row| row["row"].as_str().unwrap().parse::<u64>().unwrap());
    assert!(rows.eq(1..=99), "in the order of the rows");
    assert_eq!(
        told[41],
        json!({
            "row": "42", "step": 1, "name": "long", "operator": "Longer", "wrote": {"length": 3}, "why": "measured 3, min 4",
            "values": {"text": "t42", "gold": 42}
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_works_on_single_rows_says_why_it_drops_them() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(df!("text" => [Some("1"), Some("2"), None, Some(" "), Some("3")]).unwrap()));
    pipeline.step(Without2 { input_key: "text".into() });
    let report = pipeline.compile().unwrap().forward(Run { explain_drops: true, ..Run::default() }).await.unwrap();
    let told: Vec<Value> = report.steps[0].examples.iter().map(|example| serde_json::to_value(example).unwrap()).collect();
    let why: Vec<(&Value, &Value)> = told.iter().map(|example| (&example["row"], &example["dropped"]["why"])).collect();
    let blank = json!("`text` is null or blank");
    assert_eq!(why, [(&json!("2"), &json!("it has a 2")), (&json!("3"), &blank), (&json!("4"), &blank)]);
}
