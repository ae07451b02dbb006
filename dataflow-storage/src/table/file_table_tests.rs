//! Tests of all kinds of files as tables.

use std::path::{Path, PathBuf};
use std::{fs, io};

use calamine::{Reader as _, Xlsx};
use polars::prelude::SerReader as _;
use rust_xlsxwriter::{Color, Format, Formula, Workbook};
use serde_json::json;

use dataflow_core::Error;

use super::file_table::*;
use super::*;

fn options(kind: TableFileKind, input: &Path, output: &Path, outputs: &[&str]) -> FileTableOptions {
    FileTableOptions {
        kind,
        input: input.into(),
        output: output.into(),
        outputs: outputs.iter().map(ToString::to_string).collect(),
        sheet: None,
        text: NamedText::default(),
    }
}

fn todo(inputs: &[&str], outputs: &[&str]) -> ToDo {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    ToDo { inputs: names(inputs), outputs: names(outputs), require_all: true, ..ToDo::default() }
}

fn update(row: i128, values: &Value) -> RowUpdate {
    RowUpdate { key: RowKey::Integer(row), values: values.as_object().unwrap().clone() }
}

async fn keys(table: &FileTable, todo: &ToDo) -> Vec<i128> {
    let rows = table.page(todo, None, 100).await.unwrap();
    let keys: Vec<i128> = rows.iter().map(|row| if let RowKey::Integer(key) = row.key { key } else { panic!("a file has numbers") }).collect();
    assert_eq!(table.count(todo).await.unwrap(), keys.len() as u64);
    keys
}

fn file(content: &[u8], name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

#[tokio::test]
async fn a_csv_file_is_filled_in_and_all_else_stays_byte_for_byte() {
    let text = "\u{feff}id;question;answer\r\n1;\"what; and\r\nwhy\";\r\n2;  ;\r\n3;how; \r\n\r\n4;\"who\";known\r\n5;last;";
    let (_folder, path) = file(text.as_bytes(), "题.csv");
    let table = FileTable::open(options(TableFileKind::Csv, &path, &path, &["answer", "score"])).await.unwrap();
    let answers = todo(&["question"], &["answer"]);
    assert_eq!(keys(&table, &answers).await, [1, 3, 5]);
    assert_eq!([1, 2, 4].map(|row| table.place(&RowKey::Integer(row))), [Some(2), Some(4), Some(7)], "lines, of which a row may take several");
    assert_eq!(table.place(&RowKey::Integer(9)), None);
    assert_eq!(table.page(&answers, Some(&RowKey::Integer(1)), 1).await.unwrap()[0].values["question"], "how");
    let written = vec![update(1, &json!({"answer": "so;\"x\"", "score": 5})), update(5, &json!({"answer": ["甲"]})), update(9, &json!({"answer": "x"}))];
    let refusals = table.write(written).await.unwrap();
    assert_eq!(refusals, [Refusal { key: RowKey::Integer(9), message: "no row has the number `9`".into() }]);
    assert_eq!(keys(&table, &answers).await, [3]);
    table.save().await.unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "\u{feff}id;question;answer;score\r\n1;\"what; and\r\nwhy\";\"so;\"\"x\"\"\";5\r\n2;  ;;\r\n3;how; ;\r\n\r\n4;\"who\";known;\r\n5;last;\"[\"\"甲\"\"]\";"
    );
}

#[tokio::test]
async fn a_file_that_is_filled_without_a_new_column_differs_in_the_written_fields_alone() {
    let text = "id,q,a\n1,\"x\",\n2, y ,\n3,z,\"\"\n";
    let (_folder, path) = file(text.as_bytes(), "x.csv");
    let table = FileTable::open(options(TableFileKind::Csv, &path, &path, &["a"])).await.unwrap();
    table.write(vec![update(2, &json!({"a": "yes"}))]).await.unwrap();
    table.save().await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "id,q,a\n1,\"x\",\n2, y ,yes\n3,z,\"\"\n");
}

#[tokio::test]
async fn an_encoding_is_kept_and_what_it_cannot_write_is_a_refusal() {
    let (bytes, ..) = encoding_rs::GB18030.encode("编号,问题,答案\n1,长江有多长？,\n2,黄河有多长？,\n");
    let (_folder, path) = file(&bytes, "x.csv");
    let table = FileTable::open(options(TableFileKind::Csv, &path, &path, &["答案"])).await.unwrap();
    assert_eq!(table.write(vec![update(1, &json!({"答案": "六千公里 😀"}))]).await.unwrap(), []);
    table.save().await.unwrap();
    let written = fs::read(&path).unwrap();
    assert_eq!(encoding_rs::GB18030.decode(&written).0, "编号,问题,答案\n1,长江有多长？,六千公里 😀\n2,黄河有多长？,\n");

    let (_folder, path) = file(b"q,a\ncaf\xe9 d\xe9j\xe0 vu,\n", "latin.csv");
    let table = FileTable::open(options(TableFileKind::Csv, &path, &path, &["a"])).await.unwrap();
    let refusals = table.write(vec![update(1, &json!({"a": "好"}))]).await.unwrap();
    assert!(refusals[0].message.starts_with("column `a`: the file is in windows-1252, which cannot write `好`"), "{refusals:?}");
}

#[tokio::test]
async fn an_output_of_an_earlier_run_is_taken_over_wherever_its_rows_stand_now() {
    let (folder, input) = file(b"q,a\none,\ntwo,\nthree,\nthree,\n", "in.csv");
    let output = folder.path().join("out.csv");
    fs::write(&output, "q,a,n\nthree,3,x\ngone,0,x\none,1,\n").unwrap();
    let table = FileTable::open(options(TableFileKind::Csv, &input, &output, &["a", "n"])).await.unwrap();
    assert_eq!(keys(&table, &todo(&["q"], &["a"])).await, [2, 4]);
    table.save().await.unwrap();
    assert_eq!(fs::read_to_string(&output).unwrap(), "q,a,n\none,1,\ntwo,,\nthree,3,x\nthree,,\n");
    assert_eq!(fs::read(&input).unwrap(), b"q,a\none,\ntwo,\nthree,\nthree,\n");

    fs::write(&output, "other,a\n1,2\n").unwrap();
    let error = FileTable::open(options(TableFileKind::Csv, &input, &output, &["a"])).await.unwrap_err().to_string();
    assert!(error.contains("is not the output of an earlier run") && error.contains("it has no column `q`"), "{error}");
}

#[tokio::test]
async fn a_workbook_keeps_its_sheets_formulas_formats_and_widths() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xlsx");
    let mut workbook = Workbook::new();
    let head = Format::new().set_bold().set_background_color(Color::Yellow);
    let sheet = workbook.add_worksheet().set_name("问题").unwrap();
    for (column, name) in ["q", "n", "sum", "day"].into_iter().enumerate() {
        sheet.write_with_format(0, column as u16, name, &head).unwrap();
    }
    let day = Format::new().set_num_format("yyyy-mm-dd");
    for row in 1..=3u32 {
        sheet.write(row, 0, format!("question {row}")).unwrap();
        sheet.write(row, 1, f64::from(row) * 1.5).unwrap();
        sheet.write(row, 2, Formula::new(format!("B{}*2", row + 1)).set_result("3")).unwrap();
        sheet.write_with_format(row, 3, rust_xlsxwriter::ExcelDateTime::from_ymd(2024, 5, row as u8).unwrap(), &day).unwrap();
    }
    sheet.set_column_width(0, 40).unwrap();
    workbook.add_worksheet().set_name("other").unwrap().write(4, 4, "stays").unwrap();
    workbook.save(&path).unwrap();
    let before = fs::read(&path).unwrap();

    let table = FileTable::open(options(TableFileKind::Excel, &path, &path, &["answer"])).await.unwrap();
    let rows = table.page(&todo(&["q", "n", "day"], &["answer"]), None, 10).await.unwrap();
    assert_eq!(Value::Object(rows[1].values.clone()), json!({"q": "question 2", "n": "3", "day": "2024-05-02"}));
    let long = "字".repeat(32_768);
    let refusals = table
        .write(vec![
            update(1, &json!({"answer": "<a> & \r\n_x0041_ 😀"})),
            update(2, &json!({"answer": long})),
            update(3, &json!({"answer": 7})),
            update(3, &json!({"sum": 1})),
        ])
        .await
        .unwrap();
    assert_eq!(refusals[0].message, "column `answer`: the text has 32768 characters, and a cell of a workbook holds 32767\nhint: write csv or jsonl");
    assert_eq!(refusals[1].message, "column `sum`: cell C4 holds a formula, which stays");
    table.save().await.unwrap();

    let mut book: Xlsx<_> = calamine::open_workbook(&path).unwrap();
    let cells = book.worksheet_range("问题").unwrap();
    assert_eq!(cells.get((0, 4)).unwrap().to_string(), "answer");
    assert_eq!(cells.get((1, 4)).unwrap().to_string(), "<a> & \r\n_x0041_ 😀");
    assert_eq!(cells.get((3, 4)).unwrap().to_string(), "7");
    assert_eq!(book.worksheet_formula("问题").unwrap().get_value((2, 2)).unwrap(), "B3*2");
    assert_eq!(book.worksheet_range("other").unwrap().get_value((4, 4)).unwrap().to_string(), "stays");
    let after = fs::read(&path).unwrap();
    let (mut old, mut new) = (zip::ZipArchive::new(io::Cursor::new(before)).unwrap(), zip::ZipArchive::new(io::Cursor::new(after)).unwrap());
    for place in 0..old.len() {
        let (mut was, mut is) = (Vec::new(), Vec::new());
        io::copy(&mut old.by_index(place).unwrap(), &mut was).unwrap();
        io::copy(&mut new.by_index(place).unwrap(), &mut is).unwrap();
        let name = old.by_index(place).unwrap().name().unwrap().into_owned();
        assert_eq!(was == is, name != "xl/worksheets/sheet1.xml", "{name}");
        if name == "xl/worksheets/sheet1.xml" {
            let (was, is) = (String::from_utf8(was).unwrap(), String::from_utf8(is).unwrap());
            assert!(is.contains(&was[was.find("<cols>").unwrap()..was.find("<sheetData>").unwrap()]), "{is}");
            assert!(is.contains(r#"<c r="E1" s="1" t="inlineStr">"#), "{is}");
        }
    }
}

#[tokio::test]
async fn replies_are_numbers_in_a_column_of_numbers_and_texts_among_texts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xlsx");
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, name) in ["q", "score", "yes", "code"].into_iter().enumerate() {
        sheet.write(0, column as u16, name).unwrap();
    }
    for row in 1..=3u32 {
        sheet.write(row, 0, "?").unwrap();
    }
    sheet.write(1, 1, 2.5).unwrap();
    sheet.write(1, 2, true).unwrap();
    sheet.write(1, 3, "A7").unwrap();
    workbook.save(&path).unwrap();
    let outputs = ["score", "yes", "code", "new"];
    let table = FileTable::open(options(TableFileKind::Excel, &path, &path, &outputs)).await.unwrap();
    let written = vec![
        update(2, &json!({"score": "7", "yes": "false", "code": "7", "new": "0.5"})),
        update(3, &json!({"score": "n/a", "yes": "1", "code": "true", "new": "007"})),
    ];
    assert_eq!(table.write(written).await.unwrap(), []);
    table.save().await.unwrap();

    let cells = calamine::open_workbook::<Xlsx<_>, _>(&path).unwrap().worksheet_range_at(0).unwrap().unwrap();
    let row = |row: u32| (1..5).map(|column| format!("{:?}", cells.get_value((row, column)).unwrap())).collect::<Vec<_>>();
    assert_eq!(row(2), ["Float(7.0)", "Bool(false)", "String(\"7\")", "Float(0.5)"]);
    assert_eq!(row(3), ["String(\"n/a\")", "String(\"1\")", "String(\"true\")", "String(\"007\")"]);
    // What was written is read as it was given.
    let table = FileTable::open(options(TableFileKind::Excel, &path, &path, &outputs)).await.unwrap();
    let rows = table.page(&ToDo { also_done: true, ..todo(&["new"], &[]) }, None, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.values["new"].clone()).collect::<Vec<_>>(), ["0.5", "007"]);
}

#[tokio::test]
async fn a_new_column_stands_right_of_what_is_merged_in_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("x.xlsx"), folder.path().join("y.xlsx"));
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.write(0, 0, "q").unwrap();
    sheet.merge_range(0, 1, 0, 3, "wide", &Format::new()).unwrap();
    sheet.write(1, 0, "?").unwrap();
    sheet.merge_range(3, 4, 3, 9, "below", &Format::new()).unwrap();
    workbook.save(&input).unwrap();
    for _ in 0..2 {
        let table = FileTable::open(options(TableFileKind::Excel, &input, &output, &["answer"])).await.unwrap();
        table.write(vec![update(1, &json!({"answer": "so"}))]).await.unwrap();
        table.save().await.unwrap();
        let cells = calamine::open_workbook::<Xlsx<_>, _>(&output).unwrap().worksheet_range_at(0).unwrap().unwrap();
        let found = cells.used_cells().filter(|(_, _, cell)| ["answer", "so"].contains(&cell.to_string().as_str())).map(|(row, column, _)| (row, column));
        let found = found.collect::<Vec<_>>();
        assert!(found.len() == 2 && found[0].0 == 0 && found[0].1 >= 4 && found[1] == (1, found[0].1), "{found:?}");
    }
}

#[tokio::test]
async fn formulas_without_results_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xlsx");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in ["n", "f", "a"].into_iter().enumerate() {
        sheet.write(0, column as u16, name).unwrap();
    }
    for row in 1..4 {
        sheet.write(row, 0, row).unwrap();
        sheet.write(row, 1, Formula::new("A2*2")).unwrap();
    }
    let whole = book.save_to_buffer().unwrap();
    let warnings = async |workbook: &[u8]| {
        fs::write(&path, workbook).unwrap();
        let table = FileTable::open(options(TableFileKind::Excel, &path, &path, &["a"])).await.unwrap();
        table.warnings(&todo(&["n", "f"], &["a"])).await
    };
    assert_eq!(warnings(&whole).await, Vec::<String>::new());
    let name = workbook_package::part_of_sheet(&whole, "Sheet1").unwrap();
    let xml = workbook_package::part(&whole, &name).unwrap().replace("</f><v>0</v>", "</f><v></v>");
    let told = warnings(&workbook_package::with_part(&whole, &name, &xml).unwrap()).await;
    assert!(told.len() == 1 && told[0].contains("column `f` holds formulas without results in 3 rows"), "{told:?}");
}

#[tokio::test]
async fn a_row_whose_answer_would_stand_over_a_formula_is_not_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xlsx");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "q").unwrap().write(0, 1, "a").unwrap();
    sheet.write(1, 0, "one").unwrap().write(2, 0, "two").unwrap().write(2, 1, Formula::new("A2").set_result("")).unwrap();
    book.save(&path).unwrap();
    let table = FileTable::open(options(TableFileKind::Excel, &path, &path, &["a"])).await.unwrap();
    let open = table.page(&todo(&["q"], &["a"]), None, 10).await.unwrap();
    assert_eq!(open.iter().map(|row| row.key.to_string()).collect::<Vec<_>>(), ["1"]);
    let warnings = table.warnings(&todo(&["q"], &["a"])).await;
    assert!(warnings.len() == 1 && warnings[0].contains("column `a` holds formulas in 1 rows, which stay"), "{warnings:?}");

    let with_macros = options(TableFileKind::Excel, &path, &folder.path().join("y.xlsm"), &["a"]);
    assert!(FileTable::open(with_macros).await.unwrap_err().to_string().contains("`output_path` should end as `input_path` does"));
}

#[tokio::test]
async fn parquet_columns_keep_their_types() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let mut frame = polars::prelude::df!("q" => ["a", "b"], "score" => [Some(1i32), None], "l" => ["x", ""]).unwrap();
    polars::prelude::ParquetWriter::new(fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let table = FileTable::open(options(TableFileKind::Parquet, &path, &path, &["score", "why"])).await.unwrap();
    assert_eq!(keys(&table, &todo(&["q"], &["score"])).await, [2]);
    let refusals = table.write(vec![update(1, &json!({"score": "high"})), update(2, &json!({"score": "7", "why": ["x"]}))]).await.unwrap();
    assert_eq!(refusals[0].message, "column `score` is `i32`, and `\"high\"` is none");
    table.save().await.unwrap();
    let written = polars::prelude::ParquetReader::new(fs::File::open(&path).unwrap()).finish().unwrap();
    let expected = polars::prelude::df!("q" => ["a", "b"], "score" => [1i32, 7], "l" => ["x", ""], "why" => [None, Some("[\"x\"]")]).unwrap();
    assert!(written.equals_missing(&expected), "{written}");
}

#[tokio::test]
async fn lists_and_records_of_parquet_are_written_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let text = r#"[{"q":1,"b":[7],"s":{"x":1,"y":"a"}},{"q":2,"b":null,"s":null},{"q":3,"b":null,"s":null}]"#;
    let mut frame = polars::prelude::JsonReader::new(io::Cursor::new(text)).finish().unwrap();
    polars::prelude::ParquetWriter::new(fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let table = FileTable::open(options(TableFileKind::Parquet, &path, &path, &["b", "s"])).await.unwrap();
    let written = vec![
        update(2, &json!({"b": [1, 2, null], "s": {"y": "b"}})),
        update(3, &json!({"b": "many"})),
        update(3, &json!({"b": [1.5]})),
        update(3, &json!({"s": {"z": 1}})),
        update(3, &json!({"b": []})),
    ];
    let refusals = table.write(written).await.unwrap();
    let told = ["column `b` is `list[i64]`, and `\"many\"` is none", "column `b` is `list[i64]`, and `[1.5]` is none"];
    assert_eq!((refusals.len(), refusals[0].message.as_str(), refusals[1].message.as_str()), (3, told[0], told[1]));
    table.save().await.unwrap();
    let table = FileTable::open(options(TableFileKind::Parquet, &path, &path, &["b"])).await.unwrap();
    let columns = table.columns().await.unwrap();
    assert_eq!(columns.iter().map(|column| column.declared.as_str()).collect::<Vec<_>>()[..2], ["i64", "list[i64]"]);
    let all = ToDo { inputs: vec!["q".into()], read_also: vec!["b".into(), "s".into()], also_done: true, ..ToDo::default() };
    let rows = table.page(&all, None, 9).await.unwrap().into_iter().map(|row| Value::Object(row.values)).collect::<Vec<_>>();
    let expected = [
        json!({"q": 1, "b": [7], "s": {"x": 1, "y": "a"}}),
        json!({"q": 2, "b": [1, 2, null], "s": {"x": null, "y": "b"}}),
        json!({"q": 3, "b": [], "s": null}),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn rows_of_a_file_are_not_claimed_and_unknown_columns_are_told() {
    let (_folder, path) = file(b"{\"question\": 1}\n", "x.jsonl");
    let table = FileTable::open(options(TableFileKind::Jsonl, &path, &path, &["answer"])).await.unwrap();
    let error = table.count(&todo(&["qestion"], &["answer"])).await.unwrap_err().to_string();
    assert!(error.ends_with("hint: did you mean `question`? it has `question`, `answer`"), "{error}");
    let claimant = Claimant { owner: "x".into(), lease: std::time::Duration::from_secs(1) };
    assert!(table.renew(&claimant).await.is_err());
    assert!(matches!(FileTable::open(options(TableFileKind::Csv, Path::new("nowhere.csv"), &path, &[])).await, Err(Error::NotFound(_))));
}
