//! Free prompts over any column.

pub mod generate;
