//! The batch engine's part of an AI-DataFlux configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the file says of the table, the columns, the prompt and the replies.
#[derive(Clone, Debug, Default)]
pub struct ProcessConfiguration {
    /// The folder that relative paths start from.
    pub base: PathBuf,
    /// The file's name without its ending; reports and failed rows are named after it.
    pub name: String,
    /// The table, and how its rows are worked on.
    pub datasource: DataSource,
    /// Where the table is: the section that `datasource.type` names.
    pub place: Place,
    /// The columns that are read.
    pub columns_to_extract: Vec<String>,
    /// The column for each field of a reply.
    pub columns_to_write: BTreeMap<String, String>,
    /// What replies have to hold.
    pub validation: Validation,
    /// How the model is asked.
    pub prompt: Prompt,
    /// Other prompts for some rows.
    pub routing: Routing,
    /// What may be spent.
    pub budget: Budget,
    /// The column that takes the reason of a failed row.
    pub error_column: Option<String>,
    /// Whether a failed row gets `ERROR: …` in all outputs.
    pub write_errors: bool,
    /// The profiles of the routes, by the text that chooses them.
    pub routes: BTreeMap<String, (Prompt, Validation)>,
    /// The whole file, variables put in.
    pub whole: Map<String, Value>,
    /// Keys that nobody knows.
    pub warnings: Vec<String>,
}

/// The table, and how its rows are worked on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataSource {
    /// `excel`, `csv`, `mysql`, `postgresql`, `sqlite`, `jsonl` or `parquet`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether all columns that are read must hold something, or one of them.
    pub require_all_input_fields: bool,
    /// The column that a database's rows are known by.
    pub id_column: String,
    /// Whether rows are claimed, so that several engines can share a table.
    pub claim: bool,
    /// How many rows are worked on at once, and the like.
    pub concurrency: Concurrency,
    /// Named for files that have it: there is one engine.
    pub engine: Option<String>,
    /// Named for files that have it.
    pub excel_reader: Option<String>,
    /// Named for files that have it.
    pub excel_writer: Option<String>,
}

impl Default for DataSource {
    fn default() -> Self {
        Self {
            kind: "excel".into(),
            require_all_input_fields: true,
            id_column: "id".into(),
            claim: false,
            concurrency: Concurrency::default(),
            engine: None,
            excel_reader: None,
            excel_writer: None,
        }
    }
}

/// How many rows are worked on at once, and the like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Concurrency {
    /// Rows that are asked about at once.
    pub batch_size: usize,
    /// Seconds between two savings of a file.
    pub save_interval: f64,
    /// Rows that are read at once.
    pub shard_size: usize,
    /// The fewest rows that are read at once.
    pub min_shard_size: usize,
    /// The most rows that are read at once.
    pub max_shard_size: usize,
    /// Named for files that have it: a pause comes where no model is ready.
    pub api_pause_duration: f64,
    /// Named for files that have it.
    pub api_error_trigger_window: f64,
    /// Named for files that have it.
    pub max_connections: usize,
    /// Named for files that have it.
    pub max_connections_per_host: usize,
    /// How often a row is tried again, by what went wrong.
    pub retry_limits: RetryLimits,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self {
            batch_size: 100,
            save_interval: 300.0,
            shard_size: 10_000,
            min_shard_size: 1000,
            max_shard_size: 50_000,
            api_pause_duration: 2.0,
            api_error_trigger_window: 2.0,
            max_connections: 1000,
            max_connections_per_host: 0,
            retry_limits: RetryLimits::default(),
        }
    }
}

/// How often a row is tried again, by what went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the file's names")]
pub struct RetryLimits {
    /// The service failed.
    pub api_error: u32,
    /// The reply held no record that fits.
    pub content_error: u32,
    /// Anything else.
    pub system_error: u32,
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self { api_error: 3, content_error: 1, system_error: 2 }
    }
}

/// Where the table is: what the sections `mysql`, `postgresql`, `sqlite`, `excel`, `csv`, `jsonl` and `parquet` say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// A server's name or address.
    pub host: String,
    /// Its port.
    pub port: Option<u16>,
    /// Who logs in.
    pub user: String,
    /// His password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// The database.
    pub database: String,
    /// The schema of the table.
    pub schema_name: Option<String>,
    /// Connections at once.
    pub pool_size: Option<u32>,
    /// The table.
    pub table_name: String,
    /// The file of SQLite.
    pub db_path: String,
    /// The file that is read.
    pub input_path: String,
    /// The file that is written; the one that is read without it.
    pub output_path: Option<String>,
    /// The sheet of a workbook; the first without it.
    pub sheet: Option<String>,
}

/// What replies have to hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Validation {
    /// Whether the rules are looked at.
    pub enabled: bool,
    /// The values that a field may have.
    pub field_rules: BTreeMap<String, Value>,
}

/// How the model is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prompt {
    /// The question.
    pub template: String,
    /// Fields that a reply must have.
    pub required_fields: Vec<String>,
    /// Whether a JSON schema goes with the question.
    pub use_json_schema: bool,
    /// The model that is asked for by name.
    pub model: String,
    /// The temperature of the draw.
    pub temperature: f64,
    /// Whether that temperature is sent, or the model's own is used.
    pub temperature_override: bool,
    /// What the model is told to be.
    pub system_prompt: Option<String>,
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            template: String::new(),
            required_fields: Vec::new(),
            use_json_schema: false,
            model: "auto".into(),
            temperature: 0.7,
            temperature_override: true,
            system_prompt: None,
        }
    }
}

/// Other prompts for some rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    /// Whether rows are routed.
    pub enabled: bool,
    /// The column whose text chooses.
    pub field: Option<String>,
    /// The texts and the files of their profiles.
    pub subtasks: Vec<Subtask>,
}

/// A text and the file of its profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subtask {
    /// The text in the column.
    #[serde(rename = "match")]
    pub text: Value,
    /// A YAML file with `prompt` and `validation`, from the folder of the main file.
    pub profile: PathBuf,
}

/// What may be spent; the run stops before more is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Tokens, of questions and replies.
    pub tokens: Option<u64>,
    /// Money, in that of the models' `prices`.
    pub money: Option<f64>,
}

impl ProcessConfiguration {
    /// Reads a file and the profiles that it names. All problems are told together.
    pub fn read(path: &Path) -> Result<Self> {
        let whole = object_of(path)?;
        let base = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let name = path.file_stem().map_or_else(|| "process".into(), |name| name.to_string_lossy().into_owned());
        let mut reading = Reading::default();
        let mut configuration = Self {
            name,
            datasource: reading.section(&whole, "datasource"),
            columns_to_extract: reading.value(&whole, "columns_to_extract"),
            columns_to_write: reading.value(&whole, "columns_to_write"),
            validation: reading.section(&whole, "validation"),
            prompt: reading.section(&whole, "prompt"),
            routing: reading.section(&whole, "routing"),
            budget: reading.section(&whole, "budget"),
            error_column: reading.value(&whole, "error_column"),
            write_errors: reading.value(&whole, "write_errors"),
            base,
            ..Self::default()
        };
        configuration.datasource.kind.make_ascii_lowercase();
        let kind = configuration.datasource.kind.clone();
        configuration.place = reading.section(&whole, &kind);
        configuration.read_routes(&whole, &mut reading)?;
        configuration.check(&mut reading.problems);
        configuration.whole = whole;
        configuration.warnings = reading.warnings;
        if reading.problems.is_empty() {
            Ok(configuration)
        } else {
            Err(Error::Configuration(format!("{}: {}", path.display(), reading.problems.join("\n  "))))
        }
    }

    fn read_routes(&mut self, whole: &Map<String, Value>, reading: &mut Reading) -> Result<()> {
        if !self.routing.enabled {
            return Ok(());
        }
        if self.routing.field.is_none() {
            reading.problems.push("`routing.field` is missing: name the column whose text chooses the profile".into());
        }
        if self.routing.subtasks.is_empty() {
            reading.problems.push("`routing.subtasks` is empty, and routing is enabled".into());
        }
        for subtask in &self.routing.subtasks {
            let profile = object_of(&self.base.join(&subtask.profile))?;
            for key in profile.keys().filter(|key| !["prompt", "validation"].contains(&key.as_str())) {
                reading.problems.push(format!("profile {}: only `prompt` and `validation` can be changed there, found `{key}`", subtask.profile.display()));
            }
            let merged: Map<String, Value> =
                ["prompt", "validation"].map(|name| (name.to_owned(), merged(whole.get(name), profile.get(name)))).into_iter().collect();
            let text = subtask.text.as_str().map_or_else(|| subtask.text.to_string(), ToOwned::to_owned);
            self.routes.insert(text, (reading.section(&merged, "prompt"), reading.section(&merged, "validation")));
        }
        Ok(())
    }

    fn check(&self, problems: &mut Vec<String>) {
        const KINDS: [&str; 7] = ["excel", "csv", "mysql", "postgresql", "sqlite", "jsonl", "parquet"];
        let kind = self.datasource.kind.as_str();
        let mut needs = |name: &str, value: &str| {
            if value.trim().is_empty() {
                problems.push(format!("`{kind}.{name}` is missing"));
            }
        };
        match kind {
            "mysql" | "postgresql" => {
                for (name, value) in
                    [("host", &self.place.host), ("user", &self.place.user), ("database", &self.place.database), ("table_name", &self.place.table_name)]
                {
                    needs(name, value);
                }
            }
            "sqlite" => {
                needs("db_path", &self.place.db_path);
                needs("table_name", &self.place.table_name);
            }
            _ if KINDS.contains(&kind) => needs("input_path", &self.place.input_path),
            "feishu_bitable" | "feishu_sheet" => {
                problems.push("`datasource.type`: Feishu is not built in\n  hint: export the table as a workbook and use `excel`".into());
            }
            _ => {
                let hint = nearest(kind, KINDS).map_or_else(|| format!("it is one of {}", KINDS.join(", ")), |near| format!("did you mean `{near}`?"));
                problems.push(format!("`datasource.type` is `{kind}`\n  hint: {hint}"));
            }
        }
        if self.columns_to_extract.is_empty() {
            problems.push("`columns_to_extract` is empty: list the columns that are read".into());
        }
        if self.columns_to_write.is_empty() {
            problems.push("`columns_to_write` is empty: give a column for each field of a reply, such as `{answer: answer}`".into());
        }
        if self.prompt.template.trim().is_empty() {
            problems.push("`prompt.template` is empty: write the question, with `{record_json}` for the row".into());
        }
        if self.datasource.concurrency.batch_size == 0 {
            problems.push("`datasource.concurrency.batch_size` should be at least 1, found 0".into());
        }
    }
}

/// Reads sections, and gathers what is wrong with them and what nobody knows.
#[derive(Default)]
struct Reading {
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Reading {
    fn value<T: DeserializeOwned + Default>(&mut self, file: &Map<String, Value>, name: &str) -> T {
        match file.get(name).filter(|value| !value.is_null()).cloned().map(serde_json::from_value) {
            None => T::default(),
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                self.problems.push(format!("`{name}`: {error}"));
                T::default()
            }
        }
    }

    fn section<T: DeserializeOwned + Default + Serialize>(&mut self, file: &Map<String, Value>, name: &str) -> T {
        if let (Some(given), Ok(Value::Object(known))) = (file.get(name).and_then(Value::as_object), serde_json::to_value(T::default())) {
            let known: Vec<&str> = known.keys().map(String::as_str).chain(["password"]).collect();
            for key in given.keys().filter(|key| !known.contains(&key.as_str())) {
                let near = nearest(key, known.iter().copied()).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
                self.warnings.push(format!("unknown key `{name}.{key}`{near}"));
            }
        }
        self.value(file, name)
    }
}

/// The second over the first: maps are merged, all else is replaced.
fn merged(below: Option<&Value>, above: Option<&Value>) -> Value {
    match (below, above) {
        (Some(Value::Object(below)), Some(Value::Object(above))) => {
            let mut both = below.clone();
            for (key, value) in above {
                both.insert(key.clone(), merged(below.get(key), Some(value)));
            }
            Value::Object(both)
        }
        (below, above) => above.or(below).cloned().unwrap_or_default(),
    }
}

fn object_of(path: &Path) -> Result<Map<String, Value>> {
    let shown = path.display();
    let wrong = |message: String| Error::Configuration(format!("{shown}: {message}"));
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound(format!("there is no configuration file {shown}")),
        _ => Error::storage(format!("cannot read {shown}"), error),
    })?;
    let yaml: serde_yaml::Value = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let mut value = serde_json::to_value(yaml).map_err(|error| wrong(error.to_string()))?;
    dataflow_core::variables::put_in(&mut value, &|name| std::env::var(name).ok()).map_err(|missing| wrong(missing.join("; ")))?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(wrong("expected keys and values".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, more: &[(&str, &str)]) -> Result<ProcessConfiguration> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in more {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().join("jobs.yaml");
        std::fs::write(&path, text).unwrap();
        ProcessConfiguration::read(&path).map_err(|error| Error::Configuration(error.to_string().replace(&folder.path().display().to_string(), "")))
    }

    const WHOLE: &str = "
datasource: { type: CSV, concurency: {}, concurrency: { batch_size: 7 } }
csv: { input_path: a.csv }
columns_to_extract: [题目]
columns_to_write: { answer: 答案 }
prompt: { template: 'Q {record_json}', required_fields: [answer] }
routing: { enabled: true, field: kind, subtasks: [{ match: 1, profile: one.yaml }] }
models: []
";

    #[test]
    fn a_file_has_its_defaults_and_profiles_are_laid_over_it() {
        let configuration = read(WHOLE, &[("one.yaml", "prompt: { template: other }\nvalidation: { enabled: true, field_rules: { answer: [a] } }\n")]).unwrap();
        let concurrency = &configuration.datasource.concurrency;
        assert_eq!((concurrency.batch_size, concurrency.retry_limits, configuration.place.input_path.as_str()), (7, RetryLimits::default(), "a.csv"));
        assert_eq!(configuration.warnings, ["unknown key `datasource.concurency`: did you mean `concurrency`?"]);
        let (prompt, validation) = &configuration.routes["1"];
        assert_eq!((prompt.template.as_str(), prompt.required_fields.len(), validation.enabled), ("other", 1, true));
    }

    #[test]
    fn all_problems_are_told_together() {
        let error = read("datasource: { type: exel }\nprompt: { temperature: hot }\n", &[]).unwrap_err().to_string();
        for expected in [
            "`prompt`: invalid type",
            "`datasource.type` is `exel`\n  hint: did you mean `excel`?",
            "`columns_to_extract` is empty",
            "`columns_to_write` is empty",
            "`prompt.template` is empty",
        ] {
            assert!(error.contains(expected), "{expected} is missing in {error}");
        }
        let error = read(WHOLE, &[("one.yaml", "models: []\n")]).unwrap_err().to_string();
        assert!(error.contains("only `prompt` and `validation` can be changed there, found `models`"), "{error}");
    }
}
