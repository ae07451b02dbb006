//! Generators with a free prompt.

mod embedding_generator;
mod format_str_prompted_generator;
mod prompted_generator;
mod random_domain_knowledge_row_generator;
mod record_generator;
mod text2qa_generator;

pub use embedding_generator::EmbeddingGenerator;
pub use format_str_prompted_generator::{FormatStrPrompt, FormatStrPromptedGenerator, OnMissing};
pub use prompted_generator::PromptedGenerator;
pub use random_domain_knowledge_row_generator::{Domains, RandomDomainKnowledgeRowGenerator, SFTFromScratchGeneratorPrompt};
pub use record_generator::{RecordGenerator, RecordProfile};
pub use text2qa_generator::{Text2QAAutoPromptGeneratorPrompt, Text2QAGenerator, Text2QASeedQuestionGeneratorPrompt};
