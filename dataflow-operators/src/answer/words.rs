//! Texts that are the same but for white space and, in words, the case of letters.

/// Whether two texts are the same but for white space and the case of words. Formulas keep their case: `R/r` is not `r/R`.
pub(super) fn same_text(left: &str, right: &str) -> bool {
    squeezed(left) == squeezed(right) || same_words(left, right)
}

/// A text without white space, but for a space between two digits: `1 2` is not `12`. An index that is a number may be written as such or behind the
/// letter: `H_2O` and `H2O`.
pub(super) fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let mut after_space = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_whitespace() {
            after_space = true;
            continue;
        }
        if after_space && character.is_ascii_digit() && squeezed.ends_with(|before: char| before.is_ascii_digit()) {
            squeezed.push(' ');
        }
        after_space = false;
        let is_index = character == '_'
            && characters.peek().is_some_and(char::is_ascii_digit)
            && squeezed.ends_with(|before: char| before.is_alphabetic() || before == ')');
        if !is_index {
            squeezed.push(character);
        }
    }
    squeezed
}

fn same_words(left: &str, right: &str) -> bool {
    let (mut left, mut right) = (pieces(left), pieces(right));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(left), Some(right)) if left == right || (is_word(left) && is_word(right) && left.to_lowercase() == right.to_lowercase()) => {}
            _ => return false,
        }
    }
}

/// The runs of letters and of digits of a text, and each other character that is no white space.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let belongs = |next: char| if first.is_alphabetic() { next.is_alphabetic() } else { first.is_ascii_digit() && next.is_ascii_digit() };
        let end = rest.char_indices().skip(1).find(|(_, next)| !belongs(*next)).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(piece)
    })
}

/// Whether letters are a word and no product of unknowns: three or more with a vowel among them, in small letters, in capitals or with a capital first.
/// `AaBb`, `TT` and `Co` are none; of the short ones only the commonest words are.
pub(super) fn is_word(letters: &str) -> bool {
    const SHORT: [&str; 7] = ["no", "of", "in", "on", "to", "at", "is"];
    let lower = letters.to_lowercase();
    let is_long = letters.chars().count() > 2
        && letters.chars().all(char::is_alphabetic)
        && lower.contains(|letter: char| !letter.is_ascii() || "aeiou".contains(letter));
    let mut rest = letters.chars();
    let begins_large = rest.next().is_some_and(char::is_uppercase);
    let (no_more, all_large) = (rest.clone().all(|letter| !letter.is_uppercase()), begins_large && rest.all(|letter| !letter.is_lowercase()));
    (is_long || SHORT.contains(&lower.as_str())) && (no_more || all_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_in_capitals_and_formulas_may_not() {
        for (left, right) in [("Yes", "YES"), ("no", "NO"), ("New York", "new york"), ("18 Apples", "18apples"), ("x is Even", "x is even"), ("H_2 O", "H2O")] {
            assert!(same_text(left, right), "`{left}` is `{right}`");
        }
        for (left, right) in
            [("R", "r"), ("mc^2", "MC^2"), ("TT", "tt"), ("Co", "CO"), ("AaBb", "aabb"), ("NaCl", "NACL"), ("sin X", "sin x"), ("1 2", "12"), ("10_2", "102")]
        {
            assert!(!same_text(left, right), "`{left}` is not `{right}`");
        }
    }
}
