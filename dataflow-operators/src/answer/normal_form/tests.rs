//! What answers look like in plain notation.

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
        r"1,\! 234,\!567",
        r"{1 \over 2}",
        r"{5 \choose 2}",
        r"\\frac{1}{2}",
        r"1011_{2} + (1011)_{2} + x_{n+1}",
        r"0.1\overline{6}",
        "0.1666…",
        "{1, 2}",
        r"\begin{cases} x = 1, \\ y = 2 \end{cases}",
        r"12\textnormal{ cm}^2",
        "x**2",
        "“even”",
        "{x|x > 2}",
        r"\theta + β",
        r"\{\}",
        "1.5 x 10^3",
        "3 to 2",
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
    1,234,567
    (((1 )/( 2)))
    ( binom(5 )( 2))
    (((1))/((2)))
    1011_2 + 1011_2 + x_(n+1)
    0.1⟨6⟩
    0.1666...
    ⦃1, 2⦄
    x = 1, y = 2
    12 cm^2
    x^2
    even
    ⦃x|x > 2⦄
    θ + β
    ∅
    1.5 * 10^3
    3:2
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
