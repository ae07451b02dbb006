//! Takes questions with answers out of a list.

use std::path::PathBuf;

use dataflow_core::key::{Any, Input, Nullable, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::{Row, json_of};
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Result, operator};
use serde_json::Value;

use crate::nested::{text_of, unfolded};

/// Makes a row of each question with an answer that stands in a cell, in the form of Alpaca: instruction, input, output.
///
/// The cell holds a list of records with `question` and `answer`, a record with such a list as `qa_pairs`, or one of these as JSON text. A number is read as its text. A pair of which a part
/// is blank or null is left out, and a row without pairs goes, with the reason where dropped rows are shown. The other columns stay with each new row, where DataFlow drops them.
///
/// # 中文
///
/// 为单元格中的每个问答对生成一行，格式为 Alpaca 的 instruction、input、output。单元格可以是含 `question`、`answer` 的记录列表、以 `qa_pairs` 存放该列表的记录，
/// 或二者的 JSON 文本。数字按其文本读取。缺少任一部分的问答对被略去，没有问答对的行会去掉，展示丢弃行时会给出原因。其他列随新行保留，DataFlow 则会丢弃。
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

/// The pairs of a cell, in order; what is wrong with it where there are none.
fn pairs(cell: Value) -> Result<Vec<(String, String)>, String> {
    let expected = |found: &str| Err(format!("a list of records with `question` and `answer` was expected, or a record with one as `qa_pairs`; found {found}"));
    let list = match cell {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::String(_)) => return expected("a text within a text"),
            Err(error) => return expected(&format!("text that is no JSON: {error}")),
            Ok(inner) => return pairs(inner),
        },
        Value::Object(mut record) => match record.remove("qa_pairs").map(unfolded) {
            Some(Value::Array(list)) => list,
            Some(_) => return expected("a record whose `qa_pairs` is no list"),
            None => {
                let names: Vec<String> = record.keys().map(|name| format!("`{name}`")).collect();
                return expected(&format!("a record with {}", if names.is_empty() { "nothing in it".to_owned() } else { names.join(", ") }));
            }
        },
        Value::Array(list) => list,
        Value::Null => return expected("null"),
        other => return expected(&format!("`{other}`")),
    };
    let part = |pair: &Value, name: &str| text_of(pair.get(name)?).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    let all = list.len();
    let pair = |pair: Value| Some((part(&pair, "question")?, part(&pair, "answer")?));
    let found: Vec<(String, String)> = list.into_iter().filter_map(|item| pair(unfolded(item))).collect();
    match (all, found.is_empty()) {
        (0, _) => Err("its list of questions with answers is empty".into()),
        (all, true) => Err(format!("none of its {all} pairs has both a `question` and an `answer`")),
        (_, false) => Ok(found),
    }
}

impl AskModel for QAExtractor {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        Ok(match pairs(json_of(&row.value(&self.input_qa_key)?)) {
            Err(why) => Outcome::drop_because(why),
            Ok(found) => Outcome::become_rows(found.into_iter().map(|(question, answer)| {
                Cells::new()
                    .set(&self.output_instruction_key, self.input_instruction.clone())
                    .set(&self.output_question_key, question)
                    .set(&self.output_answer_key, answer)
            })),
        })
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
    use insta::assert_snapshot;
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
    fn a_number_is_read_as_its_text_whatever_stands_beside_it() {
        let pairs = [json!({ "question": "1+1?", "answer": 2 }), json!({ "question": 7, "answer": "x" }), json!({ "question": "T?", "answer": true })];
        let [alone, question, truth] = pairs.each_ref().map(|pair| check(&json!([pair])));
        assert_eq!(alone[1], "+> instruction=Answer. input=1+1? output=2 (AsParent)");
        assert_eq!(question[1], "+> instruction=Answer. input=7 output=x (AsParent)");
        assert_eq!(truth[1], "+> instruction=Answer. input=T? output=true (AsParent)");
        // As JSON of the whole cell, of the list in a record, and of each pair, which is what a reader makes of cells that differ.
        let together = [alone, question, truth].map(|lines| lines[1].clone());
        let texts: Vec<Value> = pairs.iter().map(|pair| Value::String(pair.to_string())).collect();
        for cell in [json!(json!(pairs).to_string()), json!({ "qa_pairs": json!(pairs).to_string() }), json!(texts)] {
            assert_eq!(check(&cell)[1..], together, "{cell}");
        }
    }

    #[test]
    fn a_row_without_pairs_goes_and_says_why() {
        let cells = [
            Value::Null,
            json!(7),
            json!("no JSON"),
            json!("\"text\""),
            json!({ "pairs": [], "title": "Owls" }),
            json!({ "qa_pairs": "none" }),
            json!([]),
            json!([{ "question": "Why?" }]),
        ];
        let told: Vec<String> = cells.iter().flat_map(check).collect();
        assert_snapshot!(told.join("\n").replace("a list of records with `question` and `answer` was expected, or a record with one as `qa_pairs`", "…"), @r"
        -> dropped because …; found null
        -> dropped because …; found `7`
        -> dropped because …; found text that is no JSON: expected ident at line 1 column 2
        -> dropped because …; found a text within a text
        -> dropped because …; found a record with `pairs`, `title`
        -> dropped because …; found a record whose `qa_pairs` is no list
        -> dropped because its list of questions with answers is empty
        -> dropped because none of its 1 pairs has both a `question` and an `answer`
        ");
    }
}
