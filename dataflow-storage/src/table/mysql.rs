//! MySQL and MariaDB: cells are read in their text form, and the server brings what is written to the column's type, strictly.

use std::collections::HashSet;
use std::mem::discriminant;
use std::time::Duration;

use async_trait::async_trait;
use dataflow_core::{Error, Result};
use serde_json::Value;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySql, Row as _};

use super::sql_statement::{Database, Outcome, Parameter, RawCell, Refusals, SqlColumn, Statement, Verdict, all_or_none, is_lost, not_connected, words};
use super::{ColumnKind, SqlAddress, TableColumn};

#[derive(Debug)]
pub(super) struct MysqlDatabase {
    pool: MySqlPool,
    database: String,
}

impl MysqlDatabase {
    pub(super) async fn open(address: &SqlAddress, pool_size: u32) -> Result<Self> {
        let SqlAddress::Mysql { host, port, user, password, database } = address else {
            return Err(Error::Configuration(format!("{address} is no server of MySQL")));
        };
        let options = MySqlConnectOptions::new().host(host).port(*port).username(user).database(database);
        // An empty one is not the same as none.
        let options = if password.is_empty() { options } else { options.password(password) };
        let pool = MySqlPoolOptions::new()
            .max_connections(pool_size.max(1))
            .acquire_timeout(Duration::from_secs(5))
            // Without it a server may cut a text that is too long and say nothing.
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')").await.map(drop) })
            });
        // The pool itself would go on trying and then say no more than that it took too long.
        let first = options.connect().await.map_err(|error| not_connected(format!("connecting to {address}"), &error))?;
        first.close().await.ok(); // it has served
        Ok(Self { pool: pool.connect_lazy_with(options), database: database.clone() })
    }
}

/// How many rows one statement writes. The server looks for each row among as many cases.
const ROWS_AT_ONCE: usize = 100;

/// Whether all that are not null are of one type.
fn is_of_one_type<'a>(parameters: impl Iterator<Item = &'a Parameter>) -> bool {
    let mut types = parameters.filter(|parameter| !matches!(parameter, Parameter::Null)).map(discriminant);
    types.next().is_none_or(|first| types.all(|other| other == first))
}

impl MysqlDatabase {
    /// The statement that writes many rows: each column is what it is in the case of the row's key.
    fn update_of_many(&self, table: &str, key: &SqlColumn, columns: &[SqlColumn], rows: &[(Parameter, Vec<Parameter>)]) -> Statement {
        let key = self.quote(&key.column.name);
        let mut statement = Statement::new(format!("UPDATE {table} SET "));
        for (place, column) in columns.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push(&format!("{} = CASE {key}", self.quote(&column.column.name)));
            for (key, values) in rows {
                statement.push(" WHEN ").bind(self, key.clone(), "").push(" THEN ").bind(self, values[place].clone(), "");
            }
            statement.push(" END");
        }
        statement.push(&format!(" WHERE {key} IN ")).bind_list(self, rows.iter().map(|(key, _)| key.clone()), "");
        statement
    }
}

type Query<'q> = sqlx::query::Query<'q, MySql, MySqlArguments>;

fn query<'q>(statement: Statement) -> Query<'q> {
    statement.parameters.into_iter().fold(sqlx::query(AssertSqlSafe(statement.sql)), |query, parameter| match parameter {
        Parameter::Null => query.bind(None::<String>),
        Parameter::Integer(number) => match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => query.bind(number),
            (_, Ok(number)) => query.bind(number),
            _ => query.bind(number.to_string()),
        },
        Parameter::Real(number) => query.bind(number),
        Parameter::Text(text) => query.bind(text),
    })
}

fn cells(row: &MySqlRow) -> Result<Vec<RawCell>, sqlx::Error> {
    let cell = |place| row.try_get_unchecked::<Option<String>, _>(place).map(|text| text.map_or(RawCell::Null, RawCell::Text));
    (0..row.len()).map(cell).collect()
}

fn is_bit(declared: &str) -> bool {
    declared.starts_with("bit")
}

fn is_binary(declared: &str) -> bool {
    ["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"].contains(&declared.split('(').next().unwrap_or_default())
}

fn kind(data_type: &str, declared: &str) -> ColumnKind {
    match data_type {
        "tinyint" if declared.starts_with("tinyint(1)") => ColumnKind::Boolean,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" => ColumnKind::Integer,
        "decimal" => ColumnKind::Decimal,
        "float" | "double" => ColumnKind::Float,
        "json" => ColumnKind::Json,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => ColumnKind::Text,
        _ => ColumnKind::Other,
    }
}

const DESCRIBE: &str = "SELECT c.COLUMN_NAME, c.COLUMN_TYPE, c.DATA_TYPE, c.IS_NULLABLE,
       EXISTS (SELECT 1 FROM information_schema.STATISTICS s
                WHERE s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME AND s.COLUMN_NAME = c.COLUMN_NAME AND s.NON_UNIQUE = 0 AND s.SUB_PART IS NULL
                  AND (SELECT COUNT(*) FROM information_schema.STATISTICS o
                        WHERE o.TABLE_SCHEMA = s.TABLE_SCHEMA AND o.TABLE_NAME = s.TABLE_NAME AND o.INDEX_NAME = s.INDEX_NAME) = 1), c.EXTRA
  FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = ? AND c.TABLE_NAME = ? ORDER BY c.ORDINAL_POSITION";

#[async_trait]
impl Database for MysqlDatabase {
    fn quote(&self, name: &str) -> String {
        format!("`{}`", name.replace('`', "``"))
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{}", self.quote(&self.database), self.quote(name))
    }

    fn mark(&self, _position: usize, _cast: &str) -> String {
        "?".to_owned()
    }

    fn read(&self, column: &SqlColumn) -> String {
        let (name, declared) = (self.quote(&column.column.name), column.column.declared.as_str());
        match () {
            () if is_bit(declared) => format!("CAST(CAST({name} AS UNSIGNED) AS CHAR)"),
            // As PostgreSQL shows bytes, which need be no text.
            () if is_binary(declared) => format!("CONCAT('\\\\x', LOWER(HEX({name})))"),
            () => format!("CAST({name} AS CHAR)"),
        }
    }

    fn read_key(&self, column: &SqlColumn) -> String {
        format!("CAST({} AS CHAR)", self.quote(&column.column.name))
    }

    fn number_of_rows(&self) -> &'static str {
        "CAST(COUNT(*) AS CHAR)"
    }

    fn text_type(&self) -> &'static str {
        "LONGTEXT"
    }

    fn now(&self) -> &'static str {
        "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
    }

    /// A whole number is asked of a column of whole numbers, which would round.
    fn would_change(&self, column: &SqlColumn, value: &Value) -> Option<String> {
        let number = match value {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        let rounds = column.column.kind == ColumnKind::Integer && number.fract() != 0.0;
        rounds.then(|| format!("column `{}` is `{}`, and `{value}` is not a whole number", column.column.name, column.column.declared))
    }

    fn claim(&self, claims: &str) -> (String, String) {
        // The second assignment sees what the first has done.
        let now = self.now();
        let before = format!("INSERT INTO {claims} (claimed_table, row_key, owner, lease_until) VALUES ");
        let after = format!(
            " ON DUPLICATE KEY UPDATE owner = IF(lease_until < {now}, VALUES(owner), owner), lease_until = IF(owner = VALUES(owner), VALUES(lease_until), lease_until)"
        );
        (before, after)
    }

    fn create_claims(&self, claims: &str) -> Vec<String> {
        vec![format!(
            "CREATE TABLE IF NOT EXISTS {claims} (claimed_table VARCHAR(180) NOT NULL, row_key VARCHAR(180) NOT NULL, owner VARCHAR(180) NOT NULL, \
             lease_until BIGINT NOT NULL, PRIMARY KEY (claimed_table, row_key)) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        )]
    }

    async fn tables(&self) -> Result<Vec<String>, sqlx::Error> {
        let names = "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME";
        let rows = sqlx::query(names).bind(&self.database).fetch_all(&self.pool).await?;
        rows.iter().map(|row| row.try_get_unchecked(0)).collect()
    }

    async fn describe(&self, table: &str) -> Result<Vec<SqlColumn>, sqlx::Error> {
        let rows = sqlx::query(DESCRIBE).bind(&self.database).bind(table).fetch_all(&self.pool).await?;
        // MariaDB has JSON as a text that is checked, and MySQL has no such column in its list of checks.
        let checks = "SELECT CAST(CHECK_CLAUSE AS CHAR) FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?";
        let checks = sqlx::query(checks).bind(&self.database).bind(table).fetch_all(&self.pool).await.unwrap_or_default();
        let checks: HashSet<String> = checks.iter().filter_map(|row| row.try_get_unchecked(0).ok()).collect();
        rows.iter()
            .map(|row| {
                let (name, declared): (String, String) = (row.try_get_unchecked(0)?, row.try_get_unchecked(1)?);
                let is_json = checks.contains(&format!("json_valid({})", self.quote(&name)));
                let kind = if is_json { ColumnKind::Json } else { kind(&row.try_get_unchecked::<String, _>(2)?, &declared) };
                let nullable = row.try_get_unchecked::<String, _>(3)? == "YES";
                let extra = row.try_get_unchecked::<String, _>(5)?.to_uppercase(); // an expression as default is `DEFAULT_GENERATED`
                let is_generated = ["VIRTUAL GENERATED", "STORED GENERATED", "PERSISTENT"].iter().any(|words| extra.contains(words));
                Ok(SqlColumn {
                    column: TableColumn { name, declared, kind, nullable, is_generated },
                    cast: String::new(),
                    is_unique: row.try_get_unchecked::<i64, _>(4)? == 1,
                })
            })
            .collect()
    }

    async fn rows(&self, statement: Statement) -> Result<Vec<Vec<RawCell>>, sqlx::Error> {
        let rows = query(statement).fetch_all(&self.pool).await?;
        rows.iter().map(cells).collect()
    }

    async fn transaction(&self, statements: Vec<Statement>, refusals: Refusals) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let mut outcomes = Vec::with_capacity(statements.len());
        for statement in statements {
            // A statement that is refused is undone by itself here.
            match query(statement).execute(&mut *transaction).await {
                Ok(done) => outcomes.push(Ok(done.rows_affected())),
                Err(error) if refusals == Refusals::Alone && self.verdict(&error) == Verdict::Row => outcomes.push(Err(words(&error))),
                Err(error) => return Err(error),
            }
        }
        transaction.commit().await?;
        Ok(outcomes)
    }

    async fn write_at_once(
        &self,
        table: &str,
        key: &SqlColumn,
        columns: &[SqlColumn],
        rows: &[(Parameter, Vec<Parameter>)],
    ) -> Result<Option<()>, sqlx::Error> {
        let of_one_type = |place: usize| is_of_one_type(rows.iter().map(|(_, values)| &values[place]));
        if !is_of_one_type(rows.iter().map(|(key, _)| key)) || !(0..columns.len()).all(of_one_type) {
            return Ok(None); // the server would make one type of them
        }
        let mut transaction = self.pool.begin().await?;
        let mut changed = Ok(0);
        for rows in rows.chunks(ROWS_AT_ONCE) {
            // Not kept by the connection, since each number of rows is another statement.
            let done = query(self.update_of_many(table, key, columns, rows)).persistent(false).execute(&mut *transaction).await;
            changed = changed.and_then(|before| Ok(before + done?.rows_affected()));
            if changed.is_err() {
                break;
            }
        }
        all_or_none(self, transaction, changed, rows.len()).await
    }

    fn verdict(&self, error: &sqlx::Error) -> Verdict {
        let Some(error) = error.as_database_error().and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()) else {
            return if is_lost(error) { Verdict::Again } else { Verdict::Final };
        };
        match (error.number(), error.code().and_then(|state| state.get(..2)).unwrap_or_default()) {
            // Too many connections, shutting down, killed, locks.
            (1040 | 1053 | 1077 | 1152 | 1158..=1161 | 1205 | 1213 | 1317 | 1927 | 3169, _) | (_, "08") => Verdict::Again,
            // Values that are no value of the column, in states of their own or in the general one.
            (1264 | 1265 | 1292 | 1364 | 1366 | 1406 | 1411 | 1644 | 3140 | 3819 | 4025, _) | (_, "22" | "23" | "45") => Verdict::Row,
            _ => Verdict::Final,
        }
    }
}
