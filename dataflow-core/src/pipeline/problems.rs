//! What compile finds wrong, told all at once.

use std::fmt;

use serde::Serialize;

use crate::configuration::Faults;
use crate::error::Error;

/// Whether a problem keeps the pipeline from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, and the user should know.
    Warning,
}

/// One thing that is wrong, with the step, operator and parameter that it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it keeps the pipeline from running.
    pub severity: Severity,
    /// The step's number, from 1; `None` for the storage or a serving.
    pub step: Option<usize>,
    /// The step's name.
    pub name: String,
    /// The operator's registered name.
    pub operator: String,
    /// What is wrong, beginning with the parameter.
    pub message: String,
    /// What to do, such as the nearest name.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) if self.operator.is_empty() => write!(formatter, "step {step}: {}", self.message)?,
            Some(step) => write!(formatter, "step {step} `{}` ({}): {}", self.name, self.operator, self.message)?,
            None => formatter.write_str(&self.message)?,
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n    hint: {hint}")?;
        }
        Ok(())
    }
}

impl Problem {
    /// Of the storage, or of a serving with this name.
    pub(super) fn general(severity: Severity, name: &str, text: &str) -> Self {
        let (message, hint) = apart(text);
        Self { severity, step: None, name: name.to_owned(), operator: String::new(), message, hint }
    }

    /// Each problem that an error of the storage, or of a serving with this name, tells of.
    pub(super) fn of_error(name: &str, error: Error) -> impl Iterator<Item = Self> {
        let Faults { problems, warnings, .. } = error.into_faults().apart();
        let errors = problems.into_iter().map(|text| (Severity::Error, text));
        let all = errors.chain(warnings.into_iter().map(|text| (Severity::Warning, text)));
        all.map(move |(severity, text)| Self::general(severity, name, &text))
    }
}

/// All problems of one pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The pipeline's name.
    pub pipeline: String,
    /// In the order of the steps.
    pub problems: Vec<Problem>,
}

impl Problems {
    /// Those that keep the pipeline from running.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// Those that do not.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Warning)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.errors().count();
        write!(formatter, "pipeline `{}` does not compile: {count} {}", self.pipeline, if count == 1 { "problem" } else { "problems" })?;
        self.errors().try_for_each(|problem| write!(formatter, "\n  {problem}"))?;
        self.warnings().try_for_each(|problem| write!(formatter, "\n  warning: {problem}"))
    }
}

/// A message and the hint that may follow it in a line of its own.
pub(super) fn apart(text: &str) -> (String, Option<String>) {
    match text.split_once("\nhint: ") {
        Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
        None => (text.to_owned(), None),
    }
}
