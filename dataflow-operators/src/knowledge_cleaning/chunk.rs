//! Texts in parts of a number of tokens.

use dataflow_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tokens::{Parts, Tokenizer};

/// Where a text may be parted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SplitMethod {
    /// Between words.
    #[default]
    Token,
    /// Between sentences, and between words where a sentence is too long.
    Sentence,
    /// Between paragraphs, sentences where a paragraph is too long, and words where a sentence is.
    Recursive,
    /// Where sentences are least alike: known, so that it can be told why it is refused.
    Semantic,
}

impl SplitMethod {
    /// What is wrong with it.
    pub(super) fn problem(self) -> Option<String> {
        (self == Self::Semantic)
            .then(|| "`split_method: semantic` needs a model of embeddings, which is not built in\nhint: it is one of `token`, `sentence`, `recursive`".into())
    }
}

/// The least tokens of a last part where nothing is said of it, as in DataFlow.
pub(super) const LEAST: u32 = 100;

/// How long parts are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub most: usize,
    /// How many tokens at the end of a part begin the next one too.
    pub overlap: usize,
    /// A last part of fewer tokens takes some of the one before it.
    pub least: usize,
}

impl Lengths {
    pub(super) fn of(method: SplitMethod, chunk_size: u32, chunk_overlap: u32, min_tokens_per_chunk: u32) -> Self {
        let overlap = if method == SplitMethod::Recursive { 0 } else { chunk_overlap };
        Self { most: chunk_size as usize, overlap: overlap as usize, least: min_tokens_per_chunk as usize }
    }

    /// What is wrong with them.
    pub(super) fn problems(self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.most == 0 {
            problems.push("`chunk_size` should be at least 1, found 0".into());
        }
        if self.overlap >= self.most.max(1) {
            problems.push(format!("`chunk_overlap` should be less than `chunk_size`, found {} and {}", self.overlap, self.most));
        }
        // What is the default goes with any size.
        if self.least > self.most.max(LEAST as usize) {
            problems.push(format!("`min_tokens_per_chunk` should be at most `chunk_size`, found {} and {}", self.least, self.most));
        }
        problems
    }
}

/// The text of a document, without the byte-order mark that some editors put before it.
pub(super) fn read_document(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::InvalidData => "\nhint: a text file in UTF-8 was expected; convert PDF and web pages to Markdown first",
            _ => "",
        };
        Error::Data(format!("cannot read `{path}`: {error}{hint}"))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The parts of a text, in order, without white space at their ends.
///
/// A part has as many pieces as go into it: sentences, words, or of words that are too long tokens, none of which breaks a character. It has too many tokens only where a single character has.
pub(super) fn chunks<'a>(text: &'a str, method: SplitMethod, lengths: Lengths, tokenizer: &Tokenizer) -> Result<Vec<&'a str>> {
    let (parts_of, mut pieces) = (tokenizer.parts(text)?, Vec::new());
    cut(text, 0, Boundary::of(method), lengths.most, &parts_of, &mut pieces)?;
    let trimmed = |first: usize, end: usize| {
        let part = &text[pieces[first].start..pieces[end - 1].end];
        let start = pieces[first].start + part.len() - part.trim_start().len();
        start..start + part.trim().len()
    };
    // By a built-in vocabulary a part alone may have other tokens than its pieces: what it begins with has lost the space before it.
    let fits = |first: usize, end: usize| Ok::<_, Error>(end - first == 1 || parts_of.count(trimmed(first, end))? <= lengths.most);
    let mut parts: Vec<(usize, usize)> = Vec::new();
    let (mut first, mut done) = (0, 0);
    while first < pieces.len() {
        let (mut end, mut tokens) = (first, 0);
        while end < pieces.len() && (end == first || tokens + pieces[end].tokens <= lengths.most) {
            tokens += pieces[end].tokens;
            end += 1;
        }
        while !fits(first, end)? {
            if end > done + 1 { end -= 1 } else { first += 1 }
        }
        parts.push((first, end));
        done = end;
        let Some(next) = pieces.get(end) else { break };
        // The next part begins as far back as the overlap allows, and has to have room for a piece that is new.
        first = reach_back(&pieces, end, first + 1, lengths.overlap.min(lengths.most.saturating_sub(next.tokens)));
    }
    even_out(&mut parts, &pieces, lengths, fits)?;
    let slices = parts.into_iter().map(|(first, end)| &text[trimmed(first, end)]);
    Ok(slices.filter(|part| !part.is_empty()).collect())
}

/// Moves pieces from the last part but one to the last, where that has too few tokens that are new, for as long as the smaller of the two grows.
///
/// Joining them would make a part that is too long: the last one begins where the one before it was full.
fn even_out(parts: &mut [(usize, usize)], pieces: &[Piece], lengths: Lengths, fits: impl Fn(usize, usize) -> Result<bool>) -> Result<()> {
    let tokens = |from: usize, to: usize| pieces[from..to].iter().map(|piece| piece.tokens).sum::<usize>();
    let earlier = if let [.., (_, end), _, _] = parts { *end } else { 0 };
    let [.., before, last] = parts else { return Ok(()) };
    let mut border = before.1;
    let (mut left, mut right) = (tokens(earlier, border), tokens(border, last.1));
    while right < lengths.least && border > earlier + 1 {
        let moved = pieces[border - 1].tokens;
        if right + moved > lengths.most || left - moved <= right {
            break;
        }
        (border, left, right) = (border - 1, left - moved, right + moved);
    }
    if border == before.1 || !fits(before.0, border)? || !fits(border, last.1)? {
        return Ok(());
    }
    before.1 = border;
    last.0 = reach_back(pieces, border, before.0 + 1, lengths.overlap.min(lengths.most.saturating_sub(right)));
    while !fits(last.0, last.1)? {
        last.0 += 1;
    }
    Ok(())
}

/// The first piece of those before `end` that have at most so many tokens together.
fn reach_back(pieces: &[Piece], end: usize, earliest: usize, mut room: usize) -> usize {
    let mut first = end;
    while first > earliest && pieces[first - 1].tokens <= room {
        first -= 1;
        room -= pieces[first].tokens;
    }
    first
}

struct Piece {
    start: usize,
    end: usize,
    tokens: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Boundary {
    Paragraph,
    Sentence,
    Word,
}

impl Boundary {
    fn of(method: SplitMethod) -> Self {
        match method {
            // `semantic` is refused before anything is cut.
            SplitMethod::Token | SplitMethod::Semantic => Self::Word,
            SplitMethod::Sentence => Self::Sentence,
            SplitMethod::Recursive => Self::Paragraph,
        }
    }

    fn finer(self) -> Option<Self> {
        match self {
            Self::Paragraph => Some(Self::Sentence),
            Self::Sentence => Some(Self::Word),
            Self::Word => None,
        }
    }

    /// Whether a text may be parted before `next`, of which the two characters before are known.
    fn parts(self, before: [Option<char>; 2], next: char) -> bool {
        let [earlier, last] = before;
        match self {
            Self::Paragraph => earlier == Some('\n') && last == Some('\n') && next != '\n',
            Self::Sentence => {
                matches!(last, Some('。' | '！' | '？' | '\n')) && !matches!(next, '。' | '！' | '？' | '”' | '」' | '\n')
                    || matches!(last, Some('.' | '!' | '?')) && next.is_whitespace()
            }
            Self::Word => next.is_whitespace() && last.is_some_and(|last| !last.is_whitespace()),
        }
    }
}

/// Cuts a text at a boundary, and what is too long at a finer one, at last between tokens. `start` is where the text stands within the whole.
fn cut(text: &str, start: usize, boundary: Boundary, most: usize, parts_of: &Parts<'_>, pieces: &mut Vec<Piece>) -> Result<()> {
    let mut begin = 0;
    let mut before = [None, None];
    let ends = text.char_indices().filter_map(|(place, character)| {
        let parts = place > 0 && boundary.parts(before, character);
        before = [before[1], Some(character)];
        parts.then_some(place)
    });
    for end in ends.chain([text.len()]) {
        let part = &text[begin..end];
        let tokens = parts_of.count(start + begin..start + end)?;
        match boundary.finer() {
            _ if part.is_empty() => {}
            _ if tokens <= most => pieces.push(Piece { start: start + begin, end: start + end, tokens }),
            Some(finer) => cut(part, start + begin, finer, most, parts_of, pieces)?,
            None => {
                let of_tokens = parts_of.pieces(start + begin..start + end).into_iter();
                pieces.extend(of_tokens.map(|(piece, tokens)| Piece { start: piece.start, end: piece.end, tokens }));
            }
        }
        begin = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str, method: SplitMethod, most: usize, overlap: usize, least: usize) -> Vec<&str> {
        chunks(text, method, Lengths { most, overlap, least }, &Tokenizer::Whitespace).unwrap()
    }

    #[test]
    fn words_are_parted_with_an_overlap() {
        assert_eq!(words("a b c d e f g", SplitMethod::Token, 3, 1, 0), ["a b c", "c d e", "e f g"]);
        assert_eq!(words("a b c d", SplitMethod::Token, 3, 0, 0), ["a b c", "d"]);
        assert_eq!(words(" \n ", SplitMethod::Token, 3, 0, 2), Vec::<&str>::new());
    }

    #[test]
    fn a_last_part_that_is_short_takes_some_of_the_one_before() {
        assert_eq!(words("a b c d", SplitMethod::Token, 3, 0, 2), ["a b", "c d"]);
        assert_eq!(words("a b c d", SplitMethod::Token, 3, 0, 1), ["a b c", "d"]);
        assert_eq!(words("a b c d e f g", SplitMethod::Token, 5, 2, 4), ["a b c d", "c d e f g"], "with as much overlap as there is room for");
        assert_eq!(words("a b c d e f g h i", SplitMethod::Token, 4, 0, 100), ["a b c d", "e f g", "h i"], "no more than evenly");
        assert_eq!(words("A b c d. E f. G.", SplitMethod::Sentence, 6, 0, 2), ["A b c d.", "E f. G."]);
        assert_eq!(words("A. B c d e f g h. I j.", SplitMethod::Sentence, 9, 0, 4), ["A. B c d e f g h.", "I j."], "or the other would be the short one");
    }

    #[test]
    fn sentences_stay_whole_unless_they_are_too_long() {
        assert_eq!(words("One two. Three four five. Six.", SplitMethod::Sentence, 4, 0, 0), ["One two.", "Three four five. Six."]);
        assert_eq!(words("One two three four. Five.", SplitMethod::Sentence, 3, 0, 0), ["One two three", "four. Five."]);
        assert_eq!(
            chunks("今天下雨。我们在家看书。", SplitMethod::Sentence, Lengths { most: 8, overlap: 0, least: 0 }, &Tokenizer::O200kBase).unwrap(),
            ["今天下雨。", "我们在家看书。"]
        );
    }

    #[test]
    fn paragraphs_come_before_sentences() {
        assert_eq!(words("One. Two.\n\nThree. Four.", SplitMethod::Recursive, 3, 0, 0), ["One. Two.", "Three. Four."]);
    }

    #[test]
    fn what_has_no_spaces_fills_parts_up() {
        let lengths = |most, overlap| Lengths { most, overlap, least: 0 };
        let texts = [
            "人工智能是计算机科学的一个分支，它企图了解智能的实质，并生产出一种新的能以人类智能相似的方式做出反应的智能机器。".repeat(60),
            "internationalization".repeat(300),
            "https://example.org/a/very/long/path/".repeat(50),
            "𠮷野家👨‍👩‍👧の".repeat(100),
        ];
        for tokenizer in [Tokenizer::O200kBase, Tokenizer::Cl100kBase] {
            for text in &texts {
                let all = tokenizer.count(text).unwrap();
                let parts = chunks(text, SplitMethod::Token, lengths(100, 0), &tokenizer).unwrap();
                assert_eq!(parts.concat(), *text);
                let counts: Vec<usize> = parts.iter().map(|part| tokenizer.count(part).unwrap()).collect();
                assert!(counts.iter().all(|count| *count <= 100), "{counts:?}");
                assert!(counts[..counts.len() - 1].iter().all(|count| *count >= 96), "a character may have several tokens: {all} in {counts:?}");
            }
        }
        let overlapping = chunks(&texts[0], SplitMethod::Token, lengths(512, 50), &Tokenizer::O200kBase).unwrap();
        let all = Tokenizer::O200kBase.count(&texts[0]).unwrap();
        assert_eq!(overlapping.len(), (all - 50).div_ceil(512 - 50));
        assert!(chunks(&"a".repeat(300_000), SplitMethod::Recursive, lengths(50, 0), &Tokenizer::O200kBase).unwrap().len() > 100);
    }

    #[test]
    fn a_models_tokens_are_those_within_the_text() {
        // One that has a mark before each text: a word alone, with its space, would have a token more.
        const TOKENIZER: &str = r#"{
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "normalizer": { "type": "Sequence", "normalizers": [{ "type": "Prepend", "prepend": "_" }, { "type": "Replace", "pattern": { "String": " " }, "content": "_" }] },
            "model": { "type": "BPE", "vocab": { "_": 0, "a": 1, "b": 2, "_a": 3 }, "merges": [["_", "a"]] }
        }"#;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, TOKENIZER).unwrap();
        let parts = |text, most| chunks(text, SplitMethod::Token, Lengths { most, overlap: 0, least: 0 }, &Tokenizer::File(path.clone())).unwrap();
        assert_eq!(parts("a a a", 2), ["a a", "a"]);
        assert_eq!(parts("a abb abbb", 3), ["a", "abb", "abb", "b"], "_a | _a b b | _a b b | b");
        assert!(chunks("a", SplitMethod::Token, Lengths { most: 2, overlap: 0, least: 0 }, &Tokenizer::File("none.json".into())).is_err());
    }

    proptest! {
        #[test]
        fn no_part_has_more_tokens_than_it_may(
            text in "([a-zA-Z]{1,12}|[0-9]{1,9}|'s|'LL|[.,:;/!?]{1,3}|[ \\t\\n]{1,3}|[é数据清洗の한ÄΩЖ\u{301}]){0,60}", most in 5_usize..20, overlap in 0_usize..4, least in 0_usize..20,
        ) {
            for (method, tokenizer) in [(SplitMethod::Token, Tokenizer::O200kBase), (SplitMethod::Sentence, Tokenizer::Cl100kBase), (SplitMethod::Recursive, Tokenizer::O200kBase)] {
                for part in chunks(&text, method, Lengths { most, overlap, least }, &tokenizer).unwrap() {
                    prop_assert!(tokenizer.count(part).unwrap() <= most, "{:?}", part);
                }
                let without: String = chunks(&text, method, Lengths { most, overlap: 0, least }, &tokenizer).unwrap().concat().split_whitespace().collect();
                prop_assert_eq!(without, text.split_whitespace().collect::<String>());
            }
        }

        #[test]
        fn no_word_is_lost_and_no_part_is_too_long(text in "[a-d .\n。é]{0,200}", most in 1_usize..9, overlap in 0_usize..4, least in 0_usize..12) {
            prop_assume!(overlap < most);
            for method in [SplitMethod::Token, SplitMethod::Sentence, SplitMethod::Recursive] {
                let without: String = words(&text, method, most, 0, least).concat().split_whitespace().collect();
                prop_assert_eq!(without, text.split_whitespace().collect::<String>());
                for part in words(&text, method, most, overlap, least) {
                    prop_assert!(part.split_whitespace().count() <= most, "{:?}", part);
                    prop_assert!(text.contains(part));
                }
            }
        }
    }
}
