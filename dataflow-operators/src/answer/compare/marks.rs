//! Marks that say what a number is one of, and that plain notation leaves out.

/// What a mark says that a number is one of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Money,
    Percent,
    Degrees,
    Radians,
}

/// Whether two answers have marks that contradict each other: `$5` and `5%`, `30°` and `30 radians`.
pub(super) fn marks_contradict(answer: &str, reference: &str) -> bool {
    matches!((mark(answer), mark(reference)), (Some(answer), Some(reference)) if answer != reference)
}

fn mark(text: &str) -> Option<Mark> {
    let text = text.trim();
    // A dollar that is not closed is no sign of a formula.
    let open = text.strip_prefix("\\$").or_else(|| text.strip_prefix('$').filter(|rest| !rest.contains('$')));
    if open.is_some_and(|rest| rest.trim_start().starts_with(|first: char| first.is_ascii_digit())) {
        return Some(Mark::Money);
    }
    let end = text.trim_end_matches(['$', '}', ')', ' ', '.']);
    let ends_with = |marks: &[&str]| marks.iter().any(|mark| end.ends_with(mark));
    if ends_with(&["%", "percent"]) {
        Some(Mark::Percent)
    } else if ends_with(&["°", "\\circ", "\\degree", "degree", "degrees"]) {
        Some(Mark::Degrees)
    } else if ends_with(&["radian", "radians", " rad"]) {
        Some(Mark::Radians)
    } else {
        None
    }
}
