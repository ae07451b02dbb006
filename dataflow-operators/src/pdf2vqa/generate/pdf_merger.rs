//! Joins PDF files.

use std::path::{Path, PathBuf};

use dataflow_core::key::{Any, Input, Output, Text};
use dataflow_core::model::Model;
use dataflow_core::operator::Outcome;
use dataflow_core::row::{Row, json_of};
use dataflow_core::shape::AskModel;
use dataflow_core::{Cells, Error, Result, operator, whole_file};
use lopdf::{Dictionary, Document, Object, ObjectId, dictionary};
use serde_json::Value;

use crate::pdf2vqa::layout::{claim, folder_name};

/// Joins the PDF files of a row, such as a book of questions and one of answers, into one.
///
/// The result is `<output_dir>/<name>/<name>_merged.pdf`. Files that are not there are passed over, and a row without any has a null. A file that cannot be read is an error of its row, where DataFlow writes a null.
/// Pages, their contents and what they share are joined; outlines, forms and links from page to page are not.
/// Where another row has taken the name for other files, the row fails and the other's result stays; DataFlow writes over it. Which row has taken a name is kept in a hidden file beside the result.
///
/// # 中文
///
/// 将一行所列的 PDF 文件（例如题册与答案册）合并为一个。结果为 `<output_dir>/<名称>/<名称>_merged.pdf`。不存在的文件跳过，全不存在的行写入空值。
/// 无法读取的文件使该行出错，DataFlow 则写入空值。合并页面、其内容与共享资源；目录、表单与页间链接不合并。
/// 名称已被另一行用于其他文件时，该行出错，另一行的结果保留；DataFlow 则会覆盖。名称归哪一行所有，记在结果旁的隐藏文件中。
#[expect(non_camel_case_types, reason = "the name is DataFlow's")]
#[operator(pdf2vqa, generate, AskModel)]
pub struct PDF_Merger {
    /// The folder that results go to, a folder a name. 中文：结果目录，每个名称一个子目录。
    #[path(keeps)]
    pub output_dir: PathBuf,
    /// The paths of the files: a list, its JSON text, or one path. 中文：文件路径列：列表、其 JSON 文本或单个路径。
    #[path(named)]
    pub input_pdf_list_key: Input<Any>,
    /// The name of the book. 中文：书名列。
    pub input_name_key: Input<Text>,
    /// Where the path of the joined file goes. 中文：写入合并后文件路径的列。
    pub output_pdf_path_key: Output<Text>,
}

impl Default for PDF_Merger {
    fn default() -> Self {
        Self {
            output_dir: "./vqa".into(),
            input_pdf_list_key: "input_pdf_paths".into(),
            input_name_key: "name".into(),
            output_pdf_path_key: "merged_pdf_path".into(),
        }
    }
}

/// What a page may take from the node above it.
const INHERITED: [&[u8]; 4] = [b"Resources", b"MediaBox", b"CropBox", b"Rotate"];

/// A page with what it takes from above.
fn whole_page(document: &Document, page: ObjectId) -> lopdf::Result<Dictionary> {
    let mut whole = document.get_dictionary(page)?.clone();
    let mut above = whole.get(b"Parent").and_then(Object::as_reference);
    // A tree that bites its own tail has an end all the same.
    for _ in 0..32 {
        let Ok(id) = above else { break };
        let node = document.get_dictionary(id)?;
        for key in INHERITED {
            if !whole.has(key)
                && let Ok(value) = node.get(key)
            {
                whole.set(key, value.clone());
            }
        }
        above = node.get(b"Parent").and_then(Object::as_reference);
    }
    Ok(whole)
}

/// All pages of some documents in one.
fn merged(documents: Vec<Document>) -> lopdf::Result<Document> {
    let mut whole = Document::with_version("1.7");
    let root = whole.new_object_id();
    let mut kids = Vec::new();
    for mut document in documents {
        document.renumber_objects_with(whole.max_id + 1);
        whole.max_id = document.max_id;
        let pages: Vec<ObjectId> = document.get_pages().into_values().collect();
        for page in &pages {
            let mut dictionary = whole_page(&document, *page)?;
            dictionary.set("Parent", root);
            whole.objects.insert(*page, Object::Dictionary(dictionary));
            kids.push(Object::Reference(*page));
        }
        let is_of_the_tree = |object: &Object| object.type_name().is_ok_and(|name| matches!(name, b"Catalog" | b"Pages" | b"Page"));
        let others = document.objects.into_iter().filter(|(_, object)| !is_of_the_tree(object));
        whole.objects.extend(others);
    }
    let count = kids.len() as i64;
    whole.objects.insert(root, Object::Dictionary(dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count }));
    let catalog = whole.add_object(dictionary! { "Type" => "Catalog", "Pages" => root });
    whole.trailer.set("Root", catalog);
    Ok(whole)
}

/// The paths that a cell names.
fn paths(cell: Value) -> Vec<PathBuf> {
    match cell {
        Value::Array(paths) => paths.iter().filter_map(Value::as_str).map(PathBuf::from).collect(),
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(list @ Value::Array(_)) => paths(list),
            _ => vec![text.into()],
        },
        _ => Vec::new(),
    }
}

impl AskModel for PDF_Merger {
    async fn row(&self, row: &Row<'_>, _: &Model) -> Result<Outcome> {
        let name = row.text(&self.input_name_key)?;
        let name = folder_name(&name)?;
        let found: Vec<PathBuf> = paths(json_of(&row.value(&self.input_pdf_list_key)?)).into_iter().filter(|path| path.is_file()).collect();
        if found.is_empty() {
            return Ok(Cells::new().set_option(&self.output_pdf_path_key, None::<String>).into());
        }
        let unreadable = |path: &Path, error: &lopdf::Error| Error::Data(format!("cannot read `{}` as a PDF: {error}", path.display()));
        let documents = found.iter().map(|path| Document::load(path).map_err(|error| unreadable(path, &error))).collect::<Result<Vec<_>>>()?;
        let mut whole = merged(documents).map_err(|error| Error::Data(format!("the PDF files of `{name}` cannot be joined: {error}")))?;
        let path = self.output_dir.join(name).join(format!("{name}_merged.pdf"));
        let mut bytes = Vec::new();
        whole.save_to(&mut bytes).map_err(|error| Error::storage(format!("cannot write {}", path.display()), error))?;
        claim(&path, row, &found)?;
        whole_file::write(&path, &bytes)?;
        Ok(Cells::new().set(&self.output_pdf_path_key, path.to_string_lossy()).into())
    }

    fn calls_per_row(&self) -> u64 {
        0
    }
}

/// A document of blank pages, for tests.
#[cfg(test)]
pub(crate) fn blank_pages(pages: usize) -> Document {
    let mut document = Document::with_version("1.5");
    let root = document.new_object_id();
    let kids: Vec<Object> = (0..pages).map(|_| document.add_object(dictionary! { "Type" => "Page", "Parent" => root }).into()).collect();
    let media_box: Vec<Object> = vec![0.into(), 0.into(), 595.into(), 842.into()];
    let tree = dictionary! { "Type" => "Pages", "Count" => kids.len() as i64, "Kids" => kids, "MediaBox" => media_box };
    document.objects.insert(root, Object::Dictionary(tree));
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => root });
    document.trailer.set("Root", catalog);
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::testing::{ScriptedModel, check_row, conformance};
    use serde_json::json;

    conformance!(PDF_Merger);

    #[test]
    fn pages_are_joined_with_what_they_took_from_above() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        blank_pages(2).save(path("a.pdf")).unwrap();
        blank_pages(3).save(path("b.pdf")).unwrap();
        std::fs::write(path("broken.pdf"), "no PDF").unwrap();
        let operator = PDF_Merger { output_dir: folder.path().into(), ..Default::default() };
        let check = |list: Value| check_row(&operator, &ScriptedModel::replies([""; 0]), json!({ "input_pdf_paths": list, "name": "book" }));
        let whole = path("book/book_merged.pdf");
        assert_eq!(check(json!([path("a.pdf"), path("none.pdf"), path("b.pdf")])), format!("-> merged_pdf_path={}", whole.display()));
        let joined = Document::load(whole).unwrap();
        let pages = joined.get_pages();
        assert_eq!(pages.len(), 5);
        assert!(pages.values().all(|page| joined.get_dictionary(*page).unwrap().has(b"MediaBox")));
        assert_eq!(check(json!([path("none.pdf")])), "-> merged_pdf_path=null");
        assert!(check(json!(path("broken.pdf"))).contains("as a PDF"));
    }
}
