//! Computes columns by expressions that the user writes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use dataflow_core::key::{ColumnType, Direction, KeyField, KeyUse};
use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Error, Result, operator};
use polars::prelude::{Column, DataFrame, IntoLazy, lit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::core_text::ColumnFunctionName;
use crate::core_text::filter::SqlRule;

/// Writes columns that SQL expressions give, row by row.
///
/// Each entry is a new column, its expression such as `UPPER(title)`, `score * 2` or `CONCAT(question, ' ', answer)`, and the type that the result is
/// brought to, which is text where the expression stands alone. All expressions see the columns as they were before the step. A value that does not fit its type is an error. DataFlow takes Python functions over
/// the whole table here, and this one Rust functions over a batch; what a row cannot tell by itself, such as sorting or joining, is an operator of one's own, and dropping rows is `GeneralFilter`.
///
/// # 中文
///
/// 按 SQL 表达式逐行计算并写入列。每一项是一个新列，包括表达式（如 `UPPER(title)`、`score * 2`、`CONCAT(question, ' ', answer)`）和结果类型；只写表达式时为文本。
/// 所有表达式读取的都是此步之前的列；值与类型不符时报错。DataFlow 在此接受针对整张表的 Python 函数，此处接受针对一批行的 Rust 函数；排序、连接等单行无法完成的处理请自写算子，丢弃行请用 `GeneralFilter`。
#[operator(core_text, refine, Columns)]
#[derive(Default)]
pub struct PandasOperator {
    /// The columns to write, by name. 中文：要写入的列，以列名为键。
    #[keys]
    pub process_fn: ComputedColumns,
    /// Functions of one's own in Rust, by the names that `column_function!` gave them. 中文：自写的 Rust 函数，以 `column_function!` 所给的名称列出。
    #[keys]
    pub process_functions: Vec<ColumnFunctionName>,
}

/// Columns and how each is computed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ComputedColumns(pub BTreeMap<String, ComputedColumn>);

/// How one column is computed; written as an SQL expression alone, it holds text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComputedColumn {
    /// The SQL expression.
    pub sql: SqlRule,
    /// What the column holds.
    pub r#type: ComputedType,
}

/// A computed column with its type.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct Typed {
    /// The SQL expression.
    sql: SqlRule,
    /// What the column holds.
    #[serde(default)]
    r#type: ComputedType,
}

impl<'de> Deserialize<'de> for ComputedColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = ComputedColumn;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an SQL expression such as `UPPER(text)`, or one with its type such as `{sql: LENGTH(text), type: integer}`")
            }

            fn visit_str<E: serde::de::Error>(self, sql: &str) -> Result<ComputedColumn, E> {
                Ok(ComputedColumn { sql: sql.into(), r#type: ComputedType::Text })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ComputedColumn, A::Error> {
                let Typed { sql, r#type } = Typed::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ComputedColumn { sql, r#type })
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for ComputedColumn {
    fn schema_name() -> Cow<'static, str> {
        "ComputedColumn".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [SqlRule::json_schema(generator), Typed::json_schema(generator)] })
    }
}

/// What a computed column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ComputedType {
    /// Text.
    #[default]
    Text,
    /// 64-bit integers.
    Integer,
    /// 64-bit floating point numbers.
    Float,
    /// Truth values.
    Boolean,
}

impl ComputedType {
    pub(in crate::core_text) fn column_type(self) -> ColumnType {
        match self {
            Self::Text => ColumnType::Text,
            Self::Integer => ColumnType::Integer,
            Self::Float => ColumnType::Float,
            Self::Boolean => ColumnType::Boolean,
        }
    }
}

impl KeyField for ComputedColumns {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        for (name, column) in &self.0 {
            column.sql.collect(field, uses);
            let written = (Direction::Write, column.r#type.column_type());
            uses.push(KeyUse { field: field.into(), key: name.clone(), direction: written.0, column_type: written.1, nullable: true });
        }
    }
}

impl Columns for PandasOperator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let mut columns: Vec<Column> = Vec::with_capacity(self.process_fn.0.len());
        for (name, computed) in &self.process_fn.0 {
            let unusable = |wrong: &dyn std::fmt::Display| Error::Data(format!("`process_fn`: `{name}`: {wrong}"));
            let expression = computed.sql.parse().map_err(|wrong| unusable(&wrong))?;
            let typed = expression.strict_cast(computed.r#type.column_type().data_type());
            // An expression without a column has one value; beside a column of all rows it is repeated.
            let rows = lit(frame.height() as u64).alias("rows");
            let found = frame.clone().lazy().with_columns([typed.alias(name.as_str()), rows]).collect().map_err(|error| unusable(&error))?;
            columns.push(found.column(name)?.clone());
        }
        for name in &self.process_functions {
            let function = name.function().map_err(|wrong| Error::Data(format!("`process_functions`: {wrong}")))?;
            columns.extend((function.columns)(frame)?);
        }
        Ok(Changes { columns, ..Changes::default() })
    }

    fn problems(&self) -> Vec<String> {
        if self.process_fn.0.is_empty() && self.process_functions.is_empty() {
            return vec!["`process_fn` is empty, so nothing would be written".into()];
        }
        let wrong = |(name, computed): (&String, &ComputedColumn)| computed.sql.parse().err().map(|wrong| format!("`process_fn`: `{name}`: {wrong}"));
        let functions = self.process_functions.iter().filter_map(|name| name.function().err().map(|wrong| format!("`process_functions`: {wrong}")));
        self.process_fn.0.iter().filter_map(wrong).chain(functions).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{check_frame, conformance, frame_of};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(PandasOperator);

    fn computing(columns: &[(&str, &str, ComputedType)]) -> PandasOperator {
        let column = |(name, sql, r#type): &(&str, &str, ComputedType)| ((*name).to_owned(), ComputedColumn { sql: (*sql).into(), r#type: *r#type });
        PandasOperator { process_fn: ComputedColumns(columns.iter().map(column).collect()), ..Default::default() }
    }

    #[test]
    fn columns_are_computed_of_what_was_there_before() {
        let operator = computing(&[
            ("double", "score * 2", ComputedType::Integer),
            ("kind", "'essay'", ComputedType::Text),
            ("title", "UPPER(title)", ComputedType::Text),
            ("was", "title", ComputedType::Text),
        ]);
        let frame = frame_of(&[json!({ "title": "owls", "score": 2 }), json!({ "title": null, "score": null })]);
        assert_snapshot!(check_frame(&operator, frame), @r"
        title=OWLS score=2 double=4 kind=essay was=owls
        title=null score=null double=null kind=essay was=null
        ");
    }

    #[test]
    fn an_expression_alone_gives_text() {
        let operator: PandasOperator =
            serde_json::from_value(json!({ "process_fn": { "up": "UPPER(title)", "n": { "sql": "score + 1", "type": "integer" } } })).unwrap();
        let frame = frame_of(&[json!({ "title": "owls", "score": 2 })]);
        assert_eq!(check_frame(&operator, frame), "title=owls score=2 n=3 up=OWLS");
        let refused = |written| serde_json::from_value::<PandasOperator>(json!({ "process_fn": { "up": written } })).unwrap_err().to_string();
        let expected = "expected an SQL expression such as `UPPER(text)`, or one with its type such as `{sql: LENGTH(text), type: integer}`";
        assert_eq!(refused(json!(5)), format!("invalid type: integer `5`, {expected}"));
        assert_eq!(refused(json!({ "sql": "title", "kind": "text" })), "unknown field `kind`, expected `sql` or `type`");
    }

    #[test]
    fn an_expression_that_cannot_be_used_names_its_column() {
        let operator = computing(&[("n", "AVG(score)", ComputedType::Float), ("m", "score +", ComputedType::Float)]);
        assert_snapshot!(Operator::problems(&operator).join("\n"), @r"
        `process_fn`: `m`: unable to parse 'score +' as Expr
        `process_fn`: `n`: an aggregate needs more than one row, and a rule sees one at a time
        ");
        let frame = frame_of(&[json!({ "title": "owls" })]);
        let error = Columns::columns(&computing(&[("n", "title", ComputedType::Integer)]), &frame).unwrap_err().to_string();
        assert!(error.contains("`process_fn`: `n`: ") && error.contains("owls"), "{error}");
    }
}
