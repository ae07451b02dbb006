//! Rows that are joined by pairs, directly or through others, by union-find.

use std::collections::BTreeMap;
use std::path::Path;

use dataflow_core::Result;
use dataflow_core::whole_file::WholeFile;
use serde_json::json;

use super::Found;

/// The clusters so far. Rows that stayed are numbers; those that went are named, each beside a row that it repeats.
#[derive(Default)]
pub(crate) struct Clusters {
    /// For each row that stayed, an earlier one of its cluster, or itself.
    parents: Vec<u32>,
    gone: Vec<(u32, String)>,
}

impl Clusters {
    /// A row goes, and joins all rows that it repeats.
    pub(crate) fn join(&mut self, row: &str, found: &[Found]) {
        let Some(first) = found.first() else { return };
        for other in &found[1..] {
            let (one, other) = (self.root(first.row), self.root(other.row));
            // The earliest row is the root, so that clusters have the same names in every run.
            self.parents[one.max(other) as usize] = one.min(other);
        }
        self.gone.push((first.row, row.to_owned()));
    }

    fn root(&mut self, mut row: u32) -> u32 {
        for next in self.parents.len() as u32..=row {
            self.parents.push(next);
        }
        while self.parents[row as usize] != row {
            let above = self.parents[self.parents[row as usize] as usize];
            self.parents[row as usize] = above;
            row = above;
        }
        row
    }

    /// The members of each cluster of more than one row: those that stayed, then those that went.
    fn members(&mut self, name: impl Fn(u32) -> String) -> Vec<Vec<String>> {
        let mut clusters: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for row in 0..self.parents.len() as u32 {
            let root = self.root(row);
            if root != row {
                clusters.entry(root).or_insert_with(|| vec![name(root)]).push(name(row));
            }
        }
        for (row, gone) in std::mem::take(&mut self.gone) {
            let root = self.root(row);
            clusters.entry(root).or_insert_with(|| vec![name(root)]).push(gone);
        }
        clusters.into_values().collect()
    }

    /// Writes a line for each cluster.
    pub(crate) fn write(mut self, path: &Path, name: impl Fn(u32) -> String) -> Result<()> {
        let mut file = WholeFile::create(path)?;
        for rows in self.members(name) {
            file.append(format!("{}\n", json!({ "cluster": rows[0], "rows": rows })).as_bytes())?;
        }
        file.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_repeats_two_joins_their_clusters() {
        let found = |rows: &[u32]| rows.iter().map(|row| Found { row: *row, similarity: None }).collect::<Vec<_>>();
        let mut clusters = Clusters::default();
        clusters.join("a", &found(&[4]));
        clusters.join("b", &found(&[2, 7]));
        clusters.join("c", &found(&[4, 7]));
        clusters.join("d", &found(&[5]));
        assert_eq!(clusters.members(|row| row.to_string()), [vec!["2", "4", "7", "a", "b", "c"], vec!["5", "d"]]);
    }
}
