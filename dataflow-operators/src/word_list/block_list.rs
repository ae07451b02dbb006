//! Lists of what a text should not have: entries of one word or several, and the ways to find them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use aho_corasick::{AhoCorasick, Input, MatchKind, Span, packed};

use super::{BLOCKED, WordList, forms, list_of, words_of};
use crate::composed::composed;
use crate::language::TextLanguage;
use crate::language::is_unspaced;
use crate::made_of_files::MadeOfFiles;
use crate::python::is_space;

/// Entries that a text should not have.
pub(crate) struct BlockList {
    /// All entries.
    words: WordList,
    /// Those that are written with a curly apostrophe or with accents beside their letters, as they are compared: with a straight one, and composed.
    plain: WordList,
    /// Entries that are found wherever they stand as whole words: those of several words, and those of languages without spaces.
    anywhere: Anywhere,
    /// Whether there are entries of several words.
    has_several: bool,
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
        let words: WordList = entries.iter().map(|entry| entry.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let plain = words.iter().map(|entry| composed(&entry.replace('’', "'")).into_owned());
        let plain: WordList = plain.filter(|entry| !words.contains(entry)).collect();
        let inside: Vec<&String> = words.iter().chain(&plain).filter(|entry| is_anywhere(entry)).collect();
        let packed = || packed::Config::new().match_kind(packed::MatchKind::LeftmostLongest).builder().extend(&inside).build();
        let anywhere = match (inside.len() <= FEW).then(packed).flatten() {
            Some(few) => Anywhere::Few(few),
            None => Anywhere::Many(AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&inside).map_err(|error| error.to_string())?),
        };
        let mut beginnings = Box::new([0; BEGINNINGS / 64]);
        for place in words.iter().chain(&plain).map(|entry| beginning(entry)) {
            beginnings[place / 64] |= 1 << (place % 64);
        }
        let has_several = inside.iter().any(|entry| entry.contains(' '));
        Ok(Self { words, plain, anywhere, has_several, beginnings })
    }

    /// Shows each entry that a composed text in small letters with straight apostrophes has, of those that are found anywhere; any white space stands for that within an entry.
    pub fn each_anywhere(&self, lower: &str, mut show: impl FnMut(&str)) {
        let spaced = if self.has_several { with_single_spaces(lower) } else { lower.into() };
        let mut from = 0;
        while let Some(found) = self.next_anywhere(&spaced, from) {
            from = found.end;
            show(&spaced[found]);
        }
    }

    /// The first of the longest entries from a place on that are no parts of longer words.
    fn next_anywhere(&self, text: &str, mut from: usize) -> Option<Range<usize>> {
        loop {
            let longest = match &self.anywhere {
                Anywhere::Few(few) => few.find_in(text.as_bytes(), Span::from(from..text.len()))?.range(),
                Anywhere::Many(many) => many.find(Input::new(text).range(from..))?.range(),
            };
            if is_apart(text, &longest) {
                return Some(longest);
            }
            // A shorter entry may begin where the longest is a part of longer words.
            let shorter = text[longest.clone()].char_indices().rev().map(|(length, _)| longest.start..longest.start + length);
            let is_entry = |part: &str| is_anywhere(part) && (self.words.contains(part) || self.plain.contains(part));
            if let Some(found) = shorter.into_iter().find(|shorter| !shorter.is_empty() && is_apart(text, shorter) && is_entry(&text[shorter.clone()])) {
                return Some(found);
            }
            from = longest.start + text[longest.start..].chars().next().map_or(1, char::len_utf8);
        }
    }

    /// Whether a word is an entry that is found as a word alone, whatever its apostrophe and its accents' form.
    pub fn has_alone(&self, word: &str) -> bool {
        self.has_beginning(word) && (self.words.contains(word) || self.plain.contains(word)) && !is_anywhere(word)
    }

    /// Whether a word is an entry as it stands.
    pub fn has(&self, word: &str) -> bool {
        self.has_beginning(word) && self.words.contains(word)
    }

    /// Whether a word may be an entry. Most words have the beginning of none, and are not looked up.
    fn has_beginning(&self, word: &str) -> bool {
        let place = beginning(word);
        self.beginnings[place / 64] >> (place % 64) & 1 == 1
    }
}

/// Whether what was found is no part of a longer word; letters of languages without spaces stand beside others as words do.
fn is_apart(text: &str, found: &Range<usize>) -> bool {
    let is_part = |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() && !is_unspaced(character));
    let entry = &text[found.clone()];
    let begins_inside = is_part(entry.chars().next()) && is_part(text[..found.start].chars().next_back());
    let ends_inside = is_part(entry.chars().next_back()) && is_part(text[found.end..].chars().next());
    !begins_inside && !ends_inside
}

/// Whether an entry is found wherever it stands: what a text has between two spaces is longer than a word in a language without spaces, and shorter than several words.
fn is_anywhere(entry: &str) -> bool {
    entry.contains(' ') || entry.chars().any(is_unspaced)
}

/// A text with one space for each run of white space.
fn with_single_spaces(text: &str) -> Cow<'_, str> {
    let is_single = |text: &str| !text.bytes().any(|byte| byte.is_ascii_whitespace() && byte != b' ') && memchr::memmem::find(text.as_bytes(), b"  ").is_none();
    if text.is_ascii() && is_single(text) {
        return text.into();
    }
    let mut single = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_space) {
        let word = piece.trim_end_matches(is_space);
        single.push_str(word);
        if word.len() < piece.len() && !single.ends_with(' ') {
            single.push(' ');
        }
    }
    single.into()
}

/// The built-in block list of a language; of both where the text is to tell and is Chinese in part.
pub(crate) fn block_list(language: TextLanguage, text: &str) -> Result<Arc<BlockList>, String> {
    #[expect(clippy::expect_used, reason = "the lists are constants")]
    fn built(text: &str) -> Arc<BlockList> {
        Arc::new(BlockList::of(&words_of(text)).expect("a short list makes an automaton"))
    }
    static ENGLISH: LazyLock<Arc<BlockList>> = LazyLock::new(|| built(include_str!("block_list_en.txt")));
    static CHINESE: LazyLock<Arc<BlockList>> = LazyLock::new(|| built(include_str!("block_list_zh.txt")));
    static BOTH: LazyLock<Arc<BlockList>> = LazyLock::new(|| built(concat!(include_str!("block_list_en.txt"), "\n", include_str!("block_list_zh.txt"))));
    match language.parting(text) {
        TextLanguage::Zh if language == TextLanguage::Auto => Ok(Arc::clone(&BOTH)),
        TextLanguage::Zh => Ok(Arc::clone(&CHINESE)),
        TextLanguage::Other(code) => {
            Err(format!("no block list is built in for `{}`\nhint: give one as a file, `blocklist_path`, or use one of `en`, `zh` and `auto`", code.as_str()))
        }
        TextLanguage::Dataflow | TextLanguage::Auto | TextLanguage::En => Ok(Arc::clone(&ENGLISH)),
    }
}

/// The block lists of files, whose entries may have several words.
pub(crate) static BLOCK_LISTS: MadeOfFiles<BlockList> = MadeOfFiles::by(|path, ()| {
    list_of(path, &BLOCKED, |lines| {
        let entries: Result<Vec<String>, String> = lines.iter().map(|line| line.words("a word or several words").map(str::to_lowercase)).collect();
        BlockList::of(&entries?.into_iter().flat_map(forms).collect())
    })
});

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;
    use insta::assert_snapshot;

    #[test]
    fn a_block_list_of_another_form_is_refused_and_odd_entries_are_not() {
        let others = [
            "- foo",
            "* foo",
            "1. foo",
            "12) foo",
            "['foo', 'bar']",
            "{'foo', 'bar'}",
            "('foo',)",
            "words = [\"foo\"]",
            "WORDS=(",
            "foo, bar, baz",
            "foo|bar",
            "foo | bar",
            "foo; bar; baz",
            "'foo', 'bar', 'baz'",
            "坏，恶",
        ];
        for other in others {
            let wrong = told(format!("shoo\n{other}\n").as_bytes(), &BLOCK_LISTS).err().unwrap_or_default();
            let expected =
                format!("list.txt: line 2 should be a word or several words, found `{other}`\nhint: give a text file with a word or several words a line");
            assert_eq!(wrong, expected);
        }
        for page in ["<html><body>foo</body></html>", "<?xml version=\"1.0\"?>", "null", "[1]"] {
            assert!(told(page.as_bytes(), &BLOCK_LISTS).is_err_and(|wrong| wrong.contains("line 1 should be plain text, found")), "{page}");
        }
        let odd = [
            "c++",
            "-1",
            "-",
            "*",
            "1.5",
            "a = b",
            "f(x, y)",
            "(y)",
            "[sic]",
            "1,000,000",
            "go away, you",
            "yes; no",
            "<unk>",
            "null",
            "123",
            "||",
            "'tis",
            "b*tch",
            "-foo",
            "x=",
        ];
        let list = told(odd.join("\n").as_bytes(), &BLOCK_LISTS).unwrap();
        assert_eq!(odd.map(|entry| list.has(entry)), [true; 20]);
        let old = told(b"foo\rbar\r\rbaz", &BLOCK_LISTS).unwrap();
        assert_eq!(["foo", "bar", "baz", "foo\rbar"].map(|entry| old.has(entry)), [true, true, true, false]);
    }

    #[test]
    fn entries_of_a_block_list_may_have_several_words() {
        let list = told(b"go  away,\tyou\nshoo\n", &BLOCK_LISTS);
        assert!(list.is_err(), "a tab parts the columns of a table");
        let list = told("go  away,\u{3000}you\nshoo\n".as_bytes(), &BLOCK_LISTS).unwrap();
        let mut found = Vec::new();
        list.each_anywhere("now go\n away,   you! go away , you\u{a0}", |entry| found.push(entry.to_owned()));
        assert_eq!(found, ["go away, you"]);
        assert_snapshot!(told(b"shoo\n'go away',\n", &BLOCK_LISTS).err().unwrap(), @r"
        list.txt: line 2 should be a word or several words, found `'go away',`
        hint: give a text file with a word or several words a line
        ");
    }
}
