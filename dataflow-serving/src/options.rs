//! Reads what a pipeline file says of a serving, and names the nearest key where one is unknown.

use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a serving's options; `T` has defaults for all and denies unknown fields.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| {
        let message = error.to_string();
        // serde names the unknown field and then all known ones, each in backticks.
        let mut names = message.split('`').skip(1).step_by(2);
        match (message.starts_with("unknown field"), names.next()) {
            (true, Some(unknown)) => {
                let known: Vec<&str> = names.collect();
                let hint = match nearest(unknown, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it has {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
                };
                Error::Configuration(format!("there is no option `{unknown}`\nhint: {hint}"))
            }
            _ => Error::Configuration(message),
        }
    })
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
        assert_eq!(check(json!({ "zzz": 1 })), "there is no option `zzz`\nhint: it has `temperature`, `model`");
    }
}
