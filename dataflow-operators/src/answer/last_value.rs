//! The last value of a text that marks no answer: a number, or the whole of what it belongs to.

use std::sync::LazyLock;

use regex::Regex;

/// What a piece of a text is, as far as it says where a value begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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

struct Piece<'a> {
    kind: Kind,
    text: &'a str,
}

/// Commands of which a value is made; every other one ends it.
#[rustfmt::skip]
const COMMANDS: &[&str] = &[
    "frac", "dfrac", "tfrac", "cfrac", "sqrt", "pi", "infty", "cdot", "times", "ast", "div", "pm", "mp", "cup", "circ", "log", "ln", "lg", "exp",
    "sin", "cos", "tan", "cot", "arcsin", "arccos", "arctan", "alpha", "beta", "gamma", "theta", "lambda", "mu", "phi", "binom",
];

/// Functions of which the argument may stand after a space.
const FUNCTIONS: &[&str] = &["sqrt", "sin", "cos", "tan", "log", "ln"];

/// Those that are a value, or begin one, without a digit.
const VALUES: &[&str] = &["\\frac", "\\dfrac", "\\tfrac", "\\cfrac", "\\sqrt", "\\pi", "\\infty"];

/// The last number of a text; where it is part of a fraction, a root, a power, a formula, a tuple or a time of day, the whole of that.
pub(super) fn last_value(text: &str) -> Option<String> {
    if text.contains("\\begin") {
        return last_value_of(text); // a matrix may have several lines
    }
    // No value goes on from one sentence to the next, and what stands before the last one that has a value need not be read.
    sentences(text).filter(|sentence| sentence.contains(may_be_of_a_value)).find_map(last_value_of)
}

/// The sentences of a text from the last to the first, as far as a mark before white space ends one.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let ends = |(at, mark): (usize, &str)| (mark == "\n" || rest[at + 1..].starts_with(' ')).then_some(at + 1);
        let start = rest.rmatch_indices(['.', '?', '\n']).filter(|(at, _)| at + 1 < rest.len()).find_map(ends).unwrap_or(0);
        let sentence = &rest[start..];
        rest = &rest[..start];
        (!sentence.is_empty()).then_some(sentence)
    })
}

fn may_be_of_a_value(character: char) -> bool {
    character.is_numeric() || matches!(character, '\\' | 'π' | '√')
}

fn last_value_of(text: &str) -> Option<String> {
    let pieces = pieces(text);
    let mut at = 0;
    let mut last = None;
    while at < pieces.len() {
        let end = end_of_value(&pieces, at);
        if let Some(value) = value(&pieces, at, end) {
            last = Some(value);
        }
        at = end.max(at + 1);
    }
    last
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    static PIECE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"(?P<word>\\(?:text\w*|math\w+|mbox|operatorname)\s*\{[^{}]*\})",
            r"|(?P<other></?[A-Za-z]\w*\s*/?>)", // a tag of HTML
            r"|(?P<inequality><=|>=|!=|\\(?:leq?|geq?|leqslant|geqslant|lt|gt|neq?)\b|[<>≤≥≠])",
            r"|(?P<matrix>(?s)\\begin\{\w*(?:matrix|array)\}.*?\\end\{\w*(?:matrix|array)\}(?-s))",
            r"|(?P<number>(?:\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)\b(?:\.\d+)?|\d*\.\d*(?:\\(?:overline|dot|bar)\s*\{?\d+\}?\d*)+|\d*\.\d+(?:\.\.\.|…|\\l?dots\b)?|\d+)(?:[eE][+-]?\d+\b)?(?: ?\\?%)?|½)",
            r"|(?P<open>\\left\s*\\?[(\[{]|\\\{|[(\[{])",
            r"|(?P<close>\\right\s*\\?[)\]}]|\\\}|[)\]}])",
            r"|(?P<space>\\[,;! ]|[ \t~]+)",
            r"|(?P<operator>[-−+*×·÷/^_√±²³]+)",
            r"|(?P<mark>[,:;，：；])",
            r"|(?P<relation>[=≈])",
            r"|(?P<command>\\[A-Za-z]+)",
            r"|(?P<letter>\p{L}+)",
            r"|(?s:\\?.)"
        ))
        .ok()
    });
    let Some(regex) = PIECE.as_ref() else { return Vec::new() };
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
            Kind::Command if found.name("matrix").is_none() && !COMMANDS.contains(&&text[1..]) => Kind::Other,
            Kind::Letter if !matches!(text, "π" | "pi") && !FUNCTIONS.contains(&text) && text.len() != 1 => Kind::Word,
            kind => kind,
        }
    };
    let mut pieces: Vec<Piece<'_>> =
        regex.captures_iter(text).map(|found| Piece { kind: kind_of(&found), text: found.get(0).map_or("", |whole| whole.as_str()) }).collect();
    without_prose_in_brackets(&mut pieces);
    pieces
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

/// Where the value that begins with a piece ends; there, where none begins.
fn end_of_value(pieces: &[Piece<'_>], start: usize) -> usize {
    let kind = |at: usize| pieces.get(at).map_or(Kind::Other, |piece| piece.kind);
    let is = |at: usize, marks: &[&str]| pieces.get(at).is_some_and(|piece| marks.contains(&piece.text));
    let mut depth = 0_usize;
    let mut at = start;
    while at < pieces.len() {
        let before = if at > start { Some(at - 1) } else { None };
        let goes_on = depth > 0
            || match kind(at) {
                Kind::Number | Kind::Letter | Kind::Command | Kind::Operator | Kind::Open => true,
                Kind::Inequality => is_compared(pieces, start, at),
                // `2:30`, `1,2`
                Kind::Mark => before.is_some_and(|before| kind(before) == Kind::Number) && kind(at + 1) == Kind::Number,
                Kind::Space => before.is_some_and(|before| {
                    let binary = kind(at + 1) == Kind::Operator && kind(at + 2) == Kind::Space;
                    let after_operator = kind(before) == Kind::Operator;
                    let mixed = kind(before) == Kind::Number && kind(at + 1) == Kind::Number && is(at + 2, &["/"]) && kind(at + 3) == Kind::Number;
                    // `5 m^2`, `5 m/s`
                    let unit = kind(before) == Kind::Number && kind(at + 1) == Kind::Letter && is(at + 2, &["^", "/", "²", "³"]);
                    // `1\,000`, `\frac {1} {2}`
                    let thin = pieces[at].text.starts_with('\\') && kind(before) == Kind::Number && kind(at + 1) == Kind::Number;
                    let argument = kind(before) == Kind::Close && is(at + 1, &["{"]);
                    let command = kind(before) == Kind::Command || kind(at + 1) == Kind::Command || is(before, FUNCTIONS);
                    let compared = kind(before) == Kind::Inequality || (kind(at + 1) == Kind::Inequality && is_compared(pieces, start, at + 1));
                    binary || compared || after_operator || mixed || unit || thin || argument || command
                }),
                Kind::Close | Kind::Relation | Kind::Word | Kind::Other => false,
            };
        if !goes_on {
            break;
        }
        match kind(at) {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    at
}

/// Whether an inequality stands between two values.
fn is_compared(pieces: &[Piece<'_>], start: usize, at: usize) -> bool {
    let is_side = |piece: &Piece<'_>| matches!(piece.kind, Kind::Number | Kind::Letter | Kind::Command);
    let is_space = |piece: &&Piece<'_>| piece.kind == Kind::Space;
    let before = pieces[start..at].iter().rev().find(|piece| !is_space(piece));
    let after = pieces[at + 1..].iter().find(|piece| !is_space(piece));
    before.is_some_and(|piece| is_side(piece) || piece.kind == Kind::Close)
        && after.is_some_and(|piece| is_side(piece) || piece.kind == Kind::Open || matches!(piece.text, "-" | "−"))
}

/// The value that some pieces are, without operators that join it to nothing; `None` where they name none, and where it is the power or the divisor of a word.
fn value(pieces: &[Piece<'_>], mut start: usize, mut end: usize) -> Option<String> {
    let glued = start > 0 && pieces[start - 1].kind == Kind::Word;
    while start < end && matches!(pieces[start].kind, Kind::Operator | Kind::Space) {
        let spaced = pieces.get(start + 1).is_some_and(|next| next.kind == Kind::Space);
        let after_relation = pieces[..start].iter().rev().find(|piece| piece.kind != Kind::Space).is_some_and(|piece| piece.kind == Kind::Relation);
        match pieces[start].text {
            // `GPT-4` and a dash before a space have no sign.
            "-" | "−" | "+" | "±" | "√" if !glued && (!spaced || after_relation) => break,
            "^" | "_" | "/" if glued => return None,
            _ => start += 1,
        }
    }
    while end > start
        && (matches!(pieces[end - 1].kind, Kind::Space | Kind::Mark) || (pieces[end - 1].kind == Kind::Operator && !matches!(pieces[end - 1].text, "²" | "³")))
    {
        end -= 1;
    }
    let found = pieces.get(start..end)?;
    if !found.iter().any(|piece| piece.kind == Kind::Number || VALUES.contains(&piece.text) || piece.text.starts_with("\\begin") || piece.text == "π") {
        return None;
    }
    let text: String = found.iter().map(|piece| piece.text).collect();
    let is_number = matches!(found, [number] | [Piece { text: "-" | "−" | "+", .. }, number] if number.kind == Kind::Number);
    Some(if is_number { text.replace([',', ' '], "").replace('−', "-").trim_start_matches('+').to_owned() } else { text.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_not_cut_out_of_what_it_belongs_to() {
        for (text, wanted) in [
            ("It costs $3,456.70 in all", "3456.70"),
            ("so 7", "7"),
            ("It is -3.5.", "-3.5"),
            ("x = - 3", "- 3"),
            ("x = −3", "-3"),
            ("We use GPT-4", "4"),
            ("- 3 apples", "3"),
            ("**42**", "42"),
            ("a rise of 12.5%", "12.5%"),
            ("12 000 km", "12000"),
            ("1e3", "1e3"),
            ("16 - 3 - 4 = 9 eggs", "9"),
            ("So x = 2/3.", "2/3"),
            ("1 / 2", "1 / 2"),
            ("-1/2", "-1/2"),
            ("3 1/2 cups", "3 1/2"),
            (r"= \frac{3}{4}", r"\frac{3}{4}"),
            (r"= -\dfrac12.", r"-\dfrac12"),
            (r"so $2\frac{1}{2}$ it is", r"2\frac{1}{2}"),
            (r"\sqrt{3}", r"\sqrt{3}"),
            (r"a side of 2 \sqrt{3}.", r"2 \sqrt{3}"),
            ("2√3", "2√3"),
            (r"with radius 1 it is \pi", r"\pi"),
            ("10^{3}", "10^{3}"),
            ("2^10 bytes", "2^10"),
            ("so x^2+1", "x^2+1"),
            ("so 10-3", "10-3"),
            ("f(2)", "f(2)"),
            ("It is 2:30.", "2:30"),
            ("the point (1, 2).", "(1, 2)"),
            (r"\left(1, \frac{1}{2}\right)", r"\left(1, \frac{1}{2}\right)"),
            (r"\{1, 2\}", r"\{1, 2\}"),
            ("12 in all (3 each)", "3"),
            ("an area of 5 cm^2", "5"),
            ("an area of 5 m^2", "5 m^2"),
            (r"5\text{ m}^2", "5"),
            ("5 km/h", "5"),
            ("a 5-year plan", "5"),
            ("共9步", "9"),
            (r"1\,000", r"1\,000"),
            (r"\frac {1} {2}", r"\frac {1} {2}"),
            ("so log 8", "log 8"),
            ("We find that $x \\geq 5$.", r"x \geq 5"),
            ("so -2 <= x < 3", "-2 <= x < 3"),
            ("so x>3", "x>3"),
            ("<b>5</b>", "5"),
            ("<answer>5</answer>", "5"),
            ("-> 5", "5"),
            (r"= 0.1\overline{6}", r"0.1\overline{6}"),
            ("it is 0.333...", "0.333..."),
            ("so x**2 - 1", "x**2 - 1"),
            (r"so \begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}.", r"\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}"),
        ] {
            assert_eq!(last_value(text).as_deref(), Some(wanted), "{text}");
        }
        for none in ["", "Paris", "B", "x", "no idea.", "(", r"\text{3"] {
            assert!(last_value(none).is_none_or(|found| found == "3"), "{none}");
        }
    }

    proptest! {
        #[test]
        fn the_last_sentence_with_a_value_tells_what_the_whole_text_does(text in r"(?:[\\{}()\[\]$#答案是a-z0-9,:=/^_*²−-]|[.?] ?|\n| |\\frac|\\sqrt){0,60}") {
            prop_assert_eq!(last_value(&text), last_value_of(&text));
        }
    }
}
