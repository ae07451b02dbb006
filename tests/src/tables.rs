//! Tables of every kind for the tests and benchmarks of `dataflow process`: made, looked at, and described in a configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor as _, Row as _};

use crate::database_servers::{DatabaseKind, DatabaseServer};

/// What a table is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// A file of SQLite.
    Sqlite,
    /// Text with commas.
    Csv,
    /// A workbook.
    Excel,
    /// A server of MariaDB.
    MariaDb,
    /// A server of PostgreSQL.
    PostgreSql,
}

/// A table `work` with the columns `id`, `question`, `answer` and `other`, and a configuration that fills in its answers.
#[derive(Debug)]
pub struct TestTable {
    kind: TableKind,
    folder: PathBuf,
    server: Option<DatabaseServer>,
}

/// A cell that is to stay as it is, whatever is in it.
fn other(number: usize) -> String {
    format!("  keep \"{number}\", ünd 中\u{1F600}; \\n ' ")
}

/// A row's question.
pub fn question(number: usize) -> String {
    format!("question {number}, 题")
}

/// A row's answer, as the service of the tests gives it.
pub fn answer(number: usize) -> String {
    format!("to {}", question(number))
}

/// The key of a row: sparse, and below zero at first.
pub fn key(number: usize) -> i64 {
    number as i64 * 1_000_003 - 50_000_000
}

impl TestTable {
    /// A table of so many rows in a folder, of which the first `done` have an answer. The error is why there is no server here.
    pub fn make(kind: TableKind, folder: &Path, rows: usize, done: usize) -> Result<Self, String> {
        let server = match kind {
            TableKind::MariaDb => Some(DatabaseServer::start(DatabaseKind::MariaDb)?),
            TableKind::PostgreSql => Some(DatabaseServer::start(DatabaseKind::PostgreSql)?),
            TableKind::Sqlite | TableKind::Csv | TableKind::Excel => None,
        };
        let table = Self { kind, folder: folder.to_owned(), server };
        let given = |number| if number < done { answer(number) } else { String::new() };
        match kind {
            TableKind::Csv => {
                let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
                let mut text = "id,question,answer,other\n".to_owned();
                for number in 0..rows {
                    text += &format!(
                        "{},{},{},{}\n",
                        key(number),
                        quoted(&question(number)),
                        if number < done { quoted(&given(number)) } else { String::new() },
                        quoted(&other(number))
                    );
                }
                std::fs::write(table.file(), text).expect("the folder can be written");
            }
            TableKind::Excel => write_workbook(&table.file(), rows, &given),
            TableKind::Sqlite | TableKind::MariaDb | TableKind::PostgreSql => {
                table.run("CREATE TABLE work (id BIGINT PRIMARY KEY, question TEXT, answer TEXT, other TEXT)");
                let quoted = |text: &str| if kind == TableKind::MariaDb { text.replace('\\', "\\\\") } else { text.to_owned() }.replace('\'', "''");
                let numbers: Vec<usize> = (0..rows).collect();
                for numbers in numbers.chunks(1000) {
                    let value = |number: &usize| {
                        let given = given(*number);
                        let given = if given.is_empty() { "NULL".to_owned() } else { format!("'{given}'") };
                        format!("({}, '{}', {given}, '{}')", key(*number), question(*number), quoted(&other(*number)))
                    };
                    table.run(&format!("INSERT INTO work VALUES {}", numbers.iter().map(value).collect::<Vec<_>>().join(", ")));
                }
            }
        }
        Ok(table)
    }

    /// The file, where it is one.
    pub fn file(&self) -> PathBuf {
        self.folder.join(match self.kind {
            TableKind::Csv => "work.csv",
            TableKind::Excel => "work.xlsx",
            TableKind::Sqlite | TableKind::MariaDb | TableKind::PostgreSql => "work.db",
        })
    }

    /// The sections of a configuration that say where the table is; `more` stands among the keys of `datasource`.
    pub fn sections(&self, more: &str) -> String {
        let port = self.server.as_ref().map_or(0, DatabaseServer::port);
        let (name, place) = match self.kind {
            TableKind::Csv => ("csv", "input_path: work.csv".to_owned()),
            TableKind::Excel => ("excel", "input_path: work.xlsx".to_owned()),
            TableKind::Sqlite => ("sqlite", "db_path: work.db, table_name: work".to_owned()),
            TableKind::MariaDb => ("mysql", format!("host: 127.0.0.1, port: {port}, user: root, password: '', database: test, table_name: work")),
            TableKind::PostgreSql => {
                ("postgresql", format!("host: 127.0.0.1, port: {port}, user: dataflow, password: x, database: postgres, table_name: work"))
            }
        };
        format!("datasource: {{ type: {name}{more} }}\n{name}: {{ {place} }}\n")
    }

    /// Writes `jobs.yaml`, which asks a service that echoes; `more` stands among the keys of `datasource`, and `sections` at the end.
    pub fn configure(&self, url: &str, more: &str, sections: &str) -> PathBuf {
        let text = format!(
            "{}columns_to_extract: [question]\ncolumns_to_write: {{ answer: answer }}\n\
             prompt: {{ required_fields: [answer], template: 'Say {{\"answer\": \"to {{question}}\"}}' }}\n{}{sections}",
            self.sections(more),
            models(url)
        );
        let path = self.folder.join("jobs.yaml");
        std::fs::write(&path, text).expect("the folder can be written");
        path
    }

    /// Kills the server and starts it again on its data; files have none.
    pub fn restart(&mut self) {
        if let Some(server) = &mut self.server {
            server.stop();
            std::thread::sleep(std::time::Duration::from_millis(500));
            server.resume().expect("the server starts again");
        }
    }

    /// All rows by their keys: answer and other cell.
    pub fn rows(&self) -> BTreeMap<i64, (Option<String>, String)> {
        match self.kind {
            TableKind::Sqlite | TableKind::MariaDb | TableKind::PostgreSql => {
                let cell = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten();
                let rows = self.select("SELECT id, answer, other FROM work");
                rows.iter().map(|row| (cell(row, 0).and_then(|id| id.parse().ok()).expect("a key"), (cell(row, 1), cell(row, 2).unwrap_or_default()))).collect()
            }
            TableKind::Csv | TableKind::Excel => {
                let frame =
                    dataflow_storage::source_at(self.file(), &dataflow_storage::ReadOptions::default()).and_then(|source| source.open(1 << 20)?.next_frame());
                let frame = frame.expect("the file can be read").expect("it has rows");
                let text = |name: &str, row: usize| {
                    let value = frame.column(name).and_then(|column| column.get(row)).expect("the cell is there");
                    dataflow_core::row::text_of(value).map(std::borrow::Cow::into_owned).filter(|text| !text.is_empty())
                };
                (0..frame.height())
                    .map(|row| (text("id", row).and_then(|id| id.parse().ok()).expect("a key"), (text("answer", row), text("other", row).unwrap_or_default())))
                    .collect()
            }
        }
    }

    /// Fails unless all of so many rows have their answers, and nothing else has changed.
    pub fn check_filled(&self, rows: usize) {
        let found = self.rows();
        assert_eq!(found.len(), rows, "no row came or went");
        for number in 0..rows {
            assert_eq!(found[&key(number)], (Some(answer(number)), other(number)), "row {number}");
        }
        if self.kind == TableKind::Csv {
            let mut expected = "id,question,answer,other\n".to_owned();
            for number in 0..rows {
                expected += &format!("{},\"{}\",\"{}\",\"{}\"\n", key(number), question(number), answer(number), other(number).replace('"', "\"\""));
            }
            assert_eq!(std::fs::read_to_string(self.file()).expect("it is there"), expected, "byte for byte");
        }
    }

    /// Runs a statement of the table's database.
    pub fn run(&self, sql: &str) {
        self.select(sql);
    }

    /// The cells of a query, as text.
    pub fn select(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let port = self.server.as_ref().map_or(0, DatabaseServer::port);
        let sql = AssertSqlSafe(sql.to_owned());
        runtime.block_on(async {
            match self.kind {
                TableKind::Sqlite => {
                    let options = SqliteConnectOptions::new().filename(self.file()).create_if_missing(true);
                    let mut connection = options.connect().await.expect("the file opens");
                    let rows = connection.fetch_all(sqlx::query(sql)).await.expect("the statement is right");
                    let cell = |row: &sqlx::sqlite::SqliteRow, at| match row.try_get_unchecked::<Option<i64>, _>(at) {
                        Ok(number) if at == 0 => number.map(|number| number.to_string()),
                        _ => row.try_get_unchecked(at).expect("text"),
                    };
                    rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect()).collect()
                }
                TableKind::MariaDb => {
                    let options = MySqlConnectOptions::new().host("127.0.0.1").port(port).username("root");
                    let mut connection = patient(|| options.connect()).await;
                    connection.execute("CREATE DATABASE IF NOT EXISTS test CHARACTER SET utf8mb4").await.expect("a database");
                    connection.execute("USE test").await.expect("it is there");
                    let rows = connection.fetch_all(sqlx::raw_sql(sql)).await.expect("the statement is right");
                    rows.iter().map(|row| (0..row.len()).map(|at| row.try_get_unchecked(at).expect("text")).collect()).collect()
                }
                TableKind::PostgreSql => {
                    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("dataflow").database("postgres");
                    let mut connection = patient(|| options.connect()).await;
                    let rows = connection.fetch_all(sqlx::raw_sql(sql)).await.expect("the statement is right");
                    rows.iter().map(|row| (0..row.len()).map(|at| row.try_get_unchecked(at).expect("text")).collect()).collect()
                }
                TableKind::Csv | TableKind::Excel => Vec::new(),
            }
        })
    }
}

/// The `models` and `channels` of a configuration that asks a service.
pub fn models(url: &str) -> String {
    format!(
        "models: [{{ id: 1, name: m, model: test, channel_id: '1', api_key: sk-geheim, safe_rps: 0, prices: {{ in: 1, out: 2 }} }}]\nchannels: {{ '1': {{ base_url: '{}' }} }}\n",
        url.trim_end_matches("/v1")
    )
}

/// A server takes connections a moment before it takes orders.
async fn patient<C, F: Future<Output = Result<C, sqlx::Error>>>(connect: impl Fn() -> F) -> C {
    for _ in 0..100 {
        if let Ok(connection) = connect().await {
            return connection;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    connect().await.expect("the server takes connections")
}

fn write_workbook(path: &Path, rows: usize, given: &dyn Fn(usize) -> String) {
    use rust_xlsxwriter::{Format, Workbook};
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let bold = Format::new().set_bold().set_background_color("#FFCC00");
    sheet.set_column_width(3, 42).expect("a column");
    let mut put = |row: u32, column: u16, text: &str, format: Option<&Format>| {
        match format {
            Some(format) => sheet.write_string_with_format(row, column, text, format),
            None => sheet.write_string(row, column, text),
        }
        .expect("a cell");
    };
    for (column, name) in ["id", "question", "answer", "other"].into_iter().enumerate() {
        put(0, column as u16, name, Some(&bold));
    }
    for number in 0..rows {
        let row = number as u32 + 1;
        put(row, 0, &key(number).to_string(), None);
        put(row, 1, &question(number), None);
        if !given(number).is_empty() {
            put(row, 2, &given(number), None);
        }
        put(row, 3, &other(number), None);
    }
    let second = workbook.add_worksheet();
    second.write_formula(0, 0, "=1+1").expect("a formula");
    workbook.save(path).expect("the folder can be written");
}
