//! Rewrites an answer in LaTeX or plain text into one plain notation.
//!
//! Sets are `⦃1,2⦄` there, matrices `⟦(1,2),(3,4)⟧`, fractions `((1)/(2))`, roots `sqrt(2)` and `root(3)(x)`; units and words stay, apart by spaces.

mod characters;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use self::characters::{fraction, lowered_digit, raised};
use super::brackets::with_depth;
use super::expression;
use super::sign::{MINUS, PRINTED};
use crate::pattern::pattern;

/// What may stand round the whole of an answer and says nothing.
const WRAPPERS: [(&str, &str); 9] =
    [("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("\"", "\""), ("“", "”"), ("「", "」"), ("`", "`")];

/// Other ways to write what has a sign of its own.
const REPLACED: [(&str, &str); 8] =
    [("infinity", "inf"), (" x 10^", " * 10^"), ("⦃⦄", "∅"), ("⦃ ⦄", "∅"), ("not ∈", "∉"), ("not =", "!="), ("not >", "<="), ("not <", ">=")];

/// An answer in plain notation.
pub(super) fn normal_form(answer: &str) -> String {
    let mut rest = answer.trim();
    loop {
        let inner =
            WRAPPERS.iter().find_map(|(open, close)| rest.strip_prefix(open)?.strip_suffix(close).filter(|inner| !inner.is_empty() && !inner.contains(open)));
        match inner {
            Some(inner) => rest = inner.trim(),
            None => break,
        }
    }
    let mut translator = Translator { source: rest.chars().collect(), at: 0, depth: 0 };
    let text = translator.until(None);
    // Degrees that are no power are a unit that everybody leaves out.
    let text = text.replace('°', " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = REPLACED.iter().fold(text, |text, (from, to)| if text.contains(from) { text.replace(from, to) } else { text });
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|character| character.is_ascii_digit());
    let text = with_minus(text);
    let ratio = text.split_once(" to ").or_else(|| text.split_once('比'));
    let text = ratio.filter(|(left, right)| is_number(left) && is_number(right)).map(|(left, right)| format!("{left}:{right}")).unwrap_or(text);
    let trimmed = text.trim_end_matches(['.', '。', ',', ';', ' ', '¶']);
    // `0.333...` goes on.
    if text[trimmed.len()..].starts_with("...") { format!("{trimmed}...") } else { trimmed.to_owned() }
}

/// A sign in the place of a word before a number.
fn with_minus(text: String) -> String {
    static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"(?i){MINUS}(\d)")));
    match WORD.replace_all(&text, "-$1") {
        Cow::Owned(signed) => signed,
        Cow::Borrowed(_) => text,
    }
}

/// Nesting that no answer has; what is deeper is taken as it stands, or left out.
const DEEPEST: usize = 40;

/// Commands that only say how letters look.
#[rustfmt::skip]
const FONTS: &[&str] = &[
    "text", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "textup", "mathrm", "mathbf", "mathit", "mathsf", "mathtt", "mathnormal", "mbox", "operatorname",
    "boxed", "fbox", "boldsymbol", "bm", "mathbb", "mathcal", "underline", "ce",
];

/// Commands that change how all behind them looks.
const SWITCHES: &[&str] = &["bf", "rm", "it", "sf", "tt", "tiny", "small", "normalsize", "large", "Large", "LARGE", "huge", "Huge", "textstyle"];

/// Letters that are written as commands or as they are; π is a number.
#[rustfmt::skip]
const GREEK: &[(&str, &str)] = &[
    ("alpha", "α"), ("beta", "β"), ("gamma", "γ"), ("delta", "δ"), ("epsilon", "ε"), ("varepsilon", "ε"), ("zeta", "ζ"), ("eta", "η"), ("theta", "θ"), ("vartheta", "θ"),
    ("iota", "ι"), ("kappa", "κ"), ("lambda", "λ"), ("mu", "μ"), ("nu", "ν"), ("xi", "ξ"), ("rho", "ρ"), ("sigma", "σ"), ("tau", "τ"), ("upsilon", "υ"), ("phi", "φ"),
    ("varphi", "φ"), ("chi", "χ"), ("psi", "ψ"), ("omega", "ω"), ("Gamma", "Γ"), ("Delta", "Δ"), ("Theta", "Θ"), ("Lambda", "Λ"), ("Xi", "Ξ"), ("Pi", "Π"), ("Sigma", "Σ"), ("Phi", "Φ"), ("Psi", "Ψ"),
    ("Omega", "Ω"),
];

/// Commands that stand in answers with two backslashes where data were escaped twice, as names of functions and numbers do.
#[rustfmt::skip]
const ESCAPED: &[&str] = &[
    "frac", "dfrac", "tfrac", "left", "right", "infty", "cdot", "times", "text", "mathrm", "circ", "cup", "in", "le", "leq", "ge", "geq", "pm", "begin", "boxed", "theta", "alpha",
];

/// Writes down what two arguments are together.
type Join = fn(&mut String, &str, &str);

struct Translator {
    source: Vec<char>,
    at: usize,
    depth: usize,
}

impl Translator {
    fn peek(&self) -> Option<char> {
        self.source.get(self.at).copied()
    }

    /// Translates up to a closing character, which is taken too, or to the end.
    fn until(&mut self, close: Option<char>) -> String {
        let mut text = String::new();
        self.depth += 1;
        while let Some(character) = self.peek() {
            self.at += 1;
            if Some(character) == close {
                break;
            }
            if self.depth > DEEPEST {
                text.push(character);
                continue;
            }
            match character {
                '\\' => {
                    if let Some(join) = self.infix() {
                        let (left, right) = (std::mem::take(&mut text), self.until(close));
                        join(&mut text, &left, &right);
                        break;
                    }
                    self.command(&mut text);
                }
                '{' => {
                    let inner = self.until(Some('}'));
                    // `1{,}000` groups digits, and `{1, 2}` is meant for a set.
                    let (open, close) = if is_listed(&inner) { ('⦃', '⦄') } else { ('(', ')') };
                    if inner.trim() == ":" {
                        text.push(':');
                    } else if inner.trim() != "," {
                        text.push(open);
                        text.push_str(&inner);
                        text.push(close);
                    }
                }
                '}' => {}
                '^' => match self.argument().trim() {
                    "°" | "(°)" => {}
                    power => {
                        // `\text{cm}^2`
                        text.truncate(text.trim_end().len());
                        text.push('^');
                        text.push_str(power);
                    }
                },
                '_' => self.index(&mut text),
                // `2**10`, as programs write powers.
                '*' if self.peek() == Some('*') && text.ends_with(|before: char| before.is_alphanumeric() || before == ')') => {
                    self.at += 1;
                    text.push('^');
                }
                '$' if text.ends_with("US") => {
                    text.truncate(text.len() - "US".len());
                    text.push(' ');
                }
                '$' | '£' | '€' | '¥' | '￥' | '~' | '\u{200b}' => text.push(' '),
                '—' => text.push('-'),
                sign if PRINTED.contains(&sign) => text.push('-'),
                '×' | '·' | '⋅' => text.push('*'),
                '÷' => text.push('/'),
                'π' => text.push_str(" pi "),
                '∞' => text.push_str(" inf "),
                '√' => text.push_str(" sqrt "),
                '≤' => text.push_str("<="),
                '≥' => text.push_str(">="),
                '≠' => text.push_str("!="),
                // The full-width forms that Chinese text has: a fixed distance from ASCII.
                '！'..='～' => text.extend(char::from_u32(character as u32 - 0xFEE0)),
                '、' => text.push(','),
                '∶' => text.push(':'),
                '∣' => text.push('|'),
                '…' => text.push_str("..."),
                other => self.digits_of_form(other, &mut text),
            }
        }
        self.depth -= 1;
        text
    }

    /// Raised and lowered digits, and fractions that are one character; every other character as it is.
    fn digits_of_form(&mut self, character: char, text: &mut String) {
        if let Some((over, under)) = fraction(character) {
            push_fraction(text, over, under);
        } else if let Some(first) = raised(character) {
            let power = self.digits_from(first, raised);
            text.push('^');
            text.push_str(&if power.len() > 1 { format!("({power})") } else { power });
        } else if let Some(first) = lowered_digit(character) {
            let index = self.digits_from(first, lowered_digit);
            text.extend(["_", &index, " "]);
        } else {
            text.push(character);
        }
    }

    /// A first digit and those of its form that follow.
    fn digits_from(&mut self, first: char, digit: fn(char) -> Option<char>) -> String {
        let mut digits = String::from(first);
        while let Some(next) = self.peek().and_then(digit) {
            digits.push(next);
            self.at += 1;
        }
        digits
    }

    /// `{a \over b}` and `{n \choose k}`, which stand between what they join.
    fn infix(&mut self) -> Option<Join> {
        let infixes: [(&str, Join); 2] = [("over", push_fraction), ("choose", push_binomial)];
        let rest = &self.source[self.at..];
        let is_next = |name: &str| name.chars().eq(rest.iter().copied().take_while(char::is_ascii_alphabetic));
        let (name, join) = infixes.into_iter().find(|(name, _)| is_next(name))?;
        self.at += name.len();
        Some(join)
    }

    /// An index, with brackets where it is more than a number or a letter: `x_1`, `x_(n+1)`.
    fn index(&mut self, text: &mut String) {
        // `(1011)_2` is `1011_2`.
        if let Some((head, number)) = text.trim_end().strip_suffix(')').and_then(|before| before.rsplit_once('('))
            && !number.is_empty()
            && number.chars().all(|character| character.is_ascii_digit())
        {
            *text = format!("{head}{number}");
        }
        let digits: String = self.source[self.at..].iter().take_while(|character| character.is_ascii_digit()).collect();
        if !digits.is_empty() {
            self.at += digits.len();
            text.extend(["_", &digits, " "]);
            return;
        }
        let index = self.argument();
        let inner = index.trim_matches(['(', ')', ' ']);
        let is_plain = inner.chars().all(|character| character.is_ascii_digit()) || inner.chars().count() == 1;
        text.extend(["_", if is_plain { inner } else { index.trim() }, " "]);
    }

    /// A bar or a dot over digits behind the point, which repeat.
    fn repeating(&mut self, text: &mut String, name: &str) {
        let argument = self.argument();
        let digits = argument.trim_matches(['(', ')', ' ']);
        let behind_the_point = text.trim_end_matches(|before: char| before.is_ascii_digit() || matches!(before, '⟨' | '⟩')).ends_with('.');
        if behind_the_point && !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit()) {
            text.extend(["⟨", digits, "⟩"]);
        } else {
            text.extend([" ", name, " ", &argument]);
        }
    }

    /// What a command or `^` applies to: a group, a command or one character.
    fn argument(&mut self) -> String {
        self.depth += 1;
        let argument = if self.depth > DEEPEST { String::new() } else { self.argument_within() };
        self.depth -= 1;
        argument
    }

    fn argument_within(&mut self) -> String {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        match self.peek() {
            Some('{') => {
                self.at += 1;
                format!("({})", self.until(Some('}')))
            }
            Some('\\') => {
                self.at += 1;
                let mut text = String::new();
                self.command(&mut text);
                text
            }
            Some('°' | '∘') => {
                self.at += 1;
                "°".into()
            }
            // A sign belongs to the power: `2^-1`.
            Some(sign @ ('-' | '+')) => {
                self.at += 1;
                format!("{sign}{}", self.argument())
            }
            Some(character) => {
                self.at += 1;
                character.to_string()
            }
            None => String::new(),
        }
    }

    fn command(&mut self, text: &mut String) {
        let start = self.at;
        while self.peek().is_some_and(|character| character.is_ascii_alphabetic()) {
            self.at += 1;
        }
        if self.at == start {
            let symbol = self.peek();
            self.at += 1;
            match symbol {
                Some('{') => text.push('⦃'),
                Some('}') => text.push('⦄'),
                Some('%') => text.push('%'),
                Some('|') => text.push('|'),
                // `\\frac` with its backslash escaped once too often is no end of a line.
                Some('\\') if self.is_escaped_command() => self.command(text),
                Some('\\') => text.push('¶'),
                // A space below nothing: `1,\! 000`.
                Some('!') => {
                    while self.peek().is_some_and(char::is_whitespace) {
                        self.at += 1;
                    }
                }
                Some('$') if text.ends_with("US") => {
                    text.truncate(text.len() - "US".len());
                    text.push(' ');
                }
                _ => text.push(' '),
            }
            return;
        }
        let name: String = self.source[start..self.at].iter().collect();
        match name.as_str() {
            "frac" | "dfrac" | "tfrac" | "cfrac" => {
                let (over, under) = (self.argument(), self.argument());
                push_fraction(text, &over, &under);
            }
            "sqrt" => {
                let root = (self.peek() == Some('[')).then(|| {
                    self.at += 1;
                    self.until(Some(']'))
                });
                let inner = self.argument();
                match root {
                    Some(root) => text.extend([" root(", &root, ")(", &inner, ")"]),
                    None => text.extend([" sqrt(", &inner, ")"]),
                }
            }
            "binom" | "dbinom" | "tbinom" => {
                let (all, chosen) = (self.argument(), self.argument());
                push_binomial(text, &all, &chosen);
            }
            "overline" | "bar" | "dot" => self.repeating(text, &name),
            _ if FONTS.contains(&name.as_str()) => {
                let inner = self.argument();
                let inner = inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(&inner);
                text.extend([" ", inner, " "]);
            }
            "begin" => self.environment(text),
            "left" | "right" | "big" | "Big" | "bigl" | "bigr" | "Bigl" | "Bigr" | "displaystyle" | "limits" => {
                // `\right.` closes nothing.
                if self.peek() == Some('.') {
                    self.at += 1;
                }
            }
            "quad" | "qquad" => text.push(' '),
            _ if SWITCHES.contains(&name.as_str()) => text.push(' '),
            "color" | "textcolor" | "phantom" | "hphantom" | "vphantom" | "hspace" | "vspace" => {
                self.argument();
            }
            "pmod" => {
                let modulus = self.argument();
                text.extend([" mod ", modulus.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(&modulus)]);
            }
            "circ" | "degree" => text.push('°'),
            "colon" => text.push(':'),
            "cdot" | "times" | "ast" => text.push('*'),
            "div" => text.push('/'),
            "pm" | "mp" => text.push('±'),
            "cup" => text.push('∪'),
            "cap" => text.push('∩'),
            "in" => text.push('∈'),
            "notin" => text.push('∉'),
            "angle" => text.push('∠'),
            "triangle" => text.push('△'),
            "infty" => text.push_str(" inf "),
            "le" | "leq" | "leqslant" => text.push_str("<="),
            "ge" | "geq" | "geqslant" => text.push_str(">="),
            "lt" => text.push('<'),
            "gt" => text.push('>'),
            "ne" | "neq" => text.push_str("!="),
            "approx" => text.push('≈'),
            "langle" => text.push('('),
            "rangle" => text.push(')'),
            "lbrace" => text.push('⦃'),
            "rbrace" => text.push('⦄'),
            "mid" | "lvert" | "rvert" | "vert" => text.push('|'),
            "emptyset" | "varnothing" => text.push('∅'),
            "dots" | "ldots" | "cdots" => text.push_str("..."),
            other => match GREEK.iter().find(|(greek, _)| *greek == other) {
                Some((_, letter)) => text.push_str(letter),
                None => text.extend([" ", other, " "]),
            },
        }
    }

    /// Whether a command that is written often comes next; a new line of a matrix never begins with the letters of one.
    fn is_escaped_command(&self) -> bool {
        let name: String = self.source[self.at..].iter().copied().take_while(char::is_ascii_alphabetic).collect();
        ESCAPED.contains(&name.as_str()) || expression::is_name(&name)
    }

    /// A matrix becomes a list of its rows; equations below each other become equations side by side.
    fn environment(&mut self, text: &mut String) {
        let name = self.argument();
        let end: Vec<char> = format!("\\end{{{}}}", name.trim_matches(['(', ')'])).chars().collect();
        let rest = &self.source[self.at.min(self.source.len())..];
        let length = rest.windows(end.len()).position(|window| window == end).unwrap_or(rest.len());
        let mut content: Vec<char> = rest[..length].to_vec();
        self.at += (length + end.len()).min(rest.len());
        if name.contains("array") && content.first() == Some(&'{') {
            let columns = content.iter().position(|character| *character == '}').map_or(0, |end| end + 1);
            content.drain(..columns);
        }
        if self.depth > 8 {
            return;
        }
        let mut inner = Self { source: content, at: 0, depth: self.depth };
        let inner = inner.until(None);
        let rows = inner.split('¶').filter(|row| !row.trim().is_empty());
        if ["cases", "align", "gather"].iter().any(|kind| name.contains(kind)) {
            let rows: Vec<String> = rows.map(|row| row.replace('&', " ").trim().trim_end_matches([',', ';']).to_owned()).collect();
            text.push_str(&rows.join(", "));
            return;
        }
        let rows: Vec<String> = rows.map(|row| format!("({})", row.replace('&', ","))).collect();
        let bars = if name.contains("vmatrix") || name.contains("Vmatrix") { "|" } else { "" }; // a determinant is no matrix
        text.extend([bars, "⟦", &rows.join(","), "⟧", bars]);
    }
}

/// Whether what stands in braces is a set: commas outside of its brackets tell, and a condition behind a name and a bar.
fn is_listed(text: &str) -> bool {
    let is_condition = |(name, condition): (&str, &str)| name.trim().chars().count() == 1 && condition.contains(['<', '>', '=', '∈']);
    if text.trim() == "," {
        return false;
    }
    with_depth(text).any(|(_, character, depth)| character == ',' && depth == 0) || text.split_once('|').is_some_and(is_condition)
}

fn push_binomial(text: &mut String, all: &str, chosen: &str) {
    text.extend([" binom(", all, ")(", chosen, ")"]);
}

/// `3\frac{1}{2}` is a mixed number; everything else before a fraction is a factor.
fn push_fraction(text: &mut String, over: &str, under: &str) {
    let whole = |part: &str| {
        let part = part.trim_matches(['(', ')', ' ']);
        !part.is_empty() && part.chars().all(|character| character.is_ascii_digit())
    };
    let before = text.trim_end();
    let digits = before.chars().rev().take_while(char::is_ascii_digit).count();
    let (head, number) = before.split_at(before.len() - digits);
    let fraction = format!("(({over})/({under}))");
    if digits > 0 && whole(over) && whole(under) && !head.ends_with(['.', '_', '^', ',']) && !head.ends_with(char::is_alphabetic) {
        *text = format!("{head}({number}+{fraction})");
    } else {
        text.push_str(&fraction);
    }
}
