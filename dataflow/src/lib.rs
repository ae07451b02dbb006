//! Library half.
