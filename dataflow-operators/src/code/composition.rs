//! How much of code is letters.

use std::ops::RangeInclusive;

use super::measure::CodeMeasure;
use super::source_code::SourceCode;
use crate::python::is_word;
use crate::score_columns::ScoreNames;

/// The share of letters, of letters and numbers, and whether there are enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextComposition;

impl ScoreNames for TextComposition {
    const PREFIX: &'static str = "CodeTextComposition";
    const NAMES: &'static [&'static str] = &["AlphaRatio", "AlnumRatio", "Score"];
}

/// Assembly has numbers where other code has words.
const ASSEMBLY: [&str; 2] = ["motorola 68k assembly", "webassembly"];

impl CodeMeasure for TextComposition {
    const SCORE: usize = 2;

    fn numbers(&self, code: &SourceCode<'_>) -> Vec<f64> {
        let text = code.text_alone();
        let (mut all, mut letters, mut numbers) = (0usize, 0usize, 0usize);
        for character in text.chars() {
            all += 1;
            if character != '_' && is_word(character) {
                if character.is_numeric() { numbers += 1 } else { letters += 1 }
            }
        }
        let share = |count: usize| if all == 0 { 0.0 } else { count as f64 / all as f64 };
        vec![share(letters), share(letters + numbers)]
    }

    fn bounds(&self, code: &SourceCode<'_>) -> Vec<(usize, RangeInclusive<f64>)> {
        const LEAST: f64 = 0.25;
        let assembly = code.language.as_ref().is_some_and(|language| ASSEMBLY.contains(&language.to_lowercase().as_str()));
        vec![(usize::from(assembly), LEAST..=1.0)]
    }
}
