//! Prompts, SQL rules and functions of one's own over any column, embeddings of texts, and answers scored against references.

use dataflow_core::{Error, Result};

mod column_keys;
pub mod eval;
pub mod filter;
pub mod generate;
pub mod refine;
mod row_function;
mod score;
mod sql;

pub use column_keys::ComputedType;
pub use eval::*;
pub use filter::*;
pub use generate::*;
pub use refine::*;
pub use row_function::{ColumnFunction, ColumnFunctionName, RowFilter, RowFilterName};
pub use sql::SqlRule;

/// All results, or whatever is wrong with them together.
fn all<T>(results: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => found.push(value),
            Err(error) => errors.push(error),
        }
    }
    match errors.len() {
        0 => Ok(found),
        1 => Err(errors.remove(0)),
        _ => Err(Error::Faults(errors.iter().map(ToString::to_string).collect::<Vec<_>>().into())),
    }
}
