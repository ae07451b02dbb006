//! Tests of a table in SQLite, most of which are of all databases alike.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use dataflow_core::Error;

use super::*;

async fn database(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    run(&path, sql).await;
    (folder, path)
}

async fn run(path: &Path, sql: &str) {
    let mut connection = SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap();
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
}

async fn table(path: &Path, name: &str, id_column: &str) -> SqlTable {
    let options = SqlTableOptions::new(SqlAddress::Sqlite { path: path.into() }, name);
    SqlTable::open(SqlTableOptions { id_column: id_column.into(), ..options }).await.unwrap()
}

async fn column(path: &Path, sql: &str) -> Vec<Option<String>> {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(path)).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&pool).await.unwrap()
}

fn todo(inputs: &[&str], outputs: &[&str]) -> ToDo {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    ToDo { inputs: names(inputs), outputs: names(outputs), require_all: true, ..ToDo::default() }
}

fn update(key: impl Into<Value>, values: &Value) -> RowUpdate {
    let key = match key.into() {
        Value::String(text) => RowKey::Text(text),
        number => RowKey::Integer(number.as_i64().unwrap().into()),
    };
    RowUpdate { key, values: values.as_object().unwrap().clone() }
}

fn keys(rows: &[TableRow]) -> Vec<String> {
    rows.iter().map(|row| row.key.to_string()).collect()
}

#[tokio::test]
async fn rows_come_in_the_order_of_their_keys_however_sparse_these_are() {
    let sql = "CREATE TABLE \"问 题\" (id INTEGER PRIMARY KEY, \"q\"\"x\" TEXT, day DATE, n INTEGER, a TEXT);
        INSERT INTO \"问 题\" VALUES (9007199254740993, 'snowflake', '2024-05-01', 1, NULL), (-5, 'negative', NULL, 2, ''), (0, '', NULL, 3, NULL), (7, 'done', NULL, 4, 'x'),
            (1000000000000, 'sparse', NULL, NULL, '')";
    let (_folder, path) = database(sql).await;
    let table = table(&path, "问 题", "id").await;
    let mut todo = todo(&["q\"x"], &["a"]);
    assert_eq!(table.count(&todo).await.unwrap(), 3);
    let first = table.page(&todo, None, 2).await.unwrap();
    assert_eq!(keys(&first), ["-5", "1000000000000"]);
    todo.read_also = vec!["day".into(), "n".into()];
    let rest = table.page(&todo, Some(&first[1].key), 2).await.unwrap();
    assert_eq!(rest[0].key, RowKey::Integer(9_007_199_254_740_993));
    assert_eq!(Value::Object(rest[0].values.clone()), json!({"q\"x": "snowflake", "day": "2024-05-01", "n": 1}));
    assert!(table.page(&todo, Some(&rest[0].key), 2).await.unwrap().is_empty());
    todo.inputs.push("n".into());
    assert_eq!(table.count(&todo).await.unwrap(), 2);
    todo.require_all = false;
    assert_eq!(table.count(&todo).await.unwrap(), 4);
}

#[tokio::test]
async fn each_value_is_written_in_its_columns_type_and_a_refused_row_is_refused_alone() {
    let sql = "CREATE TABLE t (key TEXT PRIMARY KEY NOT NULL, q TEXT, score INTEGER CHECK (score < 10), price DECIMAL(10,2), ok BOOLEAN, tags JSON, note TEXT NOT NULL DEFAULT '');
        INSERT INTO t (key, q, note) VALUES ('a', 'x', ''), ('b', 'x', 'kept'), ('c', 'x', ''), ('550e8400-e29b-41d4-a716-446655440000', 'x', '')";
    let (_folder, path) = database(sql).await;
    let table = table(&path, "t", "key").await;
    let refusals = table
        .write(vec![
            update("a", &json!({"score": 3.0, "price": "12.50", "ok": true, "tags": ["甲", {"b": 1}], "note": 5})),
            update("b", &json!({"score": 11})),
            update("c", &json!({"note": null})),
            update("gone", &json!({"note": "x"})),
            update("550e8400-e29b-41d4-a716-446655440000", &json!({"note": "written"})),
        ])
        .await
        .unwrap();
    let told: Vec<String> = refusals.iter().map(|refusal| format!("{}: {}", refusal.key, refusal.message)).collect();
    assert_eq!(told, ["b: CHECK constraint failed: score < 10", "c: NOT NULL constraint failed: t.note", "gone: no row has the key `gone` any more"]);
    let stored = column(&path, "SELECT typeof(score)||score||typeof(price)||price||ok||tags||typeof(note)||note FROM t WHERE key = 'a'").await;
    assert_eq!(stored, [Some("integer3real12.51[\"甲\",{\"b\":1}]text5".to_owned())]);
    assert_eq!(column(&path, "SELECT note FROM t ORDER BY key").await, [Some("written".into()), Some("5".into()), Some("kept".into()), Some(String::new())]);
    let mut all = todo(&["q"], &["note"]);
    all.read_also = vec!["ok".into(), "tags".into(), "score".into()];
    table.write(vec![update("a", &json!({"note": ""}))]).await.unwrap();
    let rows = table.page(&all, None, 10).await.unwrap();
    assert_eq!(Value::Object(rows[0].values.clone()), json!({"q": "x", "ok": true, "tags": ["甲", {"b": 1}], "score": 3}));
}

#[tokio::test]
async fn many_rows_are_written_together_and_one_that_is_refused_does_not_hold_the_others() {
    let sql = "CREATE TABLE \"t t\" (id INTEGER PRIMARY KEY, \"a\"\"b\" TEXT, score INTEGER CHECK (score < 10));
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) INSERT INTO \"t t\" SELECT i, NULL, NULL FROM n";
    let (_folder, path) = database(sql).await;
    let table = table(&path, "t t", "id").await;
    let row = |id: u32, score: u32| update(id, &json!({ "a\"b": format!("answer {id}"), "score": score }));
    assert_eq!(table.write((1..=300).map(|id| row(id, 1)).collect()).await.unwrap(), []);
    let refused = table.write((301..=600).map(|id| row(id, if id == 400 { 11 } else { 2 })).collect()).await.unwrap();
    assert_eq!(refused.iter().map(|refusal| refusal.key.to_string()).collect::<Vec<_>>(), ["400"]);
    let sql = "SELECT count(*)||' '||sum(score)||' '||max(typeof(score))||' '||count(DISTINCT \"a\"\"b\") FROM \"t t\" WHERE \"a\"\"b\" = 'answer '||id";
    assert_eq!(column(&path, sql).await, [Some("599 898 integer 599".to_owned())]);
}

#[tokio::test]
async fn what_is_missing_is_told_and_can_be_made() {
    let (folder, path) = database("CREATE TABLE questions (id INTEGER PRIMARY KEY, q TEXT); INSERT INTO questions VALUES (1, 'x')").await;
    let open = |name: &str| SqlTable::open(SqlTableOptions::new(SqlAddress::Sqlite { path: path.clone() }, name));
    let error = open("question").await.unwrap_err().to_string();
    assert!(error.ends_with("has no table `question`\nhint: did you mean `questions`? it has `questions`"), "{error}");
    let nowhere = SqlAddress::Sqlite { path: folder.path().join("none.db") };
    assert!(matches!(SqlTable::open(SqlTableOptions::new(nowhere, "t")).await, Err(Error::NotFound(_))));
    let table = open("questions").await.unwrap();
    let outputs = ["q".to_owned(), "答案".to_owned(), "理由".to_owned()];
    let statements = table.missing_columns(&outputs).await.unwrap().unwrap();
    assert_eq!(statements, "ALTER TABLE \"questions\" ADD COLUMN \"答案\" TEXT;\nALTER TABLE \"questions\" ADD COLUMN \"理由\" TEXT;");
    assert!(table.count(&todo(&["q"], &["答案"])).await.unwrap_err().to_string().contains("no column `答案`"));
    table.create_columns(&outputs).await.unwrap();
    assert_eq!(table.missing_columns(&outputs).await.unwrap(), None);
    assert_eq!(table.count(&todo(&["q"], &["答案"])).await.unwrap(), 1);
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_is_told_with_its_row_and_its_neighbours_are_read() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, q TEXT, a TEXT); INSERT INTO t VALUES (1, 'x', NULL), (2, cast(x'41ff' AS text), NULL), (3, 'z', NULL)";
    let (_folder, path) = database(sql).await;
    let rows = table(&path, "t", "id").await.page(&todo(&["q"], &["a"]), None, 10).await.unwrap();
    let told: Vec<Option<&str>> = rows.iter().map(|row| row.unreadable.as_deref()).collect();
    assert_eq!(told, [None, Some("column `q` is `TEXT`, found bytes that are not UTF-8: `41ff`"), None]);
    assert_eq!((&rows[0].values["q"], &rows[2].values["q"]), (&json!("x"), &json!("z")));
}

#[tokio::test]
async fn keys_that_are_there_twice_or_null_are_an_error() {
    let (_folder, path) = database("CREATE TABLE t (id INTEGER, k TEXT, n TEXT); INSERT INTO t VALUES (1, 'a', 'x'), (1, 'b', NULL)").await;
    for (key, expected) in [("id", "has `1` more than once"), ("n", "has rows where it is null"), ("k", "")] {
        let options = SqlTableOptions { id_column: key.into(), ..SqlTableOptions::new(SqlAddress::Sqlite { path: path.clone() }, "t") };
        let opened = SqlTable::open(options).await;
        assert!(opened.map_or_else(|error| !expected.is_empty() && error.to_string().contains(expected), |_| expected.is_empty()), "{key}");
    }
}

#[tokio::test]
async fn two_engines_share_the_rows_and_a_lease_that_has_ended_is_taken_over() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, q TEXT, a TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) INSERT INTO t SELECT i, 'q', NULL FROM n";
    let (_folder, path) = database(sql).await;
    let (one, two) = (table(&path, "t", "id").await, table(&path, "t", "id").await);
    let claimant = |owner: &str, lease| Claimant { owner: owner.into(), lease: Duration::from_millis(lease) };
    let (first, second) = (claimant("one", 60_000), claimant("two", 60_000));
    let todo = todo(&["q"], &["a"]);
    let all: Vec<RowKey> = one.page(&todo, None, 2000).await.unwrap().into_iter().map(|row| row.key).collect();
    let (mine, yours) = tokio::join!(one.claim(&todo, &all, &first), two.claim(&todo, &all, &second));
    let (mine, yours) = (mine.unwrap(), yours.unwrap());
    assert_eq!(mine.len() + yours.len(), 1200);
    assert!(mine.iter().all(|row| !yours.contains(row)));

    let one_row = [RowKey::Integer(1)];
    one.release(&all, &first).await.unwrap();
    two.release(&all, &second).await.unwrap();
    assert_eq!(one.claim(&todo, &one_row, &claimant("dead", 0)).await.unwrap().len(), 1);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(two.claim(&todo, &one_row, &second).await.unwrap().len(), 1);
    assert_eq!(one.claim(&todo, &one_row, &first).await.unwrap(), []);
    assert_eq!(two.renew(&second).await.unwrap(), 1);

    // Done by one and given back: the other, who had read it before, does not get it.
    two.write(vec![update(1, &json!({"a": "done"}))]).await.unwrap();
    two.release(&one_row, &second).await.unwrap();
    assert_eq!(one.claim(&todo, &one_row, &first).await.unwrap(), []);
    assert_eq!(two.renew(&second).await.unwrap(), 0);
}

#[tokio::test]
async fn a_column_that_the_database_works_out_is_known() {
    let (_folder, path) = database("CREATE TABLE t (id INTEGER PRIMARY KEY, q TEXT, a TEXT, long TEXT GENERATED ALWAYS AS (q || q) VIRTUAL)").await;
    let columns = table(&path, "t", "id").await.columns().await.unwrap();
    let generated: Vec<&str> = columns.iter().filter(|column| column.is_generated).map(|column| column.name.as_str()).collect();
    assert_eq!(generated, ["long"]);
}
