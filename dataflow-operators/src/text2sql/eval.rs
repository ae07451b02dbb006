//! Evaluators.

mod sql_component_classifier;

pub use sql_component_classifier::SQLComponentClassifier;
