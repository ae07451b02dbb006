//! Writes contracted words out.

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use crate::compatibility::Compatibility;

/// Writes contracted words out: `I'm` becomes `I am`, `won't` becomes `will not`, `gonna` becomes `going to`.
///
/// The case of the contraction is kept, curly apostrophes are known, and common spellings without an apostrophe (`dont`) too. An `'s` is written out after pronouns and question words alone, where it is no possessive.
///
/// Single letters, `em`, `ima` and the short names of months stay. DataFlow takes them for slang, so that `U.S.` becomes `YOU.S.` and `Jan.` becomes `January`, and finds contractions beside letters that are not English; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 把缩写展开：`I'm` 变为 `I am`，`won't` 变为 `will not`，`gonna` 变为 `going to`。保留原有大小写，识别弯撇号，以及 `dont` 等省略撇号的常见写法。`'s` 仅在代词与疑问词之后展开，以免误改所有格。
///
/// 单个字母、`em`、`ima` 与月份缩写保持原样。DataFlow 把它们当作俚语（`U.S.` 变为 `YOU.S.`，`Jan.` 变为 `January`），紧邻非英文字母的缩写也会展开；`compatibility: dataflow` 沿用其做法。
#[operator(general_text, refine, Refine)]
pub struct RemoveContractionsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for RemoveContractionsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), compatibility: Compatibility::Own }
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

/// What DataFlow takes for slang beside that.
const SLANG: &[(&str, &str)] = &[
    ("u", "you"),
    ("u r", "you are"),
    ("em", "them"),
    ("ima", "i am about to"),
    ("jan.", "january"),
    ("feb.", "february"),
    ("mar.", "march"),
    ("apr.", "april"),
    ("jun.", "june"),
    ("jul.", "july"),
    ("aug.", "august"),
    ("sep.", "september"),
    ("oct.", "october"),
    ("nov.", "november"),
    ("dec.", "december"),
];

/// After these an `'s` is no possessive.
const BEFORE_IS: &[&str] = &["it", "he", "she", "that", "this", "there", "here", "what", "who", "where", "when", "why", "how"];

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"'?[A-Za-z]+(?:'[A-Za-z]+)*").expect("a valid pattern"));

#[expect(clippy::expect_used, reason = "the pattern is a constant")]
static SLANG_WORD: LazyLock<Regex> = LazyLock::new(|| {
    // The longest first, since the first that fits is taken.
    let mut words: Vec<&str> = SLANG.iter().map(|(slang, _)| *slang).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    Regex::new(&format!("(?i-u:{})", words.iter().map(|word| regex::escape(word)).collect::<Vec<_>>().join("|"))).expect("a valid pattern")
});

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
fn in_case_of(contraction: &str, full: String, compatibility: Compatibility) -> String {
    let letters = || contraction.chars().filter(|character| character.is_alphabetic());
    let least = match compatibility {
        Compatibility::Own => 2,
        Compatibility::Dataflow => 1,
    };
    if letters().count() >= least && letters().all(char::is_uppercase) {
        full.to_uppercase()
    } else if letters().next().is_some_and(char::is_uppercase) {
        full[..1].to_uppercase() + &full[1..]
    } else {
        full
    }
}

/// Whether what was found is no part of a longer word. DataFlow looks for English letters alone.
fn is_bounded(text: &str, found: &Range<usize>, compatibility: Compatibility) -> bool {
    let is_word = |character: Option<char>| {
        character.is_some_and(|character| match compatibility {
            Compatibility::Own => character.is_alphanumeric() || character == '_',
            Compatibility::Dataflow => character.is_ascii_alphanumeric() || character == '_',
        })
    };
    !is_word(text[..found.start].chars().next_back()) && !is_word(text[found.end..].chars().next())
}

/// A text in which each of the words that a pattern finds is written out; `None` where none is.
fn with_words_out(text: &str, words: &Regex, compatibility: Compatibility, written_out: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut changed = false;
    let full = words.replace_all(text, |found: &Captures<'_>| {
        let found = found.get_match();
        match written_out(&found.as_str().to_ascii_lowercase()).filter(|_| is_bounded(text, &found.range(), compatibility)) {
            Some(full) => {
                changed = true;
                in_case_of(found.as_str(), full, compatibility)
            }
            None => found.as_str().to_owned(),
        }
    });
    changed.then(|| full.into_owned())
}

impl Refine for RemoveContractionsRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let plain: Cow<'a, str> = if text.contains('’') { text.replace('’', "'").into() } else { text.into() };
        let full = with_words_out(&plain, &WORD, self.compatibility, written_out);
        let without_slang = match self.compatibility {
            Compatibility::Own => None,
            Compatibility::Dataflow => {
                let meant = |word: &str| SLANG.iter().find(|(slang, _)| *slang == word).map(|(_, full)| (*full).to_owned());
                with_words_out(full.as_deref().unwrap_or(&plain), &SLANG_WORD, self.compatibility, meant)
            }
        };
        // Apostrophes that belong to no contraction stay as they were.
        without_slang.or(full).map_or(text.into(), Cow::Owned)
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

    #[test]
    fn dataflow_takes_letters_and_months_for_slang() {
        let operator = RemoveContractionsRefiner { compatibility: Compatibility::Dataflow, ..Default::default() };
        let texts = ["U.S. on Jan. 5", "u r late, ima tell 'em and em", "mu em-dash JUN. u2 我can't去", "no slang, it’s"];
        assert_snapshot!(check_rule(&operator, "text", texts), @r"
        text=YOU.S. on January 5
        text=you are late, i am about to tell them and them
        text=mu them-dash JUNE u2 我cannot去
        text=no slang, it is
        ");
    }
}
