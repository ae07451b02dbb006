//! Questions with answers out of textbooks: the steps by rule between a layout and rows with images.

pub mod generate;
mod layout;

pub use generate::*;
