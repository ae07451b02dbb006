//! Texts that are never shown.

use std::fmt;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

const REDACTED: &str = "***";

/// A key or a password: it is neither printed nor written out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the request's header alone.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text in which nothing tells the secret: words that hold it, or begin as it does, are blotted out.
    pub(crate) fn blot_out(&self, text: &str) -> String {
        let secret = self.0.trim();
        if secret.is_empty() {
            return text.to_owned();
        }
        let text = text.replace(secret, REDACTED);
        let Some(beginning) = secret.get(..6).filter(|_| secret.len() >= 12) else { return text };
        // Services like to show the first and the last letters of a key that they refuse.
        let mut blotted = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(beginning) {
            blotted.push_str(&rest[..at]);
            blotted.push_str(REDACTED);
            rest = rest[at..].trim_start_matches(|character: char| character.is_alphanumeric() || matches!(character, '*' | '-' | '_' | '.'));
        }
        blotted.push_str(rest);
        blotted
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

/// A key may look like a number.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Null => Ok(Self::default()),
            // The words are those of serde, and the value is not among them.
            Value::Bool(_) => Err(D::Error::invalid_type(Unexpected::Other("truth value"), &"a text")),
            Value::Array(_) => Err(D::Error::invalid_type(Unexpected::Seq, &"a text")),
            Value::Object(_) => Err(D::Error::invalid_type(Unexpected::Map, &"a text")),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_neither_printed_nor_written() {
        let secret = Secret::from("sk-abcdefghijklmnop");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }

    #[test]
    fn a_message_that_shows_the_key_or_its_ends_is_blotted_out() {
        let secret = Secret::from("sk-abcdefghijklmnop");
        assert_eq!(secret.blot_out("key sk-abcdefghijklmnop is wrong"), "key *** is wrong");
        assert_eq!(secret.blot_out("key sk-abc****mnop, is wrong"), "key ***, is wrong");
        assert_eq!(secret.blot_out("nothing here"), "nothing here");
        assert_eq!(Secret::default().blot_out("nothing here"), "nothing here");
    }
}
