//! Makes a JSON schema fit for services that hold a model to it strictly.

use serde_json::{Map, Value};

/// A schema in the subset that OpenAI's strict mode knows: objects are closed and all their properties required, and keywords
/// outside the subset are gone. `None` where an object takes any keys, which strict mode cannot say.
///
/// What the closed schema allows, the given one allows too, but for bounds that strict mode has no word for; whoever reads the reply checks them.
pub(super) fn closed(schema: &Value) -> Option<Value> {
    let fields = match schema {
        Value::Object(fields) => fields,
        Value::Bool(_) => return None,
        other => return Some(other.clone()),
    };
    if let Some(reference) = fields.get("$ref") {
        return Some(Value::Object(Map::from_iter([("$ref".to_owned(), reference.clone())]))); // it may have no neighbours
    }
    let mut closed_fields = Map::new();
    for (name, value) in fields {
        let value = match name.as_str() {
            "properties" | "$defs" | "definitions" => Value::Object(each(value.as_object()?)?),
            "items" => closed(value)?,
            "anyOf" => Value::Array(value.as_array()?.iter().map(closed).collect::<Option<_>>()?),
            "oneOf" => {
                closed_fields.insert("anyOf".into(), Value::Array(value.as_array()?.iter().map(closed).collect::<Option<_>>()?));
                continue;
            }
            "type" | "enum" | "const" | "description" | "pattern" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
            | "minItems" | "maxItems" => value.clone(),
            "format" if matches!(value.as_str(), Some("date-time" | "time" | "date" | "duration" | "email" | "hostname" | "ipv4" | "ipv6" | "uuid")) => {
                value.clone()
            }
            "allOf" | "not" | "if" | "patternProperties" | "prefixItems" => return None,
            _ => continue,
        };
        closed_fields.insert(name.clone(), value);
    }
    let is_object = match fields.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => fields.contains_key("properties"),
    };
    if is_object {
        let names: Vec<Value> = fields.get("properties")?.as_object()?.keys().map(|name| Value::from(name.as_str())).collect();
        closed_fields.insert("required".into(), names.into());
        closed_fields.insert("additionalProperties".into(), false.into());
    }
    Some(Value::Object(closed_fields))
}

fn each(schemas: &Map<String, Value>) -> Option<Map<String, Value>> {
    schemas.iter().map(|(name, schema)| Some((name.clone(), closed(schema)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Verdict {
        /// Whether it holds.
        holds: bool,
        score: u32,
        why: Option<String>,
        parts: Vec<Part>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Part {
        #[serde(default)]
        text: String,
    }

    #[test]
    fn objects_are_closed_at_every_depth() {
        assert_eq!(
            closed(&schemars::schema_for!(Verdict).to_value()).unwrap(),
            json!({
                "type": "object",
                "properties": {
                    "holds": { "description": "Whether it holds.", "type": "boolean" },
                    "score": { "type": "integer", "minimum": 0 },
                    "why": { "type": ["string", "null"] },
                    "parts": { "type": "array", "items": { "$ref": "#/$defs/Part" } },
                },
                "$defs": { "Part": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"], "additionalProperties": false } },
                "required": ["holds", "score", "why", "parts"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn an_object_of_any_keys_cannot_be_closed() {
        assert_eq!(closed(&json!({ "type": "object", "additionalProperties": { "type": "string" } })), None);
        assert_eq!(closed(&json!({ "type": "object", "properties": { "a": { "type": "object" } } })), None);
    }
}
