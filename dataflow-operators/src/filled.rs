//! A text that a model was asked for, and that says something.

use std::borrow::Cow;

use dataflow_core::private::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A text of a JSON reply. A blank one does not fit, so that the model is asked again as if it were not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Filled(String);

impl Filled {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl TryFrom<String> for Filled {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.trim() {
            "" => Err("a text was expected, and it is blank"),
            trimmed if trimmed.len() == text.len() => Ok(Self(text)),
            trimmed => Ok(Self(trimmed.to_owned())),
        }
    }
}

impl JsonSchema for Filled {
    fn schema_name() -> Cow<'static, str> {
        "Filled".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}
