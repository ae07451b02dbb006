//! Lists of words: built in, or a file with a word a line.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use polars::prelude::PlHashSet;

use crate::composed::composed;
use crate::language::{LanguageCode, TextLanguage, WITHOUT_SPACES};
use crate::made_of_files::MadeOfFiles;

pub(crate) use self::block_list::{BLOCK_LISTS, BlockList, block_list};

mod block_list;

/// Words in lower case.
pub(crate) type WordList = PlHashSet<String>;

/// The English stop words, or those of a file.
pub(crate) fn stop_words(path: Option<&Path>) -> Result<Arc<WordList>, String> {
    static ENGLISH: LazyLock<Arc<WordList>> = LazyLock::new(|| Arc::new(words_of(include_str!("word_list/stop_words_en.txt"))));
    path.map_or_else(|| Ok(Arc::clone(&ENGLISH)), |path| WORD_LISTS.known(path, ()))
}

/// The stop words of a language, or those of a file.
pub(crate) fn stop_words_of(language: TextLanguage, path: Option<&Path>) -> Result<Arc<WordList>, String> {
    static CHINESE: LazyLock<Arc<WordList>> = LazyLock::new(|| Arc::new(words_of(include_str!("word_list/stop_words_zh.txt"))));
    if let Some(wrong) = language.wordless() {
        return Err(wrong);
    }
    match (language, path) {
        (TextLanguage::Zh, None) => Ok(Arc::clone(&CHINESE)),
        (TextLanguage::Other(code), None) => of_crate(code.as_str()),
        (_, path) => stop_words(path),
    }
}

/// Whether a word in small letters is a stop word, or a contraction whose parts all are, whatever its apostrophe.
pub(crate) fn is_stop_word(list: &WordList, word: &str) -> bool {
    const APOSTROPHES: [char; 2] = ['\'', '’'];
    list.contains(word)
        || word.contains(APOSTROPHES)
            && (list.contains(&*word.replace('’', "'")) || word.split(APOSTROPHES).all(|part| list.contains(part) || list.contains(&*format!("{part}'"))))
}

/// The stop words that stand without their last vowel before a word, by language.
const ELIDED: [(&str, &[&str]); 3] = [
    ("ca", &["d", "l", "m", "n", "s", "t"]),
    ("fr", &["c", "d", "j", "jusqu", "l", "lorsqu", "m", "n", "puisqu", "qu", "quoiqu", "s", "t"]),
    ("it", &["all", "c", "d", "dall", "dell", "l", "nell", "quell", "quest", "sull", "un"]),
];

/// What stays of a word where stop words go: nothing, or all, or in languages that write `l'homme` what follows the apostrophe.
pub(crate) fn without_stop_words<'a>(list: &WordList, language: TextLanguage, word: &'a str) -> Option<&'a str> {
    if is_stop_word(list, &language.lower(word)) {
        return None;
    }
    let code = if let TextLanguage::Other(code) = &language { code.as_str() } else { "" };
    let rest = ELIDED.iter().find(|(of, _)| *of == code).and_then(|(_, elided)| {
        let (first, rest) = word.split_once(['\'', '’'])?;
        (!rest.is_empty() && elided.contains(&&*language.lower(first))).then_some(rest)
    });
    Some(rest.unwrap_or(word))
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
        let known = stop_words::available_languages().iter().filter(|known| !WITHOUT_SPACES.contains(known) && known.parse::<LanguageCode>().is_ok());
        let known = known.copied().collect::<Vec<_>>().join(", ");
        format!("no list of stop words is built in for `{code}`\nhint: give one as a file, or use one of {known}")
    })?;
    let list: Arc<WordList> = Arc::new(words.iter().map(|word| word.to_lowercase()).collect());
    made.insert(code.to_owned(), Arc::clone(&list));
    Ok(list)
}

/// The words of files: one a line, in lower case, as written and composed; blank lines and those that begin with `#` are none.
pub(crate) static WORD_LISTS: MadeOfFiles<WordList> = MadeOfFiles::by(|path, ()| {
    list_of(path, &WORDS, |lines| {
        let word = |line: &Line<'_>| match line.words("one word") {
            Ok(word) if !word.contains(char::is_whitespace) => Ok(word.to_lowercase()),
            _ => Err(line.wrong("one word")),
        };
        if let [only] = lines[..]
            && only.text.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(only.wrong("one word"));
        }
        let words: Result<Vec<String>, String> = lines.iter().map(word).collect();
        Ok(words?.into_iter().flat_map(forms).flat_map(|word| [composed(&word).into_owned(), word]).collect())
    })
});

/// An entry in small letters, and as Turkish has it where it was written with `İ`, whose small letter has two dots elsewhere.
fn forms(entry: String) -> impl Iterator<Item = String> {
    const TWO_DOTS: &str = "i\u{307}";
    let turkish = entry.contains(TWO_DOTS).then(|| entry.replace(TWO_DOTS, "i"));
    [Some(entry), turkish].into_iter().flatten()
}

/// What a file lists, and how.
pub(crate) struct Listed {
    /// What stands in the file, such as `a word a line`.
    pub form: &'static str,
    /// What they are called, such as `words`.
    pub entries: &'static str,
}

const WORDS: Listed = Listed { form: "a word a line", entries: "words" };
const BLOCKED: Listed = Listed { form: "a word or several words a line", entries: "words" };

/// A line of a file that lists something.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// Without the white space around it.
    pub text: &'a str,
}

impl<'a> Line<'a> {
    /// What is wrong with it, where something else is expected.
    pub(crate) fn wrong(self, expected: &str) -> String {
        const MOST_SHOWN: usize = 60;
        let shown: String = self.text.chars().take(MOST_SHOWN).collect();
        let more = if shown.len() < self.text.len() { "…" } else { "" };
        format!("line {} should be {expected}, found `{shown}{more}`", self.number)
    }

    /// The line as a word or several; a value in quotation marks, a row of a table, several entries and an item of a list are none, and would never be found in a text.
    pub(crate) fn words(self, expected: &str) -> Result<&'a str, String> {
        if self.is_value() || self.has_several() || self.is_item() || self.is_of_a_program() { Err(self.wrong(expected)) } else { Ok(self.text) }
    }

    /// Whether several entries stand in it: `foo,bar`, `foo|bar` and `foo, bar, baz`. What has one comma and a space may be a phrase, and what has digits a number.
    fn has_several(self) -> bool {
        const MARKS: [char; 6] = [',', ';', '|', '，', '；', '、'];
        let is_letter = |character: Option<char>| character.is_some_and(|character| character.is_alphabetic() || matches!(character, '"' | '\''));
        let close = |(at, mark): (usize, &str)| {
            let (before, after) = (&self.text[..at], &self.text[at + mark.len()..]);
            let (before, after) = if mark == "|" { (before.trim_end(), after.trim_start()) } else { (before, after) };
            is_letter(before.chars().next_back()) && is_letter(after.chars().next())
        };
        let parts = || self.text.trim_end_matches(MARKS).split(MARKS).map(|part| part.trim_start().chars().next());
        self.text.match_indices(MARKS).any(close) || (parts().count() > 2 && parts().all(is_letter))
    }

    /// Whether it is an item of a list that is written for people: `- foo`, `* foo`, `1. foo`.
    fn is_item(self) -> bool {
        let number = self.text.trim_start_matches(|character: char| character.is_ascii_digit());
        let after = if number.len() < self.text.len() { number.strip_prefix(['.', ')']) } else { self.text.strip_prefix(['-', '*', '+', '•']) };
        after.is_some_and(|after| after.starts_with(char::is_whitespace))
    }

    /// Whether it is a list of a program, or is given a name there: `['foo', 'bar']`, `words = ["foo"]`.
    fn is_of_a_program(self) -> bool {
        let bare = self.text.trim_end_matches([',', ';']);
        let is_list = [('[', ']'), ('{', '}'), ('(', ')')].iter().any(|(open, close)| bare.starts_with(*open) && bare.ends_with(*close));
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || character == '_');
        let is_named = bare.split_once('=').is_some_and(|(name, value)| is_name(name.trim_end()) && value.trim_start().starts_with(['[', '{', '(', '"', '\'']));
        is_named || (is_list && bare.contains(['\'', '"', ',']))
    }

    /// Whether it is written as a value of JSON, of a program or of a table.
    pub(crate) fn is_value(self) -> bool {
        let bare = self.text.trim_end_matches(',');
        let quoted = |mark| bare.len() > 1 && bare.starts_with(mark) && bare.ends_with(mark);
        self.text.contains('\t') || quoted('"') || quoted('\'') && bare.len() < self.text.len()
    }
}

/// Makes something of the lines of a file that lists something.
pub(crate) fn list_of<T>(path: &Path, listed: &Listed, of_lines: impl FnOnce(Vec<Line<'_>>) -> Result<T, String>) -> Result<T, String> {
    let form = listed.form;
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}\nhint: give a text file with {form}", path.display()))?;
    let made = lines_of(&bytes).and_then(|lines| if lines.is_empty() { Ok(None) } else { of_lines(lines).map(Some) });
    let made = made.map_err(|wrong| format!("{}: {wrong}\nhint: give a text file with {form}", path.display()))?;
    made.ok_or_else(|| format!("{} has no {}\nhint: give a text file with {form}, or leave the parameter out", path.display(), listed.entries))
}

/// Whether a line is a remark, which lists nothing; `#sale` is an entry.
fn is_remark(line: &str) -> bool {
    line == "#" || line.starts_with("# ")
}

/// The lines of a file that list something.
pub(crate) fn lines_of(bytes: &[u8]) -> Result<Vec<Line<'_>>, String> {
    let text = text_of(bytes)?;
    // Some editors end lines with a carriage return alone.
    let end = if text.contains('\n') { '\n' } else { '\r' };
    let lines = text.split(end).map(str::trim).enumerate().map(|(index, text)| Line { number: index + 1, text });
    let lines: Vec<Line<'_>> = lines.filter(|line| !line.text.is_empty() && !is_remark(line.text)).collect();
    let Some(first) = lines.first() else { return Ok(lines) };
    let found = match first.text {
        json if is_json(text, json) => "the beginning of JSON",
        "null" | "true" | "false" if lines.len() == 1 => "a value of JSON",
        markup if is_markup(markup) => "the beginning of HTML or XML",
        _ => return Ok(lines),
    };
    Err(format!("line {} should be plain text, found {found}", first.number))
}

/// Whether a page begins with a line.
fn is_markup(first: &str) -> bool {
    let first = first.to_ascii_lowercase();
    ["<!doctype", "<?xml", "<html", "<head", "<body"].iter().any(|begin| first.starts_with(begin))
}

/// The text of a file without a mark of its byte order.
fn text_of(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.valid_up_to());
    let wrong = text.map_or_else(Some, |text| text.find('\0'));
    match (text, wrong) {
        (Ok(text), None) => Ok(text.trim_start_matches('\u{feff}')),
        (_, at) => {
            let line = 1 + memchr::memchr_iter(b'\n', &bytes[..at.unwrap_or_default()]).count();
            Err(format!("line {line} should be text in UTF-8, found bytes that are none"))
        }
    }
}

/// Whether a text is a list or a record of JSON, or begins as one that is written over several lines.
fn is_json(text: &str, first: &str) -> bool {
    let parses = |text| serde_json::from_str::<serde_json::Value>(text).is_ok();
    matches!(first, "[" | "{" | "[{") || first.starts_with(['[', '{']) && (parses(text) || first.contains('"') && parses(first))
}

/// What is wrong with the parameter that names a list.
pub(crate) fn problems(parameter: &str, path: Option<&Path>) -> Vec<String> {
    path.and_then(|path| WORD_LISTS.problem(parameter, path, ())).into_iter().collect()
}

fn words_of(text: &str) -> WordList {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_remark(line)).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    /// What reading a file of these bytes comes to.
    pub(in crate::word_list) fn told<T>(bytes: &[u8], lists: &MadeOfFiles<T>) -> Result<Arc<T>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, bytes).unwrap();
        lists.known(&path, ()).map_err(|error| error.replace(&path.display().to_string(), "list.txt"))
    }

    #[test]
    fn a_list_is_read_whatever_wrote_it_and_holds_a_word() {
        let words = told("\u{feff}Damn\r\n# a remark\r\n#\r\nfoo\r\ndon't\r\nt'\r\n1,000\r\n".as_bytes(), &WORD_LISTS).unwrap();
        assert_eq!(*words, WordList::from_iter(["damn", "foo", "don't", "t'", "1,000"].map(ToOwned::to_owned)));
        assert_snapshot!(told(b"# nothing\n\n", &WORD_LISTS).unwrap_err(), @r"
        list.txt has no words
        hint: give a text file with a word a line, or leave the parameter out
        ");
    }

    #[test]
    fn a_file_of_another_form_is_refused_with_its_line() {
        let files = [
            r#"["the", "of"]"#.as_bytes(),
            b"\n{\"words\": [\"the\"]}",
            b"[\n  \"the\",\n]",
            b"{\"word\":\"the\"}\n{\"word\":\"of\"}\n",
            b"the\n\"of\",\n",
            b"word,count\nthe,12\n",
            b"the\nof and\n",
            b"the\t12\n",
            b"the\nna\xefve\n",
            b"t\0h\0e\0\n\0",
            b"the\nfoo|bar\n",
            b"<!DOCTYPE html>\n<p>the</p>\n",
            b"null\n",
            b"123\n",
            "你好，世界\n".as_bytes(),
            b"the\rof and\r",
        ];
        let wrong: Vec<String> = files.iter().map(|file| told(file, &WORD_LISTS).unwrap_err()).collect();
        assert!(wrong.iter().all(|wrong| wrong.ends_with("\nhint: give a text file with a word a line")), "{wrong:?}");
        let lines: Vec<&str> = wrong.iter().filter_map(|wrong| wrong.lines().next()).collect();
        assert_snapshot!(lines.join("\n"), @r#"
        list.txt: line 1 should be plain text, found the beginning of JSON
        list.txt: line 2 should be plain text, found the beginning of JSON
        list.txt: line 1 should be plain text, found the beginning of JSON
        list.txt: line 1 should be plain text, found the beginning of JSON
        list.txt: line 2 should be one word, found `"of",`
        list.txt: line 1 should be one word, found `word,count`
        list.txt: line 2 should be one word, found `of and`
        list.txt: line 1 should be one word, found `the	12`
        list.txt: line 2 should be text in UTF-8, found bytes that are none
        list.txt: line 1 should be text in UTF-8, found bytes that are none
        list.txt: line 2 should be one word, found `foo|bar`
        list.txt: line 1 should be plain text, found the beginning of HTML or XML
        list.txt: line 1 should be plain text, found a value of JSON
        list.txt: line 1 should be one word, found `123`
        list.txt: line 1 should be one word, found `你好，世界`
        list.txt: line 2 should be one word, found `of and`
        "#);
    }
}
