//! The brackets of the plain notation, which need not be closed by one of their kind: `[1, 2)`.

/// By how much a bracket nests deeper.
fn nesting(character: char) -> i32 {
    match character {
        '(' | '[' | '⦃' | '⟦' => 1,
        ')' | ']' | '⦄' | '⟧' => -1,
        _ => 0,
    }
}

/// The characters of a text, where each begins, and how many brackets are open behind it.
pub(super) fn with_depth(text: &str) -> impl Iterator<Item = (usize, char, i32)> {
    text.char_indices().scan(0, |depth, (at, character)| {
        *depth += nesting(character);
        Some((at, character, *depth))
    })
}

/// Whether as many brackets are closed as are opened.
pub(super) fn are_closed(text: &str) -> bool {
    text.chars().map(nesting).sum::<i32>() == 0
}

/// The brackets round the whole of a text, and what they hold.
pub(super) fn bracketed(text: &str) -> Option<(char, &str, char)> {
    let (open, close) = (text.chars().next()?, text.chars().next_back()?);
    let last = text.len() - close.len_utf8();
    let ends = with_depth(text).find(|(_, _, depth)| *depth == 0).map(|(at, ..)| at);
    (nesting(open) == 1 && nesting(close) == -1 && ends.is_none_or(|end| end == last)).then(|| (open, &text[open.len_utf8()..last], close))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_round_a_whole_only_where_they_close_at_its_end() {
        for (text, inner) in
            [("[1, 2)", Some("1, 2")), ("⟦(1),(2)⟧", Some("(1),(2)")), ("((1)", Some("(1")), ("(1)(2)", None), ("1)", None), ("(", None), ("", None)]
        {
            assert_eq!(bracketed(text).map(|(_, inner, _)| inner), inner, "{text}");
        }
        assert!(are_closed("[1, (2))") && !are_closed("(1"));
    }
}
