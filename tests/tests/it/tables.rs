//! Tables of real servers of MariaDB and PostgreSQL: read, written, claimed, and lost on the way.

use std::thread;
use std::time::Duration;

use dataflow_storage::table::{Claimant, RowKey, RowUpdate, SqlAddress, SqlTable, SqlTableOptions, Table, TableRow, ToDo};
use dataflow_tests::database_servers::{DatabaseKind, DatabaseServer};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, Row as _};

/// A server with a table, or a word on why there is none.
async fn server(kind: DatabaseKind, sql: &str) -> Option<DatabaseServer> {
    let server = match DatabaseServer::start(kind) {
        Ok(server) => server,
        Err(why) => {
            println!("skipped: {kind:?}: {why}");
            return None;
        }
    };
    for statement in sql.split(";\n").filter(|statement| !statement.trim().is_empty()) {
        run(&server, kind, statement).await;
    }
    Some(server)
}

async fn run(server: &DatabaseServer, kind: DatabaseKind, sql: &str) -> Vec<Option<String>> {
    let sql = AssertSqlSafe(sql.to_owned());
    match kind {
        DatabaseKind::MariaDb => {
            let options = MySqlConnectOptions::new().host("127.0.0.1").port(server.port()).username("root");
            let options = options.database("mysql");
            let mut connection = patient(|| options.connect()).await;
            connection.execute("CREATE DATABASE IF NOT EXISTS test CHARACTER SET utf8mb4").await.unwrap();
            connection.execute("USE test").await.unwrap();
            connection.fetch_all(sqlx::query(sql)).await.unwrap().iter().map(|row| row.try_get_unchecked(0).unwrap()).collect()
        }
        DatabaseKind::PostgreSql => {
            let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(server.port()).username("dataflow").database("postgres");
            let mut connection = patient(|| options.connect()).await;
            connection.fetch_all(sqlx::query(sql)).await.unwrap().iter().map(|row| row.try_get_unchecked(0).unwrap()).collect()
        }
    }
}

/// A server takes connections a moment before it takes orders.
async fn patient<C, F: Future<Output = Result<C, sqlx::Error>>>(connect: impl Fn() -> F) -> C {
    for _ in 0..100 {
        if let Ok(connection) = connect().await {
            return connection;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    connect().await.unwrap()
}

fn address(server: &DatabaseServer, kind: DatabaseKind) -> SqlAddress {
    let (host, port, password) = ("127.0.0.1".to_owned(), server.port(), String::new());
    match kind {
        DatabaseKind::MariaDb => SqlAddress::Mysql { host, port, user: "root".into(), password, database: "test".into() },
        DatabaseKind::PostgreSql => {
            SqlAddress::Postgresql { host, port, user: "dataflow".into(), password, database: "postgres".into(), schema: "问 卷".into() }
        }
    }
}

async fn open(server: &DatabaseServer, kind: DatabaseKind, table: &str, id_column: &str) -> SqlTable {
    let options = SqlTableOptions::new(address(server, kind), table);
    SqlTable::open(SqlTableOptions { id_column: id_column.into(), ..options }).await.unwrap()
}

fn todo(inputs: &[&str], outputs: &[&str]) -> ToDo {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    ToDo { inputs: names(inputs), outputs: names(outputs), require_all: true, ..ToDo::default() }
}

fn update(key: &RowKey, values: &Value) -> RowUpdate {
    RowUpdate { key: key.clone(), values: values.as_object().unwrap().clone() }
}

fn keys(rows: &[TableRow]) -> Vec<RowKey> {
    rows.iter().map(|row| row.key.clone()).collect()
}

async fn refusals(table: &SqlTable, rows: Vec<RowUpdate>) -> Vec<String> {
    table.write(rows).await.unwrap().into_iter().map(|refusal| format!("{}: {}", refusal.key, refusal.message)).collect()
}

/// 1,000 rows of 2,000 answered while the server is killed and comes back, and a claim of the rest by two engines.
async fn check_restart_and_claims(kind: DatabaseKind, mut server: DatabaseServer) {
    let (one, two) = (open(&server, kind, "many", "id").await, open(&server, kind, "many", "id").await);
    let todo = todo(&["q"], &["a"]);
    let page = one.page(&todo, None, 1000).await.unwrap();
    assert_eq!(one.count(&todo).await.unwrap(), 2000);
    let restart = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        server.stop();
        thread::sleep(Duration::from_millis(1500));
        server.resume().unwrap();
        server
    });
    for rows in page.chunks(50) {
        let rows = rows.iter().map(|row| update(&row.key, &json!({"a": "answered"}))).collect();
        assert_eq!(one.write(rows).await.unwrap(), []);
    }
    let _server = restart.join().unwrap();
    assert_eq!(one.count(&todo).await.unwrap(), 1000);

    let all = keys(&two.page(&todo, None, 5000).await.unwrap());
    let claimant = |owner: &str, lease| Claimant { owner: owner.into(), lease: Duration::from_secs(lease) };
    let (first, second) = (claimant("one", 600), claimant("two", 600));
    let (mine, yours) = tokio::join!(one.claim(&todo, &all, &first), two.claim(&todo, &all, &second));
    let (mine, yours) = (keys(&mine.unwrap()), keys(&yours.unwrap()));
    assert_eq!(mine.len() + yours.len(), 1000);
    assert!(mine.iter().all(|key| !yours.contains(key)));
    one.release(&all, &first).await.unwrap();
    two.release(&all, &second).await.unwrap();
    assert_eq!(one.claim(&todo, &all[..1], &claimant("dead", 0)).await.unwrap().len(), 1);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(two.claim(&todo, &all[..1], &second).await.unwrap().len(), 1);
    assert_eq!(one.claim(&todo, &all[..1], &first).await.unwrap(), []);
    assert_eq!(two.renew(&second).await.unwrap(), 1);
    two.write(vec![update(&all[0], &json!({"a": "x"}))]).await.unwrap();
    two.release(&all[..1], &second).await.unwrap();
    assert_eq!(one.claim(&todo, &all[..1], &first).await.unwrap(), []);
}

/// Engines that find neither their column nor the table of claims, and make both at the same moment.
async fn check_engines_that_begin_together(kind: DatabaseKind, server: &DatabaseServer) {
    let claims = match kind {
        DatabaseKind::MariaDb => "test.dataflow_claims",
        DatabaseKind::PostgreSql => "\"问 卷\".dataflow_claims",
    };
    for round in 0..8 {
        let outputs = [format!("answer {round}")];
        let todo = todo(&["q"], &[&outputs[0]]);
        let engines = (0..6).map(|number| {
            let (outputs, todo, address) = (outputs.clone(), todo.clone(), address(server, kind));
            tokio::spawn(async move {
                let table = SqlTable::open(SqlTableOptions::new(address, "many")).await?;
                table.create_columns(&outputs).await?;
                let rows = table.page(&todo, None, 20).await?;
                table.claim(&todo, &keys(&rows), &Claimant { owner: number.to_string(), lease: Duration::from_mins(10) }).await
            })
        });
        let mut claimed = Vec::new();
        for engine in engines.collect::<Vec<_>>() {
            claimed.extend(keys(&engine.await.unwrap().unwrap()));
        }
        assert_eq!(claimed.iter().collect::<std::collections::HashSet<_>>().len(), 20, "{kind:?}");
        assert_eq!(claimed.len(), 20, "{kind:?}: each row was claimed once");
        run(server, kind, &format!("DROP TABLE {claims}")).await;
    }
}

const POSTGRESQL: &str = r#"
CREATE SCHEMA "问 卷";
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE "问 卷"."答 ""卷""" (id uuid PRIMARY KEY, q text, n int, price numeric(10,2), day date, at timestamptz, ok boolean, doc jsonb,
    short varchar(5), score smallint CHECK (score < 10), tags text[], mood mood, big bigint, ratio double precision);
INSERT INTO "问 卷"."答 ""卷""" (id, q, n, price, day, ok, doc, tags) VALUES
    ('00000000-0000-0000-0000-000000000003', '三', 3, 12.50, '2024-05-01', true, '{"a": [1]}', '{"甲","b,c",NULL}'),
    ('00000000-0000-0000-0000-000000000001', '一', -1, NULL, NULL, NULL, NULL, NULL), ('00000000-0000-0000-0000-000000000002', '', 2, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE "问 卷".many (id bigint PRIMARY KEY, q text, a text);
INSERT INTO "问 卷".many SELECT 9007199254740993 + i * 1000003, 'q', NULL FROM generate_series(-1000, 999) i;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_postgresql_is_filled_in_whatever_its_types() {
    let kind = DatabaseKind::PostgreSql;
    let Some(server) = server(kind, POSTGRESQL).await else { return };
    let table = open(&server, kind, "答 \"卷\"", "id").await;
    let mut typed = todo(&["q", "n"], &["doc", "day", "score"]);
    typed.read_also = vec!["price".into(), "day".into(), "ok".into(), "doc".into(), "tags".into()];
    assert_eq!(table.count(&typed).await.unwrap(), 2);
    let rows = table.page(&typed, None, 1).await.unwrap();
    assert_eq!(rows[0].key, RowKey::Text("00000000-0000-0000-0000-000000000001".into()));
    let rows = table.page(&typed, Some(&rows[0].key), 9).await.unwrap();
    let read = json!({"q": "三", "n": 3, "price": "12.50", "day": "2024-05-01", "ok": true, "doc": {"a": [1]}, "tags": ["甲", "b,c", null]});
    assert_eq!(Value::Object(rows[0].values.clone()), read);

    let key = |last: u32| RowKey::Text(format!("00000000-0000-0000-0000-00000000000{last}"));
    let all = json!({"score": "7", "price": 1.5, "day": "2024-02-29", "at": "2024-02-29T10:00:00Z", "ok": false, "doc": ["甲", {"b": null}], "short": 12345,
        "tags": ["a,b", "c\"d", null], "mood": "good", "big": 9_007_199_254_740_993_i64, "ratio": 0.1});
    assert_eq!(refusals(&table, vec![update(&key(1), &all)]).await, Vec::<String>::new());
    let stored = run(
        &server,
        kind,
        "SELECT concat_ws('|', score, price, day, at AT TIME ZONE 'UTC', ok, doc, short, tags, mood, big, ratio) FROM \"问 卷\".\"答 \"\"卷\"\"\" ORDER BY id",
    )
    .await;
    assert_eq!(
        stored[0].as_deref(),
        Some(r#"7|1.50|2024-02-29|2024-02-29 10:00:00|f|["甲", {"b": null}]|12345|{"a,b","c\"d",NULL}|good|9007199254740993|0.1"#)
    );

    let told = refusals(
        &table,
        vec![
            update(&key(1), &json!({"score": 1})),
            update(&key(2), &json!({"score": "high"})),
            update(&key(3), &json!({"score": 11})),
            update(&key(9), &json!({"score": 2})),
            update(&key(2), &json!({"short": "too long"})),
            update(&key(3), &json!({"short": "fits"})),
        ],
    )
    .await;
    let expected = [
        "2: invalid input syntax for type smallint: \"high\"",
        "3: new row for relation \"答 \"卷\"\" violates check constraint \"答 \"卷\"_score_check\"",
        "9: no row has the key `00000000-0000-0000-0000-000000000009` any more",
        "2: value too long for type character varying(5)",
    ];
    assert_eq!(told.iter().map(|told| &told[35..]).collect::<Vec<_>>(), expected);
    let stored = run(&server, kind, "SELECT score || coalesce(short, '') FROM \"问 卷\".\"答 \"\"卷\"\"\" WHERE score = 1").await;
    assert_eq!(stored, [Some("112345".to_owned())]);

    let outputs = ["新 \"列\"".to_owned()];
    let statement = table.missing_columns(&outputs).await.unwrap().unwrap();
    assert_eq!(statement, r#"ALTER TABLE "问 卷"."答 ""卷""" ADD COLUMN "新 ""列""" text;"#);
    table.create_columns(&outputs).await.unwrap();
    assert_eq!(table.count(&todo(&["q"], &["新 \"列\""])).await.unwrap(), 2);
    check_engines_that_begin_together(kind, &server).await;
    check_restart_and_claims(kind, server).await;
}

const MARIADB: &str = r#"
CREATE TABLE `答 ``卷``` (id VARCHAR(40) PRIMARY KEY, q TEXT, n INT, price DECIMAL(10,2), day DATE, ok BOOLEAN, doc JSON, short VARCHAR(5), score TINYINT CHECK (score < 10),
    mood ENUM('good', 'bad'), big BIGINT UNSIGNED, ratio DOUBLE, bits BIT(3) DEFAULT b'101', bytes VARBINARY(9) DEFAULT x'dead') CHARACTER SET utf8mb4;
INSERT INTO `答 ``卷``` (id, q, n, price, day, ok, doc) VALUES ('c', '三', 0, 12.50, '2024-05-01', true, '{"a": [1]}'), ('a', '一', -1, NULL, NULL, NULL, NULL), ('b', '', 2, NULL, NULL, NULL, NULL);
CREATE TABLE many (id BIGINT PRIMARY KEY, q TEXT, a TEXT);
INSERT INTO many SELECT 9007199254740993 + (CAST(seq AS SIGNED) - 1000) * 1000003, 'q', NULL FROM seq_1_to_2000;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_mariadb_is_filled_in_whatever_its_types() {
    let kind = DatabaseKind::MariaDb;
    let Some(server) = server(kind, MARIADB).await else { return };
    let table = open(&server, kind, "答 `卷`", "id").await;
    let mut typed = todo(&["q", "n"], &["doc", "day", "score"]);
    typed.read_also = ["price", "day", "ok", "doc", "bits", "bytes"].map(ToOwned::to_owned).into();
    assert_eq!(table.count(&typed).await.unwrap(), 2); // a 0 is something
    let rows = table.page(&typed, Some(&RowKey::Text("a".into())), 9).await.unwrap();
    let read = json!({"q": "三", "n": 0, "price": "12.50", "day": "2024-05-01", "ok": true, "doc": {"a": [1]}, "bits": 5, "bytes": "\\xdead"});
    assert_eq!(Value::Object(rows[0].values.clone()), read);

    let key = |name: &str| RowKey::Text(name.into());
    let all = json!({"score": "7", "price": 1.5, "day": "2024-02-29", "ok": "no", "doc": ["甲", {"b": null}], "short": 12345, "mood": "good", "big": u64::MAX, "ratio": 0.1});
    assert_eq!(refusals(&table, vec![update(&key("a"), &all)]).await, Vec::<String>::new());
    let stored = run(&server, kind, "SELECT CONCAT_WS('|', score, price, day, ok, doc, short, mood, big, ratio) FROM `答 ``卷``` ORDER BY id").await;
    assert_eq!(stored[0].as_deref(), Some(r#"7|1.50|2024-02-29|0|["甲",{"b":null}]|12345|good|18446744073709551615|0.1"#));

    let told = refusals(
        &table,
        vec![
            update(&key("a"), &json!({"score": 1})),
            update(&key("b"), &json!({"score": "high"})),
            update(&key("b"), &json!({"score": 1.5})),
            update(&key("c"), &json!({"score": 11})),
            update(&key("z"), &json!({"score": 2})),
            update(&key("b"), &json!({"short": "too long"})),
            update(&key("c"), &json!({"doc": "text"})),
        ],
    )
    .await;
    assert_eq!(
        told,
        [
            "b: column `score` is `tinyint(4)`, and `1.5` is not a whole number",
            "b: Incorrect integer value: 'high' for column `test`.`答 `卷``.`score` at row 1",
            "c: CONSTRAINT `答 ``卷``.score` failed for `test`.`答 ``卷```",
            "z: no row has the key `z` any more",
            "b: Data too long for column 'short' at row 1",
        ]
    );
    let stored = run(&server, kind, "SELECT CONCAT_WS('|', score, doc) FROM `答 ``卷``` ORDER BY id").await;
    assert_eq!(stored, [Some("1|[\"甲\",{\"b\":null}]".to_owned()), Some(String::new()), Some("\"text\"".to_owned())]);

    let outputs = ["新 `列`".to_owned()];
    let statement = table.missing_columns(&outputs).await.unwrap().unwrap();
    assert_eq!(statement, "ALTER TABLE `test`.`答 ``卷``` ADD COLUMN `新 ``列``` LONGTEXT;");
    table.create_columns(&outputs).await.unwrap();
    assert_eq!(table.count(&todo(&["q"], &["新 `列`"])).await.unwrap(), 2);

    // More rows than one statement takes, each with values of its own.
    let many = open(&server, kind, "many", "id").await;
    let rows = many.page(&todo(&["q"], &["a"]), None, 150).await.unwrap();
    let rows =
        rows.iter().enumerate().map(|(number, row)| update(&row.key, &json!({"q": if number == 7 { Value::Null } else { json!(format!("of {}", row.key)) }})));
    assert_eq!(many.write(rows.collect()).await.unwrap(), []);
    let stored = run(
        &server,
        kind,
        "SELECT CAST(COUNT(*) AS CHAR) FROM many WHERE q = CONCAT('of ', id) UNION ALL SELECT CAST(COUNT(*) AS CHAR) FROM many WHERE q IS NULL",
    )
    .await;
    assert_eq!(stored, [Some("149".to_owned()), Some("1".to_owned())]);
    run(&server, kind, "UPDATE many SET q = 'q'").await;
    check_engines_that_begin_together(kind, &server).await;
    check_restart_and_claims(kind, server).await;
}
