//! What holds of every rule operator on any text: it does not panic, keeps to its kind, says why a row goes, and makes the same of rows however they are cut into batches; and of those
//! that go row by row, which make the same of a row each time.
//!
//! Two searches look for texts that break it: `PROPTEST_CASES=100000 cargo test --workspace --lib -- rule_laws` takes texts at random, as each run of the tests does for a few (with
//! `PROPTEST_RNG_SEED=7` the same texts again), and the fuzz target `rules` lets what was reached lead it to more.

#![expect(clippy::unwrap_used, reason = "a law that cannot be tried is broken")]

use std::path::Path;

use dataflow_core::example::example;
use dataflow_core::key::Direction;
use dataflow_core::operator::{Changes, Kind, Operator, Work};
use dataflow_core::testing::run_rule;
use polars::prelude::*;
use serde_json::{Value, json};

use self::columns::frame;

pub use self::columns::Held;
pub use self::variants::{Rule, rules};

mod columns;
mod variants;

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

/// What an operator makes of the pieces of a frame, in order.
fn over(operator: &dyn Operator, frame: &DataFrame, cuts: &[usize]) -> Made {
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
            assert!(why.is_some_and(|why| !why.is_empty()), "row {row} goes without a reason");
        }
        changes
    };
    let batches: Vec<Changes> = cuts.windows(2).map(|cut| batch(frame.slice(cut[0] as i64, cut[1] - cut[0]))).collect();
    let result = if let Work::Dataset(work) = &mut work { work.end().unwrap().map(|result| result.value) } else { None };
    let parameters = operator.parameters();
    let paths = ["pairs_path", "clusters_path"].iter().filter_map(|name| parameters[*name].as_str());
    let files = paths.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    Made { batches: told(&batches, frame), result, files }
}

/// All that came of a frame.
#[derive(Debug, PartialEq)]
struct Made {
    batches: Told,
    /// Of all rows together.
    result: Option<Value>,
    /// What was written beside the rows.
    files: Vec<String>,
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

/// Holds an operator to its promises over rows, whose texts stand in the columns that it reads as `held` says of each, and which are also taken in pieces that begin at `cuts`.
///
/// # Errors
/// A promise that is not kept.
///
/// # Panics
/// As the operator does, and where a kind is not kept to.
pub fn hold(operator: &dyn Operator, rows: &[Vec<Option<String>>], cuts: &[usize], held: &[Held]) -> Result<(), String> {
    // Rules of SQL are written for columns of one type; another is told at compile.
    let is_sql = ["filter_rules", "process_fn"].iter().any(|name| !operator.parameters()[*name].is_null());
    let frame = frame(&operator.keys(), rows, if is_sql { &[] } else { held });
    if matches!(operator.work().unwrap(), Work::Row(_)) {
        for row in 0..frame.height() {
            let cells = frame.columns().iter().map(|column| (column.name().to_string(), dataflow_core::row::json_of(&column.get(row).unwrap())));
            hold_row(operator, &cells.collect())?;
        }
        return Ok(());
    }
    if let Some(index) = operator.parameters()["index_path"].as_str() {
        fill_index(operator, Path::new(index), &frame.slice(0, rows.len().div_ceil(2)));
    }
    run_rule(operator, frame.clone());
    let (whole, parts) = (over(operator, &frame, &[]), over(operator, &frame, cuts));
    if whole == parts { Ok(()) } else { Err(format!("it depends on how rows are cut into batches: {whole:?} and {parts:?}")) }
}

/// Holds an operator that goes row by row to its kind, and to making the same of a row each time.
fn hold_row(operator: &dyn Operator, row: &Value) -> Result<(), String> {
    let made = || example(operator, std::slice::from_ref(row)).map(Option::unwrap).map_err(|error| error.to_string());
    let (once, again) = (made(), made());
    if once != again {
        return Err(format!("a row becomes {once:?} and then {again:?}"));
    }
    // An error of a row is no fault: many name a file that is not there.
    let Ok(made) = once else { return Ok(()) };
    let (kind, rows) = (operator.info().kind, made.rows.concat());
    match (kind, rows.len()) {
        (Kind::Generate, _) | (Kind::Filter, 0 | 1) | (Kind::Eval | Kind::Refine, 1) => {}
        (_, count) => return Err(format!("{} makes {count} rows of one", kind.name())),
    }
    let written: Vec<String> = operator.keys().into_iter().filter(|key| key.direction != Direction::Read).map(|key| key.key).collect();
    for made in &rows {
        let made = made.as_object().unwrap();
        if let Some(missing) = written.iter().find(|name| !made.contains_key(*name)) {
            return Err(format!("`{missing}` is not written"));
        }
        if let Some(other) = made.keys().find(|name| row.get(*name).is_none() && !written.contains(*name)) {
            return Err(format!("`{other}` is written, which no key declares"));
        }
        if let Some((changed, _)) =
            row.as_object().unwrap().iter().find(|(name, cell)| kind != Kind::Generate && !written.contains(*name) && made[*name] != **cell)
        {
            return Err(format!("`{changed}` is changed, which no key says"));
        }
    }
    Ok(())
}

/// Leaves an index that knows rows of another run alone.
fn fill_index(operator: &dyn Operator, index: &Path, rows: &DataFrame) {
    if index.exists() {
        std::fs::remove_dir_all(index).unwrap();
    }
    let mut parameters = operator.parameters();
    parameters["index_name"] = json!("another");
    over((operator.info().build)(parameters).unwrap().as_ref(), rows, &[]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use dataflow_core::docs::Language;
    use dataflow_core::key::{ColumnType, KeyUse};
    use dataflow_core::operator::{OperatorInfo, Shape};
    use dataflow_core::registry;

    use super::variants::LISTS;
    use super::*;

    fn text() -> impl Strategy<Value = String> {
        let pieces = vec(proptest::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat());
        let repeated = (proptest::sample::select(PIECES), 1_usize..400).prop_map(|(piece, times)| piece.repeat(times));
        let mixed = (pieces.clone(), ".{0,12}", pieces.clone()).prop_map(|(before, inside, after)| [before, inside, after].concat());
        prop_oneof![4 => pieces, 1 => repeated, 2 => mixed, 2 => "(?s).{0,40}", 1 => Just(String::new())]
    }

    /// Rows of a few texts, some of them equal and some null, where they are cut, and what their columns hold.
    fn rows() -> impl Strategy<Value = (Vec<Vec<Option<String>>>, Vec<usize>, Vec<Held>)> {
        let row = vec(option::weighted(0.9, text()), 4);
        let rows = vec(row, 1..7).prop_flat_map(|rows| {
            let height = rows.len();
            (Just(rows), vec(0..height, 0..3)).prop_map(|(mut rows, again)| {
                let again: Vec<_> = again.into_iter().map(|row| rows[row].clone()).collect();
                rows.extend(again);
                rows
            })
        });
        let held = prop_oneof![1 => Just(vec![Held::Texts; 4]), 1 => vec(proptest::sample::select(&Held::ALL[..]), 4)];
        (rows, vec(0_usize..9, 0..4), held)
    }

    /// The parameters that name a file of which something is made.
    const NAMES_OF_FILES: [&str; 8] =
        ["dictionary_path", "idf_path", "stopwords_path", "blocklist_path", "contractions_path", "emoticons_path", "easy_words_path", "tokenizer"];

    /// `docs/deviations.md` says why these drop a null whatever becomes of an empty text.
    const NULLS_GO: [&str; 13] = [
        "CCNetDeduplicateFilter",
        "CodeAutoGeneratedFilter",
        "CodeDocumentQualityFilter",
        "CodeEncodedDataFilter",
        "CodeLengthSampleFilter",
        "CodeTextCompositionFilter",
        "HashDeduplicateFilter",
        "LangkitFilter",
        "LexicalDiversityFilter",
        "MinHashDeduplicateFilter",
        "NgramHashDeduplicateFilter",
        "ReasoningAnswerNgramFilter",
        "SimHashDeduplicateFilter",
    ];

    #[test]
    fn a_filter_does_with_a_null_as_with_an_empty_text() {
        let folder = tempfile::tempdir().unwrap();
        let (mut held, mut other) = (0, BTreeSet::new());
        for (_, rule) in rules(folder.path()).into_iter().flatten() {
            let reads_text = |key: &KeyUse| key.direction == Direction::Write || matches!(key.column_type, ColumnType::Text | ColumnType::Any);
            if rule.info().kind != Kind::Filter || !rule.keys().iter().all(reads_text) {
                continue;
            }
            assert_ne!(rule.info().shape, Shape::Row, "{}", rule.info().name);
            if let Some(index) = rule.parameters()["index_path"].as_str() {
                _ = std::fs::remove_dir_all(index);
            }
            let kept = |text: Option<&str>| run_rule(rule.as_ref(), frame(&rule.keys(), &[vec![text.map(str::to_owned)]], &[])).1[0];
            if kept(None) != kept(Some("")) {
                assert!(!kept(None), "{}", rule.info().name);
                other.insert(rule.info().name);
            }
            held += 1;
        }
        assert!(held > 100, "{held} rules");
        assert_eq!(other.into_iter().collect::<Vec<_>>(), NULLS_GO);
        for name in NULLS_GO {
            let mut told = include_str!("../../docs/deviations.md").lines().filter(|line| line.starts_with(&format!("| `{name}` |")));
            assert!(told.any(|line| line.contains("a null is dropped")), "{name}");
        }
    }

    #[test]
    fn a_filter_that_takes_an_empty_text_for_other_than_a_blank_one_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut held = 0;
        for (_, rule) in rules(folder.path()).into_iter().filter_map(|variants| variants.into_iter().next()) {
            let reads_text = |key: &KeyUse| key.direction == Direction::Write || key.column_type == ColumnType::Text;
            if rule.info().kind == Kind::Filter && rule.info().shape == Shape::Column && rule.keys().iter().all(reads_text) {
                let kept = run_rule(rule.as_ref(), frame(&rule.keys(), &[vec![Some(String::new())], vec![Some(" ".into())]], &[])).1;
                let (english, chinese) = (rule.info().docs.get(Language::En), rule.info().docs.get(Language::Zh));
                assert!(kept[0] == kept[1] || (english.contains("empty") && chinese.contains("空文本")), "{}: {english}", rule.info().name);
                held += usize::from(kept[0] != kept[1]);
            }
        }
        assert!(held >= 10, "{held} filters");
    }

    /// A rule that goes over the rest of a text, or over all of it, for each of so many pieces would hardly end.
    #[test]
    fn every_rule_ends_on_a_long_text_of_one_piece() {
        const LENGTH: usize = 200_000;
        let folder = tempfile::tempdir().unwrap();
        let each = rules(folder.path()).into_iter().filter_map(|variants| variants.into_iter().next());
        for ((name, rule), piece) in each.zip(PIECES.iter().cycle()) {
            for (before, piece) in [("", *piece), ("http://a.b/", ")")] {
                let rows = [vec![Some(format!("{before}{}", piece.repeat(LENGTH / piece.len())))]];
                if rule.info().shape == Shape::Row {
                    hold(rule.as_ref(), &rows, &[], &[]).unwrap_or_else(|broken| panic!("{name}: {piece:?}: {broken}"));
                } else {
                    run_rule(rule.as_ref(), frame(&rule.keys(), &rows, &[]));
                }
            }
        }
    }

    #[test]
    fn a_file_that_has_changed_is_looked_at_when_a_pipeline_compiles() {
        let folder = tempfile::tempdir().unwrap();
        let rules: Vec<Rule> = rules(folder.path()).into_iter().flatten().collect();
        let names_file = |rule: &Rule| NAMES_OF_FILES.into_iter().find(|name| rule.1.parameters()[*name].as_str().is_some_and(|path| Path::new(path).exists()));
        let mut looked = BTreeSet::new();
        for rule in &rules {
            let Some(parameter) = names_file(rule) else { continue };
            let path = rule.1.parameters()[parameter].as_str().unwrap().to_owned();
            let before = std::fs::read(&path).unwrap();
            std::fs::write(&path, "\0").unwrap();
            assert_ne!(rule.1.problems(), [""; 0], "{}: `{parameter}`", rule.0);
            std::fs::write(&path, before).unwrap();
            assert_eq!(rule.1.problems(), [""; 0], "{}: `{parameter}`", rule.0);
            looked.insert(parameter);
        }
        assert_eq!(looked.len(), NAMES_OF_FILES.len(), "{looked:?}");
    }

    #[test]
    fn equal_texts_have_equal_vectors() {
        let rule = registry::operator("SemDeduplicateFilter").unwrap().with_defaults().unwrap();
        let rows = ["a b", "ccc", "a b"].map(|text| vec![Some(text.to_owned())]);
        assert_eq!(run_rule(rule.as_ref(), frame(&rule.keys(), &rows, &[])).1, [true, true, false]);
    }

    #[test]
    fn every_rule_keeps_its_promises_on_any_text_and_in_any_batches() {
        let folder = tempfile::tempdir().unwrap();
        let rules: Vec<Rule> = rules(folder.path()).into_iter().flatten().collect();
        for name in [
            "CiderSampleEvaluator",
            "SpellingCorrectionRefiner",
            "QAExtractor",
            "UnifiedBenchDatasetEvaluator with {\"eval_type\":\"key3_q_choices_as\"}",
            "WordNumberFilter with {\"min_words\":0}",
            "HashDeduplicateFilter with {\"memory_limit\":1}",
            "SemDeduplicateFilter with {\"eps\":0.1}",
            "WordNumberFilter with {\"language\":\"de\"}",
            "LangkitFilter with {\"min_scores\":{},\"max_scores\":{}}",
            "LexicalDiversityFilter with {\"min_scores\":{},\"max_scores\":{}}",
        ] {
            assert!(rules.iter().any(|(known, _)| known == name), "{name}");
        }
        for parameter in LISTS.map(|(name, _)| name).into_iter().chain(["tokenizer.json", "watermarks", "html_entities", "thresholds"]) {
            assert!(rules.iter().any(|(known, _)| known.contains(" with {") && known.contains(parameter)), "{parameter}");
        }
        let called: BTreeSet<_> = rules.iter().map(|(_, rule)| rule.info().name).collect();
        let calls_none = |info: &&&OperatorInfo| info.shape != Shape::Source && info.with_defaults().unwrap().at_most().calls == 0;
        let left_out: Vec<_> = registry::operators().iter().filter(calls_none).map(|info| info.name).filter(|name| !called.contains(name)).collect();
        assert_eq!(left_out, [""; 0]);
        let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
        let law = |(rows, cuts, columns): (Vec<Vec<Option<String>>>, Vec<usize>, Vec<Held>)| {
            for (name, rule) in &rules {
                let held = catch_unwind(AssertUnwindSafe(|| hold(rule.as_ref(), &rows, &cuts, &columns))).unwrap_or_else(|panic| {
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
