//! What stands right before and right after a part of a text.

/// The most bytes that are looked at on either side.
const NEAR: usize = 60;

/// Marks that show how a value is set and say nothing about it.
const MARKS: [char; 6] = [' ', '$', '*', '\\', '(', '`'];

/// The last bytes of a text, at most so many, in whole characters.
pub(crate) fn end_of(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

/// The end of the text before a place, without the marks that begin a formula or bold letters.
pub(super) fn before(text: &str, at: usize) -> &str {
    end_of(text[..at].trim_end_matches(MARKS), NEAR)
}

/// The beginning of the text behind a place, without the marks that end a formula or bold letters.
pub(super) fn after(text: &str, at: usize) -> &str {
    let text = &text[at..];
    let text = text.trim_start_matches(|mark| MARKS[..4].contains(&mark) || mark == ')');
    &text[..text.floor_char_boundary(NEAR)]
}
