//! Filters with a free prompt or a free rule.

mod general_filter;
mod prompted_filter;

pub use general_filter::GeneralFilter;
pub use prompted_filter::PromptedFilter;
