//! Takes the final answer out of a worked solution.

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::answer::{Units, cleaned_answer, extract_answer, final_answer};
use crate::compatibility::Compatibility;

/// Writes the final answer of a worked solution: what it is marked with (`\\boxed{…}`, `####`, "the answer is", 答案是), or its last value; without dollars, percent signs, `x=` and units.
///
/// The answer is taken whole, as `ReasoningAnswerGroundTruthFilter` takes it: of `\\frac{1}{2}` it is that, and of `the roots are 1 and -2` both, never the last number alone.
/// A number in words is written in digits: `100` for `a hundred`, `12` for `十二`. A unit goes only behind an answer that is one value, and as a whole: of `5 m^2` 5 is left, and `7 apples and 3 pears` stays.
/// With `compatibility: dataflow` a box, "the answer is" (to the end of the text) and the last number are all that is looked for, every word that is a unit goes, also the letters `a`, `c`, `d`, `g`, `h`, `l`, `m`, `o`, `s` and `t`, so that
/// `a+b` becomes `+b`, words of numbers that make no number together are added up, and a solution without an answer has an empty one; here that is null. Spaces around what goes stay, as in DataFlow.
///
/// # 中文
///
/// 写入解答的最终答案：其标出的内容（`\\boxed{…}`、`####`、"the answer is"、答案是），或最后一个数值；去掉美元符号、百分号、`x=` 与单位。
/// 答案取完整的值，与 `ReasoningAnswerGroundTruthFilter` 相同：`\\frac{1}{2}` 取整体，`the roots are 1 and -2` 取两者，不从中截取最后一个数字。
/// 用文字写出的数改为数字：`a hundred` 得到 `100`，`十二` 得到 `12`。只有单个数值之后的单位才去掉，且整体去掉：`5 m^2` 得到 5，`7 apples and 3 pears` 保持不变。
/// `compatibility: dataflow` 只查找方框、"the answer is"（取到文本结尾）与最后一个数字；会去掉所有单位词，包括字母 `a`、`c`、`d`、`g`、`h`、`l`、`m`、`o`、`s`、`t`，因此 `a+b` 变为 `+b`；不能合成一个数的数词相加；
/// 没有答案时写入空文本，此处默认写入空值。
#[operator(reasoning, generate, Columns)]
pub struct ReasoningAnswerExtractionQwenMathEvalGenerator {
    /// The data set that the solutions are of; those of `minerva_math` and `carp_en` keep their units. 中文：解答所属的数据集；`minerva_math` 与 `carp_en` 保留单位。
    pub dataset_name: Option<String>,
    /// Whose rule is followed. 中文：采用谁的规则。
    pub compatibility: Compatibility,
    /// The solution. 中文：解答列。
    pub input_key: Input<Text>,
    /// Where the answer goes. 中文：写入答案的列。
    pub output_key: Output<Text>,
}

impl Default for ReasoningAnswerExtractionQwenMathEvalGenerator {
    fn default() -> Self {
        Self { dataset_name: None, compatibility: Compatibility::Own, input_key: "pseudo_correct_solution_example".into(), output_key: "extraction".into() }
    }
}

impl Columns for ReasoningAnswerExtractionQwenMathEvalGenerator {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let units = match (self.dataset_name.as_deref(), self.compatibility) {
            (Some("minerva_math" | "carp_en"), _) => Units::Stay,
            (_, Compatibility::Own) => Units::AfterNumbers,
            (_, Compatibility::Dataflow) => Units::Everywhere,
        };
        let answers = texts_of(frame, self.input_key.as_str())?;
        let found = answers.iter().map(|solution| match self.compatibility {
            Compatibility::Own => extract_answer(solution?).map(|answer| cleaned_answer(&answer, units)).filter(|answer| !answer.is_empty()),
            Compatibility::Dataflow => Some(solution.map(|solution| final_answer(solution, units)).unwrap_or_default()),
        });
        let column: StringChunked = found.collect();
        Ok(Changes { columns: vec![column.with_name(self.output_key.as_str().into()).into_column()], ..Changes::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{check_rule, conformance};
    use insta::assert_snapshot;

    conformance!(ReasoningAnswerExtractionQwenMathEvalGenerator);

    #[test]
    fn the_answer_is_taken_out_and_cleaned() {
        let operator = ReasoningAnswerExtractionQwenMathEvalGenerator { input_key: "s".into(), ..Default::default() };
        let solutions = [r"So $\boxed{x=5}$.", r"\boxed{a+b}", "It is 12 km, so the answer is 12 km.", "In all 1,234", "no number"];
        let of = |operator: &ReasoningAnswerExtractionQwenMathEvalGenerator| {
            let told = check_rule(operator, "s", solutions);
            told.lines().filter_map(|line| line.split_once("extraction=")).map(|(_, answer)| answer.to_owned()).collect::<Vec<_>>().join("|")
        };
        assert_snapshot!(of(&operator), @"5|a+b|12 |1234|null");
        assert_snapshot!(of(&ReasoningAnswerExtractionQwenMathEvalGenerator { compatibility: Compatibility::Dataflow, ..operator.clone() }), @"5|+b|12 |1234|");
        assert_snapshot!(of(&ReasoningAnswerExtractionQwenMathEvalGenerator { dataset_name: Some("minerva_math".into()), ..operator }), @"5|a+b|12 km|1234|null");
    }

    #[test]
    fn a_value_is_taken_whole() {
        let operator = ReasoningAnswerExtractionQwenMathEvalGenerator { input_key: "s".into(), ..Default::default() };
        let solutions = [
            "最终答案是 3/4",
            r"答案为：$\frac{1}{2}$",
            "So x = 2/3.",
            "The roots are 1 and -2.",
            "#### 1/2",
            "所以选B。",
            "The answer is one and two.",
            "The answer is 12. For 3 rows.",
            r"\boxed{4",
            r"\boxed{5 m^2}",
            r"\boxed{5 \text{ m/s}}",
            r"\boxed{3 \times 10^8 \text{ m/s}}",
            "The final answer is: 7 apples and 3 pears",
            r"\boxed{2 \text{ apples and } 3 \text{ pears}}",
            r"\boxed{2\gcd(a,b)}",
            "The answer is a hundred.",
            "答案是十二。",
            "The answer is two and a half hours.",
            r"\boxed{\text{three quarters}}",
        ];
        let told = check_rule(&operator, "s", solutions);
        let told = told.lines().filter_map(|line| line.split_once("extraction=")).map(|(_, answer)| answer).collect::<Vec<_>>().join("|");
        assert_snapshot!(told, @r"3/4|\frac{1}{2}|2/3|1, -2|1/2|B|one and two|12|null|5 |5  |3 \times 10^8  |7 apples and 3 pears|2  apples and  3  pears|2\gcd(a,b)|100|12|2 1/2 |3/4");
    }
}
