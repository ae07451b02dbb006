//! Recorded inputs and outcomes of DataFlow's rule operators, against which ours are held.
//!
//! `test_data/rule-vectors.json.zst` was recorded from open-dataflow 1.0.13: `{"operators": {NAME: {"cases": [{params, keys, mode, input, output}]}}}`, of the operators
//! that there are, packed with `zstd -19`. A vector that we disagree with on purpose is a line of [`DEVIATIONS`] with its reason;
//! a disagreement without a line fails the test, and so does a line without a disagreement.

use std::collections::BTreeSet;

use dataflow_core::operator::Operator;
use dataflow_core::registry;
use dataflow_core::testing::{frame_of, run_rule};
use polars::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Vectors {
    operators: std::collections::BTreeMap<String, Recorded>,
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
    input: Vec<Map<String, Value>>,
    output: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    error: Option<String>,
    #[serde(default)]
    kept: bool,
    #[serde(default)]
    columns: Map<String, Value>,
}

/// Where ours differs, and why: operator, what happened in DataFlow, reason.
const DEVIATIONS: &[(&str, Difference, &str)] = &[
    ("*", Difference::RaisedOnNull, "DataFlow's step ends on a null cell; ours leaves it, or drops the row"),
    ("*", Difference::RaisedOnNumber, "DataFlow's step ends on a number; ours reads its text"),
    ("*", Difference::NullHasNoLabel, "a null has no count and no score, where DataFlow writes 0"),
    ("WordNumberFilter", Difference::NumberIsText, "a number is read as its text, which is one word; DataFlow counts 0"),
    ("MinHashDeduplicateFilter", Difference::NullIsNotNone, "DataFlow takes a null for the text `None`"),
    ("MinHashDeduplicateFilter", Difference::RaisedOnParameters, "refused at compile, where DataFlow raises in the run"),
    ("ReasoningAnswerNgramFilter", Difference::RefusedParameters, "DataFlow mends senseless bounds silently; ours refuses them at compile"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// A row with a null, on which DataFlow raised and ours does not.
    RaisedOnNull,
    /// A row with a number, on which DataFlow raised and ours does not.
    RaisedOnNumber,
    /// DataFlow raised on parameters that ours refuses.
    RaisedOnParameters,
    /// DataFlow took parameters that ours refuses.
    RefusedParameters,
    /// A row with a null has a value in DataFlow and null in ours; it stays or goes as it does there.
    NullHasNoLabel,
    /// A row with a number has another value than in DataFlow.
    NumberIsText,
    /// Rows that differ only by a null and the word `None`.
    NullIsNotNone,
    /// Anything else.
    Other,
}

#[test]
fn our_rules_do_what_dataflow_does() {
    let packed = include_bytes!("../test_data/rule-vectors.json.zst");
    let vectors: Vectors = serde_json::from_slice(&zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let (mut met, mut wrong, mut rows) = (BTreeSet::new(), Vec::new(), 0);
    for (name, recorded) in &vectors.operators {
        let info = registry::operator(name).unwrap_or_else(|| panic!("vectors of `{name}`, which is not registered"));
        for (number, case) in recorded.cases.iter().enumerate() {
            let mut parameters = case.params.clone();
            parameters.extend(case.keys.clone());
            let operator = (info.build)(Value::Object(parameters)).unwrap_or_else(|error| panic!("{name}, case {number}: {error}"));
            for (row, difference, told) in differences(operator.as_ref(), case) {
                match DEVIATIONS.iter().position(|(operator, known, _)| (*operator == "*" || operator == name) && *known == difference) {
                    Some(line) => _ = met.insert(line),
                    None => wrong.push(format!("{name}, case {number}, row {row}: {told}\n    input {}", Value::Object(case.input[row].clone()))),
                }
            }
            rows += case.input.len();
        }
    }
    assert!(wrong.is_empty(), "{} of {rows} rows differ:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    let stale: Vec<_> = DEVIATIONS.iter().enumerate().filter(|(line, _)| !met.contains(line)).map(|(_, line)| line).collect();
    assert!(stale.is_empty(), "deviations that do not occur: {stale:?}");
}

/// The rows in which an operator does another thing than was recorded.
fn differences(operator: &dyn Operator, case: &Case) -> Vec<(usize, Difference, String)> {
    if !operator.problems().is_empty() {
        let of = |outcome: &Outcome| if outcome.error.is_some() { Difference::RaisedOnParameters } else { Difference::RefusedParameters };
        return case.output.iter().enumerate().map(|(row, outcome)| (row, of(outcome), "refused at compile".to_owned())).collect();
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
                    () if has(Value::is_null) && column == Differs::Value => Difference::NullHasNoLabel,
                    () if has(Value::is_number) && column == Differs::Value => Difference::NumberIsText,
                    () if input.values().any(|value| value == "None") => Difference::NullIsNotNone,
                    () => Difference::Other,
                };
                found.push((*row, difference, told));
            }
        }
    }
    found
}

/// Which rows are worked on together: all of a list; else those whose cells are all text, and every other one alone.
fn groups(case: &Case) -> Vec<Vec<usize>> {
    if case.mode.is_some() {
        return vec![(0..case.input.len()).collect()];
    }
    let (texts, others): (Vec<usize>, Vec<usize>) = (0..case.input.len()).partition(|row| case.input[*row].values().all(Value::is_string));
    std::iter::once(texts).chain(others.into_iter().map(|row| vec![row])).collect()
}

#[derive(PartialEq)]
enum Differs {
    Row,
    Value,
}

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
            return Some((Differs::Value, format!("wanted {name}={wanted}, found {found}")));
        }
    }
    None
}

/// Equal values; `3.0` is 3, and scores may differ in the last digits.
fn alike(wanted: &Value, found: &Value) -> bool {
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => (wanted - found).abs() <= 1e-12 * wanted.abs().max(1.0),
        _ => wanted == found,
    }
}
