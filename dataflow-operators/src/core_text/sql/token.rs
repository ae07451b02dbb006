//! The tokens of an expression as they are written: what stands in quotes, what is a comment, and what is a word.

use std::borrow::Cow;

use super::shortened;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// A name in quotes.
    Name,
    Text,
    Number,
    Sign,
    /// White space and comments.
    Blank,
}

/// What a text processor makes of quotes.
const CURLY: [char; 4] = ['‘', '’', '“', '”'];
const STRAIGHT: &str = "a text has straight quotes, such as `'owl'`, and so has a name, such as `\"answer\"`";

pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) written: Cow<'a, str>,
}

impl Token<'_> {
    pub(super) fn is(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.written == sign
    }
    pub(super) fn is_word(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word && words.iter().any(|word| self.written.eq_ignore_ascii_case(word))
    }
    /// A name or a text without its quotes.
    pub(super) fn plain(&self) -> &str {
        let between = |quote: char| self.written.strip_prefix(quote)?.strip_suffix(quote);
        ['\'', '"', '`'].into_iter().find_map(between).unwrap_or(&self.written)
    }
}

/// The tokens of an expression, which together are all of it; what is wrong where a quote is not closed.
pub(super) fn tokens(sql: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let has_escapes = tokens.last().is_some_and(|last| last.is_word(&["e"]));
        let (kind, length) = match first {
            '\'' => (Kind::Text, quoted(rest, '\'', has_escapes)?),
            '"' | '`' => (Kind::Name, quoted(rest, first, false)?),
            curly if CURLY.contains(&curly) => return Err(format!("a straight quote was expected, found `{curly}`\nhint: {STRAIGHT}")),
            '$' => (Kind::Sign, between_dollars(rest).unwrap_or(1)),
            '-' if rest.starts_with("--") => (Kind::Blank, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (Kind::Blank, rest.find("*/").map_or(rest.len(), |end| end + 2)),
            '0'..='9' => (Kind::Number, number(rest)),
            '.' if rest[1..].starts_with(|next: char| next.is_ascii_digit())
                && !tokens.last().is_some_and(|last| last.kind != Kind::Blank && !last.is("(")) =>
            {
                (Kind::Number, number(rest))
            }
            white if white.is_whitespace() => (Kind::Blank, until(rest, |next| !next.is_whitespace())),
            letter if letter.is_alphabetic() || letter == '_' => (Kind::Word, until(rest, |next| !next.is_alphanumeric() && next != '_' && next != '$')),
            other => (Kind::Sign, other.len_utf8()),
        };
        tokens.push(Token { kind, written: Cow::Borrowed(&rest[..length]) });
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn until(text: &str, ends: impl Fn(char) -> bool) -> usize {
    text.find(ends).unwrap_or(text.len())
}

/// How long what stands in quotes is; a quote that is doubled, or escaped where it may be, does not end it.
fn quoted(text: &str, quote: char, has_escapes: bool) -> Result<usize, String> {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((place, letter)) = letters.next() {
        if letter == '\\' && has_escapes {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return Ok(place + quote.len_utf8());
        }
    }
    let hint = if text.contains(CURLY) { STRAIGHT } else { "a quote within a text is doubled, such as `'an owl''s'`" };
    Err(format!("a second `{quote}` was expected at the end of `{}`\nhint: {hint}", shortened(text)))
}

/// How long a text is that stands between `$$` and `$$`, or between `$a$` and `$a$`.
fn between_dollars(text: &str) -> Option<usize> {
    let name = until(&text[1..], |next| !next.is_alphanumeric() && next != '_');
    let tag = &text[..1 + name + text[1 + name..].strip_prefix('$').map(|_| 1)?];
    Some(text[tag.len()..].find(tag)? + tag.len() * 2)
}

fn number(text: &str) -> usize {
    let digits = |from: usize| from + until(&text[from..], |next| !next.is_ascii_digit());
    let whole = digits(0);
    let fraction = if text[whole..].starts_with('.') { digits(whole + 1) } else { whole };
    let power = text[fraction..].strip_prefix(['e', 'E']).map(|power| text.len() - power.strip_prefix(['+', '-']).unwrap_or(power).len());
    power.filter(|power| digits(*power) > *power).map_or(fraction, digits)
}
