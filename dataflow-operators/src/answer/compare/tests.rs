//! Pairs of answers that are the same, and that are not.

use super::answers_match;
use proptest::prelude::*;

#[test]
fn the_same_answer_in_another_form_matches() {
    for (answer, reference) in [
        ("42", "42.0"),
        ("1,234,567", "1234567"),
        (r"\frac{1}{2}", "0.5"),
        (r"3\frac{1}{2}", "7/2"),
        ("3 1/2", "3.5"),
        ("50%", "50"),
        (r"12.5\%", "12.5 percent"),
        ("1e3", "1000"),
        ("1.5E-3", "0.0015"),
        ("1e-7", "0.0000001"),
        ("2e-05 m", "0.00002"),
        ("2e-3", "-3+2e"),
        (r"1\,000", "1000"),
        ("12 000 km", "12000"),
        (r"\$18", "18"),
        ("18 dollars", "18"),
        (r"5\text{ cm}", "5"),
        ("30 m/s", "30"),
        (r"90^\circ", "90"),
        (r"2\sqrt{3}", r"\sqrt{12}"),
        (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
        (r"\frac{\pi}{4}", "pi/4"),
        ("x = 5", "5"),
        ("2 + 3 = 5", "5"),
        (r"\left(1, \frac{1}{2}\right)", "(1, 0.5)"),
        (r"\{3, 1, 2\}", "1, 2, 3"),
        ("x = 1 or x = -2", "-2, 1"),
        (r"\pm 2", "2, -2"),
        (r"(-\infty, 3] \cup [5, \infty)", r"[5,\infty)\cup(-\infty,3]"),
        (r"x \in [1, 2)", "[1,2)"),
        ("(x+1)(x-1)", "x^2 - 1"),
        ("2x + 4y = 6", "x + 2y = 3"),
        ("x > 3", "3 < x"),
        (r"1 \leq x < 2", "1<=x<2"),
        ("(B)", "B"),
        (r"\text{(C)}", "C"),
        ("(D) 17", "D"),
        ("D. 17", "D"),
        ("Yes", "yes"),
        (r"\text{even}", "even"),
        ("two", "2"),
        ("一半", "一半"),
        ("１２", "12"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{bmatrix}1&\frac{4}{2}\\3&4\end{bmatrix}"),
        ("123456789012345678901234567890", "123,456,789,012,345,678,901,234,567,890"),
        (r"{5}", "5"),
        ("10^{3}", "1000"),
        ("3人", "3"),
        ("5万", "50000"),
        (r"\$5 million", "5,000,000"),
        ("3亿元", "300000000"),
        ("3千米", "3"),
        ("x = 1 and y = 2", "x = 1, y = 2"),
        ("the area = 6", "6"),
        ("f(2) = 7", "7"),
        ("|-x|", "|x|"),
        (r"1,\! 234", "1234"),
        (r"0.\overline{3}", "1/3"),
        (r"0.\dot{1}4285\dot{7}", "1/7"),
        ("0.333...", "1/3"),
        (r"12\textnormal{ miles}", "12"),
        (r"5\text{ cm}^2", "5"),
        ("5 square centimeters", r"5\,\mathrm{cm}^{2}"),
        ("5平方厘米", "5 cm^2"),
        (r"9\pi\text{ cm}^2", r"9\pi"),
        ("2:30 p.m.", "2:30"),
        ("3 to 2", "3:2"),
        (r"3 \colon 2", "3:2"),
        (r"{1 \over 2}", "1/2"),
        (r"\\frac{1}{2}", "0.5"),
        (r"\binom{5}{2}", "10"),
        ("2^{2001} - 1", r"2 \cdot 2^{2000} - 1"),
        ("2**10", "1024"),
        (r"\tan^{-1} 3", r"\arctan 3"),
        ("(1011)_{2}", "1011_2"),
        (r"-2 \le x < 7", "[-2, 7)"),
        ("x > 3", r"(3, \infty)"),
        (r"x \neq 3", r"(-\infty, 3) \cup (3, \infty)"),
        ("x < 1 or x > 3", r"(-\infty, 1) \cup (3, \infty)"),
        (r"\{x \mid 1 < x \le 2\}", "(1, 2]"),
        ("{1, 2}", r"\{2, 1\}"),
        ("-x > -1", "x < 1"),
        ("(x, y) = (3, 2)", "(3, 2)"),
        ("P(3, 2)", "(3, 2)"),
        ("x = 3, y = 2", "(3, 2)"),
        (r"\begin{cases} y = 2 \\ x = 3 \end{cases}", "(3, 2)"),
        ("(1,2)or(2,1)", "(2,1), (1,2)"),
        ("|AB| = 1", "1"),
        (r"\frac{AB}{CD} = \frac{1}{2}", "0.5"),
        (r"\approx 12", "12"),
        (r"x \approx 12", "12"),
        (r"9\pi \approx 28.27", r"9\pi"),
        (r"9\pi \approx 28.27", "28.27"),
        (r"\left[\begin{array}{cc}1 & 2\\3 & 4\end{array}\right]", r"\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}"),
        ("Option B", "B"),
        ("选B", "(B)"),
        ("A, C", "AC"),
        ("x = 2 + 3 = 5", "x = 5"),
        ("x = 5 ≈ 5.1", "x = 2 + 3 = 5"),
        ("“even”", "even"),
        (r"\infty", "infinity"),
        (r"\cos\theta", "cos θ"),
        (r"\{\}", r"\emptyset"),
        ("{x|1<x<3}", "(1, 3)"),
        ("5N", "5"),
        ("1.5 x 10^3", "1500"),
        (r"\arcsin x", r"\sin^{-1} x"),
    ] {
        assert!(answers_match(answer, reference), "`{answer}` is `{reference}`");
        assert!(answers_match(reference, answer), "`{reference}` is `{answer}`");
    }
}

#[test]
fn another_answer_does_not_match() {
    for (answer, reference) in [
        ("41", "42"),
        ("14", "4"),
        ("0.33", "1/3"),
        ("-5", "5"),
        ("(2, 1)", "(1, 2)"),
        ("[1, 2]", "[1, 2)"),
        ("1, 2", "1, 2, 3"),
        ("1, 1", "1, 2"),
        ("5x", "5"),
        ("5 cm", "5 kg"),
        ("1, 234", "1234"),
        ("1 2", "12"),
        ("1 234/2", "617"),
        (r"5\%", "0.05"),
        ("50%", "1/2"),
        ("1e3", "13"),
        ("2e3", "2e"),
        ("D. 17", "E"),
        ("A", "B"),
        ("no", "on"),
        ("x > 3", "x < 3"),
        ("x > 3", "y > 3"),
        ("2x > 6", "x > 6"),
        ("-x < 3", "x < 3"),
        ("x^2 > 4", "x > 4"),
        ("x^2 > 4", "(4, \\infty)"),
        ("1 < x < 2", "1 < y < 2"),
        ("x < 1 or y > 3", r"(-\infty, 1) \cup (3, \infty)"),
        ("x + y = 3", "x - y = 3"),
        ("123456789012345678901234567891", "123456789012345678901234567890"),
        ("", "5"),
        ("5", ""),
        (r"\sqrt{2}", "1.41"),
        ("yes", "no"),
        ("5万", "5"),
        ("5 million dollars", "5"),
        ("5 million", "5 billion"),
        ("2x = 6", "6"),
        ("x^2 = 9", "9"),
        ("x > 3 or x < 1", "x > 3 and x < 1"),
        ("|x|", "x"),
        ("0.33", r"0.\overline{3}"),
        ("(1, 234)", "1234"),
        ("1, 5", "1.5"),
        (r"5\text{ cm}^2", r"5\text{ cm}^3"),
        ("5 m", "5 cm"),
        ("2:30 am", "2:30 pm"),
        ("2^{100}", "2^{100} + 1"),
        ("2^{2000}", "2^{2001}"),
        ("1e999", "1e998"),
        (r"\sin^{-1} x", r"\frac{1}{\sin x}"),
        ("1011_2", "1011_3"),
        (r"-2 \le x \le 7", "[-2, 7)"),
        ("x > 3", r"[3, \infty)"),
        ("x > 3", "3"),
        ("x < 1 and x > 3", r"(-\infty, 1) \cup (3, \infty)"),
        ("-x > -1", "x > 1"),
        ("x = 3, y = 2", "(2, 3)"),
        ("7 = 11a + c", "11a + c"),
        ("|x| = 3", "3"),
        (r"9\pi \approx 28.27", "28"),
        ("A, C", "AD"),
        ("CAB", "BAC"),
        ("n!", "n"),
        ("2n", "2"),
        ("2A", "2"),
        ("x = 2 + 3 = 5", "y = 5"),
        ("2θ", "2"),
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    ] {
        assert!(!answers_match(answer, reference), "`{answer}` is not `{reference}`");
        assert!(!answers_match(reference, answer), "`{reference}` is not `{answer}`");
    }
}

#[test]
fn an_answer_may_name_what_it_gives_and_an_equation_is_no_number() {
    assert!(answers_match("m + n = 5", "5"));
    assert!(!answers_match("5", "m + n = 5"));
    assert!(!answers_match("x^2 = 5", "5"));
}

#[test]
fn what_is_long_or_deep_is_still_told_apart() {
    for piece in ["(", "[", "1,", "x=", "5%", "m/s ", "±", "∪", "-", "|", "sin", "2^", "x_"] {
        let left = piece.repeat(900);
        let right = format!("{left}7");
        assert!(answers_match(&left, &left) || !left.contains(char::is_alphanumeric), "{piece}");
        assert!(!answers_match(&left, &right) && !answers_match(&right, &left), "{piece}");
    }
}

/// Short answers, of which many are the same.
const ITEM: &str =
    r"[-±]?(?:[12](?:\.0| 1/2|%| cm|x|a)?|x|A|\(A\) ?1|\(1, ?[12]\)|\{1, ?[12]\}|[12], ?[12]|x [<>] 1|1 < x|two|\\frac\{1\}\{2\}|x \\in \[1, 2\])";

proptest! {
    #[test]
    // Only an equation may tell more than what it is compared with.
    fn without_an_equation_neither_of_two_is_right_of_itself(left in r"[\\{}()\[\]⦃⟦frac,;<>±∪%a-e0-9. 人]{0,60}", right in r"[-\\{}(),<>±a-e0-9. ]{0,60}") {
        prop_assert_eq!(answers_match(&left, &right), answers_match(&right, &left));
    }

    #[test]
    fn what_is_the_same_in_small_is_the_same_both_ways(left in ITEM, right in ITEM) {
        prop_assert_eq!(answers_match(&left, &right), answers_match(&right, &left), "`{}` and `{}`", left, right);
    }

    #[test]
    fn no_two_texts_panic(left in r"[\\{}()\[\]⦃⟦frac,;=<>±∪%a-e0-9. 人]{0,60}", right in r"[-\\{}(),=<>±a-e0-9. ]{0,60}") {
        // What says nothing is no answer.
        prop_assert!(!answers_match(&left, "") && !answers_match("", &right));
        answers_match(&left, &right);
    }

    #[test]
    fn an_answer_is_itself(text in r"[a-z0-9]{1,20}") {
        prop_assert!(answers_match(&text, &text));
    }
}

/// Checks pairs that are the same, and pairs that are not, both ways round.
pub(in super::super) fn check(same: &[(&str, &str)], different: &[(&str, &str)]) {
    for (left, right) in same {
        assert!(answers_match(left, right), "`{left}` is `{right}`");
        assert!(answers_match(right, left), "`{right}` is `{left}`");
    }
    for (left, right) in different {
        assert!(!answers_match(left, right), "`{left}` is not `{right}`");
        assert!(!answers_match(right, left), "`{right}` is not `{left}`");
    }
}

#[test]
fn what_stands_before_a_membership_counts() {
    check(
        &[
            (r"x=k\pi, k\in\mathbb{Z}", r"x = k\pi\ (k\in\mathbb{Z})"),
            (r"x=k\pi, k\in\mathbb{Z}", r"k\pi"),
            (r"x=k\pi, k\in\mathbb{Z}", r"x=k\pi\quad k\in\mathbb Z"),
            (r"x=k\pi, k\in\mathbb{Z}", r"\{x \mid x = k\pi, k \in Z\}"),
            (r"k\pi, k\in\mathbb{Z}", r"\{k\pi \mid k \in \mathbb{Z}\}"),
            (r"f(x)=x \text{ for all } x\in\mathbb{R}", "f(x) = x"),
            ("a_n=2n-1(n∈N*)", r"a_n = 2n - 1, n \in N*"),
            (r"x \in (0,1)", "0<x<1"),
            (r"x \in (0,1)", r"\{x \in \mathbb{R} \mid 0<x<1\}"),
            (r"x \in \{1,2\}", "x=1 or x=2"),
            (r"x \in (-\infty, 1) \cup (3, \infty)", "x < 1 or x > 3"),
            (r"\mathbb{R}", r"x \in \mathbb R"),
            (r"x \notin \{1,2\}", r"x \not\in \{1,2\}"),
        ],
        &[
            (r"x=k\pi, k\in\mathbb{Z}", r"x=2k\pi, k\in\mathbb{Z}"),
            (r"x=k\pi, k\in\mathbb{Z}", r"x=k\pi+\frac{\pi}{2}, k\in\mathbb{Z}"),
            (r"x=k\pi, k\in\mathbb{Z}", r"k\in\mathbb{Z}"),
            (r"x=k\pi, k\in\mathbb{Z}", r"x=k\pi, k\in\mathbb{N}"),
            ("x=kπ(k∈Z)", "x=2kπ(k∈Z)"),
            ("a_n=2n-1(n∈N*)", "a_n=2n+1(n∈N*)"),
            (r"[k\pi-\frac{\pi}{3}, k\pi+\frac{\pi}{6}](k\in\mathbb{Z})", r"[k\pi-\frac{\pi}{6}, k\pi+\frac{\pi}{3}](k\in\mathbb{Z})"),
            (r"f(x)=2x, x\in[0,1]", r"f(x)=3x, x\in[0,1]"),
            (r"f(x)=x \text{ for all } x\in\mathbb{R}", r"f(x)=-x \text{ for all } x\in\mathbb{R}"),
            (r"(3k,4k), k\in\mathbb{Z}", r"(2k,5k), k\in\mathbb{Z}"),
            (r"\{k\pi \mid k \in Z\}", r"\{2k\pi \mid k \in Z\}"),
            (r"x \in (0,1)", r"y\in(0,1)"),
            (r"x \in (0,1)", "0<y<1"),
            (r"x \in (0,1)", r"2x\in(0,1)"),
            (r"x \in \{1,2\}", "y=1 or y=2"),
            ("x>3", r"y\in(3,\infty)"),
            (r"\mathbb{R}", r"f(x)=x+1, x\in\mathbb{R}"),
            (r"x \notin \{1,2\}", r"x \in \{1,2\}"),
            (r"P \in AB, 5", r"Q \in AB, 5"),
        ],
    );
}

#[test]
fn words_may_be_in_capitals_and_formulas_may_not() {
    check(
        &[("Yes", "YES"), ("NO", "no"), ("TRUE", "true"), ("PARIS", "Paris"), ("b", "B"), ("New York", "new york"), ("5 KG", "5 kg")],
        &[
            (r"\frac{r}{R}", r"\frac{R}{r}"),
            ("R^2", "r^2"),
            ("x+Y", "x+y"),
            ("mc^2", "MC^2"),
            (r"\Delta", r"\delta"),
            (r"\Omega", r"\omega"),
            ("AaBb", "aabb"),
            ("TT", "tt"),
            ("Co", "CO"),
            ("x>3", "X>3"),
            ("2A", "2a"),
            ("R = 5", "r = 5"),
        ],
    );
}

#[test]
fn a_comma_in_a_list_is_none_of_a_number() {
    check(
        &[("1,234", "1234"), ("(5,100)", "5<x<100"), ("1,2", "2, 1")],
        &[("1,2", "1.2"), ("3,4", "3.4"), ("-1,2", "-1.2"), ("(2,100)", "2100"), ("(12,144)", "12144"), ("(1,234)", "1,234")],
    );
}

#[test]
fn conditions_side_by_side_all_hold() {
    check(
        &[("a>0, b>0", "a>0 and b>0"), ("x=1, x=2", "x=1 or x=2"), ("1, 2", "1 or 2"), ("1 and 2", "1 or 2")],
        &[("a>0, b>0", "a>0 or b>0"), ("x > 3 and x < 5", "x > 3 or x < 5")],
    );
}

#[test]
fn names_and_marks_count_where_both_have_one() {
    check(
        &[
            ("AB = 5", "5"),
            (r"\angle A = 30^\circ", "30"),
            (r"\sin A = \frac{3}{5}", "3/5"),
            ("x_1=3, x_2=-2", "x=-2 or x=3"),
            ("a=2, b=3", "2, 3"),
            (r"x = n\pi, n\in\mathbb{Z}", r"x = k\pi, k\in\mathbb{Z}"),
            (r"\mathbb{R}", r"(-\infty, +\infty)"),
            ("$5", "5 dollars"),
            (r"30^\circ", "30 degrees"),
            ("50%", "50 percent"),
            ("x = 5", "2 + 3 = 5"),
            ("P(X=1) = 0.5", "1/2"),
            (r"\{(1,2)\}", "(1,2)"),
            (r"\{x \in \mathbb{R} : x \ne 1\}", r"x \neq 1"),
        ],
        &[
            ("AB = 5", "BC = 5"),
            (r"\angle A = 30^\circ", r"\angle B = 30^\circ"),
            ("pH = 7", "pOH=7"),
            (r"\log x = 5", "5"),
            (r"\sqrt{x} = 5", "5"),
            ("x_1=3, x_2=-2", "x_1=-2, x_2=3"),
            ("a=2, b=3", "3, 2"),
            (r"x = 2n\pi, n\in\mathbb{Z}", r"x = k\pi, k\in\mathbb{Z}"),
            (r"x = n\pi, n\in\mathbb{N}", r"x = k\pi, k\in\mathbb{Z}"),
            (r"\theta = 30^\circ", "30 radians"),
            ("$5", "5%"),
            ("x = 5", "2 + 4 = 6"),
            ("100! + 1", "1"),
            (r"x \not> 3", "x > 3"),
            ("500 nm", "500%"),
            ("P(X=1) = 0.5", "P(X=2) = 0.5"),
            (r"\{(1,2)\}", "(2,1)"),
            (r"50\%", r"\$50"),
        ],
    );
}

#[test]
fn numbers_are_read_with_the_words_that_belong_to_them() {
    check(
        &[
            ("-12", "minus 12"),
            ("-12", "negative twelve"),
            ("-3", "负3"),
            ("3", "三"),
            (r"\frac{2}{3}", "三分之二"),
            ("5", "5 minus 0"),
            ("1 hour", "one hour"),
            ("twelve eggs", "12"),
            ("18 hundred", "1800"),
            ("two and a half", "2.5"),
            ("-2.5", "minus two and a half"),
            ("one half", r"\frac{1}{2}"),
            ("three quarters", "0.75"),
            (r"\text{two thirds}", "2/3"),
            ("one and a half hours", "1.5 hours"),
            ("a hundred", "100"),
            ("two point five", "2.5"),
            ("三点五", "3.5"),
        ],
        &[
            ("18", "18 million"),
            ("18", "18 hundred"),
            ("18", "18万"),
            ("18", "18千"),
            ("18", r"18 \text{ million}"),
            ("12", "minus 12"),
            ("3", "负3"),
            ("2", "two thirds"),
            ("2", "two and a half"),
            ("5", "two point five"),
            ("1", "a hundred"),
            ("1/3", "the third"),
            ("20/3", "twenty third"),
            ("1 hour", "one and a half hours"),
        ],
    );
}

#[test]
fn what_only_shows_in_print_is_left_out() {
    for answer in [
        r"\text{Total: }18",
        "Answer: 18",
        r"18 \text{ (dollars)}",
        r"18\ \text{(dollars)}",
        r"\color{red}{18}",
        r"\color{blue}18",
        r"\textcolor{red}{18}",
        r"\bf 18",
        r"{\rm 18}",
        r"\large 18",
        r"\Large{18}",
        r"\underline{18}",
        r"\phantom{0}18",
        r"18\\",
        r"18\hspace{1mm}",
        "[18]",
    ] {
        check(&[(answer, "18")], &[(answer, "19")]);
    }
    check(&[("3 (ab)", "3(ab)"), ("2, 3, 5", "[5, 3, 2]"), (r"3\pmod{5}", r"3 \pmod 5")], &[("dog: 18", "cat: 18"), ("2 (ab)", "2"), ("2, 3", "[2, 3]")]);
}

#[test]
fn raised_and_lowered_digits_and_units_have_many_forms() {
    check(
        &[
            ("1.6×10⁻¹⁹", r"1.6\times 10^{-19}"),
            ("6.02 × 10²³", "6.02e23"),
            ("⅔", r"\frac{2}{3}"),
            ("2½", "2.5"),
            ("H₂O", "H_2O"),
            ("H2O", "H_2O"),
            ("2 m/s", "2 m s^{-1}"),
            ("2 m/s", "2 meters per second"),
            ("10 N", "10 newtons"),
            ("25 °C", "25 degrees Celsius"),
            ("3∶4", "3比4"),
            ("3{:}4", "3:4"),
            ("x>3", "x＞3"),
            ("2 hours 30 minutes", "2 hours and 30 minutes"),
            ("2 hours 30 minutes", "2 h 30 min"),
            ("①③④", "①、③、④"),
        ],
        &[
            ("10⁻³", "10^3"),
            ("H_2O", "HO_2"),
            ("2 m/s", "2 m s"),
            ("25 °C", "25 °F"),
            ("2 hours 30 minutes", "2 hours 20 minutes"),
            ("2 hours 30 minutes", "30 hours 2 minutes"),
        ],
    );
}

#[test]
fn times_of_day_are_compared_by_the_clock() {
    check(
        &[("10 a.m.", "10:00 AM"), ("9:00 AM", "9 AM"), ("3:30", "3:30 PM"), ("15:30", "3:30 p.m."), ("12 pm", "12:00"), ("10", "10 AM")],
        &[("3:30 PM", "3:30 AM"), ("3:30", "3:31 PM"), ("12 am", "12 pm"), ("16:30", "3:30 PM"), ("3:30", "4:30")],
    );
}

#[test]
fn a_statement_of_a_value_is_an_answer_as_a_whole() {
    for answer in ["AB = 5", "BC = 5 cm", "pOH=7", r"\angle B = 30^\circ", "3:30 AM", "18 million", "18万", r"y \in (0,1)", r"x = k\pi, k \in Z"] {
        assert!(super::is_answer(answer), "{answer}");
    }
    for prose in ["So it is 5", "the total is 5", "x is in (0, 1)"] {
        assert!(!super::is_answer(prose), "{prose}");
    }
}

#[test]
fn no_name_of_a_function_is_a_unit() {
    for formula in [r"2\gcd(a,b)", r"2\max(a,b)", "2 max(a,b)", r"2\lfloor x\rfloor", r"2\sum x", r"2\mathrm{tr}(A)"] {
        assert!(!answers_match(formula, "2") && !answers_match("2", formula) && answers_match(formula, formula), "{formula}");
    }
    let functions =
        [r"\sin", r"\cot", r"\sec", r"\csc", r"\lg", r"\ln", r"\exp", r"\arcsin", r"\sinh", r"\tanh", r"\arg", r"\det", r"\nabla", r"\operatorname{Re}"];
    for function in functions {
        for argument in ["x", r"\theta", "2x"] {
            let answer = format!("2{function} {argument}");
            check(&[(&answer, &answer)], &[(&answer, "2"), (&answer, &format!("3{function} {argument}"))]);
        }
    }
    check(
        &[("5 sec", "5"), ("5 sec", "5 s"), ("5 seconds", "5 sec"), ("5 m/sec", "5 m/s"), (r"5\text{ sec}", "5"), ("5 μm", "5"), ("5μm", "5")],
        &[("5 sec", "5 min"), ("2sinθ", "2"), ("2 sinθ", "2"), ("5μ", "5"), (r"\exp(x) = 5", "5"), (r"|x| = 3", "3")],
    );
}
