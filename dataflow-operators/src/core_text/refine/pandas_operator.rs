//! Computes columns by expressions that the user writes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use dataflow_core::key::{ColumnType, KeyField, KeyUse};
use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Error, Result, operator};
use polars::prelude::{Column, DataFrame};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::core_text::column_keys::{ComputedType, writes};
use crate::core_text::sql::{self, SqlRule};
use crate::core_text::{ColumnFunctionName, all};

/// Writes columns that SQL expressions give, row by row.
///
/// Each entry is a new column, its expression such as `UPPER(title)`, `score * 2` or `CONCAT(question, ' ', answer)`, and the type that the result is
/// brought to; where none is given, it is what the expression gives, an integer, a number, a truth value or else text. All expressions see the columns as they were before the step.
/// A cell that `CAST` or `STRPTIME` cannot read is null, and so is a division by zero; `CAST(… AS TIMESTAMP)` reads `2024-02-03 10:00:00`, with `T` or a space, fractions, a zone (it gives that moment in UTC), or the date alone; `DATE`, `TIME` and `TIMESTAMP` read the same, and another form where it is given, as `STRPTIME` does. A whole number beyond 64 bits is null. As in Polars, `7 / 2` is 3.5, `%`, `MOD` and `//` go by the floor (`-7 % 3` is 2), `LOG(x, 10)` has its base last, `ROUND` takes halves to the even number, and `SUBSTR` with a start below 1 begins before the text. The items of a list count from 1: `tags[1]` is the first, and `tags[-1]` the last. A list or a record is written as its JSON text. A row whose result does not fit its `type`, or for which an expression cannot be worked out otherwise, fails, and the others go on. DataFlow takes Python functions over
/// the whole table here, and this one Rust functions over a batch; what a row cannot tell by itself, such as sorting or joining, is an operator of one's own, and dropping rows is `GeneralFilter`.
///
/// # 中文
///
/// 按 SQL 表达式逐行计算并写入列。每一项是一个新列，包括表达式（如 `UPPER(title)`、`score * 2`、`CONCAT(question, ' ', answer)`）和结果类型；不写类型时以表达式的结果为准：整数、浮点数、布尔值，其余为文本。
/// 所有表达式读取的都是此步之前的列。`CAST` 与 `STRPTIME` 读不懂的单元格为空值，除以零亦然；`CAST(… AS TIMESTAMP)` 读 `2024-02-03 10:00:00` 这种写法，中间可为 `T` 或空格，可带小数秒和时区（结果为 UTC 时间），也可只有日期；`DATE`、`TIME`、`TIMESTAMP` 读法相同，其他写法须给出格式，`STRPTIME` 亦然；整数为 64 位，超出则为空值；与 Polars 一致，`7 / 2` 得 3.5，`%`、`MOD`、`//` 向下取整（`-7 % 3` 得 2），`LOG(x, 10)` 的底数在后，`ROUND` 遇半取偶，`SUBSTR` 的起点小于 1 时从文本之前算起；列表的项从 1 数起：`tags[1]` 是第一项，`tags[-1]` 是最后一项；列表与对象写为其 JSON 文本。结果与 `type` 不符或无法计算的行失败，其余行照常。DataFlow 在此接受针对整张表的 Python 函数，此处接受针对一批行的 Rust 函数；排序、连接等单行无法完成的处理请自写算子，丢弃行请用 `GeneralFilter`。
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

/// Columns and how each is computed, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComputedColumns(pub Vec<(String, ComputedColumn)>);

impl Serialize for ComputedColumns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, computed)| (name, computed)))
    }
}

impl<'de> Deserialize<'de> for ComputedColumns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;

        impl<'de> Visitor<'de> for ByName {
            type Value = ComputedColumns;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ComputedColumns, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(ComputedColumns(columns))
            }
        }

        deserializer.deserialize_map(ByName)
    }
}

impl JsonSchema for ComputedColumns {
    fn schema_name() -> Cow<'static, str> {
        "ComputedColumns".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, ComputedColumn>::json_schema(generator)
    }
}

/// How one column is computed; written as an SQL expression alone, it holds what that gives.
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
                Ok(ComputedColumn { sql: sql.into(), r#type: ComputedType::Auto })
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

fn expected(column_type: &ColumnType) -> &'static str {
    match column_type {
        ColumnType::Integer => "an integer",
        ColumnType::Float => "a number",
        ColumnType::Boolean => "`true` or `false`",
        _ => "text",
    }
}

const SPAN: &str = "a value was expected, and it gives a span of time\nhint: `CAST(last AS BIGINT) - CAST(first AS BIGINT)` is the days between two dates, and `EXTRACT(EPOCH FROM last) - EXTRACT(EPOCH FROM first)` the seconds between two dates with a time";

impl KeyField for ComputedColumns {
    fn collect(&self, field: &'static str, uses: &mut Vec<KeyUse>) {
        for (name, column) in &self.0 {
            column.sql.collect(field, uses);
            writes(name, column.r#type, field, uses);
        }
    }
}

impl ComputedColumn {
    /// The column for a batch; rows for which it cannot be computed are told unless they were before.
    fn column(&self, name: &str, frame: &DataFrame, failed: &mut BTreeMap<usize, Error>) -> Result<Column> {
        let unusable = |wrong: &str| Error::Data(format!("`process_fn`: `{name}`: {wrong}"));
        let expression = self.sql.parse().map_err(|wrong| unusable(&wrong))?;
        let evaluated = sql::evaluated(&expression, frame).map_err(|wrong| unusable(&wrong))?;
        if evaluated.column.dtype().is_duration() {
            return Err(unusable(SPAN));
        }
        let column_type = match self.r#type {
            ComputedType::Auto => sql::type_of(&expression, frame).map_err(|wrong| unusable(&wrong))?,
            given => given.column_type(),
        };
        let (column, misfits) = sql::brought_to(&evaluated.column, &column_type.data_type());
        let expected = expected(&column_type);
        let misfits = misfits.into_iter().map(|(row, value)| {
            (
                row,
                format!(
                    "{expected} was expected, found `{value}`\nhint: a `CAST` in the expression gives null for what it cannot read, and `type: text` takes all"
                ),
            )
        });
        for (row, wrong) in evaluated.failed.into_iter().chain(misfits) {
            failed.entry(row).or_insert_with(|| unusable(&wrong));
        }
        Ok(column.with_name(name.into()))
    }
}

impl Columns for PandasOperator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let mut failed: BTreeMap<usize, Error> = BTreeMap::new();
        let mut columns = all(self.process_fn.0.iter().map(|(name, computed)| computed.column(name, frame, &mut failed)))?;
        for name in &self.process_functions {
            let function = name.function().map_err(|wrong| Error::Data(format!("`process_functions`: {wrong}")))?;
            columns.extend((function.columns)(frame)?);
        }
        Ok(Changes { columns, failed: failed.into_iter().collect(), keep: None })
    }

    fn problems(&self) -> Vec<String> {
        if self.process_fn.0.is_empty() && self.process_functions.is_empty() {
            return vec!["`process_fn` is empty, so nothing would be written".into()];
        }
        let wrong = |(name, computed): &(String, ComputedColumn)| computed.sql.parse().err().map(|wrong| format!("`process_fn`: `{name}`: {wrong}"));
        let functions = self.process_functions.iter().filter_map(|name| name.function().err().map(|wrong| format!("`process_functions`: {wrong}")));
        self.process_fn.0.iter().filter_map(wrong).chain(functions).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::pipeline::Pipeline;
    use dataflow_core::testing::{MemoryStorage, check_frame, conformance, frame_of};
    use insta::assert_snapshot;
    use polars::prelude::df;
    use serde_json::json;

    use crate::core_text::GeneralFilter;

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
    fn an_expression_alone_has_the_type_that_it_gives_for_later_steps_too() {
        let expressions =
            json!({ "double": "score * 2", "half": "score / 4.0", "is_big": "score > 1", "letters": "LENGTH(title)", "day": "DATE('2024-01-05')" });
        let operator: PandasOperator = serde_json::from_value(json!({ "process_fn": expressions })).unwrap();
        let row = json!({ "title": "owls", "score": 2 });
        let shown = "title=owls score=2 double=4 half=0.5 is_big=true letters=4 day=2024-01-05";
        assert_eq!(check_frame(&operator, frame_of(std::slice::from_ref(&row))), shown);
        let mut pipeline = Pipeline::new("types", MemoryStorage::of(&[row]));
        pipeline.step(operator);
        pipeline.step(serde_json::from_value::<GeneralFilter>(json!({ "filter_rules": ["double > 3 AND is_big"] })).unwrap());
        let compiled = pipeline.compile().unwrap();
        let types: Vec<String> = compiled.schema().iter().map(|(name, found)| format!("{name} {found}")).collect();
        assert_eq!(types, ["title str", "score i64", "double i64", "half f64", "is_big bool", "letters i64", "day str"]);
    }

    #[test]
    fn an_expression_may_stand_beside_its_type() {
        let operator: PandasOperator =
            serde_json::from_value(json!({ "process_fn": { "up": "UPPER(title)", "n": { "sql": "score + 1", "type": "integer" } } })).unwrap();
        let frame = frame_of(&[json!({ "title": "owls", "score": 2 })]);
        assert_eq!(check_frame(&operator, frame), "title=owls score=2 up=OWLS n=3");
        let refused = |written| serde_json::from_value::<PandasOperator>(json!({ "process_fn": { "up": written } })).unwrap_err().to_string();
        let expected = "expected an SQL expression such as `UPPER(text)`, or one with its type such as `{sql: LENGTH(text), type: integer}`";
        assert_eq!(refused(json!(5)), format!("invalid type: integer `5`, {expected}"));
        assert_eq!(refused(json!({ "sql": "title", "kind": "text" })), "unknown field `kind`, expected `sql` or `type`");
    }

    #[test]
    fn an_expression_that_cannot_be_used_names_its_column() {
        let operator = computing(&[("n", "AVG(score)", ComputedType::Float), ("m", "score +", ComputedType::Float)]);
        assert_snapshot!(Operator::problems(&operator).join("\n"), @r"
        `process_fn`: `n`: an aggregate needs more than one row, and a rule sees one at a time
        `process_fn`: `m`: an SQL expression such as `LENGTH(text) > 20` was expected, and this cannot be read as one
        hint: a value, a bracket or a quote may be missing
        ");
        let frame = frame_of(&[json!({ "title": "owls" })]);
        assert_eq!(
            failures(&computing(&[("n", "title", ComputedType::Integer)]), &frame),
            "0: `process_fn`: `n`: an integer was expected, found `owls`\nhint: a `CAST` in the expression gives null for what it cannot read, and `type: text` takes all"
        );
    }

    /// The rows that fail, and why.
    fn failures(operator: &PandasOperator, frame: &DataFrame) -> String {
        let failed = Columns::columns(operator, frame).unwrap().failed;
        failed.iter().map(|(row, error)| format!("{row}: {error}")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_bad_cell_is_null_or_fails_its_row_alone() {
        let frame = df!("n" => ["5", "owls", "2024-01-05"], "sure" => ["TRUE", "no", "false"], "form" => ["(", "o", "$"]).unwrap();
        let lenient = computing(&[
            ("cast", "CAST(n AS BIGINT)", ComputedType::Integer),
            ("day", "STRPTIME(n, '%Y-%m-%d')", ComputedType::Text),
            ("date", "DATE(n)", ComputedType::Text),
        ]);
        assert_snapshot!(check_frame(&lenient, frame.clone()), @r#"
        n=5 sure=TRUE form=( cast=5 day=null date=null
        n=owls sure=no form=o cast=null day=null date=null
        n=2024-01-05 sure=false form=$ cast=null day=2024-01-05 00:00:00.000000 date=2024-01-05
        "#);
        let typed =
            computing(&[("integer", "n", ComputedType::Integer), ("boolean", "sure", ComputedType::Boolean), ("like", "n REGEXP form", ComputedType::Auto)]);
        assert_snapshot!(failures(&typed, &frame), @r#"
        0: `process_fn`: `like`: a regular expression was expected: unclosed group
        1: `process_fn`: `integer`: an integer was expected, found `owls`
        hint: a `CAST` in the expression gives null for what it cannot read, and `type: text` takes all
        2: `process_fn`: `integer`: an integer was expected, found `2024-01-05`
        hint: a `CAST` in the expression gives null for what it cannot read, and `type: text` takes all
        "#);
        let columns = Columns::columns(&typed, &frame).unwrap().columns;
        assert_snapshot!(DataFrame::new(3, columns).unwrap(), @r#"
        shape: (3, 3)
        ┌─────────┬─────────┬──────┐
        │ integer ┆ boolean ┆ like │
        │ ---     ┆ ---     ┆ ---  │
        │ i64     ┆ bool    ┆ bool │
        ╞═════════╪═════════╪══════╡
        │ 5       ┆ true    ┆ null │
        │ null    ┆ null    ┆ true │
        │ null    ┆ false   ┆ true │
        └─────────┴─────────┴──────┘
        "#);
    }

    #[test]
    fn a_text_is_read_as_a_date_or_a_time_whatever_the_other_rows_hold() {
        let operator = computing(&[
            ("cast", "CAST(x AS TIMESTAMP)", ComputedType::Text),
            ("day", "CAST(x AS DATE)", ComputedType::Text),
            ("hour", "CAST(x AS TIME)", ComputedType::Text),
            ("named", "TIMESTAMP(x)", ComputedType::Text),
        ]);
        let frame = df!("x" => ["03/02/2024", "2024-01-02 03:04:05.5", "2024-01-02T03:04:05+02:00", "2024-01-02", "03:04"]).unwrap();
        assert_snapshot!(check_frame(&operator, frame), @r"
        x=03/02/2024 cast=null day=null hour=null named=null
        x=2024-01-02 03:04:05.5 cast=2024-01-02 03:04:05.500000 day=2024-01-02 hour=03:04:05 named=2024-01-02 03:04:05.500000
        x=2024-01-02T03:04:05+02:00 cast=2024-01-02 01:04:05.000000 day=2024-01-02 hour=01:04:05 named=2024-01-02 01:04:05.000000
        x=2024-01-02 cast=2024-01-02 00:00:00.000000 day=2024-01-02 hour=00:00:00 named=2024-01-02 00:00:00.000000
        x=03:04 cast=null day=null hour=03:04:00 named=null
        ");
    }

    #[test]
    fn whole_numbers_do_not_wrap() {
        let operator = computing(&[
            ("short", "LENGTH(title) - 20", ComputedType::Auto),
            ("minus", "-LENGTH(title)", ComputedType::Auto),
            ("more", "n + 1", ComputedType::Auto),
            ("twice", "n * 2 + 1", ComputedType::Auto),
            ("cube", "POWER(n, 3)", ComputedType::Auto),
            ("tenth", "POWER(10, -1)", ComputedType::Auto),
            ("is_small", "n * n < 100", ComputedType::Auto),
            ("ratio", "n * 0.5", ComputedType::Auto),
        ]);
        let frame = df!("title" => ["owls", "law"], "n" => [7_i64, i64::MAX]).unwrap();
        assert_snapshot!(check_frame(&operator, frame), @r"
        title=owls n=7 short=-16 minus=-4 more=8 twice=15 cube=343 tenth=0.1 is_small=true ratio=3.5
        title=law n=9223372036854775807 short=-17 minus=-3 more=null twice=null cube=null tenth=0.1 is_small=null ratio=4.611686018427388e18
        ");
    }

    #[test]
    fn a_list_or_a_record_is_its_json_text() {
        let operator = computing(&[
            ("list", "tags", ComputedType::Auto),
            ("record", "meta", ComputedType::Auto),
            ("cast", "CAST(tags AS VARCHAR)", ComputedType::Text),
            ("letters", "LENGTH(CAST(tags AS VARCHAR))", ComputedType::Auto),
            ("first", "tags[1]", ComputedType::Auto),
            ("field", "meta.k", ComputedType::Auto),
        ]);
        let frame = frame_of(&[json!({ "tags": ["a", "b"], "meta": { "k": "v" } }), json!({ "tags": [], "meta": null })]).select(["tags", "meta"]).unwrap();
        assert_eq!(failures(&operator, &frame), "");
        let shown = check_frame(&operator, frame);
        assert!(shown.contains(r#"list=["a","b"] record={"k":"v"} cast=["a","b"] letters=9 first=a field=v"#), "{shown}");
        assert!(shown.ends_with("list=[] record=null cast=[] letters=2 first=null field=null"), "{shown}");
    }

    #[test]
    fn a_fraction_is_no_integer() {
        let operator = computing(&[("n", "f", ComputedType::Integer)]);
        let frame = df!("f" => [Some(1.5), Some(-2.0), None]).unwrap();
        assert!(failures(&operator, &frame).starts_with("0: `process_fn`: `n`: an integer was expected, found `1.5`\nhint: "));
        assert_eq!(Columns::columns(&operator, &frame).unwrap().columns[0].i64().unwrap().iter().collect::<Vec<_>>(), [None, Some(-2), None]);
    }

    #[test]
    fn places_and_lengths_are_those_of_characters() {
        let operator = computing(&[
            ("at", "STRPOS(s, '：')", ComputedType::Auto),
            ("head", "SUBSTR(s, 1, STRPOS(s, '：') - 1)", ComputedType::Auto),
            ("rest", "SUBSTR(s, POSITION('：' IN s) + 1)", ComputedType::Auto),
        ]);
        let frame = df!("s" => [Some("问题：你好吗"), Some("Café：x"), Some("name: x"), None]).unwrap();
        assert_eq!(failures(&operator, &frame), "");
        assert_snapshot!(check_frame(&operator, frame), @r"
        s=问题：你好吗 at=3 head=问题 rest=你好吗
        s=Café：x at=5 head=Café rest=x
        s=name: x at=0 head= rest=name: x
        s=null at=null head=null rest=null
        ");
    }

    #[test]
    fn what_is_wrong_with_an_expression_is_told_in_plain_words() {
        let frame = df!("title" => ["owls"], "score" => [2_i64], "sure" => [true]).unwrap();
        let tags = frame_of(&[json!({ "tags": ["a"] })]).column("tags").unwrap().clone();
        let frame = frame.hstack(&[tags]).unwrap().clear();
        let wrong = |sql: &&str| {
            let operator = computing(&[("x", sql, ComputedType::Text)]);
            let problems = Operator::problems(&operator).join("\n");
            let found = if problems.is_empty() { Columns::columns(&operator, &frame).unwrap_err().to_string() } else { problems };
            format!("{sql}: {}", found.trim_start_matches("`process_fn`: `x`: "))
        };
        let expressions = [
            "score +",
            "no_such(score)",
            "'a",
            "CAST(title AS NOSUCH)",
            "SUBSTR(title)",
            "title + 1",
            "title > 5",
            "UPPER(score)",
            "title IN (1, 2)",
            "EXTRACT(YEAR FROM title)",
            "ABS(title)",
            "ROUND(title, 2)",
            "score + INTERVAL '1 day'",
            "CASE WHEN title THEN 1 END",
            "REGEXP_LIKE(title, '(')",
            "ARRAY[1, 2]",
            "score.a",
            "score ^ 2",
            "sure && sure",
            "(SELECT MAX(score) FROM self)",
            "score IN (SELECT 5)",
            "DATE(title) - DATE(title)",
            "GREATEST(title, DATE '2024-01-01')",
            "EXTRACT(EPOCH FROM DATE(title))",
            "DATE(score)",
            "CAST('owls' AS DATE)",
            "score + CAST('x' AS BIGINT)",
            "UPER(title)",
            "DATEDIFF('day', title, title)",
            "MAX(score, 3)",
            "5 IN (score, 3)",
            "title LIKE '10!%' ESCAPE '!'",
            "title SIMILAR TO 'a'",
            "CAST(title AS JSON)",
            "ARRAY_CONTAINS(tags, 5)",
            "sure AND 'x'",
        ];
        assert_snapshot!(expressions.iter().map(wrong).collect::<Vec<_>>().join("\n"), @r#"
        score +: an SQL expression such as `LENGTH(text) > 20` was expected, and this cannot be read as one
        hint: a value, a bracket or a quote may be missing
        no_such(score): no function of the name `no_such` is known
        hint: the functions are those of Polars' SQL, such as LENGTH, UPPER, SUBSTR, REPLACE, REGEXP_LIKE, COALESCE, ROUND and ABS
        'a: a second `'` was expected at the end of `'a`
        hint: a quote within a text is doubled, such as `'an owl''s'`
        CAST(title AS NOSUCH): no type of the name `NOSUCH` is known
        hint: the types are VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIME and TIMESTAMP
        SUBSTR(title): SUBSTR expects 2-3 arguments (found 1)
        title + 1: numbers were expected beside an arithmetic sign, found text and an integer
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        title > 5: two values of one type were expected in a comparison: `title` is text, and `5` is an integer
        hint: `CAST(title AS BIGINT)` reads a text as a number
        UPPER(score): text was expected, and `score` is an integer
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        title IN (1, 2): text was expected in the list of `IN`, found an integer
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        EXTRACT(YEAR FROM title): a date was expected, found text
        hint: `STRPTIME(…, '%Y-%m-%d')` reads a text as a date
        ABS(title): `ABS` does not take text
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        ROUND(title, 2): a number was expected, found a value of another type
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        score + INTERVAL '1 day': a date was expected, found an integer
        hint: `STRPTIME(…, '%Y-%m-%d')` reads a text as a date
        CASE WHEN title THEN 1 END: a truth value was expected, and `title` is text
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        REGEXP_LIKE(title, '('): a regular expression was expected: unclosed group
        ARRAY[1, 2]: one value for each row was expected, found a list of values
        score.a: no field `a` is known: a dot reads a field of a record, and `score` is an integer
        score ^ 2: a sign stands in it that is not known
        hint: `POWER(x, 2)` raises to a power
        sure && sure: a sign stands in it that is not known
        hint: `AND` joins two conditions
        (SELECT MAX(score) FROM self): a query within needs more than one row, and a rule sees one at a time
        score IN (SELECT 5): a query within needs more than one row, and a rule sees one at a time
        DATE(title) - DATE(title): a value was expected, and it gives a span of time
        hint: `CAST(last AS BIGINT) - CAST(first AS BIGINT)` is the days between two dates, and `EXTRACT(EPOCH FROM last) - EXTRACT(EPOCH FROM first)` the seconds between two dates with a time
        GREATEST(title, DATE '2024-01-01'): values of one type were expected, found text and a date
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        EXTRACT(EPOCH FROM DATE(title)): a date with a time was expected, found a date
        hint: `CAST(… AS TIMESTAMP)` makes one of it, at midnight
        DATE(score): text was expected, and `score` is an integer
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        CAST('owls' AS DATE): a date was expected, and `'owls'` cannot be read as one
        hint: it would be null in every row; `NULL` says so where that is meant
        score + CAST('x' AS BIGINT): an integer was expected, and `'x'` cannot be read as one
        hint: it would be null in every row; `NULL` says so where that is meant
        UPER(title): no function of the name `uper` is known
        hint: did you mean `UPPER`?
        DATEDIFF('day', title, title): no function of the name `datediff` is known
        hint: `CAST(last AS BIGINT) - CAST(first AS BIGINT)` is the days between two dates
        MAX(score, 3): an aggregate needs more than one row, and a rule sees one at a time
        hint: `GREATEST(…, …)` chooses among the values of a row
        5 IN (score, 3): constants alone were expected in the list of `IN` or `ARRAY`
        hint: `OR` joins comparisons with columns, and `ARRAY_CONTAINS(tags, 'a')` looks for a value in a list
        title LIKE '10!%' ESCAPE '!': `ESCAPE` is not known
        hint: `STRPOS(text, '10%') > 0` and `REGEXP_LIKE(text, '10%$')` take `%` and `_` as they are
        title SIMILAR TO 'a': `SIMILAR TO` is not known
        hint: `REGEXP_LIKE(text, '^(owl|law)$')` tells whether a text fits a regular expression
        CAST(title AS JSON): a text is not read as JSON
        hint: what is nested in the input is a list or a record already, and `meta.name` reads a field of a record
        ARRAY_CONTAINS(tags, 5): text was expected in `ARRAY_CONTAINS`, as the list holds, found an integer
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        sure AND 'x': truth values were expected beside `AND`, found text
        "#);
    }

    #[test]
    fn a_division_by_zero_and_what_is_no_number_are_null() {
        let operator: PandasOperator =
            serde_json::from_value(serde_json::json!({ "process_fn": { "d": "x / y", "m": "x % y", "r": "SQRT(x - 2)", "s": "x / 2" } })).unwrap();
        let changes = operator.columns(&df!("x" => [1i64, 4], "y" => [0i64, 2]).unwrap()).unwrap();
        let shown: Vec<String> =
            changes.columns.iter().map(|column| format!("{} {:?}", column.name(), column.as_materialized_series().iter().collect::<Vec<_>>())).collect();
        assert_eq!(shown, ["d [Null, Float64(2.0)]", "m [Null, Int64(0)]", "r [Null, Float64(1.4142135623730951)]", "s [Float64(0.5), Float64(2.0)]"]);
        assert!(changes.failed.is_empty());
    }
}
