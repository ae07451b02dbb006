//! From a pipeline to one that can run: keys, types, prompts and servings are checked, and the graph is drawn up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{DataFrame, PlSmallStr, Schema, SchemaRef};

use super::problems::apart;
use super::{DEFAULT_SERVING, OnError, Pipeline, PipelineSpec, Problem, Problems, Severity, Step};
use crate::engine::apply::schema_after;
use crate::error::{Error, Result};
use crate::graph::PipelineGraph;
use crate::journal::Journal;
use crate::key::{ColumnType, Direction, KeyUse};
use crate::operator::{AtMost, Changes, Operator, OperatorInfo, PathUse, Work};
use crate::registry;
use crate::serving::LLMServing;
use crate::storage::{Source, Storage};

/// A pipeline whose keys, prompts and servings were checked: it can be drawn, and it can run.
#[derive(Debug)]
pub struct CompiledPipeline {
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) journal: Option<Arc<dyn Journal>>,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) servings: Vec<(String, Arc<dyn LLMServing>)>,
    pub(crate) steps: Vec<Arc<CompiledStep>>,
    pub(crate) source_schema: SchemaRef,
    spec: PipelineSpec,
    warnings: Vec<Problem>,
    graph: PipelineGraph,
}

/// A step whose place in the data set is known.
#[derive(Debug)]
pub(crate) struct CompiledStep {
    pub number: usize,
    pub name: String,
    pub operator: Box<dyn Operator>,
    pub keys: Vec<KeyUse>,
    /// The place in `servings` of who answers it; `None` for a step that asks nothing.
    pub serving: Option<usize>,
    pub on_error: OnError,
    /// The column in which a row that failed and is kept says why; one of `keys`.
    pub error_key: Option<String>,
    /// The columns after it.
    pub schema: SchemaRef,
}

impl CompiledStep {
    pub fn info(&self) -> &'static OperatorInfo {
        self.operator.info()
    }
}

/// How many model calls a run would make at most, re-asks of unreadable replies aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MostCalls {
    /// Rows of the source, where they are known.
    pub source_rows: Option<u64>,
    /// Calls, where the rows are known.
    pub calls: Option<u64>,
}

impl CompiledPipeline {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the user should know, though the pipeline can run.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The pipeline as a graph.
    pub fn graph(&self) -> &PipelineGraph {
        &self.graph
    }

    /// The pipeline as its file has it.
    pub fn spec(&self) -> &PipelineSpec {
        &self.spec
    }

    /// The servings by name, with how many steps use each: DataFlow's `llm_serving_list` and its counter.
    pub fn llm_serving_list(&self) -> Vec<(&str, usize)> {
        self.servings
            .iter()
            .enumerate()
            .map(|(index, (name, _))| (name.as_str(), self.steps.iter().filter(|step| step.serving == Some(index)).count()))
            .collect()
    }

    /// What the servings that are asked say before their first call, by their names.
    pub fn notices(&self) -> Vec<(&str, String)> {
        let used = self.llm_serving_list();
        let asked = self.servings.iter().zip(used).filter(|(_, (_, steps))| *steps > 0);
        asked.filter_map(|((name, serving), _)| serving.notice().map(|notice| (name.as_str(), notice))).collect()
    }

    /// The columns of the data set after the last step.
    pub fn schema(&self) -> &SchemaRef {
        self.steps.last().map_or(&self.source_schema, |step| &step.schema)
    }

    /// The most model calls that a run can make, or one of the first `limit` rows.
    pub fn most_calls(&self, limit: Option<u64>) -> MostCalls {
        let source_rows = self.source.rows();
        let mut rows = source_rows.map(|rows| limit.map_or(rows, |limit| rows.min(limit)));
        let mut calls = Some(0u64);
        for step in &self.steps {
            let AtMost { calls: each, rows: become_rows, seeds } = step.operator.at_most();
            let seeds = seeds.min(limit.unwrap_or(u64::MAX));
            calls = match (calls, rows) {
                _ if each == 0 => calls,
                (Some(calls), _) if seeds > 0 => Some(calls.saturating_add(seeds.saturating_mul(each))),
                (Some(calls), Some(rows)) => Some(calls.saturating_add(rows.saturating_mul(each))),
                _ => None,
            };
            rows = match rows {
                Some(_) if seeds == 0 && become_rows == u64::MAX => None, // as many as there are
                Some(rows) if seeds > 0 => Some(rows.saturating_add(seeds.saturating_mul(become_rows))),
                rows => rows.map(|rows| rows.saturating_mul(become_rows.max(1))),
            };
        }
        MostCalls { source_rows, calls }
    }
}

pub(super) fn compile(pipeline: Pipeline) -> Result<CompiledPipeline> {
    registry::check()?;
    let spec = pipeline.to_spec();
    let Pipeline { name, seed, storage, no_storage, journal, servings, steps, problems } = pipeline;
    let unfit: Vec<Error> = storage.problems().into_iter().map(|message| Error::Configuration(format!("storage: {message}"))).collect();
    let sound = no_storage.is_none() && unfit.is_empty();
    let read = no_storage.map_or_else(|| storage.source().and_then(|source| Ok((source.schema()?, source))), Err);
    let source_schema = read.as_ref().map(|(schema, _)| schema.clone()).unwrap_or_default();
    let makes_rows = steps.iter().filter_map(|step| step.operator.as_ref()).any(|operator| operator.at_most().seeds > 0);
    let columns = match &read {
        Err(_) => Columns::Unknown,
        Ok(_) if !sound && storage.input_path().is_none() => Columns::Unknown, // the input may be what could not be understood
        Ok((schema, source)) if schema.is_empty() && source.rows() == Some(0) && !makes_rows => Columns::OfNoRows,
        Ok(_) => Columns::Known,
    };
    let mut check = Check { pipeline: &name, columns, source: &source_schema, servings: &servings, steps: &steps, problems, compiled_keys: Vec::new() };
    check.all(storage.as_ref(), sound);
    let mut problems = check.problems;
    let (source, unread) = match read {
        Ok((_, source)) => (Some(source), None),
        Err(error) => (None, Some(error)),
    };
    tell_of_storage(unfit.into_iter().chain(unread).collect(), &mut problems)?;
    problems.extend(source.iter().flat_map(|source| source.warnings()).map(|message| Problem {
        severity: Severity::Warning,
        step: None,
        name: String::new(),
        operator: String::new(),
        message,
        hint: None,
    }));
    problems.sort_by_key(|problem| problem.step); // stable: the order within a step stays
    let problems = Problems { pipeline: name.clone(), problems };
    let Some(source) = source.filter(|_| problems.errors().next().is_none()) else { return Err(Error::DoesNotCompile(problems)) };

    let mut schema = source_schema.clone();
    let mut compiled = Vec::with_capacity(steps.len());
    for (index, step) in steps.into_iter().enumerate() {
        let mut keys = step.keys();
        let Some(operator) = step.operator else { continue }; // a step without an operator is a problem, told above
        settle(operator.as_ref(), &mut keys, &schema);
        schema = Arc::new(schema_after(&keys, &schema));
        let asked = (operator.at_most().calls > 0).then(|| step.serving.as_deref().unwrap_or(DEFAULT_SERVING).to_owned());
        compiled.push(Arc::new(CompiledStep {
            number: index + 1,
            name: step.name.unwrap_or(step.operator_name),
            serving: asked.and_then(|name| servings.iter().position(|(known, _)| *known == name)),
            operator,
            keys,
            on_error: step.on_error,
            error_key: step.error_key,
            schema: schema.clone(),
        }));
    }
    if columns == Columns::Known {
        let broken = on_a_thread(|| trial(&source_schema, &compiled));
        if !broken.is_empty() {
            return Err(Error::DoesNotCompile(Problems { pipeline: name, problems: broken }));
        }
    }
    let graph = PipelineGraph::of(&name, &source_schema, &compiled, &servings);
    let warnings = problems.warnings().cloned().collect();
    Ok(CompiledPipeline { name, seed, storage, journal, source, servings, steps: compiled, source_schema, spec, warnings, graph })
}

/// Puts what is wrong with the storage before all else; where a single thing is wrong, and it is the storage's, that is the error.
fn tell_of_storage(mut wrong: Vec<Error>, problems: &mut Vec<Problem>) -> Result<()> {
    if wrong.len() == 1 && problems.iter().all(|problem| problem.severity != Severity::Error) {
        return wrong.pop().map_or(Ok(()), Err);
    }
    let told = wrong.into_iter().map(|error| {
        let (message, hint) = apart(&error.to_string());
        Problem { severity: Severity::Error, step: None, name: String::new(), operator: String::new(), message, hint }
    });
    problems.splice(..0, told);
    Ok(())
}

/// Works on a thread of its own: polars refuses to work on a thread that drives a runtime of one thread, as a program's main thread may do.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Gives the columns that an operator infers the types that it gives for a batch without rows. Where it cannot work, which [`trial`] tells, they are text.
fn settle(operator: &dyn Operator, keys: &mut [KeyUse], before: &Schema) {
    if keys.iter().all(|key| key.column_type != ColumnType::Inferred) {
        return;
    }
    let frame = DataFrame::empty_with_schema(before);
    let changes = on_a_thread(|| match operator.work() {
        Ok(Work::Column(work)) => work.batch(&frame).unwrap_or_default(),
        _ => Changes::default(),
    });
    for key in keys.iter_mut().filter(|key| key.column_type == ColumnType::Inferred) {
        let given = changes.columns.iter().find(|column| column.name().as_str() == key.key);
        key.column_type = given.map_or(ColumnType::Text, |column| ColumnType::inferred_from(column.dtype()));
    }
}

/// Has each rule work on a batch without rows, which finds what only its own work tells: an expression of the wrong type, say.
fn trial(source: &SchemaRef, steps: &[Arc<CompiledStep>]) -> Vec<Problem> {
    let mut before = source;
    let mut broken = Vec::new();
    for step in steps {
        let frame = DataFrame::empty_with_schema(before);
        let changes = match step.operator.work() {
            Ok(Work::Column(work)) => work.batch(&frame),
            Ok(Work::Dataset(mut work)) => work.batch(&frame),
            Ok(Work::Row(_) | Work::Source(_)) => Ok(Changes::default()),
            Err(error) => Err(error),
        };
        if let Err(error) = changes {
            let (message, hint) = apart(&error.to_string());
            broken.push(Problem {
                severity: Severity::Error,
                step: Some(step.number),
                name: step.name.clone(),
                operator: step.info().name.to_owned(),
                message,
                hint,
            });
        }
        before = &step.schema;
    }
    broken
}

/// Where a path leads, by which two ways to one file are told.
pub(crate) fn place(path: &Path) -> PathBuf {
    let beside = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(beside).or_else(|| std::path::absolute(path).ok()).unwrap_or_else(|| path.to_owned())
}

/// What is known of the columns of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Columns {
    Known,
    /// There are no rows, which would show them.
    OfNoRows,
    /// The data set cannot be read, and that is a problem of its own.
    Unknown,
}

struct Check<'a> {
    pipeline: &'a str,
    columns: Columns,
    source: &'a Schema,
    servings: &'a [(String, Arc<dyn LLMServing>)],
    steps: &'a [Step],
    problems: Vec<Problem>,
    compiled_keys: Vec<Vec<KeyUse>>,
}

impl Check<'_> {
    /// Checks everything; of a storage that is not sound it is not known what it would write.
    fn all(&mut self, storage: &dyn Storage, sound: bool) {
        if self.pipeline.is_empty() || self.pipeline.starts_with('.') || self.pipeline.contains(['/', '\\']) {
            let message = format!("the pipeline's name is `{}`, and files are named after it", self.pipeline);
            self.general(Severity::Error, message, Some("a name has no `/` or `\\`, and does not begin with a dot".into()));
        }
        if self.steps.is_empty() {
            self.general(Severity::Error, "the pipeline has no steps".into(), None);
        }
        if sound && storage.output_path().is_none() && storage.step_path(self.steps.len().max(1)).is_none() {
            let hint = "give the storage an `output`, or a `cache_type` other than `none`".to_owned();
            self.general(Severity::Error, "nothing would be written: there is no output, and no step caches are kept".into(), Some(hint));
        }
        self.compiled_keys = self.steps.iter().map(Step::keys).collect();
        self.names();
        if sound {
            self.written_files(storage);
        }
        let mut available = self.source.clone();
        // Who wrote a column last, and whether it was read since.
        let mut writers: HashMap<String, (usize, bool)> = HashMap::new();
        for (index, step) in self.steps.iter().enumerate() {
            let Some(operator) = &step.operator else {
                // Told when the file was read; its outputs are unknown, see `unknown_outputs`.
                if let Some(name) = step.serving.clone() {
                    self.served_by(index, name);
                }
                continue;
            };
            for message in operator.problems() {
                let (message, hint) = apart(&message);
                self.at(Severity::Error, index, message, hint);
            }
            for usage in operator.prompts() {
                for (message, hint) in usage.problems(operator.info().module) {
                    self.at(Severity::Error, index, message, hint);
                }
                if let Some((message, hint)) = usage.warning() {
                    self.at(Severity::Warning, index, message, hint);
                }
            }
            if step.error_key.is_some() && step.on_error != OnError::Keep {
                let hint = "add `on_error: keep`".to_owned();
                self.at(Severity::Error, index, "`error_key` is set, and rows that fail are not kept".into(), Some(hint));
            }
            self.serving(index, operator.as_ref());
            let mut keys = self.compiled_keys[index].clone();
            settle(operator.as_ref(), &mut keys, &available);
            self.reads(index, &keys, &available, &mut writers);
            self.writes(index, &keys, &available, &mut writers);
            available = schema_after(&keys, &available);
        }
        // A file that is not finished yet has other problems, and may name its input later.
        let is_finished = storage.input_path().is_some() || self.problems.iter().all(|problem| problem.severity != Severity::Error);
        if self.columns == Columns::OfNoRows && is_finished {
            self.general(Severity::Warning, "the data set is empty, so its columns are not known and keys are not checked against them".into(), None);
        }
        let used: Vec<&str> = self
            .steps
            .iter()
            .filter(|step| step.operator.as_ref().is_none_or(|operator| operator.at_most().calls > 0))
            .map(|step| step.serving.as_deref().unwrap_or(DEFAULT_SERVING))
            .collect();
        let unused: Vec<String> = self.servings.iter().map(|(name, _)| name.clone()).filter(|name| !used.contains(&name.as_str())).collect();
        for name in unused {
            self.general(Severity::Warning, format!("no step uses the serving `{name}`"), None);
        }
    }

    fn names(&mut self) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut twice = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            if let Some(name) = &step.name
                && let Some(first) = seen.insert(name, index)
            {
                twice.push((index, format!("its name is step {}'s too", first + 1)));
            }
        }
        for (index, message) in twice {
            self.at(Severity::Error, index, message, Some("give each step a name of its own, or none".into()));
        }
    }

    /// A file that a step writes beside the rows is nobody else's.
    fn written_files(&mut self, storage: &dyn Storage) {
        let mut others: Vec<(String, PathBuf)> = Vec::new();
        others.extend(storage.input_path().map(|path| ("the input".to_owned(), place(&path))));
        others.extend(storage.output_path().map(|path| ("the output".to_owned(), place(&path))));
        others.extend((1..=self.steps.len()).filter_map(|step| Some((format!("the cache of step {step}"), place(&storage.step_path(step)?)))));
        for index in 0..self.steps.len() {
            let Some(operator) = &self.steps[index].operator else { continue };
            for (field, path_use, path) in operator.info().paths(&operator.parameters()) {
                let path = place(&path);
                let taken = others.iter().find(|(_, other)| *other == path).map(|(whose, _)| whose.clone());
                if let (PathUse::Writes, Some(whose)) = (path_use, taken) {
                    let message = format!("`{field}` would be written over {whose}, `{}`", path.display());
                    self.at(Severity::Error, index, message, Some("name another file".into()));
                }
                others.push((format!("`{field}` of step {} `{}`", index + 1, self.shown(index)), path));
            }
        }
    }

    fn serving(&mut self, index: usize, operator: &dyn Operator) {
        let named = self.steps[index].serving.clone();
        if operator.at_most().calls == 0 {
            if let Some(name) = named {
                self.at(Severity::Warning, index, format!("asks no model, and names the serving `{name}`"), None);
            }
            return;
        }
        self.served_by(index, named.unwrap_or_else(|| DEFAULT_SERVING.to_owned()));
    }

    fn served_by(&mut self, index: usize, name: String) {
        // A serving that is missing, or that could not be made, is told once and not at each step that asks it.
        if self.problems.iter().any(|problem| problem.step.is_none() && problem.name == name) {
            return;
        }
        if let Some((_, serving)) = self.servings.iter().find(|(known, _)| *known == name) {
            if let Err(error) = serving.check() {
                let (message, hint) = apart(&error.to_string());
                self.problems.push(Problem {
                    severity: Severity::Error,
                    step: None,
                    operator: String::new(),
                    message: format!("serving `{name}`: {message}"),
                    name,
                    hint,
                });
            }
            return;
        }
        let known: Vec<&str> = self.servings.iter().map(|(name, _)| name.as_str()).collect();
        let hint = match registry::nearest(&name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "the pipeline has no serving: add one named `default`".to_owned(),
            None => format!("the pipeline has {}", quoted(known)),
        };
        let message = format!("there is no serving `{name}`, which step {} `{}` asks", index + 1, self.shown(index));
        self.problems.push(Problem { severity: Severity::Error, step: None, name, operator: String::new(), message, hint: Some(hint) });
    }

    fn reads(&mut self, index: usize, keys: &[KeyUse], available: &Schema, writers: &mut HashMap<String, (usize, bool)>) {
        for key in keys.iter().filter(|key| key.direction != Direction::Write) {
            if key.key.is_empty() {
                self.at(Severity::Error, index, format!("`{}` is not set", key.field), Some(format!("name a column of type {}", key.column_type)));
                continue;
            }
            if let Some((_, read)) = writers.get_mut(&key.key) {
                *read = true;
            }
            match available.get(&key.key) {
                Some(found) if key.column_type.accepts(found) => {}
                Some(found) if key.column_type.reads_written_out(found) => {
                    let message = format!("`{}` reads `{}` as {}, and the column holds {found}", key.field, key.key, key.column_type);
                    let hint = "each cell is read as its JSON text; a step that writes a column of text can take out what is meant";
                    self.at(Severity::Warning, index, message, Some(hint.to_owned()));
                }
                Some(found) => {
                    let message = format!("`{}` reads `{}` as {}, and the column holds {found}", key.field, key.key, key.column_type);
                    self.at(Severity::Error, index, message, None);
                }
                None => self.missing(index, key, available, writers),
            }
        }
    }

    fn missing(&mut self, index: usize, key: &KeyUse, available: &Schema, writers: &HashMap<String, (usize, bool)>) {
        let KeyUse { field, key: name, .. } = key;
        // A step whose operator could not be made may write anything; its own problem is told, and not what follows from it.
        if self.columns != Columns::Known || self.steps[..index].iter().any(|step| step.operator.is_none()) {
            return;
        }
        let later = self
            .compiled_keys
            .iter()
            .enumerate()
            .skip(index)
            .find(|(_, keys)| keys.iter().any(|later| later.direction == Direction::Write && later.key == *name));
        if key.may_be_missing && later.is_some_and(|(later, _)| later == index) {
            return; // it fills in what may be missing
        }
        let (message, hint) = if let Some((later, _)) = later {
            let message = if later == index {
                format!("`{field}` reads `{name}`, which this step itself writes")
            } else {
                format!("`{field}` reads `{name}`, which comes only later")
            };
            (message, format!("step {} `{}` writes it", later + 1, self.shown(later)))
        } else {
            let hint = match registry::nearest(name, available.iter_names().map(PlSmallStr::as_str)) {
                Some(near) => match writers.get(near) {
                    Some((writer, _)) => format!("did you mean `{near}`, written by step {} `{}`?", writer + 1, self.shown(*writer)),
                    None => format!("did you mean `{near}` of the data set?"),
                },
                None if self.source.is_empty() => "the data set has no columns".to_owned(),
                None => format!("the data set has {}", quoted(self.source.iter_names().map(PlSmallStr::as_str))),
            };
            (format!("`{field}` reads `{name}`, which no earlier step and not the data set gives"), hint)
        };
        let (severity, message) = if key.may_be_missing { (Severity::Warning, format!("{message}, and is null")) } else { (Severity::Error, message) };
        self.at(severity, index, message, Some(hint));
    }

    fn writes(&mut self, index: usize, keys: &[KeyUse], available: &Schema, writers: &mut HashMap<String, (usize, bool)>) {
        let mut own: Vec<&KeyUse> = Vec::new();
        for key in keys.iter().filter(|key| key.direction != Direction::Read) {
            if key.key.is_empty() {
                if key.direction == Direction::Write {
                    self.at(Severity::Error, index, format!("`{}` is not set", key.field), Some("name the column to write".into()));
                }
                continue;
            }
            if let Some(other) = own.iter().find(|other| other.key == key.key) {
                self.at(
                    Severity::Error,
                    index,
                    format!("`{}` and `{}` both write `{}`", other.field, key.field, key.key),
                    Some("give each a name of its own".into()),
                );
            }
            own.push(key);
            if key.direction == Direction::Write && available.contains(&key.key) {
                let message = match writers.get(&key.key) {
                    Some((writer, false)) => {
                        format!("`{}` overwrites `{}` of step {} `{}`, which no step has read", key.field, key.key, writer + 1, self.shown(*writer))
                    }
                    Some((writer, true)) => format!("`{}` overwrites `{}` of step {} `{}`", key.field, key.key, writer + 1, self.shown(*writer)),
                    None => format!("`{}` overwrites the column `{}` of the data set", key.field, key.key),
                };
                self.at(Severity::Warning, index, message, None);
            }
            writers.insert(key.key.clone(), (index, false));
        }
    }

    fn shown(&self, index: usize) -> &str {
        self.steps[index].name.as_deref().unwrap_or(&self.steps[index].operator_name)
    }

    fn at(&mut self, severity: Severity, index: usize, message: String, hint: Option<String>) {
        let name = self.shown(index).to_owned();
        self.problems.push(Problem { severity, step: Some(index + 1), name, operator: self.steps[index].operator_name.clone(), message, hint });
    }

    fn general(&mut self, severity: Severity, message: String, hint: Option<String>) {
        self.problems.push(Problem { severity, step: None, name: String::new(), operator: String::new(), message, hint });
    }
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(12).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(12);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
