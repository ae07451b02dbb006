//! Turns a layout that MinerU found into the numbered list that a model is shown.

use std::path::{Path, PathBuf};

use dataflow_core::key::{Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::Row;
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Error, Result, operator};
use serde_json::{Value, json};

use crate::pdf2vqa::layout::{items, write};

/// Numbers the items of the layout beside a Markdown file, and writes them beside it.
///
/// MinerU writes `<name>_content_list.json` beside its Markdown; where that has another name, the only such file of the folder is taken, and among several the row fails (DataFlow takes any). Its items are numbered from 0 without their places on the page; a list of texts becomes an item each, and other lists go.
/// The result is `<name>_content_list_converted.json` in the same folder.
///
/// # 中文
///
/// 为 Markdown 文件旁的版面列表编号，并写到同一目录。MinerU 在 Markdown 旁写出 `<名称>_content_list.json`；若无同名文件，则取目录中唯一的一个，有多个时该行失败（DataFlow 任取其一）；其各项从 0 编号并去掉页面位置，文本列表逐项展开，其他列表略去。
/// 结果为同目录下的 `<名称>_content_list_converted.json`。
#[operator(pdf2vqa, generate, AskModel)]
pub struct MinerU2LLMInputOperator {
    /// The path of the Markdown file. 中文：Markdown 文件路径列。
    #[path(named)]
    pub input_markdown_path_key: Input<Text>,
    /// Where the path of the numbered list goes. 中文：写入编号后列表的路径的列。
    pub output_converted_layout_key: Output<Text>,
}

impl Default for MinerU2LLMInputOperator {
    fn default() -> Self {
        Self { input_markdown_path_key: "vqa_markdown_path".into(), output_converted_layout_key: "converted_vqa_layout_path".into() }
    }
}

/// The layout of a Markdown file: the one with its name, or else the only one in its folder.
fn layout_of(markdown: &Path) -> Result<PathBuf> {
    const END: &str = "_content_list.json";
    let folder = markdown.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = markdown.with_file_name(format!("{}{END}", markdown.file_stem().unwrap_or_default().to_string_lossy()));
    if own.is_file() {
        return Ok(own);
    }
    if !markdown.exists() {
        return Err(Error::Data(format!("there is no file `{}`", markdown.display())));
    }
    let entries = std::fs::read_dir(folder).map_err(|error| Error::Data(format!("cannot read `{}`: {error}", folder.display())))?;
    let mut found = entries.flatten().map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(END));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::Data(format!("a layout `*{END}` was expected beside `{}`, and there is none", markdown.display()))),
        (Some(_), Some(_)) => {
            Err(Error::Data(format!("the layout `{}` was expected, and there are several others beside `{}`", own.display(), markdown.display())))
        }
    }
}

/// The items as the model sees them.
fn numbered(items: Vec<Value>) -> Vec<Value> {
    let mut found = Vec::with_capacity(items.len());
    let mut push = |mut item: Value| {
        if let Some(record) = item.as_object_mut() {
            record.shift_remove("bbox");
            record.shift_remove("page_idx");
            record.insert("id".into(), found.len().into());
            found.push(item);
        }
    };
    for item in items {
        if item["type"] != "list" {
            push(item);
        } else if item["sub_type"] == "text" {
            item["list_items"].as_array().into_iter().flatten().for_each(|text| push(json!({ "type": "text", "text": text })));
        }
    }
    found
}

impl AskModel for MinerU2LLMInputOperator {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let layout = layout_of(Path::new(&*row.text(&self.input_markdown_path_key)?))?;
        let converted = layout.with_file_name(format!("{}_converted.json", layout.file_stem().unwrap_or_default().to_string_lossy()));
        write(&converted, &Value::Array(numbered(items(&layout)?)).to_string())?;
        Ok(Cells::new().set(&self.output_converted_layout_key, converted.to_string_lossy()).into())
    }

    fn calls_per_row(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};

    conformance!(MinerU2LLMInputOperator);

    #[test]
    fn items_are_numbered_and_lists_of_texts_taken_apart() {
        let folder = tempfile::tempdir().unwrap();
        let markdown = folder.path().join("a.md");
        let check = || check_row(&MinerU2LLMInputOperator::default(), &ScriptedModel::replies([""; 0]), json!({ "vqa_markdown_path": markdown }));
        assert!(check().contains("there is no file `"), "{}", check());
        std::fs::write(&markdown, "# A").unwrap();
        assert!(check().contains("a layout `*_content_list.json` was expected beside"), "{}", check());
        for other in ["b", "c"] {
            std::fs::write(folder.path().join(format!("{other}_content_list.json")), "[]").unwrap();
        }
        assert!(check().contains("a_content_list.json` was expected, and there are several others"), "{}", check());
        std::fs::remove_file(folder.path().join("c_content_list.json")).unwrap();
        assert!(check().contains("b_content_list_converted.json"), "{}", check());
        let layout = json!([
            { "type": "text", "text": "1. Why?", "bbox": [1, 2, 3, 4], "page_idx": 0 },
            { "type": "list", "sub_type": "text", "list_items": ["a", "b"] },
            { "type": "list", "sub_type": "ref_text", "list_items": ["c"] },
            "junk",
        ]);
        std::fs::write(folder.path().join("a_content_list.json"), layout.to_string()).unwrap();
        let converted = folder.path().join("a_content_list_converted.json");
        assert_eq!(check(), format!("-> converted_vqa_layout_path={}", converted.display()));
        insta::assert_snapshot!(std::fs::read_to_string(converted).unwrap(), @r#"[{"type":"text","text":"1. Why?","id":0},{"type":"text","text":"a","id":1},{"type":"text","text":"b","id":2}]"#);
    }
}
