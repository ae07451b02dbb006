//! The rules that the laws are tried on: every operator that calls no model, with its parameters varied.

use std::path::Path;

use dataflow_core::operator::{Operator, OperatorInfo, Shape};
use dataflow_core::registry;
use serde_json::{Map, Value, json};

/// What the files hold that some operators cannot do without, by the parameter that names them.
const FILES: [(&str, &str); 2] = [
    ("dictionary_path", "the 900\na 700\nword 60\nidentity 50\nwatermark 40\nis 400\n你好 9\n"),
    ("idf_path", r#"{"df": {"the": 30, "word word": 4}, "ref_len": 40}"#),
];

/// Lists that take the place of the built-in ones, by the parameter that names their file.
pub(super) const LISTS: [(&str, &str); 5] = [
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
