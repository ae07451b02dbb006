//! `dataflow new`: a file that compiles and says what to fill in.

use std::path::PathBuf;

use crate::terminal::{Exit, say};
use crate::{Error, Result};
use clap::{Args, ValueEnum};

#[derive(Args)]
pub struct Arguments {
    /// What to write
    what: What,
    /// Its name, such as FirstSentenceRefiner or my_pipeline; an operator's ending (Refiner, Filter, Evaluator, Generator) tells its kind
    name: String,
    /// Write it here; without it, a file of its name in the current folder
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Operator,
    Prompt,
    Pipeline,
}

/// Words that no module can have as its name, in the form that a file's name has here.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn",
    "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Operators' templates by the ending of the name; the first is for a name of another ending.
const KINDS: [(&str, &str); 4] = [
    ("Refiner", include_str!("../scaffold/refiner.rs.txt")),
    ("Filter", include_str!("../scaffold/filter.rs.txt")),
    ("Evaluator", include_str!("../scaffold/evaluator.rs.txt")),
    ("Generator", include_str!("../scaffold/generator.rs.txt")),
];

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let Arguments { what, name, output } = arguments;
    let (type_name, file_name) = (camel(name), snake(name));
    if type_name.is_empty() || !type_name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(Error::Configuration(format!("`{name}` is no name: it begins with a letter and holds letters, digits and underscores")));
    }
    if *what != What::Pipeline && KEYWORDS.contains(&file_name.as_str()) {
        return Err(Error::Configuration(format!(
            "`{file_name}` is a word of Rust's own, and a module cannot have its name\nhint: say more, such as `{file_name}_{}`",
            if *what == What::Prompt { "prompt" } else { "refiner" }
        )));
    }
    let kind = KINDS.into_iter().find(|(ending, _)| type_name.ends_with(ending)).unwrap_or(KINDS[0]);
    let ((stands_for, template), extension) = match what {
        What::Operator => (kind, "rs"),
        What::Prompt => (("Prompt", include_str!("../scaffold/prompt.rs.txt")), "rs"),
        What::Pipeline => (("Pipeline", include_str!("../scaffold/pipeline.yaml.txt")), "yaml"),
    };
    let path = output.clone().unwrap_or_else(|| PathBuf::from(format!("{file_name}.{extension}")));
    if path.exists() {
        return Err(Error::Configuration(format!("{} is there already\nhint: give another name, or a path with `-o`", path.display())));
    }
    let text = template.replace(&format!("__{stands_for}__"), &type_name).replace(&format!("__{}__", stands_for.to_lowercase()), &file_name);
    std::fs::write(&path, text).map_err(|error| Error::storage(format!("cannot write {}", path.display()), error))?;
    say(&match what {
        What::Operator => format!("wrote {}; `mod {file_name};` in a crate that depends on `dataflow` registers it", path.display()),
        What::Prompt => format!(
            "wrote {}; `mod {file_name};` in a crate that depends on `dataflow` registers it, and a step names it with `prompt_template: {type_name}`",
            path.display()
        ),
        What::Pipeline => format!("wrote {}; `dataflow check {}` checks it", path.display(), path.display()),
    });
    Ok(Exit::Well)
}

fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut after_lower = false;
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() {
            words.push(String::new());
            after_lower = false;
            continue;
        }
        if words.is_empty() || (character.is_ascii_uppercase() && after_lower) {
            words.push(String::new());
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        if let Some(word) = words.last_mut() {
            word.push(character.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn camel(name: &str) -> String {
    words(name).iter().map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn snake(name: &str) -> String {
    words(name).join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_as_types_and_as_files() {
        for name in ["FirstSentenceRefiner", "first_sentence_refiner", "first-sentence-refiner"] {
            assert_eq!((camel(name), snake(name)), ("FirstSentenceRefiner".into(), "first_sentence_refiner".into()), "{name}");
        }
    }
}
