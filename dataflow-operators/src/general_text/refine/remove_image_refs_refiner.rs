//! Deletes references to images.

use crate::compatibility::Compatibility;
use crate::pattern::pattern;
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Deletes references to images: `![…](…)` of Markdown, with a link around it too, `<img …>`, file names of images in the brackets `(` and `)`, and figure numbers such as `图 3-12：…`.
///
/// A file name stays where its bracket directly follows an English letter, a digit, `_` or `]`, as in `open(a.png)` and `[link](a.png)`.
/// DataFlow also deletes every run of seven letters or digits, and so most long words; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 删除图片引用：Markdown 的 `![…](…)`（连同包裹它的链接）、`<img …>`、半角圆括号 `(`、`)` 中的图片文件名，以及 `图 3-12：…` 一类的图号。
///
/// 括号紧跟在英文字母、数字、`_` 或 `]` 之后时，文件名保留，如 `open(a.png)`、`[link](a.png)`。
/// DataFlow 还会删除七个及以上连续的字母或数字，即大多数长单词；`compatibility: dataflow` 沿用其做法。
#[operator(general_text, refine, Refine)]
pub struct RemoveImageRefsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for RemoveImageRefsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), compatibility: Compatibility::Own }
    }
}

static PATTERNS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    // Brackets may hold others, one deep; and what is not closed ends where another begins, so that no part of a text is read again for each.
    let target = r"\((?:[^()\n]|\([^()\n]*\))*\)";
    let image = format!(r"!\[(?:[^\[\]\n]|\[[^\[\]\n]*\])*\]{target}");
    let others = concat!(
        r#"<img\b(?:=\s*"[^"<]*"|=\s*'[^'<]*'|[^<>])*>|"#,
        r"\([^()\s]*\.(?:jpe?g|png|gif|webp|bmp|svg|tiff?)\)|(?:图|圖)\s*\d+-\d+[:：][^\s。，；！？,;!?]*",
    );
    [
        pattern(&format!(r"(?i)\[{image}\]{target}|{image}|{others}")),
        pattern(concat!(
            r"!\[\]\(images/[0-9a-fA-F]\.jpg\)|[a-fA-F0-9]+\.[a-zA-Z0-9]+\)|!\[\]\(images/[a-f0-9]|图\s+\d+-\d+：[\u{4e00}-\u{9fa5}a-zA-Z0-9]+|[0-9a-zA-Z]{7,}|",
            r"[一二三四五六七八九十零壹贰叁肆伍陆柒捌玖拾佰仟万亿]{5,}|u200e|&#247;|\? :|[\u{fffd}\u{25a1}]|\{/U\}|U\+26[0-F][0-D]|U\+273[34]|U\+1F[3-6][0-F][0-F]",
        )),
    ]
});

impl Refine for RemoveImageRefsRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let [own, dataflow] = &*PATTERNS;
        match self.compatibility {
            Compatibility::Own => {
                // What is called or linked is no mere name.
                let is_joined = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ']');
                let (mut clean, mut end) = (String::new(), 0);
                for found in own.find_iter(text).filter(|found| !found.as_str().starts_with('(') || !text[..found.start()].ends_with(is_joined)) {
                    clean.push_str(&text[end..found.start()]);
                    end = found.end();
                }
                if end == 0 {
                    return text.into();
                }
                clean.push_str(&text[end..]);
                clean.into()
            }
            Compatibility::Dataflow => dataflow.replace_all(text, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveImageRefsRefiner);

    #[test]
    fn references_go_and_words_stay() {
        let texts =
            ["See ![a dog](img/dog.png) running", "<IMG src='x'>text", "file (a1b2.jpg) and (note)", "见图 3-12：系统架构，如下", "characteristically long"];
        assert_snapshot!(check_rule(&RemoveImageRefsRefiner::default(), "text", texts), @r"
        text=See  running
        text=text
        text=file  and (note)
        text=见，如下
        text=characteristically long
        ");
    }

    #[test]
    fn a_reference_goes_whole() {
        let refined = |text: &str| RemoveImageRefsRefiner::default().refine(text).into_owned();
        for reference in [
            r#"<img src="x > y.png" alt="a">"#,
            "<img alt='a > b'\n src=x.png>",
            "<img alt=it's>",
            "![a](u_(1).png)",
            r#"![a [b] c](x y.jpg "t")"#,
            "![[1]](b.png)",
            "[![b](b.svg)](http://x)",
        ] {
            assert_eq!(refined(&format!("see {reference} here")), "see  here", "{reference}");
        }
        assert_eq!(refined(r#"<img alt="a>text <b title="x">"#), r#"text <b title="x">"#);
        assert_eq!(refined("![open ![a](b.png) end"), "![open  end");
    }

    #[test]
    fn what_is_called_or_linked_stays() {
        let refined = |text: &str| RemoveImageRefsRefiner::default().refine(text).into_owned();
        for text in ["f(a.png)", "[link](a.png)"] {
            assert_eq!(refined(text), text);
        }
        assert_eq!(refined("见图(a.png)，(b.jpg)"), "见图，");
    }

    #[test]
    fn dataflow_deletes_long_words_too() {
        let operator = RemoveImageRefsRefiner { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a short sentence"]), @"text=a short ");
    }
}
