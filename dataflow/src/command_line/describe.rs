//! `dataflow operators` and `dataflow prompts`: what is linked into this program, as text, JSON, Markdown or a workbook.

use std::fmt::Write;
use std::path::PathBuf;

use crate::terminal::Exit;
use crate::{Error, Result};
use clap::{Args, ValueEnum};
use dataflow_core::docs::Language;
use dataflow_core::operator::OperatorInfo;
use dataflow_core::prompt::PromptInfo;
use dataflow_core::registry;
use rust_xlsxwriter::{Format as CellFormat, Workbook};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::{called_wrongly, give, operator_pages};

#[derive(Args)]
pub struct Arguments {
    /// Describe this one; without it, all are listed
    name: Option<String>,
    /// The language of the descriptions: en or zh
    #[arg(long, default_value = "en", value_name = "LANGUAGE", value_parser = ["en", "zh"])]
    lang: String,
    /// How it is written; told by the name of `--output` where that is given, and text otherwise
    #[arg(long)]
    format: Option<Format>,
    /// Write it here instead of to stdout; a workbook has to be given a path, and the pages of all operators a folder
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Xlsx,
}

impl Arguments {
    fn format(&self) -> Format {
        let by_name = self.output.as_ref().and_then(|path| path.extension()).and_then(|extension| match extension.to_str()? {
            "json" => Some(Format::Json),
            "md" => Some(Format::Markdown),
            "xlsx" => Some(Format::Xlsx),
            _ => None,
        });
        self.format.or(by_name).unwrap_or(Format::Text)
    }
}

pub fn operators(arguments: &Arguments) -> Result<Exit> {
    let language: Language = arguments.lang.parse()?;
    if let Some(absent) = arguments.name.as_deref().and_then(registry::absent_operator) {
        return Err(Error::NotFound(absent.to_string()));
    }
    let chosen = chosen(arguments, "operator", registry::operators(), |info| info.name)?;
    let text = match (arguments.format(), &arguments.name) {
        (Format::Text, Some(_)) => chosen.iter().map(|info| describe_operator(info, language)).collect(),
        (Format::Text, None) => {
            let rows = chosen.iter().map(|info| [info.category.to_owned(), info.kind.name().to_owned(), info.name.to_owned(), info.docs.summary(language)]);
            listed(&rows.collect::<Vec<_>>(), 3)
        }
        (Format::Markdown, Some(_)) => operator_pages::sections(&chosen, language)?,
        (Format::Markdown, None) => {
            let Some(folder) = &arguments.output else {
                return Ok(called_wrongly("the pages of all operators are not written to stdout\nhint: give them a folder: `-o docs/operators`"));
            };
            operator_pages::write_all(&chosen, folder)?;
            return Ok(Exit::Well);
        }
        (Format::Json, _) => json_text(chosen.iter().map(|info| operator_json(info, language)).collect(), arguments.name.is_some()),
        (Format::Xlsx, _) => {
            let rows = chosen.iter().map(|info| {
                let prompts: Vec<&str> = info.prompts.iter().flat_map(|(_, allowed)| allowed.iter().copied()).collect();
                vec![
                    info.category.to_owned(),
                    info.kind.name().to_owned(),
                    info.name.to_owned(),
                    info.module.to_owned(),
                    info.docs.get(Language::En).to_owned(),
                    info.docs.get(Language::Zh).to_owned(),
                    info.get_desc(language),
                    prompts.join(", "),
                ]
            });
            return workbook(
                arguments,
                &["Category", "Kind", "Name", "Module", "Description (en)", "Description (zh)", "Parameters", "Prompts"],
                &rows.collect::<Vec<_>>(),
            );
        }
    };
    give(text.as_bytes(), arguments.output.as_deref())?;
    Ok(Exit::Well)
}

pub fn prompts(arguments: &Arguments) -> Result<Exit> {
    let language: Language = arguments.lang.parse()?;
    let chosen = chosen(arguments, "prompt", registry::prompts(), |info| info.name)?;
    let text = match (arguments.format(), &arguments.name) {
        (Format::Text, Some(_)) => chosen.iter().map(|info| describe_prompt(info, language)).collect(),
        (Format::Text, None) => {
            listed(&chosen.iter().map(|info| [info.name.to_owned(), users_of(info).join(", "), info.docs.summary(language)]).collect::<Vec<_>>(), 2)
        }
        (Format::Markdown, _) => {
            return Ok(called_wrongly("prompts have no pages\nhint: `--format` should be `text`, `json` or `xlsx`"));
        }
        (Format::Json, _) => json_text(chosen.iter().map(|info| prompt_json(info, language)).collect(), arguments.name.is_some()),
        (Format::Xlsx, _) => {
            let rows = chosen.iter().map(|info| {
                vec![
                    info.name.to_owned(),
                    info.module.to_owned(),
                    info.docs.get(Language::En).to_owned(),
                    info.docs.get(Language::Zh).to_owned(),
                    users_of(info).join(", "),
                    template_of(info).0,
                ]
            });
            return workbook(arguments, &["Name", "Module", "Description (en)", "Description (zh)", "Operators", "Template"], &rows.collect::<Vec<_>>());
        }
    };
    give(text.as_bytes(), arguments.output.as_deref())?;
    Ok(Exit::Well)
}

fn chosen<'a, T>(arguments: &Arguments, what: &str, all: &[&'a T], name_of: fn(&T) -> &'static str) -> Result<Vec<&'a T>> {
    let Some(name) = &arguments.name else { return Ok(all.to_vec()) };
    let found: Vec<&T> = all.iter().copied().filter(|info| name_of(info) == name).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let hint = match registry::nearest(name, all.iter().map(|info| name_of(info))) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`dataflow {what}s` lists them"),
    };
    Err(Error::NotFound(format!("there is no {what} `{name}`\nhint: {hint}")))
}

/// Rows as columns of one width, but for the last one.
fn listed<const N: usize>(rows: &[[String; N]], aligned: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..aligned).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell}{}  ", " ".repeat(width - cell.width())); // a String takes every write
        }
        let _ = writeln!(text, "{}", row[aligned..].join("  "));
    }
    text
}

fn describe_operator(info: &OperatorInfo, language: Language) -> String {
    let mut text = format!("{} ({} {}, {})\n\n{}\n", info.name, info.category, info.kind.name(), info.module, info.get_desc(language));
    for (field, allowed) in info.prompts {
        let heading = match language {
            Language::En => "prompts that it allows, beside your own",
            Language::Zh => "除自己的提示词外，允许使用的提示词",
        };
        let _ = writeln!(text, "\n{field}: {heading}: {}", if allowed.is_empty() { "-".to_owned() } else { allowed.join(", ") });
    }
    let defaults = info.with_defaults().map(|operator| operator.parameters()).unwrap_or_default();
    let mut step = serde_json::Map::from_iter([("operator".to_owned(), Value::String(info.name.to_owned()))]);
    step.extend(defaults.as_object().cloned().unwrap_or_default());
    let yaml = serde_yaml::to_string(&[step]).unwrap_or_default();
    let _ = write!(text, "\n{yaml}");
    text
}

fn describe_prompt(info: &PromptInfo, language: Language) -> String {
    let (template, variables) = template_of(info);
    let users = users_of(info);
    format!(
        "{} ({})\n\n{}\n\nvariables: {}\noperators: {}\n\n{template}\n",
        info.name,
        info.module,
        info.docs.get(language),
        variables.join(", "),
        users.join(", ")
    )
}

fn template_of(info: &PromptInfo) -> (String, Vec<String>) {
    match (info.build)(json!({})) {
        Ok(prompt) => (prompt.template().into_owned(), prompt.variables().unwrap_or_default()),
        Err(_) => (String::new(), Vec::new()),
    }
}

/// The operators that allow a prompt.
fn users_of(info: &PromptInfo) -> Vec<&'static str> {
    registry::operators()
        .iter()
        .filter(|operator| operator.prompts.iter().any(|(_, allowed)| allowed.contains(&info.name)))
        .map(|operator| operator.name)
        .collect()
}

fn operator_json(info: &OperatorInfo, language: Language) -> Value {
    let operator = info.with_defaults().ok();
    let defaults = operator.as_ref().map(|operator| operator.parameters()).unwrap_or_default();
    let keys: Vec<Value> = operator
        .iter()
        .flat_map(|operator| operator.keys())
        .map(|key| json!({ "field": key.field, "key": key.key, "direction": key.direction, "type": key.column_type.to_string() }))
        .collect();
    let parameters: Vec<Value> =
        info.fields.iter().map(|field| json!({ "name": field.name, "default": defaults.get(field.name), "description": field.docs.get(language) })).collect();
    let prompts: serde_json::Map<String, Value> = info.prompts.iter().map(|(field, allowed)| ((*field).to_owned(), json!(allowed))).collect();
    json!({
        "name": info.name, "category": info.category, "kind": info.kind, "shape": info.shape, "module": info.module,
        "description": info.docs.get(language), "parameters": parameters, "keys": keys, "prompts": prompts, "schema": (info.schema)(),
    })
}

fn prompt_json(info: &PromptInfo, language: Language) -> Value {
    let (template, variables) = template_of(info);
    json!({ "name": info.name, "module": info.module, "description": info.docs.get(language), "variables": variables, "operators": users_of(info), "template": template })
}

fn json_text(items: Vec<Value>, one: bool) -> String {
    let value = match items.into_iter().collect::<Vec<_>>() {
        mut items if one && items.len() == 1 => items.remove(0),
        items => Value::Array(items),
    };
    format!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default())
}

fn workbook(arguments: &Arguments, header: &[&str], rows: &[Vec<String>]) -> Result<Exit> {
    let Some(path) = &arguments.output else {
        return Ok(called_wrongly("a workbook is not written to stdout\nhint: give it a path: `-o operators.xlsx`"));
    };
    let failed = |error: rust_xlsxwriter::XlsxError| Error::storage(format!("cannot write {}", path.display()), error);
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let bold = CellFormat::new().set_bold();
    for (column, name) in header.iter().enumerate() {
        sheet.write_string_with_format(0, column as u16, *name, &bold).map_err(failed)?;
    }
    for (row, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            sheet.write_string(row as u32 + 1, column as u16, cell).map_err(failed)?;
        }
    }
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    sheet.set_autofit_max_width(400);
    sheet.autofit();
    book.save(path).map_err(failed)?;
    Ok(Exit::Well)
}
