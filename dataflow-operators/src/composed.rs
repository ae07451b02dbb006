//! The one form that texts are compared in where Unicode has several.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// A text whose accents are one with their letters wherever Unicode has such letters (NFC): `e` and U+0301 as `é`. Most texts are so already.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes { text.into() } else { text.nfc().collect::<String>().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_composed_is_borrowed_and_what_is_not_becomes_so() {
        for text in ["plain", "Éclair", "你好，世界", "각", "q\u{323}"] {
            assert_eq!(composed(text), text);
        }
        assert!(matches!(composed("Éclair 你好"), Cow::Borrowed(_)));
        assert_eq!(["E\u{301}clair", "Tie\u{302}\u{301}ng", "\u{1100}\u{1161}\u{11a8}", "I\u{307}"].map(composed), ["Éclair", "Tiếng", "각", "İ"]);
    }
}
