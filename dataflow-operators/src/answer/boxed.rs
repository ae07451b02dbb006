//! Boxes round answers: `\boxed{…}`, `\fbox{…}`, `\boxed 5`.

use super::content::has_content;
use super::denial::is_denied;
use super::list::joint;

/// What the last box holds that the text does not take back; with boxes before it that only `and`, commas and the like part from it, what all of them hold.
pub(super) fn boxed_answer(text: &str) -> Option<String> {
    let mut first = boxes(text).find(|found| !is_denied(text, found.start, found.end))?;
    let mut answers = vec![first.inner];
    for before in boxes(&text[..first.start]) {
        if joint(&text[before.end..first.start]).is_none() {
            break;
        }
        if !answers.contains(&before.inner) {
            answers.push(before.inner);
        }
        first = before;
    }
    answers.reverse();
    Some(answers.join(", "))
}

/// Whether a text ends within a box: what the box holds then need not be the whole answer.
pub(super) fn is_cut_off(text: &str) -> bool {
    last_box(text).is_some_and(|found| !found.is_closed)
}

/// What the last box holds; braces are matched, and without them the box ends at the next `$` or line.
pub(super) fn last_boxed(text: &str) -> Option<&str> {
    last_box(text).map(|found| found.inner)
}

/// A box: where its command begins, and where it ends.
pub(super) struct Boxed<'a> {
    start: usize,
    end: usize,
    pub(super) inner: &'a str,
    /// Whether its braces are closed, if it has some, or at least the formula that it stands in.
    pub(super) is_closed: bool,
}

/// The boxes of a text from the last to the first, up to one that holds nothing.
fn boxes(text: &str) -> impl Iterator<Item = Boxed<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let found = last_box(rest)?;
        rest = &rest[..found.start];
        Some(found)
    })
}

/// The last box of a text, if it holds something.
pub(super) fn last_box(text: &str) -> Option<Boxed<'_>> {
    // `boxed` with neither backslash nor brace is a word.
    let is_command = |name: usize, end: usize| text[..name].ends_with('\\') || text[end..].starts_with('{');
    let command = |(at, word): (usize, &str)| {
        let end = at + word.len();
        let (name, end) = if text[end..].starts_with("ed") { (at, end + "ed".len()) } else { (text[..at].strip_suffix('f')?.len(), end) };
        is_command(name, end).then_some((name, end))
    };
    let (name, at) = text.rmatch_indices("box").find_map(command)?;
    let rest = text[at..].trim_start();
    let begin = text.len() - rest.len();
    let start = text[..name].trim_end_matches('\\').len();
    // The box from here on, without braces or within them.
    let of_length = |inner: &str, length: usize, is_closed: bool| {
        let from = text.len() - inner.len();
        let end = from + length + usize::from(is_closed && from > begin);
        has_content(&inner[..length]).then(|| Boxed { start, end, inner: text[from..from + length].trim(), is_closed })
    };
    let Some(inner) = rest.strip_prefix('{') else {
        return of_length(rest, rest.find(['$', '\n']).unwrap_or(rest.len()), true);
    };
    let mut depth = 1usize;
    let mut escaped = false;
    for (index, character) in inner.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return of_length(inner, index, true);
                }
            }
            _ => {}
        }
    }
    // Whoever forgets a brace still ends the formula.
    let dollar = inner.find('$');
    of_length(inner, dollar.unwrap_or(inner.len()), dollar.is_some())
}
