//! Deletes web addresses and HTML tags.

use std::borrow::Cow;
use std::sync::LazyLock;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;

use self::tag::Tags;
use crate::compatibility::Compatibility;
use crate::pattern::pattern;

mod tag;

/// Deletes HTML tags and comments, and then `http://` and `https://` addresses.
///
/// An address ends at white space, a quote, `|`, Chinese text behind its host or Chinese marks, and at `'` where one stands before it; the mark that ends its sentence and a bracket that opened before it stay.
/// A tag has a name of HTML's elements, an attribute with a value, a closing tag or `/>`, and may go over lines where it is well formed; `vector<int>` and `a <b and c> d` stay, and so do `List<Link>`, unless `</Link>` follows, `#include <map>`, and a tag alone in backticks. DataFlow takes anything between `<` and `>` on a line for a tag, and all up to the next white space for an address, the rest of a Chinese text with it; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 删除 HTML 标签与注释，再删除 `http://`、`https://` 开头的网址。标签须为 HTML 元素名，或带有属性值、有对应的结束标签或以 `/>` 结尾，格式完整时可跨行；`vector<int>`、`a <b and c> d`、没有对应 `</Link>` 的 `List<Link>`、`#include <map>` 以及单独置于反引号内的标签保留。网址止于空白、引号、`|`、主机名之后的中日韩文字或标点，前有 `'` 时止于下一个 `'`，其后的句末标点与在它之前打开的括号保留。DataFlow 把同一行内 `<` 与 `>` 之间的任何内容都当作标签，网址则一直删到下一个空白，连同后面的中文；`compatibility: dataflow` 沿用其做法。
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

/// What is no part of an address: among others the letters of East Asia, their marks, and the marks that print has for all languages.
const NO_PART: &str = concat!(
    r#"\s\x1c-\x1f<>"`|\u{ab}\u{bb}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}"#,
    r"\u{b7}\u{2010}-\u{205e}\u{3000}-\u{303f}\u{fe30}-\u{fe4f}\u{ff00}-\u{ffef}",
);

static PATTERNS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    // A host may have names in letters of East Asia before one that has none.
    let begin = r"https?://(?:[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}][\p{L}\p{N}-]{0,62}\.)*";
    [
        // An apostrophe may be a part of an address, but of one that a single quote stands before.
        pattern(&format!("(?i)'{begin}[^'{NO_PART}]+|{begin}[^{NO_PART}]+")),
        pattern(r"https?://[^\s\x1c-\x1f]+[\r\n]*"),
        pattern(r"<[^>\n]*>"),
    ]
});

/// How many bytes of what looks like an address belong to it: not the mark that ends a sentence, and not a bracket that it does not open.
fn address_length(found: &str) -> usize {
    const PAIRS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];
    // How many of each pair are closed beyond those that are opened. Counted once, and less one for each that is taken off: there may be many.
    let mut unopened = PAIRS.map(|(open, close)| found.matches(close).count().saturating_sub(found.matches(open).count()));
    let mut address = found;
    while let Some(last) = address.chars().next_back() {
        let pair = PAIRS.iter().position(|(_, close)| *close == last);
        match pair.map(|pair| &mut unopened[pair]) {
            Some(0) => break,
            Some(unopened) => *unopened -= 1,
            None if matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*') => {}
            None => break,
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address.len()
}

fn without_addresses<'a>(text: &'a str, address: &Regex) -> Cow<'a, str> {
    let (mut clean, mut end) = (String::new(), 0);
    for found in address.find_iter(text) {
        let start = found.start() + usize::from(found.as_str().starts_with('\''));
        clean.push_str(&text[end..start]);
        end = start + address_length(&text[start..found.end()]);
    }
    if end == 0 {
        return text.into();
    }
    clean.push_str(&text[end..]);
    clean.into()
}

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
        let [address, dataflow_address, dataflow_tag] = &*PATTERNS;
        match self.compatibility {
            Compatibility::Own => both(text, without_tags, |text| without_addresses(text, address)),
            Compatibility::Dataflow => both(text, |text| dataflow_address.replace_all(text, ""), |text| dataflow_tag.replace_all(text, "")),
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
