//! Deletes stop words.

use crate::python::split_words;
use crate::word_list;
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use std::borrow::Cow;
use std::path::PathBuf;

/// Deletes stop words, whatever their case, and leaves one space between the other words.
///
/// Words are what white space separates, as in DataFlow: `the,` stays, and line breaks become spaces. The list is English; another can be given as a file.
///
/// # 中文
///
/// 删除停用词（忽略大小写），其余词之间保留一个空格。与 DataFlow 一致，词以空白分隔：`the,` 会保留，换行变为空格。内置英文停用词表，也可用文件给出其他词表。
#[operator(general_text, refine, Refine)]
pub struct RemoveStopwordsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// A file with a word a line, in the place of the built-in list. 中文：词表文件，每行一词，取代内置词表。
    pub stopwords_path: Option<PathBuf>,
}

impl Default for RemoveStopwordsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), stopwords_path: None }
    }
}

impl Refine for RemoveStopwordsRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Ok(list) = word_list::stop_words(self.stopwords_path.as_deref()) else { return text.into() }; // a problem at compile
        let mut kept = String::with_capacity(text.len());
        for word in split_words(text).filter(|word| !list.contains(&*word.to_lowercase())) {
            if !kept.is_empty() {
                kept.push(' ');
            }
            kept.push_str(word);
        }
        if kept == text { text.into() } else { kept.into() }
    }

    fn problems(&self) -> Vec<String> {
        word_list::problems("stopwords_path", self.stopwords_path.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveStopwordsRefiner);

    #[test]
    fn stop_words_go_and_one_space_is_left() {
        assert_snapshot!(check_rule(&RemoveStopwordsRefiner::default(), "text", ["The cat\nis on  the mat", "the, end", "of"]), @r"
        text=cat mat
        text=the, end
        text=
        ");
    }

    #[test]
    fn a_list_of_ones_own_takes_the_place_of_ours() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# mine\nCat\n\n").unwrap();
        let operator = RemoveStopwordsRefiner { stopwords_path: Some(file.path().to_owned()), ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["The cat is here"]), @"text=The is here");
        let missing = RemoveStopwordsRefiner { stopwords_path: Some("/no/such/list".into()), ..Default::default() };
        assert!(Refine::problems(&missing)[0].starts_with("`stopwords_path`: cannot read"), "{:?}", Refine::problems(&missing));
    }
}
