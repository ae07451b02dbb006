//! Filters rows with words of a block list.
use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::compatibility::Compatibility;
use crate::language::TextLanguage;
use crate::python::{is_word, lower};
use crate::treebank::Words;
use crate::word_list::{self, BlockList};

/// Keeps rows with at most `threshold` words of a block list.
///
/// Letter case does not count, nor whether an apostrophe is straight or curly, nor, except with `language: dataflow`, whether an accent is one character with its letter or one of its own beside it. Words are what white space separates, punctuation and underscores around them aside; entries of several words, whatever white space is between them, are found wherever they stand as whole words, and those in scripts without spaces (Chinese, Japanese, Thai and others) wherever they stand. DataFlow compares whole pieces between white space, so that `ass,` and running Chinese never match; `compatibility: dataflow` does as it does.
/// The built-in lists are written for this project and short: 97 English and 53 Chinese entries, where DataFlow's have 403 and 318. They find plain abuse; to keep what DataFlow keeps, or for other languages, give a list as a file.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 保留屏蔽词不超过 `threshold` 个的行。忽略大小写、撇号的直弯，以及重音符号是与字母合为一个字符还是单独成字符（`language: dataflow` 时除外）。词以空白分隔并去掉两端标点与下划线；多词词条（词间空白不限）在任意位置按整词查找，不用空格的文字（中文、日文、泰文等）的词条在任意位置查找。DataFlow 只比较空白之间的整段，`ass,` 与连续的中文从不匹配；`compatibility: dataflow` 沿用其做法。内置词表由本项目自编，较短：英文 97 条、中文 53 条，DataFlow 为 403 条与 318 条；只能识别明显的辱骂。如需与 DataFlow 结果一致或用于其他语言，请用文件给出词表。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct BlocklistFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// Whose built-in list is used: `en` or `zh`; `auto` for both where a text has Chinese characters and is not Japanese, and `en` otherwise; `dataflow` is as `en`, but compares accents as they are written. Another code of ISO 639-1 needs a file; words are then those of the language too, so that an entry is found in a compound with a hyphen. 中文：使用哪种语言的内置词表：`en` 或 `zh`；`auto` 表示含汉字且非日文的文本同时用两者，其余用 `en`；`dataflow` 与 `en` 相同，但重音符号按原样比较。其他 ISO 639-1 代码需用文件给出词表，并按该语言切词，因此也能在带连字符的复合词中找到词条。
    pub language: TextLanguage,
    /// The most such words to keep. 中文：允许的最多个数。
    pub threshold: u32,
    /// Whether words are told apart as NLTK's word tokenizer does, `the,` being two, or by white space alone. 中文：是否按 NLTK 分词器的规则切词（`the,` 为两个词）；否则仅按空白切分。
    pub use_tokenizer: bool,
    /// A file with an entry a line, in the place of the built-in list; a line that begins with `# ` is a remark. 中文：词表文件，每行一条，取代内置词表；以 `# ` 开头的行是注释。
    pub blocklist_path: Option<PathBuf>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for BlocklistFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "blocklist_filter_label".into(),
            language: TextLanguage::En,
            threshold: 1,
            use_tokenizer: false,
            blocklist_path: None,
            compatibility: Compatibility::Own,
        }
    }
}

impl BlocklistFilter {
    fn list(&self, text: &str) -> Result<Arc<BlockList>, String> {
        match &self.blocklist_path {
            Some(path) => word_list::BLOCK_LISTS.known(path, ()),
            None => word_list::block_list(self.language, text),
        }
    }

    fn lower(&self, text: &str) -> String {
        if self.compatibility == Compatibility::Own { self.language.lower(text) } else { lower(text) }
    }

    /// Shows each entry of the list that a text in small letters has.
    fn each_entry(&self, list: &BlockList, lower: &str, mut show: impl FnMut(&str)) {
        let own = self.compatibility == Compatibility::Own;
        let straight = if own && lower.contains('’') { Cow::Owned(lower.replace('’', "'")) } else { Cow::Borrowed(lower) };
        let lower = &*straight;
        let ends = |word: &str| word.as_bytes().first().into_iter().chain(word.as_bytes().last()).all(u8::is_ascii_alphanumeric);
        let without_marks = |word: &str| {
            if ends(word) {
                return false; // most words have no marks at their ends
            }
            let is_mark = |character: char| !is_word(character) || character == '_';
            // An entry may begin or end with a mark of its own, as `#sale` does.
            let inner = [word.trim_matches(is_mark), word.trim_end_matches(is_mark), word.trim_start_matches(is_mark)];
            inner.iter().any(|inner| inner.len() < word.len() && list.has_alone(inner))
        };
        let parted = matches!(self.language, TextLanguage::Other(_)).then_some(self.language);
        Words::of(lower, self.use_tokenizer).count(|word| {
            let is_entry = if own { list.has_alone(word) || without_marks(word) } else { list.has(word) };
            match parted {
                _ if is_entry => show(word),
                Some(language) if own => language.each_word(word, |part| {
                    if part.len() < word.len() && list.has_alone(part) {
                        show(part);
                    }
                }),
                _ => {}
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
        self.each_entry(&list, &self.lower(text), |_| found += 1);
        Some(found)
    }

    fn why(&self, text: &str) -> Option<String> {
        let mut found = Vec::new();
        self.each_entry(&*self.list(text).ok()?, &self.lower(text), |entry| found.push(format!("`{entry}`")));
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
        let problem = match &self.blocklist_path {
            Some(path) => word_list::BLOCK_LISTS.problem("blocklist_path", path, ()),
            None => word_list::block_list(self.language, "").err().map(|error| format!("`language`: {error}")),
        };
        problem.into_iter().collect()
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
        let chinese = BlocklistFilter { language: TextLanguage::Zh, ..none.clone() };
        assert_snapshot!(check_rule(&chinese, "text", ["你这个下贱的人", "春天来了"]), @r"
        dropped
        text=春天来了 blocklist_filter_label=1
        ");
        let either = BlocklistFilter { language: TextLanguage::Auto, ..none };
        assert_snapshot!(check_rule(&either, "text", ["你这个下贱的人", "Shit!", "shit, says the man in 北京", "a man of 下贱", "春天来了"]), @r"
        dropped
        dropped
        dropped
        dropped
        text=春天来了 blocklist_filter_label=1
        ");
    }

    fn with_list(list: &str, operator: BlocklistFilter) -> (tempfile::NamedTempFile, BlocklistFilter) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), list).unwrap();
        let operator = BlocklistFilter { blocklist_path: Some(file.path().to_owned()), ..operator };
        (file, operator)
    }

    #[test]
    fn an_entry_of_several_words_is_found_whatever_white_space_is_between_them() {
        let (_file, operator) = with_list("go  away\nshoo\n", BlocklistFilter { threshold: 0, ..Default::default() });
        assert_snapshot!(check_rule(&operator, "text", ["Go away!", "go\n  AWAY", "go, away", "a way to go"]), @r"
        dropped
        dropped
        text=go, away blocklist_filter_label=1
        text=a way to go blocklist_filter_label=1
        ");
    }

    #[test]
    fn an_entry_of_several_words_is_no_part_of_longer_words() {
        let built_in = BlocklistFilter::default();
        let texts = ["beforehand jobs", "offhand jobs", "jerk offices", "a hand job", "(hand\njob)"];
        assert_eq!(texts.map(|text| built_in.measure(text)), [0, 0, 0, 1, 1].map(Some));
        let (_file, few) = with_list("bad word\nbad words are\nword list\nfoo笨\n", built_in.clone());
        let texts = ["xbad wordy", "bad words area, bad word", "bad wordx list", "xbad word list", "我foo笨蛋 xfoo笨", "_bad word_"];
        assert_eq!(texts.map(|text| few.measure(text)), [0, 1, 0, 1, 1, 1].map(Some));
        let many = (0..40).map(|number| format!("other words {number}\n")).collect::<Vec<_>>().concat();
        let (_file, many) = with_list(&(many + "bad word\nbad words are\nword list\nfoo笨\n"), built_in);
        assert_eq!(texts.map(|text| many.measure(text)), texts.map(|text| few.measure(text)));
    }

    #[test]
    fn a_mark_before_a_word_is_a_part_of_an_entry_and_no_remark() {
        let (_file, operator) = with_list("# remarks\n#sale\n", BlocklistFilter::default());
        assert_eq!(["#sale now", "big #Sale!", "sale", "a#sale"].map(|text| operator.measure(text)), [1, 1, 0, 0].map(Some));
    }

    #[test]
    fn underscores_and_the_form_of_an_apostrophe_do_not_count() {
        let none = BlocklistFilter::default();
        assert_eq!(["_ass_", "**ass**", "_ass_,", "my_ass"].map(|text| none.measure(text)), [1, 1, 1, 0].map(Some));
        let (_file, operator) = with_list("don't\nwon’t\nain’t so\n", none);
        assert_eq!(["Don’t!", "don't", "won't", "“Won’t”", "it ain't so"].map(|text| operator.measure(text)), [1; 5].map(Some));
        let dataflow = BlocklistFilter { compatibility: Compatibility::Dataflow, ..operator };
        assert_eq!(["don’t", "don't", "won't", "won’t"].map(|text| dataflow.measure(text)), [0, 1, 0, 1].map(Some));
    }

    #[test]
    fn accents_beside_their_letters_are_those_of_composed_letters() {
        let (_file, operator) = with_list("Éclair\nmauvais garçon\nvoila\u{300}\nvice versa\u{300}\n", BlocklistFilter::default());
        let texts = [
            "un E\u{301}clair!",
            "un éclair",
            "mauvais garc\u{327}on",
            "voilà",
            "VOILA\u{300}",
            "vice versà",
            "vice versa\u{300}",
            "eclair, voila, vice versa",
        ];
        assert_eq!(texts.map(|text| operator.measure(text)), [1, 1, 1, 1, 1, 1, 1, 0].map(Some));
        let turkish = BlocklistFilter { language: "tr".to_owned().try_into().unwrap(), ..operator.clone() };
        assert_eq!(["E\u{301}CLAI\u{307}R", "E\u{301}CLAIR"].map(|text| turkish.measure(text)), [1, 0].map(Some));
        let as_written = BlocklistFilter { language: TextLanguage::Dataflow, ..operator.clone() };
        assert_eq!(["un E\u{301}clair!", "un Éclair!"].map(|text| as_written.measure(text)), [0, 1].map(Some));
        let dataflow = BlocklistFilter { compatibility: Compatibility::Dataflow, ..operator };
        assert_eq!(["e\u{301}clair", "éclair", "voilà", "voila\u{300}"].map(|text| dataflow.measure(text)), [0, 1, 0, 1].map(Some));
    }

    #[test]
    fn an_entry_counts_once_where_it_stands_between_spaces() {
        let operator = BlocklistFilter { language: TextLanguage::Zh, ..Default::default() };
        assert_eq!(operator.measure("你 下贱 的 人"), Some(1));
        let dataflow = BlocklistFilter { compatibility: Compatibility::Dataflow, ..operator };
        assert_eq!((dataflow.measure("你 下贱 的 人"), dataflow.measure("你下贱的人")), (Some(1), Some(0)));
    }

    #[test]
    fn other_languages_have_words_of_their_own_and_need_a_list() {
        let of = |code: &str| BlocklistFilter { threshold: 0, language: code.to_owned().try_into().unwrap(), ..Default::default() };
        let (_german, german) = with_list("Mist\nMist-Kerl\n", of("de"));
        assert_eq!(["„Mist!“ sagt er", "so ein Mist-Wetter", "der Mist-Kerl", "Optimist"].map(|text| german.measure(text)), [1, 1, 1, 0].map(Some));
        let (_turkish, turkish) = with_list("iğrenç\nİLLET\n", of("tr"));
        assert_eq!(["İĞRENÇ!", "illet", "İllet", "İyi"].map(|text| turkish.measure(text)), [1, 1, 1, 0].map(Some));
        let (_thai, thai) = with_list("บ้า\nばか\n", of("th"));
        assert_eq!(["เขาบ้ามาก", "お前はばかだ", "สวัสดี"].map(|text| thai.measure(text)), [1, 1, 0].map(Some));
        assert_snapshot!(Measure::problems(&of("de")).concat(), @r"
        `language`: no block list is built in for `de`
        hint: give one as a file, `blocklist_path`, or use one of `en`, `zh` and `auto`
        ");
        assert_eq!(Measure::problems(&german), Vec::<String>::new());
    }
}
