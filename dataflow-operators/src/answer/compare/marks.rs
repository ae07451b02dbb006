//! Marks that say what a number is one of, and that plain notation leaves out.

/// What a mark says that a number is one of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Money(Currency),
    Percent,
    Degrees,
    Radians,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Currency {
    Dollar,
    Euro,
    Pound,
    /// Of yen and yuan, which share their sign, the words are compared as units.
    YenOrYuan,
}

/// The words of currencies that a text may end with, `美元` before `元`.
const CURRENCIES: [(&[&str], Currency); 4] = [
    (&["dollar", "dollars", "usd", "美元"], Currency::Dollar),
    (&["euro", "euros", "eur", "欧元"], Currency::Euro),
    (&["pound", "pounds", "gbp", "英镑"], Currency::Pound),
    (&["元", "yuan", "rmb", "yen", "日圆"], Currency::YenOrYuan),
];

/// Whether two answers have marks that contradict each other: `$5` and `5%`, `$5` and `€5`, `30°` and `30 radians`.
pub(super) fn marks_contradict(answer: &str, reference: &str) -> bool {
    matches!((mark(answer), mark(reference)), (Some(answer), Some(reference)) if answer != reference)
}

fn mark(text: &str) -> Option<Mark> {
    let text = text.trim();
    if let Some(currency) = currency_of_sign(text) {
        return Some(Mark::Money(currency));
    }
    let end = text.trim_end_matches(['$', '}', ')', ' ', '.']);
    let ends_with = |marks: &[&str]| marks.iter().any(|mark| end.ends_with(mark));
    if ends_with(&["%", "percent"]) {
        Some(Mark::Percent)
    } else if ends_with(&["°", "\\circ", "\\degree", "degree", "degrees"]) {
        Some(Mark::Degrees)
    } else if ends_with(&["radian", "radians", " rad"]) {
        Some(Mark::Radians)
    } else {
        let named = |(words, _): &&(&[&str], Currency)| words.iter().any(|word| ends_with_word(end, word));
        CURRENCIES.iter().find(named).map(|(_, currency)| Mark::Money(*currency))
    }
}

/// Whether a text ends with a word in any letter case, and not with a longer one: `5 pounds`, `5 USD`; not `a compound`.
fn ends_with_word(text: &str, word: &str) -> bool {
    text.len().checked_sub(word.len()).filter(|at| text.is_char_boundary(*at)).is_some_and(|at| {
        let (before, end) = text.split_at(at);
        end.eq_ignore_ascii_case(word) && !(word.is_ascii() && before.ends_with(char::is_alphabetic))
    })
}

fn currency_of_sign(text: &str) -> Option<Currency> {
    let signs = [('€', Currency::Euro), ('£', Currency::Pound), ('¥', Currency::YenOrYuan), ('￥', Currency::YenOrYuan)];
    let sign = || signs.into_iter().find(|(sign, _)| text.contains(*sign)).map(|(_, currency)| currency);
    // A dollar that is not closed is no sign of a formula.
    let text = text.strip_prefix("US").unwrap_or(text);
    let open = text.strip_prefix("\\$").or_else(|| text.strip_prefix('$').filter(|rest| !rest.contains('$')));
    let is_dollar = open.is_some_and(|rest| rest.trim_start().starts_with(|first: char| first.is_ascii_digit()));
    if is_dollar { Some(Currency::Dollar) } else { sign() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn currencies_are_told_apart_where_both_have_one() {
        check(
            &[("€5", "5"), ("$5$", "€5"), ("€5", r"\text{€}5"), ("5 €", "5 euros"), ("£5", "5 pounds"), ("¥5", "5元"), ("¥5", "5 yen"), ("5 GBP", "£5")],
            &[
                ("$5", "€5"),
                (r"\$5", "£5"),
                ("€5", "5 dollars"),
                ("$5", "5 euros"),
                ("¥5", "5美元"),
                ("5元", "5 dollars"),
                ("5 EUR", "5 USD"),
                ("5 Pounds", "$5"),
            ],
        );
    }
}
