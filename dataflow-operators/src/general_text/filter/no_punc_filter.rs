//! Filters rows that go on without punctuation.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::language::TextLanguage;
use crate::python::space_bits;
use crate::scan::{BLOCK, bits_within, character_bits};

/// Drops rows in which more than `threshold` words follow one another without punctuation.
///
/// A line's end is punctuation too; `:`, `-` and Chinese marks are none, as in DataFlow, and Chinese text without spaces is one word. With a `language`, Chinese marks and `:` are punctuation too.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 丢弃连续超过 `threshold` 个词没有标点的行。换行也算标点；与 DataFlow 一致，`:`、`-` 和中文标点不算，无空格的中文是一个词；指定 `language` 时，中文标点与 `:` 也算标点。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct NoPuncFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The most words without punctuation. 中文：无标点的最多词数。
    pub threshold: u32,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

impl Default for NoPuncFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "no_punc_filter_label".into(), threshold: 112, language: TextLanguage::Dataflow }
    }
}

/// How many bytes the mark has that ends a stretch at a place; 0 where there is none.
fn mark_at(bytes: &[u8], at: usize) -> usize {
    match bytes[at..] {
        [0xe2, 0x80, 0x93 | 0xa2 | 0xa6, ..] => 3, // – • …
        _ => 0,
    }
}

/// The most words between two marks, or between a mark and an end.
fn longest_stretch(text: &str) -> i64 {
    let (mut longest, mut words, mut in_word) = (0, 0, 0);
    let (mut of_spaces, mut of_marks) = (0, 0);
    for base in (0..text.len()).step_by(BLOCK) {
        let rest = &text.as_bytes()[base..];
        let is_mark = |byte| matches!(byte, b'\n' | b'.' | b'!' | b'?' | b',' | b';' | b'/' | b'|');
        let mut marks = character_bits(rest, &mut of_marks, is_mark, |lead| lead == 0xe2, |at| mark_at(rest, at));
        let inside = !(space_bits(rest, &mut of_spaces) | marks) & bits_within(rest);
        let mut begun = inside & !(inside << 1 | in_word);
        in_word = inside >> (BLOCK - 1);
        while marks != 0 {
            let before = (marks & marks.wrapping_neg()) - 1;
            longest = longest.max(words + (begun & before).count_ones());
            words = 0;
            begun &= !before;
            marks &= marks - 1;
        }
        words += begun.count_ones();
    }
    longest.max(words).into()
}

/// The marks that end a stretch of words in all languages.
const MARKS: [char; 23] = ['\n', '.', '!', '?', ',', ';', ':', '/', '|', '–', '—', '•', '…', '。', '！', '？', '，', '、', '；', '：', '．', '｡', '､'];

impl Measure for NoPuncFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        if text.is_empty() {
            return Some(i64::MAX);
        }
        if self.language != TextLanguage::Dataflow {
            let language = self.language.parting(text);
            return text.split(MARKS).map(|stretch| language.count_words(stretch) as i64).max();
        }
        Some(longest_stretch(text))
    }

    fn keep(&self, longest: i64) -> bool {
        longest <= i64::from(self.threshold)
    }

    fn label(&self, longest: i64) -> Cell {
        i64::from(self.keep(longest)).into()
    }

    fn problems(&self) -> Vec<String> {
        self.language.problem_of_words().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use crate::python::is_space;

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

    proptest! {
        #[test]
        fn stretches_are_those_between_marks(text in r"(?s)[ab .,\n\t\u{a0}\u{3000}–…好]{0,300}") {
            let words = |stretch: &str| stretch.split(is_space).filter(|word| !word.is_empty()).count() as i64;
            let longest = text.split(['\n', '.', '!', '?', ',', ';', '/', '|', '–', '•', '…']).map(words).max();
            prop_assert_eq!(Some(longest_stretch(&text)), longest);
        }
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
