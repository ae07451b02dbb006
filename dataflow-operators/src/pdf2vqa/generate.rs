//! Generators of questions with images.

mod llm_output_parser;
mod mineru2_llm_input_operator;
mod pdf_merger;
mod qa_merger;
mod vqa_formatter;

pub use llm_output_parser::LLMOutputParser;
pub use mineru2_llm_input_operator::MinerU2LLMInputOperator;
pub use pdf_merger::PDF_Merger;
#[cfg(test)]
pub(crate) use pdf_merger::blank_pages;
pub use qa_merger::QA_Merger;
pub use vqa_formatter::VQAFormatter;
