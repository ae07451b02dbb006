//! What holds of all that somebody may write in the place of an SQL expression.

use dataflow_core::operator::{Operator, Work};
use dataflow_core::testing::frame_of;
use polars::prelude::DataFrame;
use proptest::prelude::*;
use serde_json::json;

use crate::core_text::{GeneralFilter, PandasOperator};

/// What texts are put together of: quotes, straight and curly, brackets, signs, comments, and words of SQL and of the table.
const PARTS: &str = r#"
    ' ' " ` ’ ‘ “ ” '' \ \' E' $ $$ $a$ ( ) ( ) [ ] [1] [0] { } , . ; : :: ? /* */ -- + - * / % || = <> < >= -> ->> ~ ! 0 1 7.5e3 1e999 .5 9999999999999999999
    'a' '2024-01-31' 'ü’ t n b d l r "n" 回答 SELECT (select WITH FROM AND OR NOT IS NULL IN LIKE BETWEEN CASE WHEN THEN END CAST AS DATE TIMESTAMP INTERVAL SUBSTR
    LENGTH COALESCE POSITION EXTRACT DECIMAL
"#;

/// What is right, and into which a slip of the pen is put.
const RIGHT: [&str; 12] = [
    "d > DATE '2024-01-31'",
    "DATE(d) + INTERVAL '1 day 2 hours'",
    "TIMESTAMP '2024-01-31 10:00' < CAST(d AS TIMESTAMP)",
    "t IN ('a', 'it''s') AND n BETWEEN 1 AND 5e2",
    "POSITION('a' IN t) > 0 OR t NOT LIKE E'a\\'%'",
    "SUBSTR(t, LENGTH(\"t\") - 1) = $a$x$a$",
    "CASE WHEN l[1] = 'a' THEN r.x ELSE ARRAY_LENGTH(l) END",
    "CAST(n AS DECIMAL(5, 2)) / n // n % 3 -- a comment",
    "COALESCE(t, `d`) /* a comment */ || 'ü'",
    "SPLIT_PART(t, ',', 2) REGEXP t",
    "STRPTIME(d, '%Y-%m-%d')",
    "LPAD(t, 7, '-') IS NOT NULL",
];

fn written() -> impl Strategy<Value = String> {
    let part = || proptest::sample::select(PARTS.split_whitespace().chain(["\n", "\0", "\u{a0}"]).collect::<Vec<_>>());
    let right = || proptest::sample::select(RIGHT.to_vec());
    let with_other_quotes = (right(), proptest::collection::vec(proptest::sample::select(vec!["'", "'", "'", "’", "\"", ""]), 8))
        .prop_map(|(right, quotes)| right.split('\'').zip(std::iter::once("").chain(quotes)).flat_map(|(text, quote)| [quote, text]).collect());
    let with_a_slip = (right(), 0..70_usize, 0..4_usize, part()).prop_map(|(right, place, length, part)| {
        let letters = || right.chars();
        letters().take(place).chain(part.chars()).chain(letters().skip(place + length)).collect()
    });
    let of_parts = proptest::collection::vec((part(), prop_oneof![Just(""), Just(" ")]), 1..14)
        .prop_map(|parts| parts.into_iter().flat_map(|(part, blank)| [part, blank]).collect());
    prop_oneof![with_other_quotes, with_a_slip, of_parts]
}

fn frame() -> DataFrame {
    frame_of(&[
        json!({ "t": "owls", "n": 1.5, "b": true, "d": "2024-01-31", "l": ["a", "b"], "r": { "x": 1 } }),
        json!({ "t": "’", "n": null, "b": null, "d": "owls", "l": [], "r": null }),
    ])
}

/// Takes a text the whole way that one of a pipeline file goes: its columns, what is wrong with it, a batch without rows, and rows.
fn goes_all_the_way(operator: &dyn Operator) {
    operator.keys();
    operator.problems();
    let Ok(Work::Column(work)) = operator.work() else { panic!("a rule works on columns") };
    for frame in [frame().clear(), frame()] {
        let _ = work.batch(&frame); // whatever is wrong with it, it is told
    }
}

#[test]
fn a_quote_that_is_not_closed_is_told_with_what_to_write() {
    let told = |sql: &&str| format!("{sql}: {}", crate::core_text::sql::parsed(sql).err().unwrap_or_default());
    let expressions = ["d > DATE '2024-01-31’", "INTERVAL '1 day’", "d > DATE '2024-01-31", "t = 'it''s", "\"n > 1", "‘owls’ = t", "E'\\'", "'"];
    insta::assert_snapshot!(expressions.iter().map(told).collect::<Vec<_>>().join("\n"), @r#"
    d > DATE '2024-01-31’: a second `'` was expected at the end of `'2024-01-31’`
    hint: a text has straight quotes, such as `'owl'`, and so has a name, such as `"answer"`
    INTERVAL '1 day’: a second `'` was expected at the end of `'1 day’`
    hint: a text has straight quotes, such as `'owl'`, and so has a name, such as `"answer"`
    d > DATE '2024-01-31: a second `'` was expected at the end of `'2024-01-31`
    hint: a quote within a text is doubled, such as `'an owl''s'`
    t = 'it''s: a second `'` was expected at the end of `'it''s`
    hint: a quote within a text is doubled, such as `'an owl''s'`
    "n > 1: a second `"` was expected at the end of `"n > 1`
    hint: a quote within a text is doubled, such as `'an owl''s'`
    ‘owls’ = t: a straight quote was expected, found `‘`
    hint: a text has straight quotes, such as `'owl'`, and so has a name, such as `"answer"`
    E'\': a second `'` was expected at the end of `'\'`
    hint: a quote within a text is doubled, such as `'an owl''s'`
    ': a second `'` was expected at the end of `'`
    hint: a quote within a text is doubled, such as `'an owl''s'`
    "#);
}

#[test]
fn a_query_within_is_refused_however_it_is_written() {
    for sql in [
        "(/**/select 1)",
        "t IN (SELECT 1)",
        "(-- \n with x AS (select 1) select 1)",
        "$$'$$ = t OR n IN ( select 1) OR t = $$'$$",
        "E'\\'' = t OR (SELECT(1)) = '1'",
    ] {
        assert_eq!(crate::core_text::sql::parsed(sql).unwrap_err(), "a query within needs more than one row, and a rule sees one at a time", "{sql}");
    }
    for sql in ["t = '(select 1)'", "t = $a$(select 1)$a$", "n > 1 -- (select 1)"] {
        assert!(crate::core_text::sql::parsed(sql).is_ok(), "{sql}");
    }
}

proptest! {
    #[test]
    fn no_text_in_the_place_of_an_expression_panics(sql in written()) {
        goes_all_the_way(&GeneralFilter { filter_rules: vec![sql.as_str().into()], ..Default::default() });
        let operator: PandasOperator = serde_json::from_value(json!({ "process_fn": { "x": sql } })).unwrap();
        goes_all_the_way(&operator);
    }
}
