//! Generators of instructions and answers.

mod condor_generator;

pub use condor_generator::{CondorAnswerPrompt, CondorGenerator, CondorQuestionPrompt};
