//! A table of a database: what is the same for all of them.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use futures::future::BoxFuture;

use super::claims::{self, Claims};
use super::mysql::MysqlDatabase;
use super::postgresql::PostgresqlDatabase;
use super::sql_statement::{Database, Outcome, Parameter, RawCell, Refusals, SqlColumn, Statement, Verdict, is_lost, not_connected, parameter, words};
use super::sqlite::SqliteDatabase;
use super::{Claimant, ColumnKind, Refusal, RowKey, RowUpdate, Table, TableColumn, TableRow, ToDo};

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub enum SqlAddress {
    /// A file of SQLite; it must exist.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// A MySQL or MariaDB server.
    Mysql {
        /// The server's name or address.
        host: String,
        /// Its port; 3306 is usual.
        port: u16,
        /// Who logs in.
        user: String,
        /// His password.
        password: String,
        /// The database.
        database: String,
    },
    /// A PostgreSQL server.
    Postgresql {
        /// The server's name or address.
        host: String,
        /// Its port; 5432 is usual.
        port: u16,
        /// Who logs in.
        user: String,
        /// His password.
        password: String,
        /// The database.
        database: String,
        /// The schema that the table is in; `public` is usual.
        schema: String,
    },
}

impl fmt::Debug for SqlAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for SqlAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(out, "sqlite `{}`", path.display()),
            Self::Mysql { host, port, database, .. } => write!(out, "mysql `{database}` at {host}:{port}"),
            Self::Postgresql { host, port, database, schema, .. } => write!(out, "postgresql `{database}` at {host}:{port}, schema `{schema}`"),
        }
    }
}

/// Which table, and how it is connected to.
#[derive(Clone, Debug)]
pub struct SqlTableOptions {
    /// Where the database is.
    pub address: SqlAddress,
    /// The table's name, in any language.
    pub table: String,
    /// The column that rows are known by; its values are all there and all different.
    pub id_column: String,
    /// The most connections at once.
    pub pool_size: u32,
    /// How long a lost connection is waited for before the run ends.
    pub wait_for_connection: Duration,
}

impl SqlTableOptions {
    /// A table with the key `id`, five connections, and ten minutes of patience.
    pub fn new(address: SqlAddress, table: impl Into<String>) -> Self {
        Self { address, table: table.into(), id_column: "id".into(), pool_size: 5, wait_for_connection: Duration::from_mins(10) }
    }
}

/// A table of a database.
pub struct SqlTable {
    database: Box<dyn Database>,
    options: SqlTableOptions,
    /// The table's quoted name.
    name: String,
    columns: RwLock<Arc<Vec<SqlColumn>>>,
    key: SqlColumn,
    claims: Claims,
}

impl fmt::Debug for SqlTable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "table `{}` of {}", self.options.table, self.options.address)
    }
}

impl SqlTable {
    /// Connects, and looks at the table: it must be there, with a key whose values are all there and all different.
    pub async fn open(options: SqlTableOptions) -> Result<Self> {
        let database: Box<dyn Database> = match &options.address {
            SqlAddress::Sqlite { path } => Box::new(SqliteDatabase::open(path, options.pool_size).await?),
            SqlAddress::Mysql { .. } => Box::new(MysqlDatabase::open(&options.address, options.pool_size).await?),
            SqlAddress::Postgresql { .. } => Box::new(PostgresqlDatabase::open(&options.address, options.pool_size).await?),
        };
        let failed = |error: sqlx::Error| Error::storage(format!("looking at table `{}` of {}", options.table, options.address), error);
        let columns = database.describe(&options.table).await.map_err(failed)?;
        if columns.is_empty() {
            let tables = database.tables().await.map_err(failed)?;
            return Err(Error::NotFound(format!("{} has no table `{}`\nhint: {}", options.address, options.table, there_is(&options.table, &tables))));
        }
        let names: Vec<String> = columns.iter().map(|column| column.column.name.clone()).collect();
        let Some(key) = columns.iter().find(|column| column.column.name == options.id_column).cloned() else {
            let there = there_is(&options.id_column, &names);
            return Err(Error::Configuration(format!(
                "table `{}` has no column `{}` to know its rows by\nhint: name one with `id_column`; {there}",
                options.table, options.id_column
            )));
        };
        let name = database.table(&options.table);
        let table = Self { claims: Claims::new(&*database, &options.table), database, name, columns: RwLock::new(Arc::new(columns)), key, options };
        table.check_key().await?;
        Ok(table)
    }

    /// A key that is null or there twice would have rows passed over or written for one another.
    async fn check_key(&self) -> Result<()> {
        if self.key.is_unique && !self.key.column.nullable {
            return Ok(());
        }
        let (key, name) = (self.quote(&self.key), &self.name);
        let nulls = self.rows("looking for rows without a key", &Statement::new(format!("SELECT 1 FROM {name} WHERE {key} IS NULL LIMIT 1"))).await?;
        let twice = if self.key.is_unique {
            Vec::new()
        } else {
            let twice = Statement::new(format!("SELECT {} FROM {name} GROUP BY {key} HAVING COUNT(*) > 1 LIMIT 1", self.database.read_key(&self.key)));
            self.rows("looking for keys that are there twice", &twice).await?
        };
        let wrong = match (nulls.is_empty(), twice.into_iter().flatten().next()) {
            (true, None) => return Ok(()),
            (false, _) => "has rows where it is null".to_owned(),
            (true, Some(cell)) => format!("has `{}` more than once", cell.into_key(self.key.column.kind).map(|key| key.to_string()).unwrap_or_default()),
        };
        let (column, table) = (&self.key.column.name, &self.options.table);
        Err(Error::Configuration(format!("column `{column}` of table `{table}` {wrong}, and rows are known by it\nhint: name another with `id_column`")))
    }

    fn quote(&self, column: &SqlColumn) -> String {
        self.database.quote(&column.column.name)
    }

    fn known(&self) -> Arc<Vec<SqlColumn>> {
        self.columns.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn column(&self, name: &str) -> Result<SqlColumn> {
        let columns = self.known();
        if let Some(column) = columns.iter().find(|column| column.column.name == name) {
            return Ok(column.clone());
        }
        let names: Vec<String> = columns.iter().map(|column| column.column.name.clone()).collect();
        Err(Error::Configuration(format!("table `{}` has no column `{name}`\nhint: {}", self.options.table, there_is(name, &names))))
    }

    fn columns_named(&self, names: &[String]) -> Result<Vec<SqlColumn>> {
        names.iter().map(|name| self.column(name)).collect()
    }

    /// The condition of a row that is to be done.
    fn condition(&self, todo: &ToDo) -> Result<String> {
        let inputs = self.columns_named(&todo.inputs)?;
        let outputs = if todo.also_done { Vec::new() } else { self.columns_named(&todo.outputs)? };
        let empty = |column: &SqlColumn| self.database.is_empty(column);
        let filled: Vec<String> = inputs.iter().map(|column| format!("NOT {}", empty(column))).collect();
        let open: Vec<String> = outputs.iter().map(empty).collect();
        let all = |parts: &[String], by: &str, none: &str| if parts.is_empty() { none.to_owned() } else { format!("({})", parts.join(by)) };
        let filled = all(&filled, if todo.require_all { " AND " } else { " OR " }, "1 = 1");
        Ok(if todo.also_done { filled } else { format!("{filled} AND {}", all(&open, " OR ", "1 = 0")) })
    }

    /// `SELECT key, columns FROM table WHERE condition`, to which more conditions may be added.
    fn select(&self, todo: &ToDo) -> Result<(Statement, Vec<SqlColumn>)> {
        let columns = todo.columns_to_read().into_iter().map(|name| self.column(name)).collect::<Result<Vec<_>>>()?;
        let read: Vec<String> = std::iter::once(self.database.read_key(&self.key)).chain(columns.iter().map(|column| self.database.read(column))).collect();
        Ok((Statement::new(format!("SELECT {} FROM {} WHERE {}", read.join(", "), self.name, self.condition(todo)?)), columns))
    }

    /// Runs what [`select`](Self::select) began.
    async fn selected(&self, doing: &str, statement: &Statement, columns: &[SqlColumn]) -> Result<Vec<TableRow>> {
        let mut rows = Vec::new();
        for cells in self.rows(doing, statement).await? {
            let mut cells = cells.into_iter();
            let key = cells.next().unwrap_or(RawCell::Null);
            if let Some(wrong) = key.unreadable(&self.key.column) {
                return Err(Error::Data(format!("table `{}`: {wrong}, and rows are known by it", self.options.table)));
            }
            let Some(key) = key.into_key(self.key.column.kind) else { continue }; // null: seen to at the start
            let mut unreadable = None;
            let mut value = |(column, cell): (&SqlColumn, RawCell)| {
                unreadable = unreadable.take().or_else(|| cell.unreadable(&column.column));
                (column.column.name.clone(), cell.into_value(column.column.kind))
            };
            let values = columns.iter().zip(cells).map(&mut value).collect();
            rows.push(TableRow { key, values, unreadable });
        }
        Ok(rows)
    }

    async fn rows(&self, doing: &str, statement: &Statement) -> Result<Vec<Vec<RawCell>>> {
        self.persist(doing, || self.database.rows(statement.clone())).await
    }

    async fn transaction(&self, doing: &str, statements: &[Statement], refusals: Refusals) -> Result<Vec<Outcome>> {
        self.persist(doing, || self.database.transaction(statements.to_vec(), refusals)).await
    }

    /// Does something again for as long as the connection is away or a lock is held.
    async fn persist<'a, T>(&self, doing: &str, attempt: impl Fn() -> BoxFuture<'a, Result<T, sqlx::Error>> + Send + Sync) -> Result<T> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(50);
        let mut told = false;
        loop {
            let error = match attempt().await {
                Ok(done) => {
                    if told {
                        tracing::info!(table = self.options.table, seconds = began.elapsed().as_secs_f64(), "the database answers again");
                    }
                    return Ok(done);
                }
                Err(error) => error,
            };
            let patient = began.elapsed() < self.options.wait_for_connection;
            if self.database.verdict(&error) != Verdict::Again || !patient {
                let doing = format!("{doing} in table `{}` of {}", self.options.table, self.options.address);
                return Err(if is_lost(&error) { not_connected(doing, &error) } else { Error::storage(doing, words(&error)) });
            }
            if !told && is_lost(&error) {
                told = true;
                tracing::warn!(table = self.options.table, error = words(&error), "the database does not answer; it is waited for");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Those of the columns that the table lacks, each once.
    fn missing<'a>(&self, names: &'a [String]) -> Vec<&'a String> {
        let columns = self.known();
        let mut missing: Vec<&String> = Vec::new();
        for name in names {
            if !missing.contains(&name) && !columns.iter().any(|column| column.column.name == *name) {
                missing.push(name);
            }
        }
        missing
    }

    /// The statement that adds a column of text.
    fn addition(&self, name: &str) -> String {
        format!("ALTER TABLE {} ADD COLUMN {} {}", self.name, self.database.quote(name), self.database.text_type())
    }

    /// The statement that writes one row.
    fn update(&self, row: &Prepared) -> Statement {
        let mut statement = Statement::new(format!("UPDATE {} SET ", self.name));
        for (place, (column, value)) in row.columns.iter().zip(&row.values).enumerate() {
            let name = self.quote(column);
            statement.push(if place == 0 { "" } else { ", " }).push(&name).push(" = ").bind(&*self.database, value.clone(), &column.cast);
        }
        let key = self.quote(&self.key);
        statement.push(" WHERE ").push(&key).push(" = ").bind(&*self.database, Parameter::from(&row.key), &self.key.cast);
        statement
    }

    /// Rows that set the same columns are written in one statement where the database can; otherwise `false`, and nothing is written.
    async fn written_at_once(&self, rows: &[Prepared]) -> Result<bool> {
        let Some(first) = rows.first() else { return Ok(true) };
        let same = |row: &Prepared| row.columns.iter().map(|column| &column.column.name).eq(first.columns.iter().map(|column| &column.column.name));
        if !rows.iter().all(same) {
            return Ok(false);
        }
        let values: Vec<_> = rows.iter().map(|row| (Parameter::from(&row.key), row.values.clone())).collect();
        let done = self.persist("writing", || self.database.write_at_once(&self.name, &self.key, &first.columns, &values)).await?;
        Ok(done.is_some())
    }
}

/// A row whose values are ready to be written.
#[derive(Debug)]
struct Prepared {
    key: RowKey,
    columns: Vec<SqlColumn>,
    values: Vec<Parameter>,
}

/// `did you mean …? it has …`
fn there_is(name: &str, names: &[String]) -> String {
    let meant = nearest(name, names.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
    let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    format!("{meant}it has {}", if names.is_empty() { "none" } else { &names })
}

#[async_trait]
impl Table for SqlTable {
    async fn columns(&self) -> Result<Vec<TableColumn>> {
        Ok(self.known().iter().map(|column| column.column.clone()).collect())
    }

    async fn missing_columns(&self, outputs: &[String]) -> Result<Option<String>> {
        let statements: Vec<String> = self.missing(outputs).into_iter().map(|name| format!("{};", self.addition(name))).collect();
        Ok((!statements.is_empty()).then(|| statements.join("\n")))
    }

    async fn create_columns(&self, outputs: &[String]) -> Result<()> {
        for name in self.missing(outputs) {
            let added = self.transaction("adding a column", &[Statement::new(self.addition(name))], Refusals::UndoAll).await;
            let columns = self.persist("looking at the columns", || self.database.describe(&self.options.table)).await?;
            *self.columns.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(columns);
            if !self.missing(std::slice::from_ref(name)).is_empty() {
                added?; // otherwise another engine has added it at this moment
            }
        }
        Ok(())
    }

    async fn count(&self, todo: &ToDo) -> Result<u64> {
        let statement = Statement::new(format!("SELECT {} FROM {} WHERE {}", self.database.number_of_rows(), self.name, self.condition(todo)?));
        let rows = self.rows("counting rows", &statement).await?;
        let count = rows.into_iter().flatten().next().and_then(|cell| cell.into_key(ColumnKind::Integer));
        Ok(match count {
            Some(RowKey::Integer(count)) => u64::try_from(count).unwrap_or_default(),
            _ => 0,
        })
    }

    async fn page(&self, todo: &ToDo, after: Option<&RowKey>, rows: usize) -> Result<Vec<TableRow>> {
        let (mut statement, columns) = self.select(todo)?;
        let key = self.quote(&self.key);
        if let Some(after) = after {
            statement.push(" AND ").push(&key).push(" > ").bind(&*self.database, after.into(), &self.key.cast);
        }
        // With its table before it, since a cast that is read may have the name of the column, and would be what is sorted by.
        statement.push(&format!(" ORDER BY {}.{key} LIMIT {rows}", self.name));
        self.selected("reading rows", &statement, &columns).await
    }

    async fn write(&self, rows: Vec<RowUpdate>) -> Result<Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut prepared = Vec::with_capacity(rows.len());
        for row in rows {
            let names: Vec<String> = row.values.keys().cloned().collect();
            let columns = self.columns_named(&names)?;
            if let Some(message) = columns.iter().zip(row.values.values()).find_map(|(column, value)| self.database.would_change(column, value)) {
                refusals.push(Refusal { key: row.key, message });
            } else if !columns.is_empty() {
                let values = columns.iter().zip(row.values.values()).map(|(column, value)| parameter(column.column.kind, value)).collect();
                prepared.push(Prepared { key: row.key, columns, values });
            }
        }
        if self.written_at_once(&prepared).await? {
            return Ok(refusals);
        }
        let statements: Vec<Statement> = prepared.iter().map(|row| self.update(row)).collect();
        let outcomes = self.transaction("writing", &statements, Refusals::Alone).await?;
        for (row, outcome) in prepared.into_iter().zip(outcomes) {
            match outcome {
                Ok(0) => refusals.push(Refusal { message: format!("no row has the key `{}` any more", row.key), key: row.key }),
                Ok(_) => {}
                Err(message) => refusals.push(Refusal { key: row.key, message }),
            }
        }
        Ok(refusals)
    }

    async fn claim(&self, todo: &ToDo, keys: &[RowKey], claimant: &Claimant) -> Result<Vec<TableRow>> {
        let mut still = Vec::new();
        for keys in keys.chunks(Claims::AT_ONCE) {
            if !self.claims.are_made() {
                self.transaction("making the table of claims", &self.claims.create(&*self.database), Refusals::UndoAll).await?;
                self.claims.made();
            }
            self.transaction("claiming rows", &[self.claims.claim(&*self.database, keys, claimant)], Refusals::UndoAll).await?;
            let held = self.rows("reading claims", &self.claims.held(&*self.database, keys, claimant)).await?;
            let held: HashSet<String> = held.into_iter().flatten().filter_map(|cell| cell.into_key(ColumnKind::Text)).map(|key| key.to_string()).collect();
            let (got, _): (Vec<&RowKey>, Vec<_>) = keys.iter().partition(|key| held.contains(&claims::name(key)));
            if got.is_empty() {
                continue;
            }
            // Another engine may have done a row and given it back since it was read.
            let (mut statement, columns) = self.select(todo)?;
            let key = self.quote(&self.key);
            statement.push(" AND ").push(&key).push(" IN ").bind_list(&*self.database, got.iter().map(|key| Parameter::from(*key)), &self.key.cast);
            statement.push(&format!(" ORDER BY {}.{key}", self.name));
            let rows = self.selected("reading claimed rows", &statement, &columns).await?;
            let open: HashSet<&RowKey> = rows.iter().map(|row| &row.key).collect();
            let done: Vec<RowKey> = got.into_iter().filter(|key| !open.contains(key)).cloned().collect();
            self.release(&done, claimant).await?;
            still.extend(rows);
        }
        Ok(still)
    }

    async fn renew(&self, claimant: &Claimant) -> Result<u64> {
        if !self.claims.are_made() {
            return Ok(0);
        }
        let outcomes = self.transaction("renewing claims", &[self.claims.renew(&*self.database, claimant)], Refusals::UndoAll).await?;
        Ok(outcomes.into_iter().filter_map(Result::ok).sum())
    }

    async fn release(&self, keys: &[RowKey], claimant: &Claimant) -> Result<()> {
        if !self.claims.are_made() || keys.is_empty() {
            return Ok(());
        }
        let statements: Vec<Statement> = keys.chunks(Claims::AT_ONCE).map(|keys| self.claims.release(&*self.database, keys, claimant)).collect();
        self.transaction("giving rows back", &statements, Refusals::UndoAll).await?;
        Ok(())
    }

    async fn save(&self) -> Result<()> {
        Ok(())
    }
}
