//! Deletes named HTML entities.

use std::borrow::Cow;

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;

/// Deletes named HTML entities such as `&nbsp;`.
///
/// As in DataFlow they are deleted and not decoded, `a&lt;b` becomes `ab`; `&` and `;` may be full-width, and other entities stay, such as `&copy;` and `&#39;`, for which `HtmlEntityFilter` drops a row; `html_entities` can name them.
///
/// # 中文
///
/// 删除 `&nbsp;` 一类的 HTML 命名实体。与 DataFlow 一致：删除而不解码，`a&lt;b` 变为 `ab`；`&` 与 `;` 可为全角；其他实体保留，如 `&copy;`、`&#39;`，含有它们的行会被 `HtmlEntityFilter` 丢弃；可在 `html_entities` 中列出。
#[operator(general_text, refine, Refine)]
pub struct HtmlEntityRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// The names, `&` and `;` around them or not. 中文：实体名，两端的 `&` 与 `;` 可写可不写。
    pub html_entities: Vec<String>,
}

const ENTITIES: [&str; 13] = ["nbsp", "lt", "gt", "amp", "quot", "apos", "hellip", "ndash", "mdash", "lsquo", "rsquo", "ldquo", "rdquo"];

impl Default for HtmlEntityRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), html_entities: ENTITIES.map(Into::into).into() }
    }
}

impl Refine for HtmlEntityRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut kept = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(found) = text[at..].find(['&', '＆']) {
            let start = at + found;
            let name = start + text[start..].chars().next().map_or(1, char::len_utf8);
            let end = self.html_entities.iter().map(|entity| entity.trim_matches(['&', ';'])).find_map(|entity| {
                let after = text[name..].strip_prefix(entity)?;
                let mark = after.chars().next().filter(|mark| matches!(mark, ';' | '；'))?;
                Some(name + entity.len() + mark.len_utf8())
            });
            if let Some(end) = end {
                kept.push_str(&text[copied..start]);
                copied = end;
            }
            at = end.unwrap_or(name);
        }
        if copied == 0 {
            return text.into();
        }
        kept.push_str(&text[copied..]);
        kept.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(HtmlEntityRefiner);

    #[test]
    fn the_named_entities_go_and_others_stay() {
        let texts = ["a&lt;b &copy; &AMP;", "&amp;amp; ＆nbsp；x", "& lt; &lt", "plain"];
        assert_snapshot!(check_rule(&HtmlEntityRefiner::default(), "text", texts), @r"
        text=ab &copy; &AMP;
        text=amp; x
        text=& lt; &lt
        text=plain
        ");
    }

    #[test]
    fn a_name_may_have_its_marks() {
        let operator = HtmlEntityRefiner { html_entities: vec!["&copy;".to_owned(), "#39".to_owned()], ..Default::default() };
        assert_eq!(operator.refine("&copy; it&#39;s &nbsp;"), " its &nbsp;");
    }
}
