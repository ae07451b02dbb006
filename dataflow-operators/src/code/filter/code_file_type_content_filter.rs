//! Filters files by their type and size.

use dataflow_core::key::{Any, Input, Integer, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;

/// Keeps files that are not too long for their type: of text, JSON, YAML, OWL, Graphviz and DOT those of 512 lines at the most, of HTML those with 100
/// visible characters that are a fifth of all, and all others.
///
/// The label is 1 for a row that stays and 0 for one that goes. A file without a type is kept; one whose count is missing where it is needed is dropped.
///
/// # 中文
///
/// 按文件类型保留长度合适的文件：文本、JSON、YAML、OWL、Graphviz、DOT 不超过 512 行，HTML 的可见字符至少 100 个且占五分之一，其他类型全部保留。
/// 保留的行标签为 1，丢弃的为 0。没有类型的文件保留；需要的计数缺失时丢弃。
#[operator(code, filter, Columns)]
pub struct CodeFileTypeContentFilter {
    /// Not used; DataFlow's pipelines give it. 中文：不使用，仅为兼容 DataFlow 的流水线。
    pub input_key: Option<Input<Any>>,
    /// The type of the file. 中文：文件类型。
    pub input_filetype_key: Input<Text>,
    /// How many lines it has. 中文：行数。
    pub input_line_count_key: Input<Integer>,
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
            input_line_count_key: "line_count".into(),
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
        let (lines, visible, all) = (
            numbers(Some(&self.input_line_count_key))?,
            numbers(self.input_visible_text_length_key.as_ref())?,
            numbers(self.input_total_code_length_key.as_ref())?,
        );
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
}
