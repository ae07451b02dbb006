//! What holds of every rule operator on any text: it does not panic, keeps to its kind, says why a row goes, and makes the same of rows however they are cut into batches; and of those
//! that go row by row, which make the same of a row each time.
//!
//! Two searches look for texts that break it: `PROPTEST_CASES=100000 cargo test --workspace --lib -- rule_laws` takes texts at random, as each run of the tests does for a few (with
//! `PROPTEST_RNG_SEED=7` the same texts again), and the fuzz target `rules` lets what was reached lead it to more.

#![expect(clippy::unwrap_used, reason = "a law that cannot be tried is broken")]

use std::path::Path;

use dataflow_core::Cell;
use dataflow_core::cell::column_of;
use dataflow_core::example::example;
use dataflow_core::key::{ColumnType, Direction, KeyUse};
use dataflow_core::operator::{Changes, Kind, Operator, OperatorInfo, Shape, Work};
use dataflow_core::registry;
use dataflow_core::serving::{Message, Role};
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

/// Lists that take the place of the built-in ones, by the parameter that names their file.
const LISTS: [(&str, &str); 5] = [
    ("stopwords_path", "the\nis\nword\nqu\n你\n"),
    ("blocklist_path", "the\nlorem ipsum\ni'm\n你好\n"),
    ("contractions_path", "don't\tdo not\ni'm\ti am\nU R\tyou are\nxd\tlaughs\n"),
    ("emoticons_path", "# mine\n:)\n:-D\n\\o/\nXD\n"),
    ("easy_words_path", "the\nword\nis\n"),
];

/// A tokenizer of words between white space and marks.
const TOKENIZER: &str = r#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": null, "decoder": null, "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "the": 1, "word": 2}, "unk_token": "[UNK]"}}"#;

/// Languages beyond those that a schema names: with words that are joined or written without spaces, with letters of their own, from right to left.
const LANGUAGES: [&str; 6] = ["ar", "de", "fr", "ja", "th", "tr"];

/// Values of parameters that are lists or maps.
fn lists_and_maps() -> Vec<Value> {
    vec![
        json!({ "watermarks": [] }),
        json!({ "watermarks": ["the", "。", "1"] }),
        json!({ "html_entities": [] }),
        json!({ "html_entities": ["lt", "word"] }),
        json!({ "thresholds": { "min_num_words": 3, "max_num_chars": 40 } }),
        json!({ "thresholds": { "max_frac_duplicate_lines": 0.1, "max_frac_duplicate_2gram": 0.2, "max_frac_curly_bracket": 0, "min_entropy_unigram": 1.5 } }),
        json!({ "min_scores": {} }),
        json!({ "max_scores": {} }),
        json!({ "min_scores": {}, "max_scores": {} }),
        json!({ "metrics": [] }),
        json!({ "metrics_to_keep": [] }),
    ]
}

/// Columns that some tasks cannot do without, by the key that names them.
const KEYS: [(&str, &str); 5] = [
    ("input_target_key", "target"),
    ("input_targets_key", "targets"),
    ("input_choices_key", "choices"),
    ("input_label_key", "label"),
    ("input_labels_key", "labels"),
];

/// Every operator that calls no model, with its defaults, with each choice and several numbers, lists and maps among its parameters, and with the files that it can read, and write beside the rows; those
/// stand in `folder`.
pub fn rules(folder: &Path) -> Vec<Vec<Rule>> {
    for (name, text) in FILES.into_iter().chain(LISTS).chain([("tokenizer.json", TOKENIZER)]) {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let each = registry::operators().iter().filter(|info| info.shape != Shape::Source).map(|info| variants(info, folder));
    each.filter(|variants| !variants.is_empty()).collect()
}

/// An operator, and how it is named in a find.
pub type Rule = (String, Box<dyn Operator>);

/// An operator with its defaults, and with other values of each parameter that is a choice, a number, a list or a map, and with files beside the rows.
fn variants(info: &OperatorInfo, folder: &Path) -> Vec<Rule> {
    let schema = (info.schema)();
    let files = FILES.iter().filter(|(field, _)| info.fields.iter().any(|known| known.name == *field));
    let mut needed: Map<String, Value> = files.map(|(field, _)| ((*field).to_owned(), folder.join(field).to_str().into())).collect();
    for (field, column) in KEYS.iter().filter(|(field, _)| info.fields.iter().any(|known| known.name == *field)) {
        needed.insert((*field).to_owned(), (*column).into());
    }
    // Of one column or several, one of which has to be said.
    let has_either = ["input_key", "input_keys"].iter().all(|name| info.fields.iter().any(|field| field.name == *name));
    if has_either {
        needed.insert("input_key".into(), "text".into());
    }
    for (field, computed) in [("filter_rules", json!(["LENGTH(text) > 3"])), ("process_fn", json!({ "length": { "sql": "LENGTH(text)", "type": "integer" } }))]
    {
        needed.extend(info.fields.iter().any(|known| known.name == field).then(|| (field.to_owned(), computed)));
    }
    if info.fields.iter().any(|field| field.name == "output_dir") {
        needed.insert("output_dir".into(), folder.to_str().into());
    }
    let plain = (info.build)(Value::Object(needed.clone())).unwrap();
    let defaults = plain.parameters();
    let mut found = vec![(info.name.to_owned(), plain)];
    let mut with = |given: Value| {
        let mut parameters = needed.clone();
        parameters.extend(given.as_object().cloned().unwrap_or_default());
        if let Ok(operator) = (info.build)(Value::Object(parameters)) {
            found.push((format!("{} with {given}", info.name), operator));
        }
    };
    for field in info.fields {
        let of = &schema["properties"][field.name];
        for value in choices(&schema, of).into_iter().chain(numbers(&schema, of, &defaults[field.name])) {
            with(json!({ field.name: value }));
        }
    }
    let has = |name: &str| info.fields.iter().any(|field| field.name == name);
    for (field, _) in LISTS.iter().filter(|(field, _)| has(field)) {
        with(json!({ *field: folder.join(field) }));
        if has("compatibility") {
            with(json!({ *field: folder.join(field), "compatibility": "dataflow" }));
        }
    }
    if has("tokenizer") {
        with(json!({ "tokenizer": folder.join("tokenizer.json") }));
    }
    for given in lists_and_maps() {
        if given.as_object().is_some_and(|given| given.keys().all(|name| has(name))) {
            with(given);
        }
    }
    for name in ["min_scores", "max_scores"].into_iter().filter(|name| has(name)) {
        for times in [0.5, 2.0] {
            let bounds = defaults[name].as_object().into_iter().flatten();
            with(json!({ name: bounds.map(|(metric, bound)| (metric.clone(), json!(bound.as_f64().map(|bound| bound * times)))).collect::<Map<_, _>>() }));
        }
    }
    if has_either {
        with(json!({ "input_key": null, "input_keys": ["text", "title"] }));
    }
    if info.fields.iter().any(|field| field.name == "index_path") {
        let file = |what: &str| folder.join(format!("{}-{what}", info.name));
        with(json!({ "pairs_path": file("pairs"), "clusters_path": file("clusters") }));
        with(json!({ "pairs_path": file("spilled"), "clusters_path": file("spilled-clusters"), "memory_limit": 100 }));
        with(json!({ "index_path": file("index"), "index_name": "one", "pairs_path": file("met") }));
    }
    found.retain(|(_, operator)| operator.problems().is_empty() && operator.at_most().calls == 0);
    found
}

/// The values of a parameter that is a truth value, a list of names or the code of a language.
fn choices(schema: &Value, of: &Value) -> Vec<Value> {
    if let Some(path) = of["$ref"].as_str() {
        return choices(schema, schema.pointer(path.trim_start_matches('#')).unwrap_or(&Value::Null));
    }
    if of["type"] == "boolean" {
        return vec![json!(true), json!(false)];
    }
    if of["pattern"] == "^[A-Za-z]{2}$" {
        return LANGUAGES.map(Value::from).to_vec();
    }
    let names = of["enum"].as_array().cloned().unwrap_or_default();
    let each = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| of[*key].as_array()).flatten();
    let single = of.get("const").cloned();
    names.into_iter().chain(single).chain(each.flat_map(|inner| choices(schema, inner))).collect()
}

/// Values of a parameter that is a number: the least ones, and those around its default.
fn numbers(schema: &Value, of: &Value, default: &Value) -> Vec<Value> {
    if let Some(path) = of["$ref"].as_str() {
        return numbers(schema, schema.pointer(path.trim_start_matches('#')).unwrap_or(&Value::Null), default);
    }
    let is = |name: &str| of["type"] == name || of["type"].as_array().is_some_and(|types| types.iter().any(|known| known == name));
    let mut values = match () {
        () if is("integer") => {
            let default = default.as_u64().unwrap_or(10);
            [0, 1, default / 2, default.saturating_mul(2)].map(Value::from).to_vec()
        }
        () if is("number") => {
            let default = default.as_f64().unwrap_or(0.5);
            [0.0, 1.0, default / 2.0, default * 2.0].map(Value::from).to_vec()
        }
        () => {
            let each = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| of[*key].as_array()).flatten();
            each.flat_map(|inner| numbers(schema, inner, default)).collect()
        }
    };
    values.retain(|value| value != default);
    values.dedup();
    values
}

/// What a column holds that may hold anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// The texts themselves.
    #[default]
    Texts,
    /// Lists of their words.
    Lists,
    /// Records of them and their lengths.
    Records,
    /// Their lengths.
    Integers,
    /// Thirds of these.
    Floats,
    /// Whether they are odd.
    Booleans,
}

impl Held {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Texts, Self::Lists, Self::Records, Self::Integers, Self::Floats, Self::Booleans];

    fn column(self, name: &str, texts: &[Option<&str>]) -> Column {
        let of = |column_type: ColumnType| {
            let cells = texts.iter().map(|text| text.map_or(Cell::Null, |text| cell(text, &column_type))).collect();
            column_of(name, &column_type, cells).unwrap()
        };
        match self {
            Self::Texts => of(ColumnType::Text),
            Self::Lists => of(ColumnType::List(Box::new(ColumnType::Text))),
            Self::Integers => of(ColumnType::Integer),
            Self::Floats => of(ColumnType::Float),
            Self::Booleans => of(ColumnType::Boolean),
            Self::Records => {
                let fields = [("text", Self::Texts), ("lines", Self::Lists), ("length", Self::Integers)];
                let fields: Vec<Series> = fields.map(|(name, held)| held.column(name, texts).take_materialized_series()).to_vec();
                let validity = texts.iter().map(Option::is_some).collect();
                let records = StructChunked::from_series(name.into(), texts.len(), fields.iter()).unwrap();
                records.with_outer_validity(Some(validity)).into_column()
            }
        }
    }
}

/// The columns that an operator reads: those for texts or anything hold what is said of each, by its place, and other types are made of the texts.
fn frame(keys: &[KeyUse], rows: &[Vec<Option<String>>], held: &[Held]) -> DataFrame {
    let mut names: Vec<&KeyUse> = Vec::new();
    for key in keys.iter().filter(|key| key.direction != Direction::Write) {
        if names.iter().all(|known| known.key != key.key) {
            names.push(key);
        }
    }
    let columns = names.iter().enumerate().map(|(place, key)| {
        let texts: Vec<Option<&str>> = rows.iter().map(|row| row[place % row.len()].as_deref()).collect();
        if matches!(key.column_type, ColumnType::Text | ColumnType::Any | ColumnType::Inferred) {
            return held.get(place).copied().unwrap_or_default().column(&key.key, &texts);
        }
        let cells = texts.iter().map(|text| text.map_or(Cell::Null, |text| cell(text, &key.column_type)));
        column_of(&key.key, &key.column_type, cells.collect()).unwrap()
    });
    DataFrame::new(rows.len(), columns.collect()).unwrap()
}

/// A cell made of a text, equal for equal texts.
fn cell(text: &str, column_type: &ColumnType) -> Cell {
    let length = text.len() as i64 - 3;
    match column_type {
        ColumnType::Text | ColumnType::Any | ColumnType::Inferred => text.into(),
        ColumnType::Integer => Cell::Integer(length),
        ColumnType::Float => Cell::Float(length as f64 / 3.0),
        ColumnType::Boolean => Cell::Boolean(length % 2 == 0),
        ColumnType::Vector => {
            // A vector of how often kinds of bytes occur, so that like texts have like vectors; one now and then is no vector among these.
            let dimensions = if text.len() % 13 == 12 { 3 } else { 4 };
            let number = |place| text.bytes().filter(|byte| byte % dimensions == place).count() as f64;
            let odd = [("NaN", Cell::Float(f64::NAN)), ("null", Cell::Null)].into_iter().find(|(word, _)| text.contains(word));
            let first = odd.map_or_else(|| Cell::Float(number(0)), |(_, cell)| cell);
            Cell::List(std::iter::once(first).chain((1..dimensions).map(|place| Cell::Float(number(place)))).collect())
        }
        ColumnType::List(inner) => Cell::List(text.split_inclusive(' ').map(|part| cell(part, inner)).collect()),
        ColumnType::Messages => {
            let roles = [Role::User, Role::Assistant, Role::System].into_iter().cycle();
            Cell::Messages(text.split_inclusive('\n').zip(roles).map(|(line, role)| Message { role, content: line.to_owned() }).collect())
        }
    }
}

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
