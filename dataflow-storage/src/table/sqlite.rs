//! SQLite: cells have their types one by one, and a file is written by one at a time.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use dataflow_core::{Error, Result};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, TypeInfo as _, ValueRef as _};

use super::sql_statement::{Database, Outcome, Parameter, RawCell, Refusals, SqlColumn, Statement, Verdict, all_or_none, is_lost, words};
use super::{ColumnKind, TableColumn};
use crate::scalar_text::base64;

/// The most parameters of a statement: SQLite's own default.
const MOST_PARAMETERS: usize = 32_766;

/// That there is no file of SQLite.
pub(super) fn check_is_there(path: &Path) -> Result<()> {
    let told = || Error::NotFound(format!("`{}` is not there, and should be a file of SQLite\nhint: `db_path` names it", path.display()));
    path.is_file().then_some(()).ok_or_else(told)
}

#[derive(Debug)]
pub(super) struct SqliteDatabase(SqlitePool);

impl SqliteDatabase {
    pub(super) async fn open(path: &Path, pool_size: u32) -> Result<Self> {
        check_is_there(path)?;
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new().max_connections(pool_size.max(1)).acquire_timeout(Duration::from_mins(1)).connect_with(options).await;
        pool.map(Self).map_err(|error| Error::storage(format!("opening sqlite `{}`", path.display()), error))
    }
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

fn query<'q>(statement: Statement) -> Query<'q> {
    statement.parameters.into_iter().fold(sqlx::query(AssertSqlSafe(statement.sql)), |query, parameter| match parameter {
        Parameter::Null => query.bind(None::<String>),
        Parameter::Integer(number) => match i64::try_from(number) {
            Ok(number) => query.bind(number),
            Err(_) => query.bind(number.to_string()),
        },
        Parameter::Real(number) => query.bind(number),
        Parameter::Text(text) => query.bind(text),
    })
}

fn cells(row: &SqliteRow) -> Result<Vec<RawCell>, sqlx::Error> {
    let cell = |place| {
        let raw = row.try_get_raw(place)?;
        if raw.is_null() {
            return Ok(RawCell::Null);
        }
        let stored = raw.type_info().name().to_owned();
        drop(raw);
        Ok(match stored.as_str() {
            "INTEGER" => RawCell::Integer(row.try_get_unchecked(place)?),
            "REAL" => RawCell::Real(row.try_get_unchecked(place)?),
            "BLOB" => RawCell::Text(base64(&row.try_get_unchecked::<Vec<u8>, _>(place)?)),
            _ => match row.try_get_unchecked(place) {
                Ok(text) => RawCell::Text(text),
                Err(sqlx::Error::ColumnDecode { .. }) => RawCell::NotText(row.try_get_unchecked(place)?), // SQLite takes any bytes as text
                Err(error) => return Err(error),
            },
        })
    };
    (0..row.len()).map(cell).collect()
}

/// By the rules of SQLite's column affinity, with the names that people give to truth values and JSON before them.
fn kind(declared: &str) -> ColumnKind {
    let declared = declared.to_uppercase();
    let has = |part: &str| declared.contains(part);
    match () {
        () if has("BOOL") => ColumnKind::Boolean,
        () if has("JSON") => ColumnKind::Json,
        () if has("INT") => ColumnKind::Integer,
        () if has("CHAR") || has("CLOB") || has("TEXT") => ColumnKind::Text,
        () if has("REAL") || has("FLOA") || has("DOUB") => ColumnKind::Float,
        () if has("DECIMAL") || has("NUMERIC") => ColumnKind::Decimal,
        () => ColumnKind::Other,
    }
}

/// A key that is the row's own number has no index.
const DESCRIBE: &str = "SELECT name, type, \"notnull\" OR (pk = 1 AND upper(type) = 'INTEGER'),
       (pk = 1 AND (SELECT COUNT(*) FROM pragma_table_xinfo(?1) o WHERE o.pk > 0) = 1)
       OR EXISTS (SELECT 1 FROM pragma_index_list(?1) l
                   WHERE l.\"unique\" = 1 AND l.partial = 0 AND (SELECT COUNT(*) FROM pragma_index_info(l.name)) = 1 AND (SELECT i.name FROM pragma_index_info(l.name) i) = c.name), hidden IN (2, 3)
  FROM pragma_table_xinfo(?1) c WHERE hidden <> 1 ORDER BY cid";

#[async_trait]
impl Database for SqliteDatabase {
    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn table(&self, name: &str) -> String {
        self.quote(name)
    }

    fn mark(&self, _position: usize, _cast: &str) -> String {
        "?".to_owned()
    }

    fn read(&self, column: &SqlColumn) -> String {
        self.quote(&column.column.name)
    }

    fn number_of_rows(&self) -> &'static str {
        "COUNT(*)"
    }

    fn text_type(&self) -> &'static str {
        "TEXT"
    }

    fn now(&self) -> &'static str {
        "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    }

    /// Any column may hold an empty text here.
    fn is_empty(&self, column: &SqlColumn) -> String {
        let name = self.quote(&column.column.name);
        format!("({name} IS NULL OR {name} = '')")
    }

    fn claim(&self, claims: &str) -> (String, String) {
        let before = format!("INSERT INTO {claims} (claimed_table, row_key, owner, lease_until) VALUES ");
        let after = format!(
            " ON CONFLICT (claimed_table, row_key) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until \
             WHERE {claims}.owner = excluded.owner OR {claims}.lease_until < {}",
            self.now()
        );
        (before, after)
    }

    fn create_claims(&self, claims: &str) -> Vec<String> {
        vec![format!(
            "CREATE TABLE IF NOT EXISTS {claims} (claimed_table TEXT NOT NULL, row_key TEXT NOT NULL, owner TEXT NOT NULL, lease_until INTEGER NOT NULL, \
             PRIMARY KEY (claimed_table, row_key))"
        )]
    }

    async fn tables(&self) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name").fetch_all(&self.0).await
    }

    async fn describe(&self, table: &str) -> Result<Vec<SqlColumn>, sqlx::Error> {
        let rows = sqlx::query(DESCRIBE).bind(table).fetch_all(&self.0).await?;
        rows.iter()
            .map(|row| {
                let declared: String = row.try_get(1)?;
                let column = TableColumn {
                    name: row.try_get(0)?,
                    kind: kind(&declared),
                    declared,
                    nullable: row.try_get::<i64, _>(2)? == 0,
                    is_generated: row.try_get::<i64, _>(4)? == 1,
                };
                Ok(SqlColumn { column, cast: String::new(), is_unique: row.try_get::<i64, _>(3)? == 1 })
            })
            .collect()
    }

    async fn rows(&self, statement: Statement) -> Result<Vec<Vec<RawCell>>, sqlx::Error> {
        let rows = query(statement).fetch_all(&self.0).await?;
        rows.iter().map(cells).collect()
    }

    async fn transaction(&self, statements: Vec<Statement>, refusals: Refusals) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let mut outcomes = Vec::with_capacity(statements.len());
        for statement in statements {
            // A statement that is refused is undone by itself here; a trigger that says ROLLBACK is seen at the commit.
            match query(statement).execute(&mut *transaction).await {
                Ok(done) => outcomes.push(Ok(done.rows_affected())),
                Err(error) if refusals == Refusals::Alone && self.verdict(&error) == Verdict::Row => outcomes.push(Err(words(&error))),
                Err(error) => return Err(error),
            }
        }
        transaction.commit().await?;
        Ok(outcomes)
    }

    /// Each statement goes to SQLite's own thread and back, which costs more than the writing.
    async fn write_at_once(
        &self,
        table: &str,
        key: &SqlColumn,
        columns: &[SqlColumn],
        rows: &[(Parameter, Vec<Parameter>)],
    ) -> Result<Option<()>, sqlx::Error> {
        if rows.len() * (columns.len() + 1) > MOST_PARAMETERS {
            return Ok(None);
        }
        let set: Vec<String> =
            columns.iter().enumerate().map(|(place, column)| format!("{} = written.column{}", self.quote(&column.column.name), place + 2)).collect();
        let mut statement = Statement::new(format!("UPDATE {table} AS kept SET {} FROM (VALUES ", set.join(", ")));
        for (number, (key, values)) in rows.iter().enumerate() {
            let cells = std::iter::once(key).chain(values).cloned();
            statement.push(if number == 0 { "" } else { ", " }).bind_list(self, cells, "");
        }
        statement.push(") AS written WHERE kept.").push(&self.quote(&key.column.name)).push(" = written.column1");
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let changed = query(statement).persistent(false).execute(&mut *transaction).await.map(|done| done.rows_affected());
        all_or_none(self, transaction, changed, rows.len()).await
    }

    fn verdict(&self, error: &sqlx::Error) -> Verdict {
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Verdict::Again, // busy, locked
            Some(18..=20) => Verdict::Row, // too big, constraint, mismatch
            None if is_lost(error) => Verdict::Again,
            _ => Verdict::Final,
        }
    }
}
