//! The files of a run and whose they are: what one reads or keeps, no other may write over.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Step;
use crate::engine::files_of_run;
use crate::operator::PathUse;
use crate::serving::LLMServing;
use crate::storage::Storage;
use crate::whole_file::led_to;

/// Who reads or writes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    /// The run itself, as its output is.
    OfRun(String),
    /// A parameter of a step, which is counted from 1.
    OfStep { field: &'static str, step: usize, name: String },
}

impl fmt::Display for Whose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfRun(what) => formatter.write_str(what),
            Self::OfStep { field, step, name } => write!(formatter, "`{field}` of step {step} `{name}`"),
        }
    }
}

/// Which files of a folder belong to whoever names the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holds {
    Nothing,
    /// Those that end so.
    Ending(OsString),
    All,
}

#[derive(Clone, Debug)]
struct FileOf {
    whose: Whose,
    path_use: PathUse,
    path: PathBuf,
    holds: Holds,
}

impl FileOf {
    fn holds(&self, other: &Path) -> bool {
        match &self.holds {
            Holds::Nothing => false,
            Holds::Ending(ending) => other.parent() == Some(&self.path) && other.extension() == Some(ending),
            Holds::All => other != self.path && other.starts_with(&self.path),
        }
    }
}

/// All files of a run. A hard link is a file of its own: what is written takes the place of a name, see [`WholeFile`](crate::whole_file::WholeFile), and the file's other
/// names keep what they had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(Vec<FileOf>);

/// A file that two have who cannot share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    /// The step whose parameter names it, counted from 1.
    pub step: Option<usize>,
    pub message: String,
    pub hint: &'static str,
}

impl Files {
    /// What a pipeline has without its steps and its storage.
    pub fn of_pipeline(made_of: Option<&Path>, servings: &[(String, Arc<dyn LLMServing>)]) -> Self {
        let mut files = Self::default();
        if let Some(path) = made_of {
            files.add("the pipeline file", PathUse::Reads, path);
        }
        for (name, serving) in servings {
            for (option, path_use, path) in serving.paths() {
                files.add(format!("`{option}` of the serving `{name}`"), path_use, &path);
            }
        }
        files
    }

    /// Adds what a run of a pipeline of so many steps reads and writes at its storage.
    pub fn of_storage(&mut self, storage: &dyn Storage, pipeline: &str, steps: usize) {
        if let Some(path) = storage.input_path() {
            self.add("the input", PathUse::Reads, &path);
        }
        if let Some(path) = storage.output_path() {
            self.add("the output", PathUse::Writes, &path);
        }
        for (what, path) in files_of_run(storage, pipeline, steps) {
            self.add(what, PathUse::Writes, &path);
        }
        if let Some(path) = storage.journal_path() {
            self.push(Whose::OfRun("the journal".into()), PathUse::Keeps, &path, Holds::All);
        }
    }

    /// Adds what a step reads and writes beside its rows. `kept` is the file that it keeps in a folder: those beside it that end as it does are of the step, too.
    pub fn of_step(&mut self, index: usize, step: &Step, kept: Option<&Path>) {
        let Some(operator) = &step.operator else { return };
        for (field, path_use, path) in operator.info().paths(&operator.parameters()) {
            let ending = kept.filter(|kept| kept.parent() == Some(&path)).and_then(Path::extension);
            let holds = ending.map_or(Holds::Nothing, |ending| Holds::Ending(ending.to_owned()));
            self.push(Whose::OfStep { field, step: index + 1, name: step.shown().to_owned() }, path_use, &path, holds);
        }
    }

    /// Adds a file of the run itself.
    pub fn add(&mut self, what: impl Into<String>, path_use: PathUse, path: &Path) {
        self.push(Whose::OfRun(what.into()), path_use, path, Holds::Nothing);
    }

    fn push(&mut self, whose: Whose, path_use: PathUse, path: &Path, holds: Holds) {
        // What is no file, such as `/dev/stdout`, takes what comes from everybody.
        if path.metadata().map_or(true, |found| found.is_file() || found.is_dir()) {
            self.0.push(FileOf { whose, path_use, path: place(path), holds });
        }
    }

    /// Files that two have, of which one writes them; each is told once.
    pub fn clashes(&self) -> Vec<Clash> {
        let first_with = |(number, later): (usize, &FileOf)| self.0[..number].iter().find_map(|earlier| clash(earlier, later));
        self.0.iter().enumerate().filter_map(first_with).collect()
    }
}

fn clash(earlier: &FileOf, later: &FileOf) -> Option<Clash> {
    if earlier.whose == later.whose {
        return None; // the report of a run and that of one over failed rows, say
    }
    let both = |wanted: PathUse| {
        [later, earlier].into_iter().find(|file| file.path_use == wanted).map(|file| (file, if std::ptr::eq(file, later) { earlier } else { later }))
    };
    if earlier.path == later.path {
        if let Some((owner, other)) = both(PathUse::Owns) {
            let hint =
                "each would take what the other leaves there for that of another run, and so its own rows for rows met before; give each a folder of its own";
            return Some(told(owner, "is the folder of", &format!("{} too", other.whose), hint));
        }
        let (writer, other) = both(PathUse::Writes)?;
        return Some(told(writer, "would be written over", &other.whose.to_string(), "name another file"));
    }
    let (inside, folder) =
        [(later, earlier), (earlier, later)].into_iter().find(|(inside, folder)| inside.path_use == PathUse::Writes && folder.holds(&inside.path))?;
    Some(told(inside, "would be written among the files of", &folder.whose.to_string(), "name a file in another folder"))
}

fn told(file: &FileOf, what: &str, of: &str, hint: &'static str) -> Clash {
    let (step, subject) = match &file.whose {
        Whose::OfRun(what) => (None, what.clone()),
        Whose::OfStep { field, step, .. } => (Some(*step), format!("`{field}`")),
    };
    Clash { step, message: format!("{subject} {what} {of}, `{}`", file.path.display()), hint }
}

/// Where a path leads, by which two ways to one file are told: links are followed, also one to a file that is not there as yet.
pub(crate) fn place(path: &Path) -> PathBuf {
    let path = led_to(path);
    found(&std::path::absolute(&path).unwrap_or(path))
}

/// As much of a path as is there, with the rest behind it.
fn found(path: &Path) -> PathBuf {
    let beside = || {
        let folder = found(path.parent()?);
        Some(path.file_name().map_or_else(|| folder.parent().unwrap_or(&folder).to_owned(), |name| folder.join(name)))
    };
    path.canonicalize().ok().or_else(beside).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_is_nobody_elses() {
        use PathUse::{Keeps, Owns, Reads, Writes};
        let of = |uses: [(&str, PathUse, &str); 2]| {
            let mut files = Files::default();
            for (what, path_use, path) in uses {
                files.add(what, path_use, Path::new(path));
            }
            files.clashes().into_iter().map(|clash| clash.message).collect::<Vec<_>>()
        };
        let at = std::path::absolute("x").unwrap();
        let told = |message: &str| vec![format!("{message}, `{}`", at.display())];
        assert_eq!(of([("a", Reads, "x"), ("b", Writes, "./y/../x")]), told("b would be written over a"));
        assert_eq!(of([("a", Writes, "x"), ("b", Reads, "x")]), told("a would be written over b"));
        assert_eq!(of([("a", Writes, "x"), ("b", Writes, "x")]), told("b would be written over a"));
        assert_eq!(of([("a", Keeps, "x"), ("b", Writes, "x")]), told("b would be written over a"));
        assert_eq!(of([("a", Owns, "x"), ("b", Keeps, "x")]), told("a is the folder of b too"));
        for shared in [[("a", Reads, "x"), ("b", Reads, "x")], [("a", Keeps, "x"), ("b", Keeps, "x")], [("a", Writes, "x"), ("a", Writes, "x")]] {
            assert!(of(shared).is_empty(), "{shared:?}");
        }
        assert!(of([("a", Writes, "/dev/null"), ("b", Writes, "/dev/null")]).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_known_by_any_way_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| place(&folder.path().join(path));
        std::fs::create_dir(folder.path().join("real")).unwrap();
        for (target, link) in [("real", "folder"), ("real/late.jsonl", "link.jsonl")] {
            std::os::unix::fs::symlink(target, folder.path().join(link)).unwrap();
        }
        let expected = folder.path().canonicalize().unwrap().join("real/late.jsonl");
        for path in ["real/late.jsonl", "folder/late.jsonl", "folder/new/../late.jsonl", "link.jsonl", "real/../real/./late.jsonl"] {
            assert_eq!(at(path), expected, "{path}");
        }
        std::fs::write(&expected, "there").unwrap();
        assert_eq!(at("link.jsonl"), expected);
        assert_eq!(at("new/deep/x"), folder.path().canonicalize().unwrap().join("new/deep/x"));
    }
}
