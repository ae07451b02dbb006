//! Lists of words: built in, or a file with a word a line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aho_corasick::{AhoCorasick, MatchKind, packed};
use polars::prelude::PlHashSet;

use crate::language::TextLanguage;
use crate::python::is_han;

/// Words in lower case.
pub(crate) type WordList = PlHashSet<String>;

/// The English stop words, or those of a file.
pub(crate) fn stop_words(path: Option<&Path>) -> Result<Arc<WordList>, String> {
    static ENGLISH: LazyLock<Arc<WordList>> = LazyLock::new(|| Arc::new(words_of(include_str!("word_list/stop_words_en.txt"))));
    path.map_or_else(|| Ok(Arc::clone(&ENGLISH)), of_file)
}

/// The stop words of a language, or those of a file.
pub(crate) fn stop_words_of(language: TextLanguage, path: Option<&Path>) -> Result<Arc<WordList>, String> {
    static CHINESE: LazyLock<Arc<WordList>> = LazyLock::new(|| Arc::new(words_of(include_str!("word_list/stop_words_zh.txt"))));
    /// Languages written without spaces, for which there is no segmenter here.
    const WITHOUT_SPACES: [&str; 7] = ["bo", "dz", "ja", "km", "lo", "my", "th"];
    match (language, path) {
        (TextLanguage::Other(code), _) if WITHOUT_SPACES.contains(&code.as_str()) => Err(format!(
            "words of `{}` have no spaces between them, and there is no segmenter for it\nhint: leave `language` out, and separate the words by spaces before",
            code.as_str()
        )),
        (TextLanguage::Zh, None) => Ok(Arc::clone(&CHINESE)),
        (TextLanguage::Other(code), None) => of_crate(code.as_str()),
        (_, path) => stop_words(path),
    }
}

/// The stop words of the lists of stopwords-iso.
fn of_crate(code: &str) -> Result<Arc<WordList>, String> {
    static MADE: Mutex<Option<HashMap<String, Arc<WordList>>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    if let Some(list) = made.get(code) {
        return Ok(Arc::clone(list));
    }
    let words = stop_words::lookup(code).ok_or_else(|| {
        let known = stop_words::available_languages().join(", ");
        format!("no list of stop words is built in for `{code}`\nhint: give one as a file, or use one of {known}")
    })?;
    let list: Arc<WordList> = Arc::new(words.iter().map(|word| word.to_lowercase()).collect());
    made.insert(code.to_owned(), Arc::clone(&list));
    Ok(list)
}

/// The words of a file: one a line, in lower case; blank lines and those that begin with `#` are none. It is read once.
pub(crate) fn of_file(path: &Path) -> Result<Arc<WordList>, String> {
    static READ: ReadOnce<WordList> = Mutex::new(None);
    read_once(&READ, path, &WORDS, |lines| Ok(lines.into_iter().map(str::to_lowercase).collect()))
}

/// What a file lists, and how.
pub(crate) struct Listed {
    /// What stands in the file, such as `a word a line`.
    pub form: &'static str,
    /// What they are called, such as `words`.
    pub entries: &'static str,
    /// What a line begins with that lists nothing.
    pub remark: &'static str,
}

const WORDS: Listed = Listed { form: "a word a line", entries: "words", remark: "#" };

/// What was made of files, by their paths.
pub(crate) type ReadOnce<T> = Mutex<Option<HashMap<PathBuf, Arc<T>>>>;

/// Makes something of the lines of a file that list something, the first time that it is asked for.
pub(crate) fn read_once<T>(read: &ReadOnce<T>, path: &Path, listed: &Listed, of_lines: impl FnOnce(Vec<&str>) -> Result<T, String>) -> Result<Arc<T>, String> {
    let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
    let read = read.get_or_insert_default();
    if let Some(made) = read.get(path) {
        return Ok(Arc::clone(made));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}\nhint: give a text file with {}", path.display(), listed.form))?;
    let lines: Vec<&str> =
        text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(listed.remark)).collect();
    if lines.is_empty() {
        return Err(format!("{} has no {}\nhint: give a text file with {}, or leave the parameter out", path.display(), listed.entries, listed.form));
    }
    let made = Arc::new(of_lines(lines).map_err(|wrong| format!("{}: {wrong}\nhint: give a text file with {}", path.display(), listed.form))?);
    read.insert(path.to_owned(), Arc::clone(&made));
    Ok(made)
}

/// What is wrong with the parameter that names a list.
pub(crate) fn problems(parameter: &str, path: Option<&Path>) -> Vec<String> {
    path.and_then(|path| of_file(path).err()).map(|error| format!("`{parameter}`: {error}")).into_iter().collect()
}

fn words_of(text: &str) -> WordList {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_lowercase).collect()
}

/// Entries that a text should not have.
pub(crate) struct BlockList {
    /// Entries of one word.
    pub words: WordList,
    /// Entries that are found wherever they stand: those of several words, and those of languages without spaces.
    anywhere: Anywhere,
    /// Which beginnings words of the list have.
    beginnings: Box<[u64; BEGINNINGS / 64]>,
}

/// What finds the longest of several entries, one match after another.
enum Anywhere {
    /// A few, many bytes at a time.
    Few(packed::Searcher),
    Many(AhoCorasick),
}

/// The most entries of which so few bytes of a text begin any that looking for them many bytes at a time pays.
const FEW: usize = 16;

/// As many as make it rare that a word has the beginning of another.
const BEGINNINGS: usize = 1 << 14;

/// A number for the first bytes of a word.
#[inline]
fn beginning(word: &str) -> usize {
    let bytes = word.as_bytes();
    let four = bytes.first_chunk().copied().unwrap_or_else(|| std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default()));
    ((u32::from_le_bytes(four) & 0x1fff_ffff).wrapping_mul(0x9e37_79b1) >> 18) as usize % BEGINNINGS
}

impl BlockList {
    fn of(entries: &WordList) -> Result<Self, String> {
        let inside: Vec<&String> = entries.iter().filter(|entry| entry.contains(' ') || entry.chars().any(is_han)).collect();
        let packed = || packed::Config::new().match_kind(packed::MatchKind::LeftmostLongest).builder().extend(&inside).build();
        let anywhere = match (inside.len() <= FEW).then(packed).flatten() {
            Some(few) => Anywhere::Few(few),
            None => Anywhere::Many(AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&inside).map_err(|error| error.to_string())?),
        };
        let mut beginnings = Box::new([0; BEGINNINGS / 64]);
        for place in entries.iter().map(|entry| beginning(entry)) {
            beginnings[place / 64] |= 1 << (place % 64);
        }
        Ok(Self { words: entries.clone(), anywhere, beginnings })
    }

    /// Shows each entry that a text in small letters has, of those that are found anywhere.
    pub fn each_anywhere(&self, lower: &str, mut show: impl FnMut(&str)) {
        match &self.anywhere {
            Anywhere::Few(few) => few.find_iter(lower).for_each(|found| show(&lower[found.range()])),
            Anywhere::Many(many) => many.find_iter(lower).for_each(|found| show(&lower[found.range()])),
        }
    }

    /// Whether a word is an entry. Most words have the beginning of none, and are not looked up.
    pub fn has(&self, word: &str) -> bool {
        let place = beginning(word);
        self.beginnings[place / 64] >> (place % 64) & 1 == 1 && self.words.contains(word)
    }
}

/// The built-in block list, English or Chinese.
pub(crate) fn block_list(chinese: bool) -> Arc<BlockList> {
    #[expect(clippy::expect_used, reason = "the lists are constants")]
    fn built(text: &str) -> Arc<BlockList> {
        Arc::new(BlockList::of(&words_of(text)).expect("a short list makes an automaton"))
    }
    static ENGLISH: LazyLock<Arc<BlockList>> = LazyLock::new(|| built(include_str!("word_list/block_list_en.txt")));
    static CHINESE: LazyLock<Arc<BlockList>> = LazyLock::new(|| built(include_str!("word_list/block_list_zh.txt")));
    Arc::clone(if chinese { &CHINESE } else { &ENGLISH })
}

/// The block list of a file, as [`of_file`] reads it.
pub(crate) fn block_list_of_file(path: &Path) -> Result<Arc<BlockList>, String> {
    static MADE: Mutex<Option<HashMap<PathBuf, Arc<BlockList>>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.get_or_insert_default();
    if let Some(list) = made.get(path) {
        return Ok(Arc::clone(list));
    }
    let list = Arc::new(BlockList::of(&*of_file(path)?)?);
    made.insert(path.to_owned(), Arc::clone(&list));
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whatever_wrote_it_and_holds_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let (marked, empty) = (folder.path().join("marked.txt"), folder.path().join("empty.txt"));
        std::fs::write(&marked, "\u{feff}Damn\r\n# a remark\r\nfoo\r\n").unwrap();
        assert_eq!(*of_file(&marked).unwrap(), WordList::from_iter(["damn".to_owned(), "foo".to_owned()]));
        std::fs::write(&empty, "# nothing\n\n").unwrap();
        assert!(problems("words", Some(&empty)).concat().contains("has no words\nhint:"));
    }
}
