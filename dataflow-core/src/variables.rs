//! Environment variables in the values of a file: `${NAME}` and `${NAME:-fallback}`.

use serde_json::Value;

/// Puts variables into all texts of a value; `$${` stands for `${`. The error names each variable that is not set, with its place.
///
/// ```
/// use dataflow_core::variables::put_in;
/// let mut value = serde_json::json!({ "model": "${MODEL}", "rate": "${RATE:-30}" });
/// put_in(&mut value, &|name| (name == "MODEL").then(|| "gpt-4o".to_owned())).unwrap();
/// assert_eq!(value, serde_json::json!({ "model": "gpt-4o", "rate": 30 }));
/// ```
pub fn put_in(value: &mut Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), Vec<String>> {
    let mut missing = Vec::new();
    put_environment_in(value, "", variable, &mut missing);
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// As [`put_in`], as far as the variables are set, so that the rest can be looked at. Where one is not, nothing stands, or in a list what stood there, so that a list that is meant
/// to hold something is not empty. Gives each such place, with what is wrong there.
pub fn put_in_where_set(value: &mut Value, variable: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut unset = Vec::new();
    put_in_each(value, "", variable, &mut unset);
    unset
}

fn put_in_each(value: &mut Value, place: &str, variable: &dyn Fn(&str) -> Option<String>, unset: &mut Vec<(String, String)>) {
    let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match value {
        Value::String(text) if text.contains("${") => {
            let mut missing = Vec::new();
            put_environment_in(value, place, variable, &mut missing);
            if !missing.is_empty() {
                *value = Value::Null;
                unset.extend(missing.into_iter().map(|problem| (place.to_owned(), problem)));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let before = item.clone();
                put_in_each(item, &below(&(index + 1).to_string()), variable, unset);
                if item.is_null() {
                    *item = before;
                }
            }
        }
        Value::Object(fields) => fields.iter_mut().for_each(|(name, field)| put_in_each(field, &below(name), variable, unset)),
        _ => {}
    }
}

fn put_environment_in(value: &mut Value, path: &str, variable: &dyn Fn(&str) -> Option<String>, missing: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains("${") => {
            let (filled, whole) = filled(text, path, variable, missing);
            *value = if whole { scalar(filled) } else { Value::String(filled) };
        }
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| put_environment_in(item, &format!("{path}.{}", index + 1), variable, missing));
        }
        Value::Object(object) => {
            for (key, item) in object {
                put_environment_in(item, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, variable, missing);
            }
        }
        _ => {}
    }
}

/// The text with its variables put in, and whether it was one variable and nothing else.
fn filled(text: &str, path: &str, variable: &dyn Fn(&str) -> Option<String>, missing: &mut Vec<String>) -> (String, bool) {
    let mut filled = String::new();
    let mut rest = text;
    let mut whole = false;
    while let Some(start) = rest.find("${") {
        let escaped = rest[..start].ends_with('$');
        let Some(length) = rest[start..].find('}').filter(|_| !escaped) else {
            filled.push_str(if escaped { &rest[..start - 1] } else { &rest[..start] });
            filled.push_str("${");
            rest = &rest[start + 2..];
            continue;
        };
        filled.push_str(&rest[..start]);
        let inner = &rest[start + 2..start + length];
        let (name, fallback) = inner.split_once(":-").map_or((inner, None), |(name, fallback)| (name, Some(fallback)));
        whole = start == 0 && rest.len() == text.len() && start + length + 1 == text.len();
        match (variable(name).filter(|value| !value.is_empty() || fallback.is_none()), fallback) {
            (Some(value), _) => filled.push_str(&value),
            (None, Some(fallback)) => filled.push_str(fallback),
            (None, None) => missing.push(format!("`{path}` reads the environment variable `{name}`, which is not set")),
        }
        rest = &rest[start + length + 1..];
    }
    filled.push_str(rest);
    (filled, whole)
}

/// A number, a truth value or null as JSON writes them, and text otherwise: `30` is a number and `007` is not.
pub fn scalar(text: String) -> Value {
    match serde_json::from_str::<Value>(&text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => value,
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(mut value: Value) -> Result<Value, Vec<String>> {
        let variable = |name: &str| match name {
            "MODEL" => Some("gpt-4o".to_owned()),
            "N" => Some("30".to_owned()),
            "ID" => Some("007".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        put_in(&mut value, &variable).map(|()| value)
    }

    #[test]
    fn variables_are_put_into_values() {
        let filled = check(
            json!({ "a": "${MODEL}", "b": "${N}", "c": "${ID}", "d": "x-${N}-y", "e": "${NONE:-z}", "f": "$${MODEL}", "g": "${EMPTY:-z}", "h": ["${N}"] }),
        );
        assert_eq!(filled, Ok(json!({ "a": "gpt-4o", "b": 30, "c": "007", "d": "x-30-y", "e": "z", "f": "${MODEL}", "g": "z", "h": [30] })));
    }

    #[test]
    fn every_missing_variable_is_told_with_its_place() {
        let missing = check(json!({ "serving": { "default": { "model": "${NONE}" } }, "steps": [{ "x": "a ${NEITHER}" }] })).unwrap_err();
        assert_eq!(
            missing,
            [
                "`serving.default.model` reads the environment variable `NONE`, which is not set",
                "`steps.1.x` reads the environment variable `NEITHER`, which is not set",
            ]
        );
    }

    #[test]
    fn what_is_not_set_leaves_nothing_and_the_rest_stands() {
        let mut value = json!({ "a": "${NOBODY}-${NONE}", "b": ["${NOBODY}", "${MODEL}"], "c": { "d": "${NOBODY:-5}" } });
        let unset = put_in_where_set(&mut value, &|name| (name == "MODEL").then(|| "m".to_owned()));
        assert_eq!(value, json!({ "a": null, "b": ["${NOBODY}", "m"], "c": { "d": 5 } }));
        assert_eq!(unset.iter().map(|(place, _)| place.as_str()).collect::<Vec<_>>(), ["a", "a", "b.1"]);
        assert_eq!(unset[2].1, "`b.1` reads the environment variable `NOBODY`, which is not set");
    }
}
