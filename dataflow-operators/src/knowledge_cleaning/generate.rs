//! Generators that take documents apart.

mod kbc_chunk_generator;
mod kbc_chunk_generator_batch;
mod qa_extractor;

pub use kbc_chunk_generator::KBCChunkGenerator;
pub use kbc_chunk_generator_batch::KBCChunkGeneratorBatch;
pub use qa_extractor::QAExtractor;
