//! Parts rows with a right answer from those without.

use dataflow_core::key::{Input, Nullable, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::answer::extract_answer;

/// Writes whether a row has a right answer, `with_gt` or `without_gt`, and fills a missing one in from the worked-out answer.
///
/// All rows stay; a later filter chooses a branch. As in DataFlow any number at the end of a text counts as its answer; where nothing can be taken out, the right answer stays null.
///
/// # 中文
///
/// 写入该行是否有标准答案（`with_gt` 或 `without_gt`），缺失时从解答中提取并填入。所有行都保留，由后续过滤器选择分支。与 DataFlow 一致，文本末尾的数字也算答案；无法提取时保持为空。
#[operator(reasoning, filter, Columns)]
pub struct ReasoningAnswerPipelineRootFilter {
    /// The answer, worked out. 中文：带推理过程的答案。
    pub input_answer_key: Nullable<Input<Text>>,
    /// The right answer. 中文：标准答案。
    pub input_gt_key: Nullable<Input<Text>>,
    /// Where the right answer goes, filled in. 中文：写入补全后的标准答案的列。
    pub output_gt_key: Output<Text>,
    /// Where the branch goes. 中文：写入分支的列。
    pub output_branch_key: Output<Text>,
}

impl Default for ReasoningAnswerPipelineRootFilter {
    fn default() -> Self {
        Self {
            input_answer_key: "output".into(),
            input_gt_key: "golden_answer".into(),
            output_gt_key: "golden_answer".into(),
            output_branch_key: "answer_branch".into(),
        }
    }
}

impl Columns for ReasoningAnswerPipelineRootFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let texts = |key: &str| -> Result<StringChunked> {
            // A data set without one of the two columns is one in which it is null.
            if frame.column(key).is_ok() { texts_of(frame, key) } else { Ok(StringChunked::full_null(key.into(), frame.height())) }
        };
        let (answers, truths) = (texts(self.input_answer_key.0.as_str())?, texts(self.input_gt_key.0.as_str())?);
        let filled: Vec<Option<String>> = answers
            .iter()
            .zip(truths.iter())
            .map(|(answer, truth)| truth.filter(|truth| !truth.is_empty()).map(ToOwned::to_owned).or_else(|| answer.and_then(extract_answer)))
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
        let frame = df!("output" => [Some("so 9"), Some("none"), None], "golden_answer" => [None, Some(""), Some("1")]).unwrap();
        assert_snapshot!(check_frame(&ReasoningAnswerPipelineRootFilter::default(), frame), @r"
        output=so 9 golden_answer=9 answer_branch=with_gt
        output=none golden_answer=null answer_branch=without_gt
        output=null golden_answer=1 answer_branch=with_gt
        ");
    }
}
