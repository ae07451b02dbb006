//! Filters rows with left-over HTML entities.

use std::sync::LazyLock;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::shape::Measure;
use dataflow_core::{Cell, operator};
use polars::prelude::PlHashSet;

use crate::compatibility::Compatibility;

/// Drops rows whose text holds an HTML entity such as `&nbsp;`, `&copy;` or `&#39;`.
///
/// An entity has a name of HTML 4, that of `&apos;` or a number, and ends with a semicolon. DataFlow knows thirteen names, and no semicolon is needed, so that `?a=1&lt=2` is dropped and `&copy;` stays; `compatibility: dataflow` does as it does. `HtmlEntityRefiner` deletes thirteen names by default, so that `&copy;` and `&#39;` are still found after it.
///
/// The label is 1 for a row that stays and 0 for one that goes. A null and an empty text are dropped.
///
/// # 中文
///
/// 丢弃含有 `&nbsp;`、`&copy;`、`&#39;` 等 HTML 实体的行。实体须为 HTML 4 的名称、`&apos;` 或编号，并以分号结尾。`HtmlEntityRefiner` 默认只删除十三个名称，其后的 `&copy;`、`&#39;` 仍会被查出。DataFlow 只认十三个名称且分号可缺省，因此 `?a=1&lt=2` 会被丢弃而 `&copy;` 保留；`compatibility: dataflow` 沿用其做法。保留的行标签为 1，丢弃的为 0；空值与空文本会被丢弃。
#[operator(general_text, filter, Measure)]
pub struct HtmlEntityFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
    /// The names to look for, `&` and `;` around them or not, in the place of those of HTML 4 and the numbers; `#39` is one too. DataFlow's rule needs them without. 中文：要查找的实体名，两端的 `&` 与 `;` 可写可不写，取代 HTML 4 的名称与编号；也可写 `#39`。按 DataFlow 的规则时不可带 `&` 与 `;`。
    pub html_entities: Option<Vec<String>>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for HtmlEntityFilter {
    fn default() -> Self {
        Self { input_key: "text".into(), output_key: "html_entity_filter_label".into(), html_entities: None, compatibility: Compatibility::Own }
    }
}

/// The names that DataFlow knows.
const ENTITIES: [&str; 13] = ["nbsp", "lt", "gt", "amp", "quot", "apos", "hellip", "ndash", "mdash", "lsquo", "rsquo", "ldquo", "rdquo"];

/// The names of HTML 4, and `apos`, in the order of their bytes.
const NAMES: &str = concat!(
    "AElig Aacute Acirc Agrave Alpha Aring Atilde Auml Beta Ccedil Chi Dagger Delta ETH Eacute Ecirc Egrave Epsilon Eta Euml Gamma Iacute Icirc Igrave Iota Iuml Kappa ",
    "Lambda Mu Ntilde Nu OElig Oacute Ocirc Ograve Omega Omicron Oslash Otilde Ouml Phi Pi Prime Psi Rho Scaron Sigma THORN Tau Theta Uacute Ucirc Ugrave Upsilon Uuml ",
    "Xi Yacute Yuml Zeta aacute acirc acute aelig agrave alefsym alpha amp and ang apos aring asymp atilde auml bdquo beta brvbar bull cap ccedil cedil cent chi circ ",
    "clubs cong copy crarr cup curren dArr dagger darr deg delta diams divide eacute ecirc egrave empty emsp ensp epsilon equiv eta eth euml euro exist fnof forall ",
    "frac12 frac14 frac34 frasl gamma ge gt hArr harr hearts hellip iacute icirc iexcl igrave image infin int iota iquest isin iuml kappa lArr lambda lang laquo larr ",
    "lceil ldquo le lfloor lowast loz lrm lsaquo lsquo lt macr mdash micro middot minus mu nabla nbsp ndash ne ni not notin nsub ntilde nu oacute ocirc oelig ograve ",
    "oline omega omicron oplus or ordf ordm oslash otilde otimes ouml para part permil perp phi pi piv plusmn pound prime prod prop psi quot rArr radic rang raquo ",
    "rarr rceil rdquo real reg rfloor rho rlm rsaquo rsquo sbquo scaron sdot sect shy sigma sigmaf sim spades sub sube sum sup sup1 sup2 sup3 supe szlig tau there4 ",
    "theta thetasym thinsp thorn tilde times trade uArr uacute uarr ucirc ugrave uml upsih upsilon uuml weierp xi yacute yen yuml zeta zwj zwnj",
);

static KNOWN_NAMES: LazyLock<PlHashSet<&str>> = LazyLock::new(|| NAMES.split(' ').collect());

/// The other marks that begin and end an entity.
const FULL_WIDTH: &[u8] = "＆".as_bytes();
const FULL_WIDTH_END: &[u8] = "；".as_bytes();

/// Whether a text goes on with the name or the number of an entity and its semicolon.
fn ends_as_entity(after: &[u8]) -> bool {
    let (body, is_body): (_, fn(&u8) -> bool) = match after {
        [b'#', b'x' | b'X', number @ ..] => (number, u8::is_ascii_hexdigit),
        [b'#', number @ ..] => (number, u8::is_ascii_digit),
        name => (name, u8::is_ascii_alphanumeric),
    };
    let length = body.iter().take_while(|byte| is_body(byte)).count();
    let (body, end) = body.split_at(length);
    let is_known = if after.starts_with(b"#") { !body.is_empty() } else { std::str::from_utf8(body).is_ok_and(|name| KNOWN_NAMES.contains(name)) };
    is_known && is_end(end)
}

/// Whether a semicolon is next.
fn is_end(after: &[u8]) -> bool {
    after.starts_with(b";") || after.starts_with(FULL_WIDTH_END)
}

impl HtmlEntityFilter {
    /// Where the first entity stands.
    fn first_entity(&self, text: &str) -> Option<usize> {
        let bytes = text.as_bytes();
        memchr::memchr2_iter(b'&', FULL_WIDTH[0], bytes).find(|place| {
            let after = bytes[*place..].strip_prefix(FULL_WIDTH).or_else(|| bytes[*place..].strip_prefix(b"&"));
            let begins = |name: &str| after.and_then(|after| after.strip_prefix(name.as_bytes()));
            match (self.compatibility, &self.html_entities) {
                (Compatibility::Own, None) => after.is_some_and(ends_as_entity),
                (Compatibility::Own, Some(names)) => names.iter().filter_map(|name| begins(name.trim_matches(['&', ';']))).any(is_end),
                (Compatibility::Dataflow, None) => ENTITIES.iter().any(|name| begins(name).is_some()),
                (Compatibility::Dataflow, Some(names)) => names.iter().any(|name| begins(name).is_some()),
            }
        })
    }
}

impl Measure for HtmlEntityFilter {
    type Value = i64;

    fn measure(&self, text: &str) -> Option<i64> {
        Some(i64::from(!text.is_empty() && self.first_entity(text).is_none()))
    }

    fn keep(&self, clean: i64) -> bool {
        clean == 1
    }

    fn label(&self, clean: i64) -> Cell {
        i64::from(self.keep(clean)).into()
    }

    fn why(&self, text: &str) -> Option<String> {
        let entity = &text[self.first_entity(text)?..];
        let is_end = |character: char| !matches!(character, '&' | '＆' | '#') && !character.is_ascii_alphanumeric();
        Some(format!("it has the entity `{}`", entity.split_inclusive(is_end).next()?.trim_end()))
    }

    fn problems(&self) -> Vec<String> {
        let empty = self.html_entities.iter().flatten().position(|name| name.trim_matches(['&', ';']).is_empty());
        empty.map(|place| format!("`html_entities` should be names of entities, found an empty one in place {}", place + 1)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(HtmlEntityFilter);

    #[test]
    fn names_and_numbers_with_a_semicolon_are_entities() {
        let texts = ["a&nbsp;b", "&copy; 2024", "it&#39;s &#x27;x", "＆lt；", "a=1&lt=2", "a & b; &; &#; &x27;", "&ltimes; &amplitude", "p = &value;"];
        let shown = check_rule(&HtmlEntityFilter::default(), "text", texts);
        let kept: Vec<bool> = shown.lines().map(|line| line != "dropped").collect();
        assert_eq!(kept, [false, false, false, false, true, true, true, true]);
    }

    #[test]
    fn names_of_ones_own_take_the_place_of_ours() {
        let of = |names: &[&str], compatibility| HtmlEntityFilter {
            html_entities: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            compatibility,
            ..Default::default()
        };
        let kept = |operator: &HtmlEntityFilter| ["&nbsp;", "&shop;", "&#39；", "&shop"].map(|text| operator.measure(text) == Some(1));
        assert_eq!(kept(&of(&["shop", "#39"], Compatibility::Own)), [true, false, false, true]);
        assert_eq!(kept(&of(&["&shop;", "&#39"], Compatibility::Own)), [true, false, false, true]);
        assert_eq!(kept(&of(&["shop"], Compatibility::Dataflow)), [true, false, true, false]);
        assert_eq!(Measure::problems(&of(&["shop", "&;"], Compatibility::Own)), ["`html_entities` should be names of entities, found an empty one in place 2"]);
    }

    #[test]
    fn the_semicolon_may_be_missing_in_dataflow() {
        let operator = HtmlEntityFilter { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["a&nbsp;b", "a=1&lt=2", "a & b &copy;", ""]), @r"
        dropped
        dropped
        text=a & b &copy; html_entity_filter_label=1
        dropped
        ");
    }
}
