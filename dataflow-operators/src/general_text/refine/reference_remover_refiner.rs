//! Deletes the references of wiki pages.

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Deletes `<ref>…</ref>` and `{{cite …|…}}` of wiki pages, open ones up to the end of the text.
///
/// As in DataFlow a reference that runs over several lines stays, and letter case counts.
///
/// # 中文
///
/// 删除维基页面中的 `<ref>…</ref>` 与 `{{cite …|…}}`，未闭合者删至文末。与 DataFlow 一致：跨行的引用保留，区分大小写。
#[operator(general_text, refine, Refine)]
pub struct ReferenceRemoverRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
}

impl Default for ReferenceRemoverRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

#[expect(clippy::expect_used, reason = "the patterns are constants")]
static PATTERNS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    let pattern = |pattern| Regex::new(pattern).expect("a valid pattern");
    [pattern(r"<ref[^>\n]*>.*?</ref>|<ref[^>\n]*>[^<]*\z|<ref[^>\n]*>.*?/br"), pattern(r"\{\{cite [\p{L}\p{N}_]+\|.*?\}\}|\{\{cite [\p{L}\p{N}_]+\|[^}]*\z")]
});

impl Refine for ReferenceRemoverRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let [reference, citation] = &*PATTERNS;
        match reference.replace_all(text, "") {
            Cow::Borrowed(text) => citation.replace_all(text, ""),
            Cow::Owned(text) => citation.replace_all(&text, "").into_owned().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(ReferenceRemoverRefiner);

    #[test]
    fn closed_and_open_references_go() {
        let texts = ["One.<ref name=\"a\">Smith</ref> Two.", "Open <ref>to the end", "{{cite web|url=x|title=Y}} after", "{{cite web|open", "<REF>x</REF>"];
        assert_snapshot!(check_rule(&ReferenceRemoverRefiner::default(), "text", texts), @r"
        text=One. Two.
        text=Open 
        text= after
        text=
        text=<REF>x</REF>
        ");
    }
}
