//! Generators that take documents apart.

mod kbc_chunk_generator;
mod qa_extractor;

pub use kbc_chunk_generator::KBCChunkGenerator;
pub use qa_extractor::QAExtractor;
