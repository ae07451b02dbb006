//! Cells set in the XML of a worksheet; every other byte of it stays.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What a cell is set to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NewCell {
    /// Nothing; its style stays.
    Empty,
    /// A number, in its text form.
    Number(String),
    /// A truth value.
    Boolean(bool),
    /// Text.
    Text(String),
}

/// New cells by row (from 1) and column (from 0).
pub(super) type NewCells = BTreeMap<u32, BTreeMap<u32, NewCell>>;

/// Why a worksheet cannot be patched.
pub(super) type PatchError = String;

/// `C` of 2.
pub(super) fn letters(column: u32) -> String {
    let mut column = column + 1;
    let mut letters = Vec::new();
    while column > 0 {
        letters.push(char::from(b'A' + ((column - 1) % 26) as u8));
        column = (column - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// 2 of `C7`.
fn column_of(reference: &str) -> Option<u32> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    letters.fold(None, |column, letter| Some(column.unwrap_or(0) * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1)).map(|column: u32| column - 1)
}

/// A cell as it stands.
struct Cell<'x> {
    column: u32,
    style: Option<String>,
    text: &'x str,
}

/// The worksheet with the cells set. Rows that are not there yet are added at their places. A new cell of the header looks like the one to its left.
pub(super) fn patch(xml: &str, new: &NewCells, header: u32) -> Result<String, PatchError> {
    let mut out = String::with_capacity(xml.len() + xml.len() / 4);
    let mut reader = Reader::from_str(xml);
    let mut copied = 0; // what stands before is in `out`, or left out
    let mut waiting = new.iter().peekable();
    let mut row_number = 0;
    let mut prefix = String::new();
    loop {
        let start = place(&reader);
        let event = reader.read_event().map_err(|error| format!("the sheet's XML does not parse: {error}"))?;
        let end = place(&reader);
        match event {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == "row" => {
                let is_empty = xml[start..end].ends_with("/>");
                prefix = prefix_of(&tag);
                row_number = attribute(&tag, "r").and_then(|number| number.parse().ok()).unwrap_or(row_number + 1);
                let cells = if is_empty { Vec::new() } else { cells_of(xml, &mut reader, end)? };
                let close_end = place(&reader);
                while let Some((number, added)) = waiting.next_if(|(number, _)| **number < row_number) {
                    out.push_str(&xml[copied..start]);
                    copied = start;
                    push_row(&mut out, &format!("<{prefix}row r=\"{number}\">"), &prefix, *number, header, &[], added);
                }
                if let Some((_, changed)) = waiting.next_if(|(number, _)| **number == row_number) {
                    out.push_str(&xml[copied..start]);
                    push_row(&mut out, &open_tag(&xml[start..end]), &prefix, row_number, header, &cells, changed);
                    copied = close_end;
                }
            }
            Event::End(tag) if tag.local_name().as_ref() == "sheetData" => {
                out.push_str(&xml[copied..start]);
                copied = start;
                for (number, added) in waiting.by_ref() {
                    push_row(&mut out, &format!("<{prefix}row r=\"{number}\">"), &prefix, *number, header, &[], added);
                }
            }
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == "dimension" => {
                if let Some(wider) = attribute(&tag, "ref").and_then(|reference| wider(&reference, new)) {
                    out.push_str(&xml[copied..start]);
                    let close = if xml[start..end].ends_with("/>") { "/>" } else { ">" };
                    write!(out, "<{}dimension ref=\"{wider}\"{close}", prefix_of(&tag)).map_err(|error| error.to_string())?;
                    copied = end;
                }
            }
            _ => {}
        }
    }
    out.push_str(&xml[copied..]);
    Ok(out)
}

fn place(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn prefix_of(tag: &BytesStart<'_>) -> String {
    tag.name().prefix().map(|prefix| format!("{}:", prefix.as_ref())).unwrap_or_default()
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().with_checks(false).flatten().find(|attribute| attribute.key.as_ref() == name)?;
    Some(found.value.into_owned())
}

/// The cells of the row whose tag has just been read; the reader stands behind the row then.
fn cells_of<'x>(xml: &'x str, reader: &mut Reader<&'x [u8]>, mut start: usize) -> Result<Vec<Cell<'x>>, PatchError> {
    let mut cells: Vec<Cell<'x>> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| format!("the sheet's XML does not parse: {error}"))?;
        match event {
            Event::Start(tag) if tag.local_name().as_ref() == "c" => {
                let name = tag.name().as_ref().to_owned();
                reader.read_to_end(quick_xml::name::QName(&name)).map_err(|error| format!("the sheet's XML does not parse: {error}"))?;
                push_cell(&mut cells, &tag, &xml[start..place(reader)]);
            }
            Event::Empty(tag) if tag.local_name().as_ref() == "c" => push_cell(&mut cells, &tag, &xml[start..place(reader)]),
            Event::End(tag) if tag.local_name().as_ref() == "row" => return Ok(cells),
            Event::Eof => return Err("the sheet's XML ends within a row".to_owned()),
            _ => {}
        }
        start = place(reader);
    }
}

fn push_cell<'x>(cells: &mut Vec<Cell<'x>>, tag: &BytesStart<'_>, text: &'x str) {
    let next = cells.last().map_or(0, |cell| cell.column + 1);
    let column = attribute(tag, "r").and_then(|reference| column_of(&reference)).unwrap_or(next);
    cells.push(Cell { column, style: attribute(tag, "s"), text });
}

/// The tag of a row without `spans`, which says where its cells are and need not be there.
fn open_tag(tag: &str) -> String {
    let mut tag = tag.strip_suffix("/>").map_or_else(|| tag.to_owned(), |tag| format!("{}>", tag.trim_end()));
    if let Some(at) = tag.find(" spans=") {
        let quote = tag[at + 7..].chars().next().unwrap_or('"');
        if let Some(end) = tag[at + 8..].find(quote) {
            tag.replace_range(at..=(at + 8 + end), "");
        }
    }
    tag
}

fn push_row(out: &mut String, open: &str, prefix: &str, number: u32, header: u32, cells: &[Cell<'_>], new: &BTreeMap<u32, NewCell>) {
    out.push_str(open);
    let mut new = new.iter().peekable();
    let mut style: Option<&str> = None; // of the cell to the left: in the header a new column looks like the others
    for cell in cells {
        while let Some((column, value)) = new.next_if(|(column, _)| **column < cell.column) {
            push_new(out, prefix, number, *column, style, value);
        }
        match new.next_if(|(column, _)| **column == cell.column) {
            Some((column, value)) => push_new(out, prefix, number, *column, cell.style.as_deref(), value),
            None => out.push_str(cell.text),
        }
        style = if number == header { cell.style.as_deref() } else { None };
    }
    for (column, value) in new {
        push_new(out, prefix, number, *column, style, value);
    }
    let _ = write!(out, "</{prefix}row>");
}

fn push_new(out: &mut String, prefix: &str, row: u32, column: u32, style: Option<&str>, value: &NewCell) {
    let style = style.map(|style| format!(" s=\"{style}\"")).unwrap_or_default();
    let place = format!("{}{row}", letters(column));
    let _ = match value {
        NewCell::Empty => write!(out, "<{prefix}c r=\"{place}\"{style}/>"),
        NewCell::Number(number) => write!(out, "<{prefix}c r=\"{place}\"{style}><{prefix}v>{number}</{prefix}v></{prefix}c>"),
        NewCell::Boolean(yes) => write!(out, "<{prefix}c r=\"{place}\"{style} t=\"b\"><{prefix}v>{}</{prefix}v></{prefix}c>", u8::from(*yes)),
        NewCell::Text(text) => write!(
            out,
            "<{prefix}c r=\"{place}\"{style} t=\"inlineStr\"><{prefix}is><{prefix}t xml:space=\"preserve\">{}</{prefix}t></{prefix}is></{prefix}c>",
            escaped(text)
        ),
    };
}

/// Text in a cell's XML. What XML cannot hold stands as `_x000B_`, and what looks so is told apart.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(character),
            '_' if looks_escaped(&text[at..]) => out.push_str("_x005F_"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "_x{:04X}_", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out
}

fn looks_escaped(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 7 && bytes[1] == b'x' && bytes[2..6].iter().all(u8::is_ascii_hexdigit) && bytes[6] == b'_'
}

/// A sheet's extent that holds the new cells as well.
fn wider(reference: &str, new: &NewCells) -> Option<String> {
    let (first, last) = reference.split_once(':').unwrap_or((reference, reference));
    let row_of = |reference: &str| reference.trim_start_matches(|character: char| character.is_ascii_alphabetic()).parse::<u32>().ok();
    let column = new.values().filter_map(|cells| cells.keys().next_back()).max().copied()?.max(column_of(last)?);
    let row = new.keys().next_back().copied()?.max(row_of(last)?);
    Some(format!("{first}:{}{row}", letters(column)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(cells: &[(u32, u32, NewCell)]) -> NewCells {
        let mut new = NewCells::new();
        for (row, column, cell) in cells {
            new.entry(*row).or_default().insert(*column, cell.clone());
        }
        new
    }

    #[test]
    fn only_the_cells_that_are_set_change() {
        let xml = concat!(
            r#"<?xml version="1.0"?><worksheet xmlns="m"><dimension ref="A1:B3"/><cols><col min="1" max="1" width="40"/></cols><sheetData>"#,
            r#"<row r="1" spans="1:2" ht="30"><c r="A1" s="4" t="s"><v>0</v></c><c r="B1" s="4" t="s"><v>1</v></c></row>"#,
            r#"<row r="2"><c r="A2"><f>1+1</f><v>2</v></c><c r="B2" s="7"/></row><row r="5"/>"#,
            r#"</sheetData><mergeCells count="0"/></worksheet>"#
        );
        let new = cells(&[
            (1, 2, NewCell::Text("答案".into())),
            (2, 1, NewCell::Text("a<b & _x0041_\u{b}".into())),
            (2, 2, NewCell::Number("0.5".into())),
            (4, 0, NewCell::Boolean(true)),
            (5, 1, NewCell::Empty),
            (6, 27, NewCell::Number("1".into())),
        ]);
        let expected = concat!(
            r#"<?xml version="1.0"?><worksheet xmlns="m"><dimension ref="A1:AB6"/><cols><col min="1" max="1" width="40"/></cols><sheetData>"#,
            r#"<row r="1" ht="30"><c r="A1" s="4" t="s"><v>0</v></c><c r="B1" s="4" t="s"><v>1</v></c>"#,
            r#"<c r="C1" s="4" t="inlineStr"><is><t xml:space="preserve">答案</t></is></c></row>"#,
            r#"<row r="2"><c r="A2"><f>1+1</f><v>2</v></c><c r="B2" s="7" t="inlineStr"><is><t xml:space="preserve">a&lt;b &amp; _x005F_x0041__x000B_</t></is></c>"#,
            r#"<c r="C2"><v>0.5</v></c></row><row r="4"><c r="A4" t="b"><v>1</v></c></row><row r="5"><c r="B5"/></row><row r="6"><c r="AB6"><v>1</v></c></row>"#,
            r#"</sheetData><mergeCells count="0"/></worksheet>"#
        );
        assert_eq!(patch(xml, &new, 1).unwrap(), expected);
        assert_eq!(patch(xml, &NewCells::new(), 1).unwrap(), xml);
        assert_eq!(patch(&patch(xml, &new, 1).unwrap(), &new, 1).unwrap(), expected);
    }

    #[test]
    fn a_prefix_is_kept_and_cells_without_places_are_counted() {
        let xml = "<x:worksheet><x:sheetData><x:row><x:c><x:v>1</x:v></x:c><x:c><x:v>2</x:v></x:c></x:row></x:sheetData></x:worksheet>";
        let new = cells(&[(1, 1, NewCell::Number("3".into()))]);
        assert_eq!(
            patch(xml, &new, 1).unwrap(),
            "<x:worksheet><x:sheetData><x:row><x:c><x:v>1</x:v></x:c><x:c r=\"B1\"><x:v>3</x:v></x:c></x:row></x:sheetData></x:worksheet>"
        );
    }

    #[test]
    fn columns_have_letters() {
        for (column, expected) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")] {
            assert_eq!(letters(column), expected);
            assert_eq!(column_of(&format!("{expected}12")), Some(column));
        }
    }
}
