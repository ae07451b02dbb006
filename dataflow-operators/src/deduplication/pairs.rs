//! The pairs of repeated rows, in a file.

use std::path::Path;

use dataflow_core::Result;
use dataflow_core::whole_file::WholeFile;
use serde_json::json;

/// The pairs that were found: the row that goes, the row that it repeats, and how alike they are.
pub(crate) struct Pairs(WholeFile);

impl Pairs {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        WholeFile::create(path).map(Self)
    }

    pub(crate) fn push(&mut self, row: &str, repeats: &str, similarity: Option<f64>) -> Result<()> {
        self.0.append(format!("{}\n", json!({ "row": row, "repeats": repeats, "similarity": similarity })).as_bytes())
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.0.commit()
    }
}
