//! dataflow-serving.
