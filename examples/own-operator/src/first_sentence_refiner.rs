//! Shortens a text to its first sentence.

use std::borrow::Cow;

use dataflow::prelude::*;

/// Shortens a text to its first sentence.
///
/// A sentence ends with `.`, `!` or `?`, or with their Chinese kin.
///
/// # 中文
///
/// 把文本缩短为第一句话。句子以 `.`、`!`、`?` 或对应的中文标点结束。
#[operator(my_company, refine, Refine)]
pub struct FirstSentenceRefiner {
    /// The text to shorten. 中文：要缩短的文本。
    pub input_key: InOut<Text>,
}

impl Default for FirstSentenceRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

impl Refine for FirstSentenceRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        text.split_inclusive(['.', '!', '?', '。', '！', '？']).next().unwrap_or(text).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_stays() {
        let operator = FirstSentenceRefiner::default();
        assert_eq!(operator.refine("One. Two."), "One.");
        assert_eq!(operator.refine("第一句。第二句。"), "第一句。");
        assert_eq!(operator.refine("no end"), "no end");
    }
}
