//! Scores predictions of benchmarks: questions with one answer or several, and choices.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dataflow_core::key::{Any, Boolean, Float, Input, Nullable, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::{DatasetResult, Outcome, Summary};
use dataflow_core::prompt::PromptTemplate;
use dataflow_core::row::{Row, json_of};
use dataflow_core::shape::{AskModel, texts_of};
use dataflow_core::{Cells, Result, context, operator};
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::reading::{choice, choice_set, listed, references, says};
use crate::answer::{AnswerJudgePrompt, Units, answers_match, ask_judge, extract_answer, final_answer, reference_answer, solution_matches};
use crate::compatibility::Compatibility;

mod reading;

/// Scores the predictions of a benchmark, a row at a time, and tells the mean score of the whole set.
///
/// `key2_qa` holds a prediction against `target`, `key2_q_ma` against each of `targets`: it is right where its text, or the answer that is marked in it, says the target's words or its final answer has the same value; with
/// `use_semantic_judge` a model judges in their place. `key3_q_choices_a` reads a letter or a number of a choice out of the prediction, `key3_q_choices_as` several of them, scored by F1. A label is
/// a letter, the place of the choice from 0, or its number where that place does not exist. `key1_text_score` and `key3_q_a_rejected` need the likelihood of given texts, which no
/// serving tells: they are refused.
///
/// Where no box and no "answer is" tells the final answer, it is the last value, whole: of `x = 2/3` it is `2/3`, never the 3. Joined capital letters are several choices: `AB`.
///
/// A prediction that cannot be read is wrong. With `compatibility: dataflow` it is left out of the mean, any part of the other text is enough (`no` is right for `Norway`), and the first lone letter is the choice,
/// also the `I` of "I pick B".
///
/// # 中文
///
/// 逐行为评测的预测打分，并给出整个数据集的平均分。`key2_qa` 与 `target` 比较，`key2_q_ma` 与 `targets` 逐一比较：预测（若标出了答案，则为所标答案）包含目标的文字，或最终答案的值相同即为正确；
/// `use_semantic_judge` 则由模型判断。`key3_q_choices_a` 从预测中读出一个选项的字母或编号，`key3_q_choices_as` 读出多个并以 F1 打分。标签可以是字母、从 0 开始的位置，该位置不存在时视为编号。
/// `key1_text_score` 与 `key3_q_a_rejected` 需要给定文本的似然，没有模型服务提供，因此不接受。
/// 没有方框或“答案是”时，最终答案取最后一个完整的数值：`x = 2/3` 取 `2/3`，而不是 3。连写的大写字母视为多个选项：`AB`。
/// 无法读出的预测算错。`compatibility: dataflow` 时不计入平均分，任一方包含另一方即为正确（`no` 对 `Norway` 也算对），并以第一个单独的字母为选项（包括 "I pick B" 中的 `I`）。
#[operator(core_text, eval, AskModel)]
pub struct UnifiedBenchDatasetEvaluator {
    /// The file that the result is written to as well. 中文：另将统计结果写入的文件。
    #[path(writes)]
    pub eval_result_path: Option<PathBuf>,
    /// What kind of task the rows are. 中文：任务类型。
    pub eval_type: EvalType,
    /// How the judge is asked. 中文：询问裁判模型所用的提示词。
    #[prompts(allowed(AnswerJudgePrompt), variables(answer, reference_answer))]
    pub prompt_template: PromptTemplate,
    /// What the judge is told to be. 中文：系统提示词，说明裁判模型的角色。
    pub system_prompt: String,
    /// Not used: each task has one measure. 中文：不使用；每种任务只有一种度量。
    pub metric_type: Option<String>,
    /// Whether a model judges answers in the place of the rules. 中文：是否由模型代替规则判断答案。
    pub use_semantic_judge: bool,
    /// Whose rule is followed. 中文：采用谁的规则。
    pub compatibility: Compatibility,
    /// Not used: no task that is done here reads it. 中文：不使用。
    pub input_text_key: Option<Input<Text>>,
    /// Not used: the rules do not read the question. 中文：不使用；规则不读取问题。
    pub input_question_key: Option<Input<Text>>,
    /// The right answer. 中文：标准答案列。
    pub input_target_key: Option<Input<Any>>,
    /// All right answers: a list, its JSON text, or texts parted by `||`, `|` or `;`. 中文：多个标准答案：列表、其 JSON 文本，或以 `||`、`|`、`;` 分隔的文本。
    pub input_targets_key: Option<Input<Any>>,
    /// The choices: a list or its JSON text. 中文：选项：列表或其 JSON 文本。
    pub input_choices_key: Option<Input<Any>>,
    /// The right choice. 中文：正确选项。
    pub input_label_key: Option<Input<Any>>,
    /// The right choices: a list, its JSON text, or letters. 中文：多个正确选项：列表、其 JSON 文本或字母。
    pub input_labels_key: Option<Input<Any>>,
    /// Not used: no task that is done here reads it. 中文：不使用。
    pub input_better_key: Option<Input<Text>>,
    /// Not used: no task that is done here reads it. 中文：不使用。
    pub input_rejected_key: Option<Input<Text>>,
    /// Not used: no task that is done here reads it. 中文：不使用。
    pub input_context_key: Option<Input<Text>>,
    /// The prediction. 中文：预测列。
    pub input_pred_key: Nullable<Input<Text>>,
    /// Where it goes whether the row could be scored. 中文：写入该行能否打分的列。
    pub output_eval_valid_key: Output<Boolean>,
    /// Where it goes why not. 中文：写入不能打分的原因的列。
    pub output_eval_error_key: Output<Text>,
    /// Where it goes what was read out of the prediction: an answer, the place of a choice from 0, or both sets of choices as JSON. 中文：写入从预测中读出的内容的列。
    pub output_eval_pred_key: Output<Text>,
    /// Where the score goes, from 0 to 1. 中文：写入得分（0 到 1）的列。
    pub output_eval_score_key: Output<Float>,
}

/// The kinds of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum EvalType {
    /// The likelihood of a text.
    Key1TextScore,
    /// A question with one answer.
    #[default]
    Key2Qa,
    /// A question with several answers, one of which is enough.
    Key2QMa,
    /// One right choice.
    #[serde(rename = "key3_q_choices_a")]
    Key3QChoicesA,
    /// Several right choices.
    #[serde(rename = "key3_q_choices_as")]
    Key3QChoicesAs,
    /// Which of two answers is likelier.
    #[serde(rename = "key3_q_a_rejected")]
    Key3QARejected,
}

impl Default for UnifiedBenchDatasetEvaluator {
    fn default() -> Self {
        Self {
            eval_result_path: None,
            eval_type: EvalType::Key2Qa,
            prompt_template: AnswerJudgePrompt.into(),
            system_prompt: "You are a helpful assistant specialized in evaluating answer correctness.".into(),
            metric_type: None,
            use_semantic_judge: false,
            compatibility: Compatibility::Own,
            input_text_key: None,
            input_question_key: None,
            input_target_key: None,
            input_targets_key: None,
            input_choices_key: None,
            input_label_key: None,
            input_labels_key: None,
            input_better_key: None,
            input_rejected_key: None,
            input_context_key: None,
            input_pred_key: "generated_ans".into(),
            output_eval_valid_key: "eval_valid".into(),
            output_eval_error_key: "eval_error".into(),
            output_eval_pred_key: "eval_pred".into(),
            output_eval_score_key: "eval_score".into(),
        }
    }
}

/// What a row comes to: what was read and its score, or why there is none.
type Scored = std::result::Result<(String, f64), &'static str>;

impl UnifiedBenchDatasetEvaluator {
    async fn scored(&self, row: &Row<'_>, model: &Model) -> Result<Scored> {
        let cell = |key: &Option<Input<Any>>| -> Result<Value> { key.as_ref().map_or(Ok(Value::Null), |key| Ok(json_of(&row.value(key)?))) };
        let prediction = row.text_or_null(&self.input_pred_key)?.unwrap_or_default();
        Ok(match self.eval_type {
            EvalType::Key2Qa | EvalType::Key2QMa => {
                let (targets, none) = match self.eval_type {
                    EvalType::Key2Qa => (references(cell(&self.input_target_key)?, false), "empty_reference"),
                    _ => (references(cell(&self.input_targets_key)?, true), "empty_references"),
                };
                if targets.is_empty() {
                    return Ok(Err(none));
                }
                if prediction.trim().is_empty() {
                    return Ok(Err("empty_prediction"));
                }
                if self.use_semantic_judge {
                    let request = self.prompt_template.build_prompt(context! { answer => &*prediction, reference_answer => targets.join("\n") })?;
                    let right = ask_judge(model, &self.system_prompt, request).await?;
                    return Ok(Ok((prediction.into_owned(), f64::from(u8::from(right)))));
                }
                Ok(self.compared(&prediction, &targets))
            }
            EvalType::Key3QChoicesA => {
                let (choices, label) = (listed(cell(&self.input_choices_key)?), label_text(&cell(&self.input_label_key)?));
                choices.and_then(|choices| {
                    let label = choice(&label, &choices, Compatibility::Dataflow);
                    let read = choice(&prediction, &choices, self.compatibility);
                    match (label, read) {
                        (Some(label), Some(read)) => Ok((read.to_string(), f64::from(u8::from(label == read)))),
                        (None, Some(_)) if self.compatibility == Compatibility::Own => Err("invalid_label"),
                        _ => Err("parse_failed"),
                    }
                })
            }
            EvalType::Key3QChoicesAs => {
                let choices = listed(cell(&self.input_choices_key)?);
                let labels = cell(&self.input_labels_key)?;
                choices.and_then(|choices| {
                    let right = choice_set(&labels, choices.len(), self.compatibility);
                    let read = choice_set(&Value::String(prediction.into_owned()), choices.len(), self.compatibility);
                    match (right, read) {
                        (Some(right), Some(read)) => Ok(overlap(&read, &right)),
                        (None, Some(_)) if self.compatibility == Compatibility::Own => Err("invalid_label"),
                        _ => Err("parse_failed"),
                    }
                })
            }
            EvalType::Key1TextScore => Err("ppl_unavailable"),
            EvalType::Key3QARejected => Err("ll_unavailable"),
        })
    }

    /// Whether the prediction is any of the targets, by its words or by the value of its final answer.
    fn compared(&self, prediction: &str, targets: &[String]) -> (String, f64) {
        if targets.iter().any(|target| says(prediction, target, self.compatibility)) {
            return (prediction.to_owned(), 1.0);
        }
        let (answer, right) = match self.compatibility {
            Compatibility::Own => {
                let answer = extract_answer(prediction).unwrap_or_else(|| prediction.trim().to_owned());
                (answer, targets.iter().any(|target| solution_matches(prediction, target)))
            }
            Compatibility::Dataflow => {
                let answer = final_answer(prediction, Units::Everywhere);
                let right = targets.iter().any(|target| answers_match(&answer, &reference_answer(target)));
                (answer, right)
            }
        };
        (answer, f64::from(u8::from(right)))
    }
}

fn label_text(label: &Value) -> String {
    match label {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Both sets and how far they agree, as DataFlow writes them, and their F1.
fn overlap(read: &BTreeSet<usize>, right: &BTreeSet<usize>) -> (String, f64) {
    let both = read.intersection(right).count() as f64;
    let share = |of: usize| if of == 0 { 0.0 } else { both / of as f64 };
    let (precision, recall) = (share(read.len()), share(right.len()));
    let f1 = if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
    let exact = f64::from(u8::from(read == right && !right.is_empty()));
    let [read_list, right_list] = [read, right].map(|set| set.iter().copied().collect::<Vec<_>>());
    let told = format!(
        "{{\"pred_set\": {read_list:?}, \"gold_set\": {right_list:?}, \"precision\": {precision:?}, \"recall\": {recall:?}, \"f1\": {f1:?}, \"jaccard\": {:?}, \"exact_set\": {exact:?}}}",
        share(read.union(right).count())
    );
    (told, f1)
}

impl AskModel for UnifiedBenchDatasetEvaluator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let (valid, error, read, score) = match self.scored(row, model).await? {
            Ok((read, score)) => (true, "", Some(read), Some(score)),
            Err(error) => (false, error, None, None),
        };
        Ok(Cells::new()
            .set(&self.output_eval_valid_key, valid)
            .set(&self.output_eval_error_key, error)
            .set_option(&self.output_eval_pred_key, read)
            .set_option(&self.output_eval_score_key, score)
            .into())
    }

    fn calls_per_row(&self) -> u64 {
        u64::from(self.use_semantic_judge && matches!(self.eval_type, EvalType::Key2Qa | EvalType::Key2QMa))
    }

    fn summary(&self) -> Option<Box<dyn Summary>> {
        Some(Box::new(Mean {
            path: self.eval_result_path.clone(),
            eval_type: self.eval_type,
            compatibility: self.compatibility,
            columns: [self.output_eval_valid_key.as_str(), self.output_eval_error_key.as_str(), self.output_eval_score_key.as_str()].map(ToOwned::to_owned),
            total: 0,
            valid: 0,
            unread: 0,
            sum: 0.0,
        }))
    }

    fn problems(&self) -> Vec<String> {
        let missing = |name: &str| vec![format!("`eval_type` needs `{name}`, which is not given")];
        match self.eval_type {
            EvalType::Key1TextScore | EvalType::Key3QARejected => {
                vec![
                    "this `eval_type` needs the likelihood of given texts, which no serving tells\nhint: key2_qa, key2_q_ma, key3_q_choices_a and key3_q_choices_as work".into(),
                ]
            }
            EvalType::Key2Qa if self.input_target_key.is_none() => missing("input_target_key"),
            EvalType::Key2QMa if self.input_targets_key.is_none() => missing("input_targets_key"),
            EvalType::Key3QChoicesA | EvalType::Key3QChoicesAs if self.input_choices_key.is_none() => missing("input_choices_key"),
            EvalType::Key3QChoicesA if self.input_label_key.is_none() => missing("input_label_key"),
            EvalType::Key3QChoicesAs if self.input_labels_key.is_none() => missing("input_labels_key"),
            _ => Vec::new(),
        }
    }
}

/// The mean score so far.
struct Mean {
    path: Option<PathBuf>,
    eval_type: EvalType,
    compatibility: Compatibility,
    /// Those of whether a row is valid, why not, and its score.
    columns: [String; 3],
    total: usize,
    valid: usize,
    /// Rows whose prediction could not be read.
    unread: usize,
    sum: f64,
}

impl Summary for Mean {
    fn observe(&mut self, frame: &DataFrame) -> Result<()> {
        let [valid, error, score] = &self.columns;
        self.total += frame.height();
        self.valid += frame.column(valid)?.bool()?.iter().filter(|valid| *valid == Some(true)).count();
        self.unread += texts_of(frame, error)?.iter().flatten().filter(|error| matches!(*error, "parse_failed" | "empty_prediction")).count();
        self.sum += frame.column(score)?.f64()?.iter().flatten().sum::<f64>();
        Ok(())
    }

    fn end(&mut self) -> Result<DatasetResult> {
        let counted = self.valid + if self.compatibility == Compatibility::Own { self.unread } else { 0 };
        let measure = if self.eval_type == EvalType::Key3QChoicesAs { "micro_f1_mean" } else { "accuracy" };
        let value = json!({
            "bench_name_or_prefix": self.path.as_ref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy()),
            "eval_type": self.eval_type,
            "total_samples": self.total,
            "valid_samples": self.valid,
            "unread_predictions": self.unread,
            measure: (counted > 0).then(|| self.sum / counted as f64),
        });
        Ok(DatasetResult { value, path: self.path.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance, frame_of};
    use insta::assert_snapshot;

    conformance!(UnifiedBenchDatasetEvaluator);

    fn qa() -> UnifiedBenchDatasetEvaluator {
        UnifiedBenchDatasetEvaluator { input_target_key: Some("target".into()), ..Default::default() }
    }

    fn choices() -> UnifiedBenchDatasetEvaluator {
        UnifiedBenchDatasetEvaluator {
            eval_type: EvalType::Key3QChoicesA,
            input_choices_key: Some("choices".into()),
            input_label_key: Some("label".into()),
            ..Default::default()
        }
    }

    /// What was read and the score, or the error.
    fn check(operator: &UnifiedBenchDatasetEvaluator, row: Value) -> String {
        let told = check_row(operator, &ScriptedModel::replies([""; 0]), row);
        told.trim_start_matches("-> eval_valid=").to_owned()
    }

    #[test]
    fn words_have_to_be_said_whole_unless_dataflow_is_followed() {
        let row = |target: &str, prediction: &str| json!({ "target": target, "generated_ans": prediction });
        let pairs = [
            ("Paris", "The capital is Paris."),
            ("Norway", "no"),
            ("4", "the result is 14"),
            ("1/2", r"\boxed{0.5}"),
            ("北京", "答案是北京。"),
            ("x²", "X2"),
            ("0.5", "1/2"),
            ("1/2", "2/4"),
        ];
        let told =
            |operator: &UnifiedBenchDatasetEvaluator| pairs.map(|(target, prediction)| check(operator, row(target, prediction)).ends_with("eval_score=1"));
        assert_eq!(told(&qa()), [true, false, false, true, true, true, true, true]);
        assert_eq!(told(&UnifiedBenchDatasetEvaluator { compatibility: Compatibility::Dataflow, ..qa() }), [true, true, true, true, true, true, false, false]);
        for (target, wrong) in [
            ("2", "1/2"),
            ("x", r"\boxed{-x}"),
            ("A", r"\boxed{A^{-1}}"),
            ("x-1", r"\boxed{|x-1|}"),
            ("x=1", r"\boxed{x=1 or x=2}"),
            ("solution", "no solution"),
            ("possible", "It is not possible."),
            ("don", "don't"),
            ("Paris", "Paris is wrong. The answer is Rome"),
        ] {
            assert!(check(&qa(), row(target, wrong)).ends_with("eval_score=0"), "{wrong} is not {target}");
        }
    }

    #[test]
    fn a_choice_is_read_where_it_is_meant() {
        let row = |prediction: &str| json!({ "choices": ["owl", "a cat", "mouse", "a dog"], "label": "B", "generated_ans": prediction });
        let predictions = ["B", "(b)", "I pick B", "A cat", "The answer is B.", "**B**", "1", "mouse", "4", "no idea", "A or B", ""];
        let told =
            predictions.map(|prediction| check(&choices(), row(prediction)).replace("eval_error=", "").replace("eval_pred=", "").replace("eval_score=", ""));
        assert_snapshot!(told.join("\n"), @r"
        true  1 1
        true  1 1
        true  1 1
        true  1 1
        true  1 1
        true  1 1
        true  1 1
        true  2 0
        true  3 0
        false parse_failed null null
        false parse_failed null null
        false parse_failed null null
        ");
    }

    #[test]
    fn sets_of_choices_are_scored_by_f1() {
        let operator = UnifiedBenchDatasetEvaluator {
            eval_type: EvalType::Key3QChoicesAs,
            input_choices_key: Some("choices".into()),
            input_labels_key: Some("labels".into()),
            ..Default::default()
        };
        let row = json!({ "choices": ["w", "x", "y"], "labels": ["A", "B"], "generated_ans": "{\"choices\": [\"A\", \"C\"]}" });
        assert_snapshot!(check(&operator, row), @r#"true eval_error= eval_pred={"pred_set": [0, 2], "gold_set": [0, 1], "precision": 0.5, "recall": 0.5, "f1": 0.5, "jaccard": 0.3333333333333333, "exact_set": 0.0} eval_score=0.5"#);
    }

    #[test]
    fn joined_letters_are_several_choices() {
        let operator = |compatibility| UnifiedBenchDatasetEvaluator {
            eval_type: EvalType::Key3QChoicesAs,
            input_choices_key: Some("choices".into()),
            input_labels_key: Some("labels".into()),
            compatibility,
            ..Default::default()
        };
        let row = |labels: &str, prediction: &str| json!({ "choices": ["w", "x", "y"], "labels": labels, "generated_ans": prediction });
        for (labels, prediction, score) in [("AB", "AB", "1"), ("A,B", "答案：AB", "1"), ("AB", "答案AB。", "1"), ("AB", "A, B", "1"), ("AC", "B", "0")] {
            let told = check(&operator(Compatibility::Own), row(labels, prediction));
            assert!(told.ends_with(&format!("eval_score={score}")), "{labels} {prediction}: {told}");
        }
        for unread in ["AA", "AD", "ab", "SAB", "AB or BC"] {
            assert!(check(&operator(Compatibility::Own), row("AB", unread)).contains("parse_failed"), "{unread}");
        }
        assert!(check(&operator(Compatibility::Dataflow), row("A,B", "AB")).contains("parse_failed"));
    }

    #[test]
    fn a_judge_is_asked_where_one_is_wanted() {
        let operator = UnifiedBenchDatasetEvaluator { use_semantic_judge: true, ..qa() };
        let model = ScriptedModel::replies(["{\"judgement_result\": true}"]);
        let told = check_row(&operator, &model, json!({ "target": "seven", "generated_ans": "VII" }));
        assert!(told.ends_with("-> eval_valid=true eval_error= eval_pred=VII eval_score=1"), "{told}");
    }

    #[test]
    fn predictions_that_cannot_be_read_are_wrong() {
        let rows = frame_of(&[
            json!({ "eval_valid": true, "eval_error": "", "eval_score": 1.0 }),
            json!({ "eval_valid": false, "eval_error": "parse_failed", "eval_score": null }),
            json!({ "eval_valid": false, "eval_error": "invalid_label", "eval_score": null }),
        ]);
        let told = |operator: &UnifiedBenchDatasetEvaluator| {
            let mut summary = AskModel::summary(operator).unwrap();
            summary.observe(&rows).unwrap();
            summary.end().unwrap().value["accuracy"].clone()
        };
        assert_eq!(told(&choices()), 0.5);
        assert_eq!(told(&UnifiedBenchDatasetEvaluator { compatibility: Compatibility::Dataflow, ..choices() }), 1.0);
    }

    #[test]
    fn what_a_task_needs_is_asked_for_at_compile() {
        let of = |eval_type| Operator::problems(&UnifiedBenchDatasetEvaluator { eval_type, ..Default::default() }).join("");
        assert_snapshot!(of(EvalType::Key2Qa), @"`eval_type` needs `input_target_key`, which is not given");
        assert!(of(EvalType::Key1TextScore).contains("likelihood"));
    }
}
