//! The batch engine's part of an AI-DataFlux configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use dataflow_operators::tokens::Tokenizer;
use dataflow_serving::pool::LogSettings;
use dataflow_storage::table::{TablePlace, TableSource, TableSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::reading::{Reading, follows, merged};

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
    pub place: TablePlace,
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
    /// The folder for the journal, the report and failed rows; `cache/` and the file's name without it.
    pub cache_path: Option<PathBuf>,
    /// How tokens are counted before a run.
    pub token_estimation: TokenEstimation,
    /// What is logged, and where to.
    pub log: LogSettings,
    /// The file itself.
    pub path: PathBuf,
    /// The database's password as the file has it: a variable, or the password itself.
    pub(super) written_password: Option<String>,
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
    /// Seconds that a claim holds when its engine gives no sign of life.
    pub claim_lease: f64,
    /// The memory of the process, in MB, from which fewer rows are worked on at once.
    pub memory_limit_mb: u64,
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
            claim_lease: 120.0,
            memory_limit_mb: 40_000,
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
    /// Seconds for which no call is begun once every model has failed three times one after another.
    pub api_pause_duration: f64,
    /// Seconds after a pause in which no other begins.
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

/// How tokens are counted before a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenEstimation {
    /// `in` (questions), `out` (replies that stand in the table) or `io` (both); also `input` and `input_output`.
    pub mode: String,
    /// How many rows are looked at, the first ones; -1 is all.
    pub sample_size: i64,
    /// The vocabulary: `o200k_base` or `cl100k_base`.
    pub encoding: String,
    /// Named for files that have it.
    pub tiktoken_model: Option<String>,
}

impl Default for TokenEstimation {
    fn default() -> Self {
        Self { mode: "io".into(), sample_size: -1, encoding: "o200k_base".into(), tiktoken_model: None }
    }
}

impl TokenEstimation {
    /// The vocabulary.
    pub fn tokenizer(&self) -> Tokenizer {
        if self.encoding == "cl100k_base" { Tokenizer::Cl100kBase } else { Tokenizer::O200kBase }
    }
}

impl ProcessConfiguration {
    /// Reads a file and the profiles that it names. All problems are told together.
    pub fn read(path: &Path) -> Result<Self> {
        let (configuration, problems) = Self::gather(path)?;
        if problems.is_empty() { Ok(configuration) } else { Err(configuration.told(problems, &[])) }
    }

    /// Reads a file as far as it can be read; tells what is wrong with it too.
    pub(super) fn gather(path: &Path) -> Result<(Self, Vec<String>)> {
        let mut reading = Reading::default();
        let (whole, raw) = reading.object_of(path)?;
        let base = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let name = path.file_stem().map_or_else(|| "process".into(), |name| name.to_string_lossy().into_owned());
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
            cache_path: reading.value(&whole, "cache_path"),
            token_estimation: reading.section(&whole, "token_estimation"),
            path: path.to_owned(),
            base,
            ..Self::default()
        };
        configuration.datasource.kind.make_ascii_lowercase();
        let kind = configuration.datasource.kind.clone();
        reading.top_level(&whole, &kind);
        if let Some(global) = whole.get("global").and_then(Value::as_object) {
            configuration.log = reading.section_at("global.log", global.get("log"));
        }
        if TableSource::named(&kind).is_some() {
            configuration.place = reading.place(&whole, &kind);
        }
        configuration.written_password = raw.get(&kind).and_then(|section| section.get("password")).and_then(Value::as_str).map(ToOwned::to_owned);
        configuration.read_routes(&whole, &mut reading);
        let mut problems = Vec::new();
        configuration.check(&mut problems, &reading);
        let Reading { problems: mut told, warnings, unread } = reading;
        told.extend(problems.into_iter().filter(|problem| !unread.iter().any(|place| follows(problem, place))));
        (configuration.whole, configuration.warnings) = (whole, warnings);
        Ok((configuration, told))
    }

    /// The error that tells what is wrong with the file, each problem once, and what it is warned of.
    pub(super) fn told(&self, problems: Vec<String>, warnings: &[String]) -> Error {
        let mut told: Vec<String> = Vec::new();
        for line in problems.into_iter().chain(self.warnings.iter().chain(warnings).map(|warning| format!("warning: {warning}"))) {
            if !told.contains(&line) {
                told.push(line);
            }
        }
        Error::Configuration(format!("{}: {}", self.path.display(), told.join("\n  ")))
    }

    fn read_routes(&mut self, whole: &Map<String, Value>, reading: &mut Reading) {
        if !self.routing.enabled {
            return;
        }
        if self.routing.field.is_none() && !reading.is_unread("routing.field") {
            reading.problems.push("`routing.field` is missing: name the column whose text chooses the profile".into());
        }
        if self.routing.subtasks.is_empty() && !reading.is_unread("routing.subtasks") {
            reading.problems.push("`routing.subtasks` is empty, and routing is enabled".into());
        }
        for Subtask { text, profile: path } in &self.routing.subtasks {
            let text = text.as_str().map_or_else(|| text.to_string(), ToOwned::to_owned);
            // What is wrong in it is told with the text that chooses it.
            let mut of_profile = Reading::default();
            let read = of_profile.object_of(&self.base.join(path));
            let (profile, _) = read.unwrap_or_else(|error| {
                of_profile.problems.push(error.to_string());
                Default::default()
            });
            for key in profile.keys().filter(|key| !["prompt", "validation"].contains(&key.as_str())) {
                of_profile.problems.push(format!("only `prompt` and `validation` can be changed there, found `{key}`"));
            }
            of_profile.section::<Prompt>(&profile, "prompt");
            of_profile.section::<Validation>(&profile, "validation");
            let place = format!("profile {} of `{text}`", path.display());
            reading.problems.extend(of_profile.problems.into_iter().map(|problem| format!("{place}: {problem}")));
            reading.warnings.extend(of_profile.warnings.into_iter().map(|warning| format!("{place}: {warning}")));
            let merged: Map<String, Value> =
                ["prompt", "validation"].map(|name| (name.to_owned(), merged(whole.get(name), profile.get(name)))).into_iter().collect();
            let mut of_both = Reading::default(); // whose problems are those of the parts
            self.routes.insert(text, (of_both.section(&merged, "prompt"), of_both.section(&merged, "validation")));
        }
    }

    /// The table, as a pipeline file would have it; nothing where its kind is unknown.
    pub fn table(&self) -> Option<TableSpec> {
        let (datasource, concurrency) = (&self.datasource, &self.datasource.concurrency);
        // Rows that are claimed are for nobody else, so fewer are taken at once.
        let most_rows = if datasource.claim { concurrency.batch_size.max(32) } else { 1024 };
        Some(TableSpec {
            source: TableSource::named(&datasource.kind)?,
            at: self.place.clone(),
            id_column: datasource.id_column.clone(),
            inputs: self.columns_to_extract.clone(),
            outputs: self.columns_to_write.values().cloned().collect(),
            require_all_input_fields: datasource.require_all_input_fields,
            read_also: self.routing.field.iter().filter(|_| self.routing.enabled).cloned().collect(),
            error_column: self.error_column.clone().filter(|column| !column.trim().is_empty()),
            json_values: true,
            write_errors: self.write_errors,
            claim: datasource.claim,
            claim_lease: datasource.claim_lease,
            page_rows: concurrency.shard_size.clamp(1, most_rows),
            save_interval: concurrency.save_interval,
            cache_path: self.cache_path(),
            ..TableSpec::default()
        })
    }

    /// The folder for the journal, the report and failed rows, from the folder of the file.
    pub fn cache_path(&self) -> PathBuf {
        self.cache_path.clone().unwrap_or_else(|| Path::new("cache").join(&self.name))
    }

    fn check(&self, problems: &mut Vec<String>, reading: &Reading) {
        let kind = self.datasource.kind.as_str();
        match self.table() {
            // What the table lacks is not known where it is not known what it is in.
            _ if reading.is_unread("datasource") || reading.is_unread("datasource.type") || reading.is_unread(kind) => {}
            Some(table) => problems.extend(table.problems(kind)),
            None if kind.starts_with("feishu_") => {
                problems.push("`datasource.type`: Feishu is not built in\n  hint: export the table as a workbook and use `excel`".into());
            }
            None => {
                let kinds = TableSource::ALL.map(|(name, _)| name);
                let hint = nearest(kind, kinds).map_or_else(|| format!("it is one of {}", kinds.join(", ")), |near| format!("did you mean `{near}`?"));
                problems.push(format!("`datasource.type` is `{kind}`\n  hint: {hint}"));
            }
        }
        if !["o200k_base", "cl100k_base"].contains(&self.token_estimation.encoding.as_str()) {
            problems.push(format!("`token_estimation.encoding` should be `o200k_base` or `cl100k_base`, found `{}`", self.token_estimation.encoding));
        }
        for (name, value, values) in [
            ("level", &self.log.level, ["debug", "info", "warning", "error"].as_slice()),
            ("format", &self.log.format, &["text", "json"]),
            ("output", &self.log.output, &["console", "file"]),
        ] {
            if !values.contains(&value.to_lowercase().as_str()) {
                problems.push(format!("`global.log.{name}` should be one of {}, found `{value}`", values.join(", ")));
            }
        }
        if self.columns_to_extract.is_empty() {
            problems.push("`columns_to_extract` is empty: list the columns that are read".into());
        }
        if self.columns_to_write.is_empty() {
            problems.push("`columns_to_write` is empty: give a column for each field of a reply, such as `{answer: answer}`".into());
        }
        let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (field, column) in &self.columns_to_write {
            fields.entry(column).or_default().push(format!("`{field}`"));
        }
        for (column, fields) in fields.into_iter().filter(|(_, fields)| fields.len() > 1) {
            let fields = fields.join(" and ");
            problems.push(format!(
                "`columns_to_write` has {fields} go into the column `{column}`: one would stand over the other\n  hint: give each a column of its own"
            ));
        }
        if self.prompt.template.trim().is_empty() {
            problems.push("`prompt.template` is empty: write the question, with `{record_json}` for the row".into());
        }
        if self.datasource.concurrency.batch_size == 0 {
            problems.push("`datasource.concurrency.batch_size` should be at least 1, found 0".into());
        }
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
            "`prompt.temperature` should be a number, found `hot`",
            "`datasource.type` is `exel`\n  hint: did you mean `excel`?",
            "`columns_to_extract` is empty",
            "`columns_to_write` is empty",
            "`prompt.template` is empty",
        ] {
            assert!(error.contains(expected), "{expected} is missing in {error}");
        }
        let error = read(WHOLE, &[("one.yaml", "models: []\n")]).unwrap_err().to_string();
        assert!(error.contains("profile one.yaml of `1`: only `prompt` and `validation` can be changed there, found `models`"), "{error}");
        let two =
            WHOLE.replace("profile: one.yaml }", "profile: one.yaml }, { match: b, profile: two.yaml }") + "budget: { tokens: \"${NOT_SET_ANYWHERE}\" }\n";
        let error = read(&two.replace("answer: 答案", "answer: 答案, why: 答案"), &[("one.yaml", "prompt: { temperature: hot }\n")]).unwrap_err().to_string();
        for expected in [
            "profile one.yaml of `1`: `prompt.temperature` should be a number, found `hot`",
            "profile two.yaml of `b`: there is no configuration file /two.yaml",
            "`budget.tokens` reads the environment variable `NOT_SET_ANYWHERE`, which is not set",
            "`columns_to_write` has `answer` and `why` go into the column `答案`",
        ] {
            assert!(error.contains(expected), "{expected} is missing in {error}");
        }
    }

    fn told(text: &str) -> String {
        read(text, &[("one.yaml", "prompt: { template: other }\n")]).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place_and_nothing_that_follows_from_it() {
        let sqlite = WHOLE.replace("type: CSV", "type: sqlite") + "sqlite: { db_path: a.db, table_name: t }\n";
        let check = |from: &str, to: &str| {
            assert!(sqlite.contains(from), "{from}");
            told(&sqlite.replace(from, to)).replace("/jobs.yaml: ", "")
        };
        let ends = "\n  warning: unknown key `datasource.concurency`: did you mean `concurrency`?";
        let batch = check("batch_size: 7", "batch_size: ten");
        assert_eq!(batch, format!("`datasource.concurrency.batch_size` should be a whole number from 0 on, found `ten`{ends}"));
        assert_eq!(
            check("columns_to_extract:", "columns_to_extrct:"),
            format!("unknown key `columns_to_extrct`\n  hint: did you mean `columns_to_extract`?{ends}")
        );
        assert_eq!(
            check("columns_to_extract: [题目]", "columns_to_extract: { a: b }"),
            format!("`columns_to_extract` should be a list, found `{{\"a\":\"b\"}}`{ends}")
        );
        assert_eq!(check("sqlite: {", "sqlit: {"), format!("unknown key `sqlit`\n  hint: did you mean `sqlite`?{ends}"));
        assert_eq!(check("db_path: a.db", "db_path: 5"), format!("`sqlite.db_path` should be a text, found `5`\n  hint: put it in quotes{ends}"));
        assert_eq!(check("field: kind", "field: [k]"), format!("`routing.field` should be a text, found `[\"k\"]`{ends}"));
        assert_eq!(check("[题目]", "[题目, 5]"), format!("`columns_to_extract`: invalid type: integer `5`, expected a string{ends}"));
        let password = told("datasource: { type: mysql }\nmysql: { password: 12345 }\n");
        assert!(password.contains("`mysql.password` should be a text, found a number\n  hint: put it in quotes") && !password.contains("12345"), "{password}");
        assert!(told("datasource: 5\n").starts_with("/jobs.yaml: `datasource` should be keys with values, found `5`\n  `columns_to_extract` is empty"));
    }

    #[test]
    fn a_key_of_ours_that_is_written_wrong_is_an_error_and_one_of_theirs_is_warned_of() {
        let ours = [
            ("budget: { token: 5 }", "budget.token", "did you mean `tokens`?"),
            ("budget: { dollars: 5 }", "budget.dollars", "a budget has `tokens` and `money`"),
            ("buget: { tokens: 5 }", "buget", "did you mean `budget`?"),
            ("error_colum: why", "error_colum", "did you mean `error_column`?"),
            ("write_error: true", "write_error", "did you mean `write_errors`?"),
        ];
        for (line, key, hint) in ours {
            let error = told(&format!("{WHOLE}{line}\n"));
            assert!(error.contains(&format!("unknown key `{key}`\n  hint: {hint}")), "{error}");
        }
        assert!(told(&WHOLE.replace("concurency", "clam")).contains("unknown key `datasource.clam`\n  hint: did you mean `claim`?"));
        let theirs = read(&format!("{WHOLE}gatway: {{}}\n"), &[("one.yaml", "prompt: { template: other }\n")]).unwrap();
        assert_eq!(theirs.warnings.len(), 2, "{:?}", theirs.warnings);
    }

    #[test]
    fn a_column_that_would_be_written_over_is_refused() {
        for (column, what) in [("题目", "that is read"), ("答案", "that is written"), ("kind", "that is read"), ("id", "rows are known by")] {
            let error = told(&format!("{WHOLE}error_column: {column}\n"));
            assert!(error.contains(&format!("`error_column` is `{column}`")) && error.contains(what), "{error}");
        }
        assert!(told(&WHOLE.replace("answer: 答案", "answer: id")).contains("column `id` is written, and rows are known by it"));
    }
}
