//! Filters of reasoning questions and answers.

mod reasoning_answer_model_judge_filter;
mod reasoning_answer_ngram_filter;
mod reasoning_question_filter;

pub use reasoning_answer_model_judge_filter::ReasoningAnswerModelJudgeFilter;
pub use reasoning_answer_ngram_filter::ReasoningAnswerNgramFilter;
pub use reasoning_question_filter::{GeneralQuestionFilterPrompt, MathQuestionFilterPrompt, ReasoningQuestionFilter};
