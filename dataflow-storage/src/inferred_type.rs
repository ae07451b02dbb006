//! What type a column of JSON values has, all of them seen.

use std::collections::HashMap;
use std::fmt;

use polars::prelude::{DataType, Field, Schema};
use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// The message of a number that may be an integer beyond 64 bits, which has to be read again as text.
pub(crate) const MAY_BE_HUGE: &str = "a number beyond 64 bits";

/// A nested object with more keys than this is a map rather than a record, and is kept as JSON text.
const MOST_KEYS: usize = 1000;

/// Keys in order of first appearance, found quickly when they come in that order again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Keys {
    /// Where a key is; `hint` is where it most likely is.
    pub(crate) fn find(&self, key: &str, hint: usize) -> Option<usize> {
        if self.names.get(hint).is_some_and(|name| name == key) {
            return Some(hint);
        }
        self.places.get(key).copied()
    }

    pub(crate) fn push(&mut self, key: &str) -> usize {
        self.names.push(key.to_owned());
        self.places.insert(key.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

/// Everything that was seen in one place.
#[derive(Clone, Debug, Default)]
struct Seen {
    boolean: bool,
    integer: bool,
    negative: bool,
    above_i64: bool,
    inexact: bool, // an integer that no 64-bit floating point number is equal to
    float: bool,
    text: bool,
    items: Option<Box<Seen>>,
    fields: Option<Box<SeenObject>>,
    /// The number of the last object that held it, and whether one held it twice.
    last_object: u64,
    twice: bool,
}

/// The types of an object's fields, all objects seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenObject {
    keys: Keys,
    seen: Vec<Seen>,
    a_map: bool,
    objects: u64,
}

impl SeenObject {
    /// The columns that these objects are rows of. What the user should know is added to `warnings`.
    pub(crate) fn schema(&self, warnings: &mut Vec<String>) -> Schema {
        let columns = self.keys.names().iter().zip(&self.seen);
        columns.map(|(name, seen)| (name.as_str().into(), seen.data_type(name, warnings))).collect()
    }
}

impl Seen {
    fn data_type(&self, place: &str, warnings: &mut Vec<String>) -> DataType {
        if self.twice {
            warnings.push(format!("the key `{place}` is there twice in an object; its last value is read"));
        }
        let kinds = [
            ("truth values", self.boolean),
            ("numbers", self.integer || self.float),
            ("text", self.text),
            ("lists", self.items.is_some()),
            ("objects", self.fields.is_some()),
        ];
        let kinds: Vec<_> = kinds.into_iter().filter(|(_, seen)| *seen).map(|(kind, _)| kind).collect();
        if kinds.len() > 1 {
            warnings.push(format!("column `{place}` holds {}; it is read as text, and what is not text stands in it as JSON", kinds.join(" and ")));
            return DataType::String;
        }
        match self {
            Self { boolean: true, .. } => DataType::Boolean,
            Self { text: true, .. } => DataType::String,
            Self { float: true, inexact: true, .. } => {
                warnings.push(format!("column `{place}` holds fractions and integers too large to be exact as floating point numbers; it is read as text"));
                DataType::String
            }
            Self { float: true, .. } => DataType::Float64,
            Self { above_i64: true, negative: true, .. } => DataType::Int128,
            Self { above_i64: true, .. } => DataType::UInt64,
            Self { integer: true, .. } => DataType::Int64,
            Self { items: Some(items), .. } => DataType::List(Box::new(items.data_type(&format!("{place}[]"), warnings))),
            Self { fields: Some(fields), .. } if fields.a_map => {
                warnings.push(format!("column `{place}` holds objects with more than {MOST_KEYS} different keys; they are read as JSON text"));
                DataType::String
            }
            Self { fields: Some(fields), .. } if fields.keys.len() == 0 => DataType::Struct(Vec::new()),
            Self { fields: Some(fields), .. } => {
                let fields = fields.keys.names().iter().zip(&fields.seen);
                DataType::Struct(fields.map(|(name, seen)| Field::new(name.as_str().into(), seen.data_type(&format!("{place}.{name}"), warnings))).collect())
            }
            _ => DataType::Null,
        }
    }

    fn see_integer(&mut self, value: i128) {
        self.integer = true;
        self.negative |= value < 0;
        self.above_i64 |= value > i128::from(i64::MAX);
        self.inexact |= value as f64 as i128 != value;
    }
}

/// Sees one row: an object, whose fields are the row's cells.
pub(crate) struct SeeRow<'a> {
    pub(crate) seen: &'a mut SeenObject,
    /// Whether a number that may be an integer beyond 64 bits is refused with [`MAY_BE_HUGE`].
    pub(crate) refuse_huge: bool,
}

impl<'de> DeserializeSeed<'de> for SeeRow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self) // and not deserialize_map, which would let an array be told as "invalid type: sequence"
    }
}

impl<'de> Visitor<'de> for SeeRow<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        see_fields(self.seen, map, self.refuse_huge, usize::MAX)
    }
}

fn see_fields<'de, A: MapAccess<'de>>(object: &mut SeenObject, mut map: A, refuse_huge: bool, most: usize) -> Result<(), A::Error> {
    let mut hint = 0;
    object.objects += 1;
    while let Some(place) = map.next_key_seed(SeeKey { keys: &mut object.keys, hint, most })? {
        let Some(place) = place else {
            object.a_map = true;
            map.next_value::<serde::de::IgnoredAny>()?;
            continue;
        };
        if place == object.seen.len() {
            object.seen.push(Seen::default());
        }
        let seen = &mut object.seen[place];
        seen.twice |= std::mem::replace(&mut seen.last_object, object.objects) == object.objects;
        map.next_value_seed(SeeCell { seen, refuse_huge })?;
        hint = place + 1;
    }
    Ok(())
}

struct SeeKey<'a> {
    keys: &'a mut Keys,
    hint: usize,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for SeeKey<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for SeeKey<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let known = self.keys.find(key, self.hint);
        Ok(known.or_else(|| (self.keys.len() < self.most).then(|| self.keys.push(key))))
    }
}

struct SeeCell<'a> {
    seen: &'a mut Seen,
    refuse_huge: bool,
}

impl<'de> DeserializeSeed<'de> for SeeCell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SeeCell<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.seen.boolean = true;
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.seen.see_integer(value.into());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.seen.see_integer(value.into());
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        if self.refuse_huge && may_be_huge(value) {
            return Err(E::custom(MAY_BE_HUGE));
        }
        self.seen.float = true;
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.seen.text = true;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let seen = self.seen.items.get_or_insert_default();
        while items.next_element_seed(SeeCell { seen, refuse_huge: self.refuse_huge })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        see_fields(self.seen.fields.get_or_insert_default(), map, self.refuse_huge, MOST_KEYS)
    }
}

/// Makes strings of the integers that 64 bits do not hold, so that no digit of them is lost.
pub(crate) fn quote_huge_integers(json: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(json.len() + 16);
    let mut at = 0;
    while at < json.len() {
        let length = match json[at] {
            b'"' => string_length(&json[at..]),
            b'-' | b'0'..=b'9' => json[at..].iter().take_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count(),
            _ => 1,
        };
        let token = &json[at..at + length];
        let huge = matches!(token[0], b'-' | b'0'..=b'9')
            && std::str::from_utf8(token).is_ok_and(|text| {
                let digits = text.trim_start_matches('-');
                digits.len() > 18
                    && !digits.starts_with('0')
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
                    && text.parse::<i64>().is_err()
                    && text.parse::<u64>().is_err()
            });
        if huge {
            quoted.push(b'"');
        }
        quoted.extend_from_slice(token);
        if huge {
            quoted.push(b'"');
        }
        at += length;
    }
    quoted
}

/// The length of the JSON string that begins here, its quotes included.
fn string_length(json: &[u8]) -> usize {
    let mut at = 1;
    while at < json.len() {
        match json[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    json.len()
}

/// Whether a number may be an integer beyond 64 bits, of which a JSON reader makes a floating point number.
pub(crate) fn may_be_huge(value: f64) -> bool {
    value >= 18_446_744_073_709_551_616.0 || value <= -9_223_372_036_854_775_808.0 // the last rounds up from what is below an i64
}

/// Whether an error is that of a number that has to be read again as text.
pub(crate) fn is_maybe_huge(error: &serde_json::Error) -> bool {
    error.is_data() && error.to_string().starts_with(MAY_BE_HUGE)
}

/// An error of the JSON reader in a record, without its line, which is always 1 as each record is read alone.
pub(crate) fn message_of(error: &serde_json::Error, record: &[u8]) -> String {
    let text = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    let plain = |message: &str| match message {
        "unexpected end of hex escape" | "lone leading surrogate in hex escape" => {
            "half of a character, such as `\\ud83d` without the `\\u…` that ends it".to_owned()
        }
        "number out of range" => "a number beyond 1.8e308, the largest that can be read, which should be null or a text,".to_owned(),
        other => match no_number(error, record) {
            Some(found) => format!("`{found}`, which Python's `json.dumps` writes without `allow_nan=False`, is no JSON and should be null,"),
            None => other.to_owned(),
        },
    };
    match text.strip_suffix(&suffix).map(plain) {
        Some(message) if error.column() > 0 => format!("{message} at column {}", error.column()),
        Some(message) => message,
        None => text,
    }
}

/// What Python writes for numbers that JSON does not have, where a record has it at the place of an error.
fn no_number(error: &serde_json::Error, record: &[u8]) -> Option<&'static str> {
    let line = record.split(|byte| *byte == b'\n').nth(error.line().checked_sub(1)?)?;
    let near =
        |found: &&str| (error.column().saturating_sub(2)..=error.column()).any(|from| line.get(from..).is_some_and(|rest| rest.starts_with(found.as_bytes())));
    ["NaN", "-Infinity", "Infinity"].into_iter().find(near)
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn check(rows: &[&str]) -> String {
        let mut seen = SeenObject::default();
        for row in rows {
            let first = SeeRow { seen: &mut seen, refuse_huge: true }.deserialize(&mut serde_json::Deserializer::from_str(row));
            if first.is_err_and(|error| is_maybe_huge(&error)) {
                let quoted = quote_huge_integers(row.as_bytes());
                SeeRow { seen: &mut seen, refuse_huge: false }.deserialize(&mut serde_json::Deserializer::from_slice(&quoted)).unwrap();
            }
        }
        let mut warnings = Vec::new();
        let schema = seen.schema(&mut warnings);
        let columns = schema.iter().map(|(name, data_type)| format!("{name}: {data_type:?}"));
        columns.chain(warnings.into_iter().map(|warning| format!("! {warning}"))).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn types_are_unified_over_all_rows() {
        assert_snapshot!(check(&[
            r#"{"i": 1, "f": 1, "u": 18446744073709551615, "w": -1, "t": "007", "n": null}"#,
            r#"{"i": -1, "f": 0.5, "u": 0, "w": 18446744073709551615, "late": [{"a": 1}, {"b": [null]}]}"#,
        ]), @r"
        i: Int64
        f: Float64
        u: UInt64
        w: Int128
        t: String
        n: Null
        late: List(Struct({'a': Int64, 'b': List(Null)}))
        ");
    }

    #[test]
    fn what_cannot_be_one_type_is_text_and_is_told() {
        assert_snapshot!(check(&[
            r#"{"x": 1, "f": 9007199254740993, "deep": [{"y": true}], "huge": 1}"#,
            r#"{"x": "a", "f": 0.5, "deep": [{"y": []}], "huge": 123456789012345678901234567890}"#,
        ]), @r"
        x: String
        f: String
        deep: List(Struct({'y': String}))
        huge: String
        ! column `x` holds numbers and text; it is read as text, and what is not text stands in it as JSON
        ! column `f` holds fractions and integers too large to be exact as floating point numbers; it is read as text
        ! column `deep[].y` holds truth values and lists; it is read as text, and what is not text stands in it as JSON
        ! column `huge` holds numbers and text; it is read as text, and what is not text stands in it as JSON
        ");
    }

    #[test]
    fn only_integers_beyond_64_bits_are_quoted() {
        let json = r#"{"a":18446744073709551616,"b":18446744073709551615,"c":1e30,"d":"18446744073709551616\"","e":[-9223372036854775809]}"#;
        assert_snapshot!(String::from_utf8(quote_huge_integers(json.as_bytes())).unwrap(),
            @r#"{"a":"18446744073709551616","b":18446744073709551615,"c":1e30,"d":"18446744073709551616\"","e":["-9223372036854775809"]}"#);
    }
}
