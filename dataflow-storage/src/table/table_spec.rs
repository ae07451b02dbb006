//! `type: table`: a table as a pipeline file's storage describes it.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dataflow_core::registry::nearest;
use dataflow_core::storage::StorageKind;
use dataflow_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sqlite;
use super::{
    Claimant, FailedRows, FileTable, FileTableOptions, NamedText, SqlAddress, SqlTable, SqlTableOptions, Table, TableFileKind, TableStorage,
    TableStorageOptions, ToDo,
};
use crate::input_file;

inventory::submit! {
    StorageKind { name: "table", build: |spec, context| Ok(Arc::new(read(spec)?.open(&context.base)?)) }
}

/// What a table is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableSource {
    /// A sheet of a workbook.
    #[default]
    Excel,
    /// Text with a separator.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Parquet.
    Parquet,
    /// A file of SQLite.
    Sqlite,
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgresql,
}

impl TableSource {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 7] = [
        ("excel", Self::Excel),
        ("csv", Self::Csv),
        ("mysql", Self::Mysql),
        ("postgresql", Self::Postgresql),
        ("sqlite", Self::Sqlite),
        ("jsonl", Self::Jsonl),
        ("parquet", Self::Parquet),
    ];

    /// The name in files.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, source)| *source == self).map_or("", |(name, _)| name)
    }

    /// The source of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, source)| source)
    }

    fn file(self) -> Option<TableFileKind> {
        match self {
            Self::Excel => Some(TableFileKind::Excel),
            Self::Csv => Some(TableFileKind::Csv),
            Self::Jsonl => Some(TableFileKind::Jsonl),
            Self::Parquet => Some(TableFileKind::Parquet),
            Self::Sqlite | Self::Mysql | Self::Postgresql => None,
        }
    }
}

/// Where a table is: AI-DataFlux's sections `mysql`, `postgresql`, `sqlite`, `excel` and `csv`, of which each uses a part.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TablePlace {
    /// A server's name or address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Who logs in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// His password; never written out.
    #[serde(skip_serializing)]
    pub password: String,
    /// The database.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub database: String,
    /// The schema of the table; `public` without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_name: Option<String>,
    /// Connections at once, from 1 to 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_size: Option<u32>,
    /// The table.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub table_name: String,
    /// The file of SQLite.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub db_path: String,
    /// The file that is read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub input_path: String,
    /// The file that is written; the one that is read without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_path: Option<String>,
    /// The sheet of a workbook; the first without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The encoding of a csv; found without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The separator of a csv, one character or `tab`; found without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
}

impl TablePlace {
    /// The keys that there are.
    pub const KEYS: [&'static str; 14] = [
        "host",
        "port",
        "user",
        "password",
        "database",
        "schema_name",
        "pool_size",
        "table_name",
        "db_path",
        "input_path",
        "output_path",
        "sheet",
        "encoding",
        "separator",
    ];

    fn text(&self) -> NamedText {
        NamedText { encoding: self.encoding.clone(), separator: self.separator.clone() }
    }
}

/// Leaves the password out.
impl fmt::Debug for TablePlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("TablePlace").field(&serde_json::to_value(self).unwrap_or_default()).finish()
    }
}

/// A table as a pipeline file's storage describes it: where it is, and which of its rows are done in what way.
///
/// ```yaml
/// storage:
///   type: table
///   source: sqlite
///   at: { db_path: ./questions.db, table_name: questions }
///   inputs: [question]
///   outputs: [answer]
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableSpec {
    /// What the table is in.
    pub source: TableSource,
    /// Where it is.
    pub at: TablePlace,
    /// The column that a database's rows are known by.
    pub id_column: String,
    /// The columns that are read.
    pub inputs: Vec<String>,
    /// The columns that are written; a row with one of them empty is to be done.
    pub outputs: Vec<String>,
    /// Whether all inputs must hold something, or one of them.
    pub require_all_input_fields: bool,
    /// Columns that are read as well and may be empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_also: Vec<String>,
    /// The pipeline's column that tells why a row failed: the `error_key` of its step.
    pub error_key: String,
    /// The table's column that takes the reason of a failed row; it is emptied when the row is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_column: Option<String>,
    /// Whether a failed row gets `ERROR: …` in all outputs, so that no later run tries it again.
    pub write_errors: bool,
    /// Whether outputs that the table does not have are added to it.
    pub create_columns: bool,
    /// Whether the columns that are read give JSON, numbers with a fixed scale and the like as JSON values; as text without it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub json_values: bool,
    /// Whether rows are claimed, so that several engines can share the table.
    pub claim: bool,
    /// Seconds that a claim holds when its engine gives no sign of life.
    pub claim_lease: f64,
    /// Rows that are read at once.
    pub page_rows: usize,
    /// Seconds between two savings of a file.
    pub save_interval: f64,
    /// The folder for the journal, the report and failed rows.
    pub cache_path: PathBuf,
}

impl Default for TableSpec {
    fn default() -> Self {
        Self {
            source: TableSource::default(),
            at: TablePlace::default(),
            id_column: "id".into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            require_all_input_fields: true,
            read_also: Vec::new(),
            error_key: "_error".into(),
            error_column: None,
            write_errors: false,
            create_columns: false,
            json_values: false,
            claim: false,
            claim_lease: 120.0,
            page_rows: 1024,
            save_interval: 300.0,
            cache_path: "./cache".into(),
        }
    }
}

/// What opens a table.
type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn Table>>> + Send>>;

impl TableSpec {
    /// What is missing or cannot be, each with the section that it should stand in.
    pub fn problems(&self, section: &str) -> Vec<String> {
        let at = &self.at;
        let needed: Vec<(&str, &str)> = match self.source {
            TableSource::Mysql | TableSource::Postgresql => {
                vec![("host", &at.host), ("user", &at.user), ("database", &at.database), ("table_name", &at.table_name)]
            }
            TableSource::Sqlite => vec![("db_path", &at.db_path), ("table_name", &at.table_name)],
            _ => vec![("input_path", &at.input_path)],
        };
        let missing = needed.into_iter().filter(|(_, value)| value.trim().is_empty());
        let mut problems: Vec<String> = missing.map(|(name, _)| format!("`{section}.{name}` is missing")).collect();
        if self.claim && self.source.file().is_some() {
            problems.push(format!(
                "`claim` is for databases, and the table is in {}: a file is written by one engine\nhint: leave `claim` out, or keep the rows in a database",
                self.source.name()
            ));
        }
        for (name, seconds) in [("save_interval", self.save_interval), ("claim_lease", self.claim_lease)] {
            if Duration::try_from_secs_f64(seconds).is_err() {
                problems.push(format!("`{name}` should be a number of seconds, found {seconds}"));
            }
        }
        problems.extend(at.text().problems(section));
        problems.extend(self.clashes());
        problems
    }

    /// That the file which the table is in is not there, which can be told before the table can be opened.
    pub fn missing_file(&self, base: &Path) -> Option<Error> {
        let (path, check) = match self.source {
            TableSource::Mysql | TableSource::Postgresql => return None,
            TableSource::Sqlite => (&self.at.db_path, sqlite::check_is_there as fn(&Path) -> Result<()>),
            TableSource::Excel | TableSource::Csv | TableSource::Jsonl | TableSource::Parquet => (&self.at.input_path, input_file::check_is_there as _),
        };
        if path.trim().is_empty() { None } else { check(&base.join(path)).err() }
    }

    /// Columns that would be written over what others have in them.
    fn clashes(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(column) = &self.error_column {
            let uses = [
                ("a column that is read", self.inputs.iter().chain(&self.read_also).any(|read| read == column)),
                ("a column that is written", self.outputs.contains(column)),
                ("the column that rows are known by", self.id_column == *column),
            ];
            problems.extend(uses.into_iter().filter(|(_, is_used)| *is_used).take(1).map(|(what, _)| {
                format!("`error_column` is `{column}`, {what}: reasons would stand over what is in it\nhint: give it a column of its own, such as `error`")
            }));
        }
        if self.outputs.contains(&self.id_column) {
            let column = &self.id_column;
            problems.push(format!("column `{column}` is written, and rows are known by it\nhint: write into another column, or name another `id_column`"));
        }
        problems
    }

    /// The rows that are done.
    pub fn todo(&self) -> ToDo {
        ToDo {
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            require_all: self.require_all_input_fields,
            read_also: self.read_also.clone(),
            also_done: false,
        }
    }

    /// Opens the table as a pipeline's storage; relative paths start from `base`.
    pub fn open(&self, base: &Path) -> Result<TableStorage> {
        let problems = self.problems("at");
        if !problems.is_empty() {
            return Err(Error::Faults(problems.into()));
        }
        let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_mins(5));
        let mut spec = Map::from_iter([("type".to_owned(), Value::from("table"))]);
        if let Ok(Value::Object(keys)) = serde_json::to_value(self) {
            spec.extend(keys);
        }
        let options = TableStorageOptions {
            todo: self.todo(),
            failed: FailedRows { told_in: Some(self.error_key.clone()), error_column: self.error_column.clone(), into_outputs: self.write_errors },
            create_columns: self.create_columns,
            json_values: self.json_values,
            claimant: self.claim.then(|| Claimant { owner: owner(), lease: seconds(self.claim_lease).max(Duration::from_millis(100)) }),
            page_rows: self.page_rows.max(1),
            save_interval: seconds(self.save_interval),
            work_path: base.join(&self.cache_path),
            input: self.at.output_path.as_ref().filter(|_| self.source.file().is_some()).map(|_| base.join(&self.at.input_path)),
            shown: self.shown(base),
            spec: Value::Object(spec),
        };
        TableStorage::open(self.opening(base), options)
    }

    /// What opens the table.
    fn opening(&self, base: &Path) -> Opening {
        let at = &self.at;
        if let Some(kind) = self.source.file() {
            let input = base.join(&at.input_path);
            let output = at.output_path.as_ref().map_or_else(|| input.clone(), |output| base.join(output));
            let outputs = self.outputs.iter().chain(&self.error_column).cloned().collect();
            let options = FileTableOptions { kind, input, output, outputs, sheet: at.sheet.clone(), text: at.text() };
            return Box::pin(async move { Ok(Arc::new(FileTable::open(options).await?) as Arc<dyn Table>) });
        }
        let (host, user, password, database) = (at.host.clone(), at.user.clone(), at.password.clone(), at.database.clone());
        let address = match self.source {
            TableSource::Mysql => SqlAddress::Mysql { host, port: at.port.unwrap_or(3306), user, password, database },
            TableSource::Postgresql => {
                let schema = at.schema_name.clone().unwrap_or_else(|| "public".into());
                SqlAddress::Postgresql { host, port: at.port.unwrap_or(5432), user, password, database, schema }
            }
            _ => SqlAddress::Sqlite { path: base.join(&at.db_path) },
        };
        let mut options = SqlTableOptions::new(address, at.table_name.clone());
        options.id_column.clone_from(&self.id_column);
        options.pool_size = at.pool_size.unwrap_or(options.pool_size).clamp(1, 32);
        Box::pin(async move { Ok(Arc::new(SqlTable::open(options).await?) as Arc<dyn Table>) })
    }

    /// The table's place, to tell the user.
    fn shown(&self, base: &Path) -> PathBuf {
        let at = &self.at;
        match self.source {
            TableSource::Mysql | TableSource::Postgresql => format!("{}.{}", at.database, at.table_name).into(),
            TableSource::Sqlite => base.join(&at.db_path),
            _ => base.join(at.output_path.as_ref().unwrap_or(&at.input_path)),
        }
    }
}

/// A name that no other process has: machine, process and the moment.
fn owner() -> String {
    let host = std::fs::read_to_string("/etc/hostname").map_or_else(|_| "host".into(), |name| name.trim().to_owned());
    let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!("{host}-{}-{moment:x}", std::process::id())
}

/// Reads what a pipeline file says, and names the nearest key where one is unknown.
fn read(spec: Value) -> Result<TableSpec> {
    let all = TableSpec { error_column: Some(String::new()), read_also: vec![String::new()], json_values: true, ..TableSpec::default() };
    let known: Vec<String> = match serde_json::to_value(all) {
        Ok(Value::Object(keys)) => keys.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let unknown = |place: &str, given: Option<&Value>, known: &[&str]| {
        let given = given.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key);
        let unknown = given.filter(|key| !known.contains(&key.as_str()));
        let told = |key: &String| {
            let meant = nearest(key, known.iter().copied()).map_or_else(
                || format!("the keys are {}", known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            format!("unknown key `{place}{key}`\nhint: {meant}")
        };
        unknown.map(told).collect::<Vec<_>>()
    };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut problems = unknown("", Some(&spec), &known);
    problems.extend(unknown("at.", spec.get("at"), &TablePlace::KEYS));
    if problems.is_empty() {
        match serde_json::from_value(spec) {
            Ok(spec) => return Ok(spec),
            Err(error) => problems.push(error.to_string()),
        }
    }
    Err(Error::Faults(problems.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::storage::StorageContext;
    use serde_json::json;

    fn built(spec: &Value) -> Result<Arc<dyn dataflow_core::storage::Storage>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.csv"), "q,a\nwhy,\nwho,me\n").unwrap();
        dataflow_core::registry::build_storage(spec, &StorageContext { base: folder.path().to_owned() })
    }

    #[test]
    fn a_pipeline_file_can_name_a_table_and_is_written_out_as_it_was() {
        let spec = json!({ "type": "table", "source": "csv", "at": { "input_path": "in.csv" }, "inputs": ["q"], "outputs": ["a"], "error_column": "why" });
        let storage = built(&spec).unwrap();
        assert_eq!(storage.source().unwrap().rows(), Some(1));
        let written = storage.spec();
        for (key, value) in spec.as_object().unwrap() {
            assert_eq!(&written[key], value, "{key}");
        }
        assert_eq!(built(&written).unwrap().spec(), written);
    }

    #[test]
    fn what_is_wrong_is_told_with_the_nearest_key() {
        let check = |spec: Value| built(&spec).unwrap_err().to_string();
        assert_eq!(
            check(json!({ "type": "table", "sorce": "csv", "at": { "inputpath": "in.csv" } })),
            "storage: 2 problems\n  unknown key `sorce`\n    hint: did you mean `source`?\n  unknown key `at.inputpath`\n    hint: did you mean `input_path`?"
        );
        let claimed = json!({ "type": "table", "source": "csv", "claim": true, "save_interval": -1 });
        let told = check(claimed);
        for expected in ["`at.input_path` is missing", "`claim` is for databases", "`save_interval` should be a number of seconds, found -1"] {
            assert!(told.contains(expected), "{expected} is missing in {told}");
        }
    }

    #[test]
    fn a_column_that_would_be_written_over_is_refused() {
        let check = |error_column: &str, outputs: &[&str]| {
            let spec = json!({ "source": "csv", "at": { "input_path": "in.csv" }, "inputs": ["q"], "read_also": ["kind"], "id_column": "no", "outputs": outputs, "error_column": error_column });
            serde_json::from_value::<TableSpec>(spec).unwrap().problems("csv")
        };
        for (error_column, what) in
            [("q", "a column that is read"), ("kind", "a column that is read"), ("a", "a column that is written"), ("no", "the column that rows")]
        {
            let problems = check(error_column, &["a"]);
            assert!(problems.len() == 1 && problems[0].starts_with(&format!("`error_column` is `{error_column}`, {what}")), "{problems:?}");
        }
        assert!(check("why", &["no"])[0].starts_with("column `no` is written, and rows are known by it"));
        assert!(check("why", &["a"]).is_empty());
    }

    #[test]
    fn no_password_is_shown() {
        let place = TablePlace { password: "geheim".into(), ..TablePlace::default() };
        assert!(!format!("{place:?} {}", serde_json::to_string(&place).unwrap()).contains("geheim"));
        assert_eq!(TableSource::ALL.map(|(name, _)| TableSource::named(name).unwrap().name()), TableSource::ALL.map(|(name, _)| name));
    }
}
