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
    let chinese = lines.get(divide + 1..).unwrap_or(&[]).join("\n");
    (lines[..divide].join("\n").trim().to_owned(), without_breaks_in_chinese(chinese.trim()))
}

/// The English and the Chinese part of a field's doc comment, divided by `中文：`.
pub fn of_field(attributes: &[Attribute]) -> (String, String) {
    let text = lines(attributes).join("\n");
    let (en, zh) = text.split_once("中文：").unwrap_or((&text, ""));
    (en.trim().to_owned(), without_breaks_in_chinese(zh.trim()))
}

/// Joins lines within a sentence of Chinese, where a line's end would be shown as a space: behind a mark, and between two characters.
fn without_breaks_in_chinese(text: &str) -> String {
    let is_chinese = |character: char| ('\u{2e80}'..='\u{9fff}').contains(&character) || is_chinese_mark(character);
    let mut joined = String::with_capacity(text.len());
    for line in text.split('\n') {
        let (before, after) = (joined.chars().next_back(), line.chars().next());
        let within = before.zip(after).is_some_and(|(before, after)| is_chinese_mark(before) || is_chinese(before) && is_chinese(after));
        if !joined.is_empty() && !within {
            joined.push('\n');
        }
        joined.push_str(line);
    }
    joined
}

fn is_chinese_mark(character: char) -> bool {
    matches!(character, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff65}' | '“' | '”' | '…' | '—')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_chinese_are_joined_without_a_space() {
        let text = "查重，\n保留；用\n算子 `x`\n处理 JSON\nand\n\n新段。\n";
        assert_eq!(without_breaks_in_chinese(text), "查重，保留；用算子 `x`\n处理 JSON\nand\n\n新段。\n");
    }
}
