//! Rewrites an answer in LaTeX or plain text into one plain notation.
//!
//! Sets are `⦃1,2⦄` there, matrices `⟦(1,2),(3,4)⟧`, fractions `((1)/(2))`, roots `sqrt(2)` and `root(3)(x)`; units and words stay, apart by spaces.

/// An answer in plain notation.
pub(super) fn normal_form(answer: &str) -> String {
    let mut rest = answer.trim();
    loop {
        let inner = [("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**")]
            .iter()
            .find_map(|(open, close)| rest.strip_prefix(open)?.strip_suffix(close).filter(|inner| !inner.is_empty() && !inner.contains(open)));
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
    text.trim_end_matches(['.', '。', ',', ';', ' ']).to_owned()
}

/// Nesting that no answer has; what is deeper is taken as it stands, or left out.
const DEEPEST: usize = 40;

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
                '\\' => self.command(&mut text),
                '{' => {
                    let inner = self.until(Some('}'));
                    // `1{,}000` groups digits.
                    if inner.trim() != "," {
                        text.push('(');
                        text.push_str(&inner);
                        text.push(')');
                    }
                }
                '}' => {}
                '^' => match self.argument().trim() {
                    "°" | "(°)" => {}
                    power => {
                        text.push('^');
                        text.push_str(power);
                    }
                },
                '$' | '£' | '€' | '¥' | '￥' | '~' | '\u{200b}' => text.push(' '),
                '−' | '–' | '—' | '－' => text.push('-'),
                '×' | '·' | '⋅' => text.push('*'),
                '÷' => text.push('/'),
                'π' => text.push_str(" pi "),
                '∞' => text.push_str(" inf "),
                '√' => text.push_str(" sqrt "),
                '≤' => text.push_str("<="),
                '≥' => text.push_str(">="),
                '≠' => text.push_str("!="),
                '²' => text.push_str("^2"),
                '³' => text.push_str("^3"),
                '½' => text.push_str("(1/2)"),
                // The full-width forms that Chinese text has: a fixed distance from ASCII.
                '！'..='～' => text.extend(char::from_u32(character as u32 - 0xFEE0)),
                '、' => text.push(','),
                other => text.push(other),
            }
        }
        self.depth -= 1;
        text
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
                Some('\\') => text.push('¶'),
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
            "text" | "textbf" | "textit" | "textrm" | "mathrm" | "mathbf" | "mbox" | "operatorname" | "boxed" | "fbox" => {
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
            "circ" | "degree" => text.push('°'),
            "cdot" | "times" | "ast" => text.push('*'),
            "div" => text.push('/'),
            "pm" | "mp" => text.push('±'),
            "cup" => text.push('∪'),
            "cap" => text.push('∩'),
            "in" => text.push('∈'),
            "infty" => text.push_str(" inf "),
            "le" | "leq" | "leqslant" => text.push_str("<="),
            "ge" | "geq" | "geqslant" => text.push_str(">="),
            "lt" => text.push('<'),
            "gt" => text.push('>'),
            "ne" | "neq" => text.push_str("!="),
            "lbrace" => text.push('⦃'),
            "rbrace" => text.push('⦄'),
            "lvert" | "rvert" | "vert" => text.push('|'),
            "emptyset" | "varnothing" => text.push('∅'),
            "dots" | "ldots" | "cdots" => text.push_str("..."),
            other => text.extend([" ", other, " "]),
        }
    }

    /// A matrix becomes a list of its rows; any other environment its content.
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
        let rows: Vec<String> = inner.split('¶').filter(|row| !row.trim().is_empty()).map(|row| format!("({})", row.replace('&', ","))).collect();
        let bars = if name.contains("vmatrix") || name.contains("Vmatrix") { "|" } else { "" }; // a determinant is no matrix
        text.extend([bars, "⟦", &rows.join(","), "⟧", bars]);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;
    use proptest::prelude::*;

    #[test]
    fn latex_becomes_plain() {
        let answers = [
            r"$\dfrac{1}{2}$",
            r"-3\frac{1}{2}",
            r"\frac12",
            r"2\sqrt[3]{x+1}",
            r"90^{\circ}",
            r"30^\circ",
            r"\left\{1, 2\right\}",
            r"1{,}000\text{ km}",
            r"x^{2y}",
            r"\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}",
            r"(-\infty, 3] \cup [5, \infty)",
            "１２％。",
        ];
        assert_snapshot!(answers.map(normal_form).join("\n"), @r"
        (((1))/((2)))
        -(3+(((1))/((2))))
        ((1)/(2))
        2 root(3)((x+1))
        90
        30
        ⦃1, 2⦄
        1000 km
        x^(2y)
        ⟦(1 , 2),(3 , 4)⟧
        (- inf , 3] ∪ [5, inf )
        12%
        ");
    }

    #[test]
    fn no_nesting_is_too_deep() {
        for piece in [r"\frac", r"\sqrt{", "{", "^-", "^{", r"\text", r"\begin{a}", r"\sqrt["] {
            normal_form(&piece.repeat(20_000));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"[\\{}$^_&a-z0-9 .,°（）½]{0,80}") {
            normal_form(&text);
        }

        #[test]
        fn no_command_panics(commands in proptest::collection::vec(r"\\(frac|sqrt|sqrt\[|text|begin|begin\{pmatrix\}|end\{pmatrix\}|left|circ|boxed|pm)|[{}\[\]^0-9a ]", 0..40)) {
            normal_form(&commands.concat());
        }
    }
}
