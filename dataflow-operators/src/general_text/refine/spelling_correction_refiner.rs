//! Corrects misspelled words.

use std::borrow::Cow;
use std::path::PathBuf;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;

use crate::compatibility::Compatibility;
use crate::python::{is_space, split_words};
use crate::spelling::{DICTIONARIES, Dictionary, Limits};

/// Replaces each word that is not in a dictionary by the nearest that is.
///
/// Of several words at the same distance the most frequent is taken. The dictionary is a file with a word and its frequency in each line, such as SymSpell's
/// `frequency_dictionary_en_82_765.txt`; it is not built in, and nothing is downloaded. Only words of three or more small letters are corrected, the first of which
/// may be a capital where a sentence begins: names, numbers, addresses, marks and white space stay, and a word of `n` letters is allowed at most (n - 1) / 2 edits.
/// DataFlow looks up whole pieces between white space, so that `Soil` becomes `oil` and `dirt.` becomes `dirty`; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 把词典中没有的词替换为词典中最接近的词。
///
/// 距离相同时取词频最高者。词典为文件，每行一个词及其词频，例如 SymSpell 的 `frequency_dictionary_en_82_765.txt`；词典不内置，也不会下载。
/// 只纠正三个字母以上的小写词（句首可大写）：专名、数字、网址、标点与空白保持原样，`n` 个字母的词最多允许 (n - 1) / 2 次编辑。
/// DataFlow 直接查询空白之间的整段，因此 `Soil` 变为 `oil`，`dirt.` 变为 `dirty`；`compatibility: dataflow` 沿用其做法。
#[operator(general_text, refine, Refine)]
pub struct SpellingCorrectionRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// The most edits between a word and its correction. 中文：词与其更正之间的最多编辑次数。
    pub max_edit_distance: u32,
    /// How many letters of a word are indexed: more take more memory and less time. 中文：建立索引所用的词首字母数；越大越占内存、越省时间。
    pub prefix_length: u32,
    /// A file with a word and its frequency in each line. 中文：词典文件，每行一个词及其词频。
    pub dictionary_path: PathBuf,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for SpellingCorrectionRefiner {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            max_edit_distance: 2,
            prefix_length: 7,
            dictionary_path: "frequency_dictionary_en_82_765.txt".into(),
            compatibility: Compatibility::Own,
        }
    }
}

impl SpellingCorrectionRefiner {
    fn limits(&self) -> Limits {
        Limits { edits: self.max_edit_distance as usize, prefix: self.prefix_length as usize }
    }

    /// DataFlow's rule: whatever stands between white space, as it stands.
    fn by_pieces(&self, dictionary: &Dictionary, text: &str) -> String {
        let corrected: Vec<&str> = split_words(text).map(|word| dictionary.nearest(word, self.max_edit_distance as usize).unwrap_or(word)).collect();
        corrected.join(" ")
    }

    fn by_words(&self, dictionary: &Dictionary, text: &str) -> String {
        let mut corrected = String::with_capacity(text.len());
        let mut sentence_begins = true;
        for piece in text.split_inclusive(is_space) {
            let space = piece.trim_end_matches(is_space).len();
            let (piece, space) = piece.split_at(space);
            let word = piece.trim_matches(|character: char| !character.is_alphanumeric());
            let begin = word.as_ptr() as usize - piece.as_ptr() as usize;
            let (before, after) = (&piece[..begin], &piece[begin + word.len()..]);
            corrected.push_str(before);
            corrected.push_str(&self.correction(dictionary, word, sentence_begins).unwrap_or(word.into()));
            corrected.push_str(after);
            corrected.push_str(space);
            sentence_begins = (piece.is_empty() && sentence_begins) || after.contains(['.', '!', '?']) || (space == "\n");
        }
        corrected
    }

    /// What a word should be; `None` where it stays.
    fn correction<'a>(&self, dictionary: &'a Dictionary, word: &str, sentence_begins: bool) -> Option<Cow<'a, str>> {
        const SHORTEST: usize = 3;
        let length = word.chars().count();
        let capital = word.starts_with(char::is_uppercase);
        let small = |character: char| character.is_lowercase();
        let plain = word.chars().skip(usize::from(capital)).all(small) && (sentence_begins || !capital);
        if length < SHORTEST || !plain {
            return None;
        }
        let lower = word.to_lowercase();
        if dictionary.knows(&lower) || dictionary.knows(word) {
            return None;
        }
        // Two edits of a word of three letters lead anywhere.
        let nearest = dictionary.nearest(&lower, (self.max_edit_distance as usize).min((length - 1) / 2))?;
        if !capital {
            return Some(nearest.into());
        }
        let mut letters = nearest.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>().into())
    }
}

impl Refine for SpellingCorrectionRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Ok(dictionary) = DICTIONARIES.known(&self.dictionary_path, self.limits()) else { return text.into() }; // a problem at compile
        let corrected = match self.compatibility {
            Compatibility::Own => self.by_words(&dictionary, text),
            Compatibility::Dataflow => self.by_pieces(&dictionary, text),
        };
        if corrected == text { text.into() } else { corrected.into() }
    }

    fn problems(&self) -> Vec<String> {
        if self.prefix_length <= self.max_edit_distance {
            return vec![format!("`prefix_length` should be above `max_edit_distance`, {}, found {}", self.max_edit_distance, self.prefix_length)];
        }
        DICTIONARIES.problem("dictionary_path", &self.dictionary_path, self.limits()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(SpellingCorrectionRefiner);

    fn dictionary() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "the 900\nof 800\na 700\noil 60\nsoil 50\nis 400\nnot 300\ndirty 20\ndirt 10\nwords 30\nspelling 5\n").unwrap();
        file
    }

    #[test]
    fn misspelled_words_are_corrected_and_all_else_stays() {
        let file = dictionary();
        let operator = SpellingCorrectionRefiner { dictionary_path: file.path().to_owned(), ..Default::default() };
        let texts = ["Soil is  not\ndirt.", "Teh speling, of Wrods wrods!", "Smith http://wrods.org x1 di 你好 NTO"];
        assert_snapshot!(check_rule(&operator, "text", texts), @r"
        text=Soil is  not
        dirt.
        text=The spelling, of Wrods words!
        text=Smith http://wrods.org x1 di 你好 NTO
        ");
    }

    #[test]
    fn dataflow_looks_up_pieces_as_they_stand() {
        let file = dictionary();
        let operator = SpellingCorrectionRefiner { dictionary_path: file.path().to_owned(), compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["Soil is  not\ndirt. 你好"]), @"text=oil is not dirty of");
    }

    #[test]
    fn a_dictionary_that_is_not_there_is_a_problem_at_compile() {
        assert_snapshot!(Refine::problems(&SpellingCorrectionRefiner { dictionary_path: "/no/such/list".into(), ..Default::default() }).join("\n"), @r"
        `dictionary_path`: cannot read the dictionary /no/such/list: No such file or directory (os error 2)
        hint: give a text file with a word and how often it occurs in each line, such as SymSpell's
        ");
        let wrong = |list: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), list).unwrap();
            let operator = SpellingCorrectionRefiner { dictionary_path: file.path().to_owned(), ..Default::default() };
            Refine::problems(&operator).join("\n").replace(file.path().to_str().unwrap(), "LIST")
        };
        assert_snapshot!([wrong(r#"{"the": 5}"#), wrong("the\n"), wrong("\n")].join("\n"), @r"
        `dictionary_path`: LIST: line 1 should be plain text, found the beginning of JSON
        hint: give a text file with a word and how often it occurs in each line, such as SymSpell's
        `dictionary_path`: LIST: line 1 should be a word and a number, found `the`
        hint: give a text file with a word and how often it occurs in each line, such as SymSpell's
        `dictionary_path`: LIST: the dictionary has no words
        hint: give a text file with a word and how often it occurs in each line, such as SymSpell's
        ");
        let short = SpellingCorrectionRefiner { prefix_length: 2, ..Default::default() };
        assert_eq!(Refine::problems(&short), ["`prefix_length` should be above `max_edit_distance`, 2, found 2"]);
    }
}
