//! The words and sentences of a text by the rules of its language.

use std::borrow::Cow;
use std::sync::LazyLock;

use dataflow_core::private::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use jieba_rs::Jieba;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::composed::composed;
use crate::python::{WordCounts, is_word, lower, split_words};
use crate::treebank::Words;

pub use self::code::LanguageCode;

mod code;

/// Whose words and sentences an operator counts; written as `dataflow`, `auto` or a code of ISO 639-1.
///
/// ```
/// use dataflow_operators::language::TextLanguage;
/// assert_eq!("zh".to_owned().try_into(), Ok(TextLanguage::Zh));
/// assert!(matches!("de".to_owned().try_into(), Ok(TextLanguage::Other(_))));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TextLanguage {
    /// DataFlow's, whatever the language: words are what white space separates.
    #[default]
    Dataflow,
    /// Words and sentences of each script by its own rule: those in Chinese characters as in `zh` unless the text is Japanese, and others as in `en`. A list is that of the language of most of the text.
    Auto,
    /// Words and sentences as Unicode tells them apart (UAX #29), for all languages with spaces.
    En,
    /// Chinese words by a segmenter with a dictionary, and Chinese marks; other words in the text as in `en`.
    Zh,
    /// Another language, whose words and sentences are told apart as in `en`. One without spaces and without a segmenter here, such as Japanese, is refused where words count.
    Other(LanguageCode),
}

/// Languages written without spaces, for which there is no segmenter here.
pub(crate) const WITHOUT_SPACES: [&str; 7] = ["bo", "dz", "ja", "km", "lo", "my", "th"];

impl TryFrom<String> for TextLanguage {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        // As people write them: `EN`, `De`.
        Ok(match written.to_ascii_lowercase().as_str() {
            "dataflow" => Self::Dataflow,
            "auto" => Self::Auto,
            "en" => Self::En,
            "zh" => Self::Zh,
            _ => Self::Other(written.parse()?),
        })
    }
}

impl From<TextLanguage> for String {
    fn from(language: TextLanguage) -> Self {
        match language {
            TextLanguage::Dataflow => "dataflow".into(),
            TextLanguage::Auto => "auto".into(),
            TextLanguage::En => "en".into(),
            TextLanguage::Zh => "zh".into(),
            TextLanguage::Other(code) => code.as_str().into(),
        }
    }
}

impl JsonSchema for TextLanguage {
    fn schema_name() -> Cow<'static, str> {
        "TextLanguage".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string", "enum": ["dataflow", "auto", "en", "zh"] }, { "type": "string", "pattern": "^[A-Za-z]{2}$" }] })
    }
}

impl TextLanguage {
    /// The language that most of a text is of, whose lists are used: never [`Auto`](Self::Auto).
    pub(crate) fn of(self, text: &str) -> Self {
        match self {
            Self::Auto if Scripts::of(text).is_some_and(|scripts| scripts.is_mostly_chinese()) => Self::Zh,
            Self::Auto => Self::En,
            other => other,
        }
    }

    /// The language by whose rule words and sentences are told apart: never [`Auto`](Self::Auto). That of Chinese leaves what is in other letters to theirs, and so suits a text of both.
    pub(crate) fn parting(self, text: &str) -> Self {
        match self {
            Self::Auto if Scripts::of(text).is_some_and(|scripts| !scripts.is_japanese()) => Self::Zh,
            Self::Auto => Self::En,
            other => other,
        }
    }

    /// The language whose stop words a text has: where it is for the text to tell, also one that most letters of the text show.
    pub(crate) fn of_stop_words(self, text: &str) -> Self {
        match self.of(text) {
            Self::En if self == Self::Auto => of_script(text).and_then(|code| code.parse().ok()).map_or(Self::En, Self::Other),
            other => other,
        }
    }

    /// Gives each word of a text to `with`, in their order.
    pub(crate) fn each_word<'a>(self, text: &'a str, mut with: impl FnMut(&'a str)) {
        match self.parting(text) {
            Self::Dataflow => split_words(text).for_each(with),
            Self::Zh => each_chinese_word(text, &mut with),
            Self::En | Self::Auto | Self::Other(_) => text.unicode_words().for_each(with),
        }
    }

    /// How many words a text has.
    pub(crate) fn count_words(self, text: &str) -> usize {
        if self == Self::Dataflow {
            return WordCounts::of(text).words;
        }
        let mut words = 0;
        self.each_word(text, |_| words += 1);
        words
    }

    /// How many words of a text are wanted, and how many there are; where white space would separate them, NLTK's tokenizer can.
    pub(crate) fn count_wanted(self, text: &str, use_tokenizer: bool, wanted: impl Fn(&str) -> bool) -> (usize, usize) {
        if self == Self::Dataflow {
            return Words::of(text, use_tokenizer).count(wanted);
        }
        let (mut found, mut all) = (0, 0);
        self.each_word(text, |word| {
            all += 1;
            found += usize::from(wanted(word));
        });
        (found, all)
    }

    /// A text in small letters, as the language writes them: in Turkish and Azerbaijani `İ` is the capital of `i`, and `I` that of `ı`. Accents that stand
    /// beside their letters are one with them then, but by DataFlow's rule.
    pub(crate) fn lower(self, text: &str) -> String {
        let text = &*if self == Self::Dataflow { text.into() } else { composed(text) };
        match self {
            Self::Other(code) if ["az", "tr"].contains(&code.as_str()) && text.contains(['I', 'İ']) => lower(&text.replace('I', "ı").replace('İ', "i")),
            _ => lower(text),
        }
    }

    /// What is wrong with an operator that is told twice what a word is.
    pub(crate) fn problem(self, use_tokenizer: bool) -> Option<String> {
        (use_tokenizer && self != Self::Dataflow).then(|| "`use_tokenizer` and `language` both say what a word is\nhint: leave one of them out".into())
    }

    /// What is wrong with an operator that counts or compares the words of a language in which no rule here tells them apart.
    pub(crate) fn problem_of_words(self) -> Option<String> {
        self.wordless().map(|wrong| format!("`language`: {wrong}"))
    }

    /// What is wrong with a language written without spaces, for which there is no segmenter here.
    pub(crate) fn wordless(self) -> Option<String> {
        let Self::Other(code) = self else { return None };
        WITHOUT_SPACES.contains(&code.as_str()).then(|| {
            let code = code.as_str();
            format!("words of `{code}` have no spaces between them, and there is no segmenter for it\nhint: leave `language` out, and separate the words by spaces before")
        })
    }

    /// How many sentences a text has; `Dataflow` has its own rule where it is needed, and counts as `En` here.
    pub(crate) fn count_sentences(self, text: &str) -> usize {
        match self.parting(text) {
            // The long dots end a sentence in Chinese, and no mark of Unicode's sentences.
            Self::Zh => text.split("……").map(|part| sentences(part, self)).sum(),
            _ => sentences(text, self),
        }
    }

    /// Whether a word that ends in a full stop is an ordinal number, as in `3. Oktober`. One of four digits is taken for a year, after which a sentence ends.
    fn is_ordinal(self, word: &str) -> bool {
        const WITH_FULL_STOP: [&str; 19] = ["bs", "cs", "da", "de", "et", "fi", "fo", "hr", "hu", "is", "lv", "nb", "nn", "no", "pl", "sk", "sl", "sr", "tr"];
        let Self::Other(code) = self else { return false };
        let is_number = |number: &str| (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        WITH_FULL_STOP.contains(&code.as_str()) && word.strip_suffix('.').is_some_and(is_number)
    }
}

/// What a text with Chinese characters is written in.
#[derive(Default)]
struct Scripts {
    chinese: usize,
    japanese: usize,
    /// Words in any other letters.
    words: usize,
}

impl Scripts {
    /// Those of a text that has a Chinese character, which most texts have not.
    fn of(text: &str) -> Option<Self> {
        if text.is_ascii() || !text.contains(is_han) {
            return None;
        }
        let (mut scripts, mut in_word) = (Self::default(), false);
        for character in text.chars() {
            let was_in_word = std::mem::replace(&mut in_word, false);
            match character {
                _ if is_han(character) => scripts.chinese += 1,
                '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' => scripts.japanese += 1,
                _ if character.is_alphabetic() => {
                    in_word = true;
                    scripts.words += usize::from(!was_in_word);
                }
                _ => {}
            }
        }
        Some(scripts)
    }

    /// Japanese has about as many syllables as Chinese characters, where Chinese may quote a few.
    fn is_japanese(&self) -> bool {
        self.japanese * 10 >= self.chinese
    }

    /// A Chinese character is half a word to a whole one.
    fn is_mostly_chinese(&self) -> bool {
        !self.is_japanese() && self.chinese > self.words
    }
}

/// The language of a script that has one where most letters of a text are of it; of those that share the Arabic one, by the letters that others lack.
fn of_script(text: &str) -> Option<&'static str> {
    let language = |letter| match letter {
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some("el"),
        '\u{590}'..='\u{5ff}' => Some("he"),
        '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' => Some("ar"),
        '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}' => Some("ko"),
        _ => None,
    };
    let first = text.chars().find_map(language)?; // most texts have none
    let (mut letters, mut all) = (0, 0);
    for letter in text.chars().filter(|character| character.is_alphabetic()) {
        all += 1;
        letters += usize::from(language(letter) == Some(first));
    }
    let code = match first {
        "ar" if text.contains(['ٹ', 'ڈ', 'ڑ', 'ں', 'ے']) => "ur",
        "ar" if text.contains(['پ', 'چ', 'ژ', 'گ', 'ک', 'ی']) => "fa",
        code => code,
    };
    (letters * 2 > all).then_some(code)
}

/// The sentences by UAX #29, which knows the marks of all scripts; a title such as `Dr.`, an initial, the number of an entry in a list and a number such as German `3.` end none, and marks alone are none.
fn sentences(text: &str, language: TextLanguage) -> usize {
    const TITLES: [&str; 11] = ["Mr.", "Mrs.", "Ms.", "Dr.", "Prof.", "St.", "vs.", "No.", "Fig.", "Gen.", "Sen."];
    let (mut sentences, mut has_words, mut begins_line) = (0, false, true);
    // A loop, since the size hint of this iterator fails on an empty text.
    for part in text.split_sentence_bounds() {
        has_words |= part.contains(is_word);
        let said = part.trim();
        let last = said.rsplit(char::is_whitespace).next().unwrap_or_default();
        let ends_line = part.ends_with(['\n', '\r', '\u{85}', '\u{2029}']);
        let is_entry = begins_line && said.strip_suffix('.').is_some_and(|number| number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_digit()));
        let goes_on = !ends_line && (is_entry || is_initial(last) || language.is_ordinal(last));
        if !TITLES.contains(&last) && !goes_on {
            sentences += usize::from(has_words);
            has_words = false;
        }
        begins_line = ends_line;
    }
    sentences + usize::from(has_words)
}

/// Whether a word is the first letter of a name, as in `J. Smith`; `I.` is more often the word.
fn is_initial(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(|letter| letter.is_uppercase() && letter != 'I') && letters.as_str() == "."
}

fn each_chinese_word<'a>(text: &'a str, with: &mut impl FnMut(&'a str)) {
    static SEGMENTER: LazyLock<Jieba> = LazyLock::new(Jieba::new);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let chinese = is_han(first);
        let end = rest.find(|character: char| is_han(character) != chinese).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if chinese {
            SEGMENTER.cut(run, true).into_iter().for_each(|token| with(token.word));
        } else {
            run.unicode_words().for_each(&mut *with);
        }
        rest = after;
    }
}

/// Whether a character is a Chinese one, in whatever language: of the ideographs and those for compatibility, in all planes.
pub(crate) fn is_han(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2fa1f}' | '\u{30000}'..='\u{323af}')
}

/// Whether a character is of a script that is written without spaces between words: Chinese, Japanese, Thai, Lao, Tibetan, Burmese or Khmer.
pub(crate) fn is_unspaced(character: char) -> bool {
    let is_other =
        matches!(character, '\u{e00}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3041}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9d}');
    is_other || is_han(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(language: TextLanguage, text: &str) -> String {
        let mut words = Vec::new();
        language.each_word(text, |word| words.push(word));
        words.join("|")
    }

    #[test]
    fn words_are_those_of_the_language() {
        assert_eq!(words(TextLanguage::Dataflow, "Don't stop, 世界 你好。"), "Don't|stop,|世界|你好。");
        assert_eq!(words(TextLanguage::En, "Don't stop -- at 3.50, well-made."), "Don't|stop|at|3.50|well|made");
        assert_eq!(words(TextLanguage::Zh, "我们使用Python编写数据处理程序，性能提升10倍。"), "我们|使用|Python|编写|数据处理|程序|性能|提升|10|倍");
        assert_eq!(words(TextLanguage::Auto, "今天天气很好"), "今天天气|很|好");
        assert_eq!(words(TextLanguage::Auto, "plain words"), "plain|words");
        assert_eq!(TextLanguage::Auto.of("これは日本語"), TextLanguage::En);
        assert_eq!(words(TextLanguage::Zh, ""), "");
    }

    #[test]
    fn most_of_a_text_tells_its_language_and_each_script_keeps_its_words() {
        let of = |text| String::from(TextLanguage::Auto.of(text));
        let english = "The owls of the valley are back in 北京 and they are seen.";
        assert_eq!((of(english), of("我们使用Python编写数据处理程序"), of("Hello 世界"), of("plain")), ("en".into(), "zh".into(), "zh".into(), "en".into()));
        assert_eq!((of("优の良品是一家香港的零食连锁店"), of("東京都の天気は晴れ"), of("北京の夜")), ("zh".into(), "en".into(), "en".into()));
        assert_eq!((of("저는 北京에 갔습니다"), of("한국어")), ("en".into(), "en".into()));
        assert_eq!(words(TextLanguage::Auto, "They say 今天天气很好 in Beijing"), "They|say|今天天气|很|好|in|Beijing");
        assert_eq!(words(TextLanguage::Auto, "优の良品是一家香港的零食店"), "优|の|良品|是|一家|香港|的|零食|店");
        assert_eq!(TextLanguage::Auto.count_sentences("He wrote 他笑了……然后走了。 And left."), 3);
    }

    #[test]
    fn sentences_are_those_of_the_language() {
        let count = |text| TextLanguage::Auto.count_sentences(text);
        assert_eq!(count("He paid 3.50 dollars. Dr. Smith left! Why?"), 3);
        assert_eq!(count("编译器读取源代码；检查类型。你同意吗？同意！"), 3);
        assert_eq!(count("他笑了……然后走了……"), 2);
        assert_eq!(count("他说：“真的吗？”然后笑了。"), 2);
        assert_eq!(count("One\nTwo\n\n...\n"), 2);
        assert_eq!(count("Dr."), 1);
        assert_eq!(count("1. First\n2. Second"), 2);
        assert_eq!(count("Mr. J. R. Smith Jr. arrived in D.C. yesterday. He left."), 2);
        assert_eq!(count("So do I. It took 3. Then we left."), 3);
        assert_eq!(count(""), 0);
    }

    #[test]
    fn an_ordinal_number_ends_no_sentence_where_it_has_a_full_stop() {
        let count = |code: &str, text| TextLanguage::try_from(code.to_owned()).unwrap().count_sentences(text);
        assert_eq!(count("de", "Am 3. Oktober kam der 12. Gast. Er blieb."), 2);
        assert_eq!(count("en", "It took 3. Then it took 12. Why?"), 3);
        assert_eq!(count("cs", "Dne 5. Května. Kdo?"), 2);
        assert_eq!(count("de", "So war es 1990. Danach kostete es 3.50. Na gut."), 3);
        assert_eq!(count("de", "Es sind 3.\nDann waren es 4."), 2);
        assert_eq!(count("fr", "Il y en a 3. Oui."), 2);
    }

    #[test]
    fn stop_words_are_those_of_the_script_where_a_text_tells() {
        let of = |text| String::from(TextLanguage::Auto.of_stop_words(text));
        assert_eq!(of("هذا هو الكتاب الذي قرأته"), "ar");
        assert_eq!(of("این کتاب را خواندم و برگشتم"), "fa");
        assert_eq!(of("یہ کتاب میں نے پڑھی ہے"), "ur");
        assert_eq!(of("זה הספר של אבי, PDF"), "he");
        assert_eq!(of("이것은 나의 책이다"), "ko");
        assert_eq!(of("Αυτό είναι το βιβλίο"), "el");
        assert_eq!(of("the letter א is the first"), "en");
        assert_eq!(of("这是书"), "zh");
        assert_eq!(TextLanguage::En.of_stop_words("זה הספר"), TextLanguage::En);
    }

    #[test]
    fn other_languages_are_named_by_their_codes() {
        let german: TextLanguage = serde_json::from_value("de".into()).unwrap();
        assert_eq!(serde_json::to_value(german).unwrap(), "de");
        assert_eq!(words(german, "Größe zählt: z.B. „Übermut“ 3,5"), "Größe|zählt|z.B|Übermut|3,5");
        assert_eq!(serde_json::from_value::<TextLanguage>("DE".into()).unwrap(), german);
        assert_eq!(serde_json::from_value::<TextLanguage>("En".into()).unwrap(), TextLanguage::En);
        assert_eq!(german.count_sentences("Wie bitte? Das ist gut. Ja!"), 3);
        assert_eq!(
            serde_json::from_value::<TextLanguage>("german".into()).unwrap_err().to_string(),
            "expected `dataflow`, `auto` or a code of ISO 639-1 such as `en`, `zh` or `de`, found `german`"
        );
        for region in ["zh-CN", "ZH_hans", "zh-Hans-CN"] {
            let wrong = serde_json::from_value::<TextLanguage>(region.into()).unwrap_err().to_string();
            assert!(wrong.ends_with(&format!("found `{region}`\nhint: did you mean `zh`?")), "{wrong}");
        }
    }
}
