//! How a record is asked for, and what it has to hold.

use std::collections::BTreeMap;

use dataflow_core::reply::find_first_json;
use dataflow_core::row::is_blank;
use dataflow_core::serving::Chat;
use dataflow_core::{Error, Result};
use jsonschema::Validator;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// How the model is asked for a record, and what the record has to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RecordProfile {
    /// What the model is told to be.
    pub system_prompt: String,
    /// The question; `{record_json}` stands for the row and `{column}` for a column.
    pub template: String,
    /// Fields that the record must have, and in which it must have something, unless a rule lists null or the empty text.
    pub required_fields: Vec<String>,
    /// The values that a field may have. Numbers are equal by value, texts letter by letter, and `true` is not 1.
    pub field_rules: BTreeMap<String, Vec<Value>>,
    /// Whether a JSON schema made of the fields and rules goes with the question.
    pub use_json_schema: bool,
    /// The temperature of the draw, where it is not the serving's.
    pub temperature: Option<f64>,
}

impl Default for RecordProfile {
    fn default() -> Self {
        Self {
            system_prompt: String::new(),
            template: "{record_json}".into(),
            required_fields: Vec::new(),
            field_rules: BTreeMap::new(),
            use_json_schema: false,
            temperature: None,
        }
    }
}

/// What stands for the row in a template.
const RECORD: &str = "record_json";

impl RecordProfile {
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.template.trim().is_empty() {
            problems.push("`template` is empty, so the model would be asked nothing".to_owned());
        }
        problems
            .extend(self.field_rules.iter().filter(|(_, values)| values.is_empty()).map(|(field, _)| format!("`field_rules` allows no value for `{field}`")));
        problems
    }

    /// The names in braces in the template: `record_json`, columns, and what only looks like one.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        pieces(&self.template).filter_map(|piece| match piece {
            Piece::Name(name) => Some(name),
            Piece::Text(_) => None,
        })
    }

    pub(super) fn prepare<'a>(&'a self, outputs: impl Iterator<Item = &'a str>) -> Result<Prepared> {
        let allowed: Map<String, Value> = self.field_rules.iter().map(|(field, values)| (field.clone(), json!({ "enum": values }))).collect();
        let checked = json!({ "type": "object", "required": self.required_fields, "properties": allowed });
        let validator = jsonschema::validator_for(&checked).map_err(|error| Error::Configuration(format!("`field_rules` cannot be used: {error}")))?;
        Ok(Prepared { schema: self.use_json_schema.then(|| self.schema(outputs)), validator, profile: self.clone() })
    }

    /// What goes with the question: every field that is required, ruled or written, none besides.
    fn schema<'a>(&'a self, outputs: impl Iterator<Item = &'a str>) -> Value {
        let mut properties = Map::new();
        for field in self.required_fields.iter().map(String::as_str).chain(outputs) {
            let property = match self.field_rules.get(field) {
                Some(values) => json!({ "type": type_of(values), "enum": values }),
                None => json!({ "type": "string" }),
            };
            properties.entry(field).or_insert(property);
        }
        let required: Vec<&String> = properties.keys().collect();
        json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
    }
}

/// The type of a rule's values, as JSON Schema names it; those of several types have several.
fn type_of(values: &[Value]) -> Value {
    let mut names: Vec<&str> = Vec::new();
    for value in values {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names[..] {
        [name] => json!(name),
        _ => json!(names),
    }
}

/// A profile with its checks made ready.
pub(super) struct Prepared {
    profile: RecordProfile,
    schema: Option<Value>,
    validator: Validator,
}

impl Prepared {
    /// The question about a row; `record` gives the row as JSON and `column` the text of a column, where there is such a one.
    pub fn chat(&self, record: impl Fn() -> String, column: impl Fn(&str) -> Option<String>) -> Chat {
        let mut text = String::with_capacity(self.profile.template.len() + 256);
        for piece in pieces(&self.profile.template) {
            match piece {
                Piece::Text(between) => text.push_str(between),
                Piece::Name(RECORD) => text.push_str(&record()),
                Piece::Name(name) => match column(name) {
                    Some(value) => text.push_str(&value),
                    None => text.extend(["{", name, "}"]),
                },
            }
        }
        let mut chat = Chat::system(&self.profile.system_prompt).user(text);
        chat.sampling.temperature = self.profile.temperature;
        chat.json_schema.clone_from(&self.schema);
        chat
    }

    /// The record in a reply, or what is wrong with the reply.
    pub fn read(&self, reply: &str) -> Result<Map<String, Value>, String> {
        if reply.trim().is_empty() {
            return Err("a JSON object was expected, and the reply is empty".into());
        }
        let (mut found, mut wrong) = (None, None);
        find_first_json(reply, |value| {
            let records = match value {
                Value::Array(items) => items.as_slice(),
                record => std::slice::from_ref(record),
            };
            for record in records.iter().filter_map(Value::as_object).filter(|record| self.has_all(record)) {
                if let Some(field) = self.empty_field(record) {
                    _ = wrong.get_or_insert_with(|| format!("a value for the field `{field}` was expected, and it is empty"));
                    continue;
                }
                // A whole record is made of the map only once it fits; most replies hold one.
                match self.validator.validate(&Value::Object(record.clone())) {
                    Ok(()) => {
                        found = Some(record.clone());
                        return true;
                    }
                    Err(error) => _ = wrong.get_or_insert_with(|| format!("{error} at `{}`", error.instance_path())),
                }
            }
            false
        });
        found.ok_or_else(|| wrong.unwrap_or_else(|| self.missing()))
    }

    fn has_all(&self, record: &Map<String, Value>) -> bool {
        self.profile.required_fields.iter().all(|field| record.contains_key(field))
    }

    /// A required field that holds nothing. Where a rule lists its values, the rule says whether it may.
    fn empty_field(&self, record: &Map<String, Value>) -> Option<&str> {
        let mut fields = self.profile.required_fields.iter().filter(|field| !self.profile.field_rules.contains_key(*field));
        fields.find(|field| record.get(*field).is_some_and(is_blank)).map(String::as_str)
    }

    fn missing(&self) -> String {
        match &self.profile.required_fields[..] {
            [] => "a JSON object was expected, and there is none".into(),
            [field] => format!("a JSON object with the field `{field}` was expected, and there is none"),
            fields => format!(
                "a JSON object with the fields {} was expected, and there is none",
                fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    /// What stands in braces, if it may be a column's name: one line without braces, quotes and colons.
    Name(&'a str),
}

fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let named = rest.strip_prefix('{').and_then(|inner| {
            let end = inner.find(['{', '}', '\n', '"', ':'])?;
            (end > 0 && inner[end..].starts_with('}')).then(|| (&inner[..end], &inner[end + 1..]))
        });
        if let Some((name, after)) = named {
            rest = after;
            return Some(Piece::Name(name));
        }
        let end = rest.char_indices().skip(1).find(|(_, character)| *character == '{').map_or(rest.len(), |(at, _)| at);
        let (text, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Text(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_field_and_its_values() {
        let profile = RecordProfile {
            required_fields: vec!["label".into()],
            field_rules: BTreeMap::from([("label".to_owned(), vec![json!("A")]), ("mixed".to_owned(), vec![json!(1), json!("x")])]),
            ..RecordProfile::default()
        };
        assert_eq!(
            profile.schema(["mixed", "free"].into_iter()).to_string(),
            r#"{"type":"object","required":["label","mixed","free"],"properties":{"label":{"type":"string","enum":["A"]},"mixed":{"type":["integer","string"],"enum":[1,"x"]},"free":{"type":"string"}},"additionalProperties":false}"#
        );
    }

    #[test]
    fn names_in_braces_are_found_and_json_is_left() {
        let profile = RecordProfile { template: "{甲} {\"a\": {b}} {} {x y}{record_json".into(), ..RecordProfile::default() };
        assert_eq!(profile.placeholders().collect::<Vec<_>>(), ["甲", "b", "x y"]);
        let whole: String = pieces(&profile.template)
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Name(name) => format!("{{{name}}}"),
            })
            .collect();
        assert_eq!(whole, profile.template);
    }
}
