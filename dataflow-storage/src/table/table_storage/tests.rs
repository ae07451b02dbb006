//! Tests of a table as a storage, over a table in memory.

use super::source::json_text;
use super::*;
use crate::table::{Refusal, RowUpdate};
use async_trait::async_trait;
use dataflow_core::storage::Refused;
use serde_json::{Map, json};
use std::sync::Mutex;
use std::time::Instant;

/// A table in memory: rows by their key, and how often it was saved.
#[derive(Debug, Default)]
struct InMemory {
    rows: Mutex<Vec<(RowKey, Map<String, Value>)>>,
    saves: Mutex<u32>,
}

fn is_empty(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || value == "")
}

#[async_trait]
impl Table for InMemory {
    async fn columns(&self) -> Result<Vec<TableColumn>> {
        let kinds = [
            ("id", ColumnKind::Integer),
            ("question", ColumnKind::Text),
            ("n", ColumnKind::Integer),
            ("answer", ColumnKind::Text),
            ("tags", ColumnKind::Json),
            ("error", ColumnKind::Text),
            ("ratio", ColumnKind::Float),
        ];
        let declared = |name: &str| if name == "error" { "character varying(100)".to_owned() } else { String::new() };
        Ok(kinds.map(|(name, kind)| TableColumn::of_file(name, &declared(name), kind)).into())
    }
    async fn missing_columns(&self, _: &[String]) -> Result<Option<String>> {
        Ok(None)
    }
    async fn create_columns(&self, _: &[String]) -> Result<()> {
        Ok(())
    }
    async fn count(&self, todo: &ToDo) -> Result<u64> {
        Ok(self.page(todo, None, usize::MAX).await?.len() as u64)
    }
    async fn page(&self, todo: &ToDo, after: Option<&RowKey>, rows: usize) -> Result<Vec<TableRow>> {
        let table = self.rows.lock().unwrap();
        let wanted = table.iter().filter(|(key, row)| after.is_none_or(|after| key > after) && todo.outputs.iter().any(|output| is_empty(row.get(output))));
        Ok(wanted.take(rows).map(|(key, row)| TableRow { key: key.clone(), values: row.clone(), unreadable: None }).collect())
    }
    async fn write(&self, rows: Vec<RowUpdate>) -> Result<Vec<Refusal>> {
        let mut table = self.rows.lock().unwrap();
        let mut refusals = Vec::new();
        for update in rows {
            let is_long = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() > 100);
            if update.values.get("answer") == Some(&json!("too long")) || update.values.get("error").is_some_and(is_long) {
                refusals.push(Refusal { key: update.key, message: "value too long".into() });
                continue;
            }
            let (_, row) = table.iter_mut().find(|(key, _)| *key == update.key).unwrap();
            row.extend(update.values);
        }
        Ok(refusals)
    }
    async fn claim(&self, _: &ToDo, _: &[RowKey], _: &Claimant) -> Result<Vec<TableRow>> {
        Ok(Vec::new())
    }
    async fn renew(&self, _: &Claimant) -> Result<u64> {
        Ok(0)
    }
    async fn release(&self, _: &[RowKey], _: &Claimant) -> Result<()> {
        Ok(())
    }
    async fn save(&self) -> Result<()> {
        *self.saves.lock().unwrap() += 1;
        Ok(())
    }
}

fn storage(table: &Arc<InMemory>, inputs: &[&str]) -> Result<TableStorage> {
    storage_saved_every(Duration::from_hours(1), table, inputs)
}

fn storage_saved_every(save_interval: Duration, table: &Arc<InMemory>, inputs: &[&str]) -> Result<TableStorage> {
    let table: Arc<dyn Table> = Arc::clone(table) as Arc<dyn Table>;
    let options = TableStorageOptions {
        todo: ToDo {
            inputs: inputs.iter().map(ToString::to_string).collect(),
            outputs: vec!["answer".into(), "tags".into()],
            require_all: true,
            ..ToDo::default()
        },
        failed: FailedRows { told_in: Some("_error".into()), error_column: Some("error".into()), into_outputs: false },
        create_columns: false,
        json_values: true,
        claimant: None,
        page_rows: 2,
        save_interval,
        work_path: "work".into(),
        input: None,
        shown: "table".into(),
        spec: Value::Null,
    };
    TableStorage::open(async move { Ok(table) }, options)
}

fn three_rows() -> Arc<InMemory> {
    let row = |question: &str, n: i64| json!({ "question": question, "n": n, "answer": null, "tags": null, "error": "old" }).as_object().unwrap().clone();
    let rows = vec![(RowKey::Integer(-5), row("why?", 1)), (RowKey::Integer(7), row("who?", 2)), (RowKey::Text("7".into()), row("how?", 3))];
    Arc::new(InMemory { rows: Mutex::new(rows), ..InMemory::default() })
}

#[test]
fn rows_come_with_their_keys_and_go_back_by_them() {
    let table = three_rows();
    let storage = storage(&table, &["question", "n"]).unwrap();
    let source = storage.source().unwrap();
    assert_eq!(source.rows(), Some(3));
    assert_eq!(source.schema().unwrap().get("n"), Some(&DataType::Int64));
    let mut reader = source.open(1024).unwrap();
    let mut sink = storage.output(&source.schema().unwrap()).unwrap().unwrap();
    let mut frames = 0;
    while let Some(mut frame) = reader.next_frame().unwrap() {
        frames += 1;
        let answers: StringChunked = frame.column("n").unwrap().i64().unwrap().iter().map(|n| (n != Some(2)).then_some("well")).collect();
        let tags: StringChunked = frame.column("n").unwrap().i64().unwrap().iter().map(|n| (n == Some(1)).then_some("[\"a\"]")).collect();
        let errors: StringChunked = frame.column("n").unwrap().i64().unwrap().iter().map(|n| (n == Some(2)).then_some("transient: no")).collect();
        for (name, column) in [("answer", answers), ("tags", tags), ("_error", errors)] {
            frame.with_column(column.with_name(name.into()).into_column()).unwrap();
        }
        sink.write(&frame).unwrap();
        assert!(sink.take_refused().is_empty());
    }
    sink.commit().unwrap();
    assert_eq!((frames, *table.saves.lock().unwrap()), (2, 1), "a page is two rows");
    let rows: Vec<Value> = table.rows.lock().unwrap().iter().map(|(_, row)| json!([row["answer"], row["tags"], row["error"]])).collect();
    assert_eq!(rows, [json!(["well", ["a"], null]), json!([null, null, "transient: no"]), json!(["well", null, null])]);
}

#[test]
fn a_refused_row_is_told_by_its_place_and_what_was_written_is_saved_without_a_commit() {
    let table = three_rows();
    let storage = storage(&table, &["question"]).unwrap();
    let mut sink = storage.output(&storage.source().unwrap().schema().unwrap()).unwrap().unwrap();
    let none: [Option<&str>; 2] = [None, None];
    sink.write(&df!(ROW_KEY => ["-5", "=7"], "answer" => ["fine", "too long"], "tags" => none, "_error" => none).unwrap()).unwrap();
    assert_eq!(sink.take_refused(), [Refused { row: 1, message: "value too long".into() }]);
    drop(sink);
    assert_eq!(*table.saves.lock().unwrap(), 1);
}

#[test]
fn a_row_that_cannot_be_read_is_told_in_its_error_column_and_its_neighbours_are_read() {
    let table = three_rows();
    table.rows.lock().unwrap()[1].1["n"] = json!("two");
    let storage = storage(&table, &["question", "n"]).unwrap();
    let source = storage.source().unwrap();
    let (mut reader, sink) = (source.open(1024).unwrap(), storage.output(&source.schema().unwrap()).unwrap().unwrap());
    assert_eq!(reader.next_frame().unwrap().unwrap().height() + reader.next_frame().unwrap().unwrap().height(), 2);
    let message = "row `7`: column `n` is ``, found `\"two\"`";
    assert_eq!(reader.take_rejected().iter().map(|rejected| rejected.message.as_str()).collect::<Vec<_>>(), [message]);
    sink.commit().unwrap();
    assert_eq!(table.rows.lock().unwrap()[1].1["error"], json!(format!("malformed: {message}")));
}

#[test]
fn a_reason_that_its_column_does_not_hold_is_cut() {
    let table = three_rows();
    let storage = storage(&table, &["question"]).unwrap();
    let mut sink = storage.output(&storage.source().unwrap().schema().unwrap()).unwrap().unwrap();
    let (none, reason) = ([None::<&str>; 1], format!("transient: {}", "甲".repeat(100)));
    sink.write(&df!(ROW_KEY => ["7"], "answer" => none, "tags" => none, "_error" => [reason]).unwrap()).unwrap();
    assert_eq!(table.rows.lock().unwrap()[1].1["error"], json!(format!("transient: {}...", "甲".repeat(86))));
}

#[test]
fn the_table_is_saved_while_no_row_arrives() {
    let table = three_rows();
    let storage = storage_saved_every(Duration::from_millis(100), &table, &["question"]).unwrap();
    let mut sink = storage.output(&storage.source().unwrap().schema().unwrap()).unwrap().unwrap();
    let none: [Option<&str>; 1] = [None];
    sink.write(&df!(ROW_KEY => ["-5"], "answer" => ["fine"], "tags" => none, "_error" => none).unwrap()).unwrap();
    let began = Instant::now();
    while *table.saves.lock().unwrap() == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing is saved");
        std::thread::yield_now();
    }
    sink.commit().unwrap();
}

#[test]
fn a_row_that_is_not_filled_in_is_not_counted_and_says_why() {
    let table = three_rows();
    let storage = storage(&table, &["question"]).unwrap();
    let source = storage.source().unwrap();
    let mut sink = storage.output(&source.schema().unwrap()).unwrap().unwrap();
    let frame =
        df!(ROW_KEY => ["-5", "7", "=7"], "answer" => [Some("too long"), Some(" "), Some("fine")], "tags" => [None::<&str>; 3], "_error" => [None::<&str>; 3]);
    let frame = frame.unwrap();
    sink.write(&frame).unwrap();
    let nothing = "the reply has nothing for `answer`, `tags`, so the row stays to be done";
    assert_eq!(sink.take_refused(), [Refused { row: 0, message: "value too long".into() }, Refused { row: 1, message: nothing.into() }]);
    assert_eq!(sink.rows_written(), Some(1));
    let errors: Vec<Value> = table.rows.lock().unwrap().iter().map(|(_, row)| row["error"].clone()).collect();
    assert_eq!(errors, [json!("refused: value too long"), json!(format!("refused: {nothing}")), Value::Null]);
    assert_eq!([0, 2].map(|row| source.row_key(&frame, row)), [Some(json!(-5)), Some(json!("7"))]);
}

#[test]
fn cells_of_json_and_numbers_with_a_scale_are_json_values() {
    let literal = |value: Value, kind| json_text(&value, kind);
    assert_eq!(literal(json!({ "a": [1] }), ColumnKind::Json), r#"{"a":[1]}"#);
    assert_eq!(literal(json!("甲"), ColumnKind::Json), "\"甲\"");
    assert_eq!(literal(json!("2024-01-31"), ColumnKind::Other), "\"2024-01-31\"");
    for (decimal, expected) in [("12.50", "12.50"), ("-0.10", "-0.10"), ("3.00", "3.00"), ("7", "7"), ("18446744073709551615", "18446744073709551615")] {
        assert_eq!(literal(json!(decimal), ColumnKind::Decimal), expected);
    }
    for decimal in ["0.12345678901234567890", "99999999999999999999", "NaN"] {
        assert_eq!(literal(json!(decimal), ColumnKind::Decimal), format!("\"{decimal}\""));
    }
    let table = three_rows();
    let storage = storage(&table, &["question", "tags"]).unwrap();
    let row =
        |tags: Value| TableRow { key: RowKey::Integer(1), values: json!({ "question": "q", "tags": tags }).as_object().unwrap().clone(), unreadable: None };
    let frame = storage.frame(vec![row(json!(["a"])), row(Value::Null)]).unwrap();
    let cells = (0..2).map(|at| dataflow_core::row::json_of(&frame.column("tags").unwrap().get(at).unwrap())).collect::<Vec<_>>();
    assert_eq!(cells, [json!(["a"]), Value::Null]);
    assert_eq!(frame.column("tags").unwrap().dtype(), storage.source().unwrap().schema().unwrap().get("tags").unwrap());
}

#[test]
fn numbers_that_json_does_not_have_are_numbers_of_their_column() {
    let table = three_rows();
    let storage = storage(&table, &["ratio"]).unwrap();
    let row = |ratio: Value| TableRow { key: RowKey::Integer(1), values: Map::from_iter([("ratio".into(), ratio)]), unreadable: None };
    let frame = storage.frame(["NaN", "Infinity", "-inf", "many"].map(|text| row(text.into())).into_iter().chain([row(json!(0.5))]).collect()).unwrap();
    let ratios: Vec<f64> = frame.column("ratio").unwrap().f64().unwrap().iter().flatten().collect();
    assert!(ratios[0].is_nan());
    assert_eq!(ratios[1..], [f64::INFINITY, f64::NEG_INFINITY, 0.5], "`many` is no number");
}

#[test]
fn a_column_that_is_not_there_is_told_with_the_nearest() {
    let error = storage(&three_rows(), &["qestion"]).unwrap_err();
    assert_eq!(error.to_string(), "the table has no column `qestion`\nhint: did you mean `question`?");
    let error = storage(&three_rows(), &["qestion", "ansver"]).unwrap_err().to_string();
    assert!(error.contains("no column `qestion`\nhint: did you mean `question`?\nthe table has no column `ansver`"), "all are told: {error}");
}
