//! Reads the sections of a configuration file, and tells which keys nobody knows.

use std::path::Path;

use dataflow_core::configuration;
use dataflow_core::registry::nearest;
use dataflow_core::variables::put_in_where_set;
use dataflow_core::{Error, Result};
use dataflow_storage::table::{TablePlace, TableSource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::yaml;

/// Whether a problem is told only because what stands at a place could not be read.
pub(super) fn follows(problem: &str, place: &str) -> bool {
    problem.strip_prefix('`').and_then(|problem| problem.strip_prefix(place)).is_some_and(|rest| rest.starts_with(['`', '.']))
}

/// Reads sections, and gathers what is wrong with them and what nobody knows.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// Places that could not be read: what follows from that alone is not told.
    pub(super) unread: Vec<String>,
}

/// The sections and keys at the top, beside those of the kinds of tables.
const TOP: [&str; 16] = [
    "global",
    "gateway",
    "datasource",
    "feishu",
    "columns_to_extract",
    "columns_to_write",
    "validation",
    "models",
    "channels",
    "prompt",
    "routing",
    "budget",
    "error_column",
    "write_errors",
    "cache_path",
    "token_estimation",
];

/// Keys that AI-DataFlux does not have. One of them that is written wrong is an error: the file was written for us, and would do without its budget.
const OURS: [&str; 13] = [
    "budget",
    "tokens",
    "money",
    "error_column",
    "write_errors",
    "cache_path",
    "claim",
    "claim_lease",
    "id_column",
    "memory_limit_mb",
    "sheet",
    "encoding",
    "separator",
];

impl Reading {
    pub(super) fn is_unread(&self, place: &str) -> bool {
        self.unread.iter().any(|unread| unread == place)
    }

    /// Keys at the top that nobody knows. One that is like a key without which nothing can be done is a problem, and the others are warned of.
    pub(super) fn top_level(&mut self, file: &Map<String, Value>, kind: &str) {
        let known: Vec<&str> = TOP.into_iter().chain(TableSource::ALL.map(|(name, _)| name)).collect();
        for key in file.keys().filter(|key| !known.contains(&key.as_str())) {
            let near = nearest(key, known.iter().copied().filter(|known| !file.contains_key(*known)));
            match near {
                Some(near) if near == kind || ["datasource", "columns_to_extract", "columns_to_write", "prompt"].contains(&near) => {
                    self.problems.push(format!("unknown key `{key}`\nhint: did you mean `{near}`?"));
                    self.unread.push(near.to_owned());
                }
                near => self.unknown(key, near),
            }
        }
    }

    /// Tells of a key that nobody knows, and of the one that it is most like.
    fn unknown(&mut self, key: &str, near: Option<&str>) {
        let is_ours = near.is_some_and(|near| OURS.contains(&near)) && !key.starts_with("token_estimation.");
        match near {
            Some(near) if is_ours => self.problems.push(format!("unknown key `{key}`\nhint: did you mean `{near}`?")),
            None if key.starts_with("budget.") => self.problems.push(format!("unknown key `{key}`\nhint: a budget has `tokens` and `money`")),
            Some(near) => self.warnings.push(format!("unknown key `{key}`: did you mean `{near}`?")),
            None => self.warnings.push(format!("unknown key `{key}`")),
        }
    }

    pub(super) fn value<T: DeserializeOwned + Default>(&mut self, file: &Map<String, Value>, name: &str) -> T {
        file.get(name).filter(|value| !value.is_null()).cloned().map_or_else(T::default, |value| self.read(name, value))
    }

    pub(super) fn section<T: DeserializeOwned + Default + Serialize>(&mut self, file: &Map<String, Value>, name: &str) -> T {
        self.section_at(name, file.get(name))
    }

    /// The section that stands at a place.
    pub(super) fn section_at<T: DeserializeOwned + Default + Serialize>(&mut self, place: &str, given: Option<&Value>) -> T {
        let Some(given) = given.filter(|given| !given.is_null()) else { return T::default() };
        if let Ok(known) = serde_json::to_value(T::default()) {
            self.warn_unknown(place, given, &known);
        }
        self.read(place, given.clone())
    }

    /// Keys that the defaults do not have, and those of the sections within.
    fn warn_unknown(&mut self, place: &str, given: &Value, known: &Value) {
        let (Value::Object(given), Value::Object(known)) = (given, known) else { return };
        if known.is_empty() {
            return; // a map whose keys are the user's
        }
        for (key, value) in given {
            if let Some(known) = known.get(key) {
                self.warn_unknown(&format!("{place}.{key}"), value, known);
            } else {
                self.unknown(&format!("{place}.{key}"), nearest(key, known.keys().map(String::as_str)));
            }
        }
    }

    /// The section of a kind of table. What others know there and we do not is left out.
    pub(super) fn place(&mut self, file: &Map<String, Value>, kind: &str) -> TablePlace {
        let Some(Value::Object(given)) = file.get(kind) else { return TablePlace::default() };
        let mut known = given.clone();
        known.retain(|key, _| TablePlace::KEYS.contains(&key.as_str()));
        for key in given.keys().filter(|key| !known.contains_key(*key)) {
            self.unknown(&format!("{kind}.{key}"), nearest(key, TablePlace::KEYS));
        }
        self.read(kind, Value::Object(known))
    }

    /// What a file holds, with its variables put in as far as they are set, and as it stands there.
    pub(super) fn object_of(&mut self, path: &Path) -> Result<(Map<String, Value>, Map<String, Value>)> {
        let shown = path.display();
        let wrong = |message: String| Error::Configuration(format!("{shown}: {message}"));
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound(format!("there is no configuration file {shown}")),
            _ => Error::storage(format!("cannot read {shown}"), error),
        })?;
        let mut value = yaml::value_of(&text).map_err(wrong)?;
        let raw = value.as_object().cloned().unwrap_or_default();
        for (place, problem) in put_in_where_set(&mut value, &|name| std::env::var(name).ok()) {
            self.problems.push(problem);
            self.unread.push(place);
        }
        match value {
            Value::Object(object) => Ok((object, raw)),
            _ => Err(wrong("expected keys and values".into())),
        }
    }

    /// What stands at a place; what of it cannot be read is told, and is as if it were not there.
    fn read<T: DeserializeOwned + Default>(&mut self, place: &str, value: Value) -> T {
        let (read, unread) = configuration::read(place, value);
        self.problems.extend(unread.iter().filter(|unread| !self.unread.contains(&unread.place)).map(ToString::to_string));
        self.unread.extend(unread.into_iter().map(|unread| unread.place));
        read.unwrap_or_default()
    }
}

/// The second over the first: maps are merged, all else is replaced.
pub(super) fn merged(below: Option<&Value>, above: Option<&Value>) -> Value {
    match (below, above) {
        (Some(Value::Object(below)), Some(Value::Object(above))) => {
            let mut both = below.clone();
            for (key, value) in above {
                both.insert(key.clone(), merged(below.get(key), Some(value)));
            }
            Value::Object(both)
        }
        (below, above) => above.or(below).cloned().unwrap_or_default(),
    }
}
