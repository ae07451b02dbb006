//! Deletes emoticons.

use crate::python::is_space;
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Deletes emoticons such as `:-)`, `XD` and `(^_^)` that stand for themselves.
///
/// DataFlow deletes them within words and addresses too, `http://` becomes `http/` and `10:30` becomes `100`; ours have white space, the end of the text or punctuation of a sentence beside them.
///
/// # 中文
///
/// 删除单独出现的颜文字，如 `:-)`、`XD`、`(^_^)`。DataFlow 会连同单词和网址内部一并删除，`http://` 变为 `http/`，`10:30` 变为 `100`；此处要求两侧为空白、文本首尾或句末标点。
#[operator(general_text, refine, Refine)]
pub struct RemoveEmoticonsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
}

impl Default for RemoveEmoticonsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static EMOTICON: LazyLock<Regex> = LazyLock::new(|| {
    let western = r"[<>]?[:;=8xX][-‑o*']?[)\](\[dDpP/\\|@3>{}oO0cCsSxX*#&$]+";
    let mirrored = r"[)\](\[dD/\\|@{}]+[-‑o*']?[:;=8][<>]?";
    let eastern = r"\([\^><TtoO;*=_.~oｏ・´`¯°ಠ╯ʘ◕•̀́ᴗ▽ω][_.\-o0ωᴗ▽‿~oｏ﹏д]*[\^><TtoO;*=_.~oｏ・´`¯°ಠ╯ʘ◕•̀́ᴗ▽ω]\)|\^[_.-]?\^|[TQ][_.][TQ]|[><]_+[><]|[oO]_+[oO]|-_+-|<3|</3|¯\\_\(ツ\)_/¯";
    Regex::new(&format!(r"{eastern}|:'-?[()]|{western}|{mirrored}|XD+|xD+")).expect("a valid pattern")
});

impl Refine for RemoveEmoticonsRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
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
}
