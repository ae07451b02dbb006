//! Finds the value in what a model wrote: plain, in a code fence, amid prose, or a little broken.

use serde_json::Value;

/// The first JSON value that satisfies `fits`, searched in order: the whole text, each fenced block, each balanced object or
/// array in the text (the last first, since models put their verdict last). Trailing commas and single quotes are mended.
///
/// Thinking blocks (`<think>`, `<thinking>` and `<reasoning>`, letter case aside) are left out. Returns `None` where nothing fits.
pub fn find_json(text: &str, fits: impl FnMut(&Value) -> bool) -> Option<Value> {
    find(text, |spans| spans.reverse(), fits)
}

/// As [`find_json`], and of the objects and arrays in the text the first that fits, for replies that are data rather than a verdict.
pub fn find_first_json(text: &str, fits: impl FnMut(&Value) -> bool) -> Option<Value> {
    find(text, |_| {}, fits)
}

fn find(text: &str, order: impl FnOnce(&mut Vec<&str>), mut fits: impl FnMut(&Value) -> bool) -> Option<Value> {
    let text = without_thinking(text);
    let text = text.trim();
    if let Some(whole) = parse(text).filter(&mut fits) {
        return Some(whole);
    }
    if let Some(fenced) = fenced_blocks(text).into_iter().filter_map(parse).find(&mut fits) {
        return Some(fenced);
    }
    let mut spans = balanced_spans(text);
    order(&mut spans);
    spans.into_iter().filter_map(parse).find(&mut fits)
}

/// The text without `<think>…</think>` blocks and their like; an unclosed one hides the rest, if it begins the text or is `<think>`.
pub fn without_thinking(text: &str) -> String {
    split_thinking(text).1
}

/// The tags that models put around what they think, letter case aside. `<thought>` is none: some prompts ask for it.
const THINKING: [&str; 3] = ["think", "thinking", "reasoning"];

/// The place of `think` among them.
const THINK: usize = 0;

/// A tag around thinking: where it stands, and which of [`THINKING`] it is.
struct Tag {
    start: usize,
    end: usize,
    name: usize,
    closes: bool,
}

/// The tags around thinking, in order.
fn thinking_tags(text: &str) -> impl Iterator<Item = Tag> + '_ {
    text.match_indices('<').filter_map(|(start, _)| {
        let inner = &text[start + 1..];
        let (closes, inner) = inner.strip_prefix('/').map_or((false, inner), |inner| (true, inner));
        let length = inner.bytes().take_while(u8::is_ascii_alphabetic).count();
        let name = THINKING.iter().position(|name| inner[..length].eq_ignore_ascii_case(name))?;
        inner[length..].starts_with('>').then(|| Tag { start, end: text.len() - inner.len() + length + 1, name, closes })
    })
}

/// Whether a reply holds more than its answer: a cheap look, before it is taken apart.
pub(crate) fn holds_more_than_an_answer(text: &str) -> bool {
    text.contains("<answer>") || thinking_tags(text).any(|tag| tag.closes || tag.start == 0)
}

/// Takes a reply apart into its thinking and its answer.
pub fn split_thinking(text: &str) -> (Option<String>, String) {
    let (mut thinking, mut answer, mut rest) = (String::new(), String::new(), 0);
    let tags: Vec<Tag> = thinking_tags(text).collect();
    // A reply of openings alone must not take for ever.
    let last_closes: [_; THINKING.len()] = std::array::from_fn(|name| tags.iter().rposition(|tag| tag.closes && tag.name == name));
    // A template may have opened the block in the prompt, so that the reply holds its end alone.
    if let Some(tag) = tags.first().filter(|tag| tag.closes) {
        thinking.push_str(text[..tag.start].trim());
        rest = tag.end;
    }
    for (at, open) in tags.iter().enumerate().filter(|(_, tag)| !tag.closes) {
        if open.start < rest {
            continue; // within a block
        }
        let is_closed = last_closes[open.name].is_some_and(|last| last > at);
        let later = if is_closed { &tags[at + 1..] } else { &[] };
        let close = later.iter().find(|tag| tag.closes && tag.name == open.name);
        let (thought_end, after) = match close {
            Some(close) => (close.start, close.end),
            None if open.name == THINK || text[rest..open.start].trim().is_empty() => (text.len(), text.len()),
            None => continue, // a word of the answer
        };
        answer.push_str(&text[rest..open.start]);
        thinking.push_str(text[open.end..thought_end].trim());
        rest = after;
    }
    answer.push_str(&text[rest..]);
    let answer = answer.trim();
    let answer = answer.strip_prefix("<answer>").and_then(|inner| inner.strip_suffix("</answer>")).unwrap_or(answer).trim();
    ((!thinking.is_empty()).then_some(thinking), answer.to_owned())
}

/// The text between `<name>` and `</name>`, letter case aside; the first such pair.
pub fn tagged<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lower = text.to_ascii_lowercase(); // keeps every byte's place
    let (open, close) = (format!("<{}>", name.to_ascii_lowercase()), format!("</{}>", name.to_ascii_lowercase()));
    let start = lower.find(&open)? + open.len();
    let end = start + lower[start..].find(&close)?;
    Some(text[start..end].trim())
}

/// The first whole number in the text that lies in a range, for replies such as `Score: 4/5`.
pub fn first_integer_in(text: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    numbers(text).find_map(|number| number.parse::<i64>().ok().filter(|number| range.contains(number)))
}

/// The numbers of a text, in order: a run of digits with its sign and its fraction. `3.5` is one number and no whole one.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !bytes[at].is_ascii_digit() {
            at += 1;
        }
        if at == bytes.len() {
            return None;
        }
        let mut start = at;
        if start > 0 && bytes[start - 1] == b'-' && (start == 1 || !bytes[start - 2].is_ascii_alphanumeric()) {
            start -= 1;
        }
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        if at + 1 < bytes.len() && bytes[at] == b'.' && bytes[at + 1].is_ascii_digit() {
            at += 1;
            while at < bytes.len() && bytes[at].is_ascii_digit() {
                at += 1;
            }
        }
        Some(&text[start..at])
    })
}

fn fenced_blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("```") {
        let inner = &rest[start + 3..];
        let body_start = inner.find('\n').map_or(0, |end| if inner[..end].trim().chars().all(char::is_alphanumeric) { end + 1 } else { 0 });
        let end = inner[body_start..].find("```").map_or(inner.len(), |end| body_start + end);
        blocks.push(inner[body_start..end].trim());
        rest = inner.get(end + 3..).unwrap_or("");
    }
    blocks
}

/// The outermost `{…}` and `[…]` of a text, strings respected.
fn balanced_spans(text: &str) -> Vec<&str> {
    let (bytes, mut spans, mut at) = (text.as_bytes(), Vec::new(), 0);
    let mut budget = 64; // unbalanced openings are each scanned to the end; a reply of brackets alone must not take for ever
    while at < bytes.len() && budget > 0 {
        if matches!(bytes[at], b'{' | b'[') {
            match balanced_end(bytes, at) {
                Some(end) => {
                    spans.push(&text[at..end]);
                    at = end;
                    continue;
                }
                None => budget -= 1,
            }
        }
        at += 1;
    }
    spans
}

fn balanced_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn parse(text: &str) -> Option<Value> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&mended(text)).ok())
}

/// The text with the two slips that models make most put right: single quotes and Python words for JSON's, commas before a closing bracket.
fn mended(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => match characters.next() {
                Some((_, '\'')) => mended.push('\''),
                Some((_, next)) => mended.extend(['\\', next]),
                None => {}
            },
            (Some('\''), '"') => mended.push_str("\\\""),
            // Inside a string a raw line break is not JSON, and models write it.
            (Some(_), '\n') => mended.push_str("\\n"),
            (Some(_), '\t') => mended.push_str("\\t"),
            // An apostrophe within a word does not end a single-quoted string.
            (Some('\''), '\'') if characters.peek().is_some_and(|(_, next)| next.is_alphanumeric()) => mended.push('\''),
            (Some(open), _) if character == open => {
                quote = None;
                mended.push('"');
            }
            (None, '"' | '\'') => {
                quote = Some(character);
                mended.push('"');
            }
            (None, ',') if text[at + 1..].trim_start().starts_with(['}', ']']) => {}
            (None, 'T' | 'F' | 'N') => {
                let word = [("True", "true"), ("False", "false"), ("None", "null")].into_iter().find(|(python, _)| text[at..].starts_with(python));
                match word {
                    Some((python, json)) => {
                        mended.push_str(json);
                        characters.nth(python.len() - 2);
                    }
                    None => mended.push(character),
                }
            }
            (_, _) => mended.push(character),
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(text: &str, key: &str) -> Option<Value> {
        find_json(text, |value| value.get(key).is_some()).map(|mut value| value[key].take())
    }

    #[test]
    fn an_object_is_found_wherever_it_stands() {
        for text in [
            r#"{"ok": true}"#,
            "```json\n{\"ok\": true}\n```",
            "Here you are:\n```\n{\"ok\": true}\n```\nGood luck.",
            r#"<think>maybe {"ok": false}</think>{"ok": true}"#,
            r#"I first thought {"ok": false}, but in the end {"ok": true}."#,
            "{'ok': True,}",
            r#"The set {1, 2} matters. {"ok": true}"#,
        ] {
            assert_eq!(check(text, "ok"), Some(json!(true)), "{text}");
        }
    }

    #[test]
    fn a_word_in_prose_is_no_verdict() {
        assert_eq!(check("It is not true that this is false.", "ok"), None);
    }

    #[test]
    fn quotes_and_line_breaks_inside_strings_are_mended() {
        assert_eq!(check(r#"{'a': 'it\'s "fine"',}"#, "a"), Some(json!("it's \"fine\"")));
        assert_eq!(check("{'a': 'don't',}", "a"), Some(json!("don't")));
        assert_eq!(check("{\"a\": \"two\nlines\"}", "a"), Some(json!("two\nlines")));
        assert_eq!(check(r#"{"a": "brace } inside"} and more"#, "a"), Some(json!("brace } inside")));
    }

    #[test]
    fn thinking_is_taken_apart() {
        assert_eq!(split_thinking("<think>hm</think>\n<answer>42</answer>"), (Some("hm".into()), "42".into()));
        assert_eq!(split_thinking("hm</think>42"), (Some("hm".into()), "42".into()));
        assert_eq!(split_thinking("42"), (None, "42".into()));
        assert_eq!(split_thinking("<think>never ends").1, "");
        assert_eq!(split_thinking("a <b> <think>one</think>b<think>two</think> c</think>"), (Some("onetwo".into()), "a <b> b c</think>".into()));
    }

    #[test]
    fn thinking_has_several_names_in_any_case() {
        for name in ["think", "thinking", "THINK", "Reasoning"] {
            let reply = format!("<{name}>maybe {{\"ok\": false}}</{name}>{{\"ok\": true}}");
            assert_eq!(check(&reply, "ok"), Some(json!(true)), "{reply}");
            let reply = format!("maybe {{\"ok\": false}}</{name}>{{\"ok\": true}}");
            assert_eq!(find_first_json(&reply, |value| value.get("ok").is_some()), Some(json!({"ok": true})), "{reply}");
            assert!(holds_more_than_an_answer(&reply), "{reply}");
        }
        // A block ends where its own name is closed.
        assert_eq!(split_thinking("<thinking>so <think>x</think> y</thinking>42"), (Some("so <think>x</think> y".into()), "42".into()));
        assert_eq!(split_thinking("<thinker>x</thinker>").1, "<thinker>x</thinker>");
        assert_eq!(split_thinking("<reasoning>never ends").1, "");
        assert_eq!(split_thinking("Put it in <reasoning> tags.").1, "Put it in <reasoning> tags.");
        assert_eq!(split_thinking(&format!("x{}", "<reasoning>".repeat(200_000))).1.len(), 2_200_001);
        assert!(!holds_more_than_an_answer("<p>1 < 2</p> <thinker>") && holds_more_than_an_answer("<answer>4</answer>"));
    }

    #[test]
    fn a_score_is_the_first_whole_number_in_its_range() {
        for (text, expected) in [("4", Some(4)), ("Score: 4/5", Some(4)), ("10", None), ("-3", None), ("3.5", None), ("none", None), ("十 5 分", Some(5))] {
            assert_eq!(first_integer_in(text, 1..=5), expected, "{text}");
        }
    }

    #[test]
    fn tags_are_found_in_any_case() {
        assert_eq!(tagged("x <Final> done </FINAL> y", "final"), Some("done"));
        assert_eq!(tagged("<final> open", "final"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics_or_takes_for_ever(text in r#"[\[\]{}"'`,:\\a-cTFN\n<>/thinkémé]{0,200}"#) {
            find_json(&text, |_| false);
            split_thinking(&text);
            tagged(&text, "think");
            first_integer_in(&text, 0..=9);
        }

        #[test]
        fn every_object_is_found_in_prose(key in "[a-z]{1,8}", value in ".{0,40}") {
            let text = format!("Well, {} is it.", json!({ key.clone(): value.clone() }));
            prop_assert_eq!(check(&text, &key), Some(json!(value)));
        }
    }
}
