//! A batch over a table, as an AI-DataFlux configuration file describes it: a pipeline of one step whose replies go back into the table.

mod configuration;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dataflow_core::serving::LLMServing;
use dataflow_core::{Error, OnError, Pipeline, Result};
use dataflow_operators::core_text::{RecordGenerator, RecordProfile};
use dataflow_serving::gateway_serving::GatewayServingOptions;
use dataflow_serving::pool::{Pool, PoolOptions};
use dataflow_serving::{GatewayServing, PoolServing};
use dataflow_storage::table::{
    Claimant, FailedRows, FileTable, FileTableOptions, SqlAddress, SqlTable, SqlTableOptions, Table, TableFileKind, TableStorage, TableStorageOptions, ToDo,
};
use serde_json::{Value, json};

pub use configuration::{Budget, Place, ProcessConfiguration, Prompt, Validation};
pub use watch::{ProgressFile, hold_to_budget};

/// What opens a table.
type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn Table>>> + Send>>;

/// Who answers, and the pool behind it.
type Served = (Arc<dyn LLMServing>, Option<Arc<Pool>>);

/// The column in which the step tells why a row failed.
const ERROR_KEY: &str = "_error";

/// How a file is run, beside what it says.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessOptions {
    /// Adds columns that are to be written and are not there.
    pub create_columns: bool,
    /// Counts `retry_limits` as AI-DataFlux did: as tries and not as retries.
    pub legacy_attempts: bool,
    /// Asks a running gateway, also where the file has models.
    pub gateway: bool,
}

/// A batch that is ready to be compiled.
#[derive(Debug)]
pub struct Process {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The pool that answers, where the file has models.
    pub pool: Option<Arc<Pool>>,
}

impl ProcessConfiguration {
    /// Opens the table and makes the pipeline.
    pub fn process(&self, options: ProcessOptions) -> Result<Process> {
        let storage = self.storage(options)?;
        let mut pipeline = Pipeline::new(self.name.clone(), storage);
        let (serving, pool) = self.serving(options)?;
        pipeline.serving("default", serving);
        pipeline.step(self.operator(options)).named("records").on_error(OnError::Keep).error_key(ERROR_KEY);
        Ok(Process { pipeline, pool })
    }

    /// Names in braces in the prompts that are no column, and prompts that say nothing of the row.
    pub fn placeholder_warnings(&self) -> Vec<String> {
        let prompts =
            std::iter::once(("prompt".to_owned(), &self.prompt)).chain(self.routes.iter().map(|(text, (prompt, _))| (format!("prompt of `{text}`"), prompt)));
        let mut warnings = Vec::new();
        for (name, prompt) in prompts {
            let profile = RecordProfile { template: prompt.template.clone(), ..RecordProfile::default() };
            let (known, others): (Vec<&str>, Vec<&str>) =
                profile.placeholders().partition(|name| *name == "record_json" || self.columns_to_extract.iter().any(|column| column == name));
            if known.is_empty() {
                warnings.push(format!("the {name} holds neither `{{record_json}}` nor a column, so every row is asked the same"));
            }
            for other in others {
                if let Some(near) = dataflow_core::registry::nearest(other, self.columns_to_extract.iter().map(String::as_str).chain(["record_json"])) {
                    warnings.push(format!("the {name} holds `{{{other}}}`, which is no column: did you mean `{{{near}}}`?"));
                }
            }
        }
        warnings
    }

    /// The folder for the journal, the report and failed rows.
    pub fn work_path(&self) -> PathBuf {
        self.base.join("cache").join(&self.name)
    }

    fn todo(&self) -> ToDo {
        ToDo {
            inputs: self.columns_to_extract.clone(),
            outputs: self.columns_to_write.values().cloned().collect(),
            require_all: self.datasource.require_all_input_fields,
            read_also: self.routing.field.iter().filter(|_| self.routing.enabled).cloned().collect(),
        }
    }

    fn storage(&self, options: ProcessOptions) -> Result<TableStorage> {
        let concurrency = &self.datasource.concurrency;
        let mut outputs: Vec<String> = self.columns_to_write.values().cloned().collect();
        outputs.extend(self.error_column.clone());
        let table = self.table(&outputs)?;
        let created = outputs.clone();
        let opened = async move {
            let table = table.await?;
            if options.create_columns && table.missing_columns(&created).await?.is_some() {
                table.create_columns(&created).await?;
            }
            Ok(table)
        };
        let storage = TableStorageOptions {
            todo: self.todo(),
            failed: FailedRows { told_in: Some(ERROR_KEY.into()), error_column: self.error_column.clone(), into_outputs: self.write_errors },
            claimant: self.datasource.claim.then(|| Claimant { owner: format!("{}-{}", hostname(), std::process::id()), lease: Duration::from_mins(2) }),
            page_rows: concurrency.shard_size.clamp(1, 1024),
            save_interval: Duration::try_from_secs_f64(concurrency.save_interval).unwrap_or(Duration::from_mins(5)),
            work_path: self.work_path(),
            shown: self.shown(),
            spec: json!({ "type": "table" }),
        };
        TableStorage::open(opened, storage)
    }

    /// What opens the table.
    fn table(&self, outputs: &[String]) -> Result<Opening> {
        let place = &self.place;
        let file = |kind: TableFileKind| {
            let input = self.base.join(&place.input_path);
            let output = place.output_path.as_ref().map_or_else(|| input.clone(), |output| self.base.join(output));
            let options = FileTableOptions { kind, input, output, outputs: outputs.to_vec(), sheet: place.sheet.clone() };
            Box::pin(async move { Ok(Arc::new(FileTable::open(options).await?) as Arc<dyn Table>) }) as Opening
        };
        let (host, user, password, database) = (place.host.clone(), place.user.clone(), place.password.clone(), place.database.clone());
        let address = match self.datasource.kind.as_str() {
            "excel" => return Ok(file(TableFileKind::Excel)),
            "csv" => return Ok(file(TableFileKind::Csv)),
            "jsonl" => return Ok(file(TableFileKind::Jsonl)),
            "parquet" => return Ok(file(TableFileKind::Parquet)),
            "sqlite" => SqlAddress::Sqlite { path: self.base.join(&place.db_path) },
            "mysql" => SqlAddress::Mysql { host, port: place.port.unwrap_or(3306), user, password, database },
            "postgresql" => {
                let schema = place.schema_name.clone().unwrap_or_else(|| "public".into());
                SqlAddress::Postgresql { host, port: place.port.unwrap_or(5432), user, password, database, schema }
            }
            other => return Err(Error::Configuration(format!("`datasource.type` is `{other}`"))),
        };
        let mut options = SqlTableOptions::new(address, place.table_name.clone());
        options.id_column.clone_from(&self.datasource.id_column);
        options.pool_size = place.pool_size.unwrap_or(options.pool_size).clamp(1, 32);
        Ok(Box::pin(async move { Ok(Arc::new(SqlTable::open(options).await?) as Arc<dyn Table>) }))
    }

    /// The table's place, to tell the user.
    fn shown(&self) -> PathBuf {
        let place = &self.place;
        match self.datasource.kind.as_str() {
            "mysql" | "postgresql" => format!("{}.{}", place.database, place.table_name).into(),
            "sqlite" => self.base.join(&place.db_path),
            _ => self.base.join(place.output_path.as_ref().unwrap_or(&place.input_path)),
        }
    }

    fn serving(&self, options: ProcessOptions) -> Result<Served> {
        let concurrency = &self.datasource.concurrency;
        let retries = options.retries(concurrency.retry_limits.api_error);
        let section = |name: &str| self.whole.get(name).cloned().unwrap_or_default();
        let has_models = section("models").as_array().is_some_and(|models| !models.is_empty());
        if has_models && !options.gateway {
            let pool = PoolServing::try_new(PoolOptions {
                models: section("models"),
                channels: section("channels"),
                gateway: section("gateway"),
                model: Some(self.prompt.model.clone()),
                max_retries: Some(retries),
                max_concurrency: Some(concurrency.batch_size),
                ..PoolOptions::default()
            })?;
            let inner = Arc::clone(pool.pool()?);
            return Ok((Arc::new(pool), Some(inner)));
        }
        let url = section("global").get("flux_api_url").and_then(Value::as_str).unwrap_or("http://127.0.0.1:8787").to_owned();
        let gateway = GatewayServingOptions {
            url,
            model: self.prompt.model.clone(),
            // An AI-DataFlux gateway asks for none.
            api_key: std::env::var("DF_GATEWAY_KEY").is_err().then(|| "none".into()),
            max_concurrency: concurrency.batch_size,
            max_retries: retries,
            ..GatewayServingOptions::default()
        };
        Ok((Arc::new(GatewayServing::from(gateway)), None))
    }

    fn operator(&self, options: ProcessOptions) -> RecordGenerator {
        RecordGenerator {
            input_keys: self.columns_to_extract.iter().map(|column| column.as_str().into()).collect(),
            output_keys: self.columns_to_write.iter().map(|(field, column)| (field.clone(), column.as_str().into())).collect(),
            profile: profile(&self.prompt, &self.validation),
            input_route_key: self.routing.field.as_deref().filter(|_| self.routing.enabled).map(Into::into),
            routes: self.routes.iter().map(|(text, (prompt, validation))| (text.clone(), profile(prompt, validation))).collect(),
            content_retries: options.retries(self.datasource.concurrency.retry_limits.content_error),
        }
    }
}

impl ProcessOptions {
    /// `n` retries; as AI-DataFlux counted, `n` tries.
    fn retries(self, limit: u32) -> u32 {
        if self.legacy_attempts { limit.saturating_sub(1) } else { limit }
    }
}

fn profile(prompt: &Prompt, validation: &Validation) -> RecordProfile {
    let rules: BTreeMap<String, Vec<Value>> =
        validation.field_rules.iter().filter_map(|(field, values)| Some((field.clone(), values.as_array()?.clone()))).collect();
    RecordProfile {
        system_prompt: prompt.system_prompt.clone().unwrap_or_default(),
        template: prompt.template.clone(),
        required_fields: prompt.required_fields.clone(),
        field_rules: if validation.enabled { rules } else { BTreeMap::new() },
        use_json_schema: prompt.use_json_schema,
        temperature: prompt.temperature_override.then_some(prompt.temperature),
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/etc/hostname").map_or_else(|_| "host".into(), |name| name.trim().to_owned())
}
