//! Scores predictions of benchmarks: questions with one answer or several, and choices.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dataflow_core::key::{Any, Boolean, Float, Input, Nullable, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::{Outcome, Summary};
use dataflow_core::prompt::PromptTemplate;
use dataflow_core::reply::without_thinking;
use dataflow_core::row::{Row, json_of};
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, context, operator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::choices::Choices;
use self::reading::{Listed, listed, references};
use self::said::compared;
use self::summary::Mean;
use crate::answer::{AnswerJudgePrompt, ask_judge};
use crate::compatibility::Compatibility;
use crate::nested::text_of;

mod alternatives;
mod amount;
mod choice;
mod choices;
mod dataflow_choice;
mod exception;
mod label;
mod mentions;
mod reading;
mod said;
mod standing;
mod summary;
mod verdict;

pub use self::choices::LabelBase;

/// Scores the predictions of a benchmark, a row at a time, and tells the mean score of the whole set.
///
/// `key2_qa` holds a prediction against `target`, `key2_q_ma` against each of `targets`: it is right where its text, or the answer that is marked in it, says the target's words and does not deny them, or its
/// final answer has the same value; with `use_semantic_judge` a model judges in their place. "It could be Paris", "Many think it is Paris", "Is it Paris?", "There is no evidence that it is Paris" and "Paris or London" do not say Paris, nor do "minus 5 degrees" and "3 to 5 km" say 5 of them; of two targets either may be named, and behind a comma (", or heart attack") another name. For a target that is yes or no (true, false, 是, 否,
/// 对, 错) the first such word decides that stands alone, before a mark or before a clause of its own: "Yes, no doubt" is yes, "no idea" is neither. `key3_q_choices_a` reads a choice out of the prediction, `key3_q_choices_as` several of them, scored by F1.
/// `key1_text_score` and `key3_q_a_rejected` need the likelihood of given texts, which no serving tells: they are refused.
///
/// Where no box and no "answer is" tells the final answer, it is the last value, whole: of `x = 2/3` it is `2/3`, never the 3. In a text of one sentence without an equation, words in brackets are an aside: of "in 1969 (Apollo 11)" it is 1969. What is in a `<think>` block is no answer.
///
/// A target with a letter or a Chinese character in it is said where its words stand whole, also with a digit: `U2`, `F-16`, `1949年10月1日`. One that begins with a number, `5 apples`, is not said where the text goes on from it: where "so", "more", "in all", 共 or the like stands behind it and then a number,
/// or a bare number that is no year and no place (`in 2020`, `room 12`), or another number with that unit; of "He had 5 apples and ate 2, so he has 3" the last value decides. Nor is a target with a digit said in a text with an equation, unless it begins with a word. A plain number, a formula and a single character are not looked for in a text: "The 747 first flew in 1969" is wrong for `747`.
/// Names are not told from longer ones: "Paris Hilton" says Paris.
///
/// A choice is read by the first of these that names one: the whole prediction; what JSON (`{"answer": "B"}`), `<answer>`, a box or `####` holds; a choice that is announced ("the answer is B", `选B`); one in a line
/// of its own; one that is called right; the only one that is meant, by its letter or else by its text; a first yes or no, where choices say so; the value of the answer; the last letter that is meant. Not meant is what is denied ("B is wrong",
/// `B ✗`) or only supposed ("it could be B", "if the answer is B", "the student chose B", "B?"). Of choices that are announced the last counts, and a correction ("No wait, C") announces. "Not A, but B" is B, and "A or B" is none.
/// "All but B", 除B外, "only B is wrong" and "B is wrong, the rest are right" are all others where several are asked for, and none where one is. The question is not read: "the wrong ones are B and D" is B and D, where the right ones are not announced.
/// Where several are asked for, joined capital letters are several choices (`AB`), "all of the above" is all of them and "none" is none, unless a choice says so itself; none is right where no label is given as an empty list.
/// Letter case counts where it alone tells two choices apart: `n` and `N`.
///
/// A label is a letter, a number or the text of a choice; `true` and `false` are the choices that say yes and no. A number below zero, with which test splits say that they have no label, is none, nor is `N/A`. A number that is
/// written as a text (`"2"`) and that one of the choices says is that choice, where `label_base` is `auto`; a cell that is a number is a place. `label_base` says whether numbers count from `zero` or from `one`, in predictions too; by `auto` a number is the place from 0, or where that does not exist the
/// number from 1, and the numbers of one row count alike. Rows are scored as they come, before all labels are seen, so a set whose labels seem to count from 1 is scored by `auto` as if from 0, and the result has a `warning`.
///
/// A prediction that cannot be read is wrong: its `eval_valid` is false and its `eval_score` 0, so that the mean of the column is the accuracy that the result tells. A row without choices, label or target to score by has neither a score
/// nor a part in the mean. With `compatibility: dataflow` an unread prediction has no score and is left out of the mean, a label that cannot be read is told as `parse_failed` too, any part of the other text is enough (`no` is right for `Norway`), and the first lone letter is the choice,
/// also the `I` of "I pick B"; labels of choices that do not exist are passed over, where our rule scores no such row.
///
/// # 中文
///
/// 逐行为评测的预测打分，并给出整个数据集的平均分。`key2_qa` 与 `target` 比较，`key2_q_ma` 与 `targets` 逐一比较：预测（若标出了答案，则为所标答案）包含且未否定目标的文字，或最终答案的值相同即为正确；
/// `use_semantic_judge` 则由模型判断。“可能是巴黎”“有人认为是巴黎”“Is it Paris?”“没有证据表明是巴黎”“巴黎或伦敦”都不算说了巴黎，“零下5度”“3到5公里”也不算说了5度、5公里；但有多个目标时可任举其一，逗号之后的“or”（“, or heart attack”）也可引出别名。目标为是或否（yes、no、true、false、是、否、对、错）时，由第一个单独出现、后接标点或自成分句的此类词决定：“Yes, no doubt”为 yes，“no idea”两者皆非。
/// `key3_q_choices_a` 从预测中读出一个选项，`key3_q_choices_as` 读出多个并以 F1 打分。
/// `key1_text_score` 与 `key3_q_a_rejected` 需要给定文本的似然，没有模型服务提供，因此不接受。
/// 没有方框或“答案是”时，最终答案取最后一个完整的数值：`x = 2/3` 取 `2/3`，而不是 3。只有一句且没有等式时，括号中的文字是旁注：“in 1969 (Apollo 11)”取 1969。`<think>` 块中的内容不算答案。
///
/// 含有字母或汉字的目标，其文字完整出现即为说出，含数字的也一样：`U2`、`F-16`、`1949年10月1日`。以数字开头的目标（如`5个苹果`），若文中由它继续推算则不算说出：其后有“所以”“共”“so”“more”“in all”等词再接数字，或有单独的数字（年份与位置除外，如 `in 2020`、`room 12`），或有同一单位的另一数字；“他有5个苹果，吃了2个，还剩3个”由最后的数值决定。文中有等式时，含数字的目标也不算说出，除非它以单词开头。单纯的数字、公式与单个字符不在文中查找：对目标 `747`，“The 747 first flew in 1969”为错。
/// 不区分更长的名称：“Paris Hilton”也算说了 Paris。
///
/// 选项按以下顺序读取，取最先得出的结果：整个预测；JSON（`{"answer": "B"}`）、`<answer>`、方框或 `####` 中的内容；明确给出的选项（“答案是 B”“选B”）；单独成行的选项；被称为正确的选项；
/// 唯一被认可的选项（先看字母，再看选项文字）；选项为是或否时，最先说出的是或否；答案的值；最后一个被认可的字母。被否定的（“B is wrong”“B ✗”）与仅为假设的（“可能是 B”“如果答案是 B”“the student chose B”“B?”）不算被认可。
/// 多次给出时取最后一次，更正（“No wait, C”）也算给出。“不是 A，而是 B”读作 B，“A 或 B”则不能读出。“除B外”“只有B错”“B不对，其他都对”“all but B”在多选时为其余全部选项，单选时不能读出。不读取问题：“错误的是B、D”在未给出正确选项时读作 B、D。多选时，连写的大写字母视为多个选项（`AB`），“all of the above”为全部，“none”为没有，除非某个选项本身如此写；标签为空列表时，没有即为正确。
/// 若两个选项仅大小写不同（`n` 与 `N`），则区分大小写。
///
/// 标签可以是选项的字母、编号或文字；`true` 与 `false` 即说是与否的选项。负数（测试集常以此表示没有标签）与 `N/A` 不是标签。`label_base` 为 `auto` 时，以文本写出且正是某个选项的数字（`"2"`）即为该选项；数值单元格则为位置。`label_base` 说明编号从 0（`zero`）还是从 1（`one`）开始，预测中的编号也一样；`auto` 时编号视为从 0 开始的位置，该位置不存在时视为从 1 开始的编号，同一行的编号按同一方式计数。
/// 各行随到随评，不等看完全部标签，因此编号看来从 1 开始的数据集在 `auto` 下仍按从 0 开始评分，并在结果中给出 `warning`。
///
/// 无法读出的预测算错：`eval_valid` 为 false，`eval_score` 为 0，因此该列的平均值就是结果中的准确率。缺少可用的选项、标签或目标的行没有得分，也不计入平均分。
/// `compatibility: dataflow` 时，无法读出的预测没有得分，不计入平均分，无法读出的标签也记为 `parse_failed`，任一方包含另一方即为正确（`no` 对 `Norway` 也算对），并以第一个单独的字母为选项（包括 "I pick B" 中的 `I`）；不存在的标签被略过，而本项目的规则不为这样的行打分。
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
    /// From where labels that are numbers, and numbers of choices in predictions, are counted; not read with `compatibility: dataflow`. 中文：标签中的数字及预测中的选项编号从几开始计数；`compatibility: dataflow` 时不使用。
    pub label_base: LabelBase,
    /// Not used: no task that is done here reads it. 中文：不使用。
    pub input_text_key: Option<Input<Text>>,
    /// Not used: the rules do not read the question. 中文：不使用；规则不读取问题。
    pub input_question_key: Option<Input<Text>>,
    /// The right answer. 中文：标准答案列。
    pub input_target_key: Option<Input<Any>>,
    /// All right answers: a list, its text as JSON or as Python writes it, or texts parted by `||`, `|` or `;`, but not within brackets or at the bars of `|x|`. 中文：多个标准答案：列表、其 JSON 或 Python 文本，或以 `||`、`|`、`;` 分隔的文本；括号内的以及 `|x|` 中的竖线不分隔。
    pub input_targets_key: Option<Input<Any>>,
    /// The choices: a list, a record `{"text": […], "label": […]}` or `{"A": …, "B": …}` with names from A, 0 or 1 on, which say from where its numbers count, or the text of either as JSON or as Python writes it; with `compatibility: dataflow` a list or its JSON text. 中文：选项：列表，`{"text": […], "label": […]}` 或 `{"A": …, "B": …}` 这样的记录（名称从 A、0 或 1 起，并决定编号从几开始），或其 JSON 或 Python 文本；`compatibility: dataflow` 时为列表或其 JSON 文本。
    pub input_choices_key: Option<Input<Any>>,
    /// The right choice: its letter, number or text. 中文：正确选项：字母、编号或文字。
    pub input_label_key: Option<Input<Any>>,
    /// The right choices: a list, its JSON text, or letters, numbers or texts with commas or line ends between. 中文：多个正确选项：列表、其 JSON 文本，或以逗号或换行分隔的字母、编号、文字。
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
    /// Where it goes why not: of a prediction `empty_prediction`, `parse_failed` where it gives no choice, `several_choices` where it leaves several open. 中文：写入不能打分的原因的列；关于预测的有 `empty_prediction`（为空）、`parse_failed`（没有给出选项）与 `several_choices`（给出多个而未定）。
    pub output_eval_error_key: Output<Text>,
    /// Where it goes what was read out of the prediction: an answer, or the whole prediction where its words say the target; the place of a choice from 0; both sets of choices as JSON. 中文：写入从预测中读出的内容的列：答案（若由文字判定为正确，则为整个预测）；选项的位置（从 0 开始）；或两个选项集合的 JSON。
    pub output_eval_pred_key: Output<Text>,
    /// Where the score goes, from 0 to 1; null where a row cannot be scored. 中文：写入得分（0 到 1）的列；不能打分的行为空。
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
            label_base: LabelBase::Auto,
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
        let mut prediction = row.text_or_null(&self.input_pred_key)?.unwrap_or_default();
        if self.compatibility == Compatibility::Own && prediction.contains('<') {
            prediction = without_thinking(&prediction).into();
        }
        Ok(match self.eval_type {
            EvalType::Key2Qa | EvalType::Key2QMa => {
                let (targets, none) = match self.eval_type {
                    EvalType::Key2Qa => (references(cell(&self.input_target_key)?, false, self.compatibility), "empty_reference"),
                    _ => (references(cell(&self.input_targets_key)?, true, self.compatibility), "empty_references"),
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
                let (read, right) = compared(&prediction, &targets, self.compatibility);
                Ok((read, f64::from(u8::from(right))))
            }
            EvalType::Key3QChoicesA => {
                let (choices, label) = (listed(cell(&self.input_choices_key)?, self.compatibility), cell(&self.input_label_key)?);
                choices.and_then(|choices| self.chosen(&prediction, &choices, &label))
            }
            EvalType::Key3QChoicesAs => {
                let (choices, labels) = (listed(cell(&self.input_choices_key)?, self.compatibility), cell(&self.input_labels_key)?);
                choices.and_then(|choices| self.chosen_set(&prediction, &choices, &labels))
            }
            EvalType::Key1TextScore => Err("ppl_unavailable"),
            EvalType::Key3QARejected => Err("ll_unavailable"),
        })
    }

    /// The choices of a row; what a cell says itself about where it counts from goes before what the user says of all.
    fn choices(&self, listed: &Listed) -> Choices {
        Choices::new(&listed.texts, listed.base.unwrap_or(self.label_base))
    }

    fn chosen(&self, prediction: &str, choices: &Listed, label: &Value) -> Scored {
        let (right, read) = match self.compatibility {
            Compatibility::Own => {
                let choices = self.choices(choices);
                (label::label(label, &choices).ok_or("invalid_label")?, choice::choice(prediction, &choices)?)
            }
            Compatibility::Dataflow => {
                let place = |text: &str| dataflow_choice::choice(text, choices.texts.len()).ok_or("parse_failed");
                (place(&text_of(label).unwrap_or_default())?, place(prediction)?)
            }
        };
        Ok((read.to_string(), f64::from(u8::from(right == read))))
    }

    fn chosen_set(&self, prediction: &str, choices: &Listed, labels: &Value) -> Scored {
        let (right, read) = match self.compatibility {
            Compatibility::Own => {
                let choices = self.choices(choices);
                (label::label_set(labels, &choices).ok_or("invalid_label")?, choice::choice_set(prediction, &choices)?)
            }
            Compatibility::Dataflow => {
                let places = |cell: &Value| dataflow_choice::choice_set(cell, choices.texts.len()).ok_or("parse_failed");
                (places(labels)?, places(&Value::String(prediction.to_owned()))?)
            }
        };
        // DataFlow scores a set that is rightly left empty as wrong.
        let is_rightly_none = self.compatibility == Compatibility::Own && right.is_empty() && read.is_empty();
        Ok(overlap(&read, &right, if is_rightly_none { 1.0 } else { 0.0 }))
    }
}

/// Both sets and how far they agree, as DataFlow writes them, and their F1; `of_none` is what a share of nothing is.
fn overlap(read: &BTreeSet<usize>, right: &BTreeSet<usize>, of_none: f64) -> (String, f64) {
    let both = read.intersection(right).count() as f64;
    let share = |of: usize| if of == 0 { of_none } else { both / of as f64 };
    let (precision, recall) = (share(read.len()), share(right.len()));
    let f1 = if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
    let exact = if right.is_empty() { of_none } else { f64::from(u8::from(read == right)) };
    let [read_list, right_list] = [read, right].map(|set| set.iter().copied().collect::<Vec<_>>());
    let told = format!(
        "{{\"pred_set\": {read_list:?}, \"gold_set\": {right_list:?}, \"precision\": {precision:?}, \"recall\": {recall:?}, \"f1\": {f1:?}, \"jaccard\": {:?}, \"exact_set\": {exact:?}}}",
        share(read.union(right).count())
    );
    (told, f1)
}

/// Whether an error is of the prediction, not of the data set.
fn is_unread(error: &str) -> bool {
    matches!(error, "parse_failed" | "several_choices" | "empty_prediction")
}

impl AskModel for UnifiedBenchDatasetEvaluator {
    async fn row(&self, row: &Row<'_>, model: &Model) -> Result<Outcome> {
        let (valid, error, read, score) = match self.scored(row, model).await? {
            Ok((read, score)) => (true, "", Some(read), Some(score)),
            // So that the mean of the column is the accuracy that is told.
            Err(error) => (false, error, None, (self.compatibility == Compatibility::Own && is_unread(error)).then_some(0.0)),
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
        Some(Box::new(Mean::of(self)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::Operator;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(UnifiedBenchDatasetEvaluator);

    fn qa() -> UnifiedBenchDatasetEvaluator {
        UnifiedBenchDatasetEvaluator { input_target_key: Some("target".into()), ..Default::default() }
    }

    pub(super) fn choices() -> UnifiedBenchDatasetEvaluator {
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
        false parse_failed null 0
        false several_choices null 0
        false empty_prediction null 0
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
    fn a_row_without_a_label_has_no_score_and_one_that_cannot_be_read_has_none_of_it() {
        let score = |compatibility, choices_cell: Value, label: Value, prediction: &str| {
            let row = json!({ "choices": choices_cell, "label": label, "generated_ans": prediction });
            check(&UnifiedBenchDatasetEvaluator { compatibility, ..choices() }, row).replace("eval_", "")
        };
        let cities = || json!(["London", "Paris", "Rome", "Oslo"]);
        assert_eq!(score(Compatibility::Own, cities(), json!(-1), "B"), "false error=invalid_label pred=null score=null");
        assert_eq!(score(Compatibility::Own, json!([]), json!("B"), "B"), "false error=empty_choices pred=null score=null");
        assert_eq!(score(Compatibility::Own, cities(), json!(1), "-1"), "false error=parse_failed pred=null score=0");
        assert_eq!(score(Compatibility::Own, json!({ "text": ["x", "y"], "label": ["1", "2"] }), json!("2"), "2"), "true error= pred=1 score=1");
        assert_eq!(score(Compatibility::Own, json!({ "text": ["x", "y"], "label": ["1", "2"] }), json!("1"), "B"), "true error= pred=1 score=0");
        assert_eq!(score(Compatibility::Dataflow, cities(), json!("B"), "xyz"), "false error=parse_failed pred=null score=null");
        assert_eq!(score(Compatibility::Dataflow, cities(), json!("xyz"), "B"), "false error=parse_failed pred=null score=null");
        assert_eq!(score(Compatibility::Dataflow, cities(), json!(-1), "B"), "true error= pred=1 score=1");
    }

    #[test]
    fn a_set_that_is_rightly_left_empty_is_right() {
        let score = |compatibility, labels: Value, prediction: &str| {
            let operator = UnifiedBenchDatasetEvaluator {
                eval_type: EvalType::Key3QChoicesAs,
                input_choices_key: Some("choices".into()),
                input_labels_key: Some("labels".into()),
                compatibility,
                ..Default::default()
            };
            let row = json!({ "choices": ["w", "x", "y"], "labels": labels, "generated_ans": prediction });
            check(&operator, row).rsplit('=').next().unwrap().to_owned()
        };
        assert_eq!(score(Compatibility::Own, json!([]), "None of the above"), "1");
        assert_eq!(score(Compatibility::Own, json!([]), "A"), "0");
        assert_eq!(score(Compatibility::Own, json!(["A"]), "none"), "0");
        assert_eq!(score(Compatibility::Own, json!(["A", "B", "C"]), "All of the above"), "1");
        assert_eq!(score(Compatibility::Dataflow, json!([]), "[]"), "0");
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
            assert!(check(&operator(Compatibility::Own), row("AB", unread)).starts_with("false "), "{unread}");
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
    fn what_is_thought_is_no_answer() {
        let row = |prediction: &str| json!({ "choices": ["w", "x", "y"], "label": "B", "target": "x", "generated_ans": prediction });
        assert_eq!(check(&choices(), row("<think>A or C. The answer is A.</think> B")), "true eval_error= eval_pred=1 eval_score=1");
        assert_eq!(check(&choices(), row("The answer is A.</think>\n\nB")), "true eval_error= eval_pred=1 eval_score=1");
        assert_eq!(check(&choices(), row("<think>It is B")), "false eval_error=empty_prediction eval_pred=null eval_score=0");
        assert_eq!(check(&qa(), row("<think>y</think>x")), "true eval_error= eval_pred=x eval_score=1");
        assert_eq!(check(&qa(), row("<think>It is x")), "false eval_error=empty_prediction eval_pred=null eval_score=0");
    }

    #[test]
    fn labels_count_from_where_the_user_says() {
        let score = |label_base, label: Value, prediction: &str| {
            let row = json!({ "choices": ["London", "Paris", "Rome", "Oslo"], "label": label, "generated_ans": prediction });
            check(&UnifiedBenchDatasetEvaluator { label_base, ..choices() }, row).rsplit('=').next().unwrap().to_owned()
        };
        assert_eq!(score(LabelBase::Auto, json!(2), "C"), "1");
        assert_eq!(score(LabelBase::Auto, json!(4), "D"), "1");
        assert_eq!(score(LabelBase::Zero, json!(2), "C"), "1");
        assert_eq!(score(LabelBase::Zero, json!(4), "D"), "null");
        assert_eq!(score(LabelBase::One, json!(2), "B"), "1");
        assert_eq!(score(LabelBase::One, json!("2"), "2"), "1");
        assert_eq!(score(LabelBase::One, json!(0), "A"), "null");
        assert_eq!(score(LabelBase::Auto, json!("Paris"), "B"), "1");
        assert_eq!(score(LabelBase::Auto, json!("(B)"), "Paris"), "1");
        assert_eq!(score(LabelBase::Auto, json!("Berlin"), "B"), "null");
    }

    #[test]
    fn what_a_task_needs_is_asked_for_at_compile() {
        let of = |eval_type| Operator::problems(&UnifiedBenchDatasetEvaluator { eval_type, ..Default::default() }).join("");
        assert_snapshot!(of(EvalType::Key2Qa), @"`eval_type` needs `input_target_key`, which is not given");
        assert!(of(EvalType::Key1TextScore).contains("likelihood"));
    }
}
