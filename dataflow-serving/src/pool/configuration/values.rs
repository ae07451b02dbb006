//! The values of a YAML text, with its variables put in.

use std::collections::HashSet;

use dataflow_core::variables::put_in_where_set;
use serde_json::Value;

/// What a text says, as far as it can be said.
#[derive(Debug)]
pub(super) struct Values {
    pub value: Value,
    /// What is wrong with values in whose places nothing stands now.
    pub problems: Vec<String>,
    /// Those places.
    pub places: HashSet<String>,
}

impl From<Value> for Values {
    fn from(value: Value) -> Self {
        Self { value, problems: Vec::new(), places: HashSet::new() }
    }
}

impl Values {
    /// Reads a text. Where a variable is not set, or a number is none, nothing stands, so that the rest can be looked at; a text that is no YAML is an error.
    pub fn of_text(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let yaml: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| vec![with_line(&error, text)])?;
        let mut values = Self::from(Value::Null);
        values.find_endless(&yaml, "");
        let mut value = serde_json::to_value(yaml).map_err(|error| vec![error.to_string()])?;
        for (place, problem) in put_in_where_set(&mut value, variable) {
            values.problems.push(problem);
            values.places.insert(place);
        }
        Ok(Self { value, ..values })
    }

    /// YAML has numbers that JSON has not.
    fn find_endless(&mut self, yaml: &serde_yaml::Value, place: &str) {
        match yaml {
            serde_yaml::Value::Number(number) if number.as_f64().is_some_and(|number| !number.is_finite()) => {
                self.problems.push(format!("`{place}` should be a finite number, found `{number}`"));
                self.places.insert(place.to_owned());
            }
            serde_yaml::Value::Sequence(items) => {
                items.iter().enumerate().for_each(|(index, item)| self.find_endless(item, &below(place, &(index + 1).to_string())));
            }
            serde_yaml::Value::Mapping(fields) => {
                for (name, field) in fields {
                    self.find_endless(field, &below(place, name.as_str().unwrap_or_default())); // another key holds no number that is looked at
                }
            }
            _ => {}
        }
    }
}

/// The words of an error, with the line of a key at the top that stands there twice: the library has no place for it.
fn with_line(error: &serde_yaml::Error, text: &str) -> String {
    let told = error.to_string();
    let key = told.strip_prefix("duplicate entry with key \"").and_then(|rest| rest.strip_suffix('"'));
    let is_of = |line: &str, key: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
    let second = key.and_then(|key| text.lines().enumerate().filter(|(_, line)| is_of(line, key)).nth(1));
    second.map_or(told.clone(), |(line, _)| format!("{told} at line {}", line + 1))
}

fn below(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}
