//! Filters of questions and answers.

mod reasoning_answer_ngram_filter;

pub use reasoning_answer_ngram_filter::ReasoningAnswerNgramFilter;
