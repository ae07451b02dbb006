//! Values within a cell of lists or records, or within its JSON.

use std::borrow::Cow;

use serde_json::Value;

/// The text of a nested value, as the text of a cell of its own would be: a number's digits, a list's or a record's JSON; `None` for a null.
///
/// Where one row has a text in this place, a reader makes texts of the numbers of all. What becomes of a number may therefore not differ from what becomes of its text.
pub(crate) fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// A list or a record whose JSON is a text, as a reader makes one where other rows have a text in this place; any other value as it is.
pub(crate) fn unfolded(value: Value) -> Value {
    let Value::String(text) = &value else { return value };
    if !text.trim_start().starts_with(['[', '{']) {
        return value;
    }
    serde_json::from_str(text).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_the_text_that_its_cell_would_be() {
        let texts = [json!("a \"b\""), json!(2), json!(2.5), json!(true), json!([1, "a"]), json!(null)];
        let texts = texts.each_ref().map(text_of);
        assert_eq!(texts.each_ref().map(Option::as_deref), [Some("a \"b\""), Some("2"), Some("2.5"), Some("true"), Some(r#"[1,"a"]"#), None]);
    }

    #[test]
    fn texts_that_are_no_lists_and_no_records_stay_texts() {
        assert_eq!(unfolded(json!(r#"{"a": [1]}"#)), json!({ "a": [1] }));
        for value in [json!("12"), json!("\"a\""), json!("[x"), json!(5), json!(null)] {
            assert_eq!(unfolded(value.clone()), value);
        }
    }
}
