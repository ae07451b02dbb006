//! The pages that describe operators, a page a category in each language; `docs/operators` is made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use dataflow_core::docs::Language;
use dataflow_core::example::{Example, example};
use dataflow_core::key::{ColumnType, Direction, KeyUse};
use dataflow_core::operator::{OperatorInfo, PathUse, Shape};
use dataflow_core::registry;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The rows that a rule is shown on, the parameters that it then has, and the files that either names by `./<name>`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    rows: Vec<Value>,
}

impl Shown {
    /// What becomes of the rows, where the files are; their folder is told as `.`, and a folder that a parameter names as it is in a pipeline file: with its whole path.
    fn run(&self, info: &OperatorInfo) -> Result<Option<Example>> {
        let doing = |error| Error::storage("making the files of an example", error);
        let folder = tempfile::tempdir().map_err(doing)?;
        for (name, text) in &self.files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(folder.path())).and_then(|()| std::fs::write(path, text)).map_err(doing)?;
        }
        let here = format!("\"{}/", folder.path().display());
        let moved = |value: Value, from: &str, to: &str| -> Result<Value> {
            let text = if self.files.is_empty() { return Ok(value) } else { value.to_string() };
            serde_json::from_str(&text.replace(from, to)).map_err(|error| Error::Configuration(error.to_string()))
        };
        let there = |value: Value| moved(value, "\"./", &here);
        let parameters = there(Value::Object(self.parameters.clone()))?;
        let operator = (info.build)(parameters).map_err(|error| Error::Configuration(error.to_string()))?;
        let rows: Vec<Value> = self.rows.iter().cloned().map(there).collect::<Result<_>>()?;
        let Some(found) = example(operator.as_ref(), &rows)? else { return Ok(None) };
        let folders = info.paths(&operator.parameters()).into_iter().filter(|(_, path_use, _)| *path_use == PathUse::Keeps);
        let whole: Vec<String> = folders.map(|(.., path)| format!("\"{}/", path.display())).collect();
        let told = |row: Value| {
            let row = whole.iter().try_fold(row, |row, path| moved(row, path, &path.replace(&here, "\"/home/me/")))?;
            moved(row, &here, "\"./")
        };
        let back = |rows: Vec<Value>| rows.into_iter().map(told).collect::<Result<_>>();
        Ok(Some(Example { rows: found.rows.into_iter().map(back).collect::<Result<_>>()?, ..found }))
    }
}

type Examples = BTreeMap<String, Shown>;

fn examples() -> Result<Examples> {
    serde_yaml::from_str(include_str!("operator_examples.yaml")).map_err(|error| Error::Configuration(format!("`operator_examples.yaml`: {error}")))
}

/// Writes the pages of both languages into a folder, as `en/<category>.md` and `zh/<category>.md`, with a list of them.
pub(super) fn write_all(operators: &[&OperatorInfo], folder: &Path) -> Result<()> {
    let examples = examples()?;
    let categories: BTreeSet<&str> = operators.iter().map(|info| info.category).collect();
    for (language, name) in [(Language::En, "en"), (Language::Zh, "zh")] {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| Error::storage(format!("cannot make {}", folder.display()), error))?;
        let put = |name: String, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|error| Error::storage(format!("cannot write {}", path.display()), error))
        };
        let mut list = String::from(word(language, "# Operators\n\n", "# 算子\n\n"));
        for category in &categories {
            let own: Vec<&OperatorInfo> = operators.iter().copied().filter(|info| info.category == *category).collect();
            let _ = writeln!(list, "- [{category}]({category}.md): {}", own.len()); // a String takes every write
            put(format!("{category}.md"), page(category, &own, language, &examples)?)?;
        }
        for (place, absent) in registry::absent_operators().iter().enumerate() {
            if place == 0 {
                list.push_str(word(language, "\n## Left out on purpose\n\n", "\n## 有意未收录\n\n"));
            }
            let _ = writeln!(list, "- `{}`{}{}", absent.name, word(language, ": ", "："), absent.why.get(language));
        }
        put("README.md".into(), list)?;
    }
    Ok(())
}

/// The descriptions of some operators in one language, one after the other.
pub(super) fn sections(operators: &[&OperatorInfo], language: Language) -> Result<String> {
    let examples = examples()?;
    operators.iter().map(|info| section(info, language, &examples)).collect()
}

fn word<'a>(language: Language, english: &'a str, chinese: &'a str) -> &'a str {
    match language {
        Language::En => english,
        Language::Zh => chinese,
    }
}

fn page(category: &str, operators: &[&OperatorInfo], language: Language, examples: &Examples) -> Result<String> {
    let made = word(
        language,
        "Made from the code by `dataflow operators --format markdown -o docs/operators`.",
        "由 `dataflow operators --format markdown -o docs/operators` 从代码生成。",
    );
    let heading = word(language, "| Operator | Kind | What it does |", "| 算子 | 类别 | 作用 |");
    let mut text = format!("# {category}\n\n{made}\n\n{heading}\n| --- | --- | --- |\n");
    for info in operators {
        let _ = writeln!(text, "| [{0}](#{1}) | {2} | {3} |", info.name, info.name.to_lowercase(), info.kind.name(), cell(&info.docs.summary(language)));
    }
    for info in operators {
        text.push('\n');
        text.push_str(&section(info, language, examples)?);
    }
    Ok(text)
}

fn section(info: &OperatorInfo, language: Language, examples: &Examples) -> Result<String> {
    let unusable = |error: Error| Error::Configuration(format!("{}: {error}", info.name));
    let operator = info.with_defaults().map_err(unusable)?;
    let (defaults, keys, schema) = (operator.parameters(), operator.keys(), (info.schema)());
    let mut text = format!("## {}\n\n`{}` · {}\n\n{}\n", info.name, info.kind.name(), way(info, language), info.docs.get(language).trim_end());
    let heading = word(language, "| Parameter | Default | Meaning |", "| 参数 | 默认值 | 含义 |");
    let _ = write!(text, "\n{heading}\n| --- | --- | --- |\n");
    for field in info.fields {
        let default = defaults.get(field.name).map(|value| format!("`{}`", cell(&value.to_string()))).unwrap_or_default();
        let meaning = cell(field.docs.get(language));
        let column = keys.iter().find(|key| key.field == field.name).map(|key| use_of(key, language)).unwrap_or_default();
        let allowed = allowed(&schema, &schema["properties"][field.name], field.docs.get(language), language);
        let _ = writeln!(text, "| `{}` | {default} | {meaning}{allowed}{column} |", field.name);
    }
    let written: Vec<String> = keys
        .iter()
        .filter(|key| key.direction != Direction::Read && !info.fields.iter().any(|field| defaults.get(field.name) == Some(&Value::String(key.key.clone()))))
        .map(|key| format!("`{}`", key.key))
        .filter(|name| name != "``")
        .collect();
    if !written.is_empty() {
        let _ = writeln!(text, "\n{}{}", word(language, "Columns that it writes: ", "写入的列："), written.join(word(language, ", ", "、")));
    }
    for (field, allowed) in info.prompts.iter().filter(|(_, allowed)| !allowed.is_empty()) {
        let of = word(language, ": prompts that it allows, beside your own: ", "：除自己的提示词外，允许使用的提示词：");
        let names: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "\n`{field}`{of}{}", names.join(word(language, ", ", "、")));
    }
    text.push_str(&shown(info, &keys, language, examples)?);
    Ok(text)
}

/// The values that a parameter may have, where they can be listed and its description does not name them all.
fn allowed(schema: &Value, of: &Value, meaning: &str, language: Language) -> String {
    let mut names = Vec::new();
    collect_names(schema, of, &mut names);
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.iter().all(|name| meaning.contains(name)) {
        return String::new();
    }
    format!("{}{}{}", word(language, " One of ", "可取 "), names.join(word(language, ", ", "、")), word(language, ".", "。"))
}

/// Gathers the texts that a schema lists, also those of the items of a list.
fn collect_names<'a>(schema: &'a Value, of: &'a Value, names: &mut Vec<&'a str>) {
    if let Some(path) = of["$ref"].as_str() {
        collect_names(schema, schema.pointer(path.trim_start_matches('#')).unwrap_or(&Value::Null), names);
    }
    names.extend(of["const"].as_str());
    names.extend(of["enum"].as_array().into_iter().flatten().filter_map(Value::as_str));
    for inner in ["oneOf", "anyOf"].iter().filter_map(|key| of[*key].as_array()).flatten().chain(of.get("items")) {
        collect_names(schema, inner, names);
    }
}

/// The example of a rule: what goes in and what comes out. An operator that asks a model has none, since its answers are the model's.
fn shown(info: &OperatorInfo, keys: &[KeyUse], language: Language, examples: &Examples) -> Result<String> {
    let usual = Shown { rows: vec![serde_json::json!({ "text": "A short text, and a second part of it." })], ..Shown::default() };
    let only_text = !keys.is_empty() && keys.iter().filter(|key| key.direction != Direction::Write).all(|key| key.key == "text");
    let Some(chosen) = examples.get(info.name).or(only_text.then_some(&usual)) else { return Ok(String::new()) };
    let unusable = |error: String| Error::Configuration(format!("the example of `{}`: {error}", info.name));
    // Without rows of its own, an operator may need a file or a parameter that nobody can guess.
    let own = examples.contains_key(info.name);
    let found = match chosen.run(info) {
        Ok(Some(found)) => found,
        Err(error) if own => return Err(unusable(error.to_string())),
        Ok(None) | Err(_) => return Ok(String::new()),
    };

    let mut text = format!("\n{}", word(language, "Example", "示例"));
    if !chosen.parameters.is_empty() {
        let _ = write!(text, "{}`{}`", word(language, ", with ", "，参数为 "), Value::Object(chosen.parameters.clone()));
    }
    text.push_str(word(language, ":\n\n```text\n", "：\n\n```text\n"));
    for (name, content) in &chosen.files {
        let _ = writeln!(text, "./{name}: {}", content.trim_end().replace('\n', "\n    "));
    }
    let dropped = word(language, "dropped", "丢弃");
    for (before, after) in chosen.rows.iter().zip(&found.rows) {
        let _ = writeln!(text, "{before}");
        for after in after {
            let _ = writeln!(text, "-> {after}");
        }
        if after.is_empty() {
            let _ = writeln!(text, "-> {dropped}");
        }
    }
    if let Some(result) = found.result {
        let _ = writeln!(text, "=> {result}");
    }
    text.push_str("```\n");
    Ok(text)
}

fn way(info: &OperatorInfo, language: Language) -> &'static str {
    let asks = info.with_defaults().map_or(true, |operator| operator.at_most().calls > 0);
    match info.shape {
        Shape::Row if !asks => word(language, "a rule that works a row at a time", "逐行处理的规则"),
        Shape::Column => word(language, "a rule", "规则"),
        Shape::Row => word(language, "works a row at a time, and may ask a model", "逐行处理，可以询问模型"),
        Shape::Dataset => word(language, "a rule that sees all rows in order", "按顺序查看所有行的规则"),
        Shape::Source => word(language, "makes rows, asking a model", "询问模型以生成新行"),
    }
}

fn use_of(key: &KeyUse, language: Language) -> String {
    let does = match key.direction {
        Direction::Read => word(language, "read", "读取"),
        Direction::Change => word(language, "changed", "修改"),
        Direction::Write => word(language, "written", "写入"),
    };
    match language {
        Language::En => format!(" ({does}, {})", key.column_type),
        Language::Zh if key.column_type == ColumnType::Vector => format!("（{does}，list of float 或其 JSON 文本）"),
        Language::Zh => format!("（{does}，{}）", key.column_type),
    }
}

/// A text as a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|").replace('`', if text.starts_with('"') { "'" } else { "`" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parameter_may_be_stands_on_the_page() {
        let page = |name: &str, language| sections(&[registry::operator(name).unwrap()], language).unwrap();
        let told = |page: String, field: &str| page.lines().find(|line| line.starts_with(&format!("| `{field}` |"))).unwrap().to_owned();
        let hash = told(page("NgramHashDeduplicateFilter", Language::En), "hash_func");
        assert_eq!(hash, "| `hash_func` | `\"md5\"` | The hash by which parts are compared. One of `md5`, `sha256`, `xxh3`. |");
        let hash = told(page("NgramHashDeduplicateFilter", Language::Zh), "hash_func");
        assert_eq!(hash, "| `hash_func` | `\"md5\"` | 比较各段所用的哈希函数。可取 `md5`、`sha256`、`xxh3`。 |");
        let bounds = told(page("LangkitFilter", Language::En), "max_scores");
        assert!(bounds.contains("\"sentence_count\":") && bounds.contains("\"difficult_words\":213.4"), "a default stands there whole: {bounds}");
        // Where the description names them all, they are not told twice.
        assert!(!told(page("WordNumberFilter", Language::En), "language").contains("One of"));
    }
}
