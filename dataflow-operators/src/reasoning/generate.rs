//! Generators of reasoning questions and answers.

mod reasoning_answer_generator;
mod reasoning_pretrain_format_convert_generator;
mod reasoning_question_generator;

pub use reasoning_answer_generator::{GeneralAnswerGeneratorPrompt, MathAnswerGeneratorPrompt, ReasoningAnswerGenerator};
pub use reasoning_pretrain_format_convert_generator::ReasoningPretrainFormatConvertGenerator;
pub use reasoning_question_generator::{GeneralQuestionSynthesisPrompt, MathQuestionSynthesisPrompt, ReasoningQuestionGenerator};
