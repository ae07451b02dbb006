//! Free prompts over any column.

pub mod eval;
pub mod filter;
pub mod generate;
pub mod refine;
mod row_function;
mod score;
mod sql;

pub use eval::*;
pub use filter::*;
pub use generate::*;
pub use refine::*;
pub use row_function::{ColumnFunction, ColumnFunctionName, RowFilter, RowFilterName};
