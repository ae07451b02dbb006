//! The columns of operators that write several scores under fixed names.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use dataflow_core::key::{ColumnType, Direction, KeyField, KeyUse};
use dataflow_core::private::schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The scores of one measure.
pub trait ScoreNames: 'static {
    /// What the columns' names begin with in DataFlow.
    const PREFIX: &'static str;
    /// What follows it, a column each.
    const NAMES: &'static [&'static str];
}

/// Where several scores go: what the names of their columns begin with.
pub struct ScoreColumns<N> {
    prefix: String,
    names: PhantomData<fn() -> N>,
}

impl<N: ScoreNames> ScoreColumns<N> {
    /// The name of each column, in the order of the scores.
    pub fn columns(&self) -> impl Iterator<Item = String> {
        N::NAMES.iter().map(|name| format!("{}{name}", self.prefix))
    }
}

impl<N: ScoreNames> Default for ScoreColumns<N> {
    fn default() -> Self {
        N::PREFIX.into()
    }
}

impl<N> From<&str> for ScoreColumns<N> {
    fn from(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), names: PhantomData }
    }
}

impl<N> Clone for ScoreColumns<N> {
    fn clone(&self) -> Self {
        self.prefix.as_str().into()
    }
}

impl<N> fmt::Debug for ScoreColumns<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.prefix, formatter)
    }
}

impl<N> Serialize for ScoreColumns<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.prefix.serialize(serializer)
    }
}

impl<'de, N> Deserialize<'de> for ScoreColumns<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|prefix| prefix.as_str().into())
    }
}

impl<N> JsonSchema for ScoreColumns<N> {
    fn schema_name() -> Cow<'static, str> {
        "ScoreColumns".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl<N: ScoreNames> KeyField for ScoreColumns<N> {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        uses.extend(self.columns().map(|key| KeyUse {
            field: field.into(),
            key,
            direction: Direction::Write,
            column_type: ColumnType::Float,
            nullable: false,
            may_be_missing: false,
            hint: None,
        }));
    }
}
