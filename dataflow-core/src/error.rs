//! What can go wrong, named for what it was.

use crate::configuration::Faults;
use crate::pipeline::Problems;
use crate::serving::{ErrorClass, ServingError};

/// What can go wrong while a pipeline is built, compiled or run.
///
/// An operator returns it for a row, and the row fails; [`Error::stops_the_run`] names the few that end the whole run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pipeline has problems that were found before a row was read.
    #[error("{0}")]
    DoesNotCompile(Problems),
    /// A model call failed for good.
    #[error("{0}")]
    Serving(#[from] ServingError),
    /// A reply came and was paid for, and it is not what was asked for, also after asking again.
    #[error("the reply does not fit: {message}; it begins `{begins}`")]
    Unparsed {
        /// What was expected and what was found.
        message: String,
        /// The first characters of the reply.
        begins: String,
    },
    /// The reply was cut off by the model's limit of tokens.
    #[error("the reply was cut at {output_tokens} tokens\nhint: raise `max_tokens`")]
    Truncated {
        /// Tokens of the reply.
        output_tokens: u64,
    },
    /// A cell is not what the operator can read.
    #[error("{0}")]
    Data(String),
    /// A prompt template does not parse, or does not render.
    #[error("prompt `{name}`: {message}")]
    Prompt {
        /// The prompt's name.
        name: String,
        /// What the template engine says.
        message: String,
    },
    /// An operator broke a rule of its kind, or panicked.
    #[error("operator `{operator}`: {message}")]
    Operator {
        /// The operator's registered name.
        operator: String,
        /// What it did.
        message: String,
    },
    /// A parameter, a serving, a storage or a pipeline file cannot be used as it is written.
    #[error("{0}")]
    Configuration(String),
    /// Several such things at once, or one with what it is warned of.
    #[error("{0}")]
    Faults(Faults),
    /// An input that does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A source holds something that its format does not allow.
    #[error("{place}: {message}")]
    Malformed {
        /// File and line, or table and row.
        place: String,
        /// What was expected and what was found.
        message: String,
    },
    /// A storage could not be read or written.
    #[error("{doing}: {source}")]
    Storage {
        /// What was being done, with the path.
        doing: String,
        /// What the system or the library says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The journal could not be read or written; nothing further is bought.
    #[error("journal: {doing}: {source}\nhint: free some space or mend the path, then run again; what was answered is kept")]
    Journal {
        /// What was being done, with the path.
        doing: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The data frame library refused an operation.
    #[error("{0}")]
    Frame(#[from] polars::error::PolarsError),
    /// A row failed in a step whose `on_error` is `fail`.
    #[error("step {step} `{name}`: row {row}: {message}")]
    RowFailed {
        /// The step's number, from 1.
        step: usize,
        /// The step's name.
        name: String,
        /// The row's identity.
        row: String,
        /// Why it failed.
        message: String,
    },
    /// The model service gave no answer to anything.
    #[error("serving `{serving}` gives no answers: {message}")]
    Unreachable {
        /// The serving's name in the pipeline.
        serving: String,
        /// The last error.
        message: String,
        /// Its class: never reached, a key refused, or a quota used up.
        class: ErrorClass,
    },
    /// The run was asked to stop.
    #[error("the run was asked to stop")]
    Stopped,
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an error of reading or writing with what was being done.
    pub fn storage(doing: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Storage { doing: doing.into(), source: source.into() }
    }

    /// What is wrong with a configuration, each thing by itself.
    pub fn into_faults(self) -> Faults {
        match self {
            Self::Faults(faults) => faults,
            error => vec![error.to_string()].into(),
        }
    }

    /// A reply that could not be read, with its first 120 characters.
    pub fn unparsed(message: impl Into<String>, reply: &str) -> Self {
        Self::Unparsed { message: message.into(), begins: reply.chars().take(120).collect() }
    }

    /// The class that the dead-letter file and the report count it under.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Serving(error) => error.class.name(),
            Self::Unparsed { .. } => "unparsed",
            Self::Truncated { .. } => "truncated",
            Self::Data(_) | Self::Frame(_) => "data",
            Self::Malformed { .. } => "malformed",
            Self::Prompt { .. } => "prompt",
            Self::Stopped => "stopped",
            _ => "system",
        }
    }

    /// Whether the run ends with it; every other error is one row's.
    pub fn stops_the_run(&self) -> bool {
        matches!(self, Self::Journal { .. } | Self::Storage { .. } | Self::RowFailed { .. } | Self::Unreachable { .. } | Self::Stopped)
    }
}
