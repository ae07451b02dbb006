//! Writes contracted words out.

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Writes contracted words out: `I'm` becomes `I am`, `won't` becomes `will not`, `gonna` becomes `going to`.
///
/// The case of the contraction is kept, curly apostrophes are known, and common spellings without an apostrophe (`dont`) too. An `'s` is written out after pronouns and question words alone, where it is no possessive.
/// DataFlow's library also takes single letters, names and abbreviations for slang (`U.S.` becomes `YOU.S.`, `Jan.` becomes `January`); ours leaves them.
///
/// # 中文
///
/// 把缩写展开：`I'm` 变为 `I am`，`won't` 变为 `will not`，`gonna` 变为 `going to`。保留原有大小写，识别弯撇号，以及 `dont` 等省略撇号的常见写法。`'s` 仅在代词与疑问词之后展开，以免误改所有格。
/// DataFlow 所用的库还会把单个字母、人名与缩略语当作俚语（`U.S.` 变为 `YOU.S.`），此处保持原样。
#[operator(general_text, refine, Refine)]
pub struct RemoveContractionsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
}

impl Default for RemoveContractionsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into() }
    }
}

/// Contractions that do not follow a rule, and what they stand for.
const WHOLE: &[(&str, &str)] = &[
    ("won't", "will not"),
    ("can't", "cannot"),
    ("shan't", "shall not"),
    ("ain't", "are not"),
    ("let's", "let us"),
    ("y'all", "you all"),
    ("ma'am", "madam"),
    ("o'clock", "of the clock"),
    ("'tis", "it is"),
    ("'twas", "it was"),
    ("'cause", "because"),
    ("'em", "them"),
    ("'til", "until"),
    ("'bout", "about"),
    ("gonna", "going to"),
    ("wanna", "want to"),
    ("gotta", "got to"),
    ("lemme", "let me"),
    ("gimme", "give me"),
    ("dunno", "do not know"),
    ("kinda", "kind of"),
    ("sorta", "sort of"),
    ("outta", "out of"),
    ("coulda", "could have"),
    ("shoulda", "should have"),
    ("woulda", "would have"),
    ("thx", "thanks"),
    ("tho", "though"),
    ("asap", "as soon as possible"),
    ("dont", "do not"),
    ("cant", "cannot"),
    ("wont", "will not"),
    ("didnt", "did not"),
    ("doesnt", "does not"),
    ("isnt", "is not"),
    ("arent", "are not"),
    ("wasnt", "was not"),
    ("werent", "were not"),
    ("havent", "have not"),
    ("hasnt", "has not"),
    ("hadnt", "had not"),
    ("couldnt", "could not"),
    ("shouldnt", "should not"),
    ("wouldnt", "would not"),
    ("whats", "what is"),
    ("thats", "that is"),
    ("youre", "you are"),
    ("theyre", "they are"),
    ("im", "I am"),
    ("ive", "I have"),
];

/// Endings that words take on, the longest first, and what they stand for.
const ENDINGS: &[(&str, &str)] = &[("n't", " not"), ("'re", " are"), ("'ve", " have"), ("'ll", " will"), ("'d", " would"), ("'m", " am")];

/// After these an `'s` is no possessive.
const BEFORE_IS: &[&str] = &["it", "he", "she", "that", "this", "there", "here", "what", "who", "where", "when", "why", "how"];

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"'?[A-Za-z]+(?:'[A-Za-z]+)*").expect("a valid pattern"));

/// A word in lower case written out; `None` for one that is no contraction.
fn written_out(word: &str) -> Option<String> {
    if let Some((_, whole)) = WHOLE.iter().find(|(contraction, _)| *contraction == word) {
        return Some((*whole).to_owned());
    }
    if let Some(before) = word.strip_suffix("'s") {
        return BEFORE_IS.contains(&before).then(|| format!("{before} is"));
    }
    let (ending, full) = ENDINGS.iter().find(|(ending, _)| word.ends_with(ending))?;
    let before = &word[..word.len() - ending.len()];
    // `shouldn't've` has two.
    (!before.is_empty()).then(|| format!("{}{full}", written_out(before).unwrap_or_else(|| before.to_owned())))
}

/// Gives what is written out the case of the contraction.
fn in_case_of(contraction: &str, full: String) -> String {
    let letters = || contraction.chars().filter(|character| character.is_alphabetic());
    if letters().count() > 1 && letters().all(char::is_uppercase) {
        full.to_uppercase()
    } else if letters().next().is_some_and(char::is_uppercase) {
        full[..1].to_uppercase() + &full[1..]
    } else {
        full
    }
}

impl Refine for RemoveContractionsRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let plain: Cow<'a, str> = if text.contains('’') { text.replace('’', "'").into() } else { text.into() };
        let is_word = |character: Option<char>| character.is_some_and(|character| character.is_alphanumeric() || character == '_');
        let mut changed = false;
        let full = WORD.replace_all(&plain, |found: &Captures<'_>| {
            let found = found.get_match();
            let (before, after) = (&plain[..found.start()], &plain[found.end()..]);
            let bounded = !is_word(before.chars().next_back()) && !is_word(after.chars().next());
            match written_out(&found.as_str().to_ascii_lowercase()).filter(|_| bounded) {
                Some(full) => {
                    changed = true;
                    in_case_of(found.as_str(), full)
                }
                None => found.as_str().to_owned(),
            }
        });
        // Apostrophes that belong to no contraction stay as they were.
        if changed { full.into_owned().into() } else { text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveContractionsRefiner);

    #[test]
    fn contractions_are_written_out_in_their_case() {
        let texts = [
            "I can't won't shouldn't've y'all it's she'd I'm they're",
            "He’s here, don’t worry; I’VE seen John's dog.",
            "gonna wanna lemme 'cause dont",
            "U.S. and Jan. 5, em-dash u r",
            "‘quoted’ text",
        ];
        assert_snapshot!(check_rule(&RemoveContractionsRefiner::default(), "text", texts), @r"
        text=I cannot will not should not have you all it is she would I am they are
        text=He is here, do not worry; I HAVE seen John's dog.
        text=going to want to let me because do not
        text=U.S. and Jan. 5, em-dash u r
        text=‘quoted’ text
        ");
    }
}
