//! About how many tokens a call took, where the service does not tell: most tell nothing of a stream unless they are asked to.

use dataflow_core::serving::Usage;

use super::body::{after_spaces, after_text};

/// Bytes of text that make about one token, as with OpenAI's models and English; other texts have fewer, or more, by a half or so.
const BYTES_A_TOKEN: u64 = 4;

/// What was said, in bytes of text, so far as it has been seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said(u64);

impl Said {
    /// Adds the texts that stand in a piece of well-formed JSON: the values, and neither their keys nor pictures and the like.
    pub fn add(&mut self, json: &[u8]) {
        let mut at = 0;
        while let Some(quote) = json.get(at..).and_then(|rest| memchr::memchr(b'"', rest)).map(|found| at + found) {
            at = after_text(json, quote);
            let is_key = json.get(after_spaces(json, at)) == Some(&b':');
            if !is_key && !json[quote + 1..].starts_with(b"data:") {
                self.0 += (at - quote).saturating_sub(2) as u64;
            }
        }
    }

    /// The texts of a piece of JSON.
    pub fn of(json: &[u8]) -> Self {
        let mut said = Self::default();
        said.add(json);
        said
    }

    /// About so many tokens.
    pub fn tokens(self) -> u64 {
        self.0.div_ceil(BYTES_A_TOKEN)
    }
}

/// What a call took: what the service told, and otherwise what was asked and what was said.
pub(super) fn usage(told: Usage, asked: Said, said: Said) -> Usage {
    if told == Usage::default() { Usage { input_tokens: asked.tokens(), output_tokens: said.tokens() } } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_and_neither_keys_nor_pictures() {
        let check = |json: &str| Said::of(json.as_bytes()).0;
        assert_eq!(check(r#"{"content": "four", "n" : 12, "x":null}"#), 4);
        assert_eq!(check(r#"{"content":"a\"b\\","tool_calls":[{"function":{"arguments":"{}"}}]}"#), 6 + 2);
        assert_eq!(check(r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAA"}}]"#), 9);
        assert_eq!((check(""), check("7"), check("\"cut")), (0, 0, 2));
    }

    #[test]
    fn what_the_service_tells_goes_before_what_is_thought() {
        let told = Usage { input_tokens: 1, output_tokens: 2 };
        let (asked, said) = (Said(9), Said(8));
        assert_eq!(usage(told, asked, said), told);
        assert_eq!(usage(Usage::default(), asked, said), Usage { input_tokens: 3, output_tokens: 2 });
    }
}
