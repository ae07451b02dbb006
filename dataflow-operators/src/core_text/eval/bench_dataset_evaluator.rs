//! Compares answers with reference answers and tells the accuracy.

use std::path::PathBuf;

use dataflow_core::key::{Boolean, Input, Nullable, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::{DatasetResult, Outcome, Summary};
use dataflow_core::prompt::PromptTemplate;
use dataflow_core::row::{ReadKey, Row};
use dataflow_core::shape::{AskModel, texts_of};
use dataflow_core::{Cells, Result, context, operator};
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{AnswerJudgePrompt, ask_judge, solution_matches_by};
use crate::compatibility::Compatibility;

/// Compares each answer with its reference answer and tells the accuracy of the whole set.
///
/// `match` finds the final answer and compares it by its mathematical value, words without letter case, and asks no model; `semantic` asks the model. A row without a
/// reference answer counts as wrong in its cell and not at all in the accuracy; a row without an answer is wrong in both.
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
/// 将每个答案与参考答案比较，并给出整个数据集的准确率。`match` 提取最终答案并按数学含义比较（单词不区分大小写），不调用模型；`semantic` 由模型判断。
/// 没有参考答案的行在单元格中记为假，但不计入准确率；没有答案的行两处都算错。
/// 使用 `match` 时，以第一个出现的标记为准：最后一个 `<answer>…</answer>`、最后一个方框、`#### …`、“答案是……”（整句，或去掉其后的理由）、所选字母、判断；标出的答案错误时，后文的数字不能补救。
/// 没有标记时，整个答案与参考答案相同即为正确，否则取最后一个完整的数值：`x = 2/3` 取 `2/3`，`(1,2)` 取整体，`the roots are 1 and -2` 取两者，不从中截取最后一个数字。被否定的值（“不是 18”“18 is too small”）不算。
/// `compatibility: dataflow` 时，`match` 与 DataFlow 一样只比较数字：选项字母、区间、集合与含字母的式子一律算错，`1{,}000` 读作 1；没有 LaTeX 标记的文本取最后一个数字。
#[operator(core_text, eval, AskModel)]
pub struct BenchDatasetEvaluator {
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
    #[prompts(allowed(AnswerJudgePrompt), variables(answer, reference_answer))]
    pub prompt_template: PromptTemplate,
    /// The answer to test, which may be a whole solution. 中文：待评测的答案列，可以是完整解答。
    pub input_test_answer_key: Nullable<Input<Text>>,
    /// The reference answer. 中文：参考答案列。
    pub input_gt_answer_key: Nullable<Input<Text>>,
    /// Where it goes whether the two agree. 中文：写入是否一致的列。
    pub output_key: Output<Boolean>,
}

/// How answers are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum CompareMethod {
    /// By the mathematical value of the final answer.
    #[default]
    Match,
    /// By a model's judgement.
    Semantic,
}

impl Default for BenchDatasetEvaluator {
    fn default() -> Self {
        Self {
            eval_result_path: None,
            bench_name: None,
            compare_method: CompareMethod::Match,
            compatibility: Compatibility::Own,
            system_prompt: "You are a helpful assistant specialized in evaluating answer correctness.".into(),
            prompt_template: AnswerJudgePrompt.into(),
            input_test_answer_key: "generated_cot".into(),
            input_gt_answer_key: "golden_answer".into(),
            output_key: "answer_match_result".into(),
        }
    }
}

impl AskModel for BenchDatasetEvaluator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let matched = if row.is_blank(&self.input_gt_answer_key) || row.is_blank(&self.input_test_answer_key) {
            false
        } else {
            let (answer, reference) = (row.text(&self.input_test_answer_key)?, row.text(&self.input_gt_answer_key)?);
            match self.compare_method {
                CompareMethod::Match => solution_matches_by(self.compatibility, &answer, &reference),
                CompareMethod::Semantic => {
                    let request = self.prompt_template.build_prompt(context! { answer, reference_answer => reference })?;
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
}

/// The counts behind the result.
pub(super) struct Tally {
    path: Option<PathBuf>,
    name: Option<String>,
    compare_method: CompareMethod,
    answer: String,
    reference: String,
    verdict: String,
    total: usize,
    /// Rows with a reference answer and a verdict.
    valid: usize,
    matched: usize,
    /// Rows with a reference answer whose own answer is blank.
    empty: usize,
}

impl Tally {
    /// Counts nothing yet. The columns are those of the answer, the reference answer and the verdict.
    pub(super) fn new((path, name, compare_method): (Option<PathBuf>, Option<String>, CompareMethod), columns: [&str; 3]) -> Self {
        let [answer, reference, verdict] = columns.map(ToOwned::to_owned);
        Self { path, name, compare_method, answer, reference, verdict, total: 0, valid: 0, matched: 0, empty: 0 }
    }
}

impl Summary for Tally {
    fn observe(&mut self, frame: &DataFrame) -> Result<()> {
        let answers = texts_of(frame, &self.answer)?;
        let references = texts_of(frame, &self.reference)?;
        let verdicts = frame.column(&self.verdict)?.bool()?;
        let blank = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
        self.total += frame.height();
        for ((answer, reference), verdict) in answers.iter().zip(references.iter()).zip(verdicts.iter()) {
            // A null verdict is a row that failed and was kept: nobody judged it.
            let Some(matched) = verdict.filter(|_| !blank(reference)) else { continue };
            self.valid += 1;
            self.matched += usize::from(matched);
            self.empty += usize::from(blank(answer));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<DatasetResult> {
        let path = self.path.clone();
        let name = self.name.clone().or_else(|| Some(path.as_ref()?.file_stem()?.to_string_lossy().into_owned()));
        let value = json!({
            "bench_name_or_prefix": name,
            "total_samples": self.total,
            "valid_samples": self.valid,
            "matched_samples": self.matched,
            "accuracy": (self.valid > 0).then(|| self.matched as f64 / self.valid as f64),
            "empty_responses_count": self.empty,
            "compare_method": self.compare_method,
        });
        Ok(DatasetResult { value, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance, frame_of};
    use insta::assert_snapshot;
    use serde_json::Value;

    conformance!(BenchDatasetEvaluator);

    fn check(operator: &BenchDatasetEvaluator, replies: &[&str], answer: &Value, reference: &Value) -> String {
        check_row(operator, &ScriptedModel::replies(replies.iter().copied()), json!({ "generated_cot": answer, "golden_answer": reference }))
    }

    fn semantic() -> BenchDatasetEvaluator {
        BenchDatasetEvaluator { compare_method: CompareMethod::Semantic, ..Default::default() }
    }

    #[test]
    fn match_compares_final_answers_without_a_model() {
        let operator = BenchDatasetEvaluator::default();
        let verdict = |answer: &str, reference: &str| check(&operator, &[], &json!(answer), &json!(reference));
        assert_eq!(verdict(r"Halving gives $\boxed{\frac{1}{2}}$.", "0.5"), "-> answer_match_result=true");
        assert_eq!(verdict("3 + 4 = 7. The answer is 7.", "#### 7"), "-> answer_match_result=true");
        assert_eq!(verdict("The answer is 14.", "4"), "-> answer_match_result=false");
        assert_eq!(verdict("I cannot tell.", "4"), "-> answer_match_result=false");
        assert_eq!(verdict("So x = 2/3.", "2/3"), "-> answer_match_result=true");
        assert_eq!(verdict("So x = 2/3.", "3"), "-> answer_match_result=false");
    }

    #[test]
    fn only_numbers_are_right_by_the_rule_of_dataflow() {
        let dataflow = BenchDatasetEvaluator { compatibility: Compatibility::Dataflow, ..Default::default() };
        for (answer, reference, own, theirs) in [("The answer is B.", "B", true, false), (r"\boxed{\frac{3}{4}}", "0.75", true, true)] {
            for (operator, wanted) in [(&BenchDatasetEvaluator::default(), own), (&dataflow, theirs)] {
                assert_eq!(check(operator, &[], &json!(answer), &json!(reference)), format!("-> answer_match_result={wanted}"));
            }
        }
    }

    #[test]
    fn a_row_without_a_reference_or_an_answer_is_false_and_not_asked_about() {
        assert_eq!(check(&semantic(), &[], &json!("7"), &Value::Null), "-> answer_match_result=false");
        assert_eq!(check(&semantic(), &[], &json!(" "), &json!("7")), "-> answer_match_result=false");
        assert_eq!(AskModel::calls_per_row(&BenchDatasetEvaluator::default()), 0);
    }

    #[test]
    fn semantic_asks_the_judge() {
        assert_snapshot!(check(&semantic(), &["It is not true that they differ.\n```json\n{\"judgement_result\": true}\n```"], &json!("七"), &json!(7)), @r#"
        [system] You are a helpful assistant specialized in evaluating answer correctness.
        [user] Decide whether an answer agrees with the reference answer.

        - Compare what the two finally state, not how they get there, how long they are or how they are written.
        - Equal values in other forms agree: 1/2 and 0.5, 50% and one half, x = 3 and 3, an unsimplified and a simplified expression, a full sentence and the bare result.
        - An answer that leaves out, adds or contradicts something that the reference states as its result does not agree. Neither does one that names several results and settles on none.
        - The reference is right by definition; do not solve the problem anew.

        Reference answer:
        7

        Answer to judge:
        七

        Reply with JSON and nothing else: {"judgement_result": true} where they agree, {"judgement_result": false} where they do not.
        (with a JSON schema)
        -> answer_match_result=true
        "#);
    }

    #[test]
    fn a_verdict_in_prose_is_asked_for_again_and_fails_then() {
        assert!(check(&semantic(), &["That is true.", "{\"judgement_result\": false}"], &json!("8"), &json!("7")).ends_with("-> answer_match_result=false"));
        assert!(check(&semantic(), &["That is true.", "Yes, true."], &json!("8"), &json!("7")).contains("failed (unparsed)"));
    }

    #[test]
    fn a_template_of_ones_own_is_filled_in() {
        let operator = BenchDatasetEvaluator { prompt_template: PromptTemplate::text("{{ answer }} = {{ reference_answer }}?"), ..semantic() };
        assert!(check(&operator, &["{\"judgement_result\": true}"], &json!("7"), &json!("seven")).contains("[user] 7 = seven?\n"));
    }

    #[test]
    fn the_result_counts_only_rows_with_a_reference_and_a_verdict() {
        let operator = BenchDatasetEvaluator { eval_result_path: Some("results/grade_school.json".into()), ..Default::default() };
        let mut summary = AskModel::summary(&operator).unwrap();
        summary
            .observe(&frame_of(&[
                json!({ "generated_cot": "7", "golden_answer": "7", "answer_match_result": true }),
                json!({ "generated_cot": null, "golden_answer": "7", "answer_match_result": false }),
                json!({ "generated_cot": "7", "golden_answer": null, "answer_match_result": false }),
            ]))
            .unwrap();
        summary
            .observe(&frame_of(&[
                json!({ "generated_cot": "8", "golden_answer": "7", "answer_match_result": null }),
                json!({ "generated_cot": "8", "golden_answer": "7", "answer_match_result": false }),
            ]))
            .unwrap();
        let result = summary.end().unwrap();
        assert_eq!(result.path, Some("results/grade_school.json".into()));
        assert_snapshot!(result.value, @r#"{"bench_name_or_prefix":"grade_school","total_samples":5,"valid_samples":3,"matched_samples":1,"accuracy":0.3333333333333333,"empty_responses_count":1,"compare_method":"match"}"#);
    }
}
