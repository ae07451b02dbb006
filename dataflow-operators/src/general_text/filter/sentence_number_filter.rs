//! Filters rows by their number of sentences.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

use crate::bounds;
use crate::language::TextLanguage;
use crate::python::is_word;

/// Keeps rows whose text has at least `min_sentences` and at most `max_sentences` sentences.
///
/// As in DataFlow a sentence begins with a letter or a number and ends at `.`, `!`, `?` or the end of its line, so that `3.50` is two and a line of Chinese one; `language` asks for those of a language.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null goes or stays as an empty text does.
///
/// # 中文
///
/// 保留句数在 `min_sentences` 与 `max_sentences` 之间（含两端）的行。与 DataFlow 一致：句子始于文字或数字，止于 `.`、`!`、`?` 或行尾，因此 `3.50` 算两句，一行中文算一句；可用 `language` 按语言断句。保留的行标签为 1，丢弃的为 0；空值与空文本同去留。
#[operator(general_text, filter, Measure)]
pub struct SentenceNumberFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The fewest sentences to keep. 中文：保留的最少句数。
    pub min_sentences: u32,
    /// The most sentences to keep. 中文：保留的最多句数。
    pub max_sentences: u32,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the sentences of a language, which know Chinese marks, numbers such as `3.50`, initials, the numbers of a list, and in languages that write them so ordinals such as German `3. Oktober`; `auto` for `zh` where sentences are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言断句，识别中文标点、`3.50` 一类的数字、人名首字母、列表编号，以及德语等语言中 `3. Oktober` 一类的序数；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

impl Default for SentenceNumberFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "sentence_number_filter_label".into(),
            min_sentences: 3,
            max_sentences: 7500,
            language: TextLanguage::Dataflow,
        }
    }
}

impl Measure for SentenceNumberFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        if self.language != TextLanguage::Dataflow {
            return Some(self.language.count_sentences(text) as i64);
        }
        // A sentence begins at a letter or number and goes on to the next mark that ends one, or to the end of its line.
        let bytes = text.as_bytes();
        let next = |at: Option<usize>, start: usize| at.map_or(bytes.len(), |at| start + at);
        let (mut sentences, mut at, mut mark) = (0, 0, 0);
        while let Some(start) = text[at..].find(is_word).map(|start| at + start) {
            sentences += 1;
            // A mark that is still ahead is not looked for again, however many lines come before it.
            if mark <= start {
                mark = next(memchr::memchr3(b'.', b'!', b'?', &bytes[start..]), start);
            }
            at = next(memchr::memchr(b'\n', &bytes[start..mark]), start).min(mark);
        }
        Some(sentences)
    }

    fn keep(&self, sentences: i64) -> bool {
        (i64::from(self.min_sentences)..=i64::from(self.max_sentences)).contains(&sentences)
    }

    fn label(&self, sentences: i64) -> Cell {
        i64::from(self.keep(sentences)).into()
    }

    fn problems(&self) -> Vec<String> {
        bounds::closed(("min_sentences", self.min_sentences), ("max_sentences", self.max_sentences))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(SentenceNumberFilter);

    #[test]
    fn sentences_end_at_marks_and_at_line_ends() {
        let operator = SentenceNumberFilter { min_sentences: 2, max_sentences: 2, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["One. Two!", "One", "3.50", "... a?\nb", "a. b. c."]), @r"
        text=One. Two! sentence_number_filter_label=1
        dropped
        text=3.50 sentence_number_filter_label=1
        text=... a?
        b sentence_number_filter_label=1
        dropped
        ");
    }

    #[test]
    fn a_language_has_sentences_of_its_own() {
        let operator = SentenceNumberFilter { min_sentences: 2, language: TextLanguage::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["天亮了。鸟在叫！", "It cost 3.50.", "Dr. No came. He left."]), @r"
        text=天亮了。鸟在叫！ sentence_number_filter_label=1
        dropped
        text=Dr. No came. He left. sentence_number_filter_label=1
        ");
    }
}
