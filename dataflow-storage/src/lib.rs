//! dataflow-storage.
