//! Tells whether a text says or denies a choice that it names, by the words around it.

use std::sync::LazyLock;

use regex::Regex;

use super::exception::{exception, is_only_wrong};
use super::mentions::{Asked, By};
use crate::answer::near::end_of;
use crate::pattern::pattern;

/// How a text stands to the choices that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Denied,
    /// `All but B`, which means all others.
    Excepted,
    /// `It could be B`, `if it is B`, `B?`
    Supposed,
    Named,
    /// `B is right`
    Affirmed,
    /// `The wrong one is B`, where several are asked for: the answer where the right ones are not announced.
    Blamed,
    /// `The answer is B`
    Announced,
}

/// How the text before some words and behind them stands to these. A letter may be the label of what stands behind it: `B. Paris is wrong`.
pub(super) fn standing(before: &str, behind: &str, by: By, asked: Asked) -> Standing {
    // What is far from a choice says nothing of it, and a text may name one very often.
    let (before, behind) = (end_of(before, FAR), &behind[..behind.floor_char_boundary(FAR)]);
    // A line that ends with a colon goes on with what it announces.
    let line = before.rmatch_indices('\n').find(|(at, _)| !before[..*at].trim_end().ends_with(':')).map_or(0, |(at, _)| at + 1);
    let lead = clause(&before[line..]);
    let is_mark = |character: char| matches!(character, ')' | ']' | '}' | '】' | '"' | '\'' | ' ');
    let follows_label = |character: char| is_mark(character) || matches!(character, '.' | ':' | '、' | '-' | '–' | '—');
    let tail = if by == By::Letter && labels(lead) { behind.trim_start_matches(follows_label) } else { behind.trim_start_matches(is_mark) };
    let tail = of_it(tail);
    let near = before.char_indices().rev().take(NEAR).last().map_or("", |(at, _)| &before[at..]);
    let denials = count(&DENIES, lead, "denial");
    let is_supposed = is_supposed_by(lead) || SUPPOSED.is_match(behind);
    let is_correction = || is_blank(tail) && CORRECTS.is_match(near);
    let is_true = |denials: usize| denials.is_multiple_of(2);
    let is_blamed = asked == Asked::Several && is_true(denials) && BLAMES.is_match(lead);
    let is_denied = !is_true(denials + wrongs(tail));
    if REFUSED.is_match(behind) {
        Standing::Denied
    } else if CONFIRMED.is_match(behind) {
        Standing::Affirmed
    } else if let Some(standing) = exception(near, behind) {
        standing
    } else if (is_blamed || is_denied) && is_only_wrong(lead, behind) {
        Standing::Excepted
    } else if is_blamed {
        Standing::Blamed
    } else if is_true(denials) && !is_supposed && (announces(lead) || is_correction()) {
        Standing::Announced
    } else if is_denied {
        Standing::Denied
    } else if is_supposed {
        Standing::Supposed
    } else if AFFIRMS.is_match(tail) {
        Standing::Affirmed
    } else {
        Standing::Named
    }
}

/// Whether nothing is said.
pub(super) fn is_blank(text: &str) -> bool {
    !text.contains(char::is_alphanumeric)
}

/// Whether what stands before a choice is no more than what it is labelled by.
pub(super) fn labels(text: &str) -> bool {
    text.len() < 20 && matches!(text.trim().to_lowercase().as_str(), "" | "(" | "[" | "【" | "-" | "option" | "选项" | "option (")
}

/// The last clause of what stands before a choice.
pub(super) fn clause(before: &str) -> &str {
    &before[CLAUSE.find_iter(before).last().map_or(0, |found| found.end())..]
}

/// Whether words before a choice say that it is the answer.
pub(super) fn announces(lead: &str) -> bool {
    ANNOUNCES.is_match(lead)
}

/// How often words behind a choice say that it is wrong.
pub(super) fn wrongs(tail: &str) -> usize {
    count(&WRONG, tail, "wrong")
}

/// What stands behind a choice and is said of it.
pub(super) fn of_it(behind: &str) -> &str {
    &behind[..TAIL.find(behind).map_or(behind.len(), |end| end.start())]
}

/// How many bytes before a choice and behind it are looked at.
const FAR: usize = 600;

/// How many characters before a choice words stand that are of it alone.
const NEAR: usize = 60;

/// Where a clause begins.
static CLAUSE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)[,;!?。]|\.(?:\s|$)|\b(?:but|so|therefore|thus|hence|while|whereas|although|because|since)\b|但|而是|所以|因此|因为|由于"));

/// Where what is said of a choice ends.
static TAIL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\(?not\b|[,;!?。\n]|\.(?:\s|$)|\b(?:and|or|but|so|therefore|thus|hence|while|whereas|although|because|since|as|if|when|which|rather than|instead of)\b|但|而|所以|因此|因为|由于",
    )
});

/// Words before a choice that deny it; "the one that is not right is B" and "not only B" do not.
static DENIES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\bnot (?:correct|true|right|valid|accurate)\b|(?:\bnot|n['’]t) (?:only|just|merely|simply)\b",
        r"|(?<denial>\b(?:not|never|neither|nor|cannot|than|instead of|unlike|except|eliminat\w+|exclud\w+|reject\w*|rul(?:e|es|ed|ing) out)\b|n['’]t\b|不(?:是|选|能|会|可能|应|该|为)|排除|并非|而非|没有|\bno (?:evidence|proof|indication|sign|way|chance|one|longer)\b|\bby no means\b|\bnobody\b|\bunlikely\b|\bhardly\b|\bI (?:\w+ )?doubt\b|\bno\s*$|不\s*$)"
    ))
});

/// Words behind a choice that say that it is wrong.
static WRONG: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?<wrong>\b(?:not|never|cannot|wrong|incorrect|false|invalid|untrue|inaccurate|eliminated|excluded|rejected|ruled out|fails?)\b|n['’]t\b|不|错|排除|没有)",
    )
});

/// Words behind a choice that say that it is right.
static AFFIRMS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:correct|right|true|best|answers?|fits?|valid)\b|正确|符合|^(?:项|选项)?(?:是)?对"));

/// Words before a choice that say that it is the answer.
static ANNOUNCES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b(?:answers?|options?|choices?|statements?|one)\b.{0,80}?(?:\b(?:is|are|be)\b|[:=→]|->)",
        r"|\bcorrect\s*:|\b(?:pick|choose|select|chose|picked|selected|go(?:ing)? with|opt for)\b",
        r#"|答案.{0,10}?(?:是|为|选|[:】])|(?:错误|正确|符合|选项|应该).{0,20}?(?:是|为|:)|(?:正确|符合)的(?:选项)?有|选(?:择|定)?[\s(\[【"']*$"#
    ))
});

/// Words before a choice that say that it is the wrong one.
static BLAMES: LazyLock<Regex> = LazyLock::new(|| {
    let english = r"\b(?:incorrect|wrong|false|untrue|not (?:correct|true|right))\b[^,;.]{0,40}?\b(?:is|are)\b";
    pattern(&format!("(?i){english}|(?:错误?|不(?:正确|对|符合))的?(?:选项|说法|项|答案)?(?:只?有|是|为|:)"))
});

/// Whether words before a choice only suppose it. Of "the answer to what might happen is B" the hedge is of what is asked.
fn is_supposed_by(lead: &str) -> bool {
    let announced = ANNOUNCES.find(lead).map_or(lead.len(), |found| found.start());
    let mut hedges = SUPPOSES.find_iter(lead);
    hedges.any(|hedge| hedge.start() < announced || !lead[hedge.end()..].contains(char::is_alphanumeric))
}

/// Words by which a text does not say itself what the answer is, or not yet.
static SUPPOSES: LazyLock<Regex> = LazyLock::new(|| {
    let the_answer = r"(?:\s+that)?(?:\s+(?:(?:the|your|my)\s+)?(?:(?:correct|right|best)\s+)?(?:answer|option|choice|it)\b|\W*$)";
    let others = r"(?:students?|people|someone|some|others?|many)\s+(?:cho[os]+e|think|sa(?:y|id)|pick(?:ed)?|guess(?:ed)?|answer(?:ed)?|believe)";
    let hedges = r"either|maybe|perhaps|possibly|used to be|(?:could|might|may)\s+(?:\w+\s+)?(?:say|think|argue|be(?:\s+(?:option|the|an?))?\W*$)";
    let once = r"(?:I|we|he|she|they|people|students?|many)\s+(?:\w+\s+)?thought(?:\s+(?:it|that|the|of)\b|\W*$)";
    let chinese = r"(?:如果|假设|假如)(?:答案|选|是)|(?:^|[^最])(?:可能|也许|或许)(?:是|选)|要么(?:是|选)?|(?:人|学生|大家)们?(?:都|曾|会)?(?:认为|以为)|有[的些]?人说|据说";
    pattern(&format!(r"(?i)\b(?:(?:if|whether|suppos\w+|assum\w+){the_answer}|(?:{hedges}|{others})(?:\b|$)|{once})|{chinese}"))
});

/// Words or marks behind a choice that leave it open.
static SUPPOSED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)^[\s)\]}"']*(?:\?|吗|(?:if|could|might|may be)\b|is (?:a|one|another) possib)"#));

/// Words before a choice that take back what was said before.
static CORRECTS: LazyLock<Regex> = LazyLock::new(|| {
    let cue = r"(?:\bno\s*[,.;:!…—-]|\b(?:wait|actually|sorry|correction|oops)\b|不对|更正)";
    pattern(&format!(
        r#"(?i){cue}[\s,.;:!…—-]*(?:no\b[\s,]*)?(?:(?:it|that|this)(?:\s+(?:is|should be|must be)|['’]s)\s*|I mean\s*|应?该?(?:是|选|为))?(?:option\s*)?["'(\[]*$"#
    ))
});

/// What stands behind a choice and says that it is not the answer, or that it is.
static REFUSED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)^(?:[\s()\]"':?–—-]*(?:[✗✘❌]|(?:no|×)\s*(?:[.;!)\n]|$))|,? which (?:is|was) (?:wrong|incorrect|false|not)\b)"#));
static CONFIRMED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)^[\s()\]"':?–—-]*(?:[✓✔✅]|(?:yes|√)\s*(?:[.,;!)\n]|$))"#));

/// How often a pattern's group of that name is found.
fn count(pattern: &Regex, text: &str, name: &str) -> usize {
    pattern.captures_iter(text).filter(|found| found.name(name).is_some()).count()
}
