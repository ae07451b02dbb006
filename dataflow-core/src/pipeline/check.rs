//! What is looked at before a pipeline compiles: names, files, prompts, servings, and each step's keys against the columns before it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{DataFrame, PlSmallStr, Schema};

use super::files::{Clash, Files};
use super::problems::apart;
use super::{DEFAULT_SERVING, OnError, Problem, Severity, Step};
use crate::engine::apply::schema_after;
use crate::error::{Error, Result};
use crate::guarded::guarded;
use crate::key::{ColumnType, Direction, KeyUse};
use crate::operator::{Changes, Operator, Work};
use crate::registry;
use crate::serving::LLMServing;
use crate::storage::Storage;
use crate::whole_file::MOST_BYTES_OF_NAME;

/// What is known of the columns of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    Known,
    /// There are no rows, which would show them.
    OfNoRows,
    /// The data set cannot be read, and that is a problem of its own.
    Unknown,
}

/// What is looked at, and what was found wrong with it.
pub(super) struct Check<'a> {
    pub pipeline: &'a str,
    pub columns: Columns,
    pub source: &'a Schema,
    pub servings: &'a [(String, Arc<dyn LLMServing>)],
    /// Servings that could not be made, which is a problem of its own.
    pub unmade_servings: &'a [String],
    pub steps: &'a [Step],
    pub problems: Vec<Problem>,
    /// Each step's keys; `all` asks for them, and settles the types that are inferred.
    pub compiled_keys: Vec<Vec<KeyUse>>,
    /// Columns whose type is not known, since the step that infers it cannot work.
    pub untyped: HashSet<String>,
    /// The files that are read and written, those of the pipeline and its servings to begin with.
    pub files: Files,
    /// The file that each step keeps from run to run.
    pub kept: Vec<Option<PathBuf>>,
}

impl Check<'_> {
    /// Checks everything; of a storage that is not sound it is not known what it would write.
    pub(super) fn all(&mut self, storage: &dyn Storage, sound: bool) {
        if self.pipeline.is_empty() {
            self.general(
                Severity::Error,
                "the pipeline has no name, and files are named after it".into(),
                Some("add a `name`, such as `name: my_pipeline`".into()),
            );
        }
        if self.pipeline.starts_with('.') || self.pipeline.contains(['/', '\\']) {
            let message = format!("the pipeline's name is `{}`, and files are named after it", self.pipeline);
            self.general(Severity::Error, message, Some("a name has no `/` or `\\`, and does not begin with a dot".into()));
        }
        if self.pipeline.len() > MOST_BYTES_OF_NAME {
            let message =
                format!("the pipeline's name should have at most {MOST_BYTES_OF_NAME} bytes, since files are named after it; found {}", self.pipeline.len());
            self.general(Severity::Error, message, None);
        }
        if self.steps.is_empty() {
            self.general(Severity::Error, "the pipeline has no steps".into(), None);
        }
        if sound && storage.output_path().is_none() && storage.step_path(self.steps.len().max(1)).is_none() {
            let hint = "give the storage an `output`, or a `cache_type` other than `none`".to_owned();
            self.general(Severity::Error, "nothing would be written: there is no output, and no step caches are kept".into(), Some(hint));
        }
        let steps = self.steps.iter().enumerate();
        self.compiled_keys = steps.map(|(index, step)| self.or_told(index, step.keys())).collect();
        self.kept = vec![None; self.steps.len()];
        self.names();
        if sound {
            self.files.of_storage(storage, self.pipeline, self.steps.len());
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
            for message in self.or_told(index, guarded(operator.info(), || Ok(operator.problems()))) {
                let (message, hint) = apart(&message);
                self.at(Severity::Error, index, message, hint);
            }
            self.kept[index] = self.or_told(index, guarded(operator.info(), || operator.kept())).map(|kept| kept.file);
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
            self.reads(index, &keys, &available, &mut writers);
            let changes = if self.can_try(index, &keys) { self.tried(index, operator.as_ref(), &available) } else { None };
            self.untyped.extend(settle(&mut keys, changes));
            self.writes(index, &keys, &available, &mut writers);
            self.compiled_keys[index].clone_from(&keys);
            available = schema_after(&keys, &available);
        }
        self.shared_files();
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

    /// Whether a step can work on a batch without rows: what it reads is known, and nothing is wrong with it so far.
    fn can_try(&self, index: usize, keys: &[KeyUse]) -> bool {
        let is_wrong = self.problems.iter().any(|problem| problem.severity == Severity::Error && problem.step == Some(index + 1));
        let reads_known = keys.iter().all(|key| key.direction == Direction::Write || !self.untyped.contains(&key.key));
        let is_wanted = self.columns == Columns::Known || keys.iter().any(|key| key.column_type == ColumnType::Inferred);
        // A step whose operator could not be made may write anything.
        is_wanted && !is_wrong && reads_known && self.steps[..index].iter().all(|step| step.operator.is_some())
    }

    /// What a step makes of a batch without rows, which tells what only its own work does: an expression of the wrong type, say. It makes nothing where it cannot
    /// work, and where it is no rule.
    fn tried(&mut self, index: usize, operator: &dyn Operator, available: &Schema) -> Option<Changes> {
        let frame = DataFrame::empty_with_schema(available);
        let work = || match operator.work()? {
            Work::Column(work) => work.batch(&frame).map(Some),
            Work::Dataset(mut work) => work.batch(&frame).map(Some),
            Work::Row(_) | Work::Source(_) => Ok(None),
        };
        match on_a_thread(|| guarded(operator.info(), work)) {
            Ok(changes) => changes,
            Err(_) if self.columns != Columns::Known => None, // it may be for want of its columns
            wrong => self.or_told(index, wrong),
        }
    }

    /// What was asked of a step's operator; where that went wrong, each problem is told, and there is nothing of it.
    fn or_told<T: Default>(&mut self, index: usize, asked: Result<T>) -> T {
        asked.unwrap_or_else(|error| {
            for text in error.into_faults().apart().problems {
                let (message, hint) = apart(&text);
                self.at(Severity::Error, index, message, hint);
            }
            T::default()
        })
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

    /// The files of every step beside those of the run; two that cannot share one are told.
    fn shared_files(&mut self) {
        for (index, (step, kept)) in self.steps.iter().zip(&self.kept).enumerate() {
            self.files.of_step(index, step, kept.as_deref());
        }
        for Clash { step, message, hint } in self.files.clashes() {
            match step {
                Some(step) => self.at(Severity::Error, step - 1, message, Some(hint.into())),
                None => self.general(Severity::Error, message, Some(hint.into())),
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
        // A serving that is missing is told once and not at each step that asks it.
        if self.unmade_servings.contains(&name) || self.problems.iter().any(|problem| problem.step.is_none() && problem.name == name) {
            return;
        }
        if let Some((_, serving)) = self.servings.iter().find(|(known, _)| *known == name) {
            if let Err(error) = serving.check() {
                let error = Error::Faults(error.into_faults().within(&format!("serving `{name}`")));
                self.problems.extend(Problem::of_error(&name, error));
            }
            return;
        }
        let known: Vec<&str> = self.servings.iter().map(|(name, _)| name).chain(self.unmade_servings).map(String::as_str).collect();
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
                Some(_) if self.untyped.contains(&key.key) => {}
                Some(found) if key.column_type.accepts(found) => {
                    if key.direction == Direction::Change && key.column_type.writes_out(found) {
                        let message = format!("`{}` changes `{}` as {}, and the column holds {found}: it becomes text", key.field, key.key, key.column_type);
                        self.at(Severity::Warning, index, message, None);
                    }
                }
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
                None if let Some(hint) = &key.hint => hint.clone(),
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
            let fills_in = keys.iter().any(|other| other.direction == Direction::Read && other.key == key.key);
            if key.direction == Direction::Write && !fills_in && available.contains(&key.key) {
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
        self.steps[index].shown()
    }

    fn at(&mut self, severity: Severity, index: usize, message: String, hint: Option<String>) {
        let name = self.shown(index).to_owned();
        self.problems.push(Problem { severity, step: Some(index + 1), name, operator: self.steps[index].operator_name.clone(), message, hint });
    }

    fn general(&mut self, severity: Severity, message: String, hint: Option<String>) {
        self.problems.push(Problem { severity, step: None, name: String::new(), operator: String::new(), message, hint });
    }
}

/// Works on a thread of its own: polars refuses to work on a thread that drives a runtime of one thread, as a program's main thread may do.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Gives the columns whose types an operator infers those of what it made of a batch without rows. Where it made none, they are text, and are given back.
fn settle(keys: &mut [KeyUse], changes: Option<Changes>) -> Vec<String> {
    let made = changes.unwrap_or_default().columns;
    let mut untyped = Vec::new();
    for key in keys.iter_mut().filter(|key| key.column_type == ColumnType::Inferred) {
        let column = made.iter().find(|column| column.name().as_str() == key.key);
        key.column_type = column.map_or(ColumnType::Text, |column| ColumnType::inferred_from(column.dtype()));
        if column.is_none() {
            untyped.push(key.key.clone());
        }
    }
    untyped
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(12).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(12);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
