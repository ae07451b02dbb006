//! From a pipeline to one that can run: keys, types, prompts and servings are checked, and the graph is drawn up.

use std::collections::HashSet;
use std::sync::Arc;

use polars::prelude::SchemaRef;

use super::check::{Check, Columns};
use super::files::Files;
use super::{DEFAULT_SERVING, OnError, Pipeline, PipelineSpec, Problem, Problems, Severity};
use crate::engine::apply::schema_after;
use crate::error::{Error, Result};
use crate::graph::PipelineGraph;
use crate::journal::Journal;
use crate::key::KeyUse;
use crate::operator::{AtMost, Operator, OperatorInfo};
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
    /// What a run reads and writes beside what it is told.
    pub(crate) files: Files,
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
    let Pipeline { name, seed, storage, no_storage, journal, servings, unmade_servings, steps, problems, made_of } = pipeline;
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
    let mut check = Check {
        pipeline: &name,
        columns,
        source: &source_schema,
        servings: &servings,
        unmade_servings: &unmade_servings,
        steps: &steps,
        problems,
        compiled_keys: Vec::new(),
        untyped: HashSet::new(),
        files: Files::of_pipeline(made_of.as_deref(), &servings),
        kept: Vec::new(),
    };
    check.all(storage.as_ref(), sound);
    let Check { mut problems, compiled_keys, files, .. } = check;
    let (source, unread) = match read {
        Ok((_, source)) => (Some(source), None),
        Err(error) => (None, Some(error)),
    };
    tell_of_storage(unfit.into_iter().chain(unread).collect(), &mut problems)?;
    problems.extend(source.iter().flat_map(|source| source.warnings()).map(|message| Problem::general(Severity::Warning, "", &message)));
    problems.sort_by_key(|problem| problem.step); // stable: the order within a step stays
    let problems = Problems { pipeline: name.clone(), problems };
    let Some(source) = source.filter(|_| problems.errors().next().is_none()) else { return Err(Error::DoesNotCompile(problems)) };

    let mut schema = source_schema.clone();
    let mut compiled = Vec::with_capacity(steps.len());
    for (index, (step, keys)) in steps.into_iter().zip(compiled_keys).enumerate() {
        let Some(operator) = step.operator else { continue }; // a step without an operator is a problem, told above
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
    let graph = PipelineGraph::of(&name, &source_schema, &compiled, &servings);
    let warnings = problems.warnings().cloned().collect();
    Ok(CompiledPipeline { name, seed, storage, journal, source, servings, steps: compiled, source_schema, spec, files, warnings, graph })
}

/// Puts what is wrong with the storage before all else; where a single thing is wrong, and it is the storage's, that is the error.
fn tell_of_storage(mut wrong: Vec<Error>, problems: &mut Vec<Problem>) -> Result<()> {
    if wrong.len() == 1 && problems.iter().all(|problem| problem.severity != Severity::Error) {
        return wrong.pop().map_or(Ok(()), Err);
    }
    problems.splice(..0, wrong.into_iter().flat_map(|error| Problem::of_error("", error)));
    Ok(())
}
