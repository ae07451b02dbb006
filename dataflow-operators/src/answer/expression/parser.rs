//! Reads expressions in plain notation.

use super::number::{self, Number};
use super::{CHOOSE, Expression, Function, LARGER, SMALLER};

const LONGEST: usize = 1000;
const DEEPEST: usize = 60;

/// Names of functions of one number, a longer one before one that it begins with.
const FUNCTIONS: [(&str, Function); 18] = [
    ("arcsin", Function::ArcSine),
    ("arccos", Function::ArcCosine),
    ("arctan", Function::ArcTangent),
    ("asin", Function::ArcSine),
    ("acos", Function::ArcCosine),
    ("atan", Function::ArcTangent),
    ("sqrt", Function::Root),
    ("abs", Function::Absolute),
    ("exp", Function::Exponential),
    ("sinh", Function::HyperbolicSine),
    ("cosh", Function::HyperbolicCosine),
    ("tanh", Function::HyperbolicTangent),
    ("sin", Function::Sine),
    ("cos", Function::Cosine),
    ("tan", Function::Tangent),
    ("cot", Function::Cotangent),
    ("sec", Function::Secant),
    ("csc", Function::Cosecant),
];

/// Names of logarithms, of which each has a base of its own.
const LOGARITHMS: [&str; 3] = ["log", "ln", "lg"];

/// Names of functions of two numbers, each of which stands in brackets.
const OF_TWO: [&str; 2] = ["root", "binom"];

/// Names of functions of as many numbers as stand in their brackets, with the operation that joins two of them.
const OF_SEVERAL: [(&str, char); 2] = [("max", LARGER), ("min", SMALLER)];

/// Names of mathematics that is not worked out, but is a part of its formula.
#[rustfmt::skip]
const UNREAD: [&str; 31] = [
    "gcd", "lcm", "arg", "dim", "deg", "ker", "Re", "re", "Im", "im", "Pr", "sup", "lim", "det", "tr", "sgn", "erf", "coth", "sech", "csch",
    "arccot", "sum", "prod", "int", "nabla", "partial", "lfloor", "rfloor", "lceil", "rceil", "operatorname",
];

fn function(word: &str) -> Option<Function> {
    FUNCTIONS.iter().find(|(name, _)| *name == word).map(|(_, function)| *function)
}

/// Whether a word names a function of one number.
pub(in super::super) fn is_function(word: &str) -> bool {
    function(word).is_some() || LOGARITHMS.contains(&word)
}

/// Whether a word names a function of an angle.
pub(in super::super) fn is_of_an_angle(word: &str) -> bool {
    use Function::{Cosecant, Cosine, Cotangent, Secant, Sine, Tangent};
    matches!(function(word), Some(Sine | Cosine | Tangent | Cotangent | Secant | Cosecant))
}

/// Whether a word names a function or a number.
pub(in super::super) fn is_name(word: &str) -> bool {
    is_function(word) || OF_TWO.contains(&word) || OF_SEVERAL.iter().any(|(name, _)| *name == word) || UNREAD.contains(&word) || ["pi", "inf"].contains(&word)
}

impl Expression {
    /// Reads the whole of a text; `None` where it is not an expression.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut parser = Parser { source: text.chars().collect(), at: 0, depth: 0 };
        let expression = parser.sum()?;
        parser.skip_space();
        (parser.at == parser.source.len()).then_some(expression)
    }

    fn operation(operator: char, left: Self, right: Self) -> Self {
        Self::Operation(operator, Box::new(left), Box::new(right))
    }

    fn call(function: Function, inner: Self) -> Self {
        Self::Call(function, Box::new(inner))
    }
}

impl Function {
    /// What `sin^{-1}` and its like name, which is no reciprocal.
    fn inverse(self) -> Option<Self> {
        Some(match self {
            Self::Sine => Self::ArcSine,
            Self::Cosine => Self::ArcCosine,
            Self::Tangent => Self::ArcTangent,
            _ => return None,
        })
    }
}

struct Parser {
    source: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn skip_space(&mut self) {
        while self.source.get(self.at).is_some_and(|character| character.is_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.source.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn begins_with(&self, word: &str) -> bool {
        word.chars().enumerate().all(|(offset, character)| self.source.get(self.at + offset) == Some(&character))
    }

    /// Reads what may hold itself again, as far as that is not too deep.
    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Option<Expression>) -> Option<Expression> {
        if self.depth >= DEEPEST {
            return None;
        }
        self.depth += 1;
        let expression = read(self);
        self.depth -= 1;
        expression
    }

    fn sum(&mut self) -> Option<Expression> {
        self.deeper(|parser| {
            let mut left = parser.product()?;
            while let Some(operator @ ('+' | '-')) = parser.peek() {
                parser.at += 1;
                left = Expression::operation(operator, left, parser.product()?);
            }
            Some(left)
        })
    }

    fn product(&mut self) -> Option<Expression> {
        let mut left = self.signed()?;
        loop {
            let (operator, right) = match self.peek() {
                Some(operator @ ('*' | '/')) => {
                    self.at += 1;
                    (operator, self.signed()?)
                }
                // `2x`, `2(x+1)`; a number after something else is a slip and no product: `x 2`, `3 4`.
                Some(next) if next.is_alphabetic() || next == '(' => ('*', self.power()?),
                _ => return Some(left),
            };
            left = Expression::operation(operator, left, right);
        }
    }

    fn signed(&mut self) -> Option<Expression> {
        let mut negative = false;
        while let Some(sign @ ('+' | '-')) = self.peek() {
            self.at += 1;
            negative ^= sign == '-';
        }
        let value = self.power()?;
        Some(if negative { Expression::call(Function::Negative, value) } else { value })
    }

    fn power(&mut self) -> Option<Expression> {
        let mut base = self.atom()?;
        loop {
            match self.peek() {
                Some('!') => {
                    self.at += 1;
                    base = Expression::call(Function::Factorial, base);
                }
                Some('%') => {
                    self.at += 1;
                    base = Expression::operation('/', base, Expression::Number(Number::whole(100)));
                }
                Some('^') => {
                    self.at += 1;
                    let power = self.deeper(Self::signed)?;
                    return Some(Expression::operation('^', base, power));
                }
                _ => return Some(base),
            }
        }
    }

    fn atom(&mut self) -> Option<Expression> {
        match self.peek()? {
            '(' => {
                self.at += 1;
                let inner = self.sum()?;
                self.take(')')?;
                Some(inner)
            }
            '|' => {
                self.at += 1;
                let inner = self.sum()?;
                self.take('|')?;
                Some(Expression::call(Function::Absolute, inner))
            }
            digit if digit.is_ascii_digit() || digit == '.' => self.number(),
            letter if letter.is_alphabetic() => self.deeper(Self::name),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Expression> {
        let start = self.at;
        let whole = self.digits();
        let mut fraction = String::new();
        let mut repeating = String::new();
        if self.source.get(self.at) == Some(&'.') && self.source.get(self.at + 1).is_some_and(|next| next.is_ascii_digit() || *next == '⟨') {
            self.at += 1;
            fraction = self.digits();
            if self.source.get(self.at) == Some(&'⟨') {
                // Dots over the first and the last digit of a period: `0.⟨1⟩4285⟨7⟩`.
                let marked = self.source[self.at..].iter().take_while(|character| character.is_ascii_digit() || matches!(character, '⟨' | '⟩'));
                let (length, digits) = marked.fold((0, String::new()), |(length, digits), character| match character {
                    '⟨' | '⟩' => (length + 1, digits),
                    digit => (length + 1, digits + digit.encode_utf8(&mut [0; 4])),
                });
                self.at += length;
                repeating = digits;
            } else if self.begins_with("...") {
                self.at += "...".len();
                number::period(&fraction).clone_into(&mut repeating);
            }
        }
        let length = self.power_of_ten(start);
        let exponent: String = self.source[self.at..self.at + length].iter().skip(1).collect();
        self.at += length;
        let exponent = if exponent.is_empty() { 0 } else { exponent.parse().ok()? };
        Number::decimal(&whole, &fraction, &repeating, exponent).map(Expression::Number)
    }

    fn digits(&mut self) -> String {
        let digits: String = self.source[self.at..].iter().take_while(|character| character.is_ascii_digit()).collect();
        self.at += digits.len();
        digits
    }

    /// How long the `e3` behind the number from `start` on is. In `2e-3` the letter is Euler's number, as it is where answers of exercises are written;
    /// programs print `1e-7`, `2.5e-3` and `2e-05`.
    fn power_of_ten(&self, start: usize) -> usize {
        let mantissa = &self.source[start..self.at];
        let [letter @ ('e' | 'E'), rest @ ..] = &self.source[self.at..] else { return 0 };
        let signed = matches!(rest, ['+' | '-', ..]);
        let digits = rest[usize::from(signed)..].iter().take_while(|character| character.is_ascii_digit()).count();
        let may_be_euler = *letter == 'e' && signed && digits == 1 && mantissa != ['1'] && !mantissa.contains(&'.');
        if digits == 0 || may_be_euler || mantissa.is_empty() { 0 } else { 1 + usize::from(signed) + digits }
    }

    fn name(&mut self) -> Option<Expression> {
        for (word, value) in [("pi", std::f64::consts::PI), ("inf", f64::INFINITY)] {
            if self.begins_with(word) {
                self.at += word.len();
                return Some(Expression::Number(Number::real(value)));
            }
        }
        if self.begins_with("binom") {
            self.at += "binom".len();
            let (all, chosen) = (self.group()?, self.group()?);
            return Some(Expression::operation(CHOOSE, all, chosen));
        }
        if self.begins_with("root") {
            self.at += "root".len();
            let degree = self.group()?;
            let inner = self.group()?;
            let power = Expression::operation('/', Expression::Number(Number::whole(1)), degree);
            return Some(Expression::operation('^', inner, power));
        }
        if let Some((word, operator)) = OF_SEVERAL.iter().find(|(word, _)| self.begins_with(word)) {
            self.at += word.len();
            return self.joined(*operator);
        }
        for word in LOGARITHMS {
            if self.begins_with(word) {
                self.at += word.len();
                let base = if word == "ln" { Number::real(std::f64::consts::E) } else { Number::whole(10) };
                let base = if self.take('_').is_some() { self.atom()? } else { Expression::Number(base) };
                let logarithm = |inner| Expression::call(Function::NaturalLogarithm, inner);
                let inner = self.function_argument()?;
                return Some(Expression::operation('/', logarithm(inner), logarithm(base)));
            }
        }
        if let Some((word, function)) = FUNCTIONS.iter().find(|(word, _)| self.begins_with(word)) {
            self.at += word.len();
            // `sin^2 x` is the square of the sine.
            let power = if self.take('^').is_some() { Some(self.signed()?) } else { None };
            let inner = self.function_argument()?;
            let inverse = function.inverse().filter(|_| power.as_ref().and_then(Expression::constant) == Some(-1.0));
            return Some(match (inverse, power) {
                (Some(inverse), _) => Expression::call(inverse, inner),
                (None, Some(power)) => Expression::operation('^', Expression::call(*function, inner), power),
                (None, None) => Expression::call(*function, inner),
            });
        }
        let letter = self.peek()?;
        self.at += 1;
        let mut name = letter.to_string();
        if self.source.get(self.at) == Some(&'_') {
            self.at += 1;
            let index: String = match self.source.get(self.at)? {
                '(' => self.source[self.at..].iter().take_while(|character| **character != ')').chain(&[')']).collect(),
                digit if digit.is_ascii_digit() => self.source[self.at..].iter().take_while(|character| character.is_ascii_digit()).collect(),
                character => character.to_string(),
            };
            self.at += index.chars().count();
            name.push_str(index.trim_matches(['(', ')']));
        }
        Some(if name == "e" { Expression::Number(Number::real(std::f64::consts::E)) } else { Expression::Variable(name) })
    }

    fn group(&mut self) -> Option<Expression> {
        self.take('(')?;
        let inner = self.sum()?;
        self.take(')')?;
        Some(inner)
    }

    /// What an operation makes of all that stands in brackets, apart by commas: `(2, 3)`, `⦃2, 3⦄`.
    fn joined(&mut self, operator: char) -> Option<Expression> {
        let close = match self.peek()? {
            '(' => ')',
            '⦃' => '⦄',
            _ => return None,
        };
        self.at += 1;
        let mut value = self.sum()?;
        while self.take(',').is_some() {
            value = Expression::operation(operator, value, self.sum()?);
        }
        self.take(close)?;
        Some(value)
    }

    /// A group, or factors that stand together up to the next function: `sin 2x cos y`.
    fn function_argument(&mut self) -> Option<Expression> {
        if self.peek() == Some('(') { self.power() } else { self.factors() }
    }

    fn factors(&mut self) -> Option<Expression> {
        let mut value = self.power()?;
        while let Some(next) = self.peek() {
            let named = FUNCTIONS
                .iter()
                .map(|(word, _)| *word)
                .chain(LOGARITHMS)
                .chain(OF_TWO)
                .chain(OF_SEVERAL.map(|(word, _)| word))
                .any(|word| self.begins_with(word));
            if !next.is_alphabetic() || named {
                break;
            }
            value = Expression::operation('*', value, self.power()?);
        }
        Some(value)
    }
}
