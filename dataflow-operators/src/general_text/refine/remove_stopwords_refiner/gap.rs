//! What stands between two words once the words between them are gone.

use crate::python::is_space;

/// Stands for a word that is gone; no text has it.
pub(super) const GONE: char = '\u{fdd0}';

/// What stands beside a gap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// A word that stays.
    Word,
    /// Another line.
    Line,
    /// Nothing: the text begins or ends.
    End,
}

/// The marks and white space of a gap without what belonged to words that are gone: a pair of brackets or quotation marks with nothing left in it, all marks of a sentence but
/// one, and lines of marks alone.
pub(super) fn mended(gap: &str, before: Beside, after: Beside) -> String {
    let Some((first, rest)) = gap.split_once('\n') else { return within_line(gap, before, after) };
    let (between, last) = rest.rsplit_once('\n').map_or((None, rest), |(between, last)| (Some(between), last));
    let mut kept = within_line(first, before, Beside::Line);
    if before == Beside::Word || !kept.is_empty() {
        kept.push('\n');
        for line in between.into_iter().flat_map(|between| between.split('\n')) {
            let of_line = within_line(line, Beside::Line, Beside::Line);
            if line.chars().all(is_space) || !of_line.is_empty() {
                kept.push_str(&of_line);
                kept.push('\n');
            }
        }
        kept.push_str(&last[..last.len() - last.trim_start_matches(is_space).len()]);
    }
    kept.push_str(&within_line(last.trim_start_matches(is_space), Beside::Line, after));
    kept
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Space,
    Gone,
    /// Ends a sentence.
    End,
    /// Parts what stands in a sentence.
    Separator,
    /// As well, or begins an entry of a list.
    Dash,
    /// Opens or closes something, as the marks before it tell.
    Bracket,
    Other,
}

impl Mark {
    fn of(character: char) -> Self {
        match character {
            GONE => Self::Gone,
            '.' | '!' | '?' | '…' | '。' | '！' | '？' | '؟' | '।' | '։' => Self::End,
            ',' | ';' | ':' | '，' | '；' | '：' | '、' | '،' | '؛' | '·' => Self::Separator,
            '-' | '‐' | '‑' | '–' | '—' | '•' => Self::Dash,
            '*' | '`' | '~' => Self::Bracket,
            _ if BRACKETS.contains(character) => Self::Bracket,
            _ if is_space(character) => Self::Space,
            _ => Self::Other,
        }
    }
}

/// Each mark that opens, with those that close it.
const PAIRS: [(char, &str); 17] = [
    ('(', ")"),
    ('[', "]"),
    ('{', "}"),
    ('<', ">"),
    ('„', "“”"),
    ('“', "”"),
    ('‘', "’"),
    ('‚', "‘’"),
    ('«', "»"),
    ('»', "«"),
    ('‹', "›"),
    ('（', "）"),
    ('《', "》"),
    ('「', "」"),
    ('『', "』"),
    ('【', "】"),
    ('〈', "〉"),
];

const BRACKETS: &str = "()[]{}<>„“”‘’‚«»‹›（）《》「」『』【】〈〉\"'";

fn closes(open: char, close: char) -> bool {
    match PAIRS.iter().find(|(mark, _)| *mark == open) {
        Some((_, closing)) => closing.contains(close),
        None => open == close, // one mark for both
    }
}

fn within_line(gap: &str, before: Beside, after: Beside) -> String {
    let follows = before == Beside::Word;
    let marks: Vec<(char, Mark)> = gap.chars().map(|character| (character, Mark::of(character))).collect();
    let mut goes = vec![false; marks.len()];
    let mut open: Vec<usize> = Vec::new();
    for (place, (character, mark)) in marks.iter().enumerate() {
        if *mark != Mark::Bracket {
            continue;
        }
        match open.last() {
            Some(from) if closes(marks[*from].0, *character) => {
                // One that is empty anyway belongs to no word that is gone, such as that of `f()`.
                let has_gone = marks[*from..place].iter().any(|(_, mark)| *mark == Mark::Gone);
                goes[*from..=place].fill(has_gone);
                open.pop();
            }
            _ => open.push(place),
        }
    }
    // One mark of those that parted what is gone, and the mark of a list at the beginning of a line.
    let of = |wanted: &[Mark]| marks.iter().enumerate().position(|(place, (_, mark))| !goes[place] && wanted.contains(mark));
    let end = of(&[Mark::End]);
    let chosen = match (follows, after) {
        (true, Beside::Word) => end.or_else(|| of(&[Mark::Separator])).or_else(|| of(&[Mark::Dash])),
        (true, Beside::Line) => end.or_else(|| of(&[Mark::Separator])),
        (true, Beside::End) => end,
        (false, Beside::Word) => (marks.len() > 1 && marks[0].1 == Mark::Dash && marks[1].1 == Mark::Space).then_some(0),
        (false, Beside::Line | Beside::End) => None,
    };
    let until = chosen.map_or(0, |from| from + marks[from..].iter().take_while(|(_, mark)| *mark == marks[from].1).count());
    // A bracket opens where no word stands right before it, and no space follows it then.
    let (mut kept, mut space, mut stands_alone, mut opened) = (String::new(), None, !follows, false);
    for (place, (character, mark)) in marks.iter().enumerate() {
        let is_chosen = chosen.is_some_and(|from| from <= place) && place < until;
        match mark {
            Mark::Space => space = space.or(Some(*character)).filter(|_| !opened),
            Mark::Gone => {}
            _ if goes[place] => {}
            Mark::End | Mark::Separator if is_chosen => {
                let stood_apart = place > 0 && marks[place - 1].1 == Mark::Space;
                kept.extend(space.take().filter(|_| stood_apart));
                kept.push(*character);
            }
            Mark::End | Mark::Separator => {}
            Mark::Dash if !is_chosen => {}
            Mark::Dash | Mark::Bracket | Mark::Other => {
                let space = space.take();
                kept.extend(space.filter(|_| follows || !kept.is_empty()));
                kept.push(*character);
                opened = stands_alone && is_opening(*character);
            }
        }
        stands_alone |= matches!(mark, Mark::Space | Mark::Gone);
    }
    if after == Beside::Word && (follows || !kept.is_empty()) {
        kept.extend(space);
    }
    kept
}

/// Whether a mark opens, where no word stands right before it.
fn is_opening(mark: char) -> bool {
    matches!(mark, '"' | '\'') || PAIRS.iter().any(|(open, _)| *open == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a gap in which `_` stands for a word that is gone.
    fn check(gap: &str) -> String {
        mended(&gap.replace('_', &GONE.to_string()), Beside::Word, Beside::Word)
    }

    #[test]
    fn marks_of_words_that_are_gone_go_with_them() {
        assert_eq!(check(", _ _ "), ", ");
        assert_eq!(check(" _ _ "), " ");
        assert_eq!(check(" _, _. _"), ". ");
        assert_eq!(check(" (_ _), "), ", ");
        assert_eq!(check(" „_“ – _ "), " – ");
        assert_eq!(check("-_-"), "-");
        assert_eq!(check(") _ – _..."), ")...");
        assert_eq!(check(" (_ "), " (");
        assert_eq!(check(" \"_ "), " \"");
        assert_eq!(check("\" _ "), "\" ");
        assert_eq!(check("() _ "), "() ");
        assert_eq!(check(" ; _ "), " ; ");
        assert_eq!(check("_"), "");
    }

    #[test]
    fn lines_stay_apart_and_lines_of_marks_alone_go() {
        assert_eq!(check(",\n_ _ "), ",\n");
        assert_eq!(check("\n- _\n• _\n- "), "\n- ");
        assert_eq!(check(":\n\n  - _ "), ":\n\n  - ");
    }

    #[test]
    fn a_text_begins_and_ends_with_no_mark_of_what_is_gone() {
        let begins = |gap: &str| mended(&gap.replace('_', &GONE.to_string()), Beside::End, Beside::Word);
        assert_eq!(["_ _? _, ", "(_ ", "- _ ", "_\n\n_ "].map(begins), ["", "(", "- ", ""]);
        let ends = |gap: &str| mended(&gap.replace('_', &GONE.to_string()), Beside::Word, Beside::End);
        assert_eq!([", _ _?", ", _", "\n- _\n", " (_)"].map(ends), ["?", "", "\n", ""]);
        assert_eq!(mended(&"„_“, _ – _.".replace('_', &GONE.to_string()), Beside::End, Beside::End), "");
    }
}
