//! Fills a template from several columns and asks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dataflow_core::key::{Any, Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::prompt::{Prompt, PromptTemplate, Value as Values};
use dataflow_core::row::Row;
use dataflow_core::serving::Chat;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Error, Result, operator, prompt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Asks the model with a template that is filled in from several columns of the row.
///
/// `input_keys` says which column each field of the template stands for. A row in which all these columns are blank is not asked about.
///
/// # 中文
///
/// 用该行的多个列填充模板后提问。`input_keys` 说明模板中的每个字段取自哪一列。这些列全部为空的行不提问。
#[operator(core_text, generate, AskModel)]
pub struct FormatStrPromptedGenerator {
    /// What the model is told to be. 中文：系统提示词，说明模型的角色。
    pub system_prompt: String,
    /// The template. 中文：提示词模板。
    #[prompts(allowed(FormatStrPrompt), variables_of = input_keys)]
    pub prompt_template: PromptTemplate,
    /// A JSON schema that the reply has to follow. 中文：回复必须符合的 JSON Schema。
    pub json_schema: Option<Value>,
    /// The column for each field of the template. 中文：模板字段到列名的映射。
    pub input_keys: BTreeMap<String, Input<Any>>,
    /// Where the reply goes. 中文：写入回复的列。
    pub output_key: Output<Text>,
}

impl Default for FormatStrPromptedGenerator {
    fn default() -> Self {
        Self {
            system_prompt: "You are a helpful agent.".into(),
            prompt_template: FormatStrPrompt::default().into(),
            json_schema: None,
            input_keys: BTreeMap::from([("input_text".to_owned(), "raw_content".into())]),
            output_key: "generated_content".into(),
        }
    }
}

impl AskModel for FormatStrPromptedGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let mut values: BTreeMap<String, Values> = BTreeMap::new();
        for (field, key) in &self.input_keys {
            values.insert(field.clone(), row.text_or_null(key)?.map_or_else(|| Values::from(()), Values::from));
        }
        let chat = Chat::system(&self.system_prompt).user(self.prompt_template.build_prompt(values.into())?);
        let reply = match &self.json_schema {
            Some(schema) => model.ask(chat).json_value(schema).await?.to_string(),
            None => model.ask(chat).text().await?,
        };
        Ok(Cells::new().set(&self.output_key, reply).into())
    }

    fn skips(&self, row: &Row<'_>) -> bool {
        self.input_keys.values().all(|key| row.is_blank(key))
    }

    fn problems(&self) -> Vec<String> {
        if self.input_keys.is_empty() { vec!["`input_keys` is empty, so the template has nothing to stand for".into()] } else { Vec::new() }
    }
}

/// Puts values in the place of `{field}`, once each; every other brace stays as it is.
///
/// A field is a name in braces: letters, digits and `_`, not beginning with a digit. What a value contains is never replaced again.
///
/// # 中文
///
/// 把 `{字段}` 替换为对应的值，只替换一遍，其余花括号保持原样。字段名由字母、数字和下划线组成，且不以数字开头；值中的花括号不会再被替换。
#[prompt]
pub struct FormatStrPrompt {
    /// The template. 中文：模板。
    pub f_str_template: String,
    /// What to do where a field has no value. 中文：字段没有值时的处理方式。
    pub on_missing: OnMissing,
}

/// What a field without a value means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMissing {
    /// A field without a key is found at compile, and a null in a row is that row's error.
    #[default]
    Raise,
    /// Nothing is put in its place.
    Empty,
}

impl Default for FormatStrPrompt {
    fn default() -> Self {
        Self { f_str_template: "{input_text}".into(), on_missing: OnMissing::Raise }
    }
}

impl Prompt for FormatStrPrompt {
    fn template(&self) -> Cow<'_, str> {
        self.f_str_template.as_str().into()
    }

    fn variables(&self) -> Result<Vec<String>> {
        if self.on_missing == OnMissing::Empty {
            return Ok(Vec::new());
        }
        let mut fields: Vec<String> =
            Pieces(&self.f_str_template).filter_map(|piece| matches!(piece, Piece::Field(_)).then(|| piece.name().to_owned())).collect();
        fields.sort();
        fields.dedup();
        Ok(fields)
    }

    fn build_prompt(&self, values: Values) -> Result<String> {
        let mut text = String::with_capacity(self.f_str_template.len());
        for piece in Pieces(&self.f_str_template) {
            let field = match piece {
                Piece::Text(between) => {
                    text.push_str(between);
                    continue;
                }
                Piece::Field(field) => field,
            };
            match values.get_attr(field).ok().filter(|value| !value.is_undefined() && !value.is_none()) {
                Some(value) => match value.as_str() {
                    Some(value) => text.push_str(value),
                    None => text.push_str(&value.to_string()),
                },
                None if self.on_missing == OnMissing::Empty => {}
                None => {
                    return Err(Error::Data(format!(
                        "`{{{field}}}` of the template has no value in this row\nhint: with `on_missing: empty` it is left empty"
                    )));
                }
            }
        }
        Ok(text)
    }
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Field(&'a str),
}

impl<'a> Piece<'a> {
    fn name(&self) -> &'a str {
        match self {
            Self::Text(text) | Self::Field(text) => text,
        }
    }
}

/// Takes a template apart from left to right.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.0.is_empty() {
            return None;
        }
        if let Some(field) = field_at_start(self.0) {
            self.0 = &self.0[field.len() + 2..];
            return Some(Piece::Field(field));
        }
        let end = self.0.match_indices('{').map(|(at, _)| at).find(|at| field_at_start(&self.0[*at..]).is_some()).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(Piece::Text(text))
    }
}

/// The name in braces with which a text begins.
fn field_at_start(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?;
    let end = inner.find(|character: char| !(character.is_alphanumeric() || character == '_'))?;
    (inner[end..].starts_with('}') && inner.starts_with(|first: char| first.is_alphabetic() || first == '_')).then(|| &inner[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::context;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use serde_json::json;

    conformance!(FormatStrPromptedGenerator);

    fn generator(template: impl Into<PromptTemplate>) -> FormatStrPromptedGenerator {
        let input_keys = BTreeMap::from([("题目".to_owned(), "question".into()), ("context".to_owned(), "notes".into())]);
        FormatStrPromptedGenerator { prompt_template: template.into(), input_keys, ..Default::default() }
    }

    fn format_str(template: &str, on_missing: OnMissing) -> FormatStrPrompt {
        FormatStrPrompt { f_str_template: template.into(), on_missing }
    }

    fn check(operator: &FormatStrPromptedGenerator, row: Value) -> String {
        check_row(operator, &ScriptedModel::replies(["42"]), row)
    }

    #[test]
    fn fields_are_replaced_once_and_other_braces_stay() {
        let operator = generator(format_str("Q: {题目}\nC: {context}\nAnswer as {\"a\": 1} or {{题目}} or \\frac{1}{2}.", OnMissing::Raise));
        assert_snapshot!(check(&operator, json!({ "question": "What is {context}?", "notes": 7 })), @r#"
        [system] You are a helpful agent.
        [user] Q: What is {context}?
        C: 7
        Answer as {"a": 1} or {What is {context}?} or \frac{1}{2}.
        -> generated_content=42
        "#);
    }

    #[test]
    fn a_null_is_an_error_or_empty_as_the_prompt_says() {
        let row = json!({ "question": "Why?", "notes": null });
        assert!(
            check(&generator(format_str("{题目} {context}", OnMissing::Raise)), row.clone())
                .starts_with("failed (data): `{context}` of the template has no value in this row")
        );
        assert!(check(&generator(format_str("[{题目} {context}]", OnMissing::Empty)), row).contains("[user] [Why? ]"));
        assert_eq!(check(&generator(FormatStrPrompt::default()), json!({ "question": " ", "notes": null })), "skipped");
    }

    #[test]
    fn a_template_of_ones_own_is_filled_in_too() {
        let input_keys = BTreeMap::from([("question".to_owned(), "question".into()), ("context".to_owned(), "notes".into())]);
        let operator =
            FormatStrPromptedGenerator { input_keys, ..generator(PromptTemplate::text("{{ question }}{% if context %} ({{ context }}){% endif %}")) };
        assert!(check(&operator, json!({ "question": "Why?", "notes": null })).contains("[user] Why?\n"));
    }

    #[test]
    fn a_field_without_a_key_is_a_problem() {
        let operator = generator(format_str("{题目} {contxt}", OnMissing::Raise));
        let problems: Vec<_> = operator.prompts().iter().flat_map(|usage| usage.problems(operator.info().module)).collect();
        assert_eq!(
            problems,
            [("`prompt_template` uses the variable `contxt`, which the operator does not give".to_owned(), Some("did you mean `context`?".to_owned()))]
        );
    }

    #[test]
    fn the_prompt_is_read_from_a_file_with_its_parameters() {
        let operator: FormatStrPromptedGenerator = serde_json::from_value(json!({
            "prompt_template": { "FormatStrPrompt": { "f_str_template": "Say {word}.", "on_missing": "empty" } },
            "input_keys": { "word": "w" },
        }))
        .unwrap();
        assert_eq!(operator.prompt_template.build_prompt(context! { word => "hello" }).unwrap(), "Say hello.");
        assert_eq!(operator.parameters()["prompt_template"]["FormatStrPrompt"]["f_str_template"], "Say {word}.");
    }

    proptest! {
        #[test]
        fn a_template_without_fields_comes_back(template in r#"[a-z{} "\\é中]{0,60}"#) {
            let prompt = format_str(&template, OnMissing::Raise);
            let whole: String = Pieces(&template).map(|piece| match piece { Piece::Text(text) => text.to_owned(), Piece::Field(name) => format!("{{{name}}}") }).collect();
            prop_assert_eq!(&whole, &template);
            if prompt.variables().unwrap().is_empty() {
                prop_assert_eq!(prompt.build_prompt(context! {}).unwrap(), template);
            }
        }
    }
}
