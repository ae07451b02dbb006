//! Filters of running text.

mod char_number_filter;
mod min_hash_deduplicate_filter;
mod word_number_filter;

pub use char_number_filter::CharNumberFilter;
pub use min_hash_deduplicate_filter::MinHashDeduplicateFilter;
pub use word_number_filter::WordNumberFilter;
