//! Pipelines: storage, servings by name, and steps; written in Rust or read from a file, the same value either way.

mod check;
mod compile;
mod files;
mod problems;
mod spec;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::guarded::guarded;
use crate::journal::Journal;
use crate::key::{ColumnType, Direction, KeyUse};
use crate::operator::Operator;
use crate::serving::LLMServing;
use crate::storage::{Storage, StoragePaths};

pub(crate) use compile::CompiledStep;
pub use compile::{CompiledPipeline, MostCalls};
pub(crate) use files::place;
pub use problems::{Problem, Problems, Severity};
pub use spec::{PipelineSpec, StepSpec};

/// The serving of a step that names none.
pub const DEFAULT_SERVING: &str = "default";

/// What becomes of a row that fails in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It leaves the data set and goes to the dead-letter file.
    #[default]
    Drop,
    /// It stays with nulls in what the step writes, and goes to the dead-letter file too.
    Keep,
    /// The run stops; all that was paid for is kept.
    Fail,
}

/// Operators in their order, where the rows come from and go to, and who answers. It can be compiled, and no more.
///
/// ```
/// # use dataflow_core::{operator, key::{InOut, Text}, shape::Refine, testing::MemoryStorage, pipeline::Pipeline};
/// # use std::borrow::Cow;
/// /// Lower case. # 中文 小写。
/// #[operator(my_company, refine, Refine)]
/// #[derive(Default)]
/// pub struct Lower {
///     /// The text. 中文：文本。
///     pub input_key: InOut<Text>,
/// }
/// impl Refine for Lower {
///     fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> { text.to_lowercase().into() }
/// }
/// # let storage = MemoryStorage::of(&[serde_json::json!({ "text": "LOUD" })]);
/// let mut pipeline = Pipeline::new("quiet", storage);
/// pipeline.step(Lower { input_key: "text".into() }).named("lower");
/// let compiled = pipeline.compile().unwrap();
/// assert_eq!(compiled.graph().graph.node_count(), 3);
/// ```
#[derive(Debug)]
pub struct Pipeline {
    name: String,
    seed: u64,
    storage: Arc<dyn Storage>,
    /// Why the storage of a file could not be made; `storage` is an empty one then.
    no_storage: Option<Error>,
    journal: Option<Arc<dyn Journal>>,
    servings: Vec<(String, Arc<dyn LLMServing>)>,
    /// Names of servings that a file describes and that could not be made.
    unmade_servings: Vec<String>,
    steps: Vec<Step>,
    problems: Vec<Problem>,
    /// The file that it was made of.
    made_of: Option<PathBuf>,
}

/// One step: an operator, its name, who answers it, and what becomes of a row that fails.
pub(crate) struct Step {
    name: Option<String>,
    /// What the file calls the operator; kept for steps whose operator could not be made.
    operator_name: String,
    operator: Option<Box<dyn Operator>>,
    serving: Option<String>,
    on_error: OnError,
    error_key: Option<String>,
}

impl Step {
    /// What it is called in messages.
    fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.operator_name)
    }

    /// Every column that the operator reads, changes or writes, and the one that its failures are told in.
    fn keys(&self) -> Result<Vec<KeyUse>> {
        let mut keys = match &self.operator {
            Some(operator) => guarded(operator.info(), || Ok(operator.keys()))?,
            None => Vec::new(),
        };
        keys.extend(self.error_key.iter().map(|key| KeyUse {
            field: "error_key".into(),
            key: key.clone(),
            direction: Direction::Write,
            column_type: ColumnType::Text,
            nullable: true,
            may_be_missing: false,
            hint: None,
        }));
        Ok(keys)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {:?}", self.name, self.operator)
    }
}

/// The step that was added last, to say more of it.
#[derive(Debug)]
pub struct StepOptions<'a>(&'a mut Step);

impl StepOptions<'_> {
    /// Names the step; without a name it has its operator's.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// Has the step answered by a serving other than `default`.
    pub fn on(self, serving: impl Into<String>) -> Self {
        self.0.serving = Some(serving.into());
        self
    }

    /// Says what becomes of a row that fails; without it, the row is dropped.
    pub fn on_error(self, on_error: OnError) -> Self {
        self.0.on_error = on_error;
        self
    }

    /// Has a row that fails and is kept ([`OnError::Keep`]) say why in this column: the class of the error and its message. It is null in all others.
    pub fn error_key(self, column: impl Into<String>) -> Self {
        self.0.error_key = Some(column.into());
        self
    }
}

impl Pipeline {
    /// A pipeline without steps.
    pub fn new(name: impl Into<String>, storage: impl IntoStorage) -> Self {
        Self {
            name: name.into(),
            seed: 0,
            storage: storage.into_storage(),
            no_storage: None,
            journal: None,
            servings: Vec::new(),
            unmade_servings: Vec::new(),
            steps: Vec::new(),
            problems: Vec::new(),
            made_of: None,
        }
    }

    /// Names the file that the pipeline was made of, over which no run may write.
    pub fn made_of(&mut self, file: impl Into<PathBuf>) -> &mut Self {
        self.made_of = Some(file.into());
        self
    }

    /// Sets the seed of all random choices; 0 without it.
    pub fn seed(&mut self, seed: u64) -> &mut Self {
        self.seed = seed;
        self
    }

    /// Names a serving; the one called `default` answers every step that names none.
    pub fn serving(&mut self, name: impl Into<String>, serving: impl IntoServing) -> &mut Self {
        let name = name.into();
        self.servings.retain(|(known, _)| *known != name);
        self.servings.push((name, serving.into_serving()));
        self
    }

    /// Keeps paid answers in this journal instead of the one at the storage's path.
    pub fn journal(&mut self, journal: Arc<dyn Journal>) -> &mut Self {
        self.journal = Some(journal);
        self
    }

    /// Reads and writes elsewhere than its storage says.
    ///
    /// Errors: a storage that has no paths, where one is given.
    pub fn over(mut self, paths: &StoragePaths) -> Result<Self> {
        if *paths != StoragePaths::default() {
            self.storage = self.storage.over(paths)?;
        }
        Ok(self)
    }

    /// Appends a step.
    pub fn step(&mut self, operator: impl Operator) -> StepOptions<'_> {
        let operator_name = operator.info().name.to_owned();
        self.push(Step { name: None, operator_name, operator: Some(Box::new(operator)), serving: None, on_error: OnError::Drop, error_key: None })
    }

    fn push(&mut self, step: Step) -> StepOptions<'_> {
        self.steps.push(step);
        let last = self.steps.len() - 1;
        StepOptions(&mut self.steps[last])
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks everything that can be checked before a row is read, and gives the pipeline that can run.
    ///
    /// All problems are told together, as [`Error::DoesNotCompile`]. No model is called and no file is written.
    pub fn compile(self) -> Result<CompiledPipeline> {
        compile::compile(self)
    }
}

/// What can be a pipeline's storage: a storage, or a shared one.
pub trait IntoStorage {
    /// The shared storage.
    fn into_storage(self) -> Arc<dyn Storage>;
}

impl<S: Storage> IntoStorage for S {
    fn into_storage(self) -> Arc<dyn Storage> {
        Arc::new(self)
    }
}

impl IntoStorage for Arc<dyn Storage> {
    fn into_storage(self) -> Arc<dyn Storage> {
        self
    }
}

/// What can be a pipeline's serving: a serving, or a shared one.
pub trait IntoServing {
    /// The shared serving.
    fn into_serving(self) -> Arc<dyn LLMServing>;
}

impl<S: LLMServing> IntoServing for S {
    fn into_serving(self) -> Arc<dyn LLMServing> {
        Arc::new(self)
    }
}

impl IntoServing for Arc<dyn LLMServing> {
    fn into_serving(self) -> Arc<dyn LLMServing> {
        self
    }
}
