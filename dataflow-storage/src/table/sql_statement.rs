//! A statement with its parameters, and what a database has to tell and do so that [`SqlTable`](super::SqlTable) can work with it.

use std::{fmt, io};

use async_trait::async_trait;
use dataflow_core::Error;
use serde_json::{Number, Value};

use super::{ColumnKind, RowKey, TableColumn};

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Parameter {
    Null,
    Integer(i128),
    Real(f64),
    Text(String),
}

impl From<&RowKey> for Parameter {
    fn from(key: &RowKey) -> Self {
        match key {
            RowKey::Integer(number) => Self::Integer(*number),
            RowKey::Text(text) => Self::Text(text.clone()),
        }
    }
}

impl Parameter {
    /// As text, for a database whose statements cast it to what it should be.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(number.to_string()),
            Self::Real(number) => Some(number.to_string()),
            Self::Text(text) => Some(text),
        }
    }
}

/// How many bytes are shown of a text that is none.
const SHOWN_BYTES: usize = 16;

/// A cell as it came from a database.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RawCell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Text whose bytes are not UTF-8.
    NotText(Vec<u8>),
}

impl RawCell {
    /// The cell as a value for a prompt.
    pub(super) fn into_value(self, kind: ColumnKind) -> Value {
        match (self, kind) {
            (Self::Null | Self::NotText(_), _) => Value::Null,
            (Self::Integer(number @ (0 | 1)), ColumnKind::Boolean) => Value::Bool(number == 1),
            (Self::Integer(number), _) => number.into(),
            // JSON has no number that is endless or none.
            (Self::Real(number), _) => Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number),
            (Self::Text(text), kind) => text_value(text, kind),
        }
    }

    /// What is wrong with the cell, where it could not be read.
    pub(super) fn unreadable(&self, column: &TableColumn) -> Option<String> {
        let Self::NotText(bytes) = self else { return None };
        let first: String = bytes.iter().take(SHOWN_BYTES).fold(String::new(), |shown, byte| format!("{shown}{byte:02x}"));
        let more = if bytes.len() > SHOWN_BYTES { "…" } else { "" };
        Some(format!("column `{}` is `{}`, found bytes that are not UTF-8: `{first}{more}`", column.name, column.declared))
    }

    /// The cell as a key; `None` where it is none.
    pub(super) fn into_key(self, kind: ColumnKind) -> Option<RowKey> {
        match self {
            Self::Null | Self::NotText(_) => None,
            Self::Integer(number) => Some(RowKey::Integer(number.into())),
            Self::Real(number) => Some(RowKey::Text(number.to_string())),
            Self::Text(text) if kind == ColumnKind::Integer => Some(text.parse().map_or(RowKey::Text(text), RowKey::Integer)),
            Self::Text(text) => Some(RowKey::Text(text)),
        }
    }
}

fn text_value(text: String, kind: ColumnKind) -> Value {
    let read = match kind {
        ColumnKind::Integer => text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok(),
        ColumnKind::Float => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
        ColumnKind::Boolean => match text.as_str() {
            "1" | "t" | "true" => Some(Value::Bool(true)),
            "0" | "f" | "false" => Some(Value::Bool(false)),
            _ => None,
        },
        ColumnKind::Json | ColumnKind::List => serde_json::from_str(&text).ok(),
        _ => None,
    };
    read.unwrap_or(Value::String(text))
}

/// A value as it is written into a column. Where it does not fit, the database says so.
pub(super) fn parameter(kind: ColumnKind, value: &Value) -> Parameter {
    match (kind, value) {
        (_, Value::Null) => Parameter::Null,
        (ColumnKind::List, Value::Array(items)) => Parameter::Text(list_literal(items)),
        (ColumnKind::Json, value) | (_, value @ (Value::Array(_) | Value::Object(_))) => Parameter::Text(value.to_string()),
        (ColumnKind::Boolean | ColumnKind::Integer | ColumnKind::Float | ColumnKind::Decimal, Value::Bool(yes)) => Parameter::Integer(i128::from(*yes)),
        (ColumnKind::Boolean, Value::String(text)) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "1" => Parameter::Integer(1),
            "false" | "no" | "0" => Parameter::Integer(0),
            _ => Parameter::Text(text.clone()),
        },
        (ColumnKind::Integer | ColumnKind::Boolean, Value::Number(number)) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Parameter::Integer(whole.into()),
            (None, Some(whole), _) => Parameter::Integer(whole.into()),
            (None, None, Some(real)) if real.fract() == 0.0 && real.abs() < 9e15 => Parameter::Integer(real as i128), // a model's 3.0
            _ => Parameter::Text(number.to_string()),
        },
        (ColumnKind::Integer | ColumnKind::Float | ColumnKind::Decimal, Value::String(text)) => Parameter::Text(text.trim().to_owned()),
        (ColumnKind::Float, Value::Number(number)) => number.as_f64().map_or_else(|| Parameter::Text(number.to_string()), Parameter::Real),
        (_, Value::Number(number)) => Parameter::Text(number.to_string()),
        (_, Value::Bool(yes)) => Parameter::Text(yes.to_string()),
        (_, Value::String(text)) => Parameter::Text(text.clone()),
    }
}

/// A list in PostgreSQL's text form: `{"a","b"}`.
fn list_literal(items: &[Value]) -> String {
    let item = |item: &Value| match item {
        Value::Null => "NULL".to_owned(),
        Value::Array(items) => list_literal(items),
        Value::String(text) => quoted_item(text),
        other => quoted_item(&other.to_string()),
    };
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
}

fn quoted_item(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A column with the type that a parameter for it is cast to.
#[derive(Clone, Debug)]
pub(super) struct SqlColumn {
    pub(super) column: TableColumn,
    pub(super) cast: String,
    /// Whether an index holds its values to be different.
    pub(super) is_unique: bool,
}

/// A statement that is being put together.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter>,
}

impl Statement {
    pub(super) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), parameters: Vec::new() }
    }

    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Puts a parameter's mark at the end.
    pub(super) fn bind(&mut self, database: &dyn Database, parameter: Parameter, cast: &str) -> &mut Self {
        self.parameters.push(parameter);
        let mark = database.mark(self.parameters.len(), cast);
        self.push(&mark)
    }

    /// Puts parameters in brackets at the end: `(?, ?)`.
    pub(super) fn bind_list(&mut self, database: &dyn Database, parameters: impl Iterator<Item = Parameter>, cast: &str) -> &mut Self {
        self.push("(");
        for (place, parameter) in parameters.enumerate() {
            self.push(if place == 0 { "" } else { ", " }).bind(database, parameter, cast);
        }
        self.push(")")
    }
}

/// What an error of a database means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The row's values: told with the row.
    Row,
    /// The connection, or a lock: done again.
    Again,
    /// Anything else ends the run.
    Final,
}

/// What became of a statement: rows that it changed, or why it was refused.
pub(super) type Outcome = Result<u64, String>;

/// How the statements of a transaction are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusals {
    /// The first that is refused undoes all, and is the error.
    UndoAll,
    /// One that is refused is undone alone.
    Alone,
}

/// What differs from database to database.
#[async_trait]
pub(super) trait Database: fmt::Debug + Send + Sync {
    /// A name in quotes, whatever is in it.
    fn quote(&self, name: &str) -> String;

    /// The table's name with all that goes before it.
    fn table(&self, name: &str) -> String;

    /// Where a parameter stands.
    fn mark(&self, position: usize, cast: &str) -> String;

    /// How a column is read.
    fn read(&self, column: &SqlColumn) -> String;

    /// How the column that rows are known by is read, so that rows are found by what was read.
    fn read_key(&self, column: &SqlColumn) -> String {
        self.read(column)
    }

    /// The number of rows, in the form that cells are read in.
    fn number_of_rows(&self) -> &'static str;

    /// The type of a column that is made for answers.
    fn text_type(&self) -> &'static str;

    /// Milliseconds since 1970 by the database's clock.
    fn now(&self) -> &'static str;

    /// The condition under which a column holds nothing.
    fn is_empty(&self, column: &SqlColumn) -> String {
        let name = self.quote(&column.column.name);
        match column.column.kind {
            ColumnKind::Text => format!("({name} IS NULL OR {name} = '')"),
            _ => format!("{name} IS NULL"),
        }
    }

    /// Why a value is refused which the database would silently change.
    fn would_change(&self, _column: &SqlColumn, _value: &Value) -> Option<String> {
        None
    }

    /// The statement that adds claims, which stand between `before` and `after`: those of others that still hold stay.
    fn claim(&self, claims: &str) -> (String, String);

    /// The statements of one transaction that makes the table of claims where there is none, whoever else does so at that moment.
    fn create_claims(&self, claims: &str) -> Vec<String>;

    /// The tables that there are.
    async fn tables(&self) -> Result<Vec<String>, sqlx::Error>;

    /// The columns of a table; none where there is no such table.
    async fn describe(&self, table: &str) -> Result<Vec<SqlColumn>, sqlx::Error>;

    /// Rows of a query.
    async fn rows(&self, statement: Statement) -> Result<Vec<Vec<RawCell>>, sqlx::Error>;

    /// Statements in one transaction, and what became of each.
    async fn transaction(&self, statements: Vec<Statement>, refusals: Refusals) -> Result<Vec<Outcome>, sqlx::Error>;

    /// What an error means.
    fn verdict(&self, error: &sqlx::Error) -> Verdict;

    /// Writes many rows in one statement where the database can; `None` where it cannot, or a row was refused, and nothing is written.
    async fn write_at_once(
        &self,
        _table: &str,
        _key: &SqlColumn,
        _columns: &[SqlColumn],
        _rows: &[(Parameter, Vec<Parameter>)],
    ) -> Result<Option<()>, sqlx::Error> {
        Ok(None)
    }
}

/// Ends a transaction that should have changed so many rows, each once. Otherwise a row is gone or there twice, or was refused: all is undone, and one by one it is seen which.
pub(super) async fn all_or_none<D: sqlx::Database>(
    database: &dyn Database,
    transaction: sqlx::Transaction<'_, D>,
    changed: Result<u64, sqlx::Error>,
    rows: usize,
) -> Result<Option<()>, sqlx::Error> {
    match changed {
        Ok(changed) if changed == rows as u64 => transaction.commit().await.map(Some),
        Err(error) if database.verdict(&error) != Verdict::Row => Err(error),
        Ok(_) | Err(_) => transaction.rollback().await.map(|()| None),
    }
}

/// Whether an error says that the connection is gone.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed
    )
}

/// The error of a database that could not be reached, or that does not let us in.
pub(super) fn not_connected(doing: String, error: &sqlx::Error) -> Error {
    if is_lost(error) {
        let hint = "is the server running, and reachable from here?";
        return Error::storage(doing, io::Error::new(io::ErrorKind::NotConnected, format!("{}\nhint: {hint}", words(error))));
    }
    Error::Configuration(format!("{doing}: {}\nhint: are `user`, `password` and `database` right?", words(error)))
}

/// What a database says of an error, without the library's words around it.
pub(super) fn words(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: ColumnKind, value: &Value) -> Parameter {
        parameter(kind, value)
    }

    #[test]
    fn values_are_written_in_the_type_of_their_column() {
        assert_eq!(check(ColumnKind::Integer, &json!(3.0)), Parameter::Integer(3));
        assert_eq!(check(ColumnKind::Integer, &json!(" 42 ")), Parameter::Text("42".into()));
        assert_eq!(check(ColumnKind::Integer, &json!(3.5)), Parameter::Text("3.5".into()));
        assert_eq!(check(ColumnKind::Integer, &json!(u64::MAX)), Parameter::Integer(u64::MAX.into()));
        assert_eq!(check(ColumnKind::Boolean, &json!("Yes")), Parameter::Integer(1));
        assert_eq!(check(ColumnKind::Text, &json!(false)), Parameter::Text("false".into()));
        assert_eq!(check(ColumnKind::Text, &json!(["甲", 1])), Parameter::Text(r#"["甲",1]"#.into()));
        assert_eq!(check(ColumnKind::Json, &json!("text")), Parameter::Text(r#""text""#.into()));
        assert_eq!(check(ColumnKind::List, &json!(["a\"b", null, 1, ["c\\"]])), Parameter::Text(r#"{"a\"b",NULL,"1",{"c\\"}}"#.into()));
        assert_eq!(check(ColumnKind::Decimal, &json!(12.5)), Parameter::Text("12.5".into()));
    }

    #[test]
    fn cells_are_read_as_what_their_column_holds() {
        let check = |text: &str, kind| RawCell::Text(text.into()).into_value(kind);
        assert_eq!(check("18446744073709551615", ColumnKind::Integer), json!(u64::MAX));
        assert_eq!(check("12.50", ColumnKind::Decimal), json!("12.50"));
        assert_eq!(check("t", ColumnKind::Boolean), json!(true));
        assert_eq!(check("{\"a\": [1]}", ColumnKind::Json), json!({"a": [1]}));
        assert_eq!(check("NaN", ColumnKind::Float), json!("NaN"));
        assert_eq!(RawCell::Real(f64::NEG_INFINITY).into_value(ColumnKind::Float), json!("-inf"));
        assert_eq!(RawCell::Text("-170141183460469231731687303715884105728".into()).into_key(ColumnKind::Integer), Some(RowKey::Integer(i128::MIN)));
    }
}
