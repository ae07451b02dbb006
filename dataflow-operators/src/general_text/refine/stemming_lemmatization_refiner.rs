//! Reduces words to their stems.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::memo::Memo;
use crate::porter::stem;
use crate::python::split_words;
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::shape::Refine;
use serde::{Deserialize, Serialize};

/// Reduces English words to their stems, in lower case and with one space between them: `running` becomes `run`.
///
/// The stemmer is Porter's with the extensions of NLTK, DataFlow's own. Words are what white space separates, so that `dogs.` stays. `method: lemmatization` needs WordNet, which is not built in, and is refused.
///
/// # 中文
///
/// 把英文单词还原为词干（小写，词间一个空格）：`running` 变为 `run`。所用为带 NLTK 扩展的 Porter 算法，与 DataFlow 相同。词以空白分隔，因此 `dogs.` 保持原样。`method: lemmatization` 需要未内置的 WordNet，会被拒绝。
#[operator(general_text, refine, Refine)]
pub struct StemmingLemmatizationRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// How words are reduced. 中文：还原方式。
    pub method: ReductionMethod,
}

impl Default for StemmingLemmatizationRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), method: ReductionMethod::Stemming }
    }
}

/// How words are reduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReductionMethod {
    /// By rules about their endings.
    #[default]
    Stemming,
    /// By a dictionary of their base forms.
    Lemmatization,
}

thread_local! {
    static STEMS: RefCell<Memo<String>> = RefCell::default();
}

impl Refine for StemmingLemmatizationRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut stemmed = String::with_capacity(text.len());
        STEMS.with_borrow_mut(|stems| {
            for word in split_words(text) {
                if !stemmed.is_empty() {
                    stemmed.push(' ');
                }
                stems.with(word, stem, |stem| stemmed.push_str(stem));
            }
        });
        stemmed.into()
    }

    fn problems(&self) -> Vec<String> {
        match self.method {
            ReductionMethod::Stemming => Vec::new(),
            ReductionMethod::Lemmatization => vec!["`method: lemmatization` needs WordNet, which is not built in\nhint: use `method: stemming`".into()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(StemmingLemmatizationRefiner);

    #[test]
    fn words_lose_their_endings() {
        assert_snapshot!(check_rule(&StemmingLemmatizationRefiner::default(), "text", ["The cats were  running happily, dying", "relational conditional"]), @r"
        text=the cat were run happily, die
        text=relat condit
        ");
        let other = StemmingLemmatizationRefiner { method: ReductionMethod::Lemmatization, ..Default::default() };
        assert!(Refine::problems(&other)[0].contains("WordNet"));
    }
}
