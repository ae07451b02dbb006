//! Deletes web addresses and HTML tags.

use std::borrow::Cow;
use std::sync::LazyLock;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;

/// Deletes `http://` and `https://` addresses up to the next white space, with the line breaks after them, and then HTML tags.
///
/// As in DataFlow, a tag is whatever stands between `<` and `>` on one line, so that `5 < 6 and 8 > 7` loses its middle; an address takes
/// along what touches it, such as a closing bracket or the Chinese text after it.
///
/// # 中文
///
/// 删除 `http://`、`https://` 开头直到下一个空白的网址及其后的换行，再删除 HTML 标签。与 DataFlow 一致：同一行内 `<` 与 `>` 之间的内容都算标签；
/// 与网址相连的字符（右括号、紧跟的中文等）会一并删除。
#[operator(general_text, refine, Refine)]
pub struct HtmlUrlRemoverRefiner {
    /// The text to clean. 中文：要清理的文本。
    pub input_key: InOut<Text>,
}

impl Default for HtmlUrlRemoverRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

#[expect(clippy::expect_used, reason = "the patterns are constants")]
static PATTERNS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    let pattern = |pattern| Regex::new(pattern).expect("a valid pattern");
    [pattern(r"https?://[^\s\x1c-\x1f]+[\r\n]*"), pattern(r"<[^>\n]*>")]
});

impl Refine for HtmlUrlRemoverRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if memchr::memchr(b'<', text.as_bytes()).is_none() && memchr::memmem::find(text.as_bytes(), b"http").is_none() {
            return text.into();
        }
        let [address, tag] = &*PATTERNS;
        match address.replace_all(text, "") {
            Cow::Borrowed(text) => tag.replace_all(text, ""),
            Cow::Owned(text) => match tag.replace_all(&text, "") {
                Cow::Owned(text) => text.into(),
                Cow::Borrowed(_) => text.into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(HtmlUrlRemoverRefiner);

    #[test]
    fn addresses_go_first_and_then_tags() {
        let texts = [
            "see https://a.org/x?y=1\n\nnext",
            "<p>a <b>bold</b> word</p>",
            "<a href=\"http://x.y\">link</a>",
            "HTTPS://A.ORG and ftp://b",
            "5 < 6 and 8 > 7",
            "<<b>>",
        ];
        assert_snapshot!(check_rule(&HtmlUrlRemoverRefiner::default(), "text", texts), @r#"
        text=see next
        text=a bold word
        text=<a href="
        text=HTTPS://A.ORG and ftp://b
        text=5  7
        text=>
        "#);
    }

    #[test]
    fn a_clean_text_is_not_copied() {
        assert!(matches!(HtmlUrlRemoverRefiner::default().refine("nothing to do"), Cow::Borrowed(_)));
    }
}
