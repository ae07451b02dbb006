//! Filters of text for pre-training.

mod ccnet_deduplicate_filter;

pub use ccnet_deduplicate_filter::CCNetDeduplicateFilter;
