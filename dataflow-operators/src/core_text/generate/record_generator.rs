//! Asks for one record about a row, and spreads its fields over columns.

#[cfg(test)]
mod flux_vectors;
mod profile;

use std::collections::BTreeMap;
use std::sync::Arc;

use dataflow_core::key::{Any, Input, Output};
use dataflow_core::model::Model;
use dataflow_core::operator::{Outcome, RowWork, Work};
use dataflow_core::row::{Row, is_blank, json_of, text_of};
use dataflow_core::serving::Chat;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cell, Cells, Result, operator};
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use profile::Prepared;
pub use profile::RecordProfile;

/// Asks the model for one JSON record about each row, and writes its fields into columns.
///
/// The row stands in the template as `{record_json}`: an object of the columns of `input_keys` in their order, without nulls and without columns whose names begin with
/// `_`. `{column}` is a column's text. What a value contains is never replaced again. The reply's record is the first JSON object that has something in all required
/// fields (null or `""` only where the rules list it) and keeps the rules, in a fence, amid prose or in a list too; where there is none, the model is asked again, with
/// what was wrong. A list or an object is written as JSON text, and a field that the record does not have as null. A row in which all columns of `input_keys` are blank
/// is not asked about.
///
/// # 中文
///
/// 请模型就每一行给出一条 JSON 记录，并把各字段写入相应的列。
///
/// 模板中的 `{record_json}` 代表该行：按 `input_keys` 的顺序组成的对象，不含空值，也不含以 `_` 开头的列；`{列名}` 代表该列的文本。值中的花括号不会再被替换。
/// 回复中第一个必需字段都有内容（规则列出的空值除外）且符合规则的 JSON 对象即为记录，可位于代码块、正文或列表中；没有时附上原因再次询问。列表与对象写为 JSON 文本，记录中没有的字段写为空。
/// `input_keys` 各列全部为空的行不提问。
#[operator(core_text, generate, AskModel)]
pub struct RecordGenerator {
    /// The columns that make up the record of the row. 中文：组成该行记录的列。
    pub input_keys: Vec<Input<Any>>,
    /// The column for each field of the reply. 中文：回复字段到列名的映射。
    pub output_keys: BTreeMap<String, Output<Any>>,
    /// How the model is asked and what its reply has to hold. 中文：提问方式，以及对回复的要求。
    pub profile: RecordProfile,
    /// The column whose text chooses another profile. 中文：按该列的文本选择其他提问方式。
    pub input_route_key: Option<Input<Any>>,
    /// The profiles by the text in `input_route_key`; any other text has `profile`. 中文：`input_route_key` 的文本与提问方式的对应；其他文本使用 `profile`。
    pub routes: BTreeMap<String, RecordProfile>,
    /// How often a reply that holds no such record is asked for again. 中文：回复中没有所需记录时再次询问的次数。
    pub content_retries: u32,
}

impl Default for RecordGenerator {
    fn default() -> Self {
        Self {
            input_keys: vec!["raw_content".into()],
            output_keys: BTreeMap::from([("answer".to_owned(), "answer".into())]),
            profile: RecordProfile::default(),
            input_route_key: None,
            routes: BTreeMap::new(),
            content_retries: 1,
        }
    }
}

impl RecordGenerator {
    /// Asks nobody: gives what would be asked about a row, and `None` for a row that is passed over.
    pub fn questions(&self) -> Result<impl Fn(&Row<'_>) -> Result<Option<Chat>> + use<>> {
        let asking = Asking::of(self.clone())?;
        Ok(move |row: &Row<'_>| if asking.skips(row) { Ok(None) } else { asking.chat(row).map(Some) })
    }
}

impl AskModel for RecordGenerator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        Asking::of(self.clone())?.row(*row, model).await
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.input_keys.is_empty() {
            problems.push("`input_keys` is empty, so there is nothing to ask about".to_owned());
        }
        if self.output_keys.is_empty() {
            problems.push(
                "`output_keys` is empty, so nothing of the reply would be kept\nhint: name a column for each field, such as `{answer: answer}`".to_owned(),
            );
        }
        if self.input_route_key.is_none() && !self.routes.is_empty() {
            problems.push("`routes` is given and `input_route_key` is not".to_owned());
        }
        problems.extend(self.profile.problems());
        for (text, profile) in &self.routes {
            problems.extend(profile.problems().into_iter().map(|problem| format!("`routes`: `{text}`: {problem}")));
        }
        problems
    }

    fn into_work(self) -> Result<Work> {
        Ok(Work::Row(Arc::new(Asking::of(self)?)))
    }
}

/// The operator with the checks of its replies made ready.
struct Asking {
    operator: RecordGenerator,
    profile: Prepared,
    routes: BTreeMap<String, Prepared>,
}

impl Asking {
    fn of(operator: RecordGenerator) -> Result<Self> {
        let prepare = |profile: &RecordProfile| profile.prepare(operator.output_keys.keys().map(String::as_str));
        let profile = prepare(&operator.profile)?;
        let routes = operator.routes.iter().map(|(text, profile)| Ok((text.clone(), prepare(profile)?))).collect::<Result<_>>()?;
        Ok(Self { operator, profile, routes })
    }

    fn profile_of(&self, row: &Row<'_>) -> Result<&Prepared> {
        let Some(key) = &self.operator.input_route_key else { return Ok(&self.profile) };
        let text = row.text_or_null(key)?;
        Ok(text.and_then(|text| self.routes.get(&*text)).unwrap_or(&self.profile))
    }

    /// The question about a row.
    fn chat(&self, row: &Row<'_>) -> Result<Chat> {
        let profile = self.profile_of(row)?;
        let mut values = Vec::with_capacity(self.operator.input_keys.len());
        for key in &self.operator.input_keys {
            values.push((key.as_str(), row.value(key)?));
        }
        Ok(profile.chat(
            || {
                let told = values.iter().filter(|(name, _)| !name.starts_with('_')).map(|(name, value)| ((*name).to_owned(), json_of(value)));
                Value::Object(told.filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>()).to_string()
            },
            |name| {
                let (_, value) = values.iter().find(|(known, _)| *known == name)?;
                Some(text_of(value.clone()).unwrap_or_default().into_owned())
            },
        ))
    }

    async fn ask(&self, row: Row<'_>, model: &Model) -> Result<Outcome> {
        let (profile, chat) = (self.profile_of(&row)?, self.chat(&row)?);
        let record = model.ask(chat).reasks(self.operator.content_retries).parsed(|reply| self.filling(profile.read(reply)?)).await?;
        let cells = self.operator.output_keys.iter().fold(Cells::new(), |cells, (field, key)| cells.put(key.as_str(), cell_of(record.get(field))));
        Ok(cells.into())
    }

    /// A record, where it fills a column at least: one that fills none would leave its row as it was.
    fn filling(&self, record: Map<String, Value>) -> Result<Map<String, Value>, String> {
        let fields: Vec<&String> = self.operator.output_keys.keys().collect();
        if fields.iter().any(|field| record.get(*field).is_some_and(|value| !is_blank(value))) {
            return Ok(record);
        }
        let names: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
        Err(format!("a value for {} was expected, and the record has none", names.join(" or ")))
    }
}

impl RowWork for Asking {
    fn row<'a>(&'a self, row: Row<'a>, model: &'a Model) -> BoxFuture<'a, Result<Outcome>> {
        Box::pin(self.ask(row, model))
    }

    fn skips(&self, row: &Row<'_>) -> bool {
        self.operator.input_keys.iter().all(|key| row.is_blank(key))
    }
}

fn cell_of(value: Option<&Value>) -> Cell {
    match value {
        None | Some(Value::Null) => Cell::Null,
        Some(Value::String(text)) => Cell::Text(text.clone()),
        Some(other) => Cell::Text(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(RecordGenerator);

    fn classify() -> RecordGenerator {
        RecordGenerator {
            input_keys: vec!["题目".into(), "n".into(), "_hidden".into(), "empty".into(), "none".into()],
            output_keys: BTreeMap::from([("label".to_owned(), "分类".into()), ("why".to_owned(), "reason".into())]),
            profile: RecordProfile {
                system_prompt: "You sort questions.".into(),
                template: "Sort {题目}: {record_json} as {\"label\": …} or {other}".into(),
                required_fields: vec!["label".into()],
                field_rules: BTreeMap::from([("label".to_owned(), vec![json!("A"), json!("B")])]),
                ..RecordProfile::default()
            },
            ..RecordGenerator::default()
        }
    }

    fn check(operator: &RecordGenerator, replies: &[&str]) -> String {
        let row = json!({ "题目": "{n} 等于几？", "n": 7, "_hidden": "h", "empty": "", "none": null });
        check_row(operator, &ScriptedModel::replies(replies.iter().copied()), row)
    }

    #[test]
    fn the_row_stands_in_the_template_and_the_fields_in_columns() {
        assert_snapshot!(check(&classify(), &[r#"Well: {"label": "A", "why": ["x", {"y": 1}]} it is."#]), @r#"
        [system] You sort questions.
        [user] Sort {n} 等于几？: {"题目":"{n} 等于几？","n":7,"empty":""} as {"label": …} or {other}
        -> 分类=A reason=["x",{"y":1}]
        "#);
    }

    #[test]
    fn a_reply_that_does_not_fit_is_asked_for_again_as_often_as_is_said() {
        let shown = check(&RecordGenerator { content_retries: 2, ..classify() }, &["I do not know", r#"{"label": "C"}"#, r#"{"label": "B"}"#]);
        assert!(shown.contains("a JSON object with the field `label` was expected, and there is none"), "{shown}");
        assert!(shown.contains("\"C\" is not one of"), "{shown}");
        assert!(shown.ends_with("-> 分类=B reason=null"), "{shown}");
        let shown = check(&RecordGenerator { content_retries: 0, ..classify() }, &["I do not know"]);
        assert!(shown.contains("failed (unparsed)"), "{shown}");
    }

    #[test]
    fn a_record_that_fills_no_column_is_asked_for_again() {
        let shown = check(&classify(), &[r#"{"label": "A"}"#]);
        assert!(shown.ends_with("-> 分类=A reason=null"), "{shown}");
        let free = RecordGenerator { profile: RecordProfile { field_rules: BTreeMap::new(), ..classify().profile }, ..classify() };
        let any = RecordGenerator { profile: RecordProfile { required_fields: Vec::new(), ..free.profile.clone() }, ..free.clone() };
        let shown = check(&any, &[r#"{"label": " ", "why": null}"#, r#"{"label": "A"}"#]);
        assert!(shown.contains("a value for `label` or `why` was expected, and the record has none") && shown.ends_with("-> 分类=A reason=null"), "{shown}");
        assert!(check(&RecordGenerator { content_retries: 0, ..free }, &[r#"{"label": ""}"#]).contains("failed (unparsed)"));
    }

    #[test]
    fn a_required_field_without_a_value_is_asked_for_again() {
        let with = |rules: BTreeMap<String, Vec<Value>>| {
            let profile = RecordProfile { required_fields: vec!["label".into(), "why".into()], field_rules: rules, ..classify().profile };
            RecordGenerator { profile, ..classify() }
        };
        let free = with(BTreeMap::new());
        for empty in [r#"{"label": null, "why": 1}"#, r#"{"label": "", "why": 1}"#, r#"{"label": " \n", "why": 1}"#] {
            let shown = check(&free, &[empty, r#"{"label": "A", "why": "x"}"#]);
            assert!(shown.contains("a value for the field `label` was expected, and it is empty") && shown.ends_with("-> 分类=A reason=x"), "{shown}");
            assert!(check(&RecordGenerator { content_retries: 0, ..free.clone() }, &[empty]).contains("failed (unparsed)"));
        }
        // A later record that has it is the reply's, and a rule may allow nothing.
        assert!(check(&free, &[r#"[{"label": null, "why": 1}, {"label": "B", "why": 2}]"#]).ends_with("-> 分类=B reason=2"));
        let ruled = with(BTreeMap::from([("why".to_owned(), vec![json!("x"), json!(""), Value::Null])]));
        assert!(check(&ruled, &[r#"{"label": "A", "why": null}"#]).ends_with("-> 分类=A reason=null"));
        assert!(check(&ruled, &[r#"{"label": "A", "why": ""}"#]).contains("-> 分类=A reason="));
    }

    #[test]
    fn a_schema_is_sent_where_it_is_wanted() {
        let profile = RecordProfile { use_json_schema: true, ..classify().profile };
        assert!(check(&RecordGenerator { profile, ..classify() }, &[r#"{"label": "A", "why": "x"}"#]).contains("(with a JSON schema)"));
    }

    #[test]
    fn another_profile_is_chosen_by_a_cell() {
        let other = RecordProfile { template: "Another way: {n}".into(), ..RecordProfile::default() };
        let routed = RecordGenerator { input_route_key: Some("n".into()), routes: BTreeMap::from([("7".to_owned(), other)]), ..classify() };
        assert_snapshot!(check(&routed, &[r#"{"why": "so"}"#]), @"
        [user] Another way: 7
        -> 分类=null reason=so
        ");
    }

    #[test]
    fn what_cannot_work_is_told() {
        let nothing = RecordGenerator {
            input_keys: Vec::new(),
            output_keys: BTreeMap::new(),
            profile: RecordProfile { template: " ".into(), ..RecordProfile::default() },
            ..RecordGenerator::default()
        };
        assert_eq!(AskModel::problems(&nothing).len(), 3, "{:?}", AskModel::problems(&nothing));
    }
}
