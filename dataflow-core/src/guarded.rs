//! Keeps a panic in an operator from ending the program.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};
use crate::operator::OperatorInfo;

/// Runs a function of an operator's author, and makes a panic in it an error that names the operator.
pub(crate) fn guarded<T>(operator: &OperatorInfo, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Error::Operator { operator: operator.name.to_owned(), message: format!("panicked: {}", panic_message(&*panic)) }))
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
