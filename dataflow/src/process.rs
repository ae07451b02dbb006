//! A batch over a table, as an AI-DataFlux configuration file describes it: a pipeline of one step whose replies go back into the table.

mod budget;
mod configuration;
mod estimate;
mod memory;
mod reach;
mod reading;
mod watch;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use dataflow_core::configuration::Faults;
use dataflow_core::serving::LLMServing;
use dataflow_core::{Error, OnError, Pipeline, Result, registry};
use dataflow_operators::core_text::{RecordGenerator, RecordProfile};
use dataflow_serving::gateway_serving::GatewayServingOptions;
use dataflow_serving::pool::{PoolOptions, Prices};
use dataflow_serving::{GatewayServing, PoolServing};
use dataflow_storage::table::{ColumnKind, ROW_KEY, TableColumn, TableSpec, TableStorage};
use serde_json::{Value, json};

pub use budget::Ledger;
pub use configuration::{Budget, ProcessConfiguration, Prompt, TokenEstimation, Validation};
pub(crate) use estimate::Rows;
pub use estimate::{Counted, Estimate, Mode};
pub use watch::Watch;

/// Who answers, and the pool behind it.
type Served = (Arc<dyn LLMServing>, Option<Arc<PoolServing>>);

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
    pub pool: Option<Arc<PoolServing>>,
    /// The table's columns.
    pub columns: Vec<TableColumn>,
    /// The encoding and the separator of a file of text.
    pub text: Option<String>,
    /// How many rows are read at once.
    pub page_rows: Arc<AtomicUsize>,
    /// Keeps this engine's name from others that share the table; free when it is dropped.
    pub(crate) own_name: Option<File>,
}

impl ProcessConfiguration {
    /// Reads a file, opens its table and makes the pipeline. What is wrong with the file, the table and the models is told together.
    pub fn open(path: &Path, options: ProcessOptions) -> Result<(Self, Process)> {
        let (mut configuration, problems) = Self::gather(path)?;
        let is_described = configuration.table().is_some_and(|table| table.problems(&configuration.datasource.kind).is_empty());
        let storage = is_described.then(|| configuration.storage(options));
        let missing = configuration.table().and_then(|table| table.missing_file(&configuration.base));
        // The table may not have been opened, or for another reason.
        let is_told = match &storage {
            Some(Err(error)) => missing.as_ref().is_none_or(|missing| missing.to_string() == error.to_string()),
            _ => missing.is_none(),
        };
        match (storage, configuration.paid_serving(options)) {
            (Some(Ok(storage)), Ok(served)) if problems.is_empty() => {
                let of_pool = served.1.iter().flat_map(|pool| pool.warnings());
                let new: Vec<String> = of_pool.filter(|warning| !configuration.warnings.contains(warning)).cloned().collect();
                configuration.warnings.extend(new);
                let todo = storage.todo();
                configuration.warnings.extend(storage.look(|table| async move { Ok(table.warnings(&todo).await) })?);
                let process = configuration.process(storage, served, options)?;
                Ok((configuration, process))
            }
            (Some(Err(error)), Ok(_)) | (Some(Ok(_)), Err(error)) if problems.is_empty() && is_told => Err(error),
            (storage, served) => {
                let columns = storage.as_ref().and_then(|storage| storage.as_ref().ok()).map(|storage| storage.columns().to_vec());
                let mut faults = Faults { problems, warnings: configuration.warnings.clone(), ..Faults::default() };
                for error in storage.and_then(Result::err).into_iter().chain(missing).chain(served.err()) {
                    let more = error.into_faults();
                    faults = faults.and(if more.of == path.display().to_string() { Faults { of: String::new(), ..more } } else { more });
                }
                faults.warnings.retain(|warning| !warning.starts_with("`global.log.")); // told as an error, with all that this file allows there
                faults.warnings.extend(configuration.placeholder_warnings(&columns.unwrap_or_default()));
                if !configuration.prompt.template.trim().is_empty() {
                    faults.warnings.extend(configuration.prompt_warnings());
                }
                Err(Error::Faults(faults.within(&path.display().to_string())))
            }
        }
    }

    /// Who answers, and what that costs where the budget asks for it.
    fn paid_serving(&self, options: ProcessOptions) -> Result<Served> {
        let (serving, pool) = self.serving(options)?;
        if let Some(pool) = &pool {
            pool.pool()?; // tells of a model that is not there
        }
        if self.budget.money.is_some() && self.prices(pool.as_deref()).is_none() {
            return Err(Error::Configuration(
                "`budget.money` is given, and what a call costs is not known\nhint: give each model `prices: {in: 2.5, out: 10}`, money for a million tokens"
                    .into(),
            ));
        }
        Ok((serving, pool))
    }

    fn process(&self, storage: TableStorage, (serving, pool): Served, options: ProcessOptions) -> Result<Process> {
        let (name, kept) = if self.datasource.claim { self.own_name()? } else { (self.name.clone(), None) };
        let (columns, page_rows) = (storage.columns().to_vec(), storage.page_rows());
        let text = storage.look(|table| async move { Ok(table.text()) })?;
        let mut pipeline = Pipeline::new(name, storage);
        pipeline.made_of(&self.path);
        pipeline.serving("default", serving);
        pipeline.step(self.operator(options)).named("records").on_error(OnError::Keep).error_key(ERROR_KEY);
        Ok(Process { pipeline, pool, columns, text, page_rows, own_name: kept })
    }

    /// The pipeline as a file that `dataflow run` runs: beside the configuration, which it reads models and keys from.
    pub fn explained(&self, process: &Process) -> Result<String> {
        let mut spec = process.pipeline.to_spec();
        spec.name.clone_from(&self.name);
        // Whatever looks like a variable in a prompt has been put in already.
        spec.storage.values_mut().chain(spec.serving.values_mut()).for_each(escape);
        spec.steps.iter_mut().flat_map(|step| step.parameters.values_mut()).for_each(escape);
        if let (Some(written), Some(at)) = (&self.written_password, spec.storage.get_mut("at").and_then(Value::as_object_mut)) {
            let variable = if written.contains("${") { written } else { "${DF_TABLE_PASSWORD}" };
            at.insert("password".into(), variable.into());
        }
        if spec.serving.get("default").and_then(|serving| serving.get("type")).is_some_and(|kind| kind == "api")
            && let Some(serving) = spec.serving.get_mut("default").and_then(Value::as_object_mut)
        {
            serving.insert("api_key".into(), "${DF_API_KEY:-none}".into());
        }
        let yaml = crate::pipeline_file::to_yaml(&spec)?;
        let place = if self.base == Path::new(".") { "this folder".to_owned() } else { format!("`{}`", self.base.display()) };
        let budget = if self.budget == Budget::default() { "" } else { "# The budget is not among it: `dataflow run` spends what the rows need.\n" };
        Ok(format!("# What `dataflow process -c {}` runs. Paths start from the folder of this file: keep it in {place}.\n{budget}{yaml}", self.path.display()))
    }

    /// The prompts, each with what it is called.
    fn prompts(&self) -> impl Iterator<Item = (String, &Prompt)> {
        let routes = self.routes.iter().map(|(text, (prompt, _))| (format!("prompt of `{text}`"), prompt));
        std::iter::once(("prompt".to_owned(), &self.prompt)).chain(routes)
    }

    fn is_read(&self, placeholder: &str) -> bool {
        placeholder == "record_json" || self.columns_to_extract.iter().any(|column| column == placeholder)
    }

    /// Names in braces in the prompts that are no column that is read, and so go to the model as they stand.
    pub fn placeholder_warnings(&self, columns: &[TableColumn]) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, prompt) in self.prompts() {
            let profile = RecordProfile { template: prompt.template.clone(), ..RecordProfile::default() };
            for other in profile.placeholders().filter(|placeholder| !self.is_read(placeholder)) {
                let is_word = other.chars().all(|character| character.is_alphanumeric() || character == '_');
                let why = if columns.iter().any(|column| column.name == other) {
                    "a column of the table that is not read: add it to `columns_to_extract`".to_owned()
                } else if let Some(near) = registry::nearest(other, self.columns_to_extract.iter().map(String::as_str).chain(["record_json"])) {
                    format!("no column: did you mean `{{{near}}}`?")
                } else if is_word {
                    "no column, so the model is told just that".to_owned()
                } else {
                    continue; // braces of the prompt's own
                };
                let warning = format!("the {name} holds `{{{other}}}`, which is {why}");
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        warnings
    }

    /// Prompts that say nothing of the row, and fields that go nowhere or may not come.
    pub fn prompt_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, prompt) in self.prompts() {
            let profile = RecordProfile { template: prompt.template.clone(), ..RecordProfile::default() };
            if !profile.placeholders().any(|placeholder| self.is_read(placeholder)) {
                warnings.push(format!("the {name} holds neither `{{record_json}}` nor a column, so every row is asked the same"));
            }
            for field in self.columns_to_write.keys().filter(|field| !prompt.required_fields.contains(field)) {
                warnings.push(format!("the {name} does not require `{field}`, so a row whose reply leaves it out stays to be done"));
            }
            let required = prompt.required_fields.iter().filter(|field| !self.columns_to_write.contains_key(*field));
            warnings.extend(required.map(|field| format!("the {name} requires the field `{field}`, which goes into no column")));
        }
        warnings
    }

    /// Columns whose answers may not be what is wanted: those that are read too, and numbers that nothing holds a reply to.
    pub fn column_warnings(&self, columns: &[TableColumn]) -> Vec<String> {
        let mut warnings = Vec::new();
        for (field, name) in &self.columns_to_write {
            if self.columns_to_extract.contains(name) {
                warnings.push(format!("the column `{name}` is read and written, so answers stand over what was asked about"));
            }
            let Some(column) = columns.iter().find(|column| column.name == *name) else { continue };
            let is_number = matches!(column.kind, ColumnKind::Integer | ColumnKind::Decimal | ColumnKind::Float);
            let rule = self.validation.field_rules.get(field).and_then(Value::as_array).filter(|values| self.validation.enabled && !values.is_empty());
            let fits = |value: &Value| value.is_number() || value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok());
            if is_number && !rule.is_some_and(|values| values.iter().all(fits)) {
                warnings.push(format!(
                    "the field `{field}` may be any text and goes into `{name}`, which is `{}`: a reply that is no number may be refused, unless `validation.field_rules` lists numbers",
                    column.declared
                ));
            }
        }
        warnings
    }

    /// What a million tokens cost on average over the models that may be asked, by their weights; `None` where one of them does not say.
    pub fn prices(&self, pool: Option<&PoolServing>) -> Option<Prices> {
        let pool = pool?;
        let name = self.prompt.model.as_str();
        let (mut all, mut input, mut output) = (0.0, 0.0, 0.0);
        for deployment in pool.pool().ok()?.deployments().iter() {
            let settings = deployment.settings();
            let (any, named) = (["auto", "any", "default", "*", ""].contains(&name), deployment.is_named(name));
            if !named && (!any || settings.weight <= 0.0) {
                continue;
            }
            let (prices, weight) = (settings.prices?, settings.weight.max(f64::MIN_POSITIVE));
            (all, input, output) = (all + weight, input + weight * prices.input, output + weight * prices.output);
        }
        (all > 0.0).then(|| Prices { input: input / all, output: output / all })
    }

    fn table_spec(&self) -> Result<TableSpec> {
        self.table().ok_or_else(|| Error::Configuration(format!("`datasource.type` is `{}`", self.datasource.kind)))
    }

    /// The table as a pipeline's storage.
    pub(crate) fn storage(&self, options: ProcessOptions) -> Result<TableStorage> {
        TableSpec { create_columns: options.create_columns, error_key: ERROR_KEY.into(), ..self.table_spec()? }.open(&self.base)
    }

    /// The first of `name`, `name-2`, … that no other engine has that shares the table from this folder; the journal is theirs together.
    fn own_name(&self) -> Result<(String, Option<File>)> {
        let folder = self.base.join(self.cache_path());
        let failed = |error| Error::storage(format!("cannot write in {}", folder.display()), error);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        for number in 1..=1000 {
            let name = if number == 1 { self.name.clone() } else { format!("{}-{number}", self.name) };
            let file = File::create(folder.join(format!(".{name}.engine"))).map_err(failed)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {}
                _ => return Ok((name, Some(file))), // some file systems have no locks
            }
        }
        Err(Error::Configuration(format!("a thousand engines are at work in {}", folder.display())))
    }

    /// The models of the file; none where a gateway is asked.
    pub fn pool(&self, options: ProcessOptions) -> Result<Option<Arc<PoolServing>>> {
        Ok(self.serving(options)?.1)
    }

    fn serving(&self, options: ProcessOptions) -> Result<Served> {
        let concurrency = &self.datasource.concurrency;
        let retries = options.retries(concurrency.retry_limits.api_error);
        let section = |name: &str| self.whole.get(name).cloned().unwrap_or_default();
        let has_models = section("models").as_array().is_some_and(|models| !models.is_empty());
        if has_models && !options.gateway {
            let pool = Arc::new(PoolServing::try_new(PoolOptions {
                config: Some(self.path.clone()),
                model: Some(self.prompt.model.clone()),
                max_retries: Some(retries),
                max_concurrency: Some(concurrency.batch_size.max(1)), // none is told by itself
                pause: Some(concurrency.api_pause_duration.max(0.0)), // one that is none was no error in AI-DataFlux
                pause_window: Some(concurrency.api_error_trigger_window.max(0.0)),
                ..PoolOptions::default()
            })?);
            return Ok((Arc::clone(&pool) as Arc<dyn LLMServing>, Some(pool)));
        }
        let url = section("global").get("flux_api_url").and_then(Value::as_str).map(ToOwned::to_owned);
        if url.is_none() && !options.gateway {
            // Whoever the environment names, or the demo model.
            let env = json!({ "type": "env", "max_concurrency": concurrency.batch_size, "max_retries": retries });
            return Ok((registry::build_serving("default", &env)?, None));
        }
        let key = section("gateway").pointer("/api_keys/0").and_then(Value::as_str).map(ToOwned::to_owned);
        let gateway = GatewayServingOptions {
            url: url.unwrap_or_else(|| "http://127.0.0.1:8787".into()),
            model: self.prompt.model.clone(),
            // An AI-DataFlux gateway asks for none.
            api_key: key.or_else(|| std::env::var("DF_GATEWAY_KEY").is_err().then(|| "none".into())).map(Into::into),
            max_concurrency: concurrency.batch_size,
            max_retries: retries,
            ..GatewayServingOptions::default()
        };
        Ok((Arc::new(GatewayServing::from(gateway)), None))
    }

    pub(crate) fn operator(&self, options: ProcessOptions) -> RecordGenerator {
        RecordGenerator {
            // With the row's key among them, which is told to nobody, a text of blanks is asked about too: the database counts it as something.
            input_keys: self.columns_to_extract.iter().map(String::as_str).chain([ROW_KEY]).map(Into::into).collect(),
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
    let rules: BTreeMap<String, Vec<Value>> = validation
        .field_rules
        .iter()
        .filter_map(|(field, values)| Some((field.clone(), values.as_array()?.clone())))
        .filter(|(_, values)| !values.is_empty())
        .collect();
    RecordProfile {
        system_prompt: prompt.system_prompt.clone().unwrap_or_default(),
        template: prompt.template.clone(),
        required_fields: prompt.required_fields.clone(),
        field_rules: if validation.enabled { rules } else { BTreeMap::new() },
        use_json_schema: prompt.use_json_schema,
        temperature: prompt.temperature_override.then_some(prompt.temperature),
    }
}

/// Has texts that look like variables read as they stand.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("${") => *text = text.replace("${", "$${"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(object) => object.values_mut().for_each(escape),
        _ => {}
    }
}
