//! What stands between the fields of a table of text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What stands between the fields of a csv: one character of ASCII, or `tab`.
///
/// ```
/// use dataflow_storage::Separator;
/// assert!(";".parse::<Separator>().is_ok());
/// assert!("; ".parse::<Separator>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Separator(u8);

impl Separator {
    /// Those that files have, by whatever name.
    const COMMON: [Self; 4] = [Self(b','), Self(b';'), Self(b'\t'), Self(b'|')];

    pub(crate) const fn of(byte: u8) -> Self {
        Self(byte)
    }

    pub(crate) fn byte(self) -> u8 {
        self.0
    }

    /// One that stands in a text.
    pub(crate) fn in_text(text: &str) -> Option<Self> {
        Self::COMMON.into_iter().find(|separator| text.as_bytes().contains(&separator.0))
    }
}

impl FromStr for Separator {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.as_bytes() {
            b"tab" | b"\\t" => Ok(Self(b'\t')),
            [separator] if separator.is_ascii_punctuation() && *separator != b'"' || matches!(separator, b'\t' | b' ') => Ok(Self(*separator)),
            _ => Err(format!("should be one character, such as `;` or `tab`, found `{name}`")),
        }
    }
}

impl TryFrom<String> for Separator {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<Separator> for String {
    fn from(separator: Separator) -> Self {
        separator.to_string()
    }
}

/// As a pipeline file has it.
impl fmt::Display for Separator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == b'\t' { formatter.write_str("tab") } else { write!(formatter, "{}", char::from(self.0)) }
    }
}
