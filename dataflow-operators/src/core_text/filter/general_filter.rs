//! Keeps rows by conditions that the user writes.

use dataflow_core::operator::Changes;
use dataflow_core::shape::Columns;
use dataflow_core::{Error, Result, operator};
use polars::prelude::{BooleanChunked, ChunkFillNullValue, ChunkFull, DataFrame, DataType};

use crate::core_text::sql::{self, Evaluated, SqlRule};
use crate::core_text::{RowFilterName, all};

/// Keeps the rows for which every rule is true.
///
/// A rule is an SQL condition over the columns, such as `LENGTH(answer) > 20 AND score >= 4`, with the functions of Polars' SQL. A
/// condition that is null for a row is not true. A cell that `CAST` or `STRPTIME` cannot read is null; `DATE(day) > '2024-01-31'` compares dates, and values of different types are not compared; a row for which a rule cannot be worked out otherwise fails, and the others go on. The items of a list count from 1: `tags[1]` is the first, and `tags[-1]` the last. A rule sees one row at a time, so aggregates such as `AVG(score)` are refused. What SQL cannot say is a function of one's own in Rust.
///
/// # 中文
///
/// 保留所有规则都为真的行。规则是针对各列的 SQL 条件，例如 `LENGTH(answer) > 20 AND score >= 4`，可用 Polars SQL 的函数。
/// 结果为空的条件视为不成立。`CAST` 与 `STRPTIME` 读不懂的单元格为空值；`DATE(day) > '2024-01-31'` 按日期比较，类型不同的值不可比较；其他无法计算的情形只让该行失败，其余行照常。列表的项从 1 数起：`tags[1]` 是第一项，`tags[-1]` 是最后一项。规则逐行判断，因此不接受 `AVG(score)` 之类的聚合。SQL 无法表达的条件可用 Rust 自写函数。
#[operator(core_text, filter, Columns)]
#[derive(Default)]
pub struct GeneralFilter {
    /// Conditions that all have to be true. 中文：须同时成立的条件。
    #[keys]
    pub filter_rules: Vec<SqlRule>,
    /// Functions of one's own in Rust that all have to say yes, by the names that `row_filter!` gave them. 中文：须同时返回真的自写 Rust 函数，以 `row_filter!` 所给的名称列出。
    #[keys]
    pub filter_functions: Vec<RowFilterName>,
}

impl SqlRule {
    /// Which rows it is true of; those of which it is null are not. With them are those for which it cannot be worked out.
    fn holds(&self, frame: &DataFrame) -> Result<(BooleanChunked, Failed)> {
        let unusable = |wrong: &str| Error::Data(format!("`filter_rules`: `{}`: {wrong}", self.as_str()));
        let expression = self.parse().map_err(|wrong| unusable(&wrong))?;
        let Evaluated { column, failed } = sql::evaluated(&expression, frame).map_err(|wrong| unusable(&wrong))?;
        let failed: Failed = failed.into_iter().map(|(row, wrong)| (row, unusable(&wrong))).collect();
        if column.dtype() == &DataType::Null {
            return Ok((BooleanChunked::full("verdict".into(), false, frame.height()), failed));
        }
        let verdicts =
            column.bool().map_err(|_| unusable(&format!("a truth value was expected, and it gives {}", sql::type_name(&column.dtype().to_string()))))?;
        Ok((verdicts.fill_null_with_values(false)?, failed))
    }
}

/// Rows that cannot be judged, by their place in the batch.
type Failed = Vec<(usize, Error)>;

impl RowFilterName {
    /// Which rows it is true of.
    fn holds(&self, frame: &DataFrame) -> Result<(BooleanChunked, Failed)> {
        let function = self.function().map_err(|wrong| Error::Data(format!("`filter_functions`: {wrong}")))?;
        let verdicts = (function.keep)(frame)?;
        if verdicts.len() != frame.height() {
            let found = verdicts.len();
            return Err(Error::Data(format!("`filter_functions`: `{}` should answer for {} rows, and answers for {found}", function.name, frame.height())));
        }
        Ok((verdicts.fill_null_with_values(false)?, Vec::new()))
    }
}

impl Columns for GeneralFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let mut keep = BooleanChunked::full("keep".into(), true, frame.height());
        let mut failed: Failed = Vec::new();
        let rules = self.filter_rules.iter().map(|rule| rule.holds(frame)).chain(self.filter_functions.iter().map(|function| function.holds(frame)));
        for (holds, mut of_rule) in all(rules)? {
            keep = &keep & &holds;
            of_rule.retain(|(row, _)| failed.iter().all(|(known, _)| known != row));
            failed.append(&mut of_rule);
        }
        failed.sort_by_key(|(row, _)| *row);
        Ok(Changes { keep: Some(keep), failed, ..Changes::default() })
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        let row = frame.slice(i64::try_from(row).ok()?, 1);
        let fails = |holds: Result<(BooleanChunked, Failed)>| holds.is_ok_and(|(holds, _)| holds.get(0) == Some(false));
        let rule = self.filter_rules.iter().find(|rule| fails(rule.holds(&row))).map(SqlRule::as_str);
        let function = || self.filter_functions.iter().find(|function| fails(function.holds(&row)))?.function().ok();
        let name = rule.or_else(|| Some(function()?.name))?;
        Some(format!("`{name}` does not hold"))
    }

    fn problems(&self) -> Vec<String> {
        if self.filter_rules.is_empty() && self.filter_functions.is_empty() {
            return vec!["`filter_rules` is empty, so every row would stay".into()];
        }
        let rules = self.filter_rules.iter().filter_map(|rule| rule.parse().err().map(|wrong| format!("`filter_rules`: `{}`: {wrong}", rule.as_str())));
        let functions = self.filter_functions.iter().filter_map(|name| name.function().err().map(|wrong| format!("`filter_functions`: {wrong}")));
        rules.chain(functions).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{check_frame, conformance, frame_of};
    use insta::assert_snapshot;
    use polars::prelude::{Column, TimeUnit, TimeZone, df};
    use serde_json::json;

    conformance!(GeneralFilter);

    #[test]
    fn a_column_of_nothing_but_nulls_is_of_any_type() {
        let nulls = || Column::full_null("a".into(), 2, &polars::prelude::DataType::Null);
        let frame = || DataFrame::new(2, vec![nulls(), Column::new("n".into(), [1, 5])]).unwrap();
        for rule in ["LENGTH(a) > 3", "a LIKE 'x%'", "a > 3", "a * 2 > n", "a", "NOT a", "a || 'x' = 'yx'"] {
            assert_eq!(check_frame(&filter(&[rule]), frame()), "dropped\ndropped", "{rule}");
        }
        assert_eq!(check_frame(&filter(&["a IS NULL", "n > 1"]), frame()), "dropped\na=null n=5");
    }

    #[test]
    fn places_parts_and_replacements_are_those_of_their_row() {
        let frame = || df!("t" => [Some("owl"), None, Some("woods")], "i" => [2, 1, 3], "s" => [Some("a"), Some("b"), None]).unwrap();
        let kept = |rule: &str| -> String {
            let told =
                |frame: DataFrame| check_frame(&filter(&[rule]), frame).lines().map(|line| if line == "dropped" { '-' } else { 'k' }).collect::<String>();
            let alone: String = (0..3).map(|row| told(frame().slice(row, 1))).collect();
            assert_eq!(alone, told(frame()), "{rule}");
            alone
        };
        let rules = ["STRPOS(t, 'o') = 0", "STRPOS(t, 'z') = 0", "POSITION('o' IN t) > 0", "STRPOS(t, NULL) = 0", "STRPOS(t, s) = 0"];
        assert_eq!(rules.map(kept), ["---", "k-k", "k-k", "---", "k--"]);
        let rules =
            ["SUBSTR(t, i) = 'wl'", "SUBSTRING(t, i) = 'ods'", "SUBSTR(UPPER(t), i - 1, 1) = 'O'", "SUBSTR(t, LENGTH(t)) = 'l'", "SUBSTR(t, 2) LIKE '%s'"];
        assert_eq!(rules.map(kept), ["k--", "--k", "k-k", "k--", "--k"]);
        assert_eq!(["REPLACE(t, 'o', s) = 'awl'", "REPLACE(t, 'o', s) IS NULL"].map(kept), ["k--", "-kk"]);
    }

    fn filter(rules: &[&str]) -> GeneralFilter {
        GeneralFilter { filter_rules: rules.iter().map(|rule| (*rule).into()).collect(), ..Default::default() }
    }

    #[test]
    fn every_rule_has_to_be_true_and_a_null_is_not() {
        let frame = frame_of(&[
            json!({ "回答": "short", "score": 5 }),
            json!({ "回答": "a longer answer", "score": 5 }),
            json!({ "回答": "a longer answer", "score": 2 }),
            json!({ "回答": null, "score": 5 }),
        ]);
        assert_snapshot!(check_frame(&filter(&["LENGTH(\"回答\") > 8", "score >= 4 OR score IS NULL"]), frame), @r"
        dropped
        回答=a longer answer score=5
        dropped
        dropped
        ");
    }

    #[test]
    fn a_list_of_values_is_one_rule() {
        let frame = df!("domain" => ["news", "law", "sport"], "n" => [1, 2, 3]).unwrap();
        assert_snapshot!(check_frame(&filter(&["domain IN ('news', 'law')", "n NOT IN (1, 7)"]), frame), @r"
        dropped
        domain=law n=2
        dropped
        ");
    }

    #[test]
    fn a_rule_of_the_wrong_type_is_found_before_there_are_rows() {
        let frame = df!("score" => [1i64]).unwrap().clear();
        let Ok(dataflow_core::operator::Work::Column(work)) = Operator::work(&filter(&["score + 1"])) else { panic!("a filter works on columns") };
        assert!(work.batch(&frame).unwrap_err().to_string().contains("a truth value was expected"));
    }

    #[test]
    fn the_columns_in_a_rule_are_keys() {
        let keys = filter(&["length(answer) > 3 AND score BETWEEN 1 AND 5", "score <> 2"]).keys();
        assert_eq!(keys.iter().map(|key| (&*key.field, key.key.as_str())).collect::<Vec<_>>(), [("filter_rules", "answer"), ("filter_rules", "score")]);
        let hints: Vec<_> = filter(&["text = \"Owl\""]).keys().into_iter().map(|key| (key.key, key.hint)).collect();
        let hint = "double quotes hold a column's name, and a text has single quotes: `'Owl'`".to_owned();
        assert_eq!(hints, [("text".to_owned(), None), ("Owl".to_owned(), Some(hint))]);
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_a_problem_that_names_it() {
        assert_snapshot!(Operator::problems(&filter(&["score >", "AVG(score) > 2", "no_such(score)", "score > 1"])).join("\n"), @r"
        `filter_rules`: `score >`: an SQL expression such as `LENGTH(text) > 20` was expected, and this cannot be read as one
        hint: a value, a bracket or a quote may be missing
        `filter_rules`: `AVG(score) > 2`: an aggregate needs more than one row, and a rule sees one at a time
        `filter_rules`: `no_such(score)`: no function of the name `no_such` is known
        hint: the functions are those of Polars' SQL, such as LENGTH, UPPER, SUBSTR, REPLACE, REGEXP_LIKE, COALESCE, ROUND and ABS
        ");
    }

    #[test]
    fn a_rule_that_is_no_condition_says_what_it_gives() {
        let frame = frame_of(&[json!({ "score": 5 })]);
        assert_eq!(
            filter(&["score + 1"]).columns(&frame).unwrap_err().to_string(),
            "`filter_rules`: `score + 1`: a truth value was expected, and it gives an integer"
        );
    }

    #[test]
    fn a_rule_without_columns_holds_for_all_rows() {
        let frame = frame_of(&[json!({ "score": 5 }), json!({ "score": 6 })]);
        assert_eq!(check_frame(&filter(&["1 = 2"]), frame), "dropped\ndropped");
    }

    crate::row_filter!("test_is_even", ["n"], |frame: &DataFrame| Ok(frame.column("n")?.i64()?.iter().map(|n| n.map(|n| n % 2 == 0)).collect()));
    crate::row_filter!("test_is_cut", [], |_: &DataFrame| Ok([true].into_iter().collect()));

    #[test]
    fn a_function_of_ones_own_is_a_rule_by_its_name() {
        let operator = GeneralFilter { filter_functions: vec!["test_is_even".into()], ..filter(&["n > 2"]) };
        let frame = df!("n" => [Some(2_i64), Some(4), Some(5), None]).unwrap();
        assert_eq!(check_frame(&operator, frame.clone()), "dropped\nn=4\ndropped\ndropped");
        assert_eq!(operator.keys().iter().map(|key| key.key.as_str()).collect::<Vec<_>>(), ["n"]);
        let cut = GeneralFilter { filter_functions: vec!["test_is_cut".into()], ..Default::default() };
        assert!(cut.columns(&frame).unwrap_err().to_string().contains("should answer for 4 rows, and answers for 1"));
        let unknown = GeneralFilter { filter_functions: vec!["test_is_eve".into()], ..Default::default() };
        assert_eq!(Operator::problems(&unknown), ["`filter_functions`: no function of the name `test_is_eve` is known\nhint: did you mean `test_is_even`?"]);
    }

    #[test]
    fn a_bad_cell_is_null_or_fails_its_row_alone() {
        let frame = df!("n" => ["owls", "5", "2024-01-05", "12:30:00"]).unwrap();
        assert_eq!(check_frame(&filter(&["CAST(n AS BIGINT) > 3"]), frame.clone()), "dropped\nn=5\ndropped\ndropped");
        assert_eq!(check_frame(&filter(&["STRPTIME(n, '%Y-%m-%d') IS NOT NULL"]), frame.clone()), "dropped\ndropped\nn=2024-01-05\ndropped");
        let frame = df!("n" => ["owls", "5"], "form" => ["(", "[0-9]"]).unwrap();
        let changes = filter(&["n REGEXP form"]).columns(&frame).unwrap();
        let failed: Vec<usize> = changes.failed.iter().map(|(row, _)| *row).collect();
        assert_eq!((failed, changes.keep.unwrap().get(1)), (vec![0], Some(true)));
    }
    #[test]
    fn a_text_constant_beside_a_date_is_read_as_one() {
        let frame = df!("day" => ["2024-01-02", "2023-12-31", "owls"]).unwrap();
        let kept = |rule| check_frame(&filter(&[rule]), frame.clone()).matches("day=").count();
        for rule in [
            "DATE(day) > '2024-01-01'",
            "'2024-01-01' < DATE(day)",
            "CAST(day AS TIMESTAMP) >= '2024-01-01 12:00:00'",
            "DATE(day) > '2024-01-01 12:00:00'",
            "CAST(day AS DATE) BETWEEN '2024-01-01' AND '2024-12-31'",
            "DATE(day) IN ('2024-01-02', '2025-01-01')",
            "CAST(day AS DATE) > CAST('2024-01-01 00:00:00' AS TIMESTAMP)",
            "DATE(day) > DATE '2024-01-01'",
            "DATE(day) = TIMESTAMP '2024-01-02 00:00:00'",
        ] {
            assert_eq!(kept(rule), 1, "{rule}");
        }
    }

    #[test]
    fn a_text_constant_is_read_beside_columns_of_dates_and_of_moments_in_a_zone_too() {
        let noon = DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC));
        let moments = Column::new("at".into(), [1_704_196_800_000_i64, 0]).cast(&noon).unwrap(); // 2024-01-02 12:00 in UTC
        let days = Column::new("day".into(), [19_724_i32, 0]).cast(&DataType::Date).unwrap();
        let frame = DataFrame::new(2, vec![moments, days]).unwrap();
        let kept = |rule| filter(&[rule]).columns(&frame).unwrap().keep.unwrap().sum();
        for rule in ["at > '2024-01-02'", "at = '2024-01-02 12:00:00'", "at < '2000-01-01T00:00:00+02:00'", "day = '2024-01-02'", "day > '1970-01-01 10:00:00'"]
        {
            assert_eq!(kept(rule), Some(1), "{rule}");
        }
        assert_eq!(kept("at > '2024-01-02 14:00:00+01:00'"), Some(0));
    }

    #[test]
    fn a_comparison_that_holds_for_no_row_is_refused_before_there_are_rows() {
        let frame = frame_of(&[json!({ "day": "2024-01-02", "score": 5, "sure": true, "tags": ["a"], "meta": { "k": "v" } })]).clear();
        let wrong = |rule: &&str| {
            let told = filter(&[rule]).columns(&frame).unwrap_err().to_string();
            format!("{rule}: {}", told.trim_start_matches(&format!("`filter_rules`: `{rule}`: ")))
        };
        let rules = [
            "day > TIMESTAMP '2024-01-01 00:00:00'",
            "day > DATE '2024-01-01'",
            "day > TIME '04:00:00'",
            "day <> 5",
            "score = '5'",
            "score = 'x'",
            "DATE(day) > 'owls'",
            "DATE(day) IN ('2024-01-02', 'owls')",
            "DATE(day) > 20240101",
            "DATE(day) > CAST('owls' AS DATE)",
            "score > CAST('x' AS BIGINT)",
            "sure = 'yes'",
            "sure = 5",
            "day = TRUE",
            "tags = 'a'",
            "meta = 'v'",
            "score <> NULL",
            "CASE day WHEN DATE '2024-01-02' THEN TRUE END",
        ];
        assert_snapshot!(rules.iter().map(wrong).collect::<Vec<_>>().join("\n"), @r#"
        day > TIMESTAMP '2024-01-01 00:00:00': two values of one type were expected in a comparison: `day` is text, and its right side is a date with a time
        hint: `CAST(day AS TIMESTAMP)` reads a text as a date with a time
        day > DATE '2024-01-01': two values of one type were expected in a comparison: `day` is text, and its right side is a date
        hint: `CAST(day AS DATE)` reads a text as a date
        day > TIME '04:00:00': two values of one type were expected in a comparison: `day` is text, and its right side is a time
        hint: `CAST(day AS TIME)` reads a text as a time
        day <> 5: two values of one type were expected in a comparison: `day` is text, and `5` is an integer
        hint: `CAST(day AS BIGINT)` reads a text as a number
        score = '5': two values of one type were expected in a comparison: `score` is an integer, and `'5'` is text
        hint: a number has no quotes: `5`
        score = 'x': two values of one type were expected in a comparison: `score` is an integer, and `'x'` is text
        hint: `CAST(… AS VARCHAR)` and the like bring a value to another type
        DATE(day) > 'owls': two values of one type were expected in a comparison: its left side is a date, and `'owls'` is text
        hint: `'owls'` cannot be read as a date, and `'2024-01-31'` can
        DATE(day) IN ('2024-01-02', 'owls'): a date was expected in the list of `IN`
        hint: `'owls'` cannot be read as a date, and `'2024-01-31'` can
        DATE(day) > 20240101: two values of one type were expected in a comparison: its left side is a date, and `20240101` is an integer
        hint: `EXTRACT(YEAR FROM …)` and the like give numbers of a date, and `DATE '2024-01-31'` is one
        DATE(day) > CAST('owls' AS DATE): a date was expected, and `'owls'` cannot be read as one
        hint: it would be null in every row; `NULL` says so where that is meant
        score > CAST('x' AS BIGINT): an integer was expected, and `'x'` cannot be read as one
        hint: it would be null in every row; `NULL` says so where that is meant
        sure = 'yes': two values of one type were expected in a comparison: `sure` is a truth value, and `'yes'` is text
        hint: a truth value stands for itself, such as `sure` and `NOT sure`
        sure = 5: two values of one type were expected in a comparison: `sure` is a truth value, and `5` is an integer
        hint: a truth value stands for itself, such as `sure` and `NOT sure`
        day = TRUE: two values of one type were expected in a comparison: `day` is text, and `true` is a truth value
        hint: `day = 'true'` compares two texts
        tags = 'a': two values of one type were expected in a comparison: `tags` is a list, and `'a'` is text
        hint: `ARRAY_CONTAINS(tags, …)` tells whether a list holds a value, and `tags[1]` is its first
        meta = 'v': two values of one type were expected in a comparison: `meta` is a record, and `'v'` is text
        hint: a dot reads a field of a record, such as `meta.k`
        score <> NULL: a comparison with `NULL` holds for no row
        hint: `IS NULL` and `IS NOT NULL` tell whether there is a value
        CASE day WHEN DATE '2024-01-02' THEN TRUE END: two values of one type were expected in a comparison: `day` is text, and its right side is a date
        hint: `CAST(day AS DATE)` reads a text as a date
        "#);
        for rule in [
            "sure = 'true'",
            "sure = 1",
            "score = TRUE",
            "score IS NULL",
            "score IS NOT DISTINCT FROM NULL",
            "score > 1.5",
            "LENGTH(day) > -1",
            "sure",
            "day = 'x'",
            "score IN (1, 2)",
        ] {
            assert!(filter(&[rule]).columns(&frame).is_ok(), "{rule}");
        }
    }
}
