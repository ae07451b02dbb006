//! Joins the questions of a book with their answers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Error, Result, operator};
use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::nested::text_of;
use crate::pattern::pattern;
use crate::pdf2vqa::layout::{claim, folder_name, read, write};

/// Joins a list of questions with the answers that stand elsewhere in it, by chapter and number, and makes a row of each pair.
///
/// The number is the first one in a label. A chapter begins where numbers begin again, and is known by the first number of its title, or with `strict_title_match` by the whole title without spaces.
/// Questions that have their answer come first. A question without an answer and an answer without a question are left out; a book without any pair keeps its row, with a null.
/// The pairs also go to `<output_dir>/<name>/merged_qa_pairs.jsonl` and, as a page to read, to `merged_qa_pairs.md`.
/// Where another row has taken the name for other files, the row fails and the other's result stays; DataFlow writes over it. Which row has taken a name is kept in a hidden file beside the result.
///
/// # 中文
///
/// 按章节与题号将问题与列表中别处的答案相连，每对生成一行。题号为标号中的第一个数字。题号重新开始处为新的一章，以标题中的第一个数字辨认；`strict_title_match` 则以去掉空白的整个标题辨认。
/// 自带答案的问题在前。没有答案的问题与没有问题的答案略去；没有任何问答对的书保留原行，写入空值。
/// 结果另写入 `<output_dir>/<名称>/merged_qa_pairs.jsonl`，以及便于阅读的 `merged_qa_pairs.md`。
/// 名称已被另一行用于其他文件时，该行出错，另一行的结果保留；DataFlow 则会覆盖。名称归哪一行所有，记在结果旁的隐藏文件中。
#[expect(non_camel_case_types, reason = "the name is DataFlow's")]
#[operator(pdf2vqa, generate, AskModel)]
pub struct QA_Merger {
    /// The folder that results go to, a folder a name. 中文：结果目录，每个名称一个子目录。
    #[path(keeps)]
    pub output_dir: PathBuf,
    /// Whether chapters are known by their whole titles. 中文：是否以整个标题辨认章节。
    pub strict_title_match: bool,
    /// The path of the list. 中文：列表路径列。
    #[path(named)]
    pub input_qalist_path_key: Input<Text>,
    /// The name of the book. 中文：书名列。
    pub input_name_key: Input<Text>,
    /// Where the path of the joined list goes. 中文：写入合并后列表路径的列。
    pub output_merged_qalist_path_key: Output<Text>,
    /// Where the path of the page goes. 中文：写入阅读页路径的列。
    pub output_merged_md_path_key: Output<Text>,
    /// Where the pair goes, as JSON. 中文：写入问答对（JSON）的列。
    pub output_qa_item_key: Output<Text>,
}

impl Default for QA_Merger {
    fn default() -> Self {
        Self {
            output_dir: "./vqa".into(),
            strict_title_match: false,
            input_qalist_path_key: "extracted_vqa_path".into(),
            input_name_key: "name".into(),
            output_merged_qalist_path_key: "output_merged_vqalist_path".into(),
            output_merged_md_path_key: "output_merged_md_path".into(),
            output_qa_item_key: "qa_item".into(),
        }
    }
}

/// A line of the list.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Item {
    #[serde(deserialize_with = "written")]
    question: String,
    #[serde(deserialize_with = "written")]
    answer: String,
    #[serde(deserialize_with = "written")]
    solution: String,
    #[serde(deserialize_with = "written")]
    label: String,
    #[serde(deserialize_with = "written")]
    chapter_title: String,
}

/// A text; any other value is read as its JSON text, and a null as an empty one.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(text_of(&Value::deserialize(deserializer)?).unwrap_or_default().into_owned())
}

/// A question with its answer.
#[derive(Clone, Serialize)]
struct Pair {
    question_chapter_title: String,
    answer_chapter_title: String,
    label: u64,
    question: String,
    answer: String,
    solution: String,
}

fn first_number(text: &str) -> Option<u64> {
    let start = text.find(|character: char| character.is_ascii_digit())?;
    let digits = &text[start..];
    digits[..digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len())].parse().ok()
}

/// What a chapter is known by.
fn chapter_of(title: &str, strict: bool) -> String {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d+(?:\.\d+)*|[一二三四五六七八九十百零〇]+"));
    if !strict && let Some(found) = NUMBER.find(title) {
        return found.as_str().to_owned();
    }
    title.split_whitespace().collect()
}

/// Follows the chapters of one part of a book.
#[derive(Default)]
struct Chapters {
    now: String,
    last: Option<u64>,
}

impl Chapters {
    fn at(&mut self, label: u64, title: &str, strict: bool) -> String {
        if !title.trim().is_empty() && self.last.is_none_or(|last| label < last) {
            self.now = chapter_of(title, strict);
        }
        self.last = Some(label);
        self.now.clone()
    }
}

fn merged(items: Vec<Item>, strict: bool) -> Vec<Pair> {
    let mut questions: Vec<(String, u64, Item)> = Vec::new();
    let mut answers: HashMap<(String, u64), Item> = HashMap::new();
    let (mut of_questions, mut of_answers) = (Chapters::default(), Chapters::default());
    for item in items {
        let Some(label) = first_number(&item.label).filter(|label| *label > 0) else { continue };
        if item.question.is_empty() {
            let chapter = of_answers.at(label, &item.chapter_title, strict);
            // An answer and its solution may stand apart.
            let known = answers.entry((chapter, label)).or_default();
            for (part, new) in [(&mut known.answer, item.answer), (&mut known.solution, item.solution)] {
                if part.is_empty() {
                    *part = new;
                }
            }
        } else {
            questions.push((of_questions.at(label, &item.chapter_title, strict), label, item));
        }
    }
    let pair = |chapter: String, label: u64, question: String, (answer, solution): (String, String)| Pair {
        question_chapter_title: chapter.clone(),
        answer_chapter_title: chapter,
        label,
        question,
        answer,
        solution,
    };
    let (whole, open): (Vec<_>, Vec<_>) = questions.into_iter().partition(|(_, _, item)| !item.answer.is_empty() || !item.solution.is_empty());
    let whole = whole.into_iter().map(|(chapter, label, item)| pair(chapter, label, item.question, (item.answer, item.solution))).collect::<Vec<_>>();
    let joined = open.into_iter().filter_map(|(chapter, label, item)| {
        let found = answers.get(&(chapter.clone(), label))?;
        Some(pair(chapter, label, item.question, (found.answer.clone(), found.solution.clone())))
    });
    let joined: Vec<Pair> = joined.filter(|pair| !pair.answer.is_empty() || !pair.solution.is_empty()).collect();
    whole.into_iter().chain(joined).collect()
}

/// A page to read.
fn page(pairs: &[Pair]) -> String {
    let part = |pair: &Pair| {
        let mut text = format!("### Question {}\n\n{}\n\n", pair.label, pair.question);
        if !pair.answer.is_empty() {
            text.push_str(&format!("**Answer:** {}\n\n", pair.answer));
        }
        if !pair.solution.is_empty() {
            text.push_str(&format!("**Solution:**\n\n{}\n\n", pair.solution));
        }
        text + "---\n\n"
    };
    pairs.iter().map(part).collect()
}

fn unwritable(error: &serde_json::Error) -> Error {
    Error::Data(format!("a pair cannot be written as JSON: {error}"))
}

impl AskModel for QA_Merger {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let (path, name) = (row.text(&self.input_qalist_path_key)?, row.text(&self.input_name_key)?);
        let name = folder_name(&name)?;
        let mut items = Vec::new();
        for (number, line) in read(Path::new(&*path))?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            items.push(serde_json::from_str(line).map_err(|error| Error::Data(format!("`{path}`, line {}: {error}", number + 1)))?);
        }
        let pairs = merged(items, self.strict_title_match);
        let folder = self.output_dir.join(name);
        let (list, shown) = (folder.join("merged_qa_pairs.jsonl"), folder.join("merged_qa_pairs.md"));
        let lines = pairs.iter().map(|pair| serde_json::to_string(pair).map(|line| line + "\n")).collect::<serde_json::Result<String>>();
        let lines = lines.map_err(|error| unwritable(&error))?;
        claim(&list, row, &[&*path])?;
        write(&list, &lines)?;
        write(&shown, &page(&pairs))?;
        let files = || {
            let told = |path: &Path| path.to_string_lossy().into_owned();
            Cells::new().set(&self.output_merged_qalist_path_key, told(&list)).set(&self.output_merged_md_path_key, told(&shown))
        };
        if pairs.is_empty() {
            return Ok(files().set_option(&self.output_qa_item_key, None::<String>).into());
        }
        let mut rows = Vec::with_capacity(pairs.len());
        for mut pair in pairs {
            // The images of several books lie in one folder a book.
            for part in [&mut pair.question, &mut pair.answer, &mut pair.solution] {
                *part = part.replace("](vqa_images/", &format!("]({name}/vqa_images/"));
            }
            rows.push(files().set(&self.output_qa_item_key, serde_json::to_string(&pair).map_err(|error| unwritable(&error))?));
        }
        Ok(Outcome::become_rows(rows))
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
    use dataflow_core::testing::conformance;
    use serde_json::json;

    conformance!(QA_Merger);

    fn check(items: &[(&str, &str, &str, &str)], strict: bool) -> Vec<String> {
        let of = |(label, title, question, answer): &(&str, &str, &str, &str)| {
            serde_json::from_value(json!({ "label": label, "chapter_title": title, "question": question, "answer": answer })).unwrap()
        };
        let pairs = merged(items.iter().map(of).collect(), strict);
        pairs.iter().map(|pair| format!("{} {}: {} = {}", pair.question_chapter_title, pair.label, pair.question, pair.answer)).collect()
    }

    #[test]
    fn nulls_and_other_values_are_read_as_texts() {
        let items = [
            json!({ "label": 1, "question": "Q", "answer": null }),
            json!({ "label": "1", "question": null, "answer": 7 }),
            json!({ "label": [2], "question": ["x"], "answer": { "a": 1 } }),
        ];
        let pairs = merged(items.map(|item| serde_json::from_value(item).unwrap()).into(), false);
        assert_eq!(pairs.iter().map(|pair| (pair.question.as_str(), pair.answer.as_str())).collect::<Vec<_>>(), [(r#"["x"]"#, r#"{"a":1}"#), ("Q", "7")]);
    }

    #[test]
    fn a_chapter_begins_where_numbers_begin_again() {
        let items = [
            ("1", "Chapter 1 Owls", "Q1", ""),
            ("2.", "", "Q2", ""),
            ("1", "Chapter 2 Mills", "Q1b", ""),
            ("1", "1 Answers", "", "A1"),
            ("2", "9 is no chapter here", "", "A2"),
            ("1", "2 Answers", "", "A1b"),
            ("none", "", "Qx", "Ax"),
        ];
        assert_eq!(check(&items, false), ["1 1: Q1 = A1", "1 2: Q2 = A2", "2 1: Q1b = A1b"]);
        assert_eq!(check(&items, true), [""; 0]);
    }

    #[test]
    fn what_has_its_answer_comes_first_and_what_has_none_goes() {
        let items = [("1", "第一章", "Q1", ""), ("2", "", "Q2", "A2"), ("3", "", "Q3", ""), ("1", "第一章 答案", "", "A1")];
        assert_eq!(check(&items, false), ["一 2: Q2 = A2", "一 1: Q1 = A1"]);
    }
}
