//! Leaves single spaces.

use std::borrow::Cow;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;

use crate::python::{is_tidy, split_words, strip};

/// Puts one space in the place of every run of white space, and none at the ends.
///
/// Line breaks are white space too, as in DataFlow: a filter that looks at lines belongs before this step.
///
/// # 中文
///
/// 把每段连续空白替换为一个空格，并去掉首尾空白。换行也算空白：按行判断的过滤器应放在此步之前。
#[operator(general_text, refine, Refine)]
pub struct RemoveExtraSpacesRefiner {
    /// The text to tidy. 中文：要整理的文本。
    pub input_key: InOut<Text>,
}

impl Default for RemoveExtraSpacesRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

impl Refine for RemoveExtraSpacesRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = strip(text);
        if is_tidy(text) {
            return text.into();
        }
        let mut tidy = String::with_capacity(text.len());
        // Words that a single space parts are copied together.
        let (mut start, mut end) = (0, 0);
        for word in split_words(text) {
            let at = word.as_ptr().addr() - text.as_ptr().addr();
            if at > 0 && &text[end..at] != " " {
                tidy.push_str(&text[start..end]);
                tidy.push(' ');
                start = at;
            }
            end = at + word.len();
        }
        tidy.push_str(&text[start..end]);
        tidy.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveExtraSpacesRefiner);

    #[test]
    fn every_white_space_becomes_one_space() {
        let operator = RemoveExtraSpacesRefiner::default();
        assert_snapshot!(check_rule(&operator, "text", ["  a \n\n b\u{3000}c ", "a b", "   "]), @r"
        text=a b c
        text=a b
        text=
        ");
    }
}
