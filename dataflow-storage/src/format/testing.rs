//! What the tests of every format do: write, read, compare.

use std::path::Path;

use polars::prelude::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::{OnMalformed, ReadOptions, sink_at, source_at};

/// The law that each format is held to: what was written comes back.
macro_rules! check_round_trips {
    ($name:literal, $how:ident) => {
        #[test]
        fn rows_come_back_as_they_went_in() {
            crate::format::testing::round_trips($name, crate::format::testing::Comes::$how);
        }
    };
}
pub(super) use check_round_trips;

/// How much of a frame a format brings back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "arguments of a macro")]
pub(super) enum Comes {
    /// Types too.
    exact,
    /// Values, nested ones too; a column's type is inferred.
    nested,
    /// The text of the cells; with the schema, all.
    text,
    /// The values that a spreadsheet knows.
    sheet,
}

pub(super) fn write(path: &Path, frames: &[DataFrame]) {
    let mut sink = sink_at(path, None, frames[0].schema()).unwrap();
    for frame in frames {
        sink.write(frame).unwrap();
    }
    assert!(!path.exists());
    sink.commit().unwrap();
}

fn read_with(path: &Path, batch_rows: usize, options: &ReadOptions) -> dataflow_core::Result<(DataFrame, Vec<String>, Vec<dataflow_core::storage::Rejected>)> {
    let source = source_at(path, options)?;
    let schema = source.schema()?;
    let mut all = DataFrame::empty_with_schema(&schema);
    let mut reader = source.open(batch_rows)?;
    let (mut rejected, mut rows) = (Vec::new(), 0);
    while let Some(frame) = reader.next_frame()? {
        assert!(frame.height() <= batch_rows && frame.height() > 0);
        assert_eq!(frame.schema(), &schema);
        rows += frame.height();
        if frame.width() > 0 {
            all.vstack_mut(&frame)?;
        }
        rejected.extend(reader.take_rejected());
    }
    rejected.extend(reader.take_rejected());
    if let Some(told) = source.rows() {
        assert_eq!(told, rows as u64);
    }
    if schema.is_empty() {
        all = DataFrame::new(rows, Vec::new())?;
    }
    all.rechunk_mut();
    Ok((all, source.warnings(), rejected))
}

pub(super) fn read_frame(path: &Path, batch_rows: usize) -> (DataFrame, Vec<String>) {
    let (frame, warnings, _) = read_with(path, batch_rows, &ReadOptions::default()).unwrap();
    (frame, warnings)
}

pub(super) fn read_text(name: &str, text: &str) -> (DataFrame, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    read_frame(&path, 2)
}

/// What a file with malformed records gives: the error, then what is set aside and what is left.
pub(super) fn read(name: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let mut told = String::new();
    let tell = |error: dataflow_core::Error| format!("error: {}\n", error.to_string().replace(&format!("{}/", folder.path().display()), ""));
    match read_with(&path, 3, &ReadOptions::default()) {
        Ok(_) => told.push_str("no error\n"),
        Err(error) => told.push_str(&tell(error)),
    }
    match read_with(&path, 3, &ReadOptions { on_malformed: OnMalformed::SetAside, ..Default::default() }) {
        Ok((frame, _, rejected)) => {
            for rejected in rejected {
                told.push_str(&format!("set aside: {}: {}: {}\n", rejected.line, rejected.message, rejected.text));
            }
            told.push_str(&format!("{frame}"));
        }
        Err(error) => told.push_str(&tell(error)),
    }
    told
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("007".to_owned()),
        Just("1e5".to_owned()),
        Just("null".to_owned()),
        Just(" 空格 \t,;|\"\"'\\".to_owned()),
        Just("{\"a\": [1]}".to_owned()),
        Just("第一行\n第二行\r\n\r三".to_owned()),
        Just("😀👩‍👩‍👧‍👦\u{feff}\u{2028}".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,8}",
    ]
}

prop_compose! {
    /// A frame with every kind of cell that all formats know.
    fn frame()(rows in 0usize..12)(
        texts in vec(of(text()), rows),
        integers in vec(of(any::<i64>()), rows),
        unsigned in vec(of(prop_oneof![Just(u64::MAX), any::<u64>()]), rows),
        floats in vec(of(prop_oneof![Just(1.0), Just(-0.0), Just(1e300), -1e6..1e6, proptest::num::f64::NORMAL]), rows),
        booleans in vec(of(any::<bool>()), rows),
        nulls in Just(rows),
        lists in vec(of(vec(of(text()), 0..4)), rows),
        numbers in vec(of(vec(of(any::<i64>()), 0..3)), rows),
    ) -> DataFrame {
        let pair = |at: usize| df!("x" => numbers[at].clone().unwrap_or_default(), "子" => vec![texts[at].clone(); numbers[at].as_ref().map_or(0, Vec::len)]).unwrap().into_struct("".into()).into_series();
        let text_type = DataType::List(Box::new(DataType::String));
        let lists: Vec<Option<Series>> = lists.into_iter().map(|list| list.map(|list| Series::new("".into(), list))).collect();
        let pairs: Vec<Option<Series>> = (0..nulls).map(|at| numbers[at].as_ref().map(|_| pair(at))).collect();
        let pair_type = DataType::List(Box::new(DataType::Struct(vec![Field::new("x".into(), DataType::Int64), Field::new("子".into(), DataType::String)])));
        let object = df!("a" => &integers, "列表" => Series::new("".into(), lists.clone()).cast(&text_type).unwrap()).unwrap().into_struct("object".into()).into_column();
        DataFrame::new(nulls, vec![
            Column::new("文本 \"text\", x".into(), texts),
            Column::new("integer".into(), integers),
            Column::new("unsigned".into(), unsigned),
            Column::new("float".into(), floats),
            Column::new("boolean".into(), booleans),
            Column::full_null("nothing".into(), nulls, &DataType::Null),
            Series::new("list".into(), lists).cast(&text_type).unwrap().into_column(),
            Series::new("pairs".into(), pairs).cast(&pair_type).unwrap().into_column(),
            object,
        ]).unwrap()
    }
}

pub(super) fn round_trips(name: &'static str, comes: Comes) {
    let wrapped = if matches!(comes, Comes::nested | Comes::text) { vec!["", ".gz", ".zst"] } else { vec![""] };
    for wrap in wrapped {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{name}{wrap}"));
        proptest!(ProptestConfig { failure_persistence: None, cases: 48, ..Default::default() }, |(frame in frame(), cut in 0usize..12)| {
            let frame = if comes == Comes::sheet { frame.drop_many(["list", "pairs", "object"]).with_row_index("row".into(), None).unwrap() } else { frame };
            let cut = cut.min(frame.height());
            let parts = frame.split_at(cut as i64);
            let _ = std::fs::remove_file(&path);
            write(&path, &[parts.0, parts.1]);

            let exact = ReadOptions { schema: Some(frame.schema().clone()), ..Default::default() };
            if comes != Comes::sheet {
                let (back, ..) = read_with(&path, 5, &exact).unwrap();
                prop_assert!(back.equals_missing(&frame), "{}\n{}", frame, back);
            }
            let (back, _, rejected) = read_with(&path, 4, &ReadOptions::default()).unwrap();
            prop_assert!(rejected.is_empty());
            prop_assert_eq!(back.height(), frame.height());
            match comes {
                Comes::exact => prop_assert!(back.equals_missing(&frame), "{}\n{}", frame, back),
                Comes::nested => {
                    // Inferred types may be narrower: a column of nulls alone has none.
                    prop_assert_eq!(rows_of(&back), rows_of(&frame));
                }
                Comes::text => {
                    let texts = |frame: &DataFrame| frame.column("文本 \"text\", x").unwrap().clone();
                    prop_assert!(texts(&back).equals_missing(&texts(&frame)), "{:?}\n{:?}", texts(&frame), texts(&back));
                }
                Comes::sheet => {
                    for (back, column) in back.columns().iter().zip(frame.columns()) {
                        for row in 0..frame.height() {
                            prop_assert_eq!(sheet_text(&back.get(row).unwrap()), sheet_text(&column.get(row).unwrap()), "{} {}", column.name(), row);
                        }
                    }
                }
            }
        });
        let leftover = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(leftover, 1);
    }
}

fn rows_of(frame: &DataFrame) -> String {
    let text = crate::column_text::FrameText::new(frame).unwrap();
    let mut out = Vec::new();
    (0..frame.height()).for_each(|row| text.write_json(row, &mut out));
    String::from_utf8(out).unwrap()
}

/// A cell's text as a spreadsheet keeps it: a number is a number, an empty text is nothing, and zero has no sign.
fn sheet_text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        value => value.extract::<f64>().filter(|_| !value.is_integer()).map_or_else(|| value.to_string(), |number| (number + 0.0).to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// What others wrote may be anything: readers answer with rows, rejected records or an error.
    #[test]
    fn no_text_makes_a_reader_panic(
        parts in vec(prop_oneof![
            Just("{\"a\": 1, \"b\": [{\"c\": \"x\"}, null]}".to_owned()),
            Just("{\"a\": \"t\", \"b\": [{\"c\": [".to_owned()),
            Just("{\"a\": 99999999999999999999, \"a\": {\"d\": tr".to_owned()),
            Just("\n".to_owned()), Just(",".to_owned()), Just("[".to_owned()), Just("]".to_owned()), Just("\"".to_owned()), Just("a,b\n".to_owned()),
            "\\PC{0,4}", "[-0-9.eE]{0,24}",
        ], 0..12),
        broken in of((any::<proptest::sample::Index>(), any::<u8>())),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = parts.concat().into_bytes();
        if let Some((at, byte)) = broken && !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for name in ["x.jsonl", "x.json", "x.csv", "x.tsv", "x.jsonl.gz", "x.csv.zst", "x.parquet", "x.arrow", "x.xlsx"] {
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes).unwrap();
            for on_malformed in [OnMalformed::Fail, OnMalformed::SetAside] {
                let _ = read_with(&path, 2, &ReadOptions { on_malformed, ..Default::default() });
            }
        }
    }
}
