//! Takes doc comments apart into their two languages.

use syn::{Attribute, Expr, Lit, Meta};

/// The lines of a doc comment, with one space of indentation removed.
fn lines(attributes: &[Attribute]) -> Vec<String> {
    attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
        .flat_map(|text| text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()).collect::<Vec<_>>())
        .collect()
}

/// The English and the Chinese part of a type's doc comment, divided by a line `# 中文`.
pub fn of_type(attributes: &[Attribute]) -> (String, String) {
    let lines = lines(attributes);
    let divide = lines.iter().position(|line| line.trim() == "# 中文").unwrap_or(lines.len());
    let join = |lines: &[String]| lines.join("\n").trim().to_owned();
    (join(&lines[..divide]), join(lines.get(divide + 1..).unwrap_or(&[])))
}

/// The English and the Chinese part of a field's doc comment, divided by `中文：`.
pub fn of_field(attributes: &[Attribute]) -> (String, String) {
    let text = lines(attributes).join("\n");
    let (en, zh) = text.split_once("中文：").unwrap_or((&text, ""));
    (en.trim().to_owned(), zh.trim().to_owned())
}
