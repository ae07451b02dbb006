//! Tells what is wrong with an expression in words that are not those of Polars or of its parser.

use std::sync::LazyLock;

use dataflow_core::registry::nearest;
use polars::prelude::{DataFrame, PolarsError};
use regex::{Captures, Regex};

use super::unknown_function::in_place_of;
use super::written::AS_THEY_ARE;

/// What a type of Polars is called here.
pub(in crate::core_text) fn type_name(of_polars: &str) -> &'static str {
    let plain = of_polars.trim_start_matches("dyn ").to_ascii_lowercase();
    match plain.as_str() {
        "str" | "string" | "utf8" | "utf8view" => "text",
        "bool" | "boolean" => "a truth value",
        "f32" | "f64" | "float" | "float32" | "float64" => "a number",
        int if int.trim_start_matches(['u', 'i']).trim_start_matches("nt").chars().all(|digit| digit.is_ascii_digit()) => "an integer",
        "date" => "a date",
        "time" => "a time",
        "null" => "null",
        other if other.starts_with("datetime") => "a date with a time",
        other if other.starts_with("duration") => "a span of time",
        other if other.starts_with("list") || other.starts_with("array") => "a list",
        other if other.starts_with("struct") => "a record",
        _ => "a value of another type",
    }
}

/// How a message of Polars begins, and what is told in its place.
type Wording<P = Regex> = (P, fn(&Captures<'_>) -> String);

const CAST: &str = "\nhint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type";

static WORDINGS: LazyLock<Vec<Wording>> = LazyLock::new(|| {
    let wordings: [Wording<&str>; 41] = [
        (r"^unable to parse '", |_| {
            "an SQL expression such as `LENGTH(text) > 20` was expected, and this cannot be read as one\nhint: a value, a bracket or a quote may be missing"
                .into()
        }),
        (r"^invalid expression \(found unexpected token '(.*)'\)", |found| left_over(&found[1])),
        (r"^expected an expression \(found '(.*)' clause\)", |found| format!("an expression alone was expected, and `{}` is no part of one", &found[1])),
        (r"^unsupported function '(.*)'", |found| format!("no function of the name `{}` is known\nhint: {}", &found[1], in_place_of(&found[1]))),
        (r"^array element ", |_| {
            "constants alone were expected in the list of `IN` or `ARRAY`\nhint: `OR` joins comparisons with columns, and `ARRAY_CONTAINS(tags, 'a')` looks for a value in a list"
                .into()
        }),
        (r"^ESCAPE char", |_| format!("`ESCAPE` is not known\nhint: {AS_THEY_ARE}")),
        (r"^expression (\w+)(?s:.*) is not currently supported", |found| form_not_known(&found[1])),
        (r"^(I?LIKE ANY) ", |found| format!("`{}` is not known\nhint: `OR` joins conditions", &found[1])),
        (r#"^value Placeholder\("(.*?)"\)"#, |found| {
            format!(
                "a value was expected, and `{}` stands for one that is given elsewhere\nhint: write the value in its place, a text in single quotes",
                &found[1]
            )
        }),
        (r"^(?:complex field access chains|dot-notation field access)", |_| {
            "neither a dot nor another place in brackets was expected behind a place in brackets\nhint: `items[1] -> 'name'` reads a field of a record in a list, and `(pairs[1])[2]` an item of a list in a list".into()
        }),
        (r"^invalid json/struct path-extract definition", |_| {
            "the name of a field was expected after the arrow\nhint: brackets part it from what follows, as in `(meta ->> 'name') = 'a'`".into()
        }),
        (r"^(ALL|ANY) cannot be used with", |_| {
            "`ALL` and `ANY` are not known here\nhint: `id IN (1, 2)` and `id NOT IN (1, 2)` tell whether a value is among constants".into()
        }),
        (r"^no function matches the given name and arguments: `(\w+)\(", |found| {
            format!(
                "`{}` was given other arguments than it takes\nhint: `UPPER(text)`, `LENGTH(text)`, `ROUND(number, 2)` and `SUBSTR(text, 2, 3)` are examples",
                &found[1]
            )
        }),
        (r"^array slice syntax", |_| "the place of one item was expected in the brackets, found a range\nhint: `tags[1]` is the first item of a list".into()),
        (r#"^cannot parse literal \w+(?:\(Ident \{ value: "(.*?)",)?"#, |found| {
            let found = found.get(1).map_or_else(|| "something else".to_owned(), |name| format!("`{}`", name.as_str()));
            format!("a constant was expected, such as a format in single quotes, found {found}")
        }),
        (r"^LIKE/ILIKE pattern must be a string literal; found (.*)", |found| {
            format!("a constant text was expected after `LIKE`, found `{}`\nhint: `STRPOS(text, part) > 0` tells whether a text holds another", &found[1])
        }),
        (r"^([LR]PAD) fill value must be", |found| format!("one constant character was expected as the last argument of `{}`, such as `'0'`", &found[1])),
        (r"^CONCAT_WS 'separator' must be", |_| "a constant text was expected as the first argument of `CONCAT_WS`, such as `', '`".into()),
        (r"^invalid value for ROUND decimals", |_| "a constant number of decimals was expected in `ROUND`, such as `ROUND(score, 2)`".into()),
        (r"^EXTRACT/DATE_PART does not support '(.*)' part", |found| {
            format!("no part of a date is called `{}`\nhint: YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND and EPOCH are some", &found[1])
        }),
        (r"^unary operator ", |_| "a sign stands in it that is not known\nhint: `NOT` tells the contrary of a condition".into()),
        (r"^minus signs are not yet supported in interval strings; found '(.*)'", |found| {
            format!("a span of time without a minus was expected, found `'{}'`\nhint: `- INTERVAL '1 day'` goes back from a date", &found[1])
        }),
        (r"^expected (List|String)(?: \w+)* type(?: for list operation)?, got(?: dtype)?: (.+)", |found| {
            format!("{} was expected, found {}{CAST}", type_name(&found[1]), type_name(&found[2]))
        }),
        (r"^sql parser error: (?s)(.*)", |found| found[1].replace("Line:", "line").replace("Column:", "column").to_lowercase()),
        (r#"^datatype "?(.*?)"? is not currently supported"#, |found| {
            format!("no type of the name `{}` is known\nhint: the types are VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIME and TIMESTAMP", &found[1])
        }),
        (r"^arithmetic on dtypes (.+) and (.+?) is not allowed", |found| {
            format!("numbers were expected beside an arithmetic sign, found {} and {}{CAST}", type_name(&found[1]), type_name(&found[2]))
        }),
        (r"^cannot compare (string|\w+) with", |found| {
            format!("two values of one type were expected in a comparison, found {} and a number{CAST}", type_name(&found[1]))
        }),
        (r"^invalid series dtype: expected `(.+?)`, got `(.+?)` for series with name `(.*)`", |found| {
            format!("{} was expected, and `{}` is {}{CAST}", type_name(&found[1]), &found[3], type_name(&found[2]))
        }),
        (r"^'is_in' cannot check for List\((.+)\) values in (?:Unknown\()?(\w+)", |found| {
            format!("{} was expected in the list of `IN`, found {}{CAST}", type_name(&found[2]), type_name(&found[1]))
        }),
        (r"^'list.contains' cannot check for List\((.+?)\) values in (?:Unknown\()?(\w+)", |found| {
            format!("{} was expected in `ARRAY_CONTAINS`, as the list holds, found {}{CAST}", type_name(&found[1]), type_name(&found[2]))
        }),
        (r"^`bit(and|or)` operation not supported for dtype `(.+)`", |found| {
            format!("truth values were expected beside `{}`, found {}", found[1].to_uppercase(), type_name(&found[2]))
        }),
        (r"^got invalid or ambiguous dtypes: '\[(.+?), (.+?)[\],]", |found| {
            format!("values of one type were expected, found {} and {}{CAST}", type_name(&found[1]), type_name(&found[2]))
        }),
        (r"^`(hour|minute|second|\w*second)` operation not supported for dtype `date`", |_| {
            "a date with a time was expected, found a date\nhint: `CAST(… AS TIMESTAMP)` makes one of it, at midnight".into()
        }),
        (r"^operator (\w+) is not currently supported", |found| {
            let hint = match &found[1] {
                "PGOverlap" => "\nhint: `AND` joins two conditions",
                "BitwiseXor" => "\nhint: `POWER(x, 2)` raises to a power",
                _ => "",
            };
            format!("a sign stands in it that is not known{hint}")
        }),
        (r"^`(year|month|day|hour|minute|second|quarter|week|to_string|\w*day\w*|\w*year\w*)` operation not supported for dtype `(.+)`", |found| {
            format!("a date was expected, found {}\nhint: `STRPTIME(…, '%Y-%m-%d')` reads a text as a date", type_name(&found[2]))
        }),
        (r"^`(\w+)` operation not supported for dtype `(.+)`", |found| format!("`{}` does not take {}{CAST}", found[1].to_uppercase(), type_name(&found[2]))),
        (r"can only be used on numeric types", |_| format!("a number was expected, found a value of another type{CAST}")),
        (r"^expected Date or Datetime, got (\w+)", |found| {
            format!("a date was expected, found {}\nhint: `STRPTIME(…, '%Y-%m-%d')` reads a text as a date", type_name(&found[1]))
        }),
        (r"^casting from (.+) to (.+) not supported", |found| format!("{} was expected, found {}", type_name(&found[2]), type_name(&found[1]))),
        (r"^regex error: (?s:.*)error: (.*)", |found| format!("a regular expression was expected: {}", &found[1])),
        (r"doesn't match the DataFrame height", |_| "one value for each row was expected, found a list of values".into()),
    ];
    wordings.into_iter().filter_map(|(pattern, wording)| Some((Regex::new(pattern).ok()?, wording))).collect()
});

/// That a form of SQL is not known, of which the parser tells the name in its own code, such as `IsUnknown`.
fn form_not_known(name: &str) -> String {
    let instead = match name {
        "IsUnknown" => "`IS NULL` tells whether there is no value",
        "IsNotUnknown" => "`IS NOT NULL` tells whether there is a value",
        "SimilarTo" => "`REGEXP_LIKE(text, '^(owl|law)$')` tells whether a text fits a regular expression",
        "AtTimeZone" => "dates with a time are in UTC, and `+ INTERVAL '8 hours'` gives them those of a zone",
        "Collate" => "`LOWER(text)` compares without regard to case",
        "IsNormalized" => "`NORMALIZE(text, NFC) = text` tells whether a text is normalized",
        "Overlay" => "`CONCAT(LEFT(text, 2), 'owl')` and the like put texts together",
        "Tuple" => return "one value was expected, found several in brackets\nhint: each value has a column of its own".to_owned(),
        "Struct" | "Dictionary" | "Map" => "each value has a column of its own",
        _ => "",
    };
    let letters = name.chars().flat_map(|letter| letter.is_uppercase().then_some(' ').into_iter().chain([letter]));
    let words = letters.collect::<String>().trim().to_uppercase();
    format!("`{words}` is not known{}{instead}", if instead.is_empty() { "" } else { "\nhint: " })
}

/// That a column is not there, and what may be meant by its name.
fn no_column(message: &str, frame: &DataFrame) -> String {
    let found = message.split('"').nth(1).unwrap_or_default();
    let names = || frame.columns().iter().map(|column| column.name().as_str()).filter(|name| *name != "rows");
    let hint = nearest(found, names()).map_or_else(
        || format!("a text has single quotes, `'{found}'`, and the columns are {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean `{near}`? a text has single quotes, `'{found}'`"),
    );
    format!("no column `{found}` is there\nhint: {hint}")
}

/// What was expected and what was found, of an error of Polars.
pub(super) fn told(wrong: &PolarsError, frame: &DataFrame) -> String {
    let message = match wrong {
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => return told(error, frame),
        PolarsError::ColumnNotFound(message) => return no_column(message, frame),
        PolarsError::StructFieldNotFound(field) => {
            return format!("no field `{}` is known: a dot reads a field of a record", field.lines().next().unwrap_or_default());
        }
        PolarsError::ComputeError(message)
        | PolarsError::InvalidOperation(message)
        | PolarsError::SchemaMismatch(message)
        | PolarsError::SQLInterface(message)
        | PolarsError::SQLSyntax(message) => message.to_string(),
        other => other.to_string(),
    };
    let wording = WORDINGS.iter().find_map(|(pattern, wording)| pattern.captures(&message).map(|found| wording(&found)));
    // What is said after the first line is about Polars' plan.
    wording.unwrap_or_else(|| message.lines().next().unwrap_or_default().to_owned())
}

pub(super) fn left_over(word: &str) -> String {
    let hint = if word.starts_with('_') {
        "a number is written without `_`, and a text has single quotes"
    } else {
        "a sign, `AND` or `OR` joins two values, and what an expression gives has no name within it"
    };
    format!("`{word}` was left over after the expression\nhint: {hint}")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::core_text::sql::written::tests::all_found;

    #[test]
    fn a_form_that_is_not_known_is_told_with_what_to_write() {
        let expressions = [
            "rl[1].k",
            "l[1][1]",
            "(rl[1]).k",
            "l[1:2]",
            "b IS UNKNOWN",
            "b IS NOT UNKNOWN",
            "t = ?",
            "t = $1",
            "t = :name",
            "t SIMILAR TO 'a'",
            "t ILIKE ANY ('a')",
            "t LIKE d",
            r"t LIKE 'a\_b'",
            r"t NOT ILIKE E'10\\%'",
            r"'C:\tmp' LIKE 'C:\t%'",
            "t = \"it is\"",
            "\"tt\"",
            "STRFTIME(DATE(d), t)",
            "LPAD(t, 5, 'ab')",
            "CONCAT_WS(t, t, t)",
            "ROUND(n, i)",
            "DATE_PART('owl', DATE(d))",
            "t AT TIME ZONE 'UTC'",
            "t COLLATE x",
            "t IS NORMALIZED",
            "(1, 2)",
            "STRUCT(1)",
            "!b",
            "~i",
            "1 = ANY(l)",
            "REPLACE(l, 'a', 'b')",
            "DATE(d) + INTERVAL '-1 day'",
            "r->>'x' > 0",
            "i <> ALL(ARRAY[1, 2])",
            "UPPER()",
            "LENGTH(t, 1)",
        ];
        assert_snapshot!(all_found(&expressions), @r#"
        rl[1].k: neither a dot nor another place in brackets was expected behind a place in brackets
        hint: `items[1] -> 'name'` reads a field of a record in a list, and `(pairs[1])[2]` an item of a list in a list
        l[1][1]: neither a dot nor another place in brackets was expected behind a place in brackets
        hint: `items[1] -> 'name'` reads a field of a record in a list, and `(pairs[1])[2]` an item of a list in a list
        (rl[1]).k: neither a dot nor another place in brackets was expected behind a place in brackets
        hint: `items[1] -> 'name'` reads a field of a record in a list, and `(pairs[1])[2]` an item of a list in a list
        l[1:2]: the place of one item was expected in the brackets, found a range
        hint: `tags[1]` is the first item of a list
        b IS UNKNOWN: `IS UNKNOWN` is not known
        hint: `IS NULL` tells whether there is no value
        b IS NOT UNKNOWN: `IS NOT UNKNOWN` is not known
        hint: `IS NOT NULL` tells whether there is a value
        t = ?: a value was expected, and `?` stands for one that is given elsewhere
        hint: write the value in its place, a text in single quotes
        t = $1: a value was expected, and `$1` stands for one that is given elsewhere
        hint: write the value in its place, a text in single quotes
        t = :name: a value was expected, and `:name` stands for one that is given elsewhere
        hint: write the value in its place, a text in single quotes
        t SIMILAR TO 'a': `SIMILAR TO` is not known
        hint: `REGEXP_LIKE(text, '^(owl|law)$')` tells whether a text fits a regular expression
        t ILIKE ANY ('a'): `ILIKE ANY` is not known
        hint: `OR` joins conditions
        t LIKE d: a constant text was expected after `LIKE`, found `d`
        hint: `STRPOS(text, part) > 0` tells whether a text holds another
        t LIKE 'a\_b': `%` and `_` in a pattern after `LIKE` stand for any text and any character, and a backslash changes nothing, found `\_`
        hint: `STRPOS(text, '10%') > 0` and `REGEXP_LIKE(text, '10%$')` take `%` and `_` as they are
        t NOT ILIKE E'10\\%': `%` and `_` in a pattern after `LIKE` stand for any text and any character, and a backslash changes nothing, found `\%`
        hint: `STRPOS(text, '10%') > 0` and `REGEXP_LIKE(text, '10%$')` take `%` and `_` as they are
        'C:\tmp' LIKE 'C:\t%': gives true
        t = "it is": no column `it is` is there
        hint: a text has single quotes, `'it is'`, and the columns are `t`, `i`, `n`, `b`, `d`, `l`, `m`, `r`, `rl`
        "tt": no column `tt` is there
        hint: did you mean `t`? a text has single quotes, `'tt'`
        STRFTIME(DATE(d), t): a constant was expected, such as a format in single quotes, found `t`
        LPAD(t, 5, 'ab'): one constant character was expected as the last argument of `LPAD`, such as `'0'`
        CONCAT_WS(t, t, t): a constant text was expected as the first argument of `CONCAT_WS`, such as `', '`
        ROUND(n, i): a constant number of decimals was expected in `ROUND`, such as `ROUND(score, 2)`
        DATE_PART('owl', DATE(d)): no part of a date is called `owl`
        hint: YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND and EPOCH are some
        t AT TIME ZONE 'UTC': `AT TIME ZONE` is not known
        hint: dates with a time are in UTC, and `+ INTERVAL '8 hours'` gives them those of a zone
        t COLLATE x: `COLLATE` is not known
        hint: `LOWER(text)` compares without regard to case
        t IS NORMALIZED: `IS NORMALIZED` is not known
        hint: `NORMALIZE(text, NFC) = text` tells whether a text is normalized
        (1, 2): one value was expected, found several in brackets
        hint: each value has a column of its own
        STRUCT(1): `STRUCT` is not known
        hint: each value has a column of its own
        !b: an SQL expression such as `LENGTH(text) > 20` was expected, and this cannot be read as one
        hint: a value, a bracket or a quote may be missing
        ~i: a sign stands in it that is not known
        hint: `NOT` tells the contrary of a condition
        1 = ANY(l): an integer was expected in the list of `IN`, found text
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        REPLACE(l, 'a', 'b'): text was expected, found a list
        hint: `CAST(… AS DOUBLE)`, `CAST(… AS VARCHAR)` and the like bring a value to another type
        DATE(d) + INTERVAL '-1 day': a span of time without a minus was expected, found `'-1 day'`
        hint: `- INTERVAL '1 day'` goes back from a date
        r->>'x' > 0: the name of a field was expected after the arrow
        hint: brackets part it from what follows, as in `(meta ->> 'name') = 'a'`
        i <> ALL(ARRAY[1, 2]): `ALL` and `ANY` are not known here
        hint: `id IN (1, 2)` and `id NOT IN (1, 2)` tell whether a value is among constants
        UPPER(): `UPPER` was given other arguments than it takes
        hint: `UPPER(text)`, `LENGTH(text)`, `ROUND(number, 2)` and `SUBSTR(text, 2, 3)` are examples
        LENGTH(t, 1): `LENGTH` was given other arguments than it takes
        hint: `UPPER(text)`, `LENGTH(text)`, `ROUND(number, 2)` and `SUBSTR(text, 2, 3)` are examples
        "#);
    }
}
