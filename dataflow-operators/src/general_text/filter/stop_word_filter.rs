//! Filters rows by their share of stop words.
use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use std::path::PathBuf;

use crate::bounds;
use crate::language::TextLanguage;
use crate::word_list;

/// Keeps rows with more than two stop words that are more than `threshold` of all words, as running text has.
///
/// Letter case does not count, nor, with a `language`, whether an accent is one character with its letter or one of its own beside it. The built-in list is English, or that of a `language`, of which some sixty have one; another can be given as a file.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 保留停用词超过两个且占比高于 `threshold` 的行，正常行文大多如此。忽略大小写；设 `language` 时，重音符号与字母合为一个字符或单独成字符视为相同。内置英文停用词表，设 `language` 时使用该语言的词表（约六十种语言），也可用文件给出其他词表。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct StopWordFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The share that is too low. 中文：不高于此占比即丢弃。
    pub threshold: f64,
    /// Whether words are told apart as NLTK's word tokenizer does, `the,` being two, or by white space alone. 中文：是否按 NLTK 分词器的规则切词（`the,` 为两个词）；否则仅按空白切分。
    pub use_tokenizer: bool,
    /// A file with a word a line, in the place of the built-in list; a line that begins with `# ` is a remark. 中文：词表文件，每行一词，取代内置词表；以 `# ` 开头的行是注释。
    pub stopwords_path: Option<PathBuf>,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where a text has more Chinese characters than words in other letters and is not Japanese, for `ar`, `el`, `fa`, `he`, `ko` or `ur` where most of its letters are of their scripts, and `en` otherwise. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字多于其他文字的词且不是日文的文本按 `zh`，多数字母属于其文字的按 `ar`、`el`、`fa`、`he`、`ko` 或 `ur`，其余按 `en`。
    pub language: TextLanguage,
}

impl Default for StopWordFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "stop_word_filter_label".into(),
            threshold: 0.01,
            use_tokenizer: false,
            stopwords_path: None,
            language: TextLanguage::Dataflow,
        }
    }
}

impl StopWordFilter {
    /// How many words are stop words, and how many there are.
    fn count(&self, text: &str) -> Option<(usize, usize)> {
        let language = self.language.of_stop_words(text);
        let list = word_list::stop_words_of(language, self.stopwords_path.as_deref()).ok()?; // a problem at compile
        let is_stop_word = |word: &str| if language == TextLanguage::Dataflow { list.contains(word) } else { word_list::is_stop_word(&list, word) };
        Some(language.count_wanted(&language.lower(text), self.use_tokenizer, is_stop_word))
    }
}

impl Measure for StopWordFilter {
    type Value = f64;

    fn measure(&self, text: &str) -> Option<f64> {
        let (stop_words, all) = self.count(text)?;
        Some(if stop_words > 2 { stop_words as f64 / all as f64 } else { f64::NEG_INFINITY })
    }

    fn why(&self, text: &str) -> Option<String> {
        let (stop_words, all) = self.count(text)?;
        Some(format!("{stop_words} of {all} words are stop words, and more than 2 and a share of {} are needed", self.threshold))
    }

    fn keep(&self, share: f64) -> bool {
        share > self.threshold
    }

    fn label(&self, share: f64) -> Cell {
        i64::from(self.keep(share)).into()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = word_list::problems("stopwords_path", self.stopwords_path.as_deref());
        problems.extend(bounds::threshold(self.threshold, ..1.0, "a share is at most 1"));
        problems.extend(self.language.problem(self.use_tokenizer));
        if self.stopwords_path.is_some() {
            problems.extend(self.language.problem_of_words());
        } else {
            problems.extend(word_list::stop_words_of(self.language, None).err().map(|error| format!("`language`: {error}")));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(StopWordFilter);

    #[test]
    fn running_text_has_stop_words_and_lists_have_none() {
        let texts = ["The cat is on the mat", "red green blue", "the of and", "the cat"];
        assert_snapshot!(check_rule(&StopWordFilter { threshold: 0.3, ..Default::default() }, "text", texts), @r"
        text=The cat is on the mat stop_word_filter_label=1
        dropped
        text=the of and stop_word_filter_label=1
        dropped
        ");
    }

    #[test]
    fn chinese_has_stop_words_of_its_own() {
        let operator = StopWordFilter { threshold: 0.3, language: TextLanguage::Auto, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["这是我的书，那是你的。", "苹果、香蕉、葡萄、西瓜", "The cat is on the mat."]), @r"
        text=这是我的书，那是你的。 stop_word_filter_label=1
        dropped
        text=The cat is on the mat. stop_word_filter_label=1
        ");
        assert_eq!(operator.count("The town is called 北京 and it is old."), Some((5, 10)), "a name in another script");
        assert_eq!(operator.count("זה הספר של אבי, וזה לא שלך"), Some((4, 7)), "with the list that the letters tell");
        assert_eq!(operator.count("That’s it, don't you think?"), Some((4, 5)), "with whatever apostrophe");
        let both = StopWordFilter { use_tokenizer: true, ..operator };
        assert_eq!(Measure::problems(&both), ["`use_tokenizer` and `language` both say what a word is\nhint: leave one of them out"]);
    }

    #[test]
    fn other_languages_have_stop_words_where_a_list_is_there() {
        let of = |language: &str| StopWordFilter { threshold: 0.3, language: language.to_owned().try_into().unwrap(), ..Default::default() };
        assert_snapshot!(check_rule(&of("de"), "text", ["Das ist der Hund, und er ist alt.", "Äpfel, Birnen, Trauben", "The cat is on the mat."]), @r"
        text=Das ist der Hund, und er ist alt. stop_word_filter_label=1
        dropped
        dropped
        ");
        assert_eq!(of("tr").count("BİR ELMA İÇİN"), Some((2, 3)), "with the small letters of the language");
        assert_eq!(of("fr").count("il a e\u{301}te\u{301} vu"), Some((4, 4)), "with accents beside their letters");
        let problem = Measure::problems(&of("ii")).concat();
        assert!(problem.starts_with("`language`: no list of stop words is built in for `ii`\nhint: give one as a file, or use one of af, ar, "), "{problem}");
        assert!(!Measure::problems(&of("sr")).concat().contains("ja,"), "what is refused is not offered");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "ꀋ\n").unwrap();
        assert_eq!(Measure::problems(&StopWordFilter { stopwords_path: Some(file.path().to_owned()), ..of("ii") }), Vec::<String>::new());
        for stopwords_path in [None, Some(file.path().to_owned())] {
            assert_eq!(Measure::problems(&StopWordFilter { stopwords_path, ..of("th") }), [of("th").language.problem_of_words().unwrap()]);
        }
    }
}
