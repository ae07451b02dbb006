//! The columns that rules and functions of one's own read and write, as keys of the operator that uses them.

use dataflow_core::key::{ColumnType, Direction, KeyUse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a computed column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ComputedType {
    /// What the expression gives: integers, numbers, truth values or else text.
    #[default]
    Auto,
    /// Text.
    Text,
    /// 64-bit integers.
    Integer,
    /// 64-bit floating point numbers.
    Float,
    /// Truth values.
    Boolean,
}

impl ComputedType {
    pub(super) fn column_type(self) -> ColumnType {
        match self {
            Self::Auto => ColumnType::Inferred,
            Self::Text => ColumnType::Text,
            Self::Integer => ColumnType::Integer,
            Self::Float => ColumnType::Float,
            Self::Boolean => ColumnType::Boolean,
        }
    }
}

/// Adds a column of any type that is read, unless one of the keys names it already, with what its name may have been meant for.
pub(super) fn reads(column: &str, field: &'static str, uses: &mut Vec<KeyUse>, hint: Option<String>) {
    if !uses.iter().any(|known| known.key == column) {
        uses.push(KeyUse { hint, ..key_use(column, field, Direction::Read, ColumnType::Any) });
    }
}

/// Adds a column that is written.
pub(super) fn writes(column: &str, computed: ComputedType, field: &'static str, uses: &mut Vec<KeyUse>) {
    uses.push(key_use(column, field, Direction::Write, computed.column_type()));
}

fn key_use(column: &str, field: &'static str, direction: Direction, column_type: ColumnType) -> KeyUse {
    KeyUse { field: field.into(), key: column.to_owned(), direction, column_type, nullable: true, may_be_missing: false, hint: None }
}
