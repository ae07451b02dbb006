//! Amounts of memory as people write them.

use std::borrow::Cow;
use std::fmt;

use dataflow_core::private::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A number of bytes, written as a number or as text such as `64MB`, `1.5GB` or `512KiB`.
///
/// ```
/// use dataflow_operators::byte_size::ByteSize;
/// assert_eq!("64MB".parse(), Ok(ByteSize::from(64_000_000)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The number.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl From<u64> for ByteSize {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

/// The units, and how many bytes each has.
const UNITS: [(&str, f64); 10] = [
    ("", 1.0),
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("tib", 1_099_511_627_776.0),
];

const EXPECTED: &str = "a number of bytes, or a text such as `64MB` or `1GB`";

impl std::str::FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.trim().to_ascii_lowercase();
        let (number, unit) = plain.split_at(plain.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(plain.len()));
        let number = number.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        let unit = UNITS.iter().find(|(name, _)| *name == unit);
        match (number, unit) {
            (Some(number), Some((_, bytes))) => Ok(Self((number * bytes) as u64)),
            _ => Err(format!("expected {EXPECTED}, found `{text}`")),
        }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = ByteSize;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(EXPECTED)
            }

            fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(written: serde_json::Value) -> Result<u64, String> {
        serde_json::from_value::<ByteSize>(written).map(ByteSize::bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn bytes_are_a_number_or_a_text_with_a_unit() {
        for (written, bytes) in
            [(json!(5), 5), (json!("5"), 5), (json!("64MB"), 64_000_000), (json!("1 GB"), 1_000_000_000), (json!("1.5kb"), 1_500), (json!("2MiB"), 2_097_152)]
        {
            assert_eq!(read(written.clone()), Ok(bytes), "{written}");
        }
        assert_eq!(serde_json::to_value(ByteSize(7)).unwrap(), json!(7));
    }

    #[test]
    fn what_is_no_amount_of_bytes_is_refused() {
        assert_eq!(read(json!("64 apples")).unwrap_err(), "expected a number of bytes, or a text such as `64MB` or `1GB`, found `64 apples`");
        let negative = read(json!(-1)).unwrap_err();
        assert_eq!(negative, "invalid type: integer `-1`, expected a number of bytes, or a text such as `64MB` or `1GB`");
        assert!(read(json!("-1MB")).is_err() && read(json!("MB")).is_err() && read(json!("infMB")).is_err());
    }
}
