//! Names of columns, typed: the only way in which an operator can name what it reads and writes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use polars::prelude::{DataType, Field};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::cell::Cell;

/// What the cells of a column hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text; a plain number, date or truth value is read as its text, a list or a record as its JSON text.
    Text,
    /// 64-bit integers.
    Integer,
    /// 64-bit floating point numbers; integers are read as such.
    Float,
    /// Truth values.
    Boolean,
    /// Anything.
    Any,
    /// Lists of one type.
    List(Box<ColumnType>),
    /// Conversations: lists of `{role, content}`.
    Messages,
    /// Lists of numbers, or such lists as JSON text, as a csv file holds them.
    Vector,
    /// Of a column that is written: text, integers, floats or truth values, as the operator gives for a batch without rows.
    Inferred,
}

impl ColumnType {
    /// The data type of a column that is written with this type.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Text | Self::Any | Self::Inferred => DataType::String,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Vector => DataType::List(Box::new(DataType::Float64)),
            Self::Boolean => DataType::Boolean,
            Self::List(inner) => DataType::List(Box::new(inner.data_type())),
            Self::Messages => {
                DataType::List(Box::new(DataType::Struct(vec![Field::new("role".into(), DataType::String), Field::new("content".into(), DataType::String)])))
            }
        }
    }

    /// The type of a column that is inferred to hold what `found` does.
    pub fn inferred_from(found: &DataType) -> Self {
        match found {
            DataType::Boolean => Self::Boolean,
            found if found.is_integer() => Self::Integer,
            found if Self::Float.accepts(found) && !found.is_null() => Self::Float,
            _ => Self::Text,
        }
    }

    /// Whether a column of `found` is read as this type with its lists or records written out as JSON text, as they are in a column that holds text too.
    pub(crate) fn reads_written_out(&self, found: &DataType) -> bool {
        *self == Self::Text && found.is_nested()
    }

    /// Whether what is read as this type is of another type in a column of `found`, as numbers are that are read as text.
    pub(crate) fn writes_out(&self, found: &DataType) -> bool {
        *self == Self::Text && !(found.is_string() || found.is_categorical() || found.is_enum() || found.is_null())
    }

    /// Whether a column of `found` can be read as this type, as it stands. A column of nulls can be read as any.
    pub fn accepts(&self, found: &DataType) -> bool {
        if matches!(found, DataType::Null) {
            return true;
        }
        match self {
            Self::Any | Self::Inferred => true,
            Self::Text => !found.is_nested() && !matches!(found, DataType::Binary),
            Self::Integer => found.is_integer(),
            Self::Float => found.is_primitive_numeric() || matches!(found, DataType::Decimal(..)),
            Self::Boolean => found.is_bool(),
            Self::Vector => found.is_string() || Self::List(Box::new(Self::Float)).accepts(found),
            Self::List(inner) => match found {
                DataType::List(found) | DataType::Array(found, _) => inner.accepts(found),
                _ => false,
            },
            Self::Messages => match found {
                DataType::List(found) => match &**found {
                    DataType::Struct(fields) => ["role", "content"].iter().all(|name| fields.iter().any(|field| field.name() == name)),
                    found => matches!(found, DataType::Null),
                },
                _ => false,
            },
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => formatter.write_str("text"),
            Self::Integer => formatter.write_str("integer"),
            Self::Float => formatter.write_str("float"),
            Self::Boolean => formatter.write_str("boolean"),
            Self::Any => formatter.write_str("any"),
            Self::List(inner) => write!(formatter, "list of {inner}"),
            Self::Messages => formatter.write_str("messages"),
            Self::Vector => formatter.write_str("list of float or its JSON text"),
            Self::Inferred => formatter.write_str("inferred"),
        }
    }
}

/// A marker for the type of a key's cells: [`Text`], [`Integer`], [`Float`], [`Boolean`], [`Any`], [`List`], [`Messages`], [`Vector`].
pub trait CellType: 'static {
    /// What is written to a cell of this type.
    type Value: Into<Cell>;
    /// The type, as a value.
    fn column_type() -> ColumnType;
}

macro_rules! cell_types {
    ($($(#[$doc:meta])* $name:ident => $value:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl CellType for $name {
            type Value = $value;
            fn column_type() -> ColumnType { ColumnType::$name }
        }
    )*};
}

cell_types! {
    /// Text.
    Text => String;
    /// 64-bit integers.
    Integer => i64;
    /// 64-bit floating point numbers.
    Float => f64;
    /// Truth values.
    Boolean => bool;
    /// Cells of any type, read as they are.
    Any => String;
    /// Conversations: lists of `{role, content}`.
    Messages => Vec<crate::serving::Message>;
    /// Lists of numbers; such lists as JSON text are read as well.
    Vector => Vec<f64>;
}

/// Lists of cells of one type.
#[derive(Clone, Copy, Debug)]
pub struct List<T>(PhantomData<T>);

impl<T: CellType> CellType for List<T>
where
    Vec<T::Value>: Into<Cell>,
{
    type Value = Vec<T::Value>;
    fn column_type() -> ColumnType {
        ColumnType::List(Box::new(T::column_type()))
    }
}

/// What an operator does with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It reads the column.
    Read,
    /// It reads the column and replaces its cells.
    Change,
    /// It writes the column.
    Write,
}

/// One use of one column by one operator.
#[derive(Clone, Debug)]
pub struct KeyUse {
    /// The operator's field that names the column, such as `input_key`.
    pub field: Cow<'static, str>,
    /// The column's name; empty when the user has to give one.
    pub key: String,
    /// What happens to the column.
    pub direction: Direction,
    /// What its cells hold.
    pub column_type: ColumnType,
    /// Whether a row whose cell is null or blank is still worked on.
    pub nullable: bool,
    /// Whether the column may be missing, for one that is read.
    pub may_be_missing: bool,
    /// What its name may have been meant for, told where no column has a name like it.
    pub hint: Option<String>,
}

/// A field of an operator that names columns. The derive macro asks each such field for its uses.
pub trait KeyField {
    /// Appends the columns that this field names.
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>);
}

/// Collects the columns of a key within another, and marks each.
fn collect_marked(key: &impl KeyField, field: &'static str, uses: &mut Vec<KeyUse>, mark: impl FnMut(&mut KeyUse)) {
    let before = uses.len();
    key.collect(field, uses);
    uses[before..].iter_mut().for_each(mark);
}

fn nullable(key: &mut KeyUse) {
    key.nullable = true;
}

macro_rules! single_keys {
    ($($(#[$doc:meta])* $name:ident => $direction:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name<T> {
            key: String,
            cells: PhantomData<fn() -> T>,
        }

        impl<T> $name<T> {
            /// The column's name.
            pub fn as_str(&self) -> &str {
                &self.key
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                self.key.as_str().into()
            }
        }

        impl<T> Default for $name<T> {
            fn default() -> Self {
                "".into()
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.key, formatter)
            }
        }

        impl<T> From<&str> for $name<T> {
            fn from(key: &str) -> Self {
                key.to_owned().into()
            }
        }

        impl<T> From<String> for $name<T> {
            fn from(key: String) -> Self {
                Self { key, cells: PhantomData }
            }
        }

        impl<T> Serialize for $name<T> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.key.serialize(serializer)
            }
        }

        impl<'de, T> Deserialize<'de> for $name<T> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Into::into)
            }
        }

        impl<T> JsonSchema for $name<T> {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }

        impl<T: CellType> KeyField for $name<T> {
            fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
                uses.push(KeyUse {
                    field: field.into(),
                    key: self.key.clone(),
                    direction: Direction::$direction,
                    column_type: T::column_type(),
                    nullable: false,
                    may_be_missing: false,
                    hint: None,
                });
            }
        }
    )*};
}

single_keys! {
    /// The name of a column that is read.
    Input => Read;
    /// The name of a column that is written.
    Output => Write;
    /// The name of a column whose cells are read and replaced.
    InOut => Change;
}

/// A key that the user may leave out. A row whose cell is null is still worked on.
impl<K: KeyField> KeyField for Option<K> {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        if let Some(key) = self {
            collect_marked(key, field, uses, nullable);
        }
    }
}

/// A key that has to be named, and whose cell may be null or blank: the row is worked on all the same.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Nullable<K>(pub K);

impl<K: KeyField> KeyField for Nullable<K> {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        collect_marked(&self.0, field, uses, nullable);
    }
}

impl<K: From<String>> From<&str> for Nullable<K> {
    fn from(key: &str) -> Self {
        Self(key.to_owned().into())
    }
}

/// A key of a column that may be missing: a table without it is one in which it is null. That it is missing is told with a warning.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct IfPresent<K>(pub K);

impl<K: KeyField> KeyField for IfPresent<K> {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        collect_marked(&self.0, field, uses, |key| (key.nullable, key.may_be_missing) = (true, true));
    }
}

impl<K: From<String>> From<&str> for IfPresent<K> {
    fn from(key: &str) -> Self {
        Self(key.to_owned().into())
    }
}

/// A list of keys. Each is checked as a single key is; one null cell among them does not skip the row.
impl<K: KeyField> KeyField for Vec<K> {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        for key in self {
            collect_marked(key, field, uses, nullable);
        }
    }
}

/// Keys by the name under which a prompt knows them, such as `{question: instruction}`.
impl<Key: KeyField> KeyField for BTreeMap<String, Key> {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        for (variable, key) in self {
            collect_marked(key, field, uses, |key| (key.field, key.nullable) = (format!("{field}.{variable}").into(), true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_name_in_a_file() {
        let key: Input<Text> = serde_json::from_str("\"题目\"").unwrap();
        assert_eq!(key.as_str(), "题目");
        assert_eq!(serde_json::to_string(&key).unwrap(), "\"题目\"");
    }

    #[test]
    fn text_reads_plain_values_as_they_stand_and_nested_ones_written_out() {
        assert!(ColumnType::Text.accepts(&DataType::Int64));
        assert!(!ColumnType::Text.accepts(&ColumnType::Messages.data_type()));
        assert!(ColumnType::Text.reads_written_out(&ColumnType::Messages.data_type()));
        assert!(!ColumnType::Text.reads_written_out(&DataType::Binary));
        assert!(ColumnType::Text.writes_out(&DataType::Int64) && !ColumnType::Text.writes_out(&DataType::String));
        assert!(!ColumnType::Text.writes_out(&DataType::Null) && !ColumnType::Float.writes_out(&DataType::Int64));
        assert!(ColumnType::Messages.accepts(&ColumnType::Messages.data_type()));
        assert!(ColumnType::Vector.accepts(&DataType::String) && ColumnType::Vector.accepts(&ColumnType::Vector.data_type()));
        assert!(!ColumnType::Vector.accepts(&DataType::Float64) && !ColumnType::Vector.accepts(&DataType::List(Box::new(DataType::String))));
        assert!(ColumnType::List(Box::new(ColumnType::Text)).accepts(&DataType::List(Box::new(DataType::Null))));
    }

    #[test]
    fn a_key_whose_cell_may_be_null_is_still_only_a_name() {
        let key: Nullable<Input<Text>> = serde_json::from_str("\"gold\"").unwrap();
        let mut uses = Vec::new();
        key.collect("input_gt_answer_key", &mut uses);
        assert_eq!((uses[0].key.as_str(), uses[0].nullable), ("gold", true));
        assert_eq!(serde_json::to_string(&key).unwrap(), "\"gold\"");
        IfPresent::<Input<Text>>::from("gold").collect("input_gt_key", &mut uses);
        assert_eq!((uses[0].may_be_missing, uses[1].may_be_missing), (false, true));
    }

    #[test]
    fn each_key_of_a_list_and_of_a_map_is_told() {
        let mut uses = Vec::new();
        vec![Input::<Text>::from("a"), "b".into()].collect("input_keys", &mut uses);
        BTreeMap::from([("question".to_owned(), Input::<Any>::from("c"))]).collect("input_keys", &mut uses);
        let told: Vec<_> = uses.iter().map(|key| (&*key.field, &*key.key)).collect();
        assert_eq!(told, [("input_keys", "a"), ("input_keys", "b"), ("input_keys.question", "c")]);
    }
}
