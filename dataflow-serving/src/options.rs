//! Reads what a pipeline file says of a serving, and names the nearest key where one is unknown.

use dataflow_core::configuration;
use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads a serving's options; `T` has defaults for all and denies unknown fields.
#[expect(clippy::needless_pass_by_value, reason = "whoever builds a serving gives the value away")]
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(&value).map_err(|error| Error::Configuration(told::<T>(&value, &error.to_string())))
}

/// A serving as a pipeline file has it: its type, and the options that are not what they are by default, `always` among them.
pub(crate) fn spec<T: Serialize + Default>(kind: &str, options: &T, always: &[&str]) -> Map<String, Value> {
    let fields = |options: &T| match serde_json::to_value(options) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(), // plain data always writes
    };
    let defaults = fields(&T::default());
    let told = fields(options).into_iter().filter(|(name, value)| always.contains(&name.as_str()) || defaults.get(name) != Some(value));
    std::iter::once(("type".to_owned(), Value::from(kind))).chain(told).collect()
}

/// What is wrong, by the option's name.
fn told<T: DeserializeOwned>(value: &Value, message: &str) -> String {
    // serde names the unknown field and then all known ones, each in backticks.
    let mut names = message.split('`').skip(1).step_by(2);
    if let (true, Some(unknown)) = (message.starts_with("unknown field"), names.next()) {
        let known: Vec<&str> = names.collect();
        let hint = match nearest(unknown, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
        };
        return format!("there is no option `{unknown}`\nhint: {hint}");
    }
    let (_, unread) = configuration::read::<T>("", value.clone());
    unread.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        temperature: f64,
        model: String,
    }

    #[test]
    fn an_unknown_option_gets_the_nearest_name() {
        let check = |value| read::<Options>(value).unwrap_err().to_string();
        assert_eq!(check(json!({ "temprature": 1 })), "there is no option `temprature`\nhint: did you mean `temperature`?");
        assert_eq!(
            check(json!({ "model": 1, "temperature": "x" })),
            "`model` should be a text, found `1`\n  hint: put it in quotes\n`temperature` should be a number, found `x`"
        );
        assert_eq!(check(json!({ "zzz": 1 })), "there is no option `zzz`\nhint: it has `temperature`, `model`");
    }
}
