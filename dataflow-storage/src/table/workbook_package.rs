//! A workbook as the archive that it is: one worksheet is changed, and all other parts are copied as they stand.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Cursor, Read as _, Write as _};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Where a sheet's part is in the archive.
pub(super) fn part_of_sheet(workbook: &[u8], sheet: &str) -> Result<String, Failed> {
    let mut archive = ZipArchive::new(Cursor::new(workbook))?;
    let root = relations(&read(&mut archive, "_rels/.rels")?, "")?;
    let book =
        root.into_values().find(|relation| relation.kind.ends_with("/officeDocument")).map_or_else(|| "xl/workbook.xml".to_owned(), |relation| relation.target);
    let (folder, file) = book.rsplit_once('/').unwrap_or(("", &book));
    let relation = sheet_relation(&read(&mut archive, &book)?, sheet)?.ok_or_else(|| format!("the workbook names no sheet `{sheet}`"))?;
    let rels = if folder.is_empty() { format!("_rels/{file}.rels") } else { format!("{folder}/_rels/{file}.rels") };
    let mut relations = relations(&read(&mut archive, &rels)?, folder)?;
    Ok(relations.remove(&relation).ok_or_else(|| format!("the workbook does not say where its sheet `{sheet}` is"))?.target)
}

/// A part's text.
pub(super) fn part(workbook: &[u8], name: &str) -> Result<String, Failed> {
    read(&mut ZipArchive::new(Cursor::new(workbook))?, name)
}

/// The workbook with another text for one part.
pub(super) fn with_part(workbook: &[u8], name: &str, text: &str) -> Result<Vec<u8>, Failed> {
    let mut archive = ZipArchive::new(Cursor::new(workbook))?;
    let mut out = ZipWriter::new(Cursor::new(Vec::with_capacity(workbook.len() + text.len() / 4)));
    for place in 0..archive.len() {
        let entry = archive.by_index_raw(place)?;
        if entry.name().is_ok_and(|there| there == name) {
            let mut options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(text.len() > 0xf000_0000);
            if let Some(time) = entry.last_modified() {
                options = options.last_modified_time(time);
            }
            out.start_file(name, options)?;
            out.write_all(text.as_bytes())?;
        } else {
            out.raw_copy_file(entry)?;
        }
    }
    Ok(out.finish()?.into_inner())
}

fn read(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<String, Failed> {
    let mut text = String::new();
    archive.by_name(name).map_err(|error| format!("the workbook has no part `{name}`: {error}"))?.read_to_string(&mut text)?;
    Ok(text)
}

struct Relation {
    kind: String,
    /// From the archive's root.
    target: String,
}

fn relations(xml: &str, folder: &str) -> Result<HashMap<String, Relation>, Failed> {
    let mut found = HashMap::new();
    each_tag(xml, |tag| {
        if tag.local_name().as_ref() == "Relationship"
            && let (Some(id), Some(kind), Some(target)) = (attribute(tag, "Id"), attribute(tag, "Type"), attribute(tag, "Target"))
        {
            found.insert(id, Relation { kind, target: joined(folder, &target) });
        }
    })?;
    Ok(found)
}

/// A target as a path in the archive: from the root, or from the folder of what names it.
fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').filter(|part| !part.is_empty()).collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn sheet_relation(xml: &str, sheet: &str) -> Result<Option<String>, Failed> {
    let mut found = None;
    each_tag(xml, |tag| {
        if tag.local_name().as_ref() == "sheet" && attribute(tag, "name").as_deref() == Some(sheet) {
            let id =
                tag.attributes().with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == "id" && attribute.key.prefix().is_some());
            found = id.map(|id| id.value.into_owned());
        }
    })?;
    Ok(found)
}

fn each_tag(xml: &str, mut see: impl FnMut(&BytesStart<'_>)) -> Result<(), Failed> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event()? {
            Event::Eof => return Ok(()),
            Event::Start(tag) | Event::Empty(tag) => see(&tag),
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().with_checks(false).flatten().find(|attribute| attribute.key.as_ref() == name)?;
    Some(quick_xml::escape::unescape(&found.value).map_or_else(|_| found.value.to_string(), Cow::into_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_from_the_root_or_from_their_folder() {
        assert_eq!(joined("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(joined("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(joined("xl/a", "../b.xml"), "xl/b.xml");
    }
}
