//! Filters files by their type and size.

use dataflow_core::key::{Any, Input, Integer, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

use crate::code::source_code::SourceCode;
use crate::compatibility::Compatibility;

/// Keeps files that are not too long for their type: of text, JSON, YAML, OWL, Graphviz and DOT those of 512 lines at the most, of HTML those with 100
/// visible characters that are a fifth of all, and all others.
///
/// Keys of columns that are not there are left out with null: in a table of a type and a text these are `input_line_count_key: null`, for which the lines of `input_key` are counted, `input_visible_text_length_key: null` and
/// `input_total_code_length_key: null`.
///
/// The label is 1 for a row that stays and 0 for one that goes. A file without a type is kept; one whose count is missing where it is needed, such as a page of HTML in a table without its two counts, is dropped.
///
/// # 中文
///
/// 按文件类型保留长度合适的文件：文本、JSON、YAML、OWL、Graphviz、DOT 不超过 512 行，HTML 的可见字符至少 100 个且占五分之一，其他类型全部保留。
/// 表中没有的列，将其键设为 null 即可：只有类型与文本两列时，设 `input_line_count_key: null`（改为统计 `input_key` 的行数）、`input_visible_text_length_key: null` 和 `input_total_code_length_key: null`。
///
/// 保留的行标签为 1，丢弃的为 0。没有类型的文件保留；需要的计数缺失时丢弃，例如缺少这两项计数的 HTML 页面。
#[operator(code, filter, Columns)]
pub struct CodeFileTypeContentFilter {
    /// The text of the file, whose lines are counted where `input_line_count_key` is null. 中文：文件文本；`input_line_count_key` 为 null 时统计其行数。
    pub input_key: Option<Input<Any>>,
    /// The type of the file. 中文：文件类型。
    pub input_filetype_key: Input<Text>,
    /// How many lines it has. 中文：行数。
    pub input_line_count_key: Option<Input<Integer>>,
    /// How many characters of a page can be seen. 中文：页面可见字符数。
    pub input_visible_text_length_key: Option<Input<Integer>>,
    /// How many characters a page has. 中文：页面总字符数。
    pub input_total_code_length_key: Option<Input<Integer>>,
    /// Where the label goes. 中文：写入标签的列。
    pub output_key: Output<Integer>,
}

impl Default for CodeFileTypeContentFilter {
    fn default() -> Self {
        Self {
            input_key: None,
            input_filetype_key: "filetype".into(),
            input_line_count_key: Some("line_count".into()),
            input_visible_text_length_key: Some("visible_text_length".into()),
            input_total_code_length_key: Some("total_code_length".into()),
            output_key: "file_type_content_filter_label".into(),
        }
    }
}

const LONG_DATA: [&str; 6] = ["text", "json", "yaml", "web ontology language", "graphviz", "dot"];

impl Columns for CodeFileTypeContentFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let types = texts_of(frame, self.input_filetype_key.as_str())?;
        let numbers = |key: Option<&Input<Integer>>| -> Result<Int64Chunked> {
            match key.and_then(|key| frame.column(key.as_str()).ok()) {
                Some(column) => Ok(column.cast(&DataType::Int64)?.i64()?.clone()),
                None => Ok(Int64Chunked::full_null("".into(), frame.height())),
            }
        };
        let lines = match (&self.input_line_count_key, &self.input_key) {
            (None, Some(text)) => lines_of(frame.column(text.as_str())?)?,
            (key, _) => numbers(key.as_ref())?,
        };
        let (visible, all) = (numbers(self.input_visible_text_length_key.as_ref())?, numbers(self.input_total_code_length_key.as_ref())?);
        let keep: Vec<bool> = types
            .iter()
            .enumerate()
            .map(|(row, file_type)| match file_type.map(str::to_lowercase).as_deref() {
                Some(file_type) if LONG_DATA.contains(&file_type) => lines.get(row).is_some_and(|lines| lines <= 512),
                Some("html") => match (visible.get(row), all.get(row)) {
                    (Some(visible), Some(all)) => visible >= 100 && visible as f64 / all.max(1) as f64 >= 0.2,
                    _ => false,
                },
                _ => true,
            })
            .collect();
        let label = Column::new(self.output_key.as_str().into(), keep.iter().map(|keep| i64::from(*keep)).collect::<Vec<_>>());
        Ok(Changes { columns: vec![label], keep: Some(keep.into_iter().map(Some).collect()), failed: Vec::new() })
    }

    fn problems(&self) -> Vec<String> {
        if self.input_line_count_key.is_none() && self.input_key.is_none() {
            return vec!["`input_line_count_key` is null, and there is no `input_key` whose lines could be counted".into()];
        }
        Vec::new()
    }
}

/// How many lines each piece of code has.
fn lines_of(cells: &Column) -> Result<Int64Chunked> {
    let mut lines = Vec::with_capacity(cells.len());
    for row in 0..cells.len() {
        lines.push(SourceCode::of(&cells.get(row)?, Compatibility::Own).map(|code| code.lines().len() as i64));
    }
    Ok(lines.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{conformance, run_rule};

    conformance!(CodeFileTypeContentFilter);

    #[test]
    fn long_data_and_pages_of_markup_go() {
        let frame = df!(
            "filetype" => [Some("JSON"), Some("json"), Some("HTML"), Some("html"), Some("Rust"), None],
            "line_count" => [Some(600), Some(10), Some(1), Some(1), None, Some(1)],
            "visible_text_length" => [0, 0, 100, 100, 0, 0],
            "total_code_length" => [0, 0, 500, 501, 0, 0]
        )
        .unwrap();
        assert_eq!(run_rule(&CodeFileTypeContentFilter::default(), frame).1, [false, true, true, false, true, true]);
    }

    #[test]
    fn a_type_and_a_text_are_enough() {
        let operator: CodeFileTypeContentFilter = serde_json::from_value(serde_json::json!({
            "input_key": "text", "input_line_count_key": null, "input_visible_text_length_key": null, "input_total_code_length_key": null,
        }))
        .unwrap();
        let (long, short) = ("{}\n".repeat(512), "{}\n".repeat(511));
        let frame = df!("filetype" => ["json", "json", "json", "rust", "html"], "text" => [Some(long.as_str()), Some(&short), None, Some(&long), Some(&short)])
            .unwrap();
        assert_eq!(run_rule(&operator, frame).1, [false, true, false, true, false]);
        let nothing = CodeFileTypeContentFilter { input_line_count_key: None, ..Default::default() };
        assert!(Columns::problems(&nothing)[0].contains("no `input_key`"));
    }
}
