//! The run of a compiled pipeline.

pub(crate) mod apply;
