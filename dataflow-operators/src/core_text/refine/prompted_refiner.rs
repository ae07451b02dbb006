//! Rewrites a column with a free prompt.

use dataflow_core::key::{InOut, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::serving::Chat;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, operator};

/// Has the model rewrite each text as the system prompt says, and puts the new text in the place of the old.
///
/// A null or blank cell stays as it is, and so does the text of a row that fails.
///
/// # 中文
///
/// 让模型按 `system_prompt` 改写每条文本，并以新文本替换原文。空单元格保持不变；失败的行保留原文。
#[operator(core_text, refine, AskModel)]
pub struct PromptedRefiner {
    /// What the model is told to do. 中文：系统提示词，说明如何改写。
    pub system_prompt: String,
    /// The text to rewrite. 中文：要改写的文本列。
    pub input_key: InOut<Text>,
}

impl Default for PromptedRefiner {
    fn default() -> Self {
        Self { system_prompt: "You are a helpful agent.".into(), input_key: "raw_content".into() }
    }
}

impl AskModel for PromptedRefiner {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let text = model.ask(Chat::system(&self.system_prompt).user(row.text(&self.input_key)?)).text().await?;
        Ok(Cells::new().replace(&self.input_key, text).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(PromptedRefiner);

    fn check(replies: &[&str]) -> String {
        let operator = PromptedRefiner { system_prompt: "Correct the spelling.".into(), ..Default::default() };
        check_row(&operator, &ScriptedModel::replies(replies.iter().copied()), json!({ "raw_content": "Teh sky is bleu." }))
    }

    #[test]
    fn the_text_is_replaced() {
        assert_snapshot!(check(&["The sky is blue."]), @r"
        [system] Correct the spelling.
        [user] Teh sky is bleu.
        -> raw_content=The sky is blue.
        ");
    }

    #[test]
    fn an_empty_reply_is_asked_for_again_and_replaces_nothing() {
        assert!(check(&["", "The sky is blue."]).ends_with("[user] That reply cannot be used: a text was expected, and the reply is empty. Answer the request again, in the form that it asked for and with nothing else.\n-> raw_content=The sky is blue."));
        assert!(
            check(&["<think>Hm.</think>", ""])
                .ends_with("failed (unparsed): the reply does not fit: a text was expected, and the reply is empty; it begins ``")
        );
    }
}
