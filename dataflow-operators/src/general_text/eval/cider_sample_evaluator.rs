//! Scores a text against a reference by its rare n-grams.

use std::hash::Hash;
use std::path::{Path, PathBuf};

use dataflow_core::key::{Float, Input, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::language::TextLanguage;
use crate::made_of_files::MadeOfFiles;

/// Writes the CIDEr-D score of a text against a reference, from 0 to 10: how alike their n-grams are, rare ones weighing more.
///
/// R. Vedantam et al., "CIDEr: Consensus-based Image Description Evaluation", 2015. Words are what white space separates, or those of a `language`. How rare an n-gram is says a JSON file,
/// `{"df": {"the cat": 3}, "ref_len": 40}`: the number of documents that have it, its words joined by a space, and the number of documents in all. DataFlow reads the
/// same as a Python pickle, whose n-grams are tuples; `json.dump({"df": {" ".join(gram): count for gram, count in d["df"].items()}, "ref_len": d["ref_len"]}, file)` writes such a
/// file of a pickle `d` in Python. Its `df_mode: corpus` takes every row for a corpus of its own, and gives 0 to all; it is refused. A row in which one of the two texts is null
/// has no score.
///
/// # 中文
///
/// 写入文本相对参考文本的 CIDEr-D 得分（0 到 10）：两者 n 元词组的相似程度，罕见词组权重更高。
///
/// 词以空白分隔，或按 `language` 切分。词组的罕见程度由 JSON 文件给出：`{"df": {"the cat": 3}, "ref_len": 40}`，即含有该词组（词间一个空格）的文档数与文档总数；DataFlow 读取同样内容的
/// Python pickle，其词组为元组；对读出的 `d`，用 `json.dump({"df": {" ".join(gram): count for gram, count in d["df"].items()}, "ref_len": d["ref_len"]}, file)` 即可转换。DataFlow 的 `df_mode: corpus` 把每一行当作单独的语料，得分恒为 0，因此不予接受。两者之一为空的行没有得分。
#[operator(general_text, eval, Columns)]
pub struct CiderSampleEvaluator {
    /// The text to score. 中文：要评分的文本。
    pub input_key: Input<Text>,
    /// The text that it is compared with. 中文：参考文本。
    pub input_reference_key: Input<Text>,
    /// Where the score goes. 中文：写入得分的列。
    pub output_key: Output<Float>,
    /// The longest n-gram, from 1 to 4. 中文：最长的词组，1 到 4。
    pub n: u32,
    /// How gently a difference in length is punished. 中文：对长度差异的宽容程度。
    pub sigma: f64,
    /// Where the document frequencies come from. 中文：文档频率的来源。
    pub df_mode: DocumentFrequencies,
    /// The JSON file with the document frequencies. 中文：给出文档频率的 JSON 文件。
    pub idf_path: Option<PathBuf>,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
}

/// Where document frequencies come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentFrequencies {
    /// A file.
    #[default]
    CocoValDf,
    /// The row itself, which DataFlow calls a corpus.
    Corpus,
}

impl Default for CiderSampleEvaluator {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            input_reference_key: "reference".into(),
            output_key: "CiderScore".into(),
            n: 4,
            sigma: 6.0,
            df_mode: DocumentFrequencies::CocoValDf,
            idf_path: None,
            language: TextLanguage::Dataflow,
        }
    }
}

/// The most words of an n-gram.
const LONGEST: usize = 4;

/// The words of an n-gram by their numbers, `NO_WORD` behind those of a shorter one.
type Gram = [u32; LONGEST];

const NO_WORD: u32 = u32::MAX;

fn gram(words: &[u32]) -> Gram {
    let mut gram = [NO_WORD; LONGEST];
    gram[..words.len()].copy_from_slice(words);
    gram
}

/// How many documents have an n-gram, and how many there are.
struct Frequencies {
    /// The words of the n-grams, numbered.
    words: Numbers<String>,
    df: PlHashMap<Gram, f64>,
    ref_len: f64,
}

/// The number of each word, from 0.
type Numbers<W> = PlHashMap<W, u32>;

static FREQUENCIES: MadeOfFiles<Frequencies> = MadeOfFiles::by(|path, ()| Frequencies::of_file(path));

impl Frequencies {
    fn of_file(path: &Path) -> Result<Self, String> {
        let hint = "hint: give a JSON file such as {\"df\": {\"the cat\": 3}, \"ref_len\": 40}; a pickle can be written as one by Python";
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}\n{hint}", path.display()))?;
        let frequencies = Self::parse(&text).map_err(|wrong| format!("{}: {wrong}\n{hint}", path.display()))?;
        if frequencies.ref_len < 1.0 {
            return Err(format!("`ref_len` of {} should be at least 1, found {}", path.display(), frequencies.ref_len));
        }
        Ok(frequencies)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("should be JSON: {error}"))?;
        let found = |value: Option<&Value>| match value {
            None => "none".to_owned(),
            Some(Value::Array(_)) => "a list".to_owned(),
            Some(Value::Object(_)) => "a record".to_owned(),
            Some(other) => format!("`{other}`"),
        };
        let Value::Object(table) = &value else { return Err(format!("should be a record with `df` and `ref_len`, found {}", found(Some(&value)))) };
        let Some(Value::Object(counts)) = table.get("df") else { return Err(format!("`df` should be a record of numbers, found {}", found(table.get("df")))) };
        let ref_len =
            table.get("ref_len").and_then(Value::as_f64).ok_or_else(|| format!("`ref_len` should be a number, found {}", found(table.get("ref_len"))))?;
        let (mut words, mut df) = (Numbers::default(), PlHashMap::default());
        for (joined, count) in counts {
            let count = count.as_f64().ok_or_else(|| format!("`df` of `{joined}` should be a number, found {}", found(Some(count))))?;
            if joined.split(' ').count() <= LONGEST {
                let numbers: Vec<u32> = joined.split(' ').map(|word| numbered(&mut words, word.to_owned())).collect();
                df.insert(gram(&numbers), count);
            }
        }
        Ok(Self { words, df, ref_len })
    }

    /// The n-grams of a text with their weights, in the order in which they come.
    fn weights(&self, words: &[u32], n: usize) -> Vec<(Gram, f64)> {
        let mut places: PlHashMap<Gram, usize> = PlHashMap::default();
        let mut counts: Vec<(Gram, f64)> = Vec::new();
        for gram in words.windows(n).map(gram) {
            let place = *places.entry(gram).or_insert_with(|| {
                counts.push((gram, 0.0));
                counts.len() - 1
            });
            counts[place].1 += 1.0;
        }
        let documents = |gram: &Gram| self.df.get(gram).copied().unwrap_or(0.0).max(1.0);
        counts.into_iter().map(|(gram, count)| (gram, count * (self.ref_len.ln() - documents(&gram).ln()))).collect()
    }
}

/// The number of a word, a new one where it has none.
fn numbered<W: Hash + Eq>(numbers: &mut Numbers<W>, word: W) -> u32 {
    let next = numbers.len() as u32;
    *numbers.entry(word).or_insert(next)
}

impl CiderSampleEvaluator {
    fn score(&self, frequencies: &Frequencies, text: &str, reference: &str) -> f64 {
        let mut others = Numbers::default(); // words of no n-gram of the file, numbered behind its own
        let mut words_of = |text| {
            let mut words = Vec::new();
            let number = |word| frequencies.words.get(word).copied().unwrap_or_else(|| frequencies.words.len() as u32 + numbered(&mut others, word));
            self.language.each_word(text, |word| words.push(word));
            words.into_iter().map(number).collect()
        };
        let (words, reference): (Vec<u32>, Vec<u32>) = (words_of(text), words_of(reference));
        // As in the scorer of the COCO captions, the length of a text is how many pairs of words it has.
        let pairs = |words: &[u32]| words.len().saturating_sub(1) as f64;
        let difference = pairs(&words) - pairs(&reference);
        let brevity = (-(difference * difference) / (2.0 * self.sigma * self.sigma)).exp();
        let similarity = |n: usize| {
            let (ours, theirs) = (frequencies.weights(&words, n), frequencies.weights(&reference, n));
            let known: PlHashMap<Gram, f64> = theirs.iter().copied().collect();
            let norm = |weights: &[(Gram, f64)]| weights.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
            let product: f64 = ours
                .iter()
                .map(|(gram, weight)| {
                    let other = known.get(gram).copied().unwrap_or(0.0);
                    weight.min(other) * other
                })
                .sum();
            let norms = norm(&ours) * norm(&theirs);
            brevity * if norms == 0.0 { product } else { product / norms }
        };
        10.0 * (1..=self.n as usize).map(similarity).sum::<f64>() / f64::from(self.n) + 0.0 // of nothing the sum is -0.0
    }
}

impl Columns for CiderSampleEvaluator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let (texts, references) = (texts_of(frame, self.input_key.as_str())?, texts_of(frame, self.input_reference_key.as_str())?);
        let frequencies = self.idf_path.as_deref().and_then(|path| FREQUENCIES.known(path, ()).ok()); // a problem at compile
        let score = |text: Option<&str>, reference: Option<&str>| Some(self.score(frequencies.as_deref()?, text?, reference?));
        let scores: Float64Chunked = texts.iter().zip(references.iter()).map(|(text, reference)| score(text, reference)).collect();
        Ok(Changes { columns: vec![scores.with_name(self.output_key.as_str().into()).into_column()], ..Changes::default() })
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::from_iter(self.language.problem_of_words());
        if !(1..=LONGEST as u32).contains(&self.n) {
            problems.push(format!("`n` should be from 1 to 4, found {}", self.n));
        }
        if self.sigma.is_nan() || self.sigma <= 0.0 {
            problems.push(format!("`sigma` should be above 0, found {}", self.sigma));
        }
        match self.df_mode {
            DocumentFrequencies::Corpus => {
                problems.push("`df_mode: corpus` would give 0 to every row\nhint: give the frequencies as a file, `idf_path`".into());
            }
            DocumentFrequencies::CocoValDf => match self.idf_path.as_deref() {
                Some(path) => problems.extend(FREQUENCIES.problem("idf_path", path, ())),
                None => problems.push("`idf_path`: it is missing\nhint: give a JSON file such as {\"df\": {\"the cat\": 3}, \"ref_len\": 40}".into()),
            },
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_frame, conformance};
    use insta::assert_snapshot;

    conformance!(CiderSampleEvaluator);

    #[test]
    fn shared_rare_phrases_raise_the_score() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"df": {"the": 40, "a": 40, "the cat": 4}, "ref_len": 40}"#).unwrap();
        let frame = df!(
            "text" => [Some("the cat sat down here"), Some("the the the"), Some("the cat ran"), None],
            "reference" => [Some("the cat sat down here"), Some("the dog"), Some("the cat sat"), Some("x")]
        )
        .unwrap();
        let shown = check_frame(&CiderSampleEvaluator { idf_path: Some(file.path().to_owned()), ..Default::default() }, frame);
        let scores: Vec<&str> = shown.lines().map(|line| line.rsplit('=').next().unwrap()).collect();
        assert!((scores[0].parse::<f64>().unwrap() - 10.0).abs() < 1e-9, "a text like its reference has 10");
        assert!(scores[1].parse::<f64>().unwrap().abs() < 1e-9, "a word that is in all documents weighs nothing");
        assert!((0.5..5.0).contains(&scores[2].parse::<f64>().unwrap()));
        assert_eq!(scores[3], "null");
    }

    #[test]
    fn a_file_of_another_form_is_told_of_in_words_of_its_own() {
        let files = ["[]", "7", r#"{"df": []}"#, r#"{"df": {}}"#, r#"{"df": {}, "ref_len": "40"}"#, r#"{"df": {"the cat": null}, "ref_len": 4}"#, "the cat 3"];
        let wrong: Vec<String> = files.iter().map(|text| Frequencies::parse(text).err().unwrap()).collect();
        assert_snapshot!(wrong.join("\n"), @r#"
        should be a record with `df` and `ref_len`, found a list
        should be a record with `df` and `ref_len`, found `7`
        `df` should be a record of numbers, found a list
        `ref_len` should be a number, found none
        `ref_len` should be a number, found `"40"`
        `df` of `the cat` should be a number, found `null`
        should be JSON: expected ident at line 1 column 2
        "#);
    }

    #[test]
    fn what_cannot_give_a_score_is_refused() {
        assert_snapshot!(Columns::problems(&CiderSampleEvaluator { n: 5, df_mode: DocumentFrequencies::Corpus, ..Default::default() }).join("\n"), @r"
        `n` should be from 1 to 4, found 5
        `df_mode: corpus` would give 0 to every row
        hint: give the frequencies as a file, `idf_path`
        ");
        assert!(Columns::problems(&CiderSampleEvaluator::default())[0].starts_with("`idf_path`: it is missing"));
    }
}
