//! Filters rows with words of a block list.
use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use std::path::PathBuf;
use std::sync::Arc;

use crate::compatibility::Compatibility;
use crate::language::TextLanguage;
use crate::python::{is_word, lower};
use crate::treebank::Words;
use crate::word_list::{self, BlockList};
use dataflow_core::private::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

/// Keeps rows with at most `threshold` words of a block list.
///
/// Letter case does not count. Words are what white space separates, punctuation around them aside; Chinese entries and those of several words are found wherever they stand. DataFlow compares whole pieces between white space, so that `ass,` and running Chinese never match; `compatibility: dataflow` does as it does.
/// The built-in lists are written for this project and short: 97 English and 53 Chinese entries, where DataFlow's have 403 and 318. They find plain abuse; to keep what DataFlow keeps, or for other languages, give a list as a file.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 保留屏蔽词不超过 `threshold` 个的行。忽略大小写。词以空白分隔并去掉两端标点；中文词条与多词词条在任意位置查找。DataFlow 只比较空白之间的整段，`ass,` 与连续的中文从不匹配；`compatibility: dataflow` 沿用其做法。内置词表由本项目自编，较短：英文 97 条、中文 53 条，DataFlow 为 403 条与 318 条；只能识别明显的辱骂。如需与 DataFlow 结果一致或用于其他语言，请用文件给出词表。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct BlocklistFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// Whose built-in list is used; `auto` for `zh` where a text has Chinese characters and no Japanese ones, and `en` otherwise. 中文：使用哪种语言的内置词表；`auto` 表示含汉字而无假名的文本按 `zh`，其余按 `en`。
    pub language: BlockedLanguage,
    /// The most such words to keep. 中文：允许的最多个数。
    pub threshold: u32,
    /// Whether words are told apart as NLTK's word tokenizer does, `the,` being two, or by white space alone. 中文：是否按 NLTK 分词器的规则切词（`the,` 为两个词）；否则仅按空白切分。
    pub use_tokenizer: bool,
    /// A file with an entry a line, in the place of the built-in list. 中文：词表文件，每行一条，取代内置词表。
    pub blocklist_path: Option<PathBuf>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for BlocklistFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "blocklist_filter_label".into(),
            language: BlockedLanguage::En,
            threshold: 1,
            use_tokenizer: false,
            blocklist_path: None,
            compatibility: Compatibility::Own,
        }
    }
}

/// The language of a block list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BlockedLanguage {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
    /// Chinese for a text with Chinese characters and no Japanese syllables, English for any other.
    Auto,
}

impl BlocklistFilter {
    fn list(&self, text: &str) -> Result<Arc<BlockList>, String> {
        match &self.blocklist_path {
            Some(path) => word_list::block_list_of_file(path),
            None => Ok(word_list::block_list(match self.language {
                BlockedLanguage::En => false,
                BlockedLanguage::Zh => true,
                BlockedLanguage::Auto => TextLanguage::Auto.of(text) == TextLanguage::Zh,
            })),
        }
    }

    /// Shows each entry of the list that a text in small letters has.
    fn each_entry(&self, list: &BlockList, lower: &str, mut show: impl FnMut(&str)) {
        let own = self.compatibility == Compatibility::Own;
        let ends = |word: &str| word.as_bytes().first().into_iter().chain(word.as_bytes().last()).all(u8::is_ascii_alphanumeric);
        let without_marks = |word: &str| {
            if ends(word) {
                return false; // most words have no marks at their ends
            }
            let inner = word.trim_matches(|character: char| !is_word(character));
            inner.len() < word.len() && list.has(inner)
        };
        Words::of(lower, self.use_tokenizer).count(|word| {
            let is_entry = list.has(word) || own && without_marks(word);
            if is_entry {
                show(word);
            }
            is_entry
        });
        if own {
            list.each_anywhere(lower, show);
        }
    }
}

/// How many entries a reason names.
const MOST_SHOWN: usize = 5;

impl Measure for BlocklistFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        let list = self.list(text).ok()?; // a problem at compile
        if text.is_empty() {
            return Some(i64::MAX); // dropped, as in DataFlow
        }
        let mut found = 0;
        self.each_entry(&list, &lower(text), |_| found += 1);
        Some(found)
    }

    fn why(&self, text: &str) -> Option<String> {
        let mut found = Vec::new();
        self.each_entry(&*self.list(text).ok()?, &lower(text), |entry| found.push(format!("`{entry}`")));
        let more = found.len().saturating_sub(MOST_SHOWN);
        found.truncate(MOST_SHOWN);
        found.extend((more > 0).then(|| format!("{more} more")));
        Some(format!("it has {}; threshold {}", found.join(", "), self.threshold))
    }

    fn keep(&self, found: i64) -> bool {
        found <= i64::from(self.threshold)
    }

    fn label(&self, found: i64) -> Cell {
        i64::from(self.keep(found)).into()
    }

    fn problems(&self) -> Vec<String> {
        self.list("").err().map(|error| format!("`blocklist_path`: {error}")).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(BlocklistFilter);

    #[test]
    fn blocked_words_are_found_beside_punctuation_and_within_chinese() {
        let none = BlocklistFilter { threshold: 0, ..Default::default() };
        assert_snapshot!(check_rule(&none, "text", ["a kind word", "Shit!", "Scunthorpe", ""]), @r"
        text=a kind word blocklist_filter_label=1
        dropped
        text=Scunthorpe blocklist_filter_label=1
        dropped
        ");
        let chinese = BlocklistFilter { language: BlockedLanguage::Zh, ..none.clone() };
        assert_snapshot!(check_rule(&chinese, "text", ["你这个下贱的人", "春天来了"]), @r"
        dropped
        text=春天来了 blocklist_filter_label=1
        ");
        let either = BlocklistFilter { language: BlockedLanguage::Auto, ..none };
        assert_snapshot!(check_rule(&either, "text", ["你这个下贱的人", "Shit!", "春天来了"]), @r"
        dropped
        dropped
        text=春天来了 blocklist_filter_label=1
        ");
    }
}
