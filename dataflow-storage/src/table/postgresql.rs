//! PostgreSQL: every cell is read and written in its text form, an array in that of JSON where it is read, and cast to its type by the server, so that each type that there is can be a column.

use std::time::Duration;

use async_trait::async_trait;
use dataflow_core::{Error, Result};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Postgres, Row as _};

use super::sql_statement::{Database, Outcome, Parameter, RawCell, Refusals, SqlColumn, Statement, Verdict, all_or_none, is_lost, not_connected, words};
use super::{ColumnKind, SqlAddress, TableColumn};

#[derive(Debug)]
pub(super) struct PostgresqlDatabase {
    pool: PgPool,
    schema: String,
}

impl PostgresqlDatabase {
    pub(super) async fn open(address: &SqlAddress, pool_size: u32) -> Result<Self> {
        let SqlAddress::Postgresql { host, port, user, password, database, schema } = address else {
            return Err(Error::Configuration(format!("{address} is no server of PostgreSQL")));
        };
        let options = PgConnectOptions::new_without_pgpass().host(host).port(*port).username(user).database(database);
        let options = if password.is_empty() { options } else { options.password(password) };
        let options = options.application_name("dataflow");
        // The pool itself would go on trying and then say no more than that it took too long.
        let first = options.connect().await.map_err(|error| not_connected(format!("connecting to {address}"), &error))?;
        first.close().await.ok(); // it has served
        let pool = PgPoolOptions::new().max_connections(pool_size.max(1)).acquire_timeout(Duration::from_secs(5));
        Ok(Self { pool: pool.connect_lazy_with(options), schema: schema.clone() })
    }
}

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

fn query<'q>(statement: Statement) -> Query<'q> {
    statement.parameters.into_iter().fold(sqlx::query(AssertSqlSafe(statement.sql)), |query, parameter| query.bind(parameter.into_text()))
}

/// By the name of the type that lies under domains.
fn kind(category: &str, base: &str) -> ColumnKind {
    match base {
        "int2" | "int4" | "int8" => ColumnKind::Integer,
        "numeric" => ColumnKind::Decimal,
        "float4" | "float8" => ColumnKind::Float,
        "bool" => ColumnKind::Boolean,
        "json" | "jsonb" => ColumnKind::Json,
        "text" | "varchar" | "bpchar" | "citext" => ColumnKind::Text,
        _ if category == "A" => ColumnKind::List,
        _ => ColumnKind::Other,
    }
}

/// `format_type` with the modifier -1 names the type without a length: a cast to one with a length would cut the text, where an assignment refuses it.
const DESCRIBE: &str =
    "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid, -1), NOT a.attnotnull, b.typcategory::text, b.typname::text,
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum), a.attgenerated <> '' OR a.attidentity = 'a'
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'f') AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum";

#[async_trait]
impl Database for PostgresqlDatabase {
    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{}", self.quote(&self.schema), self.quote(name))
    }

    fn mark(&self, position: usize, cast: &str) -> String {
        format!("${position}::{cast}")
    }

    fn read(&self, column: &SqlColumn) -> String {
        let name = self.quote(&column.column.name);
        match column.column.kind {
            ColumnKind::List => format!("to_jsonb({name})::text"),
            _ => format!("{name}::text"),
        }
    }

    fn number_of_rows(&self) -> &'static str {
        "COUNT(*)::text"
    }

    fn text_type(&self) -> &'static str {
        "text"
    }

    fn now(&self) -> &'static str {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    }

    fn claim(&self, claims: &str) -> (String, String) {
        let before = format!("INSERT INTO {claims} AS held (claimed_table, row_key, owner, lease_until) VALUES ");
        let after = format!(
            " ON CONFLICT (claimed_table, row_key) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until \
             WHERE held.owner = excluded.owner OR held.lease_until < {}",
            self.now()
        );
        (before, after)
    }

    fn create_claims(&self, claims: &str) -> Vec<String> {
        // `IF NOT EXISTS` looks before it makes, and fails where another makes the same at that moment: one after the other.
        let in_turn = "SELECT pg_advisory_xact_lock(hashtext('dataflow_claims'))".to_owned();
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {claims} (claimed_table text NOT NULL, row_key text NOT NULL, owner text NOT NULL, lease_until bigint NOT NULL, \
             PRIMARY KEY (claimed_table, row_key))"
        );
        vec![in_turn, create]
    }

    async fn tables(&self) -> Result<Vec<String>, sqlx::Error> {
        let names = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 ORDER BY table_name";
        sqlx::query_scalar(names).bind(&self.schema).fetch_all(&self.pool).await
    }

    async fn describe(&self, table: &str) -> Result<Vec<SqlColumn>, sqlx::Error> {
        let rows = sqlx::query(DESCRIBE).bind(&self.schema).bind(table).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let kind = kind(row.try_get(4)?, row.try_get(5)?);
                let column = TableColumn { name: row.try_get(0)?, declared: row.try_get(1)?, kind, nullable: row.try_get(3)?, is_generated: row.try_get(7)? };
                Ok(SqlColumn { column, cast: row.try_get(2)?, is_unique: row.try_get(6)? })
            })
            .collect()
    }

    async fn rows(&self, statement: Statement) -> Result<Vec<Vec<RawCell>>, sqlx::Error> {
        let rows = query(statement).fetch_all(&self.pool).await?;
        let cell = |text: Option<String>| text.map_or(RawCell::Null, RawCell::Text);
        let cells = |row: &sqlx::postgres::PgRow| (0..row.len()).map(|place| row.try_get_unchecked(place).map(cell)).collect();
        rows.iter().map(cells).collect()
    }

    async fn transaction(&self, statements: Vec<Statement>, refusals: Refusals) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let mut outcomes = Vec::with_capacity(statements.len());
        for statement in statements {
            if refusals == Refusals::UndoAll {
                outcomes.push(Ok(query(statement).execute(&mut *transaction).await?.rows_affected()));
                continue;
            }
            let mut savepoint = transaction.begin().await?;
            match query(statement).execute(&mut *savepoint).await {
                Ok(done) => {
                    savepoint.commit().await?;
                    outcomes.push(Ok(done.rows_affected()));
                }
                Err(error) if self.verdict(&error) == Verdict::Row => {
                    savepoint.rollback().await?;
                    outcomes.push(Err(words(&error)));
                }
                Err(error) => return Err(error),
            }
        }
        transaction.commit().await?;
        Ok(outcomes)
    }

    fn verdict(&self, error: &sqlx::Error) -> Verdict {
        let Some(code) = error.as_database_error().and_then(sqlx::error::DatabaseError::code) else {
            return if is_lost(error) { Verdict::Again } else { Verdict::Final };
        };
        match (&*code, code.get(..2).unwrap_or_default()) {
            // A lock, a server that goes or comes, too many connections.
            ("40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "57P05" | "53300", _) | (_, "08") => Verdict::Again,
            ("P0001" | "54000" | "42804" | "42846", _) | (_, "22" | "23" | "44") => Verdict::Row,
            _ => Verdict::Final,
        }
    }

    async fn write_at_once(
        &self,
        table: &str,
        key: &SqlColumn,
        columns: &[SqlColumn],
        rows: &[(Parameter, Vec<Parameter>)],
    ) -> Result<Option<()>, sqlx::Error> {
        let set: Vec<String> =
            columns.iter().enumerate().map(|(place, column)| format!("{} = written.c{place}::{}", self.quote(&column.column.name), column.cast)).collect();
        let arrays: Vec<String> = (0..=columns.len()).map(|place| format!("${}::text[]", place + 1)).collect();
        let names: Vec<String> = (0..columns.len()).map(|place| format!(", c{place}")).collect();
        let sql = format!(
            "UPDATE {table} AS kept SET {} FROM unnest({}) AS written (k{}) WHERE kept.{} = written.k::{}",
            set.join(", "),
            arrays.join(", "),
            names.concat(),
            self.quote(&key.column.name),
            key.cast
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(rows.iter().map(|(key, _)| key.clone().into_text()).collect::<Vec<_>>());
        for place in 0..columns.len() {
            query = query.bind(rows.iter().map(|(_, values)| values.get(place).cloned().and_then(Parameter::into_text)).collect::<Vec<_>>());
        }
        let mut transaction = self.pool.begin().await?;
        let changed = query.execute(&mut *transaction).await.map(|done| done.rows_affected());
        all_or_none(self, transaction, changed, rows.len()).await
    }
}
