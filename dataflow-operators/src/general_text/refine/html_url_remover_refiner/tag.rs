//! Where the tags and comments of HTML end.

use std::sync::LazyLock;

use polars::prelude::PlHashSet;

/// The elements of HTML, those that it had once among them.
const ELEMENTS: &str = concat!(
    "a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote body br button canvas caption center cite ",
    "code col colgroup data datalist dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 ",
    "h4 h5 h6 head header hgroup hr html i iframe image img input ins isindex kbd keygen label legend li link listing main map mark marquee math menu ",
    "menuitem meta meter nav nobr noembed noframes noscript object ol optgroup option output p param picture plaintext pre progress q rb rp rt rtc ruby s ",
    "samp script search section select slot small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time ",
    "title tr track tt u ul var video wbr xmp",
);

/// The attributes that stand without a value.
const WITHOUT_VALUE: &str = concat!(
    "allowfullscreen async autofocus autoplay checked compact controls declare default defer disabled download formnovalidate hidden inert ismap itemscope ",
    "loop multiple muted nohref nomodule noresize noshade novalidate nowrap open playsinline readonly required reversed selected",
);

/// The elements that need no closing tag, and directly follow words.
const WITHOUT_CLOSING: [&str; 13] = ["br", "dd", "dt", "hr", "img", "input", "li", "option", "p", "td", "th", "tr", "wbr"];

static KNOWN_ELEMENTS: LazyLock<PlHashSet<&str>> = LazyLock::new(|| ELEMENTS.split(' ').collect());

/// The tags and comments of a text.
///
/// A tag is looked at no further than the next `<` outside of quotes, and each quote ends where it would for a tag that begins later or else opens where that one closes, so that no
/// part of a text is read more than three times, whatever it is.
pub(super) struct Tags<'a> {
    text: &'a str,
    /// Whether `-->` may still come.
    comments_end: bool,
    /// The names that have a closing tag, once they are asked for.
    closed: Option<PlHashSet<&'a str>>,
}

impl<'a> Tags<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, comments_end: true, closed: None }
    }

    /// Where the tag or comment ends that begins with the `<` at a place.
    pub(super) fn end_of(&mut self, start: usize) -> Option<usize> {
        let after = &self.text[start + 1..];
        let length = match after.as_bytes().first()? {
            b'!' => self.comment(after).or_else(|| until_mark(after, has_prefix(after, "!doctype"))),
            b'/' => until_mark(after, false),
            b'a'..=b'z' | b'A'..=b'Z' => self.opening(after).filter(|_| !self.is_code(start)),
            _ => None,
        };
        let end = start + 1 + length?;
        // Alone in backticks a tag is spoken of.
        let is_quoted = self.text[..start].ends_with('`') && self.text[end..].starts_with('`');
        (!is_quoted).then_some(end)
    }

    /// Whether the name of an element is that of a type or a header: `List<Link>`, `#include <map>`.
    fn is_code(&mut self, start: usize) -> bool {
        let (before, after) = (&self.text[..start], &self.text[start + 1..]);
        let name = name_of(after);
        if !after[name.len()..].starts_with('>') {
            return false;
        }
        let follows_word = before.ends_with(|character: char| character.is_ascii_alphanumeric() || character == '_');
        let small = name.to_ascii_lowercase();
        before.ends_with("#include ") || follows_word && !WITHOUT_CLOSING.contains(&&*small) && !self.is_closed(name) && !self.is_closed(&small)
    }

    fn comment(&mut self, after: &str) -> Option<usize> {
        let body = after.strip_prefix("!--").filter(|_| self.comments_end)?;
        let end = memchr::memmem::find(body.as_bytes(), b"-->");
        self.comments_end = end.is_some();
        end.map(|end| 3 + end + 3)
    }

    fn opening(&mut self, after: &'a str) -> Option<usize> {
        let name = name_of(after);
        let rest = &after[name.len()..];
        if name.ends_with(':') && rest.starts_with("//") {
            // `<https://a.b>`, which Markdown makes a link.
            return until_mark(after, false).filter(|end| has_prefix(name, "http") && !after[..*end].contains(char::is_whitespace));
        }
        if !rest.starts_with(['>', '/']) && !rest.starts_with(char::is_whitespace) {
            return None;
        }
        let is_element = KNOWN_ELEMENTS.contains(&*name.to_ascii_lowercase());
        let Some(attributes) = Attributes::of(rest) else {
            // One of HTML is known by its name where it is malformed.
            let end = until_mark(rest, false).filter(|end| is_element && rest[..*end].contains('='))?;
            return Some(name.len() + end);
        };
        let is_tag = attributes.has_value || attributes.closes || attributes.are_known && (is_element || self.is_closed(name));
        is_tag.then_some(name.len() + attributes.end)
    }

    /// Whether a text has a closing tag of this name.
    fn is_closed(&mut self, name: &str) -> bool {
        let closed = self.closed.get_or_insert_with(|| {
            let text = self.text;
            memchr::memmem::find_iter(text.as_bytes(), b"</").map(|place| name_of(&text[place + 2..])).collect()
        });
        closed.contains(name)
    }
}

fn has_prefix(text: &str, prefix: &str) -> bool {
    text.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

fn name_of(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '-' | '_' | ':' | '.'));
    &text[..end.unwrap_or(text.len())]
}

/// The end of what the next `>` closes with no `<` before it, on one line but for white space at its end.
fn until_mark(text: &str, over_lines: bool) -> Option<usize> {
    let end = memchr::memchr2(b'<', b'>', text.as_bytes()).filter(|end| text.as_bytes()[*end] == b'>')?;
    (over_lines || !text[..end].trim_end().contains('\n')).then_some(end + 1)
}

/// What stands in a well-formed tag after its name.
struct Attributes {
    /// Where the tag ends.
    end: usize,
    /// Whether one has a value.
    has_value: bool,
    /// Whether those without a value are some of HTML's, or have a hyphen as others' have, and are no words between `<` and `>` (`a <b and c> d`).
    are_known: bool,
    /// Whether the tag closes itself.
    closes: bool,
}

impl Attributes {
    fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let skip_space = |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let until = |at: usize, is_end: fn(u8) -> bool| at + bytes[at..].iter().take_while(|byte| !is_end(**byte)).count();
        let mut found = Self { end: 0, has_value: false, are_known: true, closes: false };
        let mut at = 0;
        loop {
            at = skip_space(at);
            let next = *bytes.get(at)?;
            if next == b'>' {
                return Some(Self { end: at + 1, ..found });
            }
            found.closes = next == b'/';
            if found.closes {
                at += 1;
                continue;
            }
            let end = until(at, |byte| byte.is_ascii_whitespace() || b"\"'<>/=`".contains(&byte));
            if end == at {
                return None;
            }
            let name = &text[at..end];
            at = skip_space(end);
            if bytes.get(at) != Some(&b'=') {
                found.are_known &= name.contains('-') || WITHOUT_VALUE.split(' ').any(|known| known.eq_ignore_ascii_case(name));
                continue;
            }
            found.has_value = true;
            at = skip_space(at + 1);
            if let quote @ (b'"' | b'\'') = *bytes.get(at)? {
                at += 1 + memchr::memchr(quote, &bytes[at + 1..])? + 1;
                continue;
            }
            // An address may have `=` in it, and begins with none.
            let end = until(at, |byte| byte.is_ascii_whitespace() || b"\"'<>`".contains(&byte));
            if end == at || bytes[at] == b'=' {
                return None;
            }
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text without its tags.
    fn without(text: &str) -> String {
        super::super::without_tags(text).into_owned()
    }

    #[test]
    fn tags_may_go_over_lines() {
        assert_eq!(without("<a class=\"x\"\n   href=\"https://a.b/c\">link</a> and <img\n src='http://x.y/z.png'\n/> end"), "link and  end");
        assert_eq!(without("<!DOCTYPE html PUBLIC \"a\"\n \"b\">x<!-- a\n<b> -->y<input disabled\n>z<a-b c-d>"), "xyz<a-b c-d>");
        assert_eq!(
            without("broken <tag that never closes\nand > on another line; <b is\n> c"),
            "broken <tag that never closes\nand > on another line; <b is\n> c"
        );
    }

    #[test]
    fn what_is_compared_or_a_parameter_of_a_type_stays() {
        let code = "if a<b and c>d then; vector<int> v; std::map<string,int> m; x<y && y>z; Vec<T> <3 </3 a < b";
        assert_eq!(without(code), code);
        assert_eq!(without("<think>so</think> <note to=\"x\"/><unit/>Option<u8> <p class=x\" id='y>z</p>"), "so Option<u8> z");
        assert_eq!(without("<td nowrap><a href=x?a=1&b=2 title='a > b'>c</a></td><div v-else>d</div>"), "cd");
        assert_eq!(without("<https://a.b> <std::string> <x@y.org> <http://a b>"), " <std::string> <x@y.org> <http://a b>");
    }

    #[test]
    fn a_type_with_the_name_of_an_element_stays() {
        let code = "#include <map>\n#include<map>\nstd::vector<b>::iterator i; ArrayList<Object> x; Promise<object>; List<Link> l; x<u>y; List<List<Link>> m";
        assert_eq!(without(code), code);
        assert_eq!(without("Type `<details>`, `<br>` or `</p>`, not `<b> or <i>`"), "Type `<details>`, `<br>` or `</p>`, not ` or `");
        assert_eq!(without("word<br>word<BR>text<p>a<li>b, x<b>bold</b>y<B>z</b> <div>c"), "wordwordtextab, xboldyz c");
    }

    #[test]
    fn of_a_million_marks_that_begin_nothing_each_is_left() {
        for part in ["<", "<a ", "<a b=\"", "<a x='<a y=\"' z=\"'", "<!--<b>", "<a b=' c ", "<x></", "<!a", "<a b c d e f g ", "x<b>"] {
            let text = part.repeat(1_000_000 / part.len());
            let mut tags = Tags::of(&text);
            let found = memchr::memchr_iter(b'<', text.as_bytes()).filter(|start| tags.end_of(*start).is_some()).count();
            let expected = if part == "<!--<b>" { text.len() / part.len() } else { 0 };
            assert_eq!(found, expected, "{part}");
        }
    }
}
