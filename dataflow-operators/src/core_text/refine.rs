//! Refiners with a free prompt.

mod pandas_operator;
mod prompted_refiner;

pub use pandas_operator::{ComputedColumn, ComputedColumns, PandasOperator};
pub use prompted_refiner::PromptedRefiner;
