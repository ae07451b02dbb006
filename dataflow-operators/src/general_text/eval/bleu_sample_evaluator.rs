//! Scores a text against a reference by its n-grams.

use dataflow_core::key::{Float, Input, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::compatibility::Compatibility;
use crate::language::TextLanguage;
use crate::ngram::{Grams, numbered};

/// Writes the BLEU score of a text against a reference: the geometric mean of the shares of its 1- to `n`-grams that the reference has too, or of those up to its
/// own length where the text has fewer words.
///
/// Words are what white space separates, or those of a `language`. DataFlow gives BLEU-1 whatever `n` is; `compatibility: dataflow` does as it does. A row in which one of the two is
/// null has no score. K. Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002.
///
/// # 中文
///
/// 写入文本相对参考文本的 BLEU 得分：1 至 `n` 元词组命中率的几何平均；文本的词少于 `n` 时，只计到其词数。词以空白分隔，或按 `language` 切分。DataFlow 无论 `n` 为多少都给出 BLEU-1；`compatibility: dataflow` 沿用其做法。
/// 两者之一为空的行没有得分。
#[operator(general_text, eval, Columns)]
pub struct BleuSampleEvaluator {
    /// The text to score. 中文：要评分的文本。
    pub input_key: Input<Text>,
    /// The text that it is compared with. 中文：参考文本。
    pub input_reference_key: Input<Text>,
    /// Where the score goes. 中文：写入得分的列。
    pub output_key: Output<Float>,
    /// The longest n-gram, from 1 to 4. 中文：最长的词组，1 到 4。
    pub n: u32,
    /// How the length of the reference is taken; with one reference all are the same. 中文：参考长度的取法；只有一个参考时各种取法相同。
    pub eff: EffectiveLength,
    /// A length in the place of the reference's. 中文：替代参考长度的值。
    pub special_reflen: Option<u32>,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

/// Which length stands for several references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EffectiveLength {
    /// The mean.
    #[default]
    Average,
    /// The shortest.
    Shortest,
    /// The one nearest to the text's.
    Closest,
}

impl Default for BleuSampleEvaluator {
    fn default() -> Self {
        Self {
            input_key: "text".into(),
            input_reference_key: "reference".into(),
            output_key: "BleuScore".into(),
            n: 4,
            eff: EffectiveLength::Average,
            special_reflen: None,
            language: TextLanguage::Dataflow,
            compatibility: Compatibility::Own,
        }
    }
}

impl BleuSampleEvaluator {
    /// The sum in the way of the COCO captions' scorer: a share without hits is a little above 0. Of a text with fewer words than `n` the n-grams that it may have
    /// count, which sacreBLEU calls the effective order.
    fn score(&self, text: &str, reference: &str) -> f64 {
        const TINY: f64 = 1e-15;
        const SMALL: f64 = 1e-9;
        let mut both = Vec::new();
        self.language.each_word(text, |word| both.push(word));
        let text_words = both.len();
        self.language.each_word(reference, |word| both.push(word));
        let both = numbered(both.into_iter());
        let (words, reference) = both.split_at(text_words);
        let longest = if self.compatibility == Compatibility::Dataflow { 1 } else { (self.n as usize).min(text_words).max(1) };
        let (mut known_grams, mut guessed_grams, mut grams) = (reference.to_vec(), words.to_vec(), Grams::default());
        let mut product = 1.0;
        for n in 1..=longest {
            if n > 1 {
                grams.begin();
                grams.extend(&mut known_grams, reference, n);
                grams.extend(&mut guessed_grams, words, n);
            }
            let hits = shared(&guessed_grams, &known_grams);
            let guesses = (words.len() + 1).saturating_sub(n);
            product *= (hits as f64 + TINY) / (guesses as f64 + SMALL);
        }
        let score = product.powf(1.0 / longest as f64);
        let reference_length = self.special_reflen.map_or(reference.len() as f64, f64::from);
        let ratio = (words.len() as f64 + TINY) / (reference_length + SMALL);
        if ratio < 1.0 { score * (1.0 - 1.0 / ratio).exp() } else { score }
    }
}

fn shared(guessed: &[u32], known: &[u32]) -> usize {
    let mut left = vec![0_u32; guessed.iter().chain(known).max().map_or(0, |most| *most as usize + 1)];
    for gram in known {
        left[*gram as usize] += 1;
    }
    let is_left = |gram: &&u32| {
        let left = &mut left[**gram as usize];
        let some = *left > 0;
        *left = left.saturating_sub(1);
        some
    };
    guessed.iter().filter(is_left).count()
}

impl Columns for BleuSampleEvaluator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let (texts, references) = (texts_of(frame, self.input_key.as_str())?, texts_of(frame, self.input_reference_key.as_str())?);
        let scores: Float64Chunked = texts.iter().zip(references.iter()).map(|(text, reference)| Some(self.score(text?, reference?))).collect();
        Ok(Changes { columns: vec![scores.with_name(self.output_key.as_str().into()).into_column()], ..Changes::default() })
    }

    fn problems(&self) -> Vec<String> {
        let wrong = (!(1..=4).contains(&self.n)).then(|| format!("`n` should be from 1 to 4, found {}", self.n));
        wrong.into_iter().chain(self.language.problem_of_words()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_frame, conformance};

    conformance!(BleuSampleEvaluator);

    #[test]
    fn shared_phrases_raise_the_score_and_brevity_lowers_it() {
        let frame = df!(
            "text" => [Some("the cat sat on the mat"), Some("the cat"), Some("mat the on sat cat the"), None],
            "reference" => [Some("the cat sat on the mat"), Some("the cat sat on the mat"), Some("the cat sat on the mat"), Some("x")]
        )
        .unwrap();
        let score = |n: u32, line: usize| {
            let shown = check_frame(&BleuSampleEvaluator { n, ..Default::default() }, frame.clone());
            shown.lines().nth(line).unwrap().rsplit('=').next().unwrap().parse::<f64>().ok()
        };
        assert!((score(4, 0).unwrap() - 1.0).abs() < 1e-6);
        assert!((score(2, 1).unwrap() - (1.0f64 - 3.0).exp()).abs() < 1e-6);
        assert!((score(1, 2).unwrap() - 1.0).abs() < 1e-6 && score(4, 2).unwrap() < 0.01);
        assert_eq!(score(4, 3), None);
    }

    #[test]
    fn a_short_text_like_its_reference_has_the_full_score() {
        let frame = df!("text" => ["Paris", "New York", "Rome", ""], "reference" => ["Paris", "New York", "Paris", "Paris"]).unwrap();
        let shown = check_frame(&BleuSampleEvaluator::default(), frame);
        let scores: Vec<f64> = shown.lines().map(|line| line.rsplit('=').next().unwrap().parse().unwrap()).collect();
        assert!(scores[..2].iter().all(|score| (score - 1.0).abs() < 1e-6) && scores[2..].iter().all(|score| *score < 1e-6), "{scores:?}");
    }

    #[test]
    fn a_language_has_words_of_its_own() {
        let frame = df!("text" => ["今天天气很好"], "reference" => ["今天天气不好"]).unwrap();
        let score = |language| {
            let shown = check_frame(&BleuSampleEvaluator { n: 1, language, ..Default::default() }, frame.clone());
            shown.rsplit('=').next().unwrap().parse::<f64>().unwrap()
        };
        assert!(score(TextLanguage::Dataflow) < 1e-6 && score(TextLanguage::Auto) > 0.3);
    }
}
