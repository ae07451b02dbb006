//! The pipeline as a file has it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::problems::apart;
use super::{OnError, Pipeline, Problem, Severity, Step};
use crate::configuration;
use crate::error::Result;
use crate::guarded::guarded;
use crate::operator::OperatorInfo;
use crate::registry;
use crate::storage::{Storage, StorageContext};

/// A pipeline as plain data: what its file holds, and what a pipeline written in Rust can be written out as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// The pipeline's name; it begins the names of the report and the dead-letter file.
    pub name: String,
    /// The seed of all random choices.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seed: u64,
    /// Where the rows come from and go to.
    #[serde(default)]
    pub storage: Map<String, Value>,
    /// Who answers, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub serving: Map<String, Value>,
    /// The steps, in order.
    pub steps: Vec<StepSpec>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(seed: &u64) -> bool {
    *seed == 0
}

/// One step as a file has it: the operator's name, what belongs to the step, and the operator's parameters beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepSpec {
    /// The operator's registered name.
    pub operator: String,
    /// The step's name; without it, the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The serving that answers; without it, `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// What becomes of a row that fails.
    #[serde(default, skip_serializing_if = "is_drop")]
    pub on_error: OnError,
    /// The column in which a row that failed and is kept says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_key: Option<String>,
    /// The operator's parameters.
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_drop(on_error: &OnError) -> bool {
    *on_error == OnError::Drop
}

impl StepSpec {
    /// What the step is called in messages.
    fn shown(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.operator)
    }
}

impl PipelineSpec {
    /// Reads what a file holds. What is unknown or of the wrong type is left out and told, so that it comes together with all other problems.
    fn read(mut file: Map<String, Value>) -> (Self, Vec<Problem>) {
        const KEYS: [&str; 5] = ["name", "seed", "storage", "serving", "steps"];
        let mut wrong: Vec<Wrong> = Vec::new();
        for key in file.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let known = || format!("the keys are {}", KEYS.map(|key| format!("`{key}`")).join(", "));
            let hint = registry::nearest(key, KEYS).map_or_else(known, |near| format!("did you mean `{near}`?"));
            wrong.push((format!("unknown key `{key}`"), Some(hint)));
        }
        let mut spec = Self {
            name: taken(&mut file, "name", &mut wrong),
            seed: taken(&mut file, "seed", &mut wrong),
            storage: taken(&mut file, "storage", &mut wrong),
            serving: taken(&mut file, "serving", &mut wrong),
            steps: Vec::new(),
        };
        let steps: Vec<Value> = taken(&mut file, "steps", &mut wrong);
        let mut problems = Vec::new();
        for (index, step) in steps.into_iter().enumerate() {
            let Value::Object(mut step) = step else {
                wrong.push((format!("step {} should be a map with `operator` and its parameters, found `{step}`", index + 1), None));
                continue;
            };
            let mut wrong: Vec<Wrong> = Vec::new();
            if !step.contains_key("operator") {
                wrong.push(("`operator` is missing".into(), Some("`dataflow operators` lists them".into())));
            }
            let read = StepSpec {
                operator: taken(&mut step, "operator", &mut wrong),
                name: taken(&mut step, "name", &mut wrong),
                serving: taken(&mut step, "serving", &mut wrong),
                on_error: taken(&mut step, "on_error", &mut wrong),
                error_key: taken(&mut step, "error_key", &mut wrong),
                parameters: step,
            };
            let name = read.shown();
            problems.extend(wrong.into_iter().map(|wrong| problem(Some(index + 1), name, &read.operator, wrong)));
            spec.steps.push(read);
        }
        problems.extend(wrong.into_iter().map(|wrong| problem(None, "", "", wrong)));
        (spec, problems)
    }
}

/// What is wrong, and what to do.
type Wrong = (String, Option<String>);

fn problem(step: Option<usize>, name: &str, operator: &str, (message, hint): Wrong) -> Problem {
    Problem { severity: Severity::Error, step, name: name.to_owned(), operator: operator.to_owned(), message, hint }
}

/// The value of a key, or its default and word of what is wrong with it.
fn taken<T: DeserializeOwned + Default>(file: &mut Map<String, Value>, key: &str, wrong: &mut Vec<Wrong>) -> T {
    let Some(value) = file.shift_remove(key) else { return T::default() };
    let (read, unread) = configuration::read(key, value);
    wrong.extend(unread.into_iter().map(|unread| (unread.message, unread.hint)));
    read.unwrap_or_default()
}

/// What is wrong with the parameters whose values can be read, where others cannot; what is said of those too is left out.
fn problems_of_what_can_be_read(info: &OperatorInfo, parameters: Map<String, Value>) -> Vec<String> {
    let can_be_read = |(key, value): &(String, Value)| (info.build)(Value::Object(Map::from_iter([(key.clone(), value.clone())]))).is_ok();
    let (read, unread): (Vec<_>, Vec<_>) = parameters.into_iter().partition(can_be_read);
    let Ok(operator) = (info.build)(Value::Object(read.into_iter().collect())) else { return Vec::new() };
    let mut problems = guarded(info, || Ok(operator.problems())).unwrap_or_default();
    problems.retain(|problem| unread.iter().all(|(key, _)| !problem.contains(&format!("`{key}`"))));
    problems
}

impl Pipeline {
    /// The pipeline that a file's content describes; see [`from_spec`](Self::from_spec). A storage that cannot be made is told by
    /// [`compile`](Pipeline::compile) with what else is wrong, but for the columns, which are not known without it.
    pub fn from_file(file: Map<String, Value>, context: &StorageContext) -> Result<Self> {
        let (mut spec, problems) = PipelineSpec::read(file);
        let said = std::mem::take(&mut spec.storage);
        let (storage, no_storage) = match registry::build_storage(&Value::Object(said), context) {
            Ok(storage) => (storage, None),
            Err(error) => match registry::build_storage(&Value::Object(Map::new()), context) {
                Ok(none) => (none, Some(error)),
                Err(_) => return Err(error),
            },
        };
        let mut pipeline = Self::with_storage(spec, storage, context);
        pipeline.problems.splice(..0, problems);
        pipeline.no_storage = no_storage;
        Ok(pipeline)
    }

    /// The pipeline that a file describes. Operators, servings and parameters that are wrong are told by
    /// [`compile`](Pipeline::compile), all together; a storage that cannot be made is an error here.
    pub fn from_spec(spec: PipelineSpec, context: &StorageContext) -> Result<Self> {
        let storage = registry::build_storage(&Value::Object(spec.storage.clone()), context)?;
        Ok(Self::with_storage(spec, storage, context))
    }

    fn with_storage(spec: PipelineSpec, storage: Arc<dyn Storage>, context: &StorageContext) -> Self {
        let mut pipeline = Self::new(spec.name, storage);
        pipeline.seed = spec.seed;
        for (name, serving) in &spec.serving {
            match registry::build_serving(name, serving) {
                Ok(serving) => pipeline.servings.push((name.clone(), serving)),
                Err(error) => {
                    pipeline.problems.extend(Problem::of_error(name, error));
                    pipeline.unmade_servings.push(name.clone());
                }
            }
        }
        for (index, step) in spec.steps.into_iter().enumerate() {
            pipeline.push_spec(index + 1, step, context);
        }
        pipeline
    }

    fn push_spec(&mut self, number: usize, spec: StepSpec, context: &StorageContext) {
        let shown = spec.shown().to_owned();
        let StepSpec { operator: operator_name, name, serving, on_error, error_key, mut parameters } = spec;
        let mut problem = |message: String, hint: Option<String>| {
            self.problems.push(Problem { severity: Severity::Error, step: Some(number), name: shown.clone(), operator: operator_name.clone(), message, hint });
        };
        let operator = match registry::operator(&operator_name) {
            None if operator_name.is_empty() => None, // told when the file was read
            None if let Some(absent) = registry::absent_operator(&operator_name) => {
                problem(absent.to_string(), None);
                None
            }
            None => {
                let near = registry::nearest(&operator_name, registry::operators().iter().map(|info| info.name));
                let hint = near.map_or_else(|| "`dataflow operators` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
                problem(format!("there is no operator `{operator_name}`"), Some(hint));
                None
            }
            Some(info) => {
                let defaults = info.with_defaults().map(|operator| operator.parameters()).unwrap_or_default();
                let given = Value::Object(parameters.clone());
                for (field, _, path) in info.paths(&defaults).into_iter().filter(|(field, ..)| given.get(field).is_none()).chain(info.paths(&given)) {
                    parameters.insert(field.to_owned(), context.path(&path).to_string_lossy().into());
                }
                let unknown: Vec<&String> = parameters.keys().filter(|key| info.fields.iter().all(|field| field.name != key.as_str())).collect();
                for key in &unknown {
                    let known = info.fields.iter().map(|field| field.name).chain(["name", "serving", "on_error", "error_key"]);
                    let near = registry::nearest(key, known.clone());
                    let hint = near.map_or_else(
                        || format!("it has {}", known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
                        |near| format!("did you mean `{near}`?"),
                    );
                    problem(format!("there is no parameter `{key}`"), Some(hint));
                }
                // A null stands for the default, as in DataFlow, where it is no value of its own.
                let is_default =
                    |key: &String, value: &Value| value.is_null() && (info.build)(Value::Object(Map::from_iter([(key.clone(), Value::Null)]))).is_err();
                let given = parameters.iter().filter(|(key, value)| !unknown.contains(key) && !is_default(key, value));
                let known: Map<String, Value> = given.map(|(key, value)| (key.clone(), value.clone())).collect();
                match (info.build)(Value::Object(known.clone())) {
                    Ok(operator) => Some(operator),
                    Err(error) => {
                        for message in error.into_faults().problems {
                            let (message, hint) = apart(&message);
                            problem(message, hint.or_else(|| Some(format!("`dataflow operators {operator_name}` tells what it may be"))));
                        }
                        for message in problems_of_what_can_be_read(info, known) {
                            let (message, hint) = apart(&message);
                            problem(message, hint);
                        }
                        None
                    }
                }
            }
        };
        self.push(Step { name, operator_name, operator, serving, on_error, error_key });
    }

    /// The pipeline as its file would have it. Reading it gives the same pipeline.
    pub fn to_spec(&self) -> PipelineSpec {
        let object = |value: Value| match value {
            Value::Object(object) => object,
            _ => Map::new(),
        };
        PipelineSpec {
            name: self.name.clone(),
            seed: self.seed,
            storage: object(self.storage.spec()),
            serving: self.servings.iter().map(|(name, serving)| (name.clone(), serving.spec())).collect(),
            steps: self
                .steps
                .iter()
                .map(|step| StepSpec {
                    operator: step.operator_name.clone(),
                    name: step.name.clone(),
                    serving: step.serving.clone(),
                    on_error: step.on_error,
                    error_key: step.error_key.clone(),
                    parameters: step.operator.as_ref().map(|operator| object(operator.parameters())).unwrap_or_default(),
                })
                .collect(),
        }
    }
}
