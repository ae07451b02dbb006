//! The two languages of every operator, prompt and parameter description.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A language in which descriptions are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl FromStr for Language {
    type Err = crate::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "en" => Ok(Self::En),
            "zh" => Ok(Self::Zh),
            other => Err(crate::Error::Configuration(format!("the language should be `en` or `zh`, found `{other}`"))),
        }
    }
}

/// A description in both languages, from one doc comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Docs {
    /// English.
    pub en: &'static str,
    /// Chinese.
    pub zh: &'static str,
}

impl Docs {
    /// The text in a language; the English one where there is no Chinese.
    pub fn get(&self, language: Language) -> &'static str {
        match language {
            Language::Zh if !self.zh.is_empty() => self.zh,
            _ => self.en,
        }
    }

    /// The first paragraph, on one line; of Chinese, which begins with its summary and goes on, the first sentence.
    pub fn summary(&self, language: Language) -> String {
        let text = self.get(language);
        let paragraph = text.split("\n\n").next().unwrap_or(text).replace('\n', " ");
        match (language, paragraph.split_inclusive('。').next()) {
            (Language::Zh, Some(sentence)) => sentence.to_owned(),
            _ => paragraph,
        }
    }
}

impl fmt::Display for Docs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.en)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_a_paragraph_of_english_and_a_sentence_of_chinese() {
        let docs = Docs { en: "Keeps\nrows.\n\nMore.", zh: "保留行。其余\n丢弃。\n\n更多。" };
        assert_eq!((docs.summary(Language::En).as_str(), docs.summary(Language::Zh).as_str()), ("Keeps rows.", "保留行。"));
        let docs = Docs { zh: "", ..docs };
        assert_eq!(docs.summary(Language::Zh), "Keeps rows.");
    }
}
