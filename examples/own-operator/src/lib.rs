//! An operator and a prompt of one's own, in a crate that depends on `dataflow` alone.
//!
//! They are registered exactly as DataFlow's own are: in Rust, in YAML, in the registry's lists, with no other line anywhere.

mod first_sentence_refiner;
mod one_sentence_prompt;

pub use first_sentence_refiner::FirstSentenceRefiner;
pub use one_sentence_prompt::OneSentencePrompt;
