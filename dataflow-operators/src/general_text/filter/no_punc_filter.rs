//! Filters rows that go on without punctuation.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::language::TextLanguage;
use crate::python::space_at;
use crate::scan::is_ascii_space;

/// Drops rows in which more than `threshold` words follow one another without punctuation.
///
/// A line's end is punctuation too; `:`, `-` and Chinese marks are none, as in DataFlow, and Chinese text without spaces is one word. With a `language`, Chinese marks and `:` are punctuation too.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 丢弃连续超过 `threshold` 个词没有标点的行。换行也算标点；与 DataFlow 一致，`:`、`-` 和中文标点不算，无空格的中文是一个词；指定 `language` 时，中文标点与 `:` 也算标点。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct NoPuncFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The most words without punctuation. 中文：无标点的最多词数。
    pub threshold: u32,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or `auto` for the words of a language, Chinese ones by a segmenter. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或 `auto` 表示按语言切词，中文使用分词器。
    pub language: TextLanguage,
}

impl Default for NoPuncFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "no_punc_filter_label".into(), threshold: 112, language: TextLanguage::Dataflow }
    }
}

const LETTER: u8 = 0;
const MARK: u8 = 1;
const SPACE: u8 = 2;

/// What each byte of ASCII is: a part of a word, a mark that ends a stretch, or white space.
static KINDS: [u8; 128] = {
    let mut kinds = [LETTER; 128];
    let (marks, mut at) = (b"\n.!?,;/|", 0);
    while at < 0x21 {
        if is_ascii_space(at as u8) {
            kinds[at] = SPACE;
        }
        at += 1;
    }
    at = 0;
    while at < marks.len() {
        kinds[marks[at] as usize] = MARK;
        at += 1;
    }
    kinds
};

/// The marks that end a stretch of words in all languages.
const MARKS: [char; 23] = ['\n', '.', '!', '?', ',', ';', ':', '/', '|', '–', '—', '•', '…', '。', '！', '？', '，', '、', '；', '：', '．', '｡', '､'];

impl Measure for NoPuncFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        if text.is_empty() {
            return Some(i64::MAX);
        }
        if self.language != TextLanguage::Dataflow {
            let language = self.language.of(text);
            return text.split(MARKS).map(|stretch| language.count_words(stretch) as i64).max();
        }
        let bytes = text.as_bytes();
        if text.is_ascii() {
            // Without branches, since nobody can guess where the next word or mark comes.
            let (mut longest, mut words, mut before) = (0, 0, SPACE);
            for byte in bytes {
                let kind = KINDS[usize::from(*byte)];
                words += i64::from(kind == LETTER && before != LETTER);
                longest = longest.max(words);
                words = if kind == MARK { 0 } else { words };
                before = kind;
            }
            return Some(longest);
        }
        let (mut longest, mut words, mut inside, mut at) = (0_i64, 0_i64, false, 0);
        while at < bytes.len() {
            let mark = match bytes[at..] {
                [byte, ..] if KINDS.get(usize::from(byte)) == Some(&MARK) => 1,
                [0xe2, 0x80, 0x93 | 0xa2 | 0xa6, ..] => 3, // – • …
                _ => 0,
            };
            if mark > 0 {
                longest = longest.max(words);
                (words, inside) = (0, false);
                at += mark;
                continue;
            }
            let space = space_at(bytes, at);
            words += i64::from(!inside && space == 0);
            inside = space == 0;
            at += space.max(1);
        }
        Some(longest.max(words))
    }

    fn keep(&self, longest: i64) -> bool {
        longest <= i64::from(self.threshold)
    }

    fn label(&self, longest: i64) -> Cell {
        i64::from(self.keep(longest)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(NoPuncFilter);

    #[test]
    fn marks_and_line_ends_part_words() {
        let operator = NoPuncFilter { threshold: 2, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a b, c d", "a b\nc", "a b c", ""]), @r"
        text=a b, c d no_punc_filter_label=1
        text=a b
        c no_punc_filter_label=1
        dropped
        dropped
        ");
    }

    #[test]
    fn a_language_has_words_and_marks_of_its_own() {
        let operator = NoPuncFilter { threshold: 3, language: TextLanguage::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["今天天气很好，我们去公园。", "今天天气很好我们去公园", "one two: three four", "one two three four"]), @r"
        text=今天天气很好，我们去公园。 no_punc_filter_label=1
        dropped
        text=one two: three four no_punc_filter_label=1
        dropped
        ");
    }
}
