//! Recorded inputs and outcomes of DataFlow's rule operators, against which ours are held.
//!
//! `test_data/rule-vectors.json.zst` was recorded from open-dataflow 1.0.13: `{"operators": {NAME: {"cases": [{params, keys, mode, input, output}]}}}`, packed with
//! `zstd -19`. What differs on purpose is listed in `deviations.rs`, with its reason; what ours does there, where no rule tells it, is in `test_data/rule-outcomes.jsonl`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dataflow_core::example::example;
use dataflow_core::key::KeyUse;
use dataflow_core::operator::{AtMost, Operator, OperatorInfo, Shape, Work};
use dataflow_core::prompt::PromptUse;
use dataflow_core::testing::{MemoryStorage, frame_of};
use dataflow_core::{Pipeline, registry};
use polars::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::compatibility::Compatibility;
use crate::pdf2vqa::generate::blank_pages;
use group::{Group, compare};

mod deviations;
mod group;

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
    /// DataFlow raised on rows of which a cell that is read is null. Ours drops such a row, or leaves it, or writes null beside it, and does with the others as without it.
    RaisedOnNull,
    /// DataFlow raised on a cell that is read and is a number. Ours does as with its text.
    RaisedOnNumber,
    /// A key that is not in the table: DataFlow goes on, and ours does not compile.
    MissingKey,
    /// DataFlow raised on a table that has the column which is written; ours writes it.
    RaisedOnTakenColumn,
    /// Any other row on which DataFlow raised and ours does not.
    Raised,
    /// DataFlow raised on every row of parameters that ours refuses.
    RaisedOnParameters,
    /// DataFlow's constructor raised on parameters with which ours works.
    TakesParameters,
    /// DataFlow took parameters that ours refuses.
    RefusedParameters,
    /// A file that was there when the row was recorded is not at hand.
    NotHeld,
    /// Null is written for a cell that is null, where DataFlow writes 0; the row stays or goes as it does there.
    NullHasNoLabel,
    /// Null is written where DataFlow writes an empty text.
    EmptyIsNull,
    /// A cell that is read and is a number has another value than in DataFlow, and the one that its text has.
    NumberIsText,
    /// Rows that differ only by a null and the word `None`.
    NullIsNotNone,
    /// A number or a record in DataFlow is its text here, because a column has one type.
    WrittenAsText,
    /// Columns of the input that DataFlow leaves out are there with their values.
    ColumnsStay,
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
            Self::RaisedOnTakenColumn => "output column that is there already",
            Self::Raised => "DataFlow raises",
            Self::RaisedOnParameters => "parameters on which DataFlow raises",
            Self::TakesParameters => "parameters that DataFlow refuses",
            Self::RefusedParameters => "parameters that are refused here",
            Self::NotHeld => "rows that are not held",
            Self::EmptyIsNull => "nothing found",
            Self::NullIsNotNone => "null and the word `None`",
            Self::OfWordList => "`LangkitDifficultWords` and `LangkitAggregateReadingLevel`",
            Self::WrittenAsText => "type",
            Self::ColumnsStay => "other columns",
            Self::Other => "result",
        }
    }

    /// Whether nothing but the outcome that is written down says what ours has to do.
    fn is_held_by_outcome(self) -> bool {
        use Difference::{NullIsNotNone, OfWordList, Other, Raised, RaisedOnTakenColumn, RefusedParameters, TakesParameters};
        matches!(self, Raised | RaisedOnTakenColumn | TakesParameters | RefusedParameters | NullIsNotNone | OfWordList | Other)
    }

    /// Whether ours did not work on the row at all.
    fn is_unmet(self) -> bool {
        matches!(self, Self::RaisedOnParameters | Self::RefusedParameters | Self::NotHeld)
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
    /// What DataFlow does, and what ours does.
    outcome: String,
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
                Err(error) if case.output.iter().all(|outcome| outcome.error.is_some()) => refused(info, case, &error.to_string()),
                Err(error) => panic!("{name}, case {number}: {error}"),
                Ok(operator) if case.init_error.is_some() && operator.problems().is_empty() => {
                    vec![(0, Difference::TakesParameters, format!("DataFlow's constructor raised, ours works with {}", operator.parameters()))]
                }
                Ok(operator) if info.shape == Shape::Row => by_rows(&Arc::from(operator), case, folder.path()),
                Ok(operator) => differences(&Arc::from(operator), case),
            };
            let apart = |told: &str| told.replace(&*folder.path().to_string_lossy(), "").replace(&*frequencies.path().to_string_lossy(), "");
            held.differing.extend(found.into_iter().map(|(row, difference, told)| Differing {
                operator: name.clone(),
                row: (number, row),
                difference,
                outcome: apart(&told),
                told: format!("{name}, case {number}, row {row}: {told}\n    input {}", Value::Object(case.input.get(row).cloned().unwrap_or_default())),
            }));
            *held.rows.entry(name.clone()).or_default() += case.input.len();
        }
    }
    held
}

/// An operator of the registry as a step of a pipeline.
#[derive(Debug)]
struct AsStep(Arc<dyn Operator>);

impl Operator for AsStep {
    fn info(&self) -> &'static OperatorInfo {
        self.0.info()
    }
    fn keys(&self) -> Vec<KeyUse> {
        self.0.keys()
    }
    fn prompts(&self) -> Vec<PromptUse<'_>> {
        self.0.prompts()
    }
    fn parameters(&self) -> Value {
        self.0.parameters()
    }
    fn problems(&self) -> Vec<String> {
        self.0.problems()
    }
    fn work(&self) -> dataflow_core::Result<Work> {
        self.0.work()
    }
    fn at_most(&self) -> AtMost {
        self.0.at_most()
    }
}

/// What compile says against an operator over rows. A column that is missing may be one by which the recorded rows differ; nothing else may be wrong.
fn missing_key(operator: &Arc<dyn Operator>, rows: &DataFrame) -> Option<String> {
    let mut pipeline = Pipeline::new("recorded", MemoryStorage::new(rows.clone()));
    pipeline.step(AsStep(operator.clone()));
    let told = pipeline.compile().err()?.to_string();
    assert!(told.contains("which no earlier step and not the data set gives"), "{told}");
    Some(told)
}

/// The rows in which an operator does another thing than was recorded.
fn differences(operator: &Arc<dyn Operator>, case: &Case) -> Vec<(usize, Difference, String)> {
    if let Some(problem) = operator.problems().first() {
        return refused(operator.info(), case, problem);
    }
    if case.mode.as_deref() == Some("table") {
        return of_table(operator, case);
    }
    let mut found = Vec::new();
    for rows in groups(case) {
        let inputs: Vec<Value> = rows.iter().map(|row| Value::Object(case.input[*row].clone())).collect();
        let before = frame_of(&inputs);
        if let Some(told) = missing_key(operator, &before) {
            found.extend(rows.iter().filter(|row| case.output[**row].error.is_none()).map(|row| (*row, Difference::MissingKey, told.clone())));
            continue;
        }
        let group = Group::of(operator.as_ref(), case, rows, before);
        for (place, row) in group.rows.iter().enumerate() {
            if let Some((differs, told)) = compare(&case.output[*row], &group, place) {
                found.push((*row, group.difference(place, &differs), told));
            }
        }
    }
    found
}

/// What differs in work that goes row by row and may write files, which stand in a folder of their own.
fn by_rows(operator: &Arc<dyn Operator>, case: &Case, folder: &Path) -> Vec<(usize, Difference, String)> {
    let asks = || (operator.at_most().calls > 0).then(|| "it asks a model".to_owned());
    if let Some(problem) = operator.problems().into_iter().next().or_else(asks) {
        return refused(operator.info(), case, &problem);
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
    let told = |found: &Value| serde_json::from_str::<Value>(&found.to_string().replace(&format!("{}/", folder.display()), "")).unwrap();
    let mut differences = Vec::new();
    let table = case.mode.as_deref() == Some("table");
    // Of a table only the first outcome is there, and it is that of all rows.
    for (number, wanted) in case.output.iter().enumerate() {
        let rows = if table { &inputs[..] } else { &inputs[number..=number] };
        if let Some(missing) = missing_key(operator, &frame_of(rows)) {
            differences.extend(wanted.error.is_none().then_some((number, Difference::MissingKey, missing)));
            continue;
        }
        let found = rows.iter().map(|row| example(operator.as_ref(), std::slice::from_ref(row)).map(Option::unwrap)).collect::<Result<Vec<_>, _>>();
        let found = match (found, &wanted.error) {
            (Ok(found), Some(error)) => {
                let left: Vec<Value> = found.iter().flat_map(|example| &example.rows).flatten().map(told).collect();
                differences.push((number, Difference::Raised, format!("DataFlow raised {error}, found {}", shown(&left.into()))));
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
        let given: Vec<Value> = rows.iter().map(told).collect();
        for (wanted, found) in wanted_rows.iter().zip(&left) {
            for (name, wanted) in wanted.iter().filter(|(name, wanted)| !alike(wanted, &found[name.as_str()])) {
                let difference = match &found[name.as_str()] {
                    Value::String(text) if serde_json::from_str::<Value>(text).is_ok_and(|found| found == *wanted) => Difference::WrittenAsText,
                    Value::Null if wanted == "" => Difference::EmptyIsNull,
                    _ => Difference::Other,
                };
                differences.push((number, difference, format!("wanted {name}={wanted}, found {}", found[name.as_str()])));
            }
            for (difference, told) in beyond(wanted, found.as_object().unwrap(), &given) {
                // Of a row that was recorded alone, only the columns that changed were.
                differences.extend((table || difference != Difference::ColumnsStay).then_some((number, difference, told)));
            }
        }
        for (name, wanted) in &wanted.files {
            let is_summary = name == "<eval_result_path>";
            let found = if is_summary { summed(&found_of(operator.as_ref(), &inputs)) } else { file(&folder.join(name)) };
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

/// What is in a row beyond what was recorded of it: columns that it had before, or others.
fn beyond(wanted: &Map<String, Value>, found: &Map<String, Value>, given: &[Value]) -> Vec<(Difference, String)> {
    let others = found.iter().filter(|(name, _)| !wanted.contains_key(*name));
    let told = |(name, found): (&String, &Value)| {
        let is_given = |row: &Value| row.get(name).is_some_and(|given| alike(&without_nulls(given), &without_nulls(found)));
        match found {
            _ if given.iter().any(is_given) => Some((Difference::ColumnsStay, format!("`{name}` is still there"))),
            Value::Null => None, // as one that is not there
            found => Some((Difference::Other, format!("wanted no {name}, found {found}"))),
        }
    };
    others.filter_map(told).collect()
}

/// A cell without the fields of records that are null, since a column of records has the fields of all.
fn without_nulls(cell: &Value) -> Value {
    match cell {
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Object(record) => {
            record.iter().filter(|(_, field)| !field.is_null()).map(|(name, field)| (name.clone(), without_nulls(field))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
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

/// A table as a whole: what the operator returned of it, or the rows that it wrote.
fn of_table(operator: &Arc<dyn Operator>, case: &Case) -> Vec<(usize, Difference, String)> {
    let inputs: Vec<Value> = case.input.iter().map(|row| Value::Object(row.clone())).collect();
    let frame = frame_of(&inputs);
    let wanted = &case.output[0];
    let refused = missing_key(operator, &frame);
    let differing = match (&wanted.error, refused, operator.work()) {
        (Some(_), Some(_), _) => Vec::new(),
        (Some(error), None, Ok(Work::Dataset(mut work))) => {
            work.batch(&frame).unwrap();
            let found = work.end().unwrap().map(|result| result.value).unwrap_or_default();
            vec![(Difference::Raised, format!("DataFlow raised {error}, found {}", shown(&found)))]
        }
        (Some(error), None, _) => {
            let group = Group::of(operator.as_ref(), case, (0..case.input.len()).collect(), frame);
            let found: Vec<String> = (0..group.rows.len()).map(|place| group.shown(place)).collect();
            vec![(Difference::Raised, format!("DataFlow raised {error}, found {}", found.join("; ")))]
        }
        (None, Some(told), _) => vec![(Difference::MissingKey, told)],
        (None, None, Ok(Work::Dataset(mut work))) if wanted.returned.is_some() => {
            work.batch(&frame).unwrap();
            let found = work.end().unwrap().map(|result| result.value).unwrap_or_default();
            let wanted = wanted.returned.clone().unwrap_or_default();
            (!same(&wanted, &found)).then(|| (Difference::Other, format!("wanted {}, found {}", shown(&wanted), shown(&found)))).into_iter().collect()
        }
        (None, None, _) => {
            let wanted = wanted.rows.as_ref().expect("a table has a result or rows");
            let group = Group::of(operator.as_ref(), case, (0..case.input.len()).collect(), frame);
            let found: Vec<_> = (0..group.rows.len()).map(|place| group.outcome(place)).filter(|(kept, _)| *kept).map(|(_, row)| row).collect();
            let mut differing = Vec::new();
            for (wanted, found) in wanted.iter().zip(&found) {
                let differs = wanted.iter().filter(|(name, wanted)| !found.get(*name).is_some_and(|found| alike(wanted, found)));
                differing.extend(differs.map(|(name, wanted)| (Difference::Other, format!("wanted {name}={wanted}, found {:?}", found.get(name)))));
                differing.extend(beyond(wanted, found, &inputs));
            }
            differing.extend((wanted.len() != found.len()).then(|| (Difference::Other, format!("wanted {} rows, found {}", wanted.len(), found.len()))));
            differing
        }
    };
    differing.into_iter().map(|(difference, told)| (0, difference, told)).collect()
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
fn refused(info: &OperatorInfo, case: &Case, problem: &str) -> Vec<(usize, Difference, String)> {
    let difference = match () {
        () if info.fields.iter().any(|field| field.name == "dictionary_path") => Difference::NotHeld,
        () if case.output.iter().all(|outcome| outcome.error.is_some()) => Difference::RaisedOnParameters,
        () => Difference::RefusedParameters,
    };
    (0..case.output.len()).map(|row| (row, difference, format!("refused at compile: {problem}"))).collect()
}

/// Which rows are worked on together: all of a list; else those whose cells are all text, and every other one alone.
fn groups(case: &Case) -> Vec<Vec<usize>> {
    if case.mode.is_some() {
        return Some((0..case.input.len()).collect()).filter(|rows: &Vec<usize>| !rows.is_empty()).into_iter().collect();
    }
    let (texts, others): (Vec<usize>, Vec<usize>) = (0..case.input.len()).partition(|row| case.input[*row].values().all(Value::is_string));
    std::iter::once(texts).chain(others.into_iter().map(|row| vec![row])).filter(|rows| !rows.is_empty()).collect()
}

/// A value as it is written down, its numbers as exact as [`alike`] compares them.
fn shown(value: &Value) -> String {
    fn rounded(value: &Value) -> Value {
        match value {
            Value::Number(number) if number.is_f64() => format!("{:.11e}", number.as_f64().unwrap()).parse::<f64>().unwrap().into(),
            Value::Array(items) => items.iter().map(rounded).collect(),
            Value::Object(record) => record.iter().map(|(name, item)| (name.clone(), rounded(item))).collect::<Map<_, _>>().into(),
            other => other.clone(),
        }
    }
    rounded(value).to_string()
}

/// Equal values; `3.0` is 3, and scores may differ in the last digits.
fn alike(wanted: &Value, found: &Value) -> bool {
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => (wanted - found).abs() <= 1e-12 * wanted.abs().max(1.0),
        _ => wanted == found,
    }
}
