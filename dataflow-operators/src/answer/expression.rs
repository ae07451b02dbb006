//! Reads arithmetic and algebra in plain notation, and tells whether two expressions are equal by their values at sample points.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

const LONGEST: usize = 1000;
const DEEPEST: usize = 60;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Variable(String),
    Call(Function, Box<Expression>),
    Operation(char, Box<Expression>, Box<Expression>),
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    Negative,
    Factorial,
    Root,
    Absolute,
    Exponential,
    NaturalLogarithm,
    Sine,
    Cosine,
    Tangent,
    Cotangent,
    Secant,
    Cosecant,
    ArcSine,
    ArcCosine,
    ArcTangent,
}

/// Names of functions, a longer one before one that it begins with.
const FUNCTIONS: [(&str, Function); 15] = [
    ("arcsin", Function::ArcSine),
    ("arccos", Function::ArcCosine),
    ("arctan", Function::ArcTangent),
    ("asin", Function::ArcSine),
    ("acos", Function::ArcCosine),
    ("atan", Function::ArcTangent),
    ("sqrt", Function::Root),
    ("abs", Function::Absolute),
    ("exp", Function::Exponential),
    ("sin", Function::Sine),
    ("cos", Function::Cosine),
    ("tan", Function::Tangent),
    ("cot", Function::Cotangent),
    ("sec", Function::Secant),
    ("csc", Function::Cosecant),
];

impl Expression {
    /// Reads the whole of a text; `None` where it is not an expression.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut parser = Parser { source: text.chars().collect(), at: 0, depth: 0 };
        let expression = parser.sum()?;
        parser.skip_space();
        (parser.at == parser.source.len()).then_some(expression)
    }

    fn variables(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::Number(_) => {}
            Self::Variable(name) => {
                names.insert(name.clone());
            }
            Self::Call(_, inner) => inner.variables(names),
            Self::Operation(_, left, right) => {
                left.variables(names);
                right.variables(names);
            }
        }
    }

    /// The value where it has no variable.
    pub(super) fn constant(&self) -> Option<f64> {
        let mut names = BTreeSet::new();
        self.variables(&mut names);
        names.is_empty().then(|| self.value(0))
    }

    /// The value at a sample point; each variable has a value of its own there.
    fn value(&self, point: u32) -> f64 {
        match self {
            Self::Number(value) => *value,
            Self::Variable(name) => {
                let hash = name.bytes().fold(0x811C_9DC5_u32 ^ point.wrapping_mul(0x9E37_79B9), |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
                let value = 0.3 + f64::from(hash % 100_003) / 50_000.0;
                if point > POSITIVE { -value } else { value }
            }
            Self::Call(function, inner) => function.apply(inner.value(point)),
            Self::Operation(operator, left, right) => {
                let (left, right) = (left.value(point), right.value(point));
                match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    '/' => left / right,
                    // An odd root of a negative number is real.
                    _ if left < 0.0 && is_odd_root(right) => -(-left).powf(right),
                    _ => left.powf(right),
                }
            }
        }
    }
}

fn is_odd_root(power: f64) -> bool {
    let root = 1.0 / power;
    power.abs() < 1.0 && (root - root.round()).abs() < 1e-9 && (root.round() % 2.0).abs() > 0.5
}

impl Function {
    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Negative => -value,
            Self::Factorial if (0.0..=170.0).contains(&value) && value.fract().abs() < 1e-9 => (1..=value as u32).map(f64::from).product(),
            Self::Factorial => f64::NAN,
            Self::Root => value.sqrt(),
            Self::Absolute => value.abs(),
            Self::Exponential => value.exp(),
            Self::NaturalLogarithm => value.ln(),
            Self::Sine => value.sin(),
            Self::Cosine => value.cos(),
            Self::Tangent => value.tan(),
            Self::Cotangent => value.tan().recip(),
            Self::Secant => value.cos().recip(),
            Self::Cosecant => value.sin().recip(),
            Self::ArcSine => value.asin(),
            Self::ArcCosine => value.acos(),
            Self::ArcTangent => value.atan(),
        }
    }
}

/// Whether two numbers are the same, rounding to six places as graders do and the error of floating point apart.
pub(super) fn close(left: f64, right: f64) -> bool {
    if left.is_nan() || right.is_nan() {
        return false;
    }
    if left.is_infinite() || right.is_infinite() {
        return left.is_infinite() && right.is_infinite() && left.is_sign_positive() == right.is_sign_positive();
    }
    let size = left.abs().max(right.abs());
    (left - right).abs() <= (2e-6 * size).min(1e-6).max(8.0 * f64::EPSILON * size)
}

/// Whether two expressions have equal values wherever both have one.
pub(super) fn equal(left: &Expression, right: &Expression) -> bool {
    at_points(left, right).is_some_and(|values| values.iter().all(|(left, right)| close(*left, *right)))
}

/// Whether two expressions are zero at the same places because one is a multiple of the other; for sides of equations.
pub(super) fn proportional(left: &Expression, right: &Expression) -> bool {
    at_points(left, right).is_some_and(|values| {
        let ratios: Vec<f64> = values.iter().map(|(left, right)| left / right).collect();
        ratios.len() > 1 && ratios[0].abs() > 1e-9 && ratios.iter().all(|ratio| close(*ratio, ratios[0]))
    })
}

/// How many sample points have positive values for all variables; those after them have negative ones.
const POSITIVE: u32 = 8;

/// The values at sample points where both have one; `None` where there are too few to tell, or where only one of them has a value.
fn at_points(left: &Expression, right: &Expression) -> Option<Vec<(f64, f64)>> {
    let mut names = BTreeSet::new();
    left.variables(&mut names);
    right.variables(&mut names);
    if names.is_empty() {
        return Some(vec![(left.value(0), right.value(0))]);
    }
    let values = |points: RangeInclusive<u32>| points.map(|point| (left.value(point), right.value(point)));
    let have_values = |(left, right): &(f64, f64)| !left.is_nan() && !right.is_nan();
    let known: Vec<(f64, f64)> = values(1..=POSITIVE).filter(have_values).collect();
    let one_sided = values(1..=POSITIVE).any(|(left, right)| left.is_nan() != right.is_nan());
    // `|x|` and `x` differ below zero, where a root or a logarithm may have no value.
    let below = values(POSITIVE + 1..=POSITIVE + 4).filter(have_values);
    (known.len() >= 3 && !one_sided).then(|| known.iter().copied().chain(below).collect())
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

    fn sum(&mut self) -> Option<Expression> {
        if self.depth >= DEEPEST {
            return None;
        }
        self.depth += 1;
        let mut left = self.product()?;
        while let Some(operator @ ('+' | '-')) = self.peek() {
            self.at += 1;
            left = Expression::Operation(operator, Box::new(left), Box::new(self.product()?));
        }
        self.depth -= 1;
        Some(left)
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
            left = Expression::Operation(operator, Box::new(left), Box::new(right));
        }
    }

    fn signed(&mut self) -> Option<Expression> {
        let mut negative = false;
        while let Some(sign @ ('+' | '-')) = self.peek() {
            self.at += 1;
            negative ^= sign == '-';
        }
        let value = self.power()?;
        Some(if negative { Expression::Call(Function::Negative, Box::new(value)) } else { value })
    }

    fn power(&mut self) -> Option<Expression> {
        let mut base = self.atom()?;
        loop {
            match self.peek() {
                Some('!') => {
                    self.at += 1;
                    base = Expression::Call(Function::Factorial, Box::new(base));
                }
                Some('%') => {
                    self.at += 1;
                    base = Expression::Operation('/', Box::new(base), Box::new(Expression::Number(100.0)));
                }
                Some('^') => {
                    self.at += 1;
                    if self.depth >= DEEPEST {
                        return None;
                    }
                    self.depth += 1;
                    let power = self.signed()?;
                    self.depth -= 1;
                    return Some(Expression::Operation('^', Box::new(base), Box::new(power)));
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
                Some(Expression::Call(Function::Absolute, Box::new(inner)))
            }
            digit if digit.is_ascii_digit() || digit == '.' => self.number(),
            letter if letter.is_alphabetic() => self.name(),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Expression> {
        let start = self.at;
        while self.source.get(self.at).is_some_and(char::is_ascii_digit) {
            self.at += 1;
        }
        if self.source.get(self.at) == Some(&'.') && self.source.get(self.at + 1).is_some_and(char::is_ascii_digit) {
            self.at += 1;
            while self.source.get(self.at).is_some_and(char::is_ascii_digit) {
                self.at += 1;
            }
        }
        self.at += self.power_of_ten(start);
        self.source[start..self.at].iter().collect::<String>().parse().ok().map(Expression::Number)
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
                return Some(Expression::Number(value));
            }
        }
        if self.begins_with("root") {
            self.at += "root".len();
            let degree = self.group()?;
            let inner = self.group()?;
            let power = Expression::Operation('/', Box::new(Expression::Number(1.0)), Box::new(degree));
            return Some(Expression::Operation('^', Box::new(inner), Box::new(power)));
        }
        for (word, base) in [("log", 10.0), ("lg", 10.0), ("ln", std::f64::consts::E)] {
            if self.begins_with(word) {
                self.at += word.len();
                let base = if self.take('_').is_some() { self.atom()? } else { Expression::Number(base) };
                let logarithm = |inner| Expression::Call(Function::NaturalLogarithm, Box::new(inner));
                let inner = self.function_argument()?;
                return Some(Expression::Operation('/', Box::new(logarithm(inner)), Box::new(logarithm(base))));
            }
        }
        if let Some((word, function)) = FUNCTIONS.iter().find(|(word, _)| self.begins_with(word)) {
            self.at += word.len();
            // `sin^2 x` is the square of the sine.
            let power = if self.take('^').is_some() { Some(self.atom()?) } else { None };
            let value = Expression::Call(*function, Box::new(self.function_argument()?));
            return Some(match power {
                Some(power) => Expression::Operation('^', Box::new(value), Box::new(power)),
                None => value,
            });
        }
        let letter = self.peek()?;
        self.at += 1;
        let mut name = letter.to_string();
        if self.source.get(self.at) == Some(&'_') {
            self.at += 1;
            let index: String = match self.source.get(self.at)? {
                '(' => self.source[self.at..].iter().take_while(|character| **character != ')').chain(&[')']).collect(),
                character => character.to_string(),
            };
            self.at += index.chars().count();
            name.push_str(index.trim_matches(['(', ')']));
        }
        Some(if name == "e" { Expression::Number(std::f64::consts::E) } else { Expression::Variable(name) })
    }

    fn group(&mut self) -> Option<Expression> {
        self.take('(')?;
        let inner = self.sum()?;
        self.take(')')?;
        Some(inner)
    }

    /// A group, or factors that stand together up to the next function: `sin 2x cos y`.
    fn function_argument(&mut self) -> Option<Expression> {
        if self.depth >= DEEPEST {
            return None;
        }
        self.depth += 1;
        let argument = if self.peek() == Some('(') { self.power()? } else { self.factors()? };
        self.depth -= 1;
        Some(argument)
    }

    fn factors(&mut self) -> Option<Expression> {
        let mut value = self.power()?;
        while let Some(next) = self.peek() {
            let named = FUNCTIONS.iter().map(|(word, _)| *word).chain(["log", "ln", "lg", "root"]).any(|word| self.begins_with(word));
            if !next.is_alphabetic() || named {
                break;
            }
            value = Expression::Operation('*', Box::new(value), Box::new(self.power()?));
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(left: &str, right: &str) -> bool {
        match (Expression::parse(left), Expression::parse(right)) {
            (Some(left), Some(right)) => equal(&left, &right),
            _ => false,
        }
    }

    #[test]
    fn equal_expressions_are_found() {
        for (left, right) in [
            ("(x+1)^2", "x^2+2x+1"),
            ("sin^2 x + cos^2 x", "1"),
            ("2sqrt(3)", "sqrt(12)"),
            ("1/sqrt(2)", "sqrt(2)/2"),
            ("log_2 8", "3"),
            ("5!", "120"),
            ("root(3)(27)", "3"),
            ("-2^2", "-4"),
            ("a_1 b", "b*a_1"),
            ("sin 2x", "2 sin x cos x"),
            ("0.333333", "1/3"),
            ("e^(ln x)", "x"),
            ("|-x|", "|x|"),
            ("sqrt(x) sqrt(y)", "sqrt(xy)"),
        ] {
            assert!(same(left, right), "{left} = {right}");
        }
    }

    #[test]
    fn different_expressions_are_told_apart() {
        for (left, right) in [
            ("|x|", "x"),
            ("x+1", "x+2"),
            ("0.33", "1/3"),
            ("x^2", "2x"),
            ("sqrt(x)", "x"),
            ("1234567.5", "1234568"),
            ("0.0000001", "0.0000002"),
            ("3 4", "12"),
            ("2+", "2"),
        ] {
            assert!(!same(left, right), "{left} and {right}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_or_takes_for_ever(text in r"[-+*/^!%()|_ a-ex0-9.\u{221e}]{0,120}") {
            if let Some(expression) = Expression::parse(&text) {
                equal(&expression, &expression);
            }
        }

        #[test]
        fn depth_is_bounded(count in 0usize..400, open in "[(^|]|-|sin|log|2\\^|\\(2/") {
            Expression::parse(&open.repeat(count));
        }
    }
}
