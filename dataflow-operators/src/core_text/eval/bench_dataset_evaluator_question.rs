//! Compares answers to questions with reference answers and tells the accuracy.

use std::path::PathBuf;

use dataflow_core::key::{Boolean, Input, Nullable, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::{Outcome, Summary};
use dataflow_core::prompt::PromptTemplate;
use dataflow_core::row::{ReadKey, Row};
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, context, operator};

use super::bench_dataset_evaluator::{CompareMethod, Tally};
use crate::answer::{AnswerJudgePromptQuestion, ask_judge, solution_matches_by};
use crate::compatibility::Compatibility;

/// Compares each answer to a question with its reference answer and tells the accuracy of the whole set.
///
/// As `BenchDatasetEvaluator`, but the model that judges is shown the question. `match` finds the final answer and compares it by its mathematical value, without a
/// model and without the question. A row without a reference answer counts as wrong in its cell and not at all in the accuracy. DataFlow's counting of
/// sub-questions (`support_subquestions`) is not here, and every row stays (`keep_all_samples`).
///
/// For `match` the first of these that is there is the answer: the last `<answer>…</answer>`, the last box, `#### …`, "the answer is …", as a whole or without the reason behind it, the letter of a
/// choice, a verdict. A later number does not make up for a wrong one. Else an answer that is nothing but the reference is right, or the last value, whole: of `x = 2/3` it is `2/3`, of
/// `(1,2)` that, and of `the roots are 1 and -2` both, never the last number alone. What the text takes back (`not 18`, `18 is too small`) is no answer.
///
/// With `compatibility: dataflow`, `match` compares as DataFlow does, by numbers alone: a letter, an interval, a set and a formula with letters in it are right for
/// nothing, `1{,}000` is read as 1, and of a text without marks of LaTeX the last number counts.
///
/// # 中文
///
/// 将每个问题的答案与参考答案比较，并给出整个数据集的准确率。与 `BenchDatasetEvaluator` 相同，但裁判模型会看到问题；`match` 提取最终答案并按数学含义比较，
/// 不调用模型，也不需要问题。没有参考答案的行在单元格中记为假，但不计入准确率。DataFlow 的子问题计数（`support_subquestions`）此处没有，所有行都会保留（`keep_all_samples`）。
/// 使用 `match` 时，以第一个出现的标记为准：最后一个 `<answer>…</answer>`、最后一个方框、`#### …`、“答案是……”（整句，或去掉其后的理由）、所选字母、判断；标出的答案错误时，后文的数字不能补救。
/// 没有标记时，整个答案与参考答案相同即为正确，否则取最后一个完整的数值：`x = 2/3` 取 `2/3`，`(1,2)` 取整体，`the roots are 1 and -2` 取两者，不从中截取最后一个数字。被否定的值（“不是 18”“18 is too small”）不算。
/// `compatibility: dataflow` 时，`match` 与 DataFlow 一样只比较数字：选项字母、区间、集合与含字母的式子一律算错，`1{,}000` 读作 1；没有 LaTeX 标记的文本取最后一个数字。
#[operator(core_text, eval, AskModel)]
pub struct BenchDatasetEvaluatorQuestion {
    /// The file that the result is written to as well. 中文：另将统计结果写入的文件。
    #[path(writes)]
    pub eval_result_path: Option<PathBuf>,
    /// The name of the benchmark in the result; the name of the result's file where it is left out. 中文：结果中的评测名称；缺省时取结果文件名。
    pub bench_name: Option<String>,
    /// How answers are compared. 中文：比较方式，`match` 或 `semantic`。
    pub compare_method: CompareMethod,
    /// Whose rule is followed. 中文：采用谁的规则。
    pub compatibility: Compatibility,
    /// What the judge is told to be. 中文：系统提示词，说明裁判模型的角色。
    pub system_prompt: String,
    /// How the judge is asked. 中文：询问裁判模型所用的提示词。
    #[prompts(allowed(AnswerJudgePromptQuestion), variables(question, answer, reference_answer))]
    pub prompt_template: PromptTemplate,
    /// The answer to test, which may be a whole solution. 中文：待评测的答案列，可以是完整解答。
    pub input_test_answer_key: Nullable<Input<Text>>,
    /// The reference answer. 中文：参考答案列。
    pub input_gt_answer_key: Nullable<Input<Text>>,
    /// The question; `semantic` needs it. 中文：问题列，`semantic` 必须给出。
    pub input_question_key: Option<Input<Text>>,
    /// Where it goes whether the two agree. 中文：写入是否一致的列。
    pub output_key: Output<Boolean>,
}

impl Default for BenchDatasetEvaluatorQuestion {
    fn default() -> Self {
        Self {
            eval_result_path: None,
            bench_name: None,
            compare_method: CompareMethod::Match,
            compatibility: Compatibility::Own,
            system_prompt: "You are a helpful assistant specialized in evaluating answer correctness.".into(),
            prompt_template: AnswerJudgePromptQuestion.into(),
            input_test_answer_key: "generated_cot".into(),
            input_gt_answer_key: "golden_answer".into(),
            input_question_key: None,
            output_key: "answer_match_result".into(),
        }
    }
}

impl AskModel for BenchDatasetEvaluatorQuestion {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let matched = if row.is_blank(&self.input_gt_answer_key) || row.is_blank(&self.input_test_answer_key) {
            false
        } else {
            let (answer, reference) = (row.text(&self.input_test_answer_key)?, row.text(&self.input_gt_answer_key)?);
            match self.compare_method {
                CompareMethod::Match => solution_matches_by(self.compatibility, &answer, &reference),
                CompareMethod::Semantic => {
                    let question = self.input_question_key.as_ref().map(|key| row.text_or_null(key)).transpose()?.flatten().unwrap_or_default();
                    let request = self.prompt_template.build_prompt(context! { question, answer, reference_answer => reference })?;
                    ask_judge(model, &self.system_prompt, request).await?
                }
            }
        };
        Ok(Cells::new().set(&self.output_key, matched).into())
    }

    fn calls_per_row(&self) -> u64 {
        u64::from(self.compare_method == CompareMethod::Semantic)
    }

    fn summary(&self) -> Option<Box<dyn Summary>> {
        Some(Box::new(Tally::new(
            (self.eval_result_path.clone(), self.bench_name.clone(), self.compare_method),
            [self.input_test_answer_key.column(), self.input_gt_answer_key.column(), self.output_key.as_str()],
        )))
    }

    fn problems(&self) -> Vec<String> {
        if self.compare_method == CompareMethod::Semantic && self.input_question_key.is_none() {
            return vec!["`compare_method: semantic` needs `input_question_key`\nhint: without a question, `BenchDatasetEvaluator` compares".into()];
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use serde_json::json;

    conformance!(BenchDatasetEvaluatorQuestion);

    fn check(operator: &BenchDatasetEvaluatorQuestion, replies: &[&str]) -> String {
        let row = json!({ "instruction": "What is half of 8?", "generated_cot": r"That is \boxed{4.0}.", "golden_answer": "4" });
        check_row(operator, &ScriptedModel::replies(replies.iter().copied()), row)
    }

    #[test]
    fn match_needs_no_question_and_no_model() {
        assert_eq!(check(&BenchDatasetEvaluatorQuestion::default(), &[]), "-> answer_match_result=true");
    }

    #[test]
    fn the_judge_is_shown_the_question() {
        let operator = BenchDatasetEvaluatorQuestion {
            compare_method: CompareMethod::Semantic,
            input_question_key: Some("instruction".into()),
            prompt_template: PromptTemplate::text("{{ question }} {{ answer }} {{ reference_answer }}"),
            ..Default::default()
        };
        let told = check(&operator, &["{\"judgement_result\": false}"]);
        assert!(told.contains(r"[user] What is half of 8? That is \boxed{4.0}. 4"), "{told}");
        assert!(told.ends_with("-> answer_match_result=false"), "{told}");
    }

    #[test]
    fn semantic_without_a_question_is_a_problem() {
        let operator = BenchDatasetEvaluatorQuestion { compare_method: CompareMethod::Semantic, ..Default::default() };
        assert!(Operator::problems(&operator)[0].starts_with("`compare_method: semantic` needs `input_question_key`"));
    }
}
