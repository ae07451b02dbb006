//! Scores how varied the words of a text are.

use dataflow_core::key::{Input, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::compatibility::Compatibility;
use crate::general_text::lexical_diversity::{LexicalDiversity, scores};
use crate::language::TextLanguage;
use crate::score_columns::ScoreColumns;

/// Writes two measures of lexical diversity: MTLD, about how many words pass before they repeat, and HD-D, a share from 0 to 1.
///
/// Texts of 50 words or fewer have neither, texts of 1,000 words or more no HD-D. A text of different words alone has an HD-D of 1 and the highest MTLD that its length allows, at most 99,999; DataFlow gives it -1, and `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 写入两种词汇多样性指标：MTLD（大约多少词之后开始重复）与 HD-D（0 到 1）。不超过 50 个词的文本没有这两项得分，1000 词及以上的文本没有 HD-D。
/// 全部词互不相同的文本 HD-D 为 1，MTLD 为该长度所能达到的最高值，至多 99,999；DataFlow 给出 -1，`compatibility: dataflow` 沿用其做法。
#[operator(general_text, eval, Columns)]
pub struct LexicalDiversitySampleEvaluator {
    /// The text to score. 中文：要评分的文本。
    pub input_key: Input<Text>,
    /// What the names of the two columns begin with. 中文：两个得分列名的前缀。
    #[keys]
    pub output_prefix: ScoreColumns<LexicalDiversity>,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

impl Default for LexicalDiversitySampleEvaluator {
    fn default() -> Self {
        Self { input_key: "text".into(), output_prefix: ScoreColumns::default(), language: TextLanguage::Dataflow, compatibility: Compatibility::Own }
    }
}

impl Columns for LexicalDiversitySampleEvaluator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let texts = texts_of(frame, self.input_key.as_str())?;
        let scores: Vec<[Option<f64>; 2]> =
            texts.iter().map(|text| text.map_or([None, None], |text| scores(text, self.language, self.compatibility))).collect();
        let columns = self.output_prefix.columns().enumerate().map(|(place, name)| {
            let column: Float64Chunked = scores.iter().map(|scores| scores[place]).collect();
            column.with_name(name.as_str().into()).into_column()
        });
        Ok(Changes { columns: columns.collect(), ..Changes::default() })
    }

    fn problems(&self) -> Vec<String> {
        self.language.problem_of_words().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(LexicalDiversitySampleEvaluator);

    #[test]
    fn long_texts_have_scores() {
        let shown = check_rule(&LexicalDiversitySampleEvaluator::default(), "text", [&*"a b ".repeat(30), "short"]);
        let scores: Vec<&str> = shown.lines().map(|line| line.split_once(" Lexical").unwrap().1).collect();
        assert_snapshot!(scores.join("\n"), @r"
        DiversityMTLDScore=3.0 LexicalDiversityHD-DScore=0.047619047619047616
        DiversityMTLDScore=null LexicalDiversityHD-DScore=null
        ");
    }
}
