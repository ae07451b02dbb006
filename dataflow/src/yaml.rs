//! Reads YAML as values that JSON has too.

use serde_json::Value;
use serde_yaml::Value as Yaml;

/// The value that a text holds.
///
/// # Errors
/// What is wrong with the text, and numbers that JSON does not have, of which it would make null.
pub(crate) fn value_of(text: &str) -> Result<Value, String> {
    let yaml: Yaml = serde_yaml::from_str(text).map_err(|error| plain(&error.to_string()))?;
    all_finite(&yaml, "")?;
    serde_json::to_value(yaml).map_err(|error| error.to_string())
}

/// The reader's words, or plainer ones for a whole number that does not fit into 64 bits.
fn plain(error: &str) -> String {
    let huge = || {
        let (place, rest) = error.split_once("invalid type: integer `")?;
        let (number, rest) = rest.split_once('`')?;
        let line = rest.strip_prefix(" as u128, ").or_else(|| rest.strip_prefix(" as i128, "))?.strip_prefix("expected any YAML value")?;
        Some(format!(
            "{place}`{number}` is beyond the whole numbers that can be read, {} to {}{line}\nhint: put it in quotes if it is a text, and leave it out where there is no bound",
            i64::MIN,
            u64::MAX
        ))
    };
    huge().unwrap_or_else(|| error.to_owned())
}

fn all_finite(yaml: &Yaml, place: &str) -> Result<(), String> {
    let within = |key: String| if place.is_empty() { key } else { format!("{place}.{key}") };
    match yaml {
        Yaml::Number(number) if number.as_f64().is_some_and(|number| !number.is_finite()) => {
            Err(format!("`{place}` should be a finite number, found `{number}`\nhint: leave it out where there is no bound"))
        }
        Yaml::Sequence(items) => (1..).zip(items).try_for_each(|(number, item): (usize, _)| all_finite(item, &within(number.to_string()))),
        Yaml::Mapping(entries) => entries.iter().try_for_each(|(key, value)| all_finite(value, &within(key.as_str().unwrap_or("…").to_owned()))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_that_is_too_large_is_told_in_plain_words() {
        for number in ["99999999999999999999", "-99999999999999999999"] {
            let told = value_of(&format!("steps:\n- {{operator: A, max: {number}}}")).unwrap_err();
            assert!(told.contains(&format!("`{number}` is beyond the whole numbers that can be read, -9223372036854775808 to ")), "{told}");
        }
    }

    #[test]
    fn a_number_that_json_does_not_have_is_told_with_its_place() {
        assert_eq!(value_of("a: [1, 2.5]").unwrap(), serde_json::json!({ "a": [1, 2.5] }));
        for (written, shown) in [(".nan", ".nan"), (".inf", ".inf"), ("-.inf", "-.inf")] {
            let told = value_of(&format!("steps:\n- {{operator: A}}\n- {{operator: B, min: {written}}}")).unwrap_err();
            assert!(told.starts_with(&format!("`steps.2.min` should be a finite number, found `{shown}`\nhint: ")), "{told}");
        }
    }
}
