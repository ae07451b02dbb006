//! Writes contracted words out.

use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use polars::prelude::PlHashMap;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::compatibility::Compatibility;
use crate::made_of_files::MadeOfFiles;
use crate::pattern::pattern;
use crate::word_list::{self, Line, Listed};

/// Writes contracted words out: `I'm` becomes `I am`, `won't` becomes `will not`, `gonna` becomes `going to`.
///
/// The case of the contraction is kept, curly apostrophes are known, and common spellings without an apostrophe (`dont`) too. An `'s` is written out after pronouns and question words alone, where it is no possessive.
///
/// Single letters, `em`, `ima`, the short names of months, `o'clock`, `ain't`, and `wont` and `cant`, which are words of their own without an apostrophe, stay. DataFlow writes them out, so that `U.S.` becomes `YOU.S.`, `Jan.` becomes `January`, `5 o'clock` becomes `5 of the clock` and `I ain't` becomes `I are not`, and finds contractions beside letters that are not English; `compatibility: dataflow` does as it does. A list of one's own can be given as a file.
///
/// # 中文
///
/// 把缩写展开：`I'm` 变为 `I am`，`won't` 变为 `will not`，`gonna` 变为 `going to`。保留原有大小写，识别弯撇号，以及 `dont` 等省略撇号的常见写法。`'s` 仅在代词与疑问词之后展开，以免误改所有格。
///
/// 单个字母、`em`、`ima`、月份缩写、`o'clock`、`ain't`，以及不带撇号时自成一词的 `wont` 与 `cant` 保持原样。DataFlow 会将其展开（`U.S.` 变为 `YOU.S.`，`Jan.` 变为 `January`，`5 o'clock` 变为 `5 of the clock`，`I ain't` 变为 `I are not`），紧邻非英文字母的缩写也会展开；`compatibility: dataflow` 沿用其做法。也可用文件给出自己的缩写表。
#[operator(general_text, refine, Refine)]
pub struct RemoveContractionsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// A file with a contraction a line, white space (or a tab, where the contraction has spaces) and what it stands for, in the place of all that is built in; a line that begins with `# ` is a remark. 中文：缩写表文件，每行一个缩写、空白（缩写含空格时用制表符）及其展开形式，取代全部内置规则；以 `# ` 开头的行是注释。
    pub contractions_path: Option<PathBuf>,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for RemoveContractionsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), contractions_path: None, compatibility: Compatibility::Own }
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

/// What only DataFlow writes out: no contraction of today, one that does not tell whether `am`, `is` or `has` is meant, and words of their own.
const LEFT: &[&str] = &["o'clock", "ain't", "wont", "cant"];

/// After these an `'s` is no possessive.
const BEFORE_IS: &[&str] = &["it", "he", "she", "that", "this", "there", "here", "what", "who", "where", "when", "why", "how"];

static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"'?[A-Za-z]+(?:'[A-Za-z]+)*"));

/// Contractions of a list, and what they stand for.
struct Contractions {
    any: Regex,
    /// In small letters, with straight apostrophes.
    full: PlHashMap<String, String>,
}

impl Contractions {
    fn of<'a>(list: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        // A text may have an accent in one character with its letter, or beside it.
        let forms = |word: String| [word.nfc().collect(), word.nfd().collect(), word];
        let words = list.into_iter().flat_map(|(word, full)| forms(word.replace('’', "'").to_lowercase()).map(|word: String| (word, full.to_owned())));
        let full: PlHashMap<String, String> = words.collect();
        // The longest first, since the first that fits is taken.
        let mut words: Vec<String> = full.keys().map(|word| regex::escape(word)).collect();
        words.sort_by_key(|word| (std::cmp::Reverse(word.len()), word.clone()));
        let any = Regex::new(&format!(r"(?i:{})(?-u:\b{{end-half}})", words.join("|"))).map_err(|error| error.to_string())?;
        Ok(Self { any, full })
    }

    fn of_file(path: &Path) -> Result<Self, String> {
        let listed = Listed { form: "a contraction a line, white space and what it stands for", entries: "contractions" };
        word_list::list_of(path, &listed, |lines| {
            let parts = |line: Line<'_>| {
                let parts = line.text.split_once('\t').or_else(|| line.text.split_once(char::is_whitespace));
                // Rows of other tables have marks that no contraction has.
                let is_word = |word: &str| !word.contains([',', ';', ':', '=', '"', '|', '{', '[', '>']) && !matches!(word, "-" | "*");
                let is_full = |full: &str| !full.contains(['\t', '"', '|', '=', '→']) && !full.trim_start().starts_with("->");
                let parts = parts.filter(|(word, full)| is_word(word) && is_full(full));
                let parts = parts.map(|(word, full)| (word.trim_end().to_owned(), full.trim_start().to_owned()));
                parts.ok_or_else(|| line.wrong("a contraction, white space and what it stands for"))
            };
            let each: Result<Vec<(String, String)>, String> = lines.into_iter().map(parts).collect();
            Self::of(each?.iter().map(|(word, full)| (word.as_str(), full.as_str())))
        })
    }

    /// A text in which they are written out; `None` where there are none.
    fn written_out(&self, text: &str, compatibility: Compatibility) -> Option<String> {
        with_words_out(text, &self.any, compatibility, |word| self.full.get(word).cloned())
    }
}

/// Those of files.
static CONTRACTIONS: MadeOfFiles<Contractions> = MadeOfFiles::by(|path, ()| Contractions::of_file(path));

#[expect(clippy::expect_used, reason = "the list is a constant")]
static SLANG_WORDS: LazyLock<Contractions> = LazyLock::new(|| Contractions::of(SLANG.iter().copied()).expect("a short list makes a pattern"));

/// A word in lower case written out; `None` for one that is no contraction.
fn written_out(word: &str, compatibility: Compatibility) -> Option<String> {
    if compatibility == Compatibility::Own && LEFT.contains(&word) {
        return None;
    }
    if let Some((_, whole)) = WHOLE.iter().find(|(contraction, _)| *contraction == word) {
        return Some((*whole).to_owned());
    }
    if let Some(before) = word.strip_suffix("'s") {
        return BEFORE_IS.contains(&before).then(|| format!("{before} is"));
    }
    let (ending, full) = ENDINGS.iter().find(|(ending, _)| word.ends_with(ending))?;
    let before = &word[..word.len() - ending.len()];
    // `shouldn't've` has two.
    (!before.is_empty()).then(|| format!("{}{full}", written_out(before, compatibility).unwrap_or_else(|| before.to_owned())))
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
        let first = full.chars().next().map_or(0, char::len_utf8);
        full[..first].to_uppercase() + &full[first..]
    } else {
        full
    }
}

/// Whether what was found is no part of a longer word. DataFlow looks for English letters alone.
fn is_bounded(text: &str, found: &Range<usize>, compatibility: Compatibility) -> bool {
    let is_word = |character: Option<char>| {
        character.is_some_and(|character| match compatibility {
            Compatibility::Own => character.is_alphanumeric() || character == '_' || is_combining_mark(character),
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
        match written_out(&found.as_str().to_lowercase()).filter(|_| is_bounded(text, &found.range(), compatibility)) {
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
        let Ok(listed) = self.contractions_path.as_deref().map(|path| CONTRACTIONS.known(path, ())).transpose() else { return text.into() }; // a problem at compile
        let full = match (listed, self.compatibility) {
            (Some(listed), _) => listed.written_out(&plain, self.compatibility),
            (None, Compatibility::Own) => with_words_out(&plain, &WORD, self.compatibility, |word| written_out(word, self.compatibility)),
            (None, Compatibility::Dataflow) => {
                let full = with_words_out(&plain, &WORD, self.compatibility, |word| written_out(word, self.compatibility));
                SLANG_WORDS.written_out(full.as_deref().unwrap_or(&plain), self.compatibility).or(full)
            }
        };
        // Apostrophes that belong to no contraction stay as they were.
        full.map_or(text.into(), Cow::Owned)
    }

    fn problems(&self) -> Vec<String> {
        self.contractions_path.as_deref().and_then(|path| CONTRACTIONS.problem("contractions_path", path, ())).into_iter().collect()
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
    fn what_is_a_word_or_has_several_meanings_stays() {
        let own = RemoveContractionsRefiner::default();
        let texts = ["5 o'clock", "as is her wont", "thieves' cant", "I ain't, he ain’t", "O'CLOCK"];
        for text in texts {
            assert_eq!(own.refine(text), text);
        }
        let dataflow = RemoveContractionsRefiner { compatibility: Compatibility::Dataflow, ..own };
        assert_eq!(
            texts.map(|text| dataflow.refine(text).into_owned()).join("|"),
            "5 of the clock|as is her will not|thieves' cannot|I are not, he are not|OF THE CLOCK"
        );
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

    #[test]
    fn a_list_of_ones_own_takes_the_place_of_ours() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# mine\nc’est ce est\nu\tyou\nU R\tyou are\nétait\tstood\n").unwrap();
        let operator = RemoveContractionsRefiner { contractions_path: Some(file.path().to_owned()), ..Default::default() };
        assert_eq!(operator.refine("e\u{301}tait, u\u{308}"), "stood, u\u{308}");
        assert_snapshot!(check_rule(&operator, "text", ["C'est bon, u r right, I can't", "u right, du, ÉTAIT"]), @r"
        text=Ce est bon, you are right, I can't
        text=you right, du, STOOD
        ");
        let found = |list: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), list).unwrap();
            let operator = RemoveContractionsRefiner { contractions_path: Some(file.path().to_owned()), ..Default::default() };
            Refine::problems(&operator).concat().replace(file.path().to_str().unwrap(), "LIST")
        };
        assert_snapshot!(found("gonna going to\nwanna\n"), @r"
        `contractions_path`: LIST: line 2 should be a contraction, white space and what it stands for, found `wanna`
        hint: give a text file with a contraction a line, white space and what it stands for
        ");
        for wrong in [
            "can't,can not\n",
            "\"can't\": \"cannot\",\n",
            "can't = cannot\n",
            "can't\tcannot\t12\n",
            "can't -> cannot\n",
            "can't → cannot\n",
            "- can't cannot\n",
        ] {
            assert!(found(wrong).contains("LIST: line 1 should be a contraction, white space and what it stands for, found `"), "{}", found(wrong));
        }
        assert_snapshot!(found(r#"{"can't": "cannot"}"#), @r"
        `contractions_path`: LIST: line 1 should be plain text, found the beginning of JSON
        hint: give a text file with a contraction a line, white space and what it stands for
        ");
        assert_snapshot!(found("# nothing\n"), @r"
        `contractions_path`: LIST has no contractions
        hint: give a text file with a contraction a line, white space and what it stands for, or leave the parameter out
        ");
    }
}
