//! Makes JSON values that a schema allows, plausible by the names of its properties.

use serde_json::{Map, Number, Value};

use super::answer::text_for;
use super::request::Request;

/// Deeper than any real schema goes; a schema without end is cut here.
const DEEPEST: usize = 12;

/// A value that a schema allows.
pub(super) fn of_schema(schema: &Value, request: &Request) -> Value {
    Maker { root: schema, request }.value(schema, "answer", 0)
}

struct Maker<'a> {
    root: &'a Value,
    request: &'a Request,
}

impl Maker<'_> {
    /// `path` is the property's place, its name last; it tells the draws apart.
    fn value(&self, schema: &Value, path: &str, depth: usize) -> Value {
        if depth > DEEPEST {
            return Value::Null;
        }
        let next = |schema: &Value| self.value(schema, path, depth + 1);
        if let Some(target) = schema["$ref"].as_str().and_then(|reference| self.root.pointer(reference.strip_prefix('#')?)) {
            return next(target);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(options) = schema["enum"].as_array().filter(|options| !options.is_empty()) {
            return options[self.request.draw(path, options.len())].clone();
        }
        if let Some(options) = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|word| schema[word].as_array())
            && let Some(option) = options.iter().find(|option| option["type"] != "null").or(options.first())
        {
            return next(option);
        }
        let kind = match &schema["type"] {
            Value::String(kind) => kind.as_str(),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null"),
            _ if schema.get("properties").is_some() => "object",
            _ if schema.get("items").is_some() => "array",
            _ => "string",
        };
        match kind {
            "object" => {
                let properties = schema["properties"].as_object();
                let fields = properties.into_iter().flatten().map(|(name, schema)| (name.clone(), self.value(schema, &format!("{path}.{name}"), depth + 1)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            "array" => self.list(schema, path, depth),
            "integer" => self.integer(schema, path),
            "number" => self.number(schema, path),
            "boolean" => self.request.verdict(path).into(),
            "null" => Value::Null,
            _ => self.string(schema, path).into(),
        }
    }

    fn list(&self, schema: &Value, path: &str, depth: usize) -> Value {
        let fewest = schema["minItems"].as_u64().unwrap_or(1).min(64);
        let most = schema["maxItems"].as_u64().unwrap_or(fewest.max(3));
        let count = if depth > DEEPEST / 2 { fewest.min(1) } else { fewest + self.request.draw(path, most.saturating_sub(fewest).min(2) as usize + 1) as u64 };
        (0..count).map(|number| self.value(&schema["items"], &format!("{path}.{}", number + 1), depth + 1)).collect()
    }

    fn integer(&self, schema: &Value, path: &str) -> Value {
        let bound = |inclusive: &str, exclusive: &str, step: i64| {
            let whole = |value: &Value| value.as_i64().or_else(|| value.as_f64().map(|value| value as i64));
            whole(&schema[inclusive]).or_else(|| whole(&schema[exclusive]).map(|bound| bound + step))
        };
        let (low, high) = match (bound("minimum", "exclusiveMinimum", 1), bound("maximum", "exclusiveMaximum", -1)) {
            (Some(low), Some(high)) => (low, high),
            (Some(low), None) => (low.max(1), low.max(1).saturating_add(4)),
            (None, Some(high)) => (high.min(1), high),
            (None, None) => self.request.scale(),
        };
        self.request.score(path, low, high.max(low)).into()
    }

    fn number(&self, schema: &Value, path: &str) -> Value {
        let low = schema["minimum"].as_f64().or(schema["exclusiveMinimum"].as_f64());
        let high = schema["maximum"].as_f64().or(schema["exclusiveMaximum"].as_f64());
        let (low, high) = (low.unwrap_or(high.map_or(0.0, |high| high.min(0.0))), high.unwrap_or(low.map_or(1.0, |low| low + 1.0)));
        let share = (50 + self.request.draw(path, 49)) as f64 / 100.0; // within the bounds, also where they are exclusive
        Number::from_f64(low + (high - low).max(0.0) * share).map_or(Value::Null, Value::Number)
    }

    fn string(&self, schema: &Value, path: &str) -> String {
        match schema["format"].as_str() {
            Some("date") => return "2024-05-17".to_owned(),
            Some("date-time") => return "2024-05-17T09:30:00Z".to_owned(),
            Some("time") => return "09:30:00Z".to_owned(),
            Some("email") => return "someone@example.com".to_owned(),
            Some("uri" | "url") => return "https://example.com/".to_owned(),
            _ => {}
        }
        let mut text = text_for(path, self.request);
        let fewest = schema["minLength"].as_u64().unwrap_or(0).min(10_000) as usize;
        while text.chars().count() < fewest {
            text.push_str(" …");
        }
        match schema["maxLength"].as_u64() {
            Some(most) => text.chars().take(most as usize).collect(),
            None => text,
        }
    }
}
