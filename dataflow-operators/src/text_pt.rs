//! Text for pre-training.

pub mod filter;

pub use filter::*;
