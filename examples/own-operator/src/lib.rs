//! own-operator.
