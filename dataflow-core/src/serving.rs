//! Who answers: the trait that every model service stands behind, and what passes through it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::operator::PathUse;

/// Who speaks in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who says what the model is to be.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

impl Role {
    /// The role's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// How a reply is drawn. What is `None` is left to the serving's own setting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// 0 for the likeliest words; higher for more variety.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The share of probability from which words are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The longest reply, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// The seed of the draw, where the service knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts at which the reply ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// A question to a model: a conversation so far, and how the reply should be.
///
/// ```
/// use dataflow_core::serving::Chat;
/// let chat = Chat::system("You translate into Chinese.").user("Good morning.");
/// assert_eq!(chat.messages.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// How the reply is drawn.
    #[serde(default)]
    pub sampling: Sampling,
    /// A JSON schema that the reply is to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<Value>,
    /// Tells independent samples of one question apart: equal questions with equal numbers share one answer.
    #[serde(default)]
    pub sample: u64,
}

impl Chat {
    /// Begins with what the model is told to be; a blank text says nothing.
    pub fn system(content: impl Into<String>) -> Self {
        let content = content.into();
        if content.trim().is_empty() { Self::default() } else { Self::default().say(Role::System, content) }
    }

    /// Appends what the user says.
    #[must_use]
    pub fn user(self, content: impl Into<String>) -> Self {
        self.say(Role::User, content)
    }

    /// Appends what the model said.
    #[must_use]
    pub fn assistant(self, content: impl Into<String>) -> Self {
        self.say(Role::Assistant, content)
    }

    /// Appends a message.
    #[must_use]
    pub fn say(mut self, role: Role, content: impl Into<String>) -> Self {
        self.messages.push(Message { role, content: content.into() });
        self
    }

    /// Asks for a reply that follows a JSON schema.
    #[must_use]
    pub fn with_schema(mut self, schema: Value) -> Self {
        self.json_schema = Some(schema);
        self
    }

    /// Asks for the `sample`-th independent answer to the same question.
    #[must_use]
    pub fn sample(mut self, sample: u64) -> Self {
        self.sample = sample;
        self
    }
}

impl From<String> for Chat {
    fn from(user: String) -> Self {
        Self::default().user(user)
    }
}

impl From<&str> for Chat {
    fn from(user: &str) -> Self {
        Self::default().user(user)
    }
}

/// Tokens that were read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Tokens of the reply, thinking included.
    pub output_tokens: u64,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model had said all.
    #[default]
    Stop,
    /// The limit of tokens cut it.
    Length,
    /// The service withheld it.
    Filtered,
}

/// A model's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What it says, without its thinking.
    pub content: String,
    /// What it thought, kept apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Why it ended.
    #[serde(default)]
    pub finish: Finish,
    /// What it cost, in tokens.
    #[serde(default)]
    pub usage: Usage,
    /// The model that answered, as the service names it.
    #[serde(default)]
    pub model: String,
}

/// Vectors for texts, in the order of the texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    /// One vector a text.
    pub vectors: Vec<Vec<f32>>,
    /// What it cost, in tokens.
    pub usage: Usage,
}

/// What kind of fault a failed call was; it decides who may try again, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Too many calls or tokens for the moment.
    RateLimited,
    /// The account has nothing left.
    Quota,
    /// The key is refused, or the model is not known.
    Auth,
    /// The request itself is at fault.
    Caller,
    /// The service failed or the reply was cut; another try may do.
    Transient,
    /// No connection came about.
    Unreachable,
    /// The service withheld the reply.
    Filtered,
}

impl ErrorClass {
    /// The class's name in reports and dead-letter files.
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Auth => "auth",
            Self::Caller => "caller",
            Self::Transient => "transient",
            Self::Unreachable => "unreachable",
            Self::Filtered => "filtered",
        }
    }

    /// Whether the same call may do better a moment later.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::RateLimited | Self::Transient | Self::Unreachable)
    }
}

/// A call that failed for good: whoever returns it has made all the tries that were to be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServingError {
    /// What kind of fault it was.
    pub class: ErrorClass,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What happened, without any key.
    pub message: String,
    /// When the service said that it may be asked again.
    pub retry_after: Option<Duration>,
}

impl ServingError {
    /// An error of a class, without a status.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, status: None, message: message.into(), retry_after: None }
    }
}

/// A model service: chat and embeddings in, replies with their usage out, errors classed.
///
/// The engine holds the calls in flight to [`max_concurrency`](Self::max_concurrency), asks the journal first, and never
/// retries: a serving that returns an error has made its tries.
///
/// ```
/// use dataflow_core::serving::{Chat, LLMServing, Reply, ServingError};
///
/// #[derive(Debug)]
/// struct Echo;
///
/// #[async_trait::async_trait]
/// impl LLMServing for Echo {
///     fn identity(&self) -> serde_json::Value { serde_json::json!({ "model": "echo" }) }
///     fn spec(&self) -> serde_json::Value { serde_json::json!({ "type": "echo" }) }
///     fn max_concurrency(&self) -> usize { 8 }
///     async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError> {
///         let content = chat.messages.last().map(|message| message.content.clone()).unwrap_or_default();
///         Ok(Reply { content, ..Reply::default() })
///     }
/// }
/// ```
#[async_trait]
pub trait LLMServing: fmt::Debug + Send + Sync + 'static {
    /// All that shapes its answers beside the question: the model, its sampling. Part of the journal's key; no address, no secret.
    fn identity(&self) -> Value;

    /// The serving as a pipeline file has it, `type` first. Holds no secret.
    fn spec(&self) -> Value;

    /// How many calls may be in flight at once.
    fn max_concurrency(&self) -> usize;

    /// Whether it holds itself to [`max_concurrency`](Self::max_concurrency): then a call that waits for its next try takes no place among
    /// those in flight, and the engine does not count calls for it.
    fn limits_itself(&self) -> bool {
        false
    }

    /// A sentence to show before the first call, such as that the answers are not real.
    fn notice(&self) -> Option<String> {
        None
    }

    /// Says what keeps it from answering, where that can be told without a call: a key that is missing, an address that is none.
    /// `compile()` asks it.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The files and folders that its options name: each with its option and what becomes of it. No run writes over them.
    fn paths(&self) -> Vec<(&'static str, PathUse, PathBuf)> {
        Vec::new()
    }

    /// Called once before the first call of a run; a local server is started here.
    async fn start(&self) -> Result<(), ServingError> {
        Ok(())
    }

    /// Called when a run is to end: a call that waits for its turn, for its next try, or until its service may be asked again, waits no longer and fails. Calls on their
    /// way are not touched. [`start`](Self::start) ends it.
    fn stop_waiting(&self) {}

    /// Called once after the last call of a run.
    async fn stop(&self) {}

    /// Answers a conversation.
    async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError>;

    /// Gives a vector for each text. The default says that the serving has none.
    async fn embed(&self, texts: &[String]) -> Result<Embeddings, ServingError> {
        let _ = texts;
        Err(ServingError::new(ErrorClass::Caller, "this serving gives no embeddings"))
    }
}

/// A kind of serving that pipeline files can name by `type`.
pub struct ServingKind {
    /// The `type` in the file.
    pub name: &'static str,
    /// Makes a serving of what the file says, `type` left out.
    pub build: fn(Value) -> Result<Arc<dyn LLMServing>>,
}

inventory::collect!(ServingKind);
