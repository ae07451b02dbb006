//! Rows on their way through a run, each with its identity.

use polars::prelude::*;

use crate::error::Result;

/// Some rows, and the identity of each. Operators see the frame and never the identities' column.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub frame: DataFrame,
    pub ids: StringChunked,
}

impl Batch {
    pub fn new(frame: DataFrame, ids: StringChunked) -> Self {
        debug_assert_eq!(frame.height(), ids.len());
        Self { frame, ids }
    }

    /// Rows of a source, numbered from `first`.
    pub fn numbered(frame: DataFrame, first: u64) -> Self {
        let mut ids = StringChunkedBuilder::new(PlSmallStr::EMPTY, frame.height());
        let mut digits = String::new();
        for number in first..first + frame.height() as u64 {
            digits.clear();
            std::fmt::Write::write_fmt(&mut digits, format_args!("{number}")).unwrap_or_default(); // a String takes every write
            ids.append_value(&digits);
        }
        Self::new(frame, ids.finish())
    }

    pub fn height(&self) -> usize {
        self.frame.height()
    }

    pub fn id(&self, index: usize) -> &str {
        self.ids.get(index).unwrap_or_default()
    }

    pub fn slice(&self, offset: usize, length: usize) -> Self {
        Self::new(self.frame.slice(offset as i64, length), self.ids.slice(offset as i64, length))
    }

    /// The rows at some places, in their order.
    pub fn take(&self, places: &[usize]) -> Result<Self> {
        let places = IdxCa::from_vec(PlSmallStr::EMPTY, places.iter().map(|place| *place as IdxSize).collect());
        Ok(Self::new(self.frame.take(&places)?, self.ids.take(&places)?))
    }

    /// These rows, and then others.
    pub fn and(mut self, others: &Self) -> Result<Self> {
        self.frame.vstack_mut(&others.frame)?;
        self.ids.append(&others.ids)?;
        Ok(self)
    }

    pub fn filter(&self, keep: &BooleanChunked) -> Result<Self> {
        Ok(Self::new(self.frame.filter(keep)?, self.ids.filter(keep)?))
    }

    /// The rows for which `keep` holds of their identity.
    pub fn filter_ids(&self, keep: impl Fn(&str) -> bool) -> Result<Self> {
        let mask: BooleanChunked = self.ids.iter().map(|id| Some(keep(id.unwrap_or_default()))).collect();
        self.filter(&mask)
    }
}
