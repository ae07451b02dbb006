//! The batch engine's part of an AI-DataFlux configuration file.

mod checks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dataflow_operators::tokens::Tokenizer;
use dataflow_serving::pool::LogSettings;
use dataflow_storage::table::{TablePlace, TableSource, TableSpec};
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
    /// The vocabulary: `o200k_base`, `cl100k_base`, or the path of a model's `tokenizer.json` from the folder of the file.
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
    /// The vocabulary, where paths are from the folder `base`; tells what is wrong with its name or its file.
    pub fn tokenizer(&self, base: &Path) -> Result<Tokenizer, String> {
        let tokenizer = match Tokenizer::try_from(self.encoding.clone()) {
            Ok(Tokenizer::File(path)) => Tokenizer::File(base.join(path)),
            Ok(tokenizer @ (Tokenizer::O200kBase | Tokenizer::Cl100kBase)) => tokenizer,
            Ok(Tokenizer::Whitespace) | Err(_) => {
                let hint = "nothing is downloaded: save the `tokenizer.json` of the model's page on Hugging Face, and give its path";
                return Err(format!("expected `o200k_base`, `cl100k_base` or the path of a `tokenizer.json`, found `{}`\nhint: {hint}", self.encoding));
            }
        };
        tokenizer.problem().map_or(Ok(tokenizer), Err)
    }
}

impl ProcessConfiguration {
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
}
