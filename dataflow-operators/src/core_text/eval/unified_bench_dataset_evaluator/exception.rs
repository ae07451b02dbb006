//! Reads choices that are taken out of all others: `all but B`, `除B外都对`, `B is wrong, the rest are right`, `只有B错`.

use std::sync::LazyLock;

use regex::Regex;

use super::standing::{Standing, of_it, wrongs};
use crate::pattern::pattern;

/// How a choice stands that a text takes out of all others; `None` where it does not. The only one of which it is not said that it is wrong is right.
pub(super) fn exception(before: &str, behind: &str) -> Option<Standing> {
    let wrongs = wrongs_of_others(before, behind)?;
    Some(if wrongs.is_multiple_of(2) { Standing::Excepted } else { Standing::Affirmed })
}

/// How often the text says of all others that they are wrong: of "all but B are right" never.
fn wrongs_of_others(before: &str, behind: &str) -> Option<usize> {
    /// Words that take out a choice, with what was said of all, or of none, where that stands before them.
    static EXCEPTS: LazyLock<Regex> = LazyLock::new(|| {
        let english = r"(?<all>\b(?:all|any\w*|every\w*|(?<none>none|nothing|no))\b[^.;\n]{0,40}?\s)?(?:(?<but>but)|except|save|bar|with the exception of|excluding|apart from|other than)(?:\s+for)?(?:\s+(?:options?|choices?|statements?|answers?))?";
        let chinese = format!(r"(?<han>{ALL_HAN})?(?:^|[^排消去])除(?<of>了|去)?(?:选项)?");
        pattern(&format!(r#"(?i)(?:{english}|{chinese})[\s"'(\[]*$"#))
    });
    /// What is said of all others behind it.
    static OTHERS: LazyLock<Regex> = LazyLock::new(|| {
        let others = r"(?:其[他它余]|所有|剩下)的?(?:选项)?|的?选项";
        let chinese =
            format!(r"(?:这?一?选?项)?(?:之外|以外|外)?[,\s]*(?:(?:{others})?的?(?:都|全|均|皆)[^,。;\n]{{0,10}}|的(?:其[他它余]|所有|全部)[^,。;\n]{{0,10}})");
        pattern(&format!(r#"(?i)^[\s"')\]]*(?:,?\s*(?:all|every\w*)\b[^.;\n]{{0,60}}|{chinese})"#))
    });
    /// What takes out a choice of which nothing more is said: `B除外`, `除B外`, `除了B以外的选项`; not 除B外，A也对, which adds to it.
    static TAKEN_OUT: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"^[\s"')\]]*(?:选?项)?(?:(?<itself>除外)|(?:(?<outside>之外|以外)|(?<out>外))?(?:$|[\s"')\].。;!]|(?<of>的)))"#));
    static ALL_BEFORE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("{ALL_HAN}$")));
    let others = OTHERS.find(behind).map(|found| found.as_str());
    let taken_out = TAKEN_OUT.captures(behind);
    let is = |name: &str| taken_out.as_ref().is_some_and(|found| found.name(name).is_some());
    let Some(found) = EXCEPTS.captures(before) else {
        let of_all = || ALL_BEFORE.find(before).map_or(0, |all| wrongs(all.as_str()));
        if is("itself") || is("outside") {
            return Some(others.map_or_else(of_all, wrongs));
        }
        return others.filter(|_| ["以外", "之外"].iter().any(|word| behind.starts_with(word))).map(wrongs); // `B以外都对`
    };
    let is_of_all = ["all", "han"].iter().any(|name| found.name(name).is_some());
    let is_taken_out = is("outside") || is("out") || found.name("of").is_some() && taken_out.is_some() && !is("of");
    if !is_of_all && !is_taken_out && (others.is_none() || found.name("but").is_some()) {
        return None;
    }
    let tail = others.unwrap_or_else(|| of_it(behind));
    Some(usize::from(found.name("none").is_some()) + wrongs(&found[0]) + wrongs(tail))
}

/// What is said of all in Chinese, as a pattern.
const ALL_HAN: &str = r"(?:所有|全|都|均|其[他它余])[^。;\n]{0,20}?";

/// Whether of a choice that is said to be wrong no other is: "only B is wrong", "the only wrong one is B", "B is wrong, the rest are right".
pub(super) fn is_only_wrong(lead: &str, behind: &str) -> bool {
    /// The most bytes in which the rest is looked for.
    const NEAR: usize = 200;
    static ONLY_BEFORE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"(?i)(?:\b(?:only|just)(?:\s+(?:options?|choices?|statements?|answers?))?|只有|仅有?|唯有)(?:选项)?[\s"'(\[]*$|\bonly\b.*\b(?:is|are)\b|唯一"#,
        )
    });
    static ONLY_BEHIND: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\bthe only\b|唯一"));
    static REST: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)\b(?:the|all(?:\s+the)?)\s+(?:others?|rest|remaining)\b[^.;\n]{0,60}|(?:其[他它余]|剩下)的?[^,。;\n]{0,20}"));
    static RIGHT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:correct|right|true|valid|fine|fit|hold|apply)\b|对|正确|符合|成立|选"));
    let near = &behind[..behind.floor_char_boundary(NEAR)];
    let is_right = |rest: &str| wrongs(rest) == 0 && RIGHT.is_match(rest);
    ONLY_BEFORE.is_match(lead) || ONLY_BEHIND.is_match(of_it(behind.trim_start())) || REST.find(near).is_some_and(|rest| is_right(rest.as_str()))
}
