//! DataFlow's operators, one file each: `<category>/<kind>/<operator>.rs`, with the prompts that they use.
//!
//! A program that names this crate nowhere is not linked with it, and knows no operator: `use dataflow_operators as _;`.

pub mod agentic_rag;
pub mod answer;
pub mod conversations;
pub mod core_text;
mod filled;
pub mod general_text;
mod ngram;
mod python;
pub mod reasoning;
#[cfg(test)]
mod rule_vectors;
pub mod text_sft;
