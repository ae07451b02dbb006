//! Deletes stop words.

use self::gap::{Beside, GONE, mended};
use crate::language::TextLanguage;
use crate::python::split_words;
use crate::word_list::{self, WordList};
use dataflow_core::key::{InOut, Text};
use dataflow_core::operator;
use dataflow_core::shape::Refine;
use std::borrow::Cow;
use std::path::PathBuf;

mod gap;

/// Deletes stop words, whatever their case (with a `language` as it writes capitals: Turkish `İÇİN` is `için`, and whether an accent is one character with its letter or one of its own beside it), and leaves one space between the other words.
///
/// Words are what white space separates, as in DataFlow: `the,` stays, and line breaks become spaces. The list is English; another can be given as a file. With a `language` words and the list are that language's, of which some sixty have one, and lines stay apart. Marks that belonged to deleted words alone go with them: brackets and quotation marks with nothing left between them, and all but one mark between two words. A contraction goes where all its parts are stop words, with whatever apostrophe, and in French, Italian and Catalan `l'` and the like before a word go. Words joined by a hyphen, slash or full stop, as in `state-of-the-art`, go where all of them are stop words.
///
/// # 中文
///
/// 删除停用词（忽略大小写；设 `language` 时按该语言的大小写规则，如土耳其语 `İÇİN` 即 `için`，且重音符号与字母合为一个字符或单独成字符视为相同），其余词之间保留一个空格。与 DataFlow 一致，词以空白分隔：`the,` 会保留，换行变为空格。内置英文停用词表，也可用文件给出其他词表。设 `language` 时按该语言切词并使用其词表（约六十种语言），换行保留；只属于被删词的标点一并删去：其间已无内容的括号与引号，以及两词之间除一个以外的标点。各部分均为停用词的缩写会删去（不论何种撇号）；法语、意大利语与加泰罗尼亚语中词前的 `l'` 等也会删去。以连字符、斜线或句点相连的词（如 `state-of-the-art`）仅当全部为停用词时才删去。
#[operator(general_text, refine, Refine)]
pub struct RemoveStopwordsRefiner {
    /// The text to change. 中文：要处理的文本。
    pub input_key: InOut<Text>,
    /// A file with a word a line, in the place of the built-in list; a line that begins with `# ` is a remark. 中文：词表文件，每行一词，取代内置词表；以 `# ` 开头的行是注释。
    pub stopwords_path: Option<PathBuf>,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where a text has more Chinese characters than words in other letters and is not Japanese, for `ar`, `el`, `fa`, `he`, `ko` or `ur` where most of its letters are of their scripts, and `en` otherwise. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字多于其他文字的词且不是日文的文本按 `zh`，多数字母属于其文字的按 `ar`、`el`、`fa`、`he`、`ko` 或 `ur`，其余按 `en`。
    pub language: TextLanguage,
}

impl Default for RemoveStopwordsRefiner {
    fn default() -> Self {
        Self { input_key: "text".into(), stopwords_path: None, language: TextLanguage::Dataflow }
    }
}

impl Refine for RemoveStopwordsRefiner {
    fn refine<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let language = self.language.of_stop_words(text);
        let Ok(list) = word_list::stop_words_of(language, self.stopwords_path.as_deref()) else { return text.into() }; // a problem at compile
        if language != TextLanguage::Dataflow {
            return without(text, language, &list);
        }
        let mut kept = String::with_capacity(text.len());
        for word in split_words(text).filter(|word| !list.contains(&*word.to_lowercase())) {
            if !kept.is_empty() {
                kept.push(' ');
            }
            kept.push_str(word);
        }
        if kept == text { text.into() } else { kept.into() }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = word_list::problems("stopwords_path", self.stopwords_path.as_deref());
        if self.stopwords_path.is_some() {
            problems.extend(self.language.problem_of_words());
        } else {
            problems.extend(word_list::stop_words_of(self.language, None).err().map(|error| format!("`language`: {error}")));
        }
        problems
    }
}

/// A text without some of its words, and without the marks and white space that belonged to them alone.
fn without<'a>(text: &'a str, language: TextLanguage, list: &WordList) -> Cow<'a, str> {
    let (mut kept, mut gap, mut has_gone, mut from) = (String::new(), String::new(), false, 0);
    let place = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let mut with = |word: Option<&'a str>, stays: Option<&'a str>| {
        let start = word.map_or(text.len(), place);
        gap.push_str(&text[from.min(start)..start]);
        from = from.max(start);
        if word.is_some() && stays.is_none() {
            has_gone = true;
            gap.push(GONE);
        } else {
            let before = if kept.is_empty() { Beside::End } else { Beside::Word };
            let after = if word.is_some() { Beside::Word } else { Beside::End };
            kept.push_str(&if has_gone { Cow::Owned(mended(&gap, before, after)) } else { Cow::Borrowed(gap.as_str()) });
            kept.push_str(stays.unwrap_or_default());
            (gap, has_gone) = (String::new(), false);
        }
        if let Some(word) = word {
            from = start + word.len();
            // The last mark of an abbreviation is no part of the word.
            if stays.is_none() && word.contains('.') && text[from..].starts_with('.') {
                from += 1;
            }
        }
    };
    // Words joined by a mark, as in `state-of-the-art`, go together or not at all.
    let (mut joined, mut end): (Vec<(&str, Option<&str>)>, usize) = (Vec::new(), 0);
    let mut flush = |joined: &mut Vec<(&'a str, Option<&'a str>)>| {
        if let [(first, None), .., (last, None)] = joined[..]
            && joined.iter().all(|(_, stays)| stays.is_none())
        {
            with(Some(&text[place(first)..place(last) + last.len()]), None);
        } else {
            let any_stays = joined.iter().any(|(_, stays)| stays.is_some());
            for (word, stays) in joined.iter() {
                with(Some(word), stays.or(any_stays.then_some(word)));
            }
        }
        joined.clear();
    };
    language.each_word(text, |word| {
        let start = place(word);
        if !matches!(&text[end.min(start)..start], "-" | "‐" | "‑" | "/" | ".") {
            flush(&mut joined);
        }
        joined.push((word, word_list::without_stop_words(list, language, word)));
        end = start + word.len();
    });
    flush(&mut joined);
    with(None, None);
    if kept == text { text.into() } else { kept.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(RemoveStopwordsRefiner);

    #[test]
    fn stop_words_go_and_one_space_is_left() {
        assert_snapshot!(check_rule(&RemoveStopwordsRefiner::default(), "text", ["The cat\nis on  the mat", "the, end", "of"]), @r"
        text=cat mat
        text=the, end
        text=
        ");
    }

    #[test]
    fn a_language_has_words_and_a_list_of_its_own() {
        let refined = |language: &str, text| {
            let operator: RemoveStopwordsRefiner = serde_json::from_value(serde_json::json!({ "language": language })).unwrap();
            operator.refine(text).into_owned()
        };
        assert_eq!(refined("zh", "我们的猫在垫子上睡觉。"), refined("auto", "我们的猫在垫子上睡觉。"));
        assert_eq!(refined("he", "זה הספר של אבי"), refined("auto", "זה הספר של אבי"));
        assert_snapshot!(refined("auto", "זה הספר של אבי"), @"הספר אבי");
        assert_eq!(refined("auto", "The owls of the valley are back in 北京 and they are seen."), "owls valley back 北京 seen.");
        assert_snapshot!(refined("zh", "我们的猫在垫子上睡觉。"), @"猫垫子睡觉。");
        assert_snapshot!(refined("en", "The cat,\nwhich is on the  mat, sleeps."), @r"
        cat,
        mat, sleeps.
        ");
        assert_snapshot!(refined("de", "Der Hund und die Katze"), @"Hund Katze");
        assert_snapshot!(refined("de", "Ist das so? Das ist es! „Hier“ (und dort) ist der Hund, d.h. z.B. die Katze."), @"Hund, Katze.");
        assert_snapshot!(refined("en", "That’s it. Don't you (or can’t they) see the world’s best “cats”, “dogs” and so?"), @"see world’s best “cats”, “dogs”?");
        assert_snapshot!(refined("fr", "« C'est lui », dit l'homme qu’il n'est pas ; d'autres pommes, aujourd'hui."), @"homme ; pommes.");
        assert_snapshot!(refined("it", "L'uomo dell’isola non c'è, ma un'altra donna sì."), @"isola, altra donna sì.");
        assert_eq!(refined("fr", "la ville a e\u{301}te\u{301} vue"), "ville vue");
        assert_snapshot!(refined("tr", "BİR elma İÇİN, Bir IŞIK"), @"elma, IŞIK");
        assert_snapshot!(refined("en", "I have:\n- the apples\n- and\n- pears"), @r"
        - apples
        - pears
        ");
        assert_snapshot!(refined("en", "state-of-the-art results; up-to-date and in-house, the well-being of the U.S., a/b or c"), @"state-of-the-art results; up-to-date in-house, well-being U.S., a/b c");
        assert_eq!(refined("en", "cats and/or dogs"), "cats dogs");
        assert_eq!(refined("fr", "l'homme-grenouille de Paris"), "homme-grenouille Paris");
        assert_eq!(refined("en", "The, and (of)."), "");
        assert_eq!(refined("en", " * cats: (dogs) \n"), " * cats: (dogs) \n");
        assert!(matches!(RemoveStopwordsRefiner { language: TextLanguage::En, ..Default::default() }.refine("cat mat"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_list_of_ones_own_takes_the_place_of_ours() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# mine\nCat\n\n").unwrap();
        let operator = RemoveStopwordsRefiner { stopwords_path: Some(file.path().to_owned()), ..Default::default() };
        assert_snapshot!(check_rule(&operator, "text", ["The cat is here"]), @"text=The is here");
        let missing = RemoveStopwordsRefiner { stopwords_path: Some("/no/such/list".into()), ..Default::default() };
        assert!(Refine::problems(&missing)[0].starts_with("`stopwords_path`: cannot read"), "{:?}", Refine::problems(&missing));
    }
}
