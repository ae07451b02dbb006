//! Writes questions with images as conversations.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use dataflow_core::key::{Any, Input, List, Messages, Nullable, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::{Row, json_of};
use dataflow_core::serving::{Message, Role};
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Error, Result, operator};
use regex::Regex;
use serde_json::Value;

use crate::nested::text_of;
use crate::pattern::pattern;

/// Writes a question with its answer and solution as a conversation, and the images of both as a list of paths.
///
/// The user's turn begins with a mark for each image; the assistant's is the answer and, after a blank line, the solution. A question that is only images is their marks; an answer that is only images is none, since it would leave the assistant's turn empty. A row without a question, or without both answer and solution, goes, and so does one whose cell is no record: a null, an empty text, or a text that is no record in JSON.
/// Paths of images start from `image_folder`, which is by default where `LLMOutputParser` and `QA_Merger` write, and an image that is not there is warned of; an address, such as `https://…`, stays as it is; DataFlow searches the whole current folder for a file of the name. The other columns stay, where DataFlow drops them.
///
/// # 中文
///
/// 将问题及其答案、解答写成对话，并列出两者中图片的路径。用户一轮以每张图片一个占位符开头；助手一轮为答案，空一行后为解答。只有图片的问题即为其占位符；只有图片的答案视为没有，否则助手一轮会是空的。没有问题、或答案与解答都没有的行会去掉，单元格不是记录（空值、空文本，或不是 JSON 记录的文本）的行也会去掉。
/// 图片路径从 `image_folder` 算起，默认为 `LLMOutputParser` 与 `QA_Merger` 的输出目录，图片不存在时给出警告；`https://…` 之类的网址保持原样；DataFlow 则在整个当前目录中按文件名查找。其他列保留，DataFlow 则会丢弃。
#[operator(pdf2vqa, generate, AskModel)]
pub struct VQAFormatter {
    /// Not used: the rows are the output; DataFlow writes them to a second file. 中文：不使用；DataFlow 会另存一份文件。
    #[path(writes)]
    pub output_json_file: Option<PathBuf>,
    /// What stands for an image in the user's turn. 中文：用户一轮中代表图片的占位符。
    pub image_placeholder: String,
    /// The folder from which paths of images start; the current one where it is null. 中文：图片路径的起始目录；null 表示当前目录。
    #[path(keeps)]
    pub image_folder: Option<PathBuf>,
    /// The question with its answer: a record with `question`, `answer` and `solution`, or its JSON text. 中文：问答列：含 `question`、`answer`、`solution` 的记录或其 JSON 文本。
    pub input_qa_item_key: Nullable<Input<Any>>,
    /// Where the conversation goes. 中文：写入对话的列。
    pub output_messages_key: Output<Messages>,
    /// Where the paths of images go. 中文：写入图片路径的列。
    pub output_images_key: Output<List<Text>>,
}

impl Default for VQAFormatter {
    fn default() -> Self {
        Self {
            output_json_file: None,
            image_placeholder: "<image>".into(),
            image_folder: Some("./vqa".into()),
            input_qa_item_key: "qa_item".into(),
            output_messages_key: "messages".into(),
            output_images_key: "images".into(),
        }
    }
}

/// A text without its images, and their paths, which may stand in angle brackets and before a title.
fn apart(text: &str) -> (String, Vec<String>) {
    static IMAGE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"!\[[^\]]*\]\(\s*(?:<([^<>]+)>|([^)]+?))(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)"#));
    static BLANK: LazyLock<Regex> = LazyLock::new(|| pattern(r"\n{3,}"));
    let paths = IMAGE.captures_iter(text).filter_map(|found| Some(found.get(1).or(found.get(2))?.as_str().trim().to_owned())).collect();
    (BLANK.replace_all(&IMAGE.replace_all(text, ""), "\n\n").trim().to_owned(), paths)
}

/// Whether an image is elsewhere, or written out, and so in no folder.
fn is_address(image: &str) -> bool {
    image.contains("://") || image.starts_with("data:")
}

impl AskModel for VQAFormatter {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let item = match json_of(&row.value(&self.input_qa_item_key)?) {
            Value::String(text) if text.trim().is_empty() => Err("an empty text".to_owned()),
            Value::String(text) => serde_json::from_str(&text).map_err(|error| format!("a text that is no JSON: {error}")),
            item => Ok(item),
        };
        let found = match item {
            Ok(item @ Value::Object(_)) => Ok(item),
            Ok(Value::Array(_)) => Err("a list".to_owned()),
            Ok(Value::String(_)) => Err("a text within a text".to_owned()),
            Ok(other) => Err(format!("`{other}`")),
            Err(found) => Err(found),
        };
        let item = match found {
            Ok(item) => item,
            Err(found) => return Ok(Outcome::drop_because(format!("a record with `question`, `answer` and `solution` was expected; found {found}"))),
        };
        let part = |name: &str| apart(&text_of(&item[name]).unwrap_or_default());
        let ((question, mut images), (answer, of_answer), (solution, of_solution)) = (part("question"), part("answer"), part("solution"));
        let reply = [answer, solution].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
        if question.is_empty() && images.is_empty() {
            return Ok(Outcome::drop_because("it has no question"));
        }
        if reply.is_empty() {
            let is_shown = !of_answer.is_empty() || !of_solution.is_empty();
            return Ok(Outcome::drop_because(if is_shown { "its answer is only images, without a text" } else { "it has neither an answer nor a solution" }));
        }
        images.extend(of_answer.into_iter().chain(of_solution));
        let folder = self.image_folder.as_deref().unwrap_or(Path::new(""));
        let mut paths = Vec::with_capacity(images.len());
        for image in &images {
            if is_address(image) {
                paths.push(image.clone());
                continue;
            }
            let path = std::path::absolute(folder.join(image)).map_err(|error| Error::Data(format!("`{image}` is no path of an image: {error}")))?;
            if !path.is_file() {
                tracing::warn!(image, path = %path.display(), "an image is not there: `image_folder` should be the folder from which its path starts");
            }
            paths.push(path.to_string_lossy().into_owned());
        }
        let messages = vec![
            Message { role: Role::User, content: self.image_placeholder.repeat(images.len()) + &question },
            Message { role: Role::Assistant, content: reply },
        ];
        Ok(Outcome::become_rows([Cells::new().set(&self.output_messages_key, messages).set(&self.output_images_key, paths)]))
    }

    fn calls_per_row(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use insta::assert_snapshot;
    use serde_json::json;

    conformance!(VQAFormatter);

    fn check(item: &Value) -> String {
        let operator = VQAFormatter { image_folder: Some("/books".into()), ..Default::default() };
        check_row(&operator, &ScriptedModel::replies([""; 0]), json!({ "qa_item": item }))
    }

    #[test]
    fn images_become_marks_and_paths() {
        let item = json!({ "question": "See ![x](n/a.jpg) now", "answer": "A", "solution": "S ![](b.png)\n\n\n\nend" });
        assert_snapshot!(check(&item), @r#"
        -> dropped
        +> messages=Messages([Message { role: User, content: "<image><image>See  now" }, Message { role: Assistant, content: "A\n\nS \n\nend" }]) images=List([Text("/books/n/a.jpg"), Text("/books/b.png")]) (AsParent)
        "#);
        assert_eq!(check(&json!(item.to_string())), check(&item));
    }

    #[test]
    fn an_image_is_known_by_its_path_alone_and_an_address_stays() {
        let question = r#"![](https://x.org/a.png "A (big) owl") ![t](a.png "title") ![t]( b.png 'title' ) ![](<c d.png>) ![](<e.png> "t") ![](f g.png)"#;
        let told = check(&json!({ "question": question, "answer": "A" }));
        let images = r#"images=List([Text("https://x.org/a.png"), Text("/books/a.png"), Text("/books/b.png"), Text("/books/c d.png"), Text("/books/e.png"), Text("/books/f g.png")])"#;
        assert!(told.contains(images), "{told}");
        assert!(told.contains(&format!("content: \"{}\"", "<image>".repeat(6))), "a question that is only images: {told}");
    }

    #[test]
    fn images_are_looked_for_where_the_steps_before_write_them() {
        let folder = VQAFormatter::default().image_folder;
        assert_eq!(folder, Some(crate::pdf2vqa::QA_Merger::default().output_dir));
        assert_eq!(folder, Some(crate::pdf2vqa::LLMOutputParser::default().output_dir));
    }

    #[test]
    fn a_row_without_a_question_or_an_answer_goes() {
        assert_eq!(check(&json!({ "question": "Why?", "answer": "", "solution": null })), "-> dropped because it has neither an answer nor a solution");
        assert_eq!(check(&json!({ "question": "", "answer": "A" })), "-> dropped because it has no question");
        assert_eq!(check(&json!({ "question": "Why?", "answer": "![](a.png)" })), "-> dropped because its answer is only images, without a text");
        assert!(check(&json!({ "question": 5, "answer": 0 })).contains("content: \"0\""), "a number is read as its text");
        let expected = "-> dropped because a record with `question`, `answer` and `solution` was expected; found";
        assert_eq!(check(&json!("[1]")), format!("{expected} a list"));
        assert_eq!(check(&json!("12")), format!("{expected} `12`"));
        assert_eq!(check(&json!(r#""Why?""#)), format!("{expected} a text within a text"));
        assert_eq!(check(&json!(null)), format!("{expected} `null`"));
        assert_eq!(check(&json!(" \n")), format!("{expected} an empty text"));
        assert_eq!(check(&json!("no JSON")), format!("{expected} a text that is no JSON: expected ident at line 1 column 2"));
    }
}
