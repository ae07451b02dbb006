//! Makes the signatures of batches, several at once, since none needs to know of another.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use dataflow_core::Result;
use dataflow_core::operator::{Prepare, Prepared};
use dataflow_core::shape::texts_of;
use polars::prelude::*;

use super::Sign;

/// How the texts of several keys are compared together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Together {
    /// There is one, which is compared as it stands.
    Alone,
    /// The values one after another.
    Values,
    /// As DataFlow: each value after its key's name, which makes short rows alike that share no more than that.
    Named,
}

/// Stands between two values.
const BETWEEN: &str = "\u{1f}";

/// Which texts are signed, and the signers.
pub(super) struct Signing<S> {
    keys: Vec<String>,
    together: Together,
    pub(super) signer: S,
    /// The signers that have made signatures, and are at rest, with what they remember.
    resting: Mutex<Vec<S>>,
}

impl<S: Sign> Signing<S> {
    pub(super) fn new(keys: Vec<String>, together: Together, signer: S) -> Self {
        Self { keys, together, signer, resting: Mutex::default() }
    }

    pub(super) fn columns(&self, frame: &DataFrame) -> Result<Vec<StringChunked>> {
        self.keys.iter().map(|key| texts_of(frame, key).map(|texts| texts.rechunk().into_owned())).collect()
    }

    /// The text by which a row is compared; `None` where it has none.
    pub(super) fn text<'a>(&self, columns: &'a [StringChunked], row: usize) -> Option<Cow<'a, str>> {
        if self.together == Together::Alone {
            return columns.first().and_then(|column| column.get(row)).map(Cow::Borrowed);
        }
        let values: Vec<Option<&str>> = columns.iter().map(|column| column.get(row)).collect();
        values.iter().find(|value| value.is_some())?;
        // A null is no empty text, nor any other that somebody writes: where DataFlow has `None`, which one may.
        let (text, is_plain) = if self.together == Together::Named {
            let named = self.keys.iter().zip(&values).map(|(key, value)| value.map_or_else(|| format!("{key}:\0"), |text| format!("{key}:\n{text}")));
            let text = named.collect::<Vec<_>>().join("\n");
            let is_plain = self.keys[1..].iter().all(|key| text.matches(&format!("\n{key}:")).count() == 1);
            (text, is_plain)
        } else {
            let is_plain = values.iter().flatten().all(|value| !value.contains(BETWEEN) && *value != "\0");
            (values.iter().map(|value| value.unwrap_or("\0")).collect::<Vec<_>>().join(BETWEEN), is_plain)
        };
        if is_plain {
            return Some(text.into());
        }
        // Where a value holds what stands between two, other values may give the same text.
        let lengths: Vec<Option<usize>> = values.iter().map(|value| value.map(str::len)).collect();
        Some(format!("{lengths:?}\n{text}").into())
    }

    /// The signatures of a batch's rows, one after another; that of a row without a text is all zeros.
    pub(super) fn signatures(&self, frame: &DataFrame) -> Result<Vec<u64>> {
        let columns = self.columns(frame)?;
        let resting = || self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = resting().pop();
        let mut signer = rested.unwrap_or_else(|| self.signer.clone());
        let width = signer.width();
        let mut signatures = vec![0; frame.height() * width];
        for (row, signature) in signatures.chunks_mut(width).enumerate() {
            if let Some(text) = self.text(&columns, row) {
                signer.sign(&text, signature);
            }
        }
        resting().push(signer);
        Ok(signatures)
    }
}

impl<S: Sign> Prepare for Signing<S> {
    fn prepare(&self, frame: &DataFrame) -> Result<Prepared> {
        Ok(Box::new(self.signatures(frame)?))
    }
}
