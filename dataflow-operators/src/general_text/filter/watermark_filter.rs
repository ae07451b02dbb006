//! Filters rows that carry a watermark.

use std::cell::RefCell;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use regex::Regex;

use crate::compatibility::Compatibility;

/// Drops rows whose text holds one of `watermarks`.
///
/// They are plain text. DataFlow takes them for regular expressions, so that `a.b` is found in `axb`, and an empty list drops every row; `compatibility: dataflow` does as it does.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 丢弃含有 `watermarks` 中任一文字的行。按原文匹配。DataFlow 当作正则表达式，`a.b` 会匹配 `axb`，空列表会丢弃所有行；`compatibility: dataflow` 沿用其做法。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct WatermarkFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The texts to look for, letter case included. 中文：要查找的文字，区分大小写。
    pub watermarks: Vec<String>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for WatermarkFilter {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            output_key: "watermark_filter_label".into(),
            watermarks: ["Copyright", "Watermark", "Confidential"].map(String::from).to_vec(),
            compatibility: Compatibility::Own,
        }
    }
}

impl WatermarkFilter {
    /// What of a text is a watermark.
    fn found<'a>(&'a self, text: &'a str) -> Option<&'a str> {
        match self.compatibility {
            Compatibility::Own => self.watermarks.iter().map(String::as_str).find(|mark| memchr::memmem::find(text.as_bytes(), mark.as_bytes()).is_some()),
            Compatibility::Dataflow => with_pattern(&self.watermarks, |pattern| pattern.find(text).map(|found| found.as_str())).ok()?, // a problem at compile
        }
    }
}

/// Uses the pattern that DataFlow makes of watermarks, which a thread keeps for as long as it is asked for the same.
fn with_pattern<T>(watermarks: &[String], with: impl FnOnce(&Regex) -> T) -> Result<T, String> {
    thread_local! {
        static LAST: RefCell<Option<(Vec<String>, Regex)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((known, pattern)) if known == watermarks => Ok(with(pattern)),
        _ => {
            let made = Regex::new(&watermarks.join("|")).map_err(|error| {
                let wrong = error.to_string();
                let wrong = wrong.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                format!("`watermarks` should be regular expressions with `compatibility: dataflow`: {wrong}\nhint: leave `compatibility` out where they are plain text")
            })?;
            Ok(with(&last.insert((watermarks.to_vec(), made)).1))
        }
    })
}

impl Measure for WatermarkFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(i64::from(!text.is_empty() && self.found(text).is_none()))
    }

    fn keep(&self, clean: i64) -> bool {
        clean == 1
    }

    fn label(&self, clean: i64) -> Cell {
        i64::from(self.keep(clean)).into()
    }

    fn why(&self, text: &str) -> Option<String> {
        Some(format!("it has the watermark `{}`", self.found(text)?))
    }

    fn problems(&self) -> Vec<String> {
        match self.compatibility {
            Compatibility::Own => {
                let empty = self.watermarks.iter().position(String::is_empty);
                empty
                    .map(|place| format!("`watermarks` should be texts to look for, found an empty one in place {}, which every text has", place + 1))
                    .into_iter()
                    .collect()
            }
            Compatibility::Dataflow => with_pattern(&self.watermarks, |_| ()).err().into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(WatermarkFilter);

    #[test]
    fn a_dot_is_a_dot() {
        let operator = WatermarkFilter { watermarks: vec!["a.b".into()], ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["axb", "a.b", ""]), @r"
        text=axb watermark_filter_label=1
        dropped
        dropped
        ");
    }

    #[test]
    fn an_empty_watermark_is_refused() {
        let operator = WatermarkFilter { watermarks: vec!["mark".into(), String::new()], ..Default::default() };
        assert_eq!(Measure::problems(&operator), ["`watermarks` should be texts to look for, found an empty one in place 2, which every text has"]);
    }

    #[test]
    fn dataflow_takes_watermarks_for_patterns() {
        let of = |watermarks: &[&str]| WatermarkFilter {
            watermarks: watermarks.iter().map(|mark| (*mark).to_owned()).collect(),
            compatibility: Compatibility::Dataflow,
            ..Default::default()
        };
        assert_snapshot!(check_rule(&of(&["a.b", "mark"]), "text", ["axb", "a b remark", "Mark", "ab"]), @r"
        dropped
        dropped
        text=Mark watermark_filter_label=1
        text=ab watermark_filter_label=1
        ");
        assert_eq!(check_rule(&of(&[]), "text", ["any text"]), "dropped");
        assert_eq!(Measure::why(&of(&["a.b"]), "see axb"), Some("it has the watermark `axb`".into()));
        assert_eq!(
            Measure::problems(&of(&["(draft"])),
            [
                "`watermarks` should be regular expressions with `compatibility: dataflow`: unclosed group\nhint: leave `compatibility` out where they are plain text"
            ]
        );
    }
}
