//! Filters answers by whether they are right.

use dataflow_core::Result;
use dataflow_core::key::{Input, Integer, Output, Text};
use dataflow_core::operator;
use dataflow_core::operator::Changes;
use dataflow_core::private::schemars::{self, JsonSchema};
use dataflow_core::shape::{Columns, texts_of};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::answer::{Units, cleaned_answer, extract_answer, final_answer, gist, is_same_text, solution_matches_by, without_unit};
use crate::compatibility::Compatibility;

/// Keeps rows whose answer is the right one.
///
/// The final answer is taken out of the text and compared with the right one: by value, so that `1/2`, `0.5` and `\\frac{1}{2}` are the same, or letter by letter with `compare_method: exact`.
/// By value `1e3` is 1000, and a percent sign is left out as a unit is: `50%` is 50. An inequality is the interval that it describes, and words are compared without letter case.
/// The first of these that is there is the answer: what the last `<answer>…</answer>` holds; the last box, and with it those before it that only a comma or `and` parts from it;
/// `#### …`; "the answer is …", as a whole or without the reason or aside behind it; the letter of a choice; a verdict such as `Yes, since …`.
/// A later number does not make up for a wrong one, a box that the end of the text cuts off holds no answer, and what the text takes back (`not 18`, `18 is too small`) is none.
/// Else an answer that is nothing but the right one is right, or the last value, whole: of `x = 2/3` it is `2/3`, of `(1,2)` that, and of `the roots are 1 and -2` both, never the last number alone.
/// With `compare_method: exact` the same answer has to be right by value as well as letter by letter, without `x =`, a unit and a full stop.
/// A row without an answer, or without a right one, is dropped.
///
/// With `compatibility: dataflow` values are compared as DataFlow does, by numbers alone: a letter, an interval, a set and a formula with letters in it are right for nothing, `1{,}000` is read as 1,
/// and of a text without marks of LaTeX the last number counts. `compare_method: exact` then takes `x = 5` as it stands, and a box that is not closed to its end.
///
/// # 中文
///
/// 保留答案正确的行。从文本中提取最终答案并与标准答案比较：按数值比较，`1/2`、`0.5` 与 `\\frac{1}{2}` 视为相同；`compare_method: exact` 则逐字比较。
/// 按数值比较时，`1e3` 即 1000；百分号与单位一样略去，`50%` 即 50；不等式与其表示的区间视为相同；单词不区分大小写。
/// 没有答案或没有标准答案的行会被丢弃。
/// 按顺序以第一个出现的标记为准：最后一个 `<answer>…</answer>`；最后一个方框（仅以逗号或“和”相连的方框一并计入）；`#### …`；“答案是……”（整句，或去掉其后的理由与补充）；所选字母；`Yes, since …` 之类的判断。
/// 标出的答案错误时，后文的数字不能补救；被文本结尾截断的方框不算答案；被否定的值（“不是 18”“18 is too small”）也不算。
/// 没有标记时，整个答案与标准答案相同即为正确，否则取最后一个完整的数值：`x = 2/3` 取 `2/3`，`(1,2)` 取整体，`the roots are 1 and -2` 取两者，不从中截取最后一个数字。
/// `compare_method: exact` 要求同一答案既按数值正确，又（去掉 `x =`、单位与句号后）逐字相同。
/// `compatibility: dataflow` 时，与 DataFlow 一样只比较数字：选项字母、区间、集合与含字母的式子一律算错，`1{,}000` 读作 1；没有 LaTeX 标记的文本取最后一个数字。
/// 此时 `compare_method: exact` 对 `x = 5` 原样比较，未闭合的方框取到结尾。
#[operator(reasoning, filter, Columns)]
pub struct ReasoningAnswerGroundTruthFilter {
    /// The answer, worked out. 中文：带推理过程的答案。
    pub input_test_answer_key: Input<Text>,
    /// The right answer. 中文：标准答案。
    pub input_gt_answer_key: Input<Text>,
    /// Where the label goes, 1 for a row that stays and 0 for one that goes; not written unless it is named. 中文：写入标签的列（保留为 1，丢弃为 0）；不指定则不写。
    pub output_key: Option<Output<Integer>>,
    /// How the two are compared. 中文：比较方式。
    pub compare_method: CompareMethod,
    /// Whose rule is followed. 中文：采用谁的规则。
    pub compatibility: Compatibility,
}

/// How an answer is compared with the right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompareMethod {
    /// By value.
    #[default]
    MathVerify,
    /// Letter by letter.
    Exact,
}

impl Default for ReasoningAnswerGroundTruthFilter {
    fn default() -> Self {
        Self {
            input_test_answer_key: "generated_cot".into(),
            input_gt_answer_key: "golden_answer".into(),
            output_key: None,
            compare_method: CompareMethod::MathVerify,
            compatibility: Compatibility::Own,
        }
    }
}

impl ReasoningAnswerGroundTruthFilter {
    /// The final answer of a solution.
    fn answer(&self, solution: &str) -> Option<String> {
        match self.compatibility {
            Compatibility::Own => extract_answer(solution),
            Compatibility::Dataflow => Some(final_answer(solution, Units::Everywhere)).filter(|answer| !answer.is_empty()),
        }
    }

    fn is_right(&self, solution: &str, truth: &str) -> bool {
        let answer = self.answer(solution);
        match (self.compare_method, self.compatibility) {
            (CompareMethod::MathVerify, Compatibility::Own) => solution_matches_by(self.compatibility, solution, truth),
            (CompareMethod::MathVerify, Compatibility::Dataflow) => answer.is_some() && solution_matches_by(self.compatibility, solution, truth),
            (CompareMethod::Exact, Compatibility::Dataflow) => answer.is_some_and(|answer| answer == truth),
            (CompareMethod::Exact, Compatibility::Own) => {
                let truth = truth.trim();
                let is_truth = |answer: String| {
                    // `x = 5` is the answer 5, and `(B)` the answer B.
                    let value = answer.rsplit('=').next().unwrap_or(&answer).trim().trim_end_matches('.');
                    let is_letter = answer.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) == Some(truth) && truth.len() == 1;
                    is_letter
                        || value == truth
                        || without_unit(value) == truth
                        || answer.trim() == truth
                        || cleaned_answer(&answer, Units::AfterNumbers) == truth
                };
                let is_exact = || answer.is_some_and(|answer| gist(&answer).is_some_and(&is_truth) || is_truth(answer)) || is_truth(solution.trim().to_owned());
                // What is not right by value is not right letter by letter either: of `17 or 18` no part is the answer.
                is_same_text(solution, truth) || (solution_matches_by(self.compatibility, solution, truth) && is_exact())
            }
        }
    }
}

impl Columns for ReasoningAnswerGroundTruthFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let (solutions, truths) = (texts_of(frame, self.input_test_answer_key.as_str())?, texts_of(frame, self.input_gt_answer_key.as_str())?);
        let right = |pair| matches!(pair, (Some(solution), Some(truth)) if self.is_right(solution, truth));
        let right: Vec<bool> = solutions.iter().zip(truths.iter()).map(right).collect();
        let labels = || right.iter().map(|right| i64::from(*right)).collect::<Vec<_>>();
        let columns = self.output_key.iter().map(|key| Column::new(key.as_str().into(), labels())).collect();
        Ok(Changes { columns, keep: Some(right.iter().copied().map(Some).collect()), failed: Vec::new() })
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        let text = |key: &str| Some(texts_of(frame, key).ok()?.get(row)?.to_owned());
        let Some(truth) = text(self.input_gt_answer_key.as_str()) else { return Some("the right answer is null".into()) };
        let truth = truth.trim();
        if truth.is_empty() {
            return Some("the right answer is empty".into());
        }
        let Some(solution) = text(self.input_test_answer_key.as_str()).filter(|solution| !solution.trim().is_empty()) else {
            return Some("no answer was found".into());
        };
        Some(match self.answer(&solution) {
            Some(answer) => format!("found `{answer}`, and `{truth}` is right"),
            // Where nothing marks an answer and there is no value either, the whole text is compared.
            None => format!("the text is not `{truth}`, and no answer was found in it"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, run_rule};

    conformance!(ReasoningAnswerGroundTruthFilter);

    #[test]
    fn right_answers_stay_in_any_form() {
        let frame = df!(
            "generated_cot" => [Some(r"so \boxed{\frac{1}{2}}"), Some("The answer is 7."), Some("The answer is 8."), Some("The answer is B."), None, Some("hm")],
            "golden_answer" => [Some("0.5"), Some("7"), Some("7"), Some("B"), Some("1"), Some("1")]
        )
        .unwrap();
        assert_eq!(run_rule(&ReasoningAnswerGroundTruthFilter::default(), frame.clone()).1, [true, true, false, true, false, false]);
        let exact = ReasoningAnswerGroundTruthFilter { compare_method: CompareMethod::Exact, ..Default::default() };
        assert_eq!(run_rule(&exact, frame.clone()).1, [false, true, false, true, false, false]);
        let labelled = ReasoningAnswerGroundTruthFilter { output_key: Some("right".into()), ..Default::default() };
        assert_eq!(run_rule(&labelled, frame.clone()).0.column("right").unwrap().i64().unwrap().sum(), Some(3));
        assert_eq!(Columns::why(&labelled, &frame, 2).unwrap(), "found `8`, and `7` is right");
        assert_eq!(Columns::why(&labelled, &frame, 4).unwrap(), "no answer was found");
        assert_eq!(Columns::why(&labelled, &frame, 5).unwrap(), "the text is not `1`, and no answer was found in it");
        let dataflow = ReasoningAnswerGroundTruthFilter { compatibility: Compatibility::Dataflow, ..Default::default() };
        assert_eq!(run_rule(&dataflow, frame.clone()).1, [true, true, false, false, false, false]);
        let exact = ReasoningAnswerGroundTruthFilter { compatibility: Compatibility::Dataflow, ..exact };
        assert_eq!(run_rule(&exact, frame).1, [false, true, false, true, false, false]);
    }

    #[test]
    fn exact_is_at_least_as_strict_as_by_value() {
        let exact = ReasoningAnswerGroundTruthFilter { compare_method: CompareMethod::Exact, ..Default::default() };
        for (solution, truth) in
            [("17, 18", "18"), ("17 or 18", "18"), ("x=17 or x=18", "18"), ("17–18", "18"), ("> 18", "18"), ("18!", "18"), ("x=1,-2", "-2"), ("2x = 18", "18")]
        {
            assert!(!exact.is_right(solution, truth), "`{solution}` is not `{truth}`");
        }
        for (solution, truth) in [
            ("Paris.", "Paris"),
            ("(B)", "B"),
            ("x = 18", "18"),
            ("18 dollars", "18"),
            ("so it takes 7 hours.", "7"),
            ("so it takes 7 hours.", "7 hours"),
            ("The answer is 18 (2 times 9).", "18"),
        ] {
            assert!(exact.is_right(solution, truth), "`{solution}` is `{truth}`");
        }
        let frame = df!("generated_cot" => ["17"], "golden_answer" => [" "]).unwrap();
        assert_eq!(Columns::why(&exact, &frame, 0).unwrap(), "the right answer is empty");
    }

    #[test]
    fn a_number_within_an_answer_is_not_the_answer() {
        let frame = df!(
            "generated_cot" => ["1/2", "x+1", "(1,2)", "Paris", "B", "2/3", r"\sqrt{3}", "(1,2)", "#### 1/2"],
            "golden_answer" => ["1/2", "x+1", "(1,2)", "Paris", "B", "3", "3", "2", "2"]
        )
        .unwrap();
        for compare_method in [CompareMethod::MathVerify, CompareMethod::Exact] {
            let operator = ReasoningAnswerGroundTruthFilter { compare_method, ..Default::default() };
            assert_eq!(run_rule(&operator, frame.clone()).1, [true, true, true, true, true, false, false, false, false]);
        }
    }
}
