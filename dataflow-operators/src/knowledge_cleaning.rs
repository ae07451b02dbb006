//! Knowledge out of documents: parts of texts, and questions with answers about them.

mod chunk;
pub mod generate;

pub use chunk::SplitMethod;
pub use generate::*;
