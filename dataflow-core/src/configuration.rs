//! Reads values of configuration files as far as they can be read, and tells all that is wrong with them by its place.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::error::{Error, Result};
use crate::registry;

/// What is wrong with something that was written, all of it told at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Where it stands, such as a file; empty where that is plain.
    pub of: String,
    /// What cannot be used; each with its hint, if it has one, in a line that begins with `hint: `.
    pub problems: Vec<String>,
    /// What could be, and may be why another thing is missed.
    pub warnings: Vec<String>,
}

impl Faults {
    /// The same, within something else.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        Self { of: if self.of.is_empty() { place.to_owned() } else { format!("{place}: {}", self.of) }, ..self }
    }

    /// The same, where each says itself where it stands.
    #[must_use]
    pub fn apart(self) -> Self {
        let of = self.of.clone();
        let apart = Self { of: String::new(), ..self };
        if of.is_empty() { apart } else { apart.map(|text| format!("{of}: {text}")) }
    }

    /// The same in other words.
    #[must_use]
    pub fn map(self, words: impl Fn(String) -> String) -> Self {
        Self { problems: self.problems.into_iter().map(&words).collect(), warnings: self.warnings.into_iter().map(&words).collect(), ..self }
    }

    /// These, and those of others that are not among them.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        let (mut all, others) = (self.apart(), others.apart());
        for (texts, others) in [(&mut all.problems, others.problems), (&mut all.warnings, others.warnings)] {
            for text in others {
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
        }
        all
    }

    /// A line for each, those of warnings marked.
    pub fn told(&self) -> Vec<String> {
        self.problems.iter().cloned().chain(self.warnings.iter().map(|warning| format!("warning: {warning}"))).collect()
    }
}

impl From<Vec<String>> for Faults {
    fn from(problems: Vec<String>) -> Self {
        Self { problems, ..Self::default() }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.told();
        match (self.of.as_str(), told.as_slice()) {
            ("", _) => formatter.write_str(&told.join("\n")),
            (of, [only]) => write!(formatter, "{of}: {only}"),
            (of, _) => {
                let problems = self.problems.len();
                write!(formatter, "{of}: {problems} problem{}", if problems == 1 { "" } else { "s" })?;
                told.iter().try_for_each(|text| write!(formatter, "\n  {}", text.replace('\n', "\n    ")))
            }
        }
    }
}

/// Something that stands at a place and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The place, with dots between keys.
    pub place: String,
    /// What was expected and what was found.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Unread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(formatter, "\nhint: {hint}"))
    }
}

/// Reads what stands at a place, which is empty for the top; what of it is wrong is told, and is as if it were not there. `None` where nothing can be read then.
///
/// # Examples
///
/// ```
/// use serde_json::{from_value, json};
///
/// #[derive(Debug, serde::Deserialize)]
/// #[serde(default)]
/// struct Limits {
///     rows: u64,
///     name: String,
/// }
/// # impl Default for Limits {
/// #     fn default() -> Self { Self { rows: 10, name: "all".into() } }
/// # }
///
/// let (limits, unread) = dataflow_core::configuration::read::<Limits>("limits", json!({ "rows": "many", "name": "some" }));
/// assert_eq!(unread[0].message, "`limits.rows` should be a whole number from 0 on, found `many`");
/// assert_eq!(limits.map(|limits| (limits.rows, limits.name)), Some((10, "some".into())));
/// ```
pub fn read<T: DeserializeOwned>(place: &str, mut value: Value) -> (Option<T>, Vec<Unread>) {
    let mut unread = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(read) => return (Some(read), unread),
            Err(error) => error,
        };
        let is_item = matches!(error.path().iter().next_back(), Some(Segment::Seq { .. }));
        let told = |place: String, found: &Value| unread_at(place, found, is_item, &error.inner().to_string());
        match take_out(&mut value, error.path()) {
            Some((way, found)) => unread.push(told(if place.is_empty() { way } else { format!("{place}.{way}") }, &found)),
            None if unread.is_empty() => return (None, vec![told(place.to_owned(), &value)]),
            None => return (None, unread),
        }
    }
}

/// Reads the parameters of an operator.
///
/// # Errors
/// All of them that cannot be read.
pub fn parameters<T: DeserializeOwned>(given: Value) -> Result<T> {
    match read("", given) {
        (Some(read), unread) if unread.is_empty() => Ok(read),
        (_, unread) => Err(Error::Faults(unread.iter().map(ToString::to_string).collect::<Vec<_>>().into())),
    }
}

/// Takes out the last key of a path; gives the way to it, and what stood there.
fn take_out(value: &mut Value, path: &Path) -> Option<(String, Value)> {
    let segments: Vec<&Segment> = path.iter().collect();
    let last = segments.iter().rposition(|segment| matches!(segment, Segment::Map { .. }))?;
    let mut at = value;
    for segment in &segments[..last] {
        at = match segment {
            Segment::Map { key } => at.get_mut(key)?,
            Segment::Seq { index } => at.get_mut(*index)?,
            _ => return None,
        };
    }
    let found = at.as_object_mut()?.shift_remove(&segments[last].to_string())?;
    let way = segments[..=last].iter().map(|segment| match segment {
        Segment::Seq { index } => (index + 1).to_string(),
        key => key.to_string(),
    });
    Some((way.collect::<Vec<_>>().join("."), found))
}

/// What a place should hold and what it holds, or that one of its items is wrong, of the words of the library.
fn unread_at(place: String, found: &Value, is_item: bool, error: &str) -> Unread {
    let is_of_whole = !is_item;
    let secret = is_secret(&place) || holds_secret(found);
    if let (Some((_, wanted)), Some(text)) = (error.strip_prefix("unknown variant `").and_then(|error| error.split_once("`, expected ")), found.as_str()) {
        return Unread { message: format!("`{place}` should be {wanted}, found `{text}`"), place, hint: nearest_variant(error) };
    }
    let error = if secret && !is_of_whole { "one of its items cannot be read" } else { error };
    let Some((_, wanted)) = error.rsplit_once(", expected ").filter(|_| is_of_whole && error.starts_with("invalid ")) else {
        let message = if place.is_empty() { error.to_owned() } else { format!("`{place}`: {error}") };
        return Unread { message, place, hint: None };
    };
    let wanted = match wanted {
        "usize" | "u64" | "u32" | "u16" => "a whole number from 0 on",
        "a nonzero usize" | "a nonzero u64" | "a nonzero u32" | "a nonzero u16" => "a whole number from 1 on",
        "i64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" | "path string" => "a text",
        "string or map" => "a name", // of several
        "a sequence" => "a list",
        "a map" => "keys with values",
        wanted if wanted.starts_with("struct ") => "keys with values",
        wanted => wanted,
    };
    let shown = match found {
        // Never shown.
        found if secret => match found {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "keys with values",
        }
        .to_owned(),
        Value::String(text) if is_quoted(text, wanted) => format!("the text `{text}`"),
        Value::String(text) => format!("`{text}`"),
        found => format!("`{found}`"),
    };
    let hint = match wanted {
        "a text" if found.is_number() || found.is_boolean() => Some("put it in quotes"),
        "a list" if found.is_string() => Some("put it in brackets, `[…]`"),
        _ if !secret && found.as_str().is_some_and(|text| is_quoted(text, wanted)) => Some("leave the quotes out"),
        _ => None,
    };
    Unread { message: format!("`{place}` should be {wanted}, found {shown}"), place, hint: hint.map(str::to_owned) }
}

/// Whether a text would be what is wanted if it had no quotes.
fn is_quoted(text: &str, wanted: &str) -> bool {
    match wanted {
        "a whole number" => text.parse::<i64>().is_ok(),
        "a whole number from 0 on" | "a whole number from 1 on" => text.parse::<u64>().is_ok(),
        "a number" => text.parse::<f64>().is_ok_and(f64::is_finite),
        "`true` or `false`" => text.parse::<bool>().is_ok(),
        _ => false,
    }
}

/// The hint that names what was meant, of the library's error for a text that is none of those that it may be.
pub fn nearest_variant(error: &str) -> Option<String> {
    let (found, expected) = error.strip_prefix("unknown variant `")?.split_once("`, expected ")?;
    registry::nearest(found, expected.split('`').skip(1).step_by(2)).map(|near| format!("did you mean `{near}`?"))
}

/// Whether a place, or a key, is of something that nobody should see.
fn is_secret(place: &str) -> bool {
    ["password", "api_key", "api_keys", "admin_key"].iter().any(|secret| place.ends_with(secret))
}

fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| is_secret(key) || holds_secret(value)),
        Value::Array(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Section {
        rows: u64,
        names: Vec<String>,
        password: Option<String>,
        below: BTreeMap<String, Section>,
    }

    #[test]
    fn what_is_wrong_is_left_out_and_told_by_its_place() {
        let value = json!({ "rows": -1, "names": ["a", 5], "password": 12345, "below": { "x": { "rows": 2, "names": "b" }, "y": 3 } });
        let (section, unread) = read::<Section>("top", value);
        let below = BTreeMap::from([("x".to_owned(), Section { rows: 2, ..Section::default() })]);
        assert_eq!(section, Some(Section { below, ..Section::default() }));
        let told: Vec<String> = unread.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "`top.rows` should be a whole number from 0 on, found `-1`",
                "`top.names`: invalid type: integer `5`, expected a string",
                "`top.password` should be a text, found a number\nhint: put it in quotes",
                "`top.below.x.names` should be a list, found `b`\nhint: put it in brackets, `[…]`",
                "`top.below.y` should be keys with values, found `3`",
            ]
        );
        let (_, unread) = read::<Section>("top", json!({ "below": { "x": [{ "password": "s3cret" }] } }));
        assert_eq!(unread[0].to_string(), "`top.below.x`: one of its items cannot be read");
        let (_, unread) = read::<Vec<String>>("gateway.api_keys", json!([51535]));
        assert_eq!(unread[0].to_string(), "`gateway.api_keys`: one of its items cannot be read");
        let (_, unread) = read::<Section>("top", json!({ "rows": "10" }));
        assert_eq!(unread[0].to_string(), "`top.rows` should be a whole number from 0 on, found the text `10`\nhint: leave the quotes out");
        let (nothing, unread) = read::<Section>("top", json!(7));
        assert_eq!((nothing, unread[0].message.as_str()), (None, "`top` should be keys with values, found `7`"));
    }
}
