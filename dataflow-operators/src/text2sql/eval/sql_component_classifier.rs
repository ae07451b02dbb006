//! Grades the difficulty of an SQL query by what it is made of.

use std::sync::LazyLock;

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;
use regex::Regex;

use crate::compatibility::Compatibility;
use crate::pattern::pattern;

/// Writes how difficult an SQL query is, by points for its parts: joins, several columns or tables, conditions, groups, orders, functions, queries within queries and set operations.
///
/// The label is the first whose threshold the points do not pass, and the last label otherwise. Keywords count as words outside of quoted texts and names (`'…'`, `"…"`, `` `…` ``, `[…]`) and of comments (`--`, `#`, `/*…*/`). Several columns are those of the
/// first `SELECT`, and several tables those of any `FROM`, told by their commas outside of brackets. DataFlow finds some keywords within other words, `in` in `JOIN`, counts commas and words in quotes, takes a comma anywhere beside `from` for a second table, so that
/// several columns give two points, and takes commas in brackets for those of a list; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 按 SQL 语句的组成部分（连接、多列或多表、条件、分组、排序、函数、子查询、集合运算）计分，写入难度标签。取分数不超过阈值的第一个标签，否则取最后一个。
/// 关键字按引号（`'…'`、`"…"`、`` `…` ``、`[…]`）与注释（`--`、`#`、`/*…*/`）之外的完整单词计。多列指第一个 `SELECT` 的列，多表指任一 `FROM` 的表，以括号之外的逗号辨认。DataFlow 会在其他单词内部找到关键字（如 `JOIN` 中的 `in`），计入引号中的逗号与单词，
/// 把 `from` 之外任何位置的逗号当作第二个表（因此多列计两分），并把括号中的逗号当作列表的逗号；`compatibility: dataflow` 沿用其做法。
#[operator(text2sql, eval, Columns)]
pub struct SQLComponentClassifier {
    /// The query. 中文：SQL 语句。
    pub input_sql_key: Input<Text>,
    /// Where the label goes. 中文：写入难度标签的列。
    pub output_difficulty_key: Output<Text>,
    /// The most points of each label but the last, rising. 中文：除最后一个标签外各标签的分数上限，递增。
    pub difficulty_thresholds: Vec<i64>,
    /// The labels, one more than thresholds. 中文：难度标签，比阈值多一个。
    pub difficulty_labels: Vec<String>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for SQLComponentClassifier {
    fn default() -> Self {
        Self {
            input_sql_key: "SQL".into(),
            output_difficulty_key: "sql_component_difficulty".into(),
            difficulty_thresholds: vec![2, 4, 6],
            difficulty_labels: ["easy", "medium", "hard", "extra"].map(Into::into).into(),
            compatibility: Compatibility::Own,
        }
    }
}

/// How a kind of part is found, and how often it counts.
struct Patterns {
    subquery: Regex,
    functions: Regex,
    select_list: Regex,
    quoted: Regex,
    join: Regex,
    condition: Regex,
    membership: Regex,
    group: Regex,
    having: Regex,
    order: Regex,
    limit: Regex,
    set: Regex,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    Patterns {
        subquery: pattern(r"\(\s*select"),
        functions: pattern(r"\b(?:cast|round|substring|date|coalesce)\s*\("),
        select_list: pattern(r"(?s)select\s(.*?)\sfrom"),
        // A bracket right after a word is an index or an array, and `#>` is an operator on JSON.
        quoted: pattern(r#"'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\B\[(?:[^\]\n]|\]\])*\]|--[^\n]*|#(?:[^>\n][^\n]*)?|/\*(?s:.*?)(?:\*/|\z)"#),
        join: pattern(r"\bjoin\b"),
        condition: pattern(r"\b(?:and|or)\b"),
        membership: pattern(r"\b(?:in|exists|like)\b"),
        group: pattern(r"\bgroup\s+by\b"),
        having: pattern(r"\bhaving\b"),
        order: pattern(r"\border\s+by\b"),
        limit: pattern(r"\blimit\b"),
        set: pattern(r"\b(?:union|intersect|except)\b"),
    }
});

impl SQLComponentClassifier {
    fn points(&self, sql: &str) -> i64 {
        let lower = sql.to_lowercase();
        match self.compatibility {
            Compatibility::Own => own_points(&PATTERNS.quoted.replace_all(&lower, " ")),
            Compatibility::Dataflow => dataflow_points(&lower),
        }
    }

    fn label(&self, sql: &str) -> &str {
        let points = self.points(sql);
        let place = self.difficulty_thresholds.iter().position(|most| points <= *most).unwrap_or(self.difficulty_thresholds.len());
        self.difficulty_labels.get(place).map_or("", String::as_str)
    }
}

fn own_points(sql: &str) -> i64 {
    let patterns = &*PATTERNS;
    let all = |pattern: &Regex| pattern.find_iter(sql).count() as i64;
    let any = |pattern: &Regex| i64::from(pattern.is_match(sql));
    let lists = Lists::of(sql);
    2 * any(&patterns.subquery)
        + all(&patterns.join)
        + i64::from(lists.columns)
        + i64::from(lists.tables)
        + i64::from(all(&patterns.condition) >= 2)
        + any(&patterns.membership)
        + any(&patterns.group)
        + any(&patterns.having)
        + any(&patterns.functions)
        + any(&patterns.order)
        + any(&patterns.limit)
        + 2 * any(&patterns.set)
}

/// Whether a query has several columns and several tables.
#[derive(Default)]
struct Lists {
    /// In the first `SELECT` that has a `FROM`.
    columns: bool,
    /// In any `FROM`: a join without the word.
    tables: bool,
}

/// The part of a query in which a comma stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    Select { several: bool },
    From,
    Other,
}

impl Lists {
    /// Reads a query in lower case without quotes and comments. A bracket begins a part of its own.
    fn of(sql: &str) -> Self {
        let mut lists = Self::default();
        let mut around = Vec::new();
        let (mut clause, mut first) = (Clause::Other, true);
        for token in TOKENS.find_iter(sql) {
            clause = match (token.as_str(), clause) {
                ("(" | "[", clause) => {
                    around.push(clause);
                    Clause::Other
                }
                (")" | "]", _) => around.pop().unwrap_or(Clause::Other),
                (",", Clause::Select { .. }) => Clause::Select { several: true },
                (",", clause) => {
                    lists.tables |= clause == Clause::From;
                    clause
                }
                ("select", _) => Clause::Select { several: false },
                ("from", Clause::Select { several }) => {
                    lists.columns |= first && several;
                    first = false;
                    Clause::From
                }
                ("from", clause) => clause,
                _ => Clause::Other,
            };
        }
        lists
    }
}

/// The words that begin a part of a query, commas and brackets.
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    let words = "select|from|where|group|having|window|order|limit|offset|fetch|for|union|intersect|except";
    pattern(&format!(r"\b(?:{words})\b|[,()\[\]]"))
});

fn dataflow_points(sql: &str) -> i64 {
    let has = |words: &[&str]| i64::from(words.iter().any(|word| sql.contains(word)));
    let count = |word: &str| sql.matches(word).count() as i64;
    2 * i64::from(PATTERNS.subquery.is_match(sql))
        + count(" join ")
        + i64::from(sql.contains(',') && sql.contains("from"))
        + i64::from(count(" and ") + count(" or ") >= 2)
        + has(&["in", "exists", "like"])
        + has(&["group by"])
        + has(&["having"])
        + has(&["cast", "round", "substring", "date", "coalesce"])
        + has(&["order by"])
        + has(&["limit"])
        + 2 * has(&["union", "intersect", "except"])
        + i64::from(PATTERNS.select_list.captures(sql).is_some_and(|found| found[1].contains(',')))
}

impl Columns for SQLComponentClassifier {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let queries = texts_of(frame, self.input_sql_key.as_str())?;
        let labels: StringChunked = queries.iter().map(|sql| sql.map(|sql| self.label(sql))).collect();
        Ok(Changes { columns: vec![labels.with_name(self.output_difficulty_key.as_str().into()).into_column()], ..Changes::default() })
    }

    fn problems(&self) -> Vec<String> {
        let (thresholds, labels) = (self.difficulty_thresholds.len(), self.difficulty_labels.len());
        let mut problems = Vec::new();
        if labels != thresholds + 1 {
            problems.push(format!("`difficulty_labels` should be one more than `difficulty_thresholds`, found {labels} and {thresholds}"));
        }
        if !self.difficulty_thresholds.is_sorted_by(|one, next| one < next) {
            problems.push(format!("`difficulty_thresholds` should rise, found {:?}, of which a label could never be written", self.difficulty_thresholds));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(SQLComponentClassifier);

    #[test]
    fn parts_count_and_words_in_quotes_do_not() {
        let operator = SQLComponentClassifier { difficulty_thresholds: vec![0, 2, 4], ..Default::default() };
        let queries = [
            "SELECT name FROM t WHERE x = 'a, b and c or d in e'",
            "SELECT a, b FROM t WHERE id IN (1)",
            "SELECT a FROM t JOIN u GROUP BY a HAVING 1 ORDER BY a LIMIT 3",
        ];
        let labels: Vec<String> = check_rule(&operator, "SQL", queries).lines().map(|line| line.rsplit('=').next().unwrap().to_owned()).collect();
        assert_snapshot!(labels.join(" "), @"easy medium extra");
    }

    #[test]
    fn words_in_quoted_names_and_comments_do_not_count() {
        let points = |sql: &str| SQLComponentClassifier::default().points(sql);
        for sql in [
            r#"SELECT name FROM t WHERE x = "Rock union Roll having limit""#,
            r#"SELECT "a,b" FROM t"#,
            r#"SELECT "say ""order by"" now" FROM t"#,
            "SELECT a /* b, union\n order by */ FROM t",
            "SELECT a FROM t /* limit 3",
            "SELECT a -- don't, limit\nFROM t",
            "SELECT a # don't, union\nFROM t #",
            "SELECT [order by] [x]]union] FROM t",
        ] {
            assert_eq!(points(sql), 0, "{sql}");
        }
        for (sql, expected) in [
            ("SELECT '/*' FROM t LIMIT 3 -- */", 1),
            ("SELECT a # b\nFROM t LIMIT 3", 1),
            ("SELECT a #> 'b' FROM t LIMIT 3", 1),
            ("SELECT array[(SELECT 1)] FROM t", 2),
            (r#"SELECT "a","b" FROM [my table] ORDER BY 1"#, 2),
        ] {
            assert_eq!(points(sql), expected, "{sql}");
        }
    }

    #[test]
    fn commas_between_columns_and_between_tables_count() {
        let points = |sql: &str| {
            [Compatibility::Own, Compatibility::Dataflow].map(|compatibility| SQLComponentClassifier { compatibility, ..Default::default() }.points(sql))
        };
        for (sql, expected) in [
            ("SELECT a, b FROM t", [1, 2]),
            ("SELECT a FROM t, u", [1, 1]),
            ("SELECT a, b FROM t, u", [2, 2]),
            ("SELECT a FROM t JOIN u, v", [2, 3]),
            ("SELECT f(a, b) FROM t", [0, 2]),
            ("SELECT f(a, b), array[a] FROM t", [1, 2]),
            ("SELECT extract(year from d) FROM t WHERE f(a, b)", [0, 1]),
            ("SELECT a FROM t GROUP BY a, b", [1, 2]),
            ("SELECT a FROM t WHERE (a, b) = (1, 2)", [0, 1]),
            ("SELECT a FROM t CROSS APPLY (SELECT b, c FROM u, v)", [3, 3]),
            ("SELECT 1, 2", [0, 0]),
            ("DELETE FROM t", [0, 0]),
        ] {
            assert_eq!(points(sql), expected, "{sql}");
        }
    }

    #[test]
    fn thresholds_that_do_not_rise_are_refused() {
        let operator = SQLComponentClassifier { difficulty_thresholds: vec![2, 4, 4], ..Default::default() };
        assert_eq!(Columns::problems(&operator), ["`difficulty_thresholds` should rise, found [2, 4, 4], of which a label could never be written"]);
    }
}
