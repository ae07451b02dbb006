//! Cuts a text into pieces, as far as they tell where a value begins and ends.

use std::sync::LazyLock;

use regex::Regex;

use super::expression;
use crate::pattern::pattern;

/// What a piece of a text is, as far as it says where a value begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    /// A letter that stands for a value, or the name of a function.
    Letter,
    /// A command of LaTeX that belongs to a value, such as `\frac`.
    Command,
    Operator,
    Open,
    Close,
    Space,
    /// A comma, a colon or a semicolon.
    Mark,
    /// An equals sign, which tells what stands behind it.
    Relation,
    /// `<` and its like, which belongs to what it compares.
    Inequality,
    Word,
    /// Anything else, and the end of a line.
    Other,
}

pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Where it begins in the text.
    pub(super) start: usize,
}

/// Commands of which a value is made beside the names of functions and numbers; every other one ends it.
#[rustfmt::skip]
const COMMANDS: &[&str] = &[
    "frac", "dfrac", "tfrac", "cfrac", "infty", "cdot", "times", "ast", "div", "pm", "mp", "cup", "circ",
    "alpha", "beta", "gamma", "theta", "lambda", "mu", "phi",
];

/// Whether a word is a function of which the argument may stand after a space; in prose `sec` is a unit.
pub(super) fn takes_an_argument(word: &str) -> bool {
    expression::is_function(word) && word != "sec"
}

/// The pieces of a text, in order.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    static PIECE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(concat!(
            r"(?P<word>\\(?:text\w*|math\w+|mbox|operatorname)\s*\{[^{}]*\})",
            r"|(?P<other></?[A-Za-z]\w*\s*/?>)", // a tag of HTML
            r"|(?P<inequality><=|>=|!=|\\(?:leq?|geq?|leqslant|geqslant|lt|gt|neq?)\b|[<>＜＞≤≥≠])",
            // Up to the end of the same one: a matrix that is not closed would have the whole text read once more for each that follows.
            r"|(?P<matrix>\\begin\{\w*(?:matrix|array)\}(?:[^\\]|\\(?:[^b]|b(?:[^e]|e[^g])))*?\\end\{\w*(?:matrix|array)\})",
            r"|(?P<number>(?:\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)\b(?:\.\d+)?|\d*\.\d*(?:\\(?:overline|dot|bar)\s*\{?\d+\}?\d*)+|\d*\.\d+(?:\.\.\.|…|\\l?dots\b)?|\d+)(?:[eE][+-]?\d+\b)?(?: ?\\?%)?|½)",
            r"|(?P<open>\\left\s*\\?[(\[{]|\\\{|[(\[{])",
            r"|(?P<close>\\right\s*\\?[)\]}]|\\\}|[)\]}])",
            r"|(?P<space>\\[,;! ]|[ \t~]+)",
            r"|(?P<operator>[-−－+*×·÷/^_√±²³¹⁰⁴-⁹⁻]+)",
            r"|(?P<mark>[,:;，：；])",
            r"|(?P<relation>[=≈])",
            r"|(?P<command>\\[A-Za-z]+)",
            r"|(?P<letter>\p{L}+)",
            r"|(?s:\\?.)"
        ))
    });
    let groups = [
        ("word", Kind::Word),
        ("matrix", Kind::Command),
        ("number", Kind::Number),
        ("open", Kind::Open),
        ("close", Kind::Close),
        ("space", Kind::Space),
        ("operator", Kind::Operator),
        ("mark", Kind::Mark),
        ("relation", Kind::Relation),
        ("inequality", Kind::Inequality),
        ("command", Kind::Command),
        ("letter", Kind::Letter),
    ];
    let kind_of = |found: &regex::Captures<'_>| {
        let text = &found[0];
        match groups.iter().find(|(name, _)| found.name(name).is_some()).map_or(Kind::Other, |(_, kind)| *kind) {
            Kind::Command if found.name("matrix").is_none() && !COMMANDS.contains(&&text[1..]) && !expression::is_name(&text[1..]) => Kind::Other,
            Kind::Letter if !matches!(text, "π" | "pi") && !takes_an_argument(text) && text.len() != 1 => Kind::Word,
            kind => kind,
        }
    };
    let mut pieces: Vec<Piece<'_>> = PIECE
        .captures_iter(text)
        .map(|found| Piece {
            kind: kind_of(&found),
            text: found.get(0).map_or("", |whole| whole.as_str()),
            start: found.get(0).map_or(0, |whole| whole.start()),
        })
        .collect();
    with_dashes_as_signs(&mut pieces);
    without_prose_in_brackets(&mut pieces);
    pieces
}

/// Makes a dash right before a value a sign; not between two values, as in `17–18`, and not behind a word.
fn with_dashes_as_signs(pieces: &mut [Piece<'_>]) {
    for at in 0..pieces.len().saturating_sub(1) {
        let begins = matches!(pieces[at + 1].kind, Kind::Number | Kind::Command | Kind::Letter | Kind::Open);
        let may_follow = at == 0 || matches!(pieces[at - 1].kind, Kind::Space | Kind::Relation | Kind::Inequality | Kind::Open | Kind::Mark | Kind::Other);
        if pieces[at].text == "–" && begins && may_follow {
            pieces[at].kind = Kind::Operator;
        }
    }
}

/// Makes brackets round prose, and those without a partner, no brackets: `(3 each)`. Asterisks round a word or a number are no operator either.
fn without_prose_in_brackets(pieces: &mut [Piece<'_>]) {
    let mut open: Vec<(usize, bool)> = Vec::new();
    for at in 0..pieces.len() {
        match pieces[at].kind {
            Kind::Open => open.push((at, true)),
            Kind::Close => match open.pop() {
                Some((_, true)) => {}
                Some((start, false)) => {
                    pieces[start].kind = Kind::Other;
                    pieces[at].kind = Kind::Other;
                    // What is round prose is round prose.
                    if let Some(around) = open.last_mut() {
                        around.1 = false;
                    }
                }
                None => pieces[at].kind = Kind::Other,
            },
            Kind::Word | Kind::Other | Kind::Relation | Kind::Inequality => {
                if let Some(inner) = open.last_mut() {
                    inner.1 = false;
                }
            }
            Kind::Operator if pieces[at].text == "**" => {
                // `x**2`, `(x+1)**(1/2)`
                let is_base = |piece: &Piece<'_>| matches!(piece.kind, Kind::Number | Kind::Letter | Kind::Close);
                let is_power = |piece: &Piece<'_>| matches!(piece.kind, Kind::Number | Kind::Open);
                if !(at > 0 && is_base(&pieces[at - 1]) && pieces.get(at + 1).is_some_and(is_power)) {
                    pieces[at].kind = Kind::Other;
                }
            }
            _ => {}
        }
    }
    for (at, _) in open {
        pieces[at].kind = Kind::Other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_one_piece_and_one_that_is_not_closed_is_none() {
        let matrices = |text: &str| pieces(text).iter().filter(|piece| piece.text.ends_with("matrix}")).map(|piece| piece.text.to_owned()).collect::<Vec<_>>();
        let closed = r"\begin{pmatrix}\beta & \\b \\ \alpha\end{pmatrix}";
        assert_eq!(matrices(&format!("A = {closed} and {closed}")), [closed, closed]);
        assert_eq!(matrices(&format!(r"\begin{{matrix}} {closed}")), [closed]);
        // Each of them was once searched for its end up to the end of the text.
        assert_eq!(matrices(&r"\begin{matrix}".repeat(20_000)), [""; 0]);
    }
}
