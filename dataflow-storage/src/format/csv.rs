//! CSV (RFC 4180): values separated by commas.

use super::delimited::{sink, source};
use super::{Compresses, FormatInfo};

pub(super) const INFO: FormatInfo = FormatInfo {
    name: "csv",
    extensions: &["csv"],
    compresses: Compresses::ByWrapping,
    source: |file, options| Ok(source(b',', file, options)),
    sink: |file, compression, schema| sink(b',', file, compression, schema),
};

#[cfg(test)]
mod tests {
    use crate::format::testing::{check_round_trips, read, read_text};
    use crate::{OnMalformed, ReadOptions, ValueType, source_at};
    use insta::assert_snapshot;

    check_round_trips!("x.csv", text);

    #[test]
    fn fields_are_text_and_null_is_not_empty() {
        let (frame, _) = read_text("x.csv", "\u{feff}题目,a,\n007,\"\",1e5\r\n\n\"two\nlines\",,\"say \"\"hi\"\"\"\n5\" disk, x ,\n");
        assert_snapshot!(frame.to_string(), @r#"
        shape: (3, 3)
        ┌─────────┬──────┬──────────┐
        │ 题目    ┆ a    ┆          │
        │ ---     ┆ ---  ┆ ---      │
        │ str     ┆ str  ┆ str      │
        ╞═════════╪══════╪══════════╡
        │ 007     ┆      ┆ 1e5      │
        │ two     ┆ null ┆ say "hi" │
        │ lines   ┆      ┆          │
        │ 5" disk ┆  x   ┆ null     │
        └─────────┴──────┴──────────┘
        "#);
    }

    #[test]
    fn a_file_of_one_column_has_a_row_for_a_blank_line() {
        let (frame, _) = read_text("x.csv", "a\n1\n\n\"\"\n");
        let cells: Vec<_> = frame.column("a").unwrap().str().unwrap().iter().collect();
        assert_eq!(cells, [Some("1"), None, Some("")]);
    }

    #[test]
    fn ragged_rows_are_told_by_line_or_set_aside() {
        assert_snapshot!(read("x.csv", "a,b\n1,2\n\"x\ny\",2,3\n4\n5,6\n"), @r#"
        error: x.csv line 3: expected 2 fields, found 3
        hint: mend it, or have such records set aside with `on_malformed: set_aside` under `storage`
        set aside: 3: expected 2 fields, found 3: "x
        y",2,3
        set aside: 5: expected 2 fields, found 1: 4
        shape: (2, 2)
        ┌─────┬─────┐
        │ a   ┆ b   │
        │ --- ┆ --- │
        │ str ┆ str │
        ╞═════╪═════╡
        │ 1   ┆ 2   │
        │ 5   ┆ 6   │
        └─────┴─────┘
        "#);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_where_it_begins() {
        assert_snapshot!(read("x.csv", "a,b\n1,2\n3,\"open\n5,6\n"), @r"
        error: x.csv line 3: a quote is opened in this record and never closed
        hint: mend it; it cannot be set aside, since where the record ends is not known
        error: x.csv line 3: a quote is opened in this record and never closed
        hint: mend it; it cannot be set aside, since where the record ends is not known
        ");
    }

    #[test]
    fn a_header_must_tell_columns_apart() {
        assert_snapshot!(read("x.csv", "a,b,a\n1,2,3\n"), @r"
        error: x.csv line 1: two columns are named `a`
        hint: rename one of them in the first line
        error: x.csv line 1: two columns are named `a`
        hint: rename one of them in the first line
        ");
    }

    #[test]
    fn another_separator_is_told_and_can_be_named() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str, separator: Option<&str>| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let options = ReadOptions { separator: separator.map(|name| name.parse().unwrap()), ..Default::default() };
            let rows = source_at(&path, &options).unwrap().open(10).and_then(|mut reader| reader.next_frame());
            let rows = rows.map(|frame| format!("{:?} {:?}", frame.as_ref().unwrap().get_column_names(), frame.as_ref().unwrap().get_row(0).unwrap().0));
            rows.unwrap_or_else(|error| error.to_string().replace(&folder.path().display().to_string(), ""))
        };
        assert_snapshot!(read("x.csv", "id;text\n1;a, b\n", None), @r"
        /x.csv line 1: the columns should be separated by `,`, found one column `id;text`, which `;` seems to separate
        hint: say `separator: ';'` under `storage`, or `separator: ','` where it is one column
        ");
        assert_snapshot!(read("x.tsv", "id,text\n1,a\n", None), @r"
        /x.tsv line 1: the columns should be separated by `tab`, found one column `id,text`, which `,` seems to separate
        hint: say `separator: ','` under `storage`, or `separator: 'tab'` where it is one column
        ");
        assert_snapshot!(read("x.csv", "id;text\n1;\"a; b\"\n", Some(";")), @r#"["id", "text"] [String("1"), String("a; b")]"#);
        assert_snapshot!(read("x.csv", "id\ttext\n1\ta\n", Some("tab")), @r#"["id", "text"] [String("1"), String("a")]"#);
        for (text, separator) in [("a;b\n1\n", Some(",")), ("\"a;b\"\n1\n", None)] {
            assert_eq!(read("x.csv", text, separator), r#"["a;b"] [String("1")]"#);
        }
    }

    #[test]
    fn an_only_column_whose_name_has_a_separator_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let frame = polars::prelude::df!("a;b" => ["1"]).unwrap();
        for name in ["x.csv", "x.tsv"] {
            let path = folder.path().join(name);
            crate::format::testing::write(&path, std::slice::from_ref(&frame));
            assert_eq!(crate::format::testing::read_frame(&path, 10).0, frame);
        }
    }

    #[test]
    fn a_text_in_utf_16_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let marked = |text: &str| format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let unmarked = "id,text\n1,a\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (name, bytes) in [("x.csv", marked("编号,文本\n")), ("y.csv", unmarked), ("x.jsonl", marked("{}\n")), ("x.json", marked("[{}]"))] {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            let error = source_at(folder.path().join(name), &ReadOptions::default()).unwrap().schema().unwrap_err().to_string();
            let told = ": the text should be in UTF-8, found UTF-16\nhint: save it as UTF-8 (in Excel `CSV UTF-8`), as `iconv -f UTF-16 -t UTF-8` does";
            assert!(error.ends_with(&format!("{name}{told}")), "{error}");
        }
    }

    #[test]
    fn types_are_given_and_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "id,score,ok\n1,0.5,true\nx,,false\n").unwrap();
        let types = |types: &[(&str, ValueType)]| types.iter().map(|(name, value_type)| ((*name).to_owned(), *value_type)).collect();
        let all = types(&[("id", ValueType::Integer), ("score", ValueType::Float), ("ok", ValueType::Boolean)]);
        let options = ReadOptions { types: all, on_malformed: OnMalformed::SetAside, ..Default::default() };
        let source = source_at(&path, &options).unwrap();
        let mut reader = source.open(10).unwrap();
        assert_snapshot!(format!("{}\n{:?}", reader.next_frame().unwrap().unwrap(), reader.take_rejected()), @r#"
        shape: (1, 3)
        ┌─────┬───────┬──────┐
        │ id  ┆ score ┆ ok   │
        │ --- ┆ ---   ┆ ---  │
        │ i64 ┆ f64   ┆ bool │
        ╞═════╪═══════╪══════╡
        │ 1   ┆ 0.5   ┆ true │
        └─────┴───────┴──────┘
        [Rejected { line: 3, message: "column `id`: expected an integer (Int64), found `x`", text: "x,,false", key: None }]
        "#);
        let options = ReadOptions { types: types(&[("scores", ValueType::Float)]), ..Default::default() };
        let error = source_at(&path, &options).unwrap().schema().unwrap_err().to_string().replace(&folder.path().display().to_string(), "");
        assert_snapshot!(error, @r"
        `schema` names the column `scores`, which `/x.csv` does not have
        hint: did you mean `score`?
        ");
    }
}
