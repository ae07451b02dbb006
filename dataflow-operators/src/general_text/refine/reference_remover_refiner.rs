//! Deletes the references of wiki pages.

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

use crate::compatibility::Compatibility;
use crate::pattern::pattern;

/// Deletes `<ref>…</ref>`, `<ref … />` and `{{cite …|…}}` of wiki pages, open ones up to the end of the text.
///
/// Letter case does not count, and a reference may run over several lines. DataFlow leaves those, and takes `<ref … />` for the beginning of one that ends at the next `</ref>`, with the text between; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 删除维基页面中的 `<ref>…</ref>`、`<ref … />` 与 `{{cite …|…}}`，未闭合者删至文末。不区分大小写，引用可以跨行。DataFlow 保留跨行的引用，并把 `<ref … />` 当作引用的开头，连同到下一个 `</ref>` 为止的正文一起删除；`compatibility: dataflow` 沿用其做法。
#[operator(general_text, refine, Refine)]
pub struct ReferenceRemoverRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for ReferenceRemoverRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), compatibility: Compatibility::Own }
    }
}

static PATTERNS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        // One that is closed in itself, one up to its end with no other before that, and one that is open to the end of the text.
        pattern(r"(?i)<ref(?:\s[^<>]*)?/>|<ref(?:\s[^<>]*)?>(?:[^<]|<(?:[^r<]|r[^e<]|re[^f<]))*?</ref\s*>|<ref(?:\s[^<>]*)?>[^<]*\z"),
        // A template may have others in it.
        pattern(r"(?i)\{\{\s*cite\s+[^{}|]*\|(?:[^{}]*(?:\{\{[^{}]*\}\}[^{}]*)*\}\}|[^{}]*\z)"),
        pattern(r"<ref[^>\n]*>.*?</ref>|<ref[^>\n]*>[^<]*\z|<ref[^>\n]*>.*?/br"),
        pattern(r"\{\{cite [\p{L}\p{N}_]+\|.*?\}\}|\{\{cite [\p{L}\p{N}_]+\|[^}]*\z"),
    ]
});

impl Refine for ReferenceRemoverRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let [reference, citation, dataflow_reference, dataflow_citation] = &*PATTERNS;
        let (reference, citation) = match self.compatibility {
            Compatibility::Own => (reference, citation),
            Compatibility::Dataflow => (dataflow_reference, dataflow_citation),
        };
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
    fn references_of_several_lines_go_and_the_text_between_them_stays() {
        let texts = [
            "a<ref name=\"b\" /> text <ref>c</ref> d",
            "One.<REF>Smith,\n<i>Owls</i></Ref> Two.<references />",
            "<ref>open <ref>c</ref> d",
            "{{Cite web | url=x\n| title={{lang|de|Y}} }} after {{citation needed}}",
            "Open <ref name=x>to the\nend",
        ];
        assert_snapshot!(check_rule(&ReferenceRemoverRefiner::default(), "text", texts), @r"
        text=a text  d
        text=One. Two.<references />
        text=<ref>open  d
        text= after {{citation needed}}
        text=Open 
        ");
    }

    #[test]
    fn closed_and_open_references_go_in_dataflow() {
        let texts = ["One.<ref name=\"a\">Smith</ref> Two.", "Open <ref>to the end", "{{cite web|url=x|title=Y}} after", "{{cite web|open", "<REF>x</REF>"];
        assert_snapshot!(check_rule(&ReferenceRemoverRefiner { compatibility: Compatibility::Dataflow, ..Default::default() }, "text", texts), @r"
        text=One. Two.
        text=Open 
        text= after
        text=
        text=<REF>x</REF>
        ");
    }
}
