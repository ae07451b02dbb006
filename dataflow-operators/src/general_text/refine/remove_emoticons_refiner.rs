//! Deletes emoticons.

use crate::compatibility::Compatibility;
use crate::made_of_files::MadeOfFiles;
use crate::pattern::pattern;
use crate::python::is_space;
use crate::word_list::{self, Line, Listed};
use aho_corasick::{AhoCorasick, Input, MatchKind};
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::Regex;
use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// Deletes emoticons such as `:-)`, `XD` and `(^_^)` that stand for themselves.
///
/// `<3` goes at the end of a line alone, after white space, where the word before it is of two letters or more. They have white space, the end of the text or punctuation of a sentence beside them, and are none of what numbers, lists, labels and programs are written with: mouths that are letters or digits, except `D` and `P` after `:` or `;` (so that `:3`, `:0` and `:x` stay), brackets and strokes without a nose, except `:)`, `:(` and `:/` (`:[`, `:|`, `=(`), and `8)`, `x)`, `D:`, `):` and `(;;)`. DataFlow deletes those of a list wherever they stand, one after the other, so that `http://` becomes `http/` and `10:30` becomes `100`; `compatibility: dataflow` does as it does, with a list of our own. Another list can be given as a file, which can name those that stay here.
///
/// # 中文
///
/// 删除单独出现的颜文字，如 `:-)`、`XD`、`(^_^)`。要求两侧为空白、文本首尾或句末标点。数字、列表、标签与程序中常见的写法保持原样：以字母或数字为嘴的（`:3`、`:0`、`:x`），仅 `:`、`;` 之后的 `D` 与 `P` 除外；没有鼻子的括号与斜线（`:[`、`:|`、`=(`），仅 `:)`、`:(`、`:/` 除外；以及 `8)`、`x)`、`D:`、`):`、`(;;)`。`<3` 仅在行末、前有空白、且前一个词由两个以上字母组成时删除。DataFlow 按列表逐个删除，不论出现在何处，`http://` 变为 `http/`，`10:30` 变为 `100`；`compatibility: dataflow` 沿用其做法，列表由本项目自编。也可用文件给出其他列表，其中可列出此处保留的颜文字。
#[operator(general_text, refine, Refine)]
pub struct RemoveEmoticonsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// A file with an emoticon a line, in the place of those that are built in; a line that begins with `# ` is a remark. 中文：颜文字表文件，每行一个，取代内置的颜文字；以 `# ` 开头的行为注释。
    pub emoticons_path: Option<PathBuf>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for RemoveEmoticonsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), emoticons_path: None, compatibility: Compatibility::Own }
    }
}

static EMOTICON: LazyLock<Regex> = LazyLock::new(|| {
    // No sign that numbers, lists, labels or programs are written with: `:3`, `8)`, `D:`, `(;;)`, `:[`, `a :| b`.
    let western = r">?[:;](?:\)+|\(+|/|D+|P+)|[:;][-‑](?:[)(\]\[]+|[/\\|@*#&$oOp]|D+|P+)|=[-‑]?\)+|8[-‑]\)+|[xX][-‑]D+|XD+|xD+|:'[-‑]?[()]+";
    let mirrored = r"\(+[-‑]?:|\([-‑];|\)+[-‑'][:;]";
    let face = r"\^[_.-]?\^|T_+T|Q_+Q|[><]_+[><]|[oO]_+[oO]|-_+-";
    let eastern = r"\((?:\^[_.\-oO~]?\^|>[_.\-oO]<|T_+T|Q_+Q|[><]_+[><]|[oO]_+[oO]|-_+-|;_+;|\*_+\*|=_+=|~_+~|[´¯°ಠ╯ʘ◕•・ｏ][_.\-o0ωᴗ▽‿~ｏ﹏д・]+[`´¯°ಠ╯ʘ◕•・ｏ]|[\^>T][ωᴗ▽‿﹏д]+[\^<T])\)";
    let others = r"<3+(?:[ \t]+<3+)*|</3|¯\\_\(ツ\)_/¯";
    pattern(&format!("{eastern}|{face}|{others}|{western}|{mirrored}"))
});

/// The first emoticon from a place on.
fn next(text: &str, mut from: usize) -> Option<Range<usize>> {
    loop {
        let found = EMOTICON.find_at(text, from)?.range();
        if !text[found.clone()].starts_with("<3") || is_heart(text, &found) {
            return Some(found);
        }
        from = found.end;
    }
}

/// Whether a `<3` ends a line and compares nothing: `x <3`, `f(x) <3` and `<3 years` do.
fn is_heart(text: &str, found: &Range<usize>) -> bool {
    let before = text[..found.start].trim_end_matches(|character| is_space(character) && character != '\n');
    let is_apart = before.is_empty() || before.len() < found.start || before.ends_with('\n');
    let ends = text[found.end..].chars().find(|character| *character == '\n' || !is_space(*character)).is_none_or(|after| after == '\n');
    if !is_apart || !ends {
        return false;
    }
    let word = before.rsplit(is_space).next().unwrap_or_default().trim_end_matches(is_sentence_mark);
    word.is_empty() || (word.chars().nth(1).is_some() && word.chars().all(char::is_alphabetic)) || EMOTICON.is_match(word)
}

/// Emoticons of a list, in its order.
struct Emoticons {
    list: Vec<String>,
    /// Finds the first of them, and of several the longest.
    any: AhoCorasick,
}

impl Emoticons {
    fn of<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let list: Vec<String> = list.into_iter().map(ToOwned::to_owned).collect();
        let any = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&list).map_err(|error| error.to_string())?;
        Ok(Self { list, any })
    }

    fn of_file(path: &Path) -> Result<Self, String> {
        word_list::list_of(path, &Listed { form: "an emoticon a line", entries: "emoticons" }, |lines| {
            // With its meaning beside it none would ever be found.
            let is_meaning = |part: &str| part.len() >= 3 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
            let emoticon = |line: &Line<'_>| {
                let has_more = line.is_value() || line.text.split_whitespace().skip(1).any(is_meaning);
                if has_more { Err(line.wrong("an emoticon alone")) } else { Ok(line.text.to_owned()) }
            };
            let list: Result<Vec<String>, String> = lines.iter().map(emoticon).collect();
            Self::of(list?.iter().map(String::as_str))
        })
    }

    /// A text without them, one after the other: what is left of one may be another.
    fn deleted_anywhere<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut kept = Cow::Borrowed(text);
        for emoticon in &self.list {
            if memchr::memmem::find(kept.as_bytes(), emoticon.as_bytes()).is_some() {
                kept = kept.replace(emoticon, "").into();
            }
        }
        kept
    }
}

static EMOTICONS_OF_FILES: MadeOfFiles<Emoticons> = MadeOfFiles::by(|path, ()| Emoticons::of_file(path));

/// Those that are deleted as DataFlow does it.
#[expect(clippy::expect_used, reason = "the list is a constant")]
static EMOTICONS: LazyLock<Arc<Emoticons>> = LazyLock::new(|| {
    let lines = include_str!("remove_emoticons_refiner/emoticons.txt").lines().filter(|line| !line.starts_with("# "));
    Arc::new(Emoticons::of(lines).expect("a short list makes an automaton"))
});

/// A text without the emoticons that stand for themselves; `find` gives the first one from a place on.
fn deleted_alone(text: &str, find: impl Fn(usize) -> Option<Range<usize>>) -> Cow<'_, str> {
    let mut kept = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = find(at) {
        let alone_before = text[..found.start].chars().next_back().is_none_or(|before| is_space(before) || is_sentence_mark(before) || copied == found.start);
        let alone_after = text[found.end..].chars().next().is_none_or(|after| is_space(after) || is_sentence_mark(after));
        if alone_before && alone_after {
            kept.push_str(&text[copied..found.start]);
            copied = found.end;
        }
        at = if alone_before && alone_after { found.end } else { found.start + text[found.start..].chars().next().map_or(1, char::len_utf8) };
    }
    if copied == 0 {
        return text.into();
    }
    kept.push_str(&text[copied..]);
    kept.into()
}

impl Refine for RemoveEmoticonsRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Ok(listed) = self.emoticons_path.as_deref().map(|path| EMOTICONS_OF_FILES.known(path, ())).transpose() else { return text.into() }; // a problem at compile
        match (self.compatibility, listed) {
            (Compatibility::Dataflow, listed) => listed.as_ref().unwrap_or(&EMOTICONS).deleted_anywhere(text),
            (Compatibility::Own, Some(listed)) => deleted_alone(text, |at| listed.any.find(Input::new(text).range(at..)).map(|found| found.range())),
            (Compatibility::Own, None) => deleted_alone(text, |at| next(text, at)),
        }
    }

    fn problems(&self) -> Vec<String> {
        self.emoticons_path.as_deref().and_then(|path| EMOTICONS_OF_FILES.problem("emoticons_path", path, ())).into_iter().collect()
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
    fn numbers_words_and_programs_have_no_emoticons() {
        let texts = ["80 of 8000 owls, 8/3 or 83", "size XS, XX or XXL, Windows XP, xo", "let f = x => { d: 5 };", "};", "a |= b /= c", "xxxxxxxx"];
        for text in texts {
            assert_eq!(RemoveEmoticonsRefiner::default().refine(text), text);
        }
        let faces = ["8-)", "xD", "=)", ":P", "X-D", "(:", "(-:", ":'(", ":-/", ":-*", ">:(", ":)))"];
        assert_eq!(faces.map(|face| RemoveEmoticonsRefiner::default().refine(face).into_owned()), [""; 12]);
    }

    #[test]
    fn what_numbers_lists_labels_and_programs_are_written_with_stays() {
        let texts = [
            "print(x, 8)",
            "7) seven\n8) eight\nx) ten",
            "(released in 8) for USD 8) and (8 people)",
            "(1, 2, 8)",
            "D: because",
            "option D: blue, do: it, grade D-: poor",
            r#"{ "k" :3, "l" :{ "m" :[ ] } }"#,
            "x ? y :0",
            "dict(a =3)",
            "x =( a + b ) =[ 1 ] =\\",
            "lambda x :x or x :p",
            "for (;;) for (; i < n; )",
            "def f(\n    a,\n):",
            "a :| b :> c :* d",
            "all files (*.*) (<->) (^) (to) (..) (ω)",
            "X @ T.T",
            "if x <3 and years <3 years, f(x) <3, n <3\nx2 <3",
        ];
        for text in texts {
            assert_eq!(RemoveEmoticonsRefiner::default().refine(text), text);
        }
    }

    #[test]
    fn a_heart_ends_a_line() {
        let texts = ["Love you <3", "<3 <3", "So sweet! <3\nThanks :) <3 <3 ", "I <3 you", "</3"];
        assert_snapshot!(check_rule(&RemoveEmoticonsRefiner::default(), "text", texts), @r"
        text=Love you 
        text=
        text=So sweet! 
        Thanks   
        text=I <3 you
        text=
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

    #[test]
    fn a_list_of_ones_own_takes_the_place_of_ours() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# mine\n#-)\n\\o/\n\\o/\\o/\n").unwrap();
        let operator = RemoveEmoticonsRefiner { emoticons_path: Some(file.path().to_owned()), ..Default::default() };
        let texts = ["hurray \\o/\\o/!", "a #-) :) a\\o/b"];
        assert_snapshot!(check_rule(&operator, "text", texts), @r"
        text=hurray !
        text=a  :) a\o/b
        ");
        let anywhere = RemoveEmoticonsRefiner { compatibility: Compatibility::Dataflow, ..operator };
        assert_snapshot!(check_rule(&anywhere, "text", texts), @r"
        text=hurray !
        text=a  :) ab
        ");
        let found = |list: &str| {
            let file = tempfile::NamedTempFile::new().unwrap(); // each is read once
            std::fs::write(file.path(), list).unwrap();
            let operator = RemoveEmoticonsRefiner { emoticons_path: Some(file.path().to_owned()), ..Default::default() };
            Refine::problems(&operator).concat().replace(file.path().to_str().unwrap(), "LIST")
        };
        assert_snapshot!(found(r#"[":)", ":("]"#), @r#"
        `emoticons_path`: LIST: line 1 should be plain text, found the beginning of JSON
        hint: give a text file with an emoticon a line
        "#);
        assert_snapshot!(found(":)\n:-( Sad face\n"), @r#"
        `emoticons_path`: LIST: line 2 should be an emoticon alone, found `:-( Sad face`
        hint: give a text file with an emoticon a line
        "#);
        assert_snapshot!(found(":)\n\":D\",\n"), @r#"
        `emoticons_path`: LIST: line 2 should be an emoticon alone, found `":D",`
        hint: give a text file with an emoticon a line
        "#);
        assert_eq!(found("( ͡° ͜ʖ ͡°)\nT,T\n'-'\n[:\n"), "");
        let missing = RemoveEmoticonsRefiner { emoticons_path: Some("/no/such/list".into()), ..Default::default() };
        assert_snapshot!(Refine::problems(&missing).join("\n"), @r"
        `emoticons_path`: cannot read /no/such/list: No such file or directory (os error 2)
        hint: give a text file with an emoticon a line
        ");
    }
}
