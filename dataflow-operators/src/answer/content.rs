//! Whether a text says something, and what it says without its bold letters.

/// A text without white space around it, where it says something.
pub(super) fn some_text(text: &str) -> Option<String> {
    has_content(text).then(|| text.trim().to_owned())
}

pub(super) fn has_content(text: &str) -> bool {
    text.contains(|character: char| character.is_alphanumeric() || matches!(character, '\\' | '∞' | '∅'))
}

/// A text without the asterisks of bold letters; those of a power stay.
pub(super) fn without_bold(text: &str) -> String {
    if text.contains("**") && !is_power(text) { text.replace("**", "") } else { text.to_owned() }
}

/// `x**2`
fn is_power(text: &str) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b')';
    text.match_indices("**").any(|(at, _)| {
        text.as_bytes()[..at].last().is_some_and(is_part) && text.as_bytes().get(at + 2).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'(')
    })
}
