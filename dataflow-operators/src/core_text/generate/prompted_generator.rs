//! Asks the same of every row.

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::serving::Chat;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, operator};
use serde_json::Value;

/// Asks the model the same of every row: the user prompt, then the row's text.
///
/// With `json_schema` the reply is held to the schema and written as JSON text. A null or blank cell is not asked about and its output stays null.
///
/// # 中文
///
/// 对每一行提出同一个要求：先是 `user_prompt`，再接该行文本。给出 `json_schema` 时，回复必须符合该结构，并以 JSON 文本写入。
/// 空单元格不提问，输出保持为空。
#[operator(core_text, generate, AskModel)]
pub struct PromptedGenerator {
    /// What the model is told to be. 中文：系统提示词，说明模型的角色。
    pub system_prompt: String,
    /// What stands before the row's text. 中文：放在该行文本之前的内容。
    pub user_prompt: String,
    /// A JSON schema that the reply has to follow. 中文：回复必须符合的 JSON Schema。
    pub json_schema: Option<Value>,
    /// The text to work on. 中文：要处理的文本列。
    pub input_key: Input<Text>,
    /// Where the reply goes. 中文：写入回复的列。
    pub output_key: Output<Text>,
}

impl Default for PromptedGenerator {
    fn default() -> Self {
        Self {
            system_prompt: "You are a helpful agent.".into(),
            user_prompt: String::new(),
            json_schema: None,
            input_key: "raw_content".into(),
            output_key: "generated_content".into(),
        }
    }
}

impl AskModel for PromptedGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let chat = Chat::system(&self.system_prompt).user(format!("{}{}", self.user_prompt, row.text(&self.input_key)?));
        let reply = match &self.json_schema {
            Some(schema) => model.ask(chat).json_value(schema).await?.to_string(),
            None => model.ask(chat).text().await?,
        };
        Ok(Cells::new().set(&self.output_key, reply).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(PromptedGenerator);

    #[test]
    fn the_user_prompt_stands_before_the_text() {
        let operator = PromptedGenerator { system_prompt: "Be brief.".into(), user_prompt: "Translate: ".into(), ..Default::default() };
        let model = ScriptedModel::replies(["<think>easy</think>早上好"]);
        assert_snapshot!(check_row(&operator, &model, json!({ "raw_content": "Good morning" })), @r"
        [system] Be brief.
        [user] Translate: Good morning
        -> generated_content=早上好
        ");
    }

    #[test]
    fn a_reply_that_breaks_the_schema_is_asked_for_again() {
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
        let operator = PromptedGenerator { json_schema: Some(schema), ..Default::default() };
        let model = ScriptedModel::replies(["{\"n\": \"many\"}", "{\"n\": 3}"]);
        assert_snapshot!(check_row(&operator, &model, json!({ "raw_content": "three" })), @r#"
        [system] You are a helpful agent.
        [user] three
        (with a JSON schema)
        ---
        [system] You are a helpful agent.
        [user] three
        [assistant] {"n": "many"}
        [user] That reply cannot be used: "many" is not of type "integer" at `/n`. Answer the request again, in the form that it asked for and with nothing else.
        (with a JSON schema)
        -> generated_content={"n":3}
        "#);
    }
}
