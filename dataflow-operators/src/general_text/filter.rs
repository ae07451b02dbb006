//! Filters of running text.

mod word_number_filter;

pub use word_number_filter::WordNumberFilter;
