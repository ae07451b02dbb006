//! Arithmetic and algebra in plain notation: tells whether two expressions are equal by their values, at sample points where they have variables.

mod number;
mod parser;
mod residue;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use self::number::Number;
pub(super) use self::parser::{is_function, is_name, is_of_an_angle};

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Number(Number),
    Variable(String),
    Call(Function, Box<Expression>),
    /// `+`, `-`, `*`, `/`, `^`, [`CHOOSE`], [`LARGER`] or [`SMALLER`] of two.
    Operation(char, Box<Expression>, Box<Expression>),
}

/// The operation of a binomial coefficient: in how many ways as many as the right side says are chosen out of the left side.
const CHOOSE: char = 'C';

/// The operations that give the larger and the smaller of two.
const LARGER: char = '∨';
const SMALLER: char = '∧';

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
    HyperbolicSine,
    HyperbolicCosine,
    HyperbolicTangent,
    ArcSine,
    ArcCosine,
    ArcTangent,
}

impl Expression {
    /// The names of its variables.
    pub(super) fn variable_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.variables(&mut names);
        names
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
        self.is_constant().then(|| self.value(0))
    }

    fn is_constant(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Variable(_) => false,
            Self::Call(_, inner) => inner.is_constant(),
            Self::Operation(_, left, right) => left.is_constant() && right.is_constant(),
        }
    }

    /// The value at a sample point; each variable has a value of its own there. What is too large for a floating point number is none, and not infinity.
    fn value(&self, point: u32) -> f64 {
        let bounded = |value: f64, is_bounded: bool| if is_bounded && value.is_infinite() { f64::NAN } else { value };
        match self {
            Self::Number(number) => number.value,
            Self::Variable(name) => {
                let hash = name.bytes().fold(0x811C_9DC5_u32 ^ point.wrapping_mul(0x9E37_79B9), |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
                // Half of the points are below one, where an arc sine has values, and half above, where roots of differences do.
                let share = f64::from(hash % 100_003) / 100_003.0;
                let value = if point.is_multiple_of(2) { 0.1 + 0.8 * share } else { 1.1 + 3.0 * share };
                if point > POSITIVE { -value } else { value }
            }
            Self::Call(function, inner) => {
                let inner = inner.value(point);
                bounded(function.apply(inner), inner.is_finite())
            }
            Self::Operation(operator, left, right) => {
                let (left, right) = (left.value(point), right.value(point));
                let value = match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    '/' => left / right,
                    &CHOOSE => binomial(left, right),
                    // Where one of two is no number, neither is the larger one.
                    &LARGER | &SMALLER if left.is_nan() || right.is_nan() => f64::NAN,
                    &LARGER => left.max(right),
                    &SMALLER => left.min(right),
                    // An odd root of a negative number is real.
                    _ if left < 0.0 && is_odd_root(right) => -(-left).powf(right),
                    _ => left.powf(right),
                };
                bounded(value, left.is_finite() && right.is_finite())
            }
        }
    }
}

/// The binomial coefficient; whole numbers that floating point holds are exact, since each step leaves one.
fn binomial(all: f64, chosen: f64) -> f64 {
    if chosen.fract() != 0.0 || !(0.0..=MOST_CHOSEN).contains(&chosen) {
        return f64::NAN;
    }
    (0..chosen as u32).map(f64::from).fold(1.0, |ways, step| ways * (all - step) / (step + 1.0))
}

/// The most steps in which a binomial coefficient is worked out.
const MOST_CHOSEN: f64 = 1000.0;

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
            Self::HyperbolicSine => value.sinh(),
            Self::HyperbolicCosine => value.cosh(),
            Self::HyperbolicTangent => value.tanh(),
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
    if left.is_constant() && right.is_constant() {
        return equal_constants(left, right);
    }
    at_points(left, right).is_some_and(|values| values.iter().all(|(left, right)| close(*left, *right)))
}

/// Floating point numbers tell numbers below this one apart.
const LARGE: f64 = 1e12;

fn equal_constants(left: &Expression, right: &Expression) -> bool {
    let (left_value, right_value) = (left.value(0), right.value(0));
    let is_told_apart = |value: f64| value != 0.0 && value.abs() < LARGE;
    if is_told_apart(left_value) && is_told_apart(right_value) {
        return close(left_value, right_value);
    }
    match (left.residue(), right.residue()) {
        (Some(left), Some(right)) => left == right,
        _ => close(left_value, right_value),
    }
}

/// By what one expression is a multiple of another at all sample points; for sides of equations.
pub(super) fn ratio(left: &Expression, right: &Expression) -> Option<f64> {
    let ratios: Vec<f64> = at_points(left, right)?.iter().map(|(left, right)| left / right).collect();
    let first = *ratios.first()?;
    (ratios.len() > 1 && first.is_finite() && first.abs() > 1e-9 && ratios.iter().all(|ratio| close(*ratio, first))).then_some(first)
}

/// How many sample points have positive values for all variables; those after them have negative ones.
const POSITIVE: u32 = 8;

/// The values at sample points where both have one; `None` where there are too few to tell, or where only one of them has a value.
fn at_points(left: &Expression, right: &Expression) -> Option<Vec<(f64, f64)>> {
    let mut names = BTreeSet::new();
    left.variables(&mut names);
    right.variables(&mut names);
    let values = |points: RangeInclusive<u32>| points.map(|point| (left.value(point), right.value(point)));
    let have_values = |(left, right): &(f64, f64)| !left.is_nan() && !right.is_nan();
    let known: Vec<(f64, f64)> = values(1..=POSITIVE).filter(have_values).collect();
    let one_sided = values(1..=POSITIVE).any(|(left, right)| left.is_nan() != right.is_nan());
    // `|x|` and `x` differ below zero, where a root or a logarithm may have no value.
    let below = values(POSITIVE + 1..=POSITIVE + 4).filter(have_values);
    (known.len() >= 3 && !one_sided).then(|| known.iter().copied().chain(below).collect())
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
            ("sin^-1 x", "arcsin x"),
            ("tan^(-1)(3)", "arctan 3"),
            ("binom(7)(2)", "21"),
            ("binom(2020)(2)", "2020*2019/2"),
            ("binom(2020)(2018)", "2020*2019/2"),
            ("max (3, 4)", "4"),
            ("2min⦃5, 3, 4⦄ + 1", "7"),
            ("max(a, b)", "max(b, a)"),
            ("max(x, -x)", "|x|"),
            ("binom(60)(30)", "60!/(30!*30!)"),
            ("binom(n)(2)", "n(n-1)/2"),
            ("binom(binom(5)(2))(3)", "120"),
            ("0.333...", "1/3"),
            ("0.1666...", "1/6"),
            ("0.⟨3⟩", "1/3"),
            ("0.1⟨6⟩", "1/6"),
            ("0.⟨1⟩4285⟨7⟩", "1/7"),
            ("3.14159...", "3.14159"),
            ("2^100", "1267650600228229401496703205376"),
            ("2^2001 - 1", "2*2^2000 - 1"),
            ("2019!", "2019*2018!"),
            ("1e999", "10^999"),
            ("10^-400", "1/10^400"),
            ("a_10", "a_(10)"),
            ("a_1 b", "b*a_1"),
            ("sin 2x", "2 sin x cos x"),
            ("0.333333", "1/3"),
            ("e^(ln x)", "x"),
            ("cosh^2 x - sinh^2 x", "1"),
            ("tanh x", "(e^x-e^(-x))/(e^x+e^(-x))"),
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
            ("sin^-1 x", "1/sin x"),
            ("sinh x", "sin x"),
            ("2^100", "2^100 + 1"),
            ("2^2001", "2^2000"),
            ("1e999", "1e998"),
            ("2^-2000", "3^-2000"),
            ("0.333", "0.333..."),
            ("0.⟨3⟩", "0.⟨30⟩"),
            ("2000!", "2001!"),
            ("max(3, 4)", "3"),
            ("max(a, b)", "min(a, b)"),
            ("min(x, 1)", "1"),
            ("binom(2000)(1000)", "binom(2000)(1001)"),
        ] {
            assert!(!same(left, right), "{left} and {right}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_or_takes_for_ever(text in r"(?:[-+*/^!%()|_ a-ex0-9.⟨⟩\u{221e}]|binom\(|\)\(|sin|log_){0,120}") {
            if let Some(expression) = Expression::parse(&text) {
                equal(&expression, &expression);
            }
        }

        #[test]
        fn depth_is_bounded(count in 0usize..400, open in "[(^|]|-|sin|log|2\\^|\\(2/|sin\\^|log_|binom\\(|binom\\(2\\)\\(|max\\(|min\\(1,") {
            prop_assert!(Expression::parse(&open.repeat(count)).is_none());
        }

        #[test]
        fn a_tree_is_no_larger_than_its_text(count in 1usize..30, piece in "binom\\(|max\\(1,|sin\\(|log_x\\(|root\\(2\\)\\(|2\\^\\(") {
            let close = if piece == "binom(" { ")(1)" } else { ")" };
            let text = format!("{}5{}", piece.repeat(count), close.repeat(count));
            let nodes = |expression: &Expression| format!("{expression:?}").matches('(').count();
            prop_assert!(Expression::parse(&text).is_some_and(|read| nodes(&read) <= text.len()), "{text}");
        }
    }
}
