//! DataFlow's operators, one file each: `<category>/<kind>/<operator>.rs`, with the prompts that they use.
//!
//! A program that names this crate nowhere is not linked with it, and knows no operator: `use dataflow_operators as _;`.

pub mod answer;
pub mod core_text;
pub mod general_text;
mod python;
pub mod reasoning;
