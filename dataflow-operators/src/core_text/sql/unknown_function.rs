//! What to write in the place of a function that is not known here.

use dataflow_core::registry::nearest;
use polars::sql::keywords::all_functions;

use super::functions::needs_rows;

/// What to write in the place of a function that is not known here.
pub(super) fn in_place_of(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if let Some(known) = known_elsewhere(&lower) {
        return known.to_owned();
    }
    let functions = all_functions().into_iter().filter(|known| needs_rows(known).is_none() && !NOT_BUILT_IN.contains(known));
    nearest(name, functions).filter(|near| is_slip(&lower, near)).map_or_else(
        || "the functions are those of Polars' SQL, such as LENGTH, UPPER, SUBSTR, REPLACE, REGEXP_LIKE, COALESCE, ROUND and ABS".to_owned(),
        |near| format!("did you mean `{}`?", near.to_uppercase()),
    )
}

/// What Polars lists and does not have in this build.
const NOT_BUILT_IN: [&str; 2] = ["bit_count", "initcap"];

/// Whether a name is another with a slip of the pen, one letter in three at most: names of functions are alike that do not do alike.
fn is_slip(found: &str, known: &str) -> bool {
    let slips = strsim::osa_distance(found, known);
    slips <= 2 && slips * 3 <= found.chars().count()
}

/// What to write for a function of PostgreSQL, DuckDB, SQLite, MySQL, Spark or pandas, by its name in lower case.
fn known_elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "len" | "char_len" | "size" | "strlen" | "string_length" => "`LENGTH` counts the characters of a text, and `ARRAY_LENGTH` the values of a list",
        "cardinality" | "array_size" | "list_length" | "list_count" | "list_size" | "json_array_length" => "`ARRAY_LENGTH(list)` counts the values of a list",
        "iif" | "where" | "np_where" | "decode" | "choose" => "`IF(…, …, …)` chooses between two values, and `CASE WHEN … THEN … ELSE … END` among several",
        "nvl" | "nvl2" | "isnull" | "fillna" | "fill_null" | "zeroifnull" => "`IFNULL(…, …)` and `COALESCE(…, …)` give a value for null",
        "isna" | "is_null" | "notna" | "notnull" | "is_not_null" | "isnan" | "is_nan" => "`IS NULL` and `IS NOT NULL` tell whether there is a value",
        "instr" | "charindex" | "contains" | "find" | "locate" | "str_contains" | "index" | "position_of" => {
            "`STRPOS(text, 'a')` is the place of a text in another, and 0 where it is not in it"
        }
        "isin" | "is_in" => "`IN ('a', 'b')` tells whether a value is among constants",
        "between" | "is_between" => "`score BETWEEN 1 AND 5` tells whether a value lies between two",
        "to_char" | "date_format" | "date_trunc" | "format_date" | "datetrunc" | "format_datetime" | "monthname" | "dayname" => {
            "`STRFTIME(…, '%Y-%m')` writes a date in a form that is given"
        }
        "to_date" | "to_timestamp" | "to_datetime" | "str_to_date" | "parse_date" | "try_strptime" | "make_date" | "julianday" | "unixepoch" => {
            "`STRPTIME(…, '%d.%m.%Y')` reads a text as a date"
        }
        "datediff" | "date_diff" | "timestampdiff" | "age" | "date_sub" => "`CAST(last AS BIGINT) - CAST(first AS BIGINT)` is the days between two dates",
        "dateadd" | "date_add" | "adddate" | "timestampadd" | "add_months" => "`DATE(day) + INTERVAL '3 days'` is a later date",
        "year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "second" | "dayofweek" | "dayofyear" | "weekday" | "weekofyear" | "isodow"
        | "datepart" => "`EXTRACT(YEAR FROM …)` and the like give the parts of a date",
        "epoch" | "unix_timestamp" => "`EXTRACT(EPOCH FROM …)` is the seconds since 1970",
        "now" | "current_date" | "current_time" | "current_timestamp" | "today" | "getdate" | "sysdate" => {
            "a run gives the same on any day, so a date is named: `DATE '2024-01-31'`"
        }
        "random" | "rand" | "randint" | "uuid" | "gen_random_uuid" | "newid" => {
            "an expression gives the same for a row each time; what is drawn at random is an operator of one's own"
        }
        "json_extract" | "json_value" | "get_json_object" | "json_extract_string" | "json_extract_path" | "json_query" | "struct_extract" | "from_json" => {
            "a dot reads a field of a record, such as `meta.name`, and `tags[1]` an item of a list"
        }
        "to_json" | "json_object" | "json_array" | "row_to_json" => "`CAST(… AS VARCHAR)` gives a list or a record as its JSON",
        "repeat" | "replicate" | "space" => "`RPAD('', 3, '-')` is a character three times",
        "regexp_replace" | "re_sub" | "regex_replace" | "translate" | "overlay" | "stuff" => {
            "`REPLACE(text, 'a', 'b')` replaces a text in another; what fits a regular expression is replaced by an operator of one's own"
        }
        "regexp_match" | "regexp_matches" | "regexp_full_match" | "regexp" | "regex" | "rlike" | "match" | "matches" | "similar" | "like" | "ilike"
        | "glob" | "re_match" | "re_search" => {
            "`REGEXP_LIKE(text, '^a')` tells whether a text fits a regular expression, and `text LIKE 'a%'` whether it fits a pattern"
        }
        "regexp_extract" | "regexp_substr" | "regexp_extract_all" | "regexp_split_to_array" | "regexp_count" | "regexp_instr" => {
            "`SPLIT_PART(text, ',', 2)` and `SUBSTR(text, 1, 3)` give a part of a text, and `REGEXP_LIKE(text, '^a')` tells whether it fits a regular expression"
        }
        "split" | "str_split" | "string_split" | "split_to_array" => {
            "`STRING_TO_ARRAY(text, ',')` splits a text into a list, and `SPLIT_PART(text, ',', 1)` gives one part"
        }
        "substring_index" => "`SPLIT_PART(text, ',', 1)` gives one part of a text",
        "join" | "array_join" | "list_aggr" | "list_string_agg" => "`ARRAY_TO_STRING(tags, ',')` joins the texts of a list",
        "list_contains" | "list_has" | "array_has" | "contains_any" | "has" => "`ARRAY_CONTAINS(tags, 'a')` tells whether a list holds a value",
        "list_sum" | "sum_list" => "`ARRAY_SUM(list)` adds the values of a list",
        "list_avg" | "array_avg" => "`ARRAY_MEAN(list)` is the mean of a list",
        "list_min" | "array_min" => "`ARRAY_LOWER(list)` is the least value of a list",
        "list_max" | "array_max" => "`ARRAY_UPPER(list)` is the greatest value of a list",
        "list_distinct" | "array_distinct" | "list_unique" => "`ARRAY_UNIQUE(list)` gives each value of a list once",
        "list_reverse" => "`ARRAY_REVERSE(list)` turns a list round",
        "list_extract" | "list_element" | "element_at" | "array_extract" => "`tags[1]` is the first item of a list",
        "lcase" | "casefold" | "tolower" | "to_lower" => "`LOWER(text)` gives a text in lower case",
        "ucase" | "toupper" | "to_upper" => "`UPPER(text)` gives a text in upper case",
        "initcap" | "capitalize" | "title" => "`CONCAT(UPPER(LEFT(text, 1)), SUBSTR(text, 2))` begins a text with a capital",
        "strip" | "btrim" => "`TRIM(text)` takes the white space from both ends of a text",
        "lstrip" => "`LTRIM(text)` takes the white space from the start of a text",
        "rstrip" => "`RTRIM(text)` takes the white space from the end of a text",
        "prefix" | "str_startswith" => "`STARTS_WITH(text, 'a')` tells how a text begins",
        "suffix" | "str_endswith" => "`ENDS_WITH(text, 'a')` tells how a text ends",
        "mid" | "slice" => "`SUBSTR(text, 2, 3)` gives three characters from the second on",
        "format" | "printf" | "concatenate" | "strcat" => "`CONCAT(a, ' ', b)` puts texts and other values together",
        "zfill" | "pad" => "`LPAD(text, 5, '0')` fills a text up from the left",
        "to_number" | "to_numeric" | "int" | "integer" | "float" | "double" | "bool" | "str" | "text" | "string" | "astype" | "convert" | "try_cast" => {
            "`CAST(… AS BIGINT)`, `CAST(… AS DOUBLE)`, `CAST(… AS BOOLEAN)` and `CAST(… AS VARCHAR)` bring a value to another type"
        }
        "explode" | "flatten" | "generate_series" | "range" | "json_each" => "an expression gives one value for its row",
        "sinh" | "cosh" | "tanh" => "`EXP(x)` and `EXP(-x)` make hyperbolic functions",
        "square" => "`POWER(x, 2)` raises to a power",
        "md5" | "sha1" | "sha256" | "hash" | "hex" | "unhex" | "encode" | "base64" | "ascii" | "chr" | "char" | "ord" | "unicode" | "levenshtein"
        | "edit_distance" | "jaccard" | "soundex" => "nothing here does so; an operator of one's own can",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_elsewhere_has_what_to_write_and_no_other_is_told_to_be_near_without_being_so() {
        let hint = |name: &str| format!("{name}: {}", in_place_of(name));
        let names = ["REPEAT", "RANDOM", "regexp_replace", "list_max", "LENGHT", "STARTSWITH", "SUM_IF", "MD5", "RANKK", "initcapp"];
        insta::assert_snapshot!(names.map(hint).join("\n"), @r#"
        REPEAT: `RPAD('', 3, '-')` is a character three times
        RANDOM: an expression gives the same for a row each time; what is drawn at random is an operator of one's own
        regexp_replace: `REPLACE(text, 'a', 'b')` replaces a text in another; what fits a regular expression is replaced by an operator of one's own
        list_max: `ARRAY_UPPER(list)` is the greatest value of a list
        LENGHT: did you mean `LENGTH`?
        STARTSWITH: did you mean `STARTS_WITH`?
        SUM_IF: the functions are those of Polars' SQL, such as LENGTH, UPPER, SUBSTR, REPLACE, REGEXP_LIKE, COALESCE, ROUND and ABS
        MD5: nothing here does so; an operator of one's own can
        RANKK: the functions are those of Polars' SQL, such as LENGTH, UPPER, SUBSTR, REPLACE, REGEXP_LIKE, COALESCE, ROUND and ABS
        initcapp: the functions are those of Polars' SQL, such as LENGTH, UPPER, SUBSTR, REPLACE, REGEXP_LIKE, COALESCE, ROUND and ABS
        "#);
    }

    #[test]
    fn what_is_told_to_be_written_is_known() {
        let called = regex::Regex::new(r"`([^`]*\b([A-Z][A-Z_0-9]+)\([^`]*)`").unwrap();
        let names = "len list_len cardinality iif nvl instr to_char to_date datediff dateadd year epoch to_json repeat regexp_replace rlike regexp_extract split \
            join has list_sum list_avg list_min list_max list_distinct list_reverse lcase ucase initcap strip lstrip rstrip prefix suffix mid format zfill \
            to_number sinh square";
        for hint in names.split_whitespace().filter_map(known_elsewhere) {
            for found in called.captures_iter(hint) {
                let told = crate::core_text::sql::parsed(&found[1].replace('…', "a")).err().unwrap_or_default();
                assert!(!told.contains("no function"), "{hint}: {told}");
                assert_eq!(known_elsewhere(&found[2].to_lowercase()), None, "{hint}");
            }
        }
    }
}
