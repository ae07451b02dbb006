//! Reads the questions and answers that a model marked in a layout.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Error, Result, operator};
use regex::Regex;
use serde_json::{Value, json};

use crate::nested::text_of;
use crate::pattern::pattern;
use crate::pdf2vqa::layout::{claim, folder_name, items, read, write};

/// Reads a model's reply that marks questions and answers by the numbers of layout items, and writes them as a list.
///
/// The reply is a file with `<chapter><title>…</title><qa_pair><label>…</label><question>…</question><answer>…</answer><solution>…</solution></qa_pair>…</chapter>`: title, question and
/// solution name items, the answer is text. Items become their text, their table, or an image. A pair needs a label and one of the other three; numbers of items that do not exist are passed over.
/// The list goes to `<output_dir>/<name>/extracted_vqa.jsonl` and the images to `vqa_images` beside it; an image that is not there is left out.
/// Where another row has taken the name for other files, the row fails and the other's result stays; DataFlow writes over it. Which row has taken a name is kept in a hidden file beside the result.
///
/// # 中文
///
/// 读取以版面项编号标出问答的模型回复，并写成列表。回复文件的形式为 `<chapter><title>…</title><qa_pair><label>…</label><question>…</question><answer>…</answer><solution>…</solution></qa_pair>…</chapter>`：
/// 标题、问题、解答为编号，答案为文本。各项换成其文本、表格或图片。问答须有标号以及其余三者之一；不存在的编号会跳过。
/// 列表写入 `<output_dir>/<名称>/extracted_vqa.jsonl`，图片写入其旁的 `vqa_images`；缺失的图片略去。
/// 名称已被另一行用于其他文件时，该行出错，另一行的结果保留；DataFlow 则会覆盖。名称归哪一行所有，记在结果旁的隐藏文件中。
#[operator(pdf2vqa, generate, AskModel)]
pub struct LLMOutputParser {
    /// The folder that results go to, a folder a name. 中文：结果目录，每个名称一个子目录。
    #[path(keeps)]
    pub output_dir: PathBuf,
    /// Not used: nothing is written in between. 中文：不使用；没有中间文件。
    #[path(keeps)]
    pub intermediate_dir: Option<PathBuf>,
    /// The path of the reply. 中文：模型回复的路径列。
    #[path(named)]
    pub input_response_path_key: Input<Text>,
    /// The path of the numbered layout. 中文：编号后版面列表的路径列。
    #[path(named)]
    pub input_converted_layout_path_key: Input<Text>,
    /// The name of the book. 中文：书名列。
    pub input_name_key: Input<Text>,
    /// Where the path of the list goes. 中文：写入列表路径的列。
    pub output_qalist_path_key: Output<Text>,
}

impl Default for LLMOutputParser {
    fn default() -> Self {
        Self {
            output_dir: "./vqa".into(),
            intermediate_dir: None,
            input_response_path_key: "extracted_llm_vqa_path".into(),
            input_converted_layout_path_key: "converted_vqa_layout_path".into(),
            input_name_key: "name".into(),
            output_qalist_path_key: "extracted_vqa_path".into(),
        }
    }
}

/// What a tag holds, wherever it first stands.
fn inside<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>")).map(|(inner, _)| inner.trim())
}

/// The layout that a reply speaks of, and the images that it used.
struct Layout {
    items: Vec<Value>,
    images: Vec<String>,
}

impl Layout {
    /// The items of a list of numbers, a line each.
    fn told(&mut self, numbers: &str) -> String {
        let chosen: Vec<usize> = numbers.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        chosen.into_iter().filter_map(|number| self.item(number)).collect::<Vec<_>>().join("\n")
    }

    fn item(&mut self, number: usize) -> Option<String> {
        let item = self.items.iter().find(|item| item["id"] == number).or_else(|| self.items.get(number))?;
        let text = |name: &str| text_of(&item[name]).unwrap_or_default().into_owned();
        Some(match item["type"].as_str() {
            Some("table") => text("table_body"),
            Some("image") => {
                let path = text("img_path");
                let caption = match &item["image_caption"] {
                    Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
                    Value::String(caption) => caption.clone(),
                    _ => "image".into(),
                };
                let name = Path::new(&path).file_name()?.to_string_lossy().into_owned();
                self.images.push(path);
                format!("![{caption}](vqa_images/{name})")
            }
            _ => text("text"),
        })
    }
}

/// The pairs of a reply, in order.
fn pairs(reply: &str, layout: &mut Layout) -> Vec<Value> {
    static CHAPTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)<chapter>(.*?)</chapter>"));
    static PAIR: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)<qa_pair>(.*?)</qa_pair>"));
    let mut found = Vec::new();
    for chapter in CHAPTER.captures_iter(reply).filter_map(|chapter| chapter.get(1)) {
        let title = inside(chapter.as_str(), "title").map(|numbers| layout.told(numbers)).unwrap_or_default();
        for pair in PAIR.captures_iter(chapter.as_str()).filter_map(|pair| pair.get(1)) {
            let part = |tag: &str| inside(pair.as_str(), tag).filter(|inner| !inner.is_empty());
            let (label, question, answer, solution) = (part("label"), part("question"), part("answer"), part("solution"));
            let Some(label) = label.filter(|_| question.is_some() || answer.is_some() || solution.is_some()) else { continue };
            found.push(json!({
                "question": question.map(|numbers| layout.told(numbers)).unwrap_or_default(),
                "answer": answer.unwrap_or_default(),
                "solution": solution.map(|numbers| layout.told(numbers)).unwrap_or_default(),
                "label": label,
                "chapter_title": title,
            }));
        }
    }
    found
}

/// Pairs, a line each.
fn lines(pairs: &[Value]) -> String {
    pairs.iter().flat_map(|pair| [pair.to_string(), "\n".to_owned()]).collect()
}

impl AskModel for LLMOutputParser {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let (response, layout, name) =
            (row.text(&self.input_response_path_key)?, row.text(&self.input_converted_layout_path_key)?, row.text(&self.input_name_key)?);
        let (response, layout_path) = (Path::new(&*response), Path::new(&*layout));
        let mut layout = Layout { items: items(layout_path)?, images: Vec::new() };
        let lines = lines(&pairs(&read(response)?, &mut layout));
        let folder = self.output_dir.join(folder_name(&name)?);
        let list = folder.join("extracted_vqa.jsonl");
        claim(&list, row, &[response, layout_path])?;
        write(&list, &lines)?;
        for image in layout.images {
            let from = layout_path.parent().unwrap_or(Path::new("")).join(&image);
            let (Some(name), true) = (from.file_name(), from.is_file()) else { continue };
            let to = folder.join("vqa_images").join(name);
            let copied = std::fs::create_dir_all(folder.join("vqa_images")).and_then(|()| std::fs::copy(&from, &to));
            copied.map_err(|error| Error::storage(format!("cannot copy {} to {}", from.display(), to.display()), error))?;
        }
        Ok(Cells::new().set(&self.output_qalist_path_key, list.to_string_lossy()).into())
    }

    fn calls_per_row(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::conformance;
    use insta::assert_snapshot;

    conformance!(LLMOutputParser);

    fn check(reply: &str) -> String {
        let items = vec![
            json!({ "type": "text", "text": "Chapter 1", "id": 0 }),
            json!({ "type": "text", "text": "Is 2 even?", "id": 1 }),
            json!({ "type": "image", "img_path": "images/p.jpg", "image_caption": "Two owls", "id": 2 }),
            json!({ "type": "table", "table_body": "<t/>", "id": 3 }),
        ];
        lines(&pairs(reply, &mut Layout { items, images: Vec::new() }))
    }

    #[test]
    fn numbers_become_what_they_stand_for() {
        let reply = "<chapter><title>0</title>\n<qa_pair><label> 1 </label><question>1, 2,-1,x,99</question><answer>yes</answer><solution>3</solution></qa_pair></chapter>";
        assert_snapshot!(check(reply), @r#"{"question":"Is 2 even?\n![Two owls](vqa_images/p.jpg)","answer":"yes","solution":"<t/>","label":"1","chapter_title":"Chapter 1"}"#);
    }

    #[test]
    fn a_pair_needs_a_label_and_something_under_it() {
        assert_eq!(check("<chapter><qa_pair><question>1</question></qa_pair><qa_pair><label>2</label></qa_pair></chapter>"), "");
        assert_eq!(check("<empty></empty>"), "");
        assert_eq!(check("<chapter><qa_pair><label>1</label>"), "");
    }
}
