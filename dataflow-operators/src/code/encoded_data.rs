//! Data that is encoded in code.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use regex::Regex;

use super::measure::CodeMeasure;
use super::source_code::SourceCode;
use crate::pattern::pattern;
use crate::score_columns::ScoreNames;

/// The shares of base64, of hexadecimal bytes and of Unicode escapes, and whether none is above a half.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodedData;

impl ScoreNames for EncodedData {
    const PREFIX: &'static str = "CodeEncodedData";
    const NAMES: &'static [&'static str] = &["Base64Ratio", "HexRatio", "UnicodeRatio", "Score"];
}

static PATTERNS: LazyLock<[Regex; 3]> =
    LazyLock::new(|| [r"[a-zA-Z0-9+/=\n]{64,}", r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}", r"(?:\\u[0-9a-fA-F]{4}){8,}"].map(pattern));

impl CodeMeasure for EncodedData {
    const SCORE: usize = 3;

    fn numbers(&self, code: &SourceCode<'_>) -> Vec<f64> {
        let text = code.text_alone();
        let all = text.chars().count();
        PATTERNS
            .iter()
            .map(|pattern| if all == 0 { 0.0 } else { pattern.find_iter(&text).map(|found| found.as_str().chars().count()).sum::<usize>() as f64 / all as f64 })
            .collect()
    }

    fn bounds(&self, _: &SourceCode<'_>) -> Vec<(usize, RangeInclusive<f64>)> {
        const MOST: f64 = 0.5;
        (0..PATTERNS.len()).map(|place| (place, 0.0..=MOST)).collect()
    }
}
