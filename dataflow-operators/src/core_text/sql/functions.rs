//! Which functions work row by row, and which need other rows, so that their result would depend on the batch: of Polars' SQL, and of what is known elsewhere.

/// What more than one row is needed for, where a function needs more.
pub(super) fn needs_rows(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "any_value"
        | "approx_count_distinct"
        | "arg_max"
        | "arg_min"
        | "array_agg"
        | "avg"
        | "bool_and"
        | "bool_or"
        | "corr"
        | "count"
        | "count_if"
        | "countif"
        | "covar"
        | "covar_pop"
        | "covar_samp"
        | "every"
        | "first"
        | "group_concat"
        | "json_agg"
        | "last"
        | "list"
        | "listagg"
        | "max"
        | "mean"
        | "median"
        | "min"
        | "mode"
        | "nunique"
        | "percentile"
        | "percentile_cont"
        | "quantile"
        | "quantile_cont"
        | "quantile_disc"
        | "std"
        | "stddev"
        | "stddev_samp"
        | "stdev"
        | "stdev_samp"
        | "string_agg"
        | "sum"
        | "total"
        | "var"
        | "var_samp"
        | "variance" => "an aggregate",
        "cume_dist" | "cumsum" | "dense_rank" | "diff" | "drop_duplicates" | "duplicated" | "first_value" | "lag" | "last_value" | "lead" | "nth_value"
        | "ntile" | "percent_rank" | "rank" | "row_number" | "shift" => "a window",
        "unnest" => "`UNNEST`",
        "columns" => "`COLUMNS`",
        "read_csv" | "read_ipc" | "read_json" | "read_parquet" => "a table",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::frame_of;
    use polars::prelude::DataFrame;
    use polars::sql::keywords::all_functions;
    use serde_json::json;

    use crate::core_text::sql::{evaluated, parsed};

    /// A use of each function that gives for a row what that row alone holds.
    const ROW_BY_ROW: [&str; 104] = [
        "ABS(i)",
        "ACOS(n)",
        "ACOSD(n)",
        "ARRAY_CONTAINS(l, 2)",
        "ARRAY_GET(l, i)",
        "ARRAY_LENGTH(l)",
        "ARRAY_LOWER(l)",
        "ARRAY_MEAN(l)",
        "ARRAY_REVERSE(l)",
        "ARRAY_SUM(l)",
        "ARRAY_TO_STRING(l, '-')",
        "ARRAY_UNIQUE(l)",
        "ARRAY_UPPER(l)",
        "ASIN(n)",
        "ASIND(n)",
        "ATAN(n)",
        "ATAN2(n, i)",
        "ATAN2D(n, i)",
        "ATAND(n)",
        "BIT_AND(i, 3)",
        "BITAND(i, 3)",
        "BIT_LENGTH(t)",
        "BIT_NOT(i)",
        "BITNOT(i)",
        "BIT_OR(i, 3)",
        "BITOR(i, 3)",
        "BIT_XOR(i, 3)",
        "BITXOR(i, 3)",
        "XOR(i, 3)",
        "CBRT(n)",
        "CEIL(n)",
        "CEILING(n)",
        "CHAR_LENGTH(t)",
        "CHARACTER_LENGTH(t)",
        "COALESCE(t, s)",
        "CONCAT(t, s)",
        "CONCAT_WS('-', t, s)",
        "COS(n)",
        "COSD(n)",
        "COT(n)",
        "COTD(n)",
        "DATE(d)",
        "DATE_PART('year', DATE(d))",
        "DATETIME(d)",
        "DEGREES(n)",
        "DIV(i, 2)",
        "ENDS_WITH(t, 'l')",
        "EXP(n)",
        "FLOOR(n)",
        "GREATEST(i, n)",
        "IF(i > 1, t, s)",
        "IFNULL(t, s)",
        "LEAST(i, n)",
        "LEFT(t, i)",
        "LENGTH(t)",
        "LN(n)",
        "LOG(n, 2)",
        "LOG10(n)",
        "LOG1P(n)",
        "LOG2(n)",
        "LOWER(t)",
        "LPAD(t, i, 'x')",
        "LTRIM(t, 'o')",
        "MOD(i, 2)",
        "NORMALIZE(t, NFC)",
        "NULLIF(t, s)",
        "OCTET_LENGTH(t)",
        "PI()",
        "POW(i, 2)",
        "POWER(n, 2)",
        "RADIANS(n)",
        "REGEXP_LIKE(t, '^o')",
        "REPLACE(t, 'o', 'u')",
        "REVERSE(t)",
        "RIGHT(t, i)",
        "ROUND(n, 1)",
        "RPAD(t, i, 'x')",
        "RTRIM(t, 'l')",
        "SIGN(n)",
        "SIN(n)",
        "SIND(n)",
        "SPLIT_PART(t, 'w', i)",
        "SQRT(n)",
        "STARTS_WITH(t, s)",
        "STRFTIME(DATE(d), '%Y')",
        "STRING_TO_ARRAY(t, 'w')",
        "STRPOS(t, s)",
        "STRPTIME(d, '%Y-%m-%d')",
        "SUBSTR(t, i, 2)",
        "TAN(n)",
        "TAND(n)",
        "TIME(d)",
        "TIMESTAMP(d)",
        "TRUNC(n)",
        "TRUNCATE(n)",
        "UPPER(t)",
        "POSITION('w' IN t)",
        "EXTRACT(MONTH FROM DATE(d))",
        "TRIM(BOTH 'o' FROM t)",
        "CONCAT(l, t)",
        "COALESCE(l, t)",
        "CASE WHEN i > 1 THEN l ELSE t END",
        "CAST(t AS BOOLEAN)",
        "LPAD(t, i * 500000, 'x')",
    ];

    fn shown(expression: &str, frame: &DataFrame) -> Result<Vec<String>, String> {
        let found = evaluated(&parsed(expression)?, frame)?;
        let values = found.column.as_materialized_series().iter().map(|value| value.to_string()).collect::<Vec<String>>();
        Ok(values.into_iter().chain(found.failed.iter().map(|(row, wrong)| format!("{row}: {wrong}"))).collect())
    }

    #[test]
    fn every_function_gives_for_a_row_what_that_row_alone_holds_or_is_refused() {
        let rows = [
            json!({ "t": "owl", "s": "o", "i": 1, "n": 0.25, "l": [1, 2, 2], "d": "2024-01-31" }),
            json!({ "t": "law", "s": "w", "i": 3, "n": 0.75, "l": [5], "d": "2023-02-01T10:00:00" }),
            json!({ "t": null, "s": "x", "i": null, "n": null, "l": null, "d": null }),
            json!({ "t": "", "s": null, "i": 2, "n": 0.5, "l": [], "d": "owls" }),
        ];
        let frame = frame_of(&rows);
        let differs = |expression: &&str| {
            let whole = shown(expression, &frame);
            let split: Result<Vec<Vec<String>>, String> = (0..rows.len()).map(|row| shown(expression, &frame.slice(row as i64, 1))).collect();
            let split = split.map(|split| split.concat());
            (whole.is_err() || whole != split).then(|| format!("{expression}: {whole:?} and {split:?}"))
        };
        assert_eq!(ROW_BY_ROW.iter().filter_map(differs).collect::<Vec<_>>(), Vec::<String>::new());
        let is_known = |name: &str| ROW_BY_ROW.iter().any(|known| known.split('(').next().is_some_and(|known| known.eq_ignore_ascii_case(name)));
        let undecided: Vec<&str> = all_functions().into_iter().filter(|name| is_known(name) == needs_rows(name).is_some()).collect();
        assert_eq!(undecided, ["bit_count", "initcap"], "they are not built in");
    }

    #[test]
    fn what_needs_other_rows_is_refused_wherever_it_stands() {
        for expression in [
            "ARRAY_AGG(i)",
            "ARRAY_LENGTH(ARRAY_AGG(i))",
            "corr (i, n)",
            "QUANTILE_CONT(i, 0.5)",
            "\"sum\"(i) > 1",
            "1 + /* a */ STRING_AGG(t, ',')",
            "MEDIAN(i)",
        ] {
            let told = parsed(expression).unwrap_err();
            assert_eq!(told, "an aggregate needs more than one row, and a rule sees one at a time", "{expression}");
        }
        for expression in ["LAG(i)", "LAST_VALUE(i)", "UNNEST(l)", "COLUMNS('i')", "NTILE(4)", "BOOL_AND(i > 0)", "mean(i)"] {
            assert!(parsed(expression).unwrap_err().contains("needs more than one row"), "{expression}");
        }
        for expression in ["t = 'sum(i)'", "sum + 1", "\"max\"", "r.count"] {
            assert!(parsed(expression).is_ok(), "{expression}");
        }
    }
}
