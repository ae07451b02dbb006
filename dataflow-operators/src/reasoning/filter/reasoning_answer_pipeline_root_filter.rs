//! Parts rows with a right answer from those without.

use dataflow_core::key::{IfPresent, Input, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::answer::extract_answer;

/// Writes whether a row has a right answer, `with_gt` or `without_gt`, and fills a missing one in from the worked-out answer.
///
/// All rows stay; a later filter chooses a branch. Either column may be missing, which is as if it were null. As in DataFlow a number at the end of a text counts as its answer, but whole: of `\\frac{1}{2}` it is that, of `the roots are 1 and -2` both, never the last number alone. A right answer of nothing but white space is missing; a word such as `N/A` is not. Where nothing can be taken out, the right answer stays null.
///
/// # 中文
///
/// 写入该行是否有标准答案（`with_gt` 或 `without_gt`），缺失时从解答中提取并填入。所有行都保留，由后续过滤器选择分支。两列都可以不存在，视为空值。与 DataFlow 一致，文本末尾的数字也算答案，但取完整的数值：`\\frac{1}{2}` 取整体，`the roots are 1 and -2` 取两者，不从中截取最后一个数字；只含空白的标准答案视为缺失，`N/A` 之类的词则不算缺失；无法提取时保持为空。
#[operator(reasoning, filter, Columns)]
pub struct ReasoningAnswerPipelineRootFilter {
    /// The answer, worked out. 中文：带推理过程的答案。
    pub input_answer_key: IfPresent<Input<Text>>,
    /// The right answer; null where there is no such column. 中文：标准答案；没有该列时可设为 null。
    pub input_gt_key: Option<IfPresent<Input<Text>>>,
    /// Where the right answer goes, filled in. 中文：写入补全后的标准答案的列。
    pub output_gt_key: Output<Text>,
    /// Where the branch goes. 中文：写入分支的列。
    pub output_branch_key: Output<Text>,
}

impl Default for ReasoningAnswerPipelineRootFilter {
    fn default() -> Self {
        Self {
            input_answer_key: "output".into(),
            input_gt_key: Some("golden_answer".into()),
            output_gt_key: "golden_answer".into(),
            output_branch_key: "answer_branch".into(),
        }
    }
}

impl Columns for ReasoningAnswerPipelineRootFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let texts = |key: Option<&IfPresent<Input<Text>>>| match key.map(|key| key.0.as_str()).filter(|key| frame.column(key).is_ok()) {
            Some(key) => texts_of(frame, key),
            None => Ok(StringChunked::full_null("".into(), frame.height())),
        };
        let (answers, truths) = (texts(Some(&self.input_answer_key))?, texts(self.input_gt_key.as_ref())?);
        let filled: Vec<Option<String>> = answers
            .iter()
            .zip(truths.iter())
            .map(|(answer, truth)| truth.filter(|truth| !truth.trim().is_empty()).map(ToOwned::to_owned).or_else(|| answer.and_then(extract_answer)))
            .collect();
        let branch: Vec<&str> = filled.iter().map(|truth| if truth.is_some() { "with_gt" } else { "without_gt" }).collect();
        Ok(Changes {
            columns: vec![Column::new(self.output_gt_key.as_str().into(), filled), Column::new(self.output_branch_key.as_str().into(), branch)],
            ..Changes::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_frame, conformance};
    use insta::assert_snapshot;

    conformance!(ReasoningAnswerPipelineRootFilter);

    #[test]
    fn a_missing_answer_is_filled_in_where_it_can_be() {
        let frame = df!("output" => [Some("so 9"), Some("none"), None, Some("so 7")], "golden_answer" => [None, Some(""), Some("1"), Some("  ")]).unwrap();
        assert_snapshot!(check_frame(&ReasoningAnswerPipelineRootFilter::default(), frame), @r"
        output=so 9 golden_answer=9 answer_branch=with_gt
        output=none golden_answer=null answer_branch=without_gt
        output=null golden_answer=1 answer_branch=with_gt
        output=so 7 golden_answer=7 answer_branch=with_gt
        ");
    }

    #[test]
    fn a_fraction_is_filled_in_whole() {
        let frame = df!("output" => [r"\frac{1}{2}", "So x = 2/3.", "the point (1, 2)", "The roots are 1 and -2.", "It takes 2 hours 30 minutes.", "Thus $a^2+b^2=c^2$.", "The answer is 12 (3 rows)."]).unwrap();
        assert_snapshot!(check_frame(&ReasoningAnswerPipelineRootFilter::default(), frame), @r"
        output=\frac{1}{2} golden_answer=\frac{1}{2} answer_branch=with_gt
        output=So x = 2/3. golden_answer=2/3 answer_branch=with_gt
        output=the point (1, 2) golden_answer=(1, 2) answer_branch=with_gt
        output=The roots are 1 and -2. golden_answer=1, -2 answer_branch=with_gt
        output=It takes 2 hours 30 minutes. golden_answer=2 hours 30 minutes answer_branch=with_gt
        output=Thus $a^2+b^2=c^2$. golden_answer=a^2+b^2=c^2 answer_branch=with_gt
        output=The answer is 12 (3 rows). golden_answer=12 answer_branch=with_gt
        ");
    }

    #[test]
    fn a_table_without_right_answers_gets_them() {
        for operator in [ReasoningAnswerPipelineRootFilter::default(), ReasoningAnswerPipelineRootFilter { input_gt_key: None, ..Default::default() }] {
            let frame = df!("output" => ["\\boxed{7}"]).unwrap();
            assert_eq!(check_frame(&operator, frame), r"output=\boxed{7} golden_answer=7 answer_branch=with_gt");
        }
    }
}
