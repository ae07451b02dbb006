//! What Python means by a word and by white space, where DataFlow's rules depend on it.

/// Whether Python's `str.split`, `str.strip` and `\s` take a character for white space: Rust's set and U+001C to U+001F.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The words of a text, as Python's `str.split()` gives them.
pub(crate) fn split_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}
