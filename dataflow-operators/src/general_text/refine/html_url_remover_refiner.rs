//! Deletes web addresses and HTML tags.

use std::borrow::Cow;
use std::sync::LazyLock;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;

use self::address::without_addresses;
use self::tag::Tags;
use crate::compatibility::Compatibility;
use crate::pattern::pattern;

mod address;
mod tag;

/// Deletes HTML tags and comments, and then `http://` and `https://` addresses.
///
/// An address ends at white space, a quote, `|` or Chinese marks, and at `'` where one stands before it; the mark that ends its sentence and a bracket that opened before it stay.
/// Its host may be in letters of any language, and its last name in those of East Asia where it is a known one (`例子.中国`). Behind the host, Chinese characters and Hiragana end it unless it goes on behind them (`/手册/a.html` goes whole, of `/手册` the two characters stay), since text may follow it without a space; Katakana and Hangul end it unless they stand behind `/`, `=`, `_` or the like (`/wiki/한국어`).
///
/// A tag has a name of HTML's elements, an attribute with a value, a closing tag or `/>`, and may go over lines where it is well formed; `vector<int>` and `a <b and c> d` stay, and so do `List<Link>`, unless `</Link>` follows, `#include <map>`, and a tag alone in backticks. DataFlow takes anything between `<` and `>` on a line for a tag, and all up to the next white space for an address, the rest of a Chinese text with it; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 删除 HTML 标签与注释，再删除 `http://`、`https://` 开头的网址。标签须为 HTML 元素名，或带有属性值、有对应的结束标签或以 `/>` 结尾，格式完整时可跨行；`vector<int>`、`a <b and c> d`、没有对应 `</Link>` 的 `List<Link>`、`#include <map>` 以及单独置于反引号内的标签保留。网址止于空白、引号、`|` 或中文标点，前有 `'` 时止于下一个 `'`，其后的句末标点与在它之前打开的括号保留。主机名可用任何语言的文字，其最后一段为中日韩文字时须是已知的顶级域名（`例子.中国`）。主机名之后的汉字与平假名须后面仍接着网址（`/手册/a.html` 整个删除，`/手册` 则留下“手册”），否则视为紧跟网址的正文；片假名与韩文须紧接在 `/`、`=`、`_` 等之后（`/wiki/한국어`）。DataFlow 把同一行内 `<` 与 `>` 之间的任何内容都当作标签，网址则一直删到下一个空白，连同后面的中文；`compatibility: dataflow` 沿用其做法。
#[operator(general_text, refine, Refine)]
pub struct HtmlUrlRemoverRefiner {
    /// The text to clean. 中文：要清理的文本。
    pub input_key: InOut<Text>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for HtmlUrlRemoverRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), compatibility: Compatibility::Own }
    }
}

static DATAFLOW_PATTERNS: LazyLock<[Regex; 2]> = LazyLock::new(|| [pattern(r"https?://[^\s\x1c-\x1f]+[\r\n]*"), pattern(r"<[^>\n]*>")]);

fn without_tags(text: &str) -> Cow<'_, str> {
    let (mut tags, mut clean, mut end) = (Tags::of(text), String::new(), 0);
    for start in memchr::memchr_iter(b'<', text.as_bytes()) {
        if start >= end
            && let Some(end_of_tag) = tags.end_of(start)
        {
            clean.push_str(&text[end..start]);
            end = end_of_tag;
        }
    }
    if end == 0 {
        return text.into();
    }
    clean.push_str(&text[end..]);
    clean.into()
}

/// One change after another.
fn both<'a>(text: &'a str, first: impl Fn(&'a str) -> Cow<'a, str>, second: impl Fn(&str) -> Cow<'_, str>) -> Cow<'a, str> {
    match first(text) {
        Cow::Owned(text) => second(&text).into_owned().into(),
        Cow::Borrowed(text) => second(text),
    }
}

impl Refine for HtmlUrlRemoverRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if memchr::memchr(b'<', text.as_bytes()).is_none() && memchr::memmem::find(text.as_bytes(), b"://").is_none() {
            return text.into();
        }
        match self.compatibility {
            Compatibility::Own => both(text, without_tags, without_addresses),
            Compatibility::Dataflow => {
                let [address, tag] = &*DATAFLOW_PATTERNS;
                both(text, |text| address.replace_all(text, ""), |text| tag.replace_all(text, ""))
            }
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
    fn tags_and_addresses_go_and_what_touches_them_stays() {
        let texts = [
            "5 < 6 and 8 > 7",
            "详见https://a.b/中文后面。然后继续",
            "https://例え.jp/a と http://下载.例子.com。网址是https://空 白",
            "（见 https://a.b/c?d=1）。",
            "<a href=\"http://x.y\" title='a > b'>link</a><!-- no -->, a<br/>b",
            "Look at https://a.org/Rust_(game), (or HTTP://b.org/x). Yes",
            "see https://a.org/x\n\nnext http://",
            "<https://a.b> and [here](https://a.b/c)!",
        ];
        assert_snapshot!(check_rule(&HtmlUrlRemoverRefiner::default(), "text", texts), @r#"
        text=5 < 6 and 8 > 7
        text=详见中文后面。然后继续
        text= と 。网址是https://空 白
        text=（见 ）。
        text=link, ab
        text=Look at , (or ). Yes
        text=see 

        next http://
        text= and [here]()!
        "#);
    }

    #[test]
    fn code_and_cells_after_an_address_stay() {
        let texts = [
            "fetch('https://a.com/x').then(r => r.json())",
            "{'url':'https://a.com/x','next':'HTTP://b.com','n':1}",
            "print('https://a.com');x=1",
            "«http://a.com», said",
            "|a|http://a.com/x|b|",
            "see https://a.com/it's_here now",
        ];
        assert_snapshot!(check_rule(&HtmlUrlRemoverRefiner::default(), "text", texts), @r"
        text=fetch('').then(r => r.json())
        text={'url':'','next':'','n':1}
        text=print('');x=1
        text=«», said
        text=|a||b|
        text=see  now
        ");
    }

    #[test]
    fn addresses_go_first_and_then_tags_in_dataflow() {
        let texts = [
            "see https://a.org/x?y=1\n\nnext",
            "<p>a <b>bold</b> word</p>",
            "<a href=\"http://x.y\">link</a>",
            "HTTPS://A.ORG and ftp://b",
            "5 < 6 and 8 > 7",
            "<<b>>",
        ];
        let operator = HtmlUrlRemoverRefiner { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", texts), @r#"
        text=see next
        text=a bold word
        text=<a href="
        text=HTTPS://A.ORG and ftp://b
        text=5  7
        text=>
        "#);
    }

    #[test]
    fn many_brackets_after_an_address_stay() {
        let brackets = [")", "]}", ").", "()", "(["].map(|bracket| bracket.repeat(40_000));
        let text = |brackets: &str| format!("https://a.b/{brackets} x");
        let kept = brackets.each_ref().map(|brackets| HtmlUrlRemoverRefiner::default().refine(&text(brackets)).trim_end_matches(" x").len());
        assert_eq!(kept, [40_000, 80_000, 80_000, 0, 0]);
    }

    #[test]
    fn a_clean_text_is_not_copied() {
        assert!(matches!(HtmlUrlRemoverRefiner::default().refine("nothing to do"), Cow::Borrowed(_)));
    }
}
