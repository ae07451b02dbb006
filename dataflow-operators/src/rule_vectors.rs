//! Recorded inputs and outcomes of DataFlow's rule operators, against which ours are held.
//!
//! `test_data/rule-vectors.json.zst` was recorded from open-dataflow 1.0.13: `{"operators": {NAME: {"cases": [{params, keys, mode, input, output}]}}}`, packed with
//! `zstd -19`. What differs on purpose is listed in `deviations.rs`, with its reason.

use std::collections::BTreeMap;
use std::path::Path;

use dataflow_core::example::example;
use dataflow_core::key::Direction;
use dataflow_core::operator::{Operator, Shape, Work};
use dataflow_core::registry;
use dataflow_core::testing::{frame_of, run_rule};
use polars::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::compatibility::Compatibility;
use crate::pdf2vqa::generate::blank_pages;

mod deviations;

#[derive(Deserialize)]
struct Vectors {
    operators: BTreeMap<String, Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    params: Map<String, Value>,
    keys: Map<String, Value>,
    /// Absent where every row ran alone; `list` where all ran together.
    mode: Option<String>,
    /// What DataFlow's constructor raised; then there are no rows.
    init_error: Option<String>,
    #[serde(default)]
    input: Vec<Map<String, Value>>,
    #[serde(default)]
    output: Vec<Outcome>,
    /// Files that were there: their text, or `{blank_pages}` of a PDF.
    #[serde(default)]
    input_files: Map<String, Value>,
}

#[derive(Deserialize)]
struct Outcome {
    error: Option<String>,
    /// For a table: what the operator returned, and the rows that it wrote.
    returned: Option<Value>,
    rows: Option<Vec<Map<String, Value>>>,
    /// Files that the operator wrote.
    #[serde(default)]
    files: Map<String, Value>,
    #[serde(default)]
    kept: bool,
    #[serde(default)]
    columns: Map<String, Value>,
}

/// The document frequencies with which `CiderSampleEvaluator` was recorded.
const FREQUENCIES: &str = r#"{"df": {"the": 30, "cat": 5, "on": 20, "the cat": 3, "on the": 9, "fox": 2, "a": 35, "a b": 4, "is": 12}, "ref_len": 40}"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// A row with a null, on which DataFlow raised and ours does not.
    RaisedOnNull,
    /// A row with a number, on which DataFlow raised and ours does not.
    RaisedOnNumber,
    /// A key that is not in the table: DataFlow goes on, and ours does not compile.
    MissingKey,
    /// Any other row on which DataFlow raised and ours does not.
    Raised,
    /// DataFlow raised on parameters that ours refuses.
    RaisedOnParameters,
    /// DataFlow's constructor raised on parameters with which ours works.
    TakesParameters,
    /// DataFlow took parameters that ours refuses.
    RefusedParameters,
    /// A row with a null has a value in DataFlow and null in ours; it stays or goes as it does there.
    NullHasNoLabel,
    /// A row with a number has another value than in DataFlow.
    NumberIsText,
    /// Rows that differ only by a null and the word `None`.
    NullIsNotNone,
    /// A number or a record in DataFlow is its text here, because a column has one type.
    WrittenAsText,
    /// Only measures that depend on a list of words differ.
    OfWordList,
    /// Anything else.
    Other,
}

impl Difference {
    /// Where it shows, in a few words.
    fn told(self) -> &'static str {
        match self {
            Self::RaisedOnNull | Self::NullHasNoLabel => "null",
            Self::RaisedOnNumber | Self::NumberIsText => "number",
            Self::MissingKey => "key that is not there",
            Self::Raised => "DataFlow raises",
            Self::RaisedOnParameters => "parameters on which DataFlow raises",
            Self::TakesParameters => "parameters that DataFlow refuses",
            Self::RefusedParameters => "parameters that are refused here",
            Self::NullIsNotNone => "null and the word `None`",
            Self::OfWordList => "`LangkitDifficultWords` and `LangkitAggregateReadingLevel`",
            Self::WrittenAsText => "type",
            Self::Other => "result",
        }
    }
}

/// What came of holding our operators against all that was recorded.
#[derive(Default)]
struct Held {
    differing: Vec<Differing>,
    /// How many rows were recorded of each operator.
    rows: BTreeMap<String, usize>,
    /// Recorded operators that are not here.
    absent: Vec<String>,
}

/// A row in which an operator does another thing than was recorded.
struct Differing {
    operator: String,
    /// Its case, and its number in it.
    row: (usize, usize),
    difference: Difference,
    told: String,
}

/// Holds every operator against its vectors; those that have the choice follow the rules that are named.
fn held(compatibility: Compatibility) -> Held {
    let packed = include_bytes!("../test_data/rule-vectors.json.zst");
    let vectors: Vectors = serde_json::from_slice(&zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let frequencies = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(frequencies.path(), FREQUENCIES).unwrap();
    let mut held = Held::default();
    for (name, recorded) in &vectors.operators {
        let Some(info) = registry::operator(name) else {
            held.absent.push(name.clone());
            continue;
        };
        for (number, case) in recorded.cases.iter().enumerate() {
            let mut parameters = case.params.clone();
            parameters.extend(case.keys.clone());
            // DataFlow's tokenizers are downloaded; these vectors were recorded with white space in their place.
            if info.fields.iter().any(|field| field.name == "tokenizer") {
                parameters.insert("tokenizer".into(), "whitespace".into());
                parameters.shift_remove("model_name_or_path");
            }
            // A table that DataFlow reads as a pickle is JSON here.
            if parameters.contains_key("idf_path") {
                parameters.insert("idf_path".into(), frequencies.path().to_str().unwrap().into());
            }
            // With its default, which is the class in place of a prompt, DataFlow's constructor raises.
            if parameters.get("prompt_template") == Some(&Value::Null) {
                parameters.shift_remove("prompt_template");
            }
            let folder = tempfile::tempdir().unwrap();
            let within = |path: &Value| Value::from(folder.path().join(path.as_str().unwrap()).to_str().unwrap());
            for name in ["output_dir", "eval_result_path", "output_json_file"] {
                if let Some(path) = parameters.get_mut(name).filter(|path| path.is_string()) {
                    *path = within(path);
                }
            }
            if info.fields.iter().any(|field| field.name == "image_folder") {
                parameters.insert("image_folder".into(), within(&"".into()));
            }
            if info.fields.iter().any(|field| field.name == "compatibility") {
                parameters.insert("compatibility".into(), serde_json::to_value(compatibility).unwrap());
            }
            let found = match (info.build)(Value::Object(parameters)) {
                Err(_) if case.init_error.is_some() => Vec::new(),
                Err(_) if case.output.iter().all(|outcome| outcome.error.is_some()) => refused(case),
                Err(error) => panic!("{name}, case {number}: {error}"),
                Ok(operator) if case.init_error.is_some() && operator.problems().is_empty() => {
                    vec![(0, Difference::TakesParameters, "DataFlow's constructor raised".to_owned())]
                }
                Ok(operator) if info.shape == Shape::Row => by_rows(operator.as_ref(), case, folder.path()),
                Ok(operator) => differences(operator.as_ref(), case),
            };
            held.differing.extend(found.into_iter().map(|(row, difference, told)| Differing {
                operator: name.clone(),
                row: (number, row),
                difference,
                told: format!("{name}, case {number}, row {row}: {told}\n    input {}", Value::Object(case.input.get(row).cloned().unwrap_or_default())),
            }));
            *held.rows.entry(name.clone()).or_default() += case.input.len();
        }
    }
    held
}

/// The rows in which an operator does another thing than was recorded.
fn differences(operator: &dyn Operator, case: &Case) -> Vec<(usize, Difference, String)> {
    if !operator.problems().is_empty() {
        return refused(case);
    }
    if case.mode.as_deref() == Some("table") {
        return of_table(operator, case);
    }
    let mut found = Vec::new();
    for rows in groups(case) {
        let inputs: Vec<Value> = rows.iter().map(|row| Value::Object(case.input[*row].clone())).collect();
        let before = frame_of(&inputs);
        let (after, kept) = run_rule(operator, before.clone());
        for (place, row) in rows.iter().enumerate() {
            let wanted = &case.output[*row];
            let told = compare(wanted, &before, &after, place, kept[place]);
            if let Some((column, told)) = told {
                let (input, has) = (&case.input[*row], |test: fn(&Value) -> bool| case.input[*row].values().any(test));
                let difference = match () {
                    () if wanted.error.is_some() && rows.iter().any(|row| case.input[*row].values().any(Value::is_null)) => Difference::RaisedOnNull,
                    () if wanted.error.is_some() && has(Value::is_number) => Difference::RaisedOnNumber,
                    () if wanted.error.is_some() => Difference::Raised,
                    () if column == Differs::OfWordList => Difference::OfWordList,
                    () if has(Value::is_null) && column == Differs::Value => Difference::NullHasNoLabel,
                    () if has(Value::is_number) && column == Differs::Value => Difference::NumberIsText,
                    () if input.values().any(|value| value == "None" || value.is_null()) => Difference::NullIsNotNone,
                    () => Difference::Other,
                };
                found.push((*row, difference, told));
            }
        }
    }
    found
}

/// What differs in work that goes row by row and may write files, which stand in a folder of their own.
fn by_rows(operator: &dyn Operator, case: &Case, folder: &Path) -> Vec<(usize, Difference, String)> {
    if !operator.problems().is_empty() || operator.at_most().calls > 0 {
        return refused(case);
    }
    for (name, content) in &case.input_files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content {
            Value::String(text) => std::fs::write(path, text).unwrap(),
            pages => _ = blank_pages(pages["blank_pages"].as_u64().unwrap() as usize).save(path).unwrap(),
        }
    }
    // A list of records and of other things is its text, as the readers of files have it.
    let readable = |cell: &Value| if is_mixed(cell) { cell.to_string().into() } else { within(cell, folder) };
    let inputs: Vec<Value> = case.input.iter().map(|row| row.iter().map(|(name, cell)| (name.clone(), readable(cell))).collect::<Map<_, _>>().into()).collect();
    let missing = |row: &Value| operator.keys().iter().any(|key| row.get(&key.key).is_none() && key.direction == Direction::Read);
    let told = |found: &Value| serde_json::from_str::<Value>(&found.to_string().replace(&format!("{}/", folder.display()), "")).unwrap();
    let mut differences = Vec::new();
    let table = case.mode.as_deref() == Some("table");
    // Of a table only the first outcome is there, and it is that of all rows.
    for (number, wanted) in case.output.iter().enumerate() {
        let rows = if table { &inputs[..] } else { &inputs[number..=number] };
        if rows.iter().any(missing) {
            differences.push((number, Difference::MissingKey, "a key that is not there".to_owned()));
            continue;
        }
        let found = rows.iter().map(|row| example(operator, std::slice::from_ref(row)).map(Option::unwrap)).collect::<Result<Vec<_>, _>>();
        let found = match (found, &wanted.error) {
            (Ok(_), Some(error)) => {
                differences.push((number, Difference::Raised, format!("DataFlow raised {error}")));
                continue;
            }
            (Err(_), Some(_)) => continue,
            (Err(error), None) => panic!("{}: {error}", operator.info().name),
            (Ok(found), None) => found,
        };
        let left: Vec<Value> = found.iter().flat_map(|example| &example.rows).flatten().map(told).collect();
        let recorded = Value::Array(wanted.rows.iter().flatten().map(|row| Value::Object(row.clone())).collect());
        let recorded = serde_json::from_str::<Vec<Map<String, Value>>>(&recorded.to_string().replace("<cwd>/", "")).unwrap();
        let wanted_rows: Vec<Map<String, Value>> = if table { recorded } else { wanted.kept.then(|| wanted.columns.clone()).into_iter().collect() };
        if left.len() != wanted_rows.len() {
            differences.push((number, Difference::Other, format!("wanted {} rows, found {}", wanted_rows.len(), left.len())));
            continue;
        }
        for (wanted, found) in wanted_rows.iter().zip(&left) {
            for (name, wanted) in wanted.iter().filter(|(name, wanted)| !alike(wanted, &found[name.as_str()])) {
                let has_null = case.input.get(number).is_some_and(|row| row.values().any(Value::is_null));
                let difference = match &found[name.as_str()] {
                    Value::String(text) if serde_json::from_str::<Value>(text).is_ok_and(|found| found == *wanted) => Difference::WrittenAsText,
                    Value::Null if has_null && !table => Difference::NullHasNoLabel,
                    _ => Difference::Other,
                };
                differences.push((number, difference, format!("wanted {name}={wanted}, found {}", found[name.as_str()])));
            }
        }
        for (name, wanted) in &wanted.files {
            let is_summary = name == "<eval_result_path>";
            let found = if is_summary { summed(&found_of(operator, &inputs)) } else { file(&folder.join(name)) };
            let same = match wanted {
                Value::String(text) => lines(text) == found,
                Value::Array(results) if is_summary => summed(&results[0]) == found,
                other => *other == found,
            };
            if !same {
                differences.push((number, Difference::Other, format!("wanted in {name}: {wanted}, found {found}")));
            }
        }
    }
    differences
}

/// Whether records stand beside other things in a list.
fn is_mixed(cell: &Value) -> bool {
    match cell {
        Value::Array(items) => items.iter().any(is_mixed) || (items.iter().any(Value::is_object) && items.iter().any(serde_json::Value::is_string)),
        Value::Object(record) => record.values().any(is_mixed),
        _ => false,
    }
}

/// The result of all rows together.
fn found_of(operator: &dyn Operator, inputs: &[Value]) -> Value {
    example(operator, inputs).unwrap().unwrap().result.unwrap_or_default()
}

/// A result without its name, which DataFlow takes from elsewhere.
fn summed(result: &Value) -> Value {
    let mut result = result.clone();
    result.as_object_mut().unwrap().shift_remove("bench_name_or_prefix");
    result
}

/// A cell whose paths lead into a folder.
fn within(cell: &Value, folder: &Path) -> Value {
    match cell {
        Value::String(text) if folder.join(text).exists() && !text.is_empty() => folder.join(text).to_str().unwrap().into(),
        Value::Array(items) => items.iter().map(|item| within(item, folder)).collect(),
        Value::Object(record) => record.iter().map(|(name, item)| (name.clone(), within(item, folder))).collect::<Map<_, _>>().into(),
        other => other.clone(),
    }
}

/// What a file holds: JSON, lines of JSON, text, or the pages of a PDF.
fn file(path: &Path) -> Value {
    match std::fs::read(path) {
        Err(_) => Value::Null,
        Ok(bytes) if bytes.starts_with(b"%PDF") => serde_json::json!({ "pages": lopdf::Document::load_mem(&bytes).unwrap().get_pages().len() }),
        Ok(bytes) => lines(&String::from_utf8(bytes).unwrap()),
    }
}

fn lines(text: &str) -> Value {
    let whole = serde_json::from_str(text);
    let parted = || text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>().map(Value::Array);
    whole.or_else(|_| parted()).unwrap_or_else(|_| text.into())
}

/// A table as a whole: what the operator returned of it, or the columns of the rows that it wrote.
fn of_table(operator: &dyn Operator, case: &Case) -> Vec<(usize, Difference, String)> {
    let inputs: Vec<Value> = case.input.iter().map(|row| Value::Object(row.clone())).collect();
    let frame = frame_of(&inputs);
    let wanted = &case.output[0];
    let told = if wanted.error.is_some() {
        return vec![(0, Difference::Raised, "DataFlow raised".to_owned())];
    } else if operator.keys().iter().any(|key| frame.column(&key.key).is_err() && key.direction == Direction::Read) {
        return vec![(0, Difference::MissingKey, "DataFlow returns nothing for a key that is not there".to_owned())];
    } else if let (Some(wanted), Ok(Work::Dataset(mut work))) = (wanted.returned.as_ref().filter(|returned| !returned.is_null()), operator.work()) {
        work.batch(&frame).unwrap();
        let found = work.end().unwrap().map(|result| result.value).unwrap_or_default();
        (!same(wanted, &found)).then(|| format!("wanted {wanted}, found {found}"))
    } else if let Some(rows) = &wanted.rows {
        let (after, _) = run_rule(operator, frame);
        let found: Vec<Map<String, Value>> = (0..after.height())
            .map(|row| {
                let value = |name: &String| after.column(name).ok().map(|column| dataflow_core::row::json_of(&column.get(row).unwrap())).unwrap_or_default();
                rows.first().map(|first| first.keys().map(|name| (name.clone(), value(name))).collect()).unwrap_or_default()
            })
            .collect();
        (found != *rows).then(|| format!("wanted {rows:?}, found {found:?}"))
    } else {
        None
    };
    told.map(|told| (0, Difference::Other, told)).into_iter().collect()
}

/// Equal values, numbers as in [`alike`].
fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len() && wanted.iter().all(|(name, value)| found.get(name).is_some_and(|found| same(value, found)))
        }
        _ => alike(wanted, found),
    }
}

/// The rows of parameters that ours refuses.
fn refused(case: &Case) -> Vec<(usize, Difference, String)> {
    let of = |outcome: &Outcome| if outcome.error.is_some() { Difference::RaisedOnParameters } else { Difference::RefusedParameters };
    case.output.iter().enumerate().map(|(row, outcome)| (row, of(outcome), "refused at compile".to_owned())).collect()
}

/// Which rows are worked on together: all of a list; else those whose cells are all text, and every other one alone.
fn groups(case: &Case) -> Vec<Vec<usize>> {
    if case.mode.is_some() {
        return Some((0..case.input.len()).collect()).filter(|rows: &Vec<usize>| !rows.is_empty()).into_iter().collect();
    }
    let (texts, others): (Vec<usize>, Vec<usize>) = (0..case.input.len()).partition(|row| case.input[*row].values().all(Value::is_string));
    std::iter::once(texts).chain(others.into_iter().map(|row| vec![row])).filter(|rows| !rows.is_empty()).collect()
}

#[derive(PartialEq)]
enum Differs {
    Row,
    Value,
    OfWordList,
}

/// What the columns are called whose values depend on a list of words.
const OF_WORD_LIST: [&str; 2] = ["LangkitDifficultWords", "LangkitAggregateReadingLevel"];

fn compare(wanted: &Outcome, before: &DataFrame, after: &DataFrame, place: usize, kept: bool) -> Option<(Differs, String)> {
    if let Some(error) = &wanted.error {
        return Some((Differs::Row, format!("DataFlow raised {error}")));
    }
    if wanted.kept != kept {
        return Some((Differs::Row, format!("wanted kept={}, found {kept}", wanted.kept)));
    }
    if let Some(name) = wanted.columns.keys().find(|name| after.column(name).is_err()) {
        return Some((Differs::Row, format!("wanted the column `{name}`, which is not written")));
    }
    let mut of_word_list = None;
    for column in after.columns() {
        let name = column.name().as_str();
        let found = dataflow_core::row::json_of(&column.get(place).unwrap());
        let wanted = match (wanted.columns.get(name), before.column(name)) {
            (Some(value), _) => value.clone(),
            (None, Ok(column)) => dataflow_core::row::json_of(&column.get(place).unwrap()),
            (None, Err(_)) if !kept => continue, // DataFlow does not always tell what it computed of a row that goes
            (None, Err(_)) => Value::Null,
        };
        if !alike(&wanted, &found) {
            let told = format!("wanted {name}={wanted}, found {found}");
            if !OF_WORD_LIST.iter().any(|column| name.starts_with(column)) {
                return Some((Differs::Value, told));
            }
            of_word_list = Some((Differs::OfWordList, told));
        }
    }
    of_word_list
}

/// Equal values; `3.0` is 3, and scores may differ in the last digits.
fn alike(wanted: &Value, found: &Value) -> bool {
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => (wanted - found).abs() <= 1e-12 * wanted.abs().max(1.0),
        _ => wanted == found,
    }
}
