//! Filters rows with left-over HTML entities.

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};

/// Drops rows whose text holds an HTML entity such as `&nbsp;`, `&lt;` or `&ldquo;`.
///
/// As in DataFlow the semicolon may be missing, so that `?a=1&lt=2` is taken for one; `&copy;` and `&#39;` are not looked for.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null is dropped.
///
/// # 中文
///
/// 丢弃含有 `&nbsp;`、`&lt;`、`&ldquo;` 等 HTML 实体的行。与 DataFlow 一致，分号可缺省，因此 `?a=1&lt=2` 也算；不检查 `&copy;` 与 `&#39;`。保留的行标签为 1，丢弃的为 0；空值会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct HtmlEntityFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

impl Default for HtmlEntityFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "html_entity_filter_label".into() }
    }
}

const ENTITIES: [&str; 13] = ["nbsp", "lt", "gt", "amp", "quot", "apos", "hellip", "ndash", "mdash", "lsquo", "rsquo", "ldquo", "rdquo"];

/// The other mark that begins an entity.
const FULL_WIDTH: &[u8] = "＆".as_bytes();

impl Measure for HtmlEntityFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        let bytes = text.as_bytes();
        let found = memchr::memchr2_iter(b'&', FULL_WIDTH[0], bytes).any(|place| {
            let after = bytes[place..].strip_prefix(FULL_WIDTH).or_else(|| bytes[place..].strip_prefix(b"&"));
            after.is_some_and(|after| ENTITIES.iter().any(|name| after.starts_with(name.as_bytes())))
        });
        Some(i64::from(!found && !text.is_empty()))
    }

    fn keep(&self, clean: i64) -> bool {
        clean == 1
    }

    fn label(&self, clean: i64) -> Cell {
        i64::from(self.keep(clean)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(HtmlEntityFilter);

    #[test]
    fn the_semicolon_may_be_missing() {
        let operator = HtmlEntityFilter { ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a&nbsp;b", "a=1&lt=2", "a & b &copy;", ""]), @r"
        dropped
        dropped
        text=a & b &copy; html_entity_filter_label=1
        dropped
        ");
    }
}
