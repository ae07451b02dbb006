//! Generators of reasoning questions and answers.

mod reasoning_answer_generator;
mod reasoning_question_generator;

pub use reasoning_answer_generator::{GeneralAnswerGeneratorPrompt, MathAnswerGeneratorPrompt, ReasoningAnswerGenerator};
pub use reasoning_question_generator::{GeneralQuestionSynthesisPrompt, MathQuestionSynthesisPrompt, ReasoningQuestionGenerator};
