//! What holds of every rule operator on any text: it does not panic, keeps to its kind, and makes the same of rows however they are cut into batches.
//!
//! Two searches look for texts that break it: `PROPTEST_CASES=100000 cargo test --workspace --lib -- rule_laws` takes texts at random, as each run of the tests does for a few (with
//! `PROPTEST_RNG_SEED=7` the same texts again), and the fuzz target `rules` lets what was reached lead it to more.

#![expect(clippy::unwrap_used, reason = "a law that cannot be tried is broken")]

use std::path::Path;

use dataflow_core::example::example;
use dataflow_core::key::{ColumnType, Direction, KeyUse};
use dataflow_core::operator::{Changes, Operator, OperatorInfo, Shape, Work};
use dataflow_core::registry;
use dataflow_core::testing::run_rule;
use polars::prelude::*;
use serde_json::{Map, Value, json};

/// What rules look for, and what has broken rules elsewhere.
#[rustfmt::skip]
pub const PIECES: &[&str] = &[
    " ", "\n", "\r\n", "\t", "\u{1c}", "\u{a0}", "\u{3000}", "\u{200b}", "\u{feff}", "\u{200d}", "\u{301}", "\0", "a", "I", "the", "The ", "word ",
    "don't", "I'm ", "U.S. ", "Dr. ", "e.g.", "supercalifragilistic", "İ", "ı", "ß", "ſ", "K", "Σ", "ς", "ǅ", "ﬁ", "é", "e\u{301}", "你", "好", "春天来了。",
    "什么？", "……", "…", "...", "。", "！", "，", "“", "”", "カ", "한국", "مرحبا", "हिन्दी", "0", "1", "3.14", "1,000", "12/05/2021", "May 5, 2020", "$5", "½",
    "²", "Ⅷ", "٣", "1️⃣", "😀", "👨‍👩‍👧", "🇨🇳", "☀", ":)", ":-D", "XD", "http://a.b/c?d=1&e=2 ", "https://", "<b>", "</b>", "<ref>", "</ref>",
    "<ref name=", "/>", "{{cite web|", "}}", "{", "}", "[", "]", "(", ")", "<", ">", "&lt;", "&amp", "＆nbsp；", "![](images/a.jpg)", "图 1-2：", "#",
    "##", "- ", "• ", "* ", ":", ";", "!", "?", "-", "_", "__", "'", "\"", "`", "``", "|", "\\", "\\n", "/", "@", "%", "^", "=", "+", "~", "�", "□",
    "{/U}", "U+2600", "u200e", "Copyright", "lorem ipsum", "javascript", "identity", "身份证", "None", "null", "NaN", "true", "\\boxed{", "\\boxed{42}",
    "\\frac{1}{2}", "\\text{ m}", "\\sqrt", "\\pi", "$", "$$", "x=", "(1, 2]", "\\infty", "-1e308", "1e999", "99999999999999999999", "the answer is ",
    "final answer is $", "SELECT a, b FROM t WHERE x IN (", " JOIN ", " AND ", " or ", "GROUP BY ", "def f(x):\n    return x\n",
    "// auto-generated\n", "\\u4e2d", "0xDE, ", "DE AD BE EF ", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==", "<think>",
    "</think>", "```json\n", "[\"a\"]", "{\"a\": 1}",
];

/// What the files hold that some operators cannot do without, by the parameter that names them.
const FILES: [(&str, &str); 2] = [
    ("dictionary_path", "the 900\na 700\nword 60\nidentity 50\nwatermark 40\nis 400\n你好 9\n"),
    ("idf_path", r#"{"df": {"the": 30, "word word": 4}, "ref_len": 40}"#),
];

/// Columns that some tasks cannot do without, by the key that names them.
const KEYS: [(&str, &str); 5] = [
    ("input_target_key", "target"),
    ("input_targets_key", "targets"),
    ("input_choices_key", "choices"),
    ("input_label_key", "label"),
    ("input_labels_key", "labels"),
];

/// Every operator that calls no model, with its defaults and with each choice among its parameters; in `folder` are the files that some cannot do without.
pub fn rules(folder: &Path) -> Vec<Vec<Rule>> {
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let each = registry::operators().iter().filter(|info| info.shape != Shape::Source).map(|info| variants(info, folder));
    each.filter(|variants| !variants.is_empty()).collect()
}

/// An operator, and how it is named in a find.
pub type Rule = (String, Box<dyn Operator>);

/// An operator with its defaults, and with each other value of each parameter that is a choice.
fn variants(info: &OperatorInfo, folder: &Path) -> Vec<Rule> {
    let schema = (info.schema)();
    let files = FILES.iter().filter(|(field, _)| info.fields.iter().any(|known| known.name == *field));
    let mut needed: Map<String, Value> = files.map(|(field, _)| ((*field).to_owned(), folder.join(field).to_str().into())).collect();
    for (field, column) in KEYS.iter().filter(|(field, _)| info.fields.iter().any(|known| known.name == *field)) {
        needed.insert((*field).to_owned(), (*column).into());
    }
    if info.fields.iter().any(|field| field.name == "output_dir") {
        needed.insert("output_dir".into(), folder.to_str().into());
    }
    let mut found = vec![(info.name.to_owned(), (info.build)(Value::Object(needed.clone())).unwrap())];
    for field in info.fields {
        for value in choices(&schema, &schema["properties"][field.name]) {
            let mut parameters = needed.clone();
            parameters.insert(field.name.to_owned(), value.clone());
            if let Ok(operator) = (info.build)(Value::Object(parameters)) {
                found.push((format!("{} with {}: {value}", info.name, field.name), operator));
            }
        }
    }
    found.retain(|(_, operator)| operator.problems().is_empty() && operator.at_most().calls == 0);
    found
}

/// The values of a parameter that is a truth value or a list of names.
fn choices(schema: &Value, of: &Value) -> Vec<Value> {
    if let Some(path) = of["$ref"].as_str() {
        return choices(schema, schema.pointer(path.trim_start_matches('#')).unwrap_or(&Value::Null));
    }
    if of["type"] == "boolean" {
        return vec![json!(true), json!(false)];
    }
    let names = of["enum"].as_array().cloned().unwrap_or_default();
    let each = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| of[*key].as_array()).flatten();
    let single = of.get("const").cloned();
    names.into_iter().chain(single).chain(each.flat_map(|inner| choices(schema, inner))).collect()
}

/// The columns that an operator reads: texts as they are given, other types made of them.
fn frame(keys: &[KeyUse], rows: &[Vec<Option<String>>]) -> DataFrame {
    let mut names: Vec<&KeyUse> = Vec::new();
    for key in keys.iter().filter(|key| key.direction != Direction::Write) {
        if names.iter().all(|known| known.key != key.key) {
            names.push(key);
        }
    }
    let columns = names.iter().enumerate().map(|(place, key)| {
        let texts: StringChunked = rows.iter().map(|row| row[place % row.len()].as_deref()).collect();
        let lengths = || rows.iter().map(|row| row[place % row.len()].as_ref().map(|text| text.len() as i64 - 3));
        let name = PlSmallStr::from(key.key.as_str());
        match &key.column_type {
            ColumnType::Text | ColumnType::Any | ColumnType::Vector => texts.with_name(name).into_column(),
            ColumnType::Integer => lengths().collect::<Int64Chunked>().with_name(name).into_column(),
            ColumnType::Float => lengths().map(|length| length.map(|length| length as f64 / 3.0)).collect::<Float64Chunked>().with_name(name).into_column(),
            ColumnType::Boolean => lengths().map(|length| length.map(|length| length % 2 == 0)).collect::<BooleanChunked>().with_name(name).into_column(),
            other => Column::full_null(name, rows.len(), &other.data_type()),
        }
    });
    DataFrame::new(rows.len(), columns.collect()).unwrap()
}

/// What an operator makes of the pieces of a frame, in order.
fn over(operator: &dyn Operator, frame: &DataFrame, cuts: &[usize]) -> Vec<Changes> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (frame.height() + 1)).chain([0, frame.height()]).collect();
    cuts.sort_unstable();
    let mut work = operator.work().unwrap();
    let mut batch = |frame: DataFrame| {
        let changes = match &mut work {
            Work::Column(work) => work.batch(&frame),
            Work::Dataset(work) => work.batch(&frame),
            Work::Row(_) | Work::Source(_) => unreachable!("a rule"),
        };
        let changes = changes.unwrap();
        for (row, _) in changes.keep.iter().flat_map(ChunkedArray::iter).enumerate().filter(|(_, keep)| *keep != Some(true)) {
            let why = match &work {
                Work::Column(work) => work.why(&frame, row),
                Work::Dataset(work) => work.why(row),
                Work::Row(_) | Work::Source(_) => None,
            };
            assert_ne!(why.as_deref(), Some(""), "a reason says something");
        }
        changes
    };
    cuts.windows(2).map(|cut| batch(frame.slice(cut[0] as i64, cut[1] - cut[0]))).collect()
}

/// Columns, which rows stay, and which have failed.
type Told = (Vec<String>, Vec<Option<bool>>, Vec<(usize, String)>);

/// Everything that changes say, with rows counted through all batches.
fn told(batches: &[Changes], frame: &DataFrame) -> Told {
    let (mut columns, mut keep, mut failed, mut rows) = (Vec::<(String, Vec<String>)>::new(), Vec::new(), Vec::new(), 0);
    for changes in batches {
        let height = changes.columns.first().map(Column::len).or(changes.keep.as_ref().map(ChunkedArray::len)).unwrap_or_default();
        for column in &changes.columns {
            assert_eq!(column.len(), height, "`{}` is as long as the batch", column.name());
            let values = (0..height).map(|row| dataflow_core::row::json_of(&column.get(row).unwrap()).to_string());
            match columns.iter_mut().find(|(name, _)| name == column.name().as_str()) {
                Some((_, known)) => known.extend(values),
                None => columns.push((column.name().to_string(), values.collect())),
            }
        }
        keep.extend(changes.keep.iter().flat_map(ChunkedArray::iter));
        failed.extend(changes.failed.iter().map(|(row, error)| (rows + row, error.to_string())));
        rows += height;
    }
    assert!(rows == frame.height() || rows == 0, "{rows} rows of {}", frame.height());
    (columns.into_iter().map(|(name, values)| format!("{name}: {}", values.join(", "))).collect(), keep, failed)
}

/// Holds an operator to its promises over rows, whose texts stand in the columns that it reads, and which are also taken in pieces that begin at `cuts`.
///
/// # Errors
/// A promise that is not kept.
///
/// # Panics
/// As the operator does, and where a kind is not kept to.
pub fn hold(operator: &dyn Operator, rows: &[Vec<Option<String>>], cuts: &[usize]) -> Result<(), String> {
    let frame = frame(&operator.keys(), rows);
    if matches!(operator.work().unwrap(), Work::Row(_)) {
        for row in 0..frame.height() {
            let cells = frame.columns().iter().map(|column| (column.name().to_string(), dataflow_core::row::json_of(&column.get(row).unwrap())));
            // An error of a row is no fault: many name a file that is not there.
            let _ = example(operator, &[cells.collect()]);
        }
        return Ok(());
    }
    run_rule(operator, frame.clone());
    let (whole, parts) = (told(&over(operator, &frame, &[]), &frame), told(&over(operator, &frame, cuts), &frame));
    if whole == parts { Ok(()) } else { Err(format!("it depends on how rows are cut into batches: {whole:?} and {parts:?}")) }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        let pieces = vec(proptest::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat());
        let repeated = (proptest::sample::select(PIECES), 1_usize..400).prop_map(|(piece, times)| piece.repeat(times));
        let mixed = (pieces.clone(), ".{0,12}", pieces.clone()).prop_map(|(before, inside, after)| [before, inside, after].concat());
        prop_oneof![4 => pieces, 1 => repeated, 2 => mixed, 2 => "(?s).{0,40}", 1 => Just(String::new())]
    }

    /// Rows of a few texts, some of them equal and some null, and where they are cut.
    fn rows() -> impl Strategy<Value = (Vec<Vec<Option<String>>>, Vec<usize>)> {
        let row = vec(option::weighted(0.9, text()), 4);
        let rows = vec(row, 1..7).prop_flat_map(|rows| {
            let height = rows.len();
            (Just(rows), vec(0..height, 0..3)).prop_map(|(mut rows, again)| {
                let again: Vec<_> = again.into_iter().map(|row| rows[row].clone()).collect();
                rows.extend(again);
                rows
            })
        });
        (rows, vec(0_usize..9, 0..4))
    }

    #[test]
    fn every_rule_keeps_its_promises_on_any_text_and_in_any_batches() {
        let folder = tempfile::tempdir().unwrap();
        let rules: Vec<Rule> = rules(folder.path()).into_iter().flatten().collect();
        for name in ["CiderSampleEvaluator", "SpellingCorrectionRefiner", "QAExtractor", "UnifiedBenchDatasetEvaluator with eval_type: \"key3_q_choices_as\""] {
            assert!(rules.iter().any(|(known, _)| known == name), "{name}");
        }
        let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
        let law = |(rows, cuts): (Vec<Vec<Option<String>>>, Vec<usize>)| {
            for (name, rule) in &rules {
                let held = catch_unwind(AssertUnwindSafe(|| hold(rule.as_ref(), &rows, &cuts))).unwrap_or_else(|panic| {
                    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                    Err(message.unwrap_or("a panic").to_owned())
                });
                held.map_err(|broken| TestCaseError::fail(format!("{name}: {broken}")))?;
            }
            Ok(())
        };
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() }).run(&rows(), law).unwrap();
    }
}
