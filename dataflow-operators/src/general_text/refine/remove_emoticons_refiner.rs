//! Deletes emoticons.

use crate::compatibility::Compatibility;
use crate::python::is_space;
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Deletes emoticons such as `:-)`, `XD` and `(^_^)` that stand for themselves.
///
/// They have white space, the end of the text or punctuation of a sentence beside them. DataFlow deletes those of a list wherever they stand, one after the other, so that `http://` becomes `http/` and `10:30` becomes `100`; `compatibility: dataflow` does as it does, with a list of our own.
///
/// # 中文
///
/// 删除单独出现的颜文字，如 `:-)`、`XD`、`(^_^)`。要求两侧为空白、文本首尾或句末标点。DataFlow 按列表逐个删除，不论出现在何处，`http://` 变为 `http/`，`10:30` 变为 `100`；`compatibility: dataflow` 沿用其做法，列表由本项目自编。
#[operator(general_text, refine, Refine)]
pub struct RemoveEmoticonsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for RemoveEmoticonsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), compatibility: Compatibility::Own }
    }
}

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static EMOTICON: LazyLock<Regex> = LazyLock::new(|| {
    let western = r"[<>]?[:;=8xX][-‑o*']?[)\](\[dDpP/\\|@3>{}oO0cCsSxX*#&$]+";
    let mirrored = r"[)\](\[dD/\\|@{}]+[-‑o*']?[:;=8][<>]?";
    let eastern = r"\([\^><TtoO;*=_.~oｏ・´`¯°ಠ╯ʘ◕•̀́ᴗ▽ω][_.\-o0ωᴗ▽‿~oｏ﹏д]*[\^><TtoO;*=_.~oｏ・´`¯°ಠ╯ʘ◕•̀́ᴗ▽ω]\)|\^[_.-]?\^|[TQ][_.][TQ]|[><]_+[><]|[oO]_+[oO]|-_+-|<3|</3|¯\\_\(ツ\)_/¯";
    Regex::new(&format!(r"{eastern}|:'-?[()]|{western}|{mirrored}|XD+|xD+")).expect("a valid pattern")
});

/// The emoticons that are deleted as DataFlow does it, in their order.
static EMOTICONS: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("remove_emoticons_refiner/emoticons.txt").lines().filter(|line| !line.starts_with("# ")).collect());

/// A text without some emoticons, one after the other: what is left of one may be another.
fn without_each<'a>(text: &'a str, emoticons: &[&str]) -> Cow<'a, str> {
    let mut kept = Cow::Borrowed(text);
    for emoticon in emoticons {
        if memchr::memmem::find(kept.as_bytes(), emoticon.as_bytes()).is_some() {
            kept = kept.replace(emoticon, "").into();
        }
    }
    kept
}

impl Refine for RemoveEmoticonsRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.compatibility == Compatibility::Dataflow {
            return without_each(text, &EMOTICONS);
        }
        let mut kept = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(found) = EMOTICON.find_at(text, at) {
            let alone_before =
                text[..found.start()].chars().next_back().is_none_or(|before| is_space(before) || is_sentence_mark(before) || copied == found.start());
            let alone_after = text[found.end()..].chars().next().is_none_or(|after| is_space(after) || is_sentence_mark(after));
            if alone_before && alone_after {
                kept.push_str(&text[copied..found.start()]);
                copied = found.end();
            }
            at = if alone_before && alone_after { found.end() } else { found.start() + text[found.start()..].chars().next().map_or(1, char::len_utf8) };
        }
        if copied == 0 {
            return text.into();
        }
        kept.push_str(&text[copied..]);
        kept.into()
    }
}

fn is_sentence_mark(character: char) -> bool {
    matches!(character, '.' | ',' | '!' | '?' | '。' | '，' | '！' | '？' | '…')
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveEmoticonsRefiner);

    #[test]
    fn emoticons_go_and_addresses_and_times_stay() {
        let texts = ["I am happy :) and sad :-( today", "LOL XD :D", "at 10:30 see http://a.org a:[1] x=3", "nice (^_^) ^_^!", "好的:)"];
        assert_snapshot!(check_rule(&RemoveEmoticonsRefiner::default(), "text", texts), @r"
        text=I am happy  and sad  today
        text=LOL  
        text=at 10:30 see http://a.org a:[1] x=3
        text=nice  !
        text=好的:)
        ");
    }

    #[test]
    fn dataflow_deletes_emoticons_wherever_they_stand() {
        let operator = RemoveEmoticonsRefiner { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["at 10:30 see http://a.org", "happy :) x=D", "(^_^) D:<", "COUNT(*) plain"]), @r"
        text=at 100 see http/a.org
        text=happy  x
        text= D
        text=COUNT( plain
        ");
    }
}
