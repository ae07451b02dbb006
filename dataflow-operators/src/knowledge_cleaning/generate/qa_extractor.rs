//! Takes questions with answers out of a list.

use std::path::PathBuf;

use dataflow_core::key::{Any, Input, Nullable, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::{Row, json_of};
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, operator};
use serde_json::Value;

/// Makes a row of each question with an answer that stands in a cell, in the form of Alpaca: instruction, input, output.
///
/// The cell holds a list of records with `question` and `answer`, a record with such a list as `qa_pairs`, or one of these as JSON text. A pair of which a part
/// is blank is left out, and a row without pairs goes. The other columns stay with each new row, where DataFlow drops them.
///
/// # 中文
///
/// 为单元格中的每个问答对生成一行，格式为 Alpaca 的 instruction、input、output。单元格可以是含 `question`、`answer` 的记录列表、以 `qa_pairs` 存放该列表的记录，
/// 或二者的 JSON 文本。缺少任一部分的问答对被略去，没有问答对的行会去掉。其他列随新行保留，DataFlow 则会丢弃。
#[operator(knowledge_cleaning, generate, AskModel)]
pub struct QAExtractor {
    /// Not used: the rows are the output; DataFlow writes them to a second file. 中文：不使用；DataFlow 会另存一份文件。
    #[path(writes)]
    pub output_json_file: Option<PathBuf>,
    /// What every new row is told to do. 中文：写入每个新行的指令。
    pub input_instruction: String,
    /// The questions with answers. 中文：问答对列。
    pub input_qa_key: Nullable<Input<Any>>,
    /// Where the instruction goes. 中文：写入指令的列。
    pub output_instruction_key: Output<Text>,
    /// Where the question goes. 中文：写入问题的列。
    pub output_question_key: Output<Text>,
    /// Where the answer goes. 中文：写入答案的列。
    pub output_answer_key: Output<Text>,
}

impl Default for QAExtractor {
    fn default() -> Self {
        Self {
            output_json_file: None,
            input_instruction: "Please answer the following question based on the provided information.".into(),
            input_qa_key: "QA_pairs".into(),
            output_instruction_key: "instruction".into(),
            output_question_key: "input".into(),
            output_answer_key: "output".into(),
        }
    }
}

/// The pairs of a cell, in order.
fn pairs(cell: Value) -> Vec<(String, String)> {
    let list = match cell {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::String(_)) | Err(_) => return Vec::new(),
            Ok(inner) => return pairs(inner),
        },
        Value::Object(mut record) => match record.remove("qa_pairs") {
            Some(Value::Array(list)) => list,
            _ => return Vec::new(),
        },
        Value::Array(list) => list,
        _ => return Vec::new(),
    };
    let part = |pair: &Value, name: &str| pair.get(name)?.as_str().map(str::trim).filter(|part| !part.is_empty()).map(ToOwned::to_owned);
    list.iter().filter_map(|pair| Some((part(pair, "question")?, part(pair, "answer")?))).collect()
}

impl AskModel for QAExtractor {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let found = pairs(json_of(&row.value(&self.input_qa_key)?));
        Ok(Outcome::become_rows(found.into_iter().map(|(question, answer)| {
            Cells::new()
                .set(&self.output_instruction_key, self.input_instruction.clone())
                .set(&self.output_question_key, question)
                .set(&self.output_answer_key, answer)
        })))
    }

    fn calls_per_row(&self) -> u64 {
        0
    }

    fn rows_per_row(&self) -> u64 {
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use serde_json::json;

    conformance!(QAExtractor);

    fn check(cell: &Value) -> Vec<String> {
        let operator = QAExtractor { input_instruction: "Answer.".into(), ..Default::default() };
        check_row(&operator, &ScriptedModel::replies([""; 0]), json!({ "QA_pairs": cell })).lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_list_a_record_and_their_text_give_the_same_rows() {
        let list = json!([{ "question": " Why? ", "answer": "Because. " }, { "question": "", "answer": "x" }, { "question": "Only this" }]);
        let wanted = ["-> dropped", "+> instruction=Answer. input=Why? output=Because. (AsParent)"];
        for cell in [list.clone(), json!({ "qa_pairs": list }), Value::String(list.to_string()), Value::String(json!({ "qa_pairs": list }).to_string())] {
            assert_eq!(check(&cell), wanted, "{cell}");
        }
    }

    #[test]
    fn a_row_without_pairs_goes() {
        for cell in [Value::Null, json!("no JSON"), json!("\"text\""), json!({ "pairs": [] })] {
            assert_eq!(check(&cell), ["-> dropped"], "{cell}");
        }
    }
}
