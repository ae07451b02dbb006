//! Reads choices that are taken out of all others: `all but B`, `除B外都对`.

use std::sync::LazyLock;

use regex::Regex;

use super::standing::{of_it, wrongs};
use crate::pattern::pattern;

/// Where a choice is taken out of all others, how often the text says of those that they are wrong: of "all but B are right" never. `None` where it is not.
pub(super) fn exception(before: &str, behind: &str) -> Option<usize> {
    /// Words that take out a choice, with what was said of all, or of none, where that stands before them.
    static EXCEPTS: LazyLock<Regex> = LazyLock::new(|| {
        let english = r"(?<all>\b(?:all|any\w*|every\w*|(?<none>none|nothing|no))\b[^.;\n]{0,40}?\s)?(?:(?<but>but)|except|save|bar|with the exception of|excluding|apart from|other than)(?:\s+for)?(?:\s+(?:options?|choices?))?";
        let chinese = r"(?<han>(?:所有|全|都|均)[^。;\n]{0,20}?)?(?:^|[^排消去])除(?:了|去)?(?:选项)?";
        pattern(&format!(r#"(?i)(?:{english}|{chinese})[\s"'(\[]*$"#))
    });
    /// What is said of all others behind it.
    static OTHERS: LazyLock<Regex> = LazyLock::new(|| {
        let others = r"(?:其[他它余]|所有|剩下)的?(?:选项)?|的?选项";
        let chinese =
            format!(r"(?:这?一?选?项)?(?:之外|以外|外)?[,\s]*(?:(?:{others})?的?(?:都|全|均|皆)[^,。;\n]{{0,10}}|的(?:其[他它余]|所有|全部)[^,。;\n]{{0,10}})");
        pattern(&format!(r#"(?i)^[\s"')\]]*(?:,?\s*(?:all|every\w*)\b[^.;\n]{{0,60}}|{chinese})"#))
    });
    let outside = ["以外", "之外"].iter().any(|word| behind.starts_with(word)); // `B以外都对`
    let Some(found) = EXCEPTS.captures(before) else {
        return OTHERS.find(behind).filter(|_| outside).map(|others| wrongs(others.as_str()));
    };
    let is_of_all = ["all", "han"].iter().any(|name| found.name(name).is_some());
    let others = OTHERS.find(behind).map(|found| found.as_str());
    if !is_of_all && (others.is_none() || found.name("but").is_some()) {
        return None;
    }
    let tail = others.unwrap_or_else(|| of_it(behind));
    Some(usize::from(found.name("none").is_some()) + wrongs(&found[0]) + wrongs(tail))
}
