//! An SQL expression that the user writes over the columns of one row.

use std::borrow::Cow;

use dataflow_core::key::{KeyField, KeyUse};
use polars::prelude::{AggExpr, Expr, FunctionExpr, StringFunction};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{columns_of, parsed};
use crate::core_text::column_keys::reads;

/// An SQL expression over columns; the columns in it are keys of the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SqlRule(String);

impl From<&str> for SqlRule {
    fn from(rule: &str) -> Self {
        Self(rule.to_owned())
    }
}

impl JsonSchema for SqlRule {
    fn schema_name() -> Cow<'static, str> {
        "SqlRule".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl KeyField for SqlRule {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        // A rule that does not parse names no column; `problems` tells of it.
        for column in self.parse().map(|expression| columns_of(&expression)).unwrap_or_default() {
            let is_quoted = self.0.contains(&format!("\"{column}\""));
            let hint = is_quoted.then(|| format!("double quotes hold a column's name, and a text has single quotes: `'{column}'`"));
            reads(&column, field, uses, hint);
        }
    }
}

impl SqlRule {
    pub(in crate::core_text) fn as_str(&self) -> &str {
        &self.0
    }

    pub(in crate::core_text) fn parse(&self) -> Result<Expr, String> {
        let expression = parsed(&self.0)?;
        if (&expression).into_iter().any(|part| matches!(part, Expr::Function { function: FunctionExpr::StringExpr(StringFunction::JsonDecode(_)), .. })) {
            return Err(
                "a text is not read as JSON\nhint: what is nested in the input is a list or a record already, and `meta.name` reads a field of a record".into(),
            );
        }
        let refused = (&expression).into_iter().find_map(needs_more_than_a_row);
        match refused {
            Some(what) => Err(sees_one_row(what)),
            None => Ok(expression),
        }
    }
}

/// That a rule sees one row at a time, which `what` does not do with.
pub(super) fn sees_one_row(what: &str) -> String {
    format!("{what} needs more than one row, and a rule sees one at a time")
}

fn needs_more_than_a_row(part: &Expr) -> Option<&'static str> {
    match part {
        Expr::Agg(AggExpr::Implode { .. }) => None, // the list of an `IN`
        Expr::Agg(_) | Expr::Len => Some("an aggregate"),
        Expr::Filter { .. } => Some("`FILTER`"),
        Expr::Over { .. } => Some("a window"),
        Expr::Selector(_) => Some("`*`"),
        Expr::SubPlan(..) => Some("a query within"),
        Expr::Sort { .. } | Expr::SortBy { .. } | Expr::Slice { .. } | Expr::Gather { .. } | Expr::Explode { .. } => Some("this expression"),
        _ => None,
    }
}
