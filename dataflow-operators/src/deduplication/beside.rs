//! What a filter of repeated rows is asked to do beside dropping them.

use std::path::PathBuf;

use dataflow_core::Result;
use dataflow_core::operator::Kept;
use dataflow_core::whole_file::{MOST_BYTES_OF_NAME, told_of_name};

use super::Index;
use crate::byte_size::ByteSize;

/// What is written beside the label, and with what else rows are compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// Where the pairs go.
    pub(crate) pairs_path: Option<PathBuf>,
    /// Where the clusters go.
    pub(crate) clusters_path: Option<PathBuf>,
    /// The folder of the index, and the name that this data set has in it.
    pub(crate) index_path: Option<PathBuf>,
    pub(crate) index_name: Option<String>,
    /// All that shapes a signature: an index of other signatures cannot be used.
    pub(crate) settings: String,
    /// The similarity that a pair has to have when its texts themselves are compared, for which an index holds texts too.
    pub(crate) verified_from: Option<f64>,
    /// How many bytes are held in memory of what is remembered; above it they go to disk.
    pub(crate) memory_limit: Option<ByteSize>,
}

impl Beside {
    /// What the index keeps from run to run: an error where it is none that this run can use.
    pub(crate) fn kept(&self) -> Result<Option<Kept>> {
        let (Some(folder), Some(name)) = (&self.index_path, &self.index_name) else { return Ok(None) };
        Index::new(folder, name, &self.settings, 0, self.verified_from.is_some()).kept().map(Some)
    }

    /// What is wrong with it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match (&self.index_path, &self.index_name) {
            (Some(_), None) => problems.push("`index_path` is given without `index_name`, the name that this data set has in the index".to_owned()),
            (None, Some(_)) => problems.push("`index_name` is given without `index_path`, the folder of the index".to_owned()),
            (_, Some(name)) if name.is_empty() || !name.chars().all(|character| character.is_alphanumeric() || matches!(character, '-' | '_')) => {
                problems.push(format!("`index_name` should have letters, digits, `-` and `_` alone, since it names a file; found `{name}`"));
            }
            (_, Some(name)) if name.len() > MOST_BYTES_OF_NAME => {
                problems.push(format!("`index_name` should have at most {MOST_BYTES_OF_NAME} bytes, since it names a file; found {}", name.len()));
            }
            _ => {}
        }
        for (parameter, path) in [("pairs_path", &self.pairs_path), ("clusters_path", &self.clusters_path)] {
            problems.extend(path.iter().filter_map(|path| told_of_name(&format!("`{parameter}`"), path)));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_that_cannot_be_are_told() {
        let told = |name: &str, pairs: &str, clusters: &str| {
            let path = |path: &str| Some(PathBuf::from(path)).filter(|path| path.as_os_str() != "");
            let beside = Beside {
                pairs_path: path(pairs),
                clusters_path: path(clusters),
                index_path: Some("index".into()),
                index_name: Some(name.into()),
                ..Beside::default()
            };
            beside.problems()
        };
        assert_eq!(told(&"a".repeat(200), "pairs.jsonl", "clusters.json"), [""; 0]);
        assert_eq!(told(&"a".repeat(201), "", ""), ["`index_name` should have at most 200 bytes, since it names a file; found 201"]);
        assert_eq!(told(&"数".repeat(67), "", ""), ["`index_name` should have at most 200 bytes, since it names a file; found 201"]);
        assert!(told("a/b", "", "")[0].starts_with("`index_name` should have letters, digits, `-` and `_` alone"));
        let [pairs, clusters] = &told("a", "pairs.jsonl.gz", "clusters.csv")[..] else { panic!("two are told") };
        assert!(pairs.starts_with("`pairs_path` is written as plain JSON, and `pairs.jsonl.gz` ends in `.gz`\nhint: "), "{pairs}");
        assert!(clusters.starts_with("`clusters_path` is written as plain JSON, and `clusters.csv` ends in `.csv`\nhint: "), "{clusters}");
    }
}
