//! Filters files by their type and size.

use dataflow_core::key::{Any, IfPresent, Input, Integer, Output, Text};
use dataflow_core::operator::Changes;
use dataflow_core::row::json_of;
use dataflow_core::shape::{Columns, texts_of};
use dataflow_core::{Result, operator};
use polars::prelude::*;
use serde_json::Value;

use crate::code::source_code::SourceCode;
use crate::compatibility::Compatibility;

/// Keeps files that are not too long for their type: of text, JSON, YAML, OWL, Graphviz and DOT those of 512 lines at the most, of HTML those with 100
/// visible characters that are a fifth of all, and all others.
///
/// The columns of counts and of texts may be missing, or their keys null. Lines are counted in `input_key` where their count is missing.
///
/// The label is 1 for a row that stays and 0 for one that goes. A file without a type is kept; one whose count is needed and is missing or no number, such as a page of HTML in a table without its two counts, is dropped.
///
/// # 中文
///
/// 按文件类型保留长度合适的文件：文本、JSON、YAML、OWL、Graphviz、DOT 不超过 512 行，HTML 的可见字符至少 100 个且占五分之一，其他类型全部保留。
/// 各计数列与文本列可以不存在，也可将其键设为 null；没有行数列时统计 `input_key` 的行数。
///
/// 保留的行标签为 1，丢弃的为 0。没有类型的文件保留；需要的计数缺失或不是数字时丢弃，例如缺少这两项计数的 HTML 页面。
#[operator(code, filter, Columns)]
pub struct CodeFileTypeContentFilter {
    /// The text of the file, whose lines are counted where the column of line counts is missing. 中文：文件文本；没有行数列时统计其行数。
    pub input_key: Option<IfPresent<Input<Any>>>,
    /// The type of the file. 中文：文件类型。
    pub input_filetype_key: Input<Text>,
    /// How many lines it has. 中文：行数。
    pub input_line_count_key: Option<IfPresent<Input<Any>>>,
    /// How many characters of a page can be seen. 中文：页面可见字符数。
    pub input_visible_text_length_key: Option<IfPresent<Input<Any>>>,
    /// How many characters a page has. 中文：页面总字符数。
    pub input_total_code_length_key: Option<IfPresent<Input<Any>>>,
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

/// What is known of a file.
struct Counts {
    lines: Option<f64>,
    visible: Option<f64>,
    all: Option<f64>,
}

impl CodeFileTypeContentFilter {
    /// The type of each file and its counts.
    fn files(&self, frame: &DataFrame) -> Result<Vec<(Option<String>, Counts)>> {
        let present = |key: &Option<IfPresent<Input<Any>>>| key.as_ref().and_then(|key| frame.column(key.0.as_str()).ok());
        let counted = |key| present(key).map(numbers_of);
        let none = || Ok(vec![None; frame.height()]);
        let lines = match (counted(&self.input_line_count_key), present(&self.input_key)) {
            (Some(counts), _) => counts?,
            (None, Some(texts)) => lines_of(texts)?,
            (None, None) => none()?,
        };
        let visible = counted(&self.input_visible_text_length_key).unwrap_or_else(none)?;
        let all = counted(&self.input_total_code_length_key).unwrap_or_else(none)?;
        let counts = lines.into_iter().zip(visible).zip(all).map(|((lines, visible), all)| Counts { lines, visible, all });
        Ok(texts_of(frame, self.input_filetype_key.as_str())?.iter().map(|file_type| file_type.map(str::to_lowercase)).zip(counts).collect())
    }
}

/// Why a file goes.
enum Wrong {
    NoLines,
    ManyLines(f64),
    NoLengths,
    FewVisible(f64),
    LittleVisible(f64),
}

fn wrong(file_type: Option<&str>, counts: &Counts) -> Option<Wrong> {
    const MOST_LINES: f64 = 512.0;
    const LEAST_VISIBLE: f64 = 100.0;
    const LEAST_SHARE: f64 = 0.2;
    match file_type? {
        data if LONG_DATA.contains(&data) => match counts.lines {
            None => Some(Wrong::NoLines),
            Some(lines) => (lines > MOST_LINES).then_some(Wrong::ManyLines(lines)),
        },
        "html" => match (counts.visible, counts.all) {
            (Some(visible), Some(_)) if visible < LEAST_VISIBLE => Some(Wrong::FewVisible(visible)),
            (Some(visible), Some(all)) => Some(visible / all.max(1.0)).filter(|share| *share < LEAST_SHARE).map(Wrong::LittleVisible),
            _ => Some(Wrong::NoLengths),
        },
        _ => None,
    }
}

impl Columns for CodeFileTypeContentFilter {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let keep: Vec<bool> = self.files(frame)?.iter().map(|(file_type, counts)| wrong(file_type.as_deref(), counts).is_none()).collect();
        let label = Column::new(self.output_key.as_str().into(), keep.iter().map(|keep| i64::from(*keep)).collect::<Vec<_>>());
        Ok(Changes { columns: vec![label], keep: Some(keep.into_iter().map(Some).collect()), failed: Vec::new() })
    }

    fn why(&self, frame: &DataFrame, row: usize) -> Option<String> {
        let files = self.files(&frame.slice(i64::try_from(row).ok()?, 1)).ok()?;
        let (file_type, counts) = files.first()?;
        Some(match wrong(file_type.as_deref(), counts)? {
            Wrong::NoLines => "the count of lines is missing or no number".into(),
            Wrong::ManyLines(lines) => format!("{lines} lines, above 512"),
            Wrong::NoLengths => "a count of characters is missing or no number".into(),
            Wrong::FewVisible(visible) => format!("{visible} visible characters, below 100"),
            Wrong::LittleVisible(share) => format!("a share of {share:.3} of the characters is visible, below 0.2"),
        })
    }

    fn problems(&self) -> Vec<String> {
        if self.input_line_count_key.is_none() && self.input_key.is_none() {
            return vec!["`input_line_count_key` is null, and there is no `input_key` whose lines could be counted".into()];
        }
        Vec::new()
    }
}

/// How many lines each piece of code has.
fn lines_of(cells: &Column) -> Result<Vec<Option<f64>>> {
    let lines = |row| Ok(SourceCode::of(&cells.get(row)?, Compatibility::Own).map(|code| code.lines().count() as f64));
    (0..cells.len()).map(lines).collect()
}

/// The numbers of a column, also those that stand there as text, as in CSV.
fn numbers_of(cells: &Column) -> Result<Vec<Option<f64>>> {
    let number = |row| {
        Ok(match json_of(&cells.get(row)?) {
            Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            cell => cell.as_f64(),
        })
    };
    (0..cells.len()).map(number).collect()
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
    fn counts_are_read_as_tools_write_them_and_may_be_missing() {
        let types = ["json", "json", "json", "html", "Rust"];
        let kept = |frame| run_rule(&CodeFileTypeContentFilter::default(), frame).1;
        let floats = df!("filetype" => types, "line_count" => [Some(10.0), Some(600.0), None, Some(1.0), None]).unwrap();
        assert_eq!(kept(floats), [true, false, false, false, true]);
        let pages = ["100", "100", "", "100", "x"];
        let texts = df!("filetype" => types, "line_count" => ["10", " 513", "many", "1", ""], "visible_text_length" => pages, "total_code_length" => pages);
        assert_eq!(kept(texts.unwrap()), [true, false, false, true, true]);
        let lists = [Some(Series::new("".into(), [1i64])), None, None, None, None].into_iter().collect::<ListChunked>().with_name("line_count".into());
        let mut frame = df!("filetype" => types).unwrap();
        frame.with_column(lists.into_column()).unwrap();
        assert_eq!(kept(frame), [false, false, false, false, true]);
        let counted = CodeFileTypeContentFilter { input_key: Some("text".into()), ..Default::default() };
        assert_eq!(run_rule(&counted, df!("filetype" => ["json"], "text" => ["{}"]).unwrap()).1, [true]);
        assert_eq!(run_rule(&counted, df!("filetype" => ["json", "json"], "line_count" => [512, 513]).unwrap()).1, [true, false]);
        assert_eq!(run_rule(&counted, df!("filetype" => ["json", "Rust"]).unwrap()).1, [false, true]);
    }

    #[test]
    fn a_type_and_a_text_are_enough() {
        let operator: CodeFileTypeContentFilter = serde_json::from_value(serde_json::json!({
            "input_key": "text", "input_line_count_key": null, "input_visible_text_length_key": null, "input_total_code_length_key": null,
        }))
        .unwrap();
        let (long, short) = ("{}\n".repeat(513), "{}\n".repeat(512));
        let frame = df!("filetype" => ["json", "json", "json", "rust", "html"], "text" => [Some(long.as_str()), Some(&short), None, Some(&long), Some(&short)])
            .unwrap();
        assert_eq!(run_rule(&operator, frame).1, [false, true, false, true, false]);
        let frame = df!(
            "filetype" => ["json", "json", "html", "html", "html"], "line_count" => [None, Some(513), Some(1), Some(1), Some(1)],
            "visible_text_length" => [None, None, None, Some(99), Some(100)], "total_code_length" => [None, None, None, Some(99), Some(1000)]
        );
        let frame = frame.unwrap();
        let why: Vec<String> = (0..5).map(|row| Columns::why(&CodeFileTypeContentFilter::default(), &frame, row).unwrap()).collect();
        insta::assert_snapshot!(why.join("\n"), @r"
        the count of lines is missing or no number
        513 lines, above 512
        a count of characters is missing or no number
        99 visible characters, below 100
        a share of 0.100 of the characters is visible, below 0.2
        ");
        let nothing = CodeFileTypeContentFilter { input_line_count_key: None, ..Default::default() };
        assert!(Columns::problems(&nothing)[0].contains("no `input_key`"));
    }
}
