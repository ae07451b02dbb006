//! Asks for an answer in one sentence.

use std::borrow::Cow;

use dataflow::prelude::*;

/// Asks for an answer in one sentence.
///
/// # 中文
///
/// 要求用一句话作答。
#[prompt]
#[derive(Default)]
pub struct OneSentencePrompt;

impl Prompt for OneSentencePrompt {
    fn template(&self) -> Cow<'_, str> {
        "Answer in one sentence, and give the reason in it.\n\n{{ question }}".into()
    }
}
