//! Filters rows by how varied their words are.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::bounds;
use crate::compatibility::Compatibility;
use crate::general_text::lexical_diversity::{LexicalDiversity, scores};
use crate::language::TextLanguage;
use crate::score_columns::ScoreColumns;

/// Keeps rows whose lexical diversity lies within bounds, and writes the scores and a label for each.
///
/// The scores are those of `LexicalDiversitySampleEvaluator`; a text that is too short for a score passes it, as in DataFlow. A null is dropped.
/// DataFlow drops a text of different words alone, which has an MTLD of -1 there; `compatibility: dataflow` does as it does.
///
/// # 中文
///
/// 保留词汇多样性在范围之内的行，并写入各项得分与标签。得分与 `LexicalDiversitySampleEvaluator` 相同；与 DataFlow 一致，过短而没有得分的文本视为通过。空值会被丢弃。
/// DataFlow 会丢弃全部词互不相同的文本（其 MTLD 为 -1）；`compatibility: dataflow` 沿用其做法。
#[operator(general_text, filter, Columns)]
pub struct LexicalDiversityFilter {
    /// The text to look at. 中文：要检查的文本。
    pub input_key: Input<Text>,
    /// The lowest scores to keep, of `mtld` and `hdd`. 中文：保留的最低得分，键为 `mtld` 与 `hdd`。
    pub min_scores: BTreeMap<String, f64>,
    /// The highest scores to keep. 中文：保留的最高得分。
    pub max_scores: BTreeMap<String, f64>,
    /// The scores that are looked at. 中文：参与判断的得分。
    pub metrics: Vec<String>,
    /// What the names of the two score columns begin with. 中文：两个得分列名的前缀。
    #[keys]
    pub output_prefix: ScoreColumns<LexicalDiversity>,
    /// Where the label of MTLD goes. 中文：写入 MTLD 标签的列。
    pub output_mtld_label_key: Output<Integer>,
    /// Where the label of HD-D goes. 中文：写入 HD-D 标签的列。
    pub output_hdd_label_key: Output<Integer>,
    /// `dataflow` for DataFlow's rule; `en`, `zh` or another code of ISO 639-1 for the words of a language, Chinese ones by a segmenter, and others without spaces (`ja`, `th`) refused; `auto` for `zh` where words are in Chinese characters and the text is not Japanese, and `en` for others. 中文：`dataflow` 表示 DataFlow 的规则；`en`、`zh` 或其他 ISO 639-1 代码表示按该语言切词，中文使用分词器，其他不用空格的语言（`ja`、`th`）会被拒绝；`auto` 表示汉字部分按 `zh`（日文除外），其余部分按 `en`。
    pub language: TextLanguage,
    /// `dataflow` for DataFlow's own rule. 中文：`dataflow` 表示沿用 DataFlow 的规则。
    pub compatibility: Compatibility,
}

/// The metrics, in the order of the scores.
const METRICS: [&str; 2] = ["mtld", "hdd"];

impl Default for LexicalDiversityFilter {
    fn default() -> Self {
        let scores = |values: [f64; 2]| METRICS.into_iter().map(ToOwned::to_owned).zip(values).collect();
        Self {
            input_key: "text".into(),
            min_scores: scores([50.0, 0.8]),
            max_scores: scores([99_999.0, 1.0]),
            metrics: METRICS.map(Into::into).into(),
            output_prefix: ScoreColumns::default(),
            output_mtld_label_key: "LexicalDiversityMTLDScore_label".into(),
            output_hdd_label_key: "LexicalDiversityHD-DScore_label".into(),
            language: TextLanguage::Dataflow,
            compatibility: Compatibility::Own,
        }
    }
}

impl LexicalDiversityFilter {
    fn bounds_of(&self, metric: usize) -> RangeInclusive<f64> {
        let bound = |bounds: &BTreeMap<String, f64>, otherwise| bounds.get(METRICS[metric]).copied().unwrap_or(otherwise);
        bound(&self.min_scores, f64::NEG_INFINITY)..=bound(&self.max_scores, f64::INFINITY)
    }

    fn looks_at(&self, metric: usize) -> bool {
        self.metrics.iter().any(|wanted| wanted == METRICS[metric])
    }
}

impl Columns for LexicalDiversityFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let texts = texts_of(frame, self.input_key.as_str())?;
        let scores: Vec<[Option<f64>; 2]> =
            texts.iter().map(|text| text.map_or([None, None], |text| scores(text, self.language, self.compatibility))).collect();
        let mut keep: Vec<bool> = texts.iter().map(|text| text.is_some()).collect();
        let mut columns = Vec::new();
        let labels = [&self.output_mtld_label_key, &self.output_hdd_label_key];
        for ((metric, name), label) in self.output_prefix.columns().enumerate().zip(labels) {
            let bounds = self.bounds_of(metric);
            let is_well = |(text, scores): (Option<&str>, &[Option<f64>; 2])| text.is_some() && scores[metric].is_none_or(|score| bounds.contains(&score));
            let well: Vec<bool> = texts.iter().zip(&scores).map(is_well).collect();
            if self.looks_at(metric) {
                keep.iter_mut().zip(&well).for_each(|(keep, well)| *keep &= well);
            }
            let column: Float64Chunked = scores.iter().map(|scores| scores[metric]).collect();
            columns.push(column.with_name(name.as_str().into()).into_column());
            columns.push(Column::new(label.as_str().into(), well.into_iter().map(i64::from).collect::<Vec<_>>()));
        }
        Ok(Changes { columns, keep: Some(keep.into_iter().map(Some).collect()), failed: Vec::new() })
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        let texts = texts_of(&frame.slice(i64::try_from(row).ok()?, 1), self.input_key.as_str()).ok()?;
        let Some(text) = texts.get(0) else { return Some("the text is null".into()) };
        let scores = scores(text, self.language, self.compatibility);
        let looked_at = self.output_prefix.columns().enumerate().filter(|(metric, _)| self.looks_at(*metric));
        let out = looked_at.filter_map(|(metric, name)| bounds::missed(&name, scores[metric]?, &self.bounds_of(metric)));
        Some(out.collect::<Vec<_>>().join("; ")).filter(|out| !out.is_empty())
    }

    fn problems(&self) -> Vec<String> {
        let named = self.min_scores.keys().map(|name| ("min_scores", name)).chain(self.max_scores.keys().map(|name| ("max_scores", name)));
        let named = named.chain(self.metrics.iter().map(|name| ("metrics", name)));
        let unknown = named.filter(|(_, name)| !METRICS.contains(&name.as_str()));
        let mut problems: Vec<String> = unknown.map(|(field, name)| format!("`{field}` names `{name}`, and the scores are `mtld` and `hdd`")).collect();
        for (metric, least) in &self.min_scores {
            if let Some(largest) = self.max_scores.get(metric) {
                problems.extend(bounds::closed((&format!("min_scores.{metric}"), *least), (&format!("max_scores.{metric}"), *largest)));
            }
        }
        problems.extend(self.language.problem_of_words());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};

    conformance!(LexicalDiversityFilter);

    #[test]
    fn repetition_goes_and_short_texts_pass() {
        let shown = check_rule(&LexicalDiversityFilter::default(), "text", [&*"a b ".repeat(30), "short"]);
        assert_eq!(
            shown,
            "dropped\ntext=short LexicalDiversityMTLDScore=null LexicalDiversityHD-DScore=null LexicalDiversityMTLDScore_label=1 LexicalDiversityHD-DScore_label=1"
        );
        let why = |text: Option<&str>| Columns::why(&LexicalDiversityFilter::default(), &df!("text" => [text]).unwrap(), 0).unwrap();
        let told = "`LexicalDiversityMTLDScore` is 3, below 50; `LexicalDiversityHD-DScore` is 0.047619047619047616, below 0.8";
        assert_eq!([why(Some(&"a b ".repeat(30))), why(None)], [told, "the text is null"]);
        let different: Vec<String> = (0..60).map(|number| format!("w{number}")).collect();
        let kept = |compatibility| check_rule(&LexicalDiversityFilter { compatibility, ..Default::default() }, "text", [&*different.join(" ")]) != "dropped";
        assert!(kept(Compatibility::Own) && !kept(Compatibility::Dataflow));
        let apart = LexicalDiversityFilter { max_scores: [("mtld".to_owned(), 40.0)].into(), ..Default::default() };
        assert_eq!(Columns::problems(&apart), ["`min_scores.mtld` is 50 and `max_scores.mtld` 40, so no row can stay"]);
        let one = LexicalDiversityFilter { metrics: vec!["ttr".into()], ..Default::default() };
        assert_eq!(Columns::problems(&one), ["`metrics` names `ttr`, and the scores are `mtld` and `hdd`"]);
    }
}
