//! Functions of one's own over the rows of a batch, known by name, so that an operator that uses one is still plain data.

use std::borrow::Cow;

use dataflow_core::Result;
use dataflow_core::key::{KeyField, KeyUse};
use dataflow_core::private::inventory;
use dataflow_core::registry::nearest;
use polars::prelude::{BooleanChunked, Column, DataFrame};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::column_keys::{ComputedType, reads, writes};

/// A function that says which rows of a batch stay; [`row_filter!`](crate::row_filter) makes one known.
pub struct RowFilter {
    /// What [`GeneralFilter`](super::GeneralFilter) calls it.
    pub name: &'static str,
    /// The columns that it reads.
    pub reads: &'static [&'static str],
    /// Which rows stay.
    pub keep: fn(&DataFrame) -> Result<BooleanChunked>,
}

/// A function that computes columns of a batch; [`column_function!`](crate::column_function) makes one known.
pub struct ColumnFunction {
    /// What [`PandasOperator`](super::PandasOperator) calls it.
    pub name: &'static str,
    /// The columns that it reads.
    pub reads: &'static [&'static str],
    /// The columns that it writes.
    pub writes: &'static [(&'static str, ComputedType)],
    /// The columns, each of as many rows as the batch.
    pub columns: fn(&DataFrame) -> Result<Vec<Column>>,
}

inventory::collect!(RowFilter);
inventory::collect!(ColumnFunction);

/// Makes a function known to [`GeneralFilter`](crate::core_text::GeneralFilter): its name, the columns that it reads, and which rows stay.
///
/// ```
/// use dataflow_operators::core_text::GeneralFilter;
/// use polars::prelude::DataFrame;
///
/// dataflow_operators::row_filter!("answer_before_noon", ["hour"], |frame: &DataFrame| {
///     Ok(frame.column("hour")?.i64()?.iter().map(|hour| Some(hour.is_some_and(|hour| hour < 12))).collect())
/// });
///
/// let filter = GeneralFilter { filter_functions: vec!["answer_before_noon".into()], ..Default::default() };
/// # use dataflow_core::testing::check_frame;
/// # let frame = polars::prelude::df!("hour" => [9_i64, 15]).unwrap();
/// assert_eq!(check_frame(&filter, frame), "hour=9\ndropped");
/// ```
#[macro_export]
macro_rules! row_filter {
    ($name:literal, [$($column:literal),* $(,)?], $keep:expr $(,)?) => {
        $crate::private::inventory::submit! {
            $crate::core_text::RowFilter { name: $name, reads: &[$($column),*], keep: $keep }
        }
    };
}

/// Makes a function known to [`PandasOperator`](crate::core_text::PandasOperator): its name, the columns that it reads, those that it writes with their types, and the columns themselves.
///
/// ```
/// use dataflow_operators::core_text::{ComputedType, PandasOperator};
/// use polars::prelude::{Column, DataFrame, Int64Chunked, IntoColumn, NamedFrom};
///
/// dataflow_operators::column_function!("count_lines", ["text"], [("lines", ComputedType::Integer)], |frame: &DataFrame| {
///     let lines: Int64Chunked = frame.column("text")?.str()?.iter().map(|text| text.map(|text| text.lines().count() as i64)).collect();
///     Ok(vec![lines.with_name("lines".into()).into_column()])
/// });
///
/// let operator = PandasOperator { process_functions: vec!["count_lines".into()], ..Default::default() };
/// # use dataflow_core::testing::check_frame;
/// # let frame = polars::prelude::df!("text" => ["a\nb"]).unwrap();
/// assert!(check_frame(&operator, frame).ends_with(" lines=2"));
/// ```
#[macro_export]
macro_rules! column_function {
    ($name:literal, [$($column:literal),* $(,)?], [$(($written:literal, $type:expr)),* $(,)?], $columns:expr $(,)?) => {
        $crate::private::inventory::submit! {
            $crate::core_text::ColumnFunction { name: $name, reads: &[$($column),*], writes: &[$(($written, $type)),*], columns: $columns }
        }
    };
}

macro_rules! function_names {
    ($($(#[$doc:meta])* $name:ident of $function:ty, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }

        impl JsonSchema for $name {
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

        impl $name {
            /// The function of this name; what is wrong where there is none.
            pub(super) fn function(&self) -> Result<&'static $function, String> {
                let known = || inventory::iter::<$function>();
                known().find(|function| function.name == self.0).ok_or_else(|| {
                    let hint = nearest(&self.0, known().map(|function| function.name)).map(|near| format!("\nhint: did you mean `{near}`?"));
                    let otherwise = concat!("\nhint: `", $what, "!` makes a function known, in a crate that is linked into the program");
                    format!("no function of the name `{}` is known{}", self.0, hint.as_deref().unwrap_or(otherwise))
                })
            }
        }
    )*};
}

function_names! {
    /// The name of a [`RowFilter`]; the columns that it reads are keys.
    RowFilterName of RowFilter, "row_filter";
    /// The name of a [`ColumnFunction`]; its columns are keys.
    ColumnFunctionName of ColumnFunction, "column_function";
}

impl KeyField for RowFilterName {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        // A name that is not known has no columns; `problems` tells of it.
        self.function().map_or(&[][..], |function| function.reads).iter().for_each(|column| reads(column, field, uses, None));
    }
}

impl KeyField for ColumnFunctionName {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        let Ok(function) = self.function() else { return };
        function.reads.iter().for_each(|column| reads(column, field, uses, None));
        function.writes.iter().for_each(|(column, computed)| writes(column, *computed, field, uses));
    }
}
