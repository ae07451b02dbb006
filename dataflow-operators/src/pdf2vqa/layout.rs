//! Files that the steps hand on to one another.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dataflow_core::row::Row;
use dataflow_core::{Error, Result, whole_file};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a file of text holds.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::Data(format!("cannot read `{}`: {error}", path.display())))
}

/// The items of a layout: a JSON list of records.
pub(super) fn items(path: &Path) -> Result<Vec<Value>> {
    match serde_json::from_str(&read(path)?) {
        Ok(Value::Array(items)) => Ok(items),
        Ok(other) => {
            let found = other.to_string().chars().take(40).collect::<String>();
            Err(Error::Data(format!("`{}` should hold a JSON list of items, found {found}", path.display())))
        }
        Err(error) => Err(Error::Data(format!("`{}` should hold a JSON list of items: {error}", path.display()))),
    }
}

/// Writes a file whole, with the folders above it.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    whole_file::write(path, text.as_bytes())
}

/// A name as part of a path: one that would lead elsewhere is refused.
pub(super) fn folder_name(name: &str) -> Result<&str> {
    let name = name.trim();
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err(Error::Data(format!("a name of a folder was expected, found `{name}`")));
    }
    Ok(name)
}

/// Whose a file is.
#[derive(Serialize, Deserialize)]
struct Origin {
    /// The identity of the row that wrote it.
    row: String,
    /// What the row made it from.
    from: Vec<String>,
}

/// Where the origin of a file stands: beside it.
fn origin_of(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.origin.json", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// Takes a file for a row that is about to write it from others. What another row made from other files is not written over.
///
/// The origin is kept on disk, since a run over failed rows alone does not see the rows that have their files already. A row writes its own file anew in every run, and so does one that makes it
/// from the same files, whatever its place is now.
pub(super) fn claim(path: &Path, row: &Row<'_>, from: &[impl AsRef<Path>]) -> Result<()> {
    // Rows are worked on at once: two may come for a file that neither has taken.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let from: Vec<String> = from.iter().map(|path| path.as_ref().to_string_lossy().into_owned()).collect();
    let origin = origin_of(path);
    if origin.exists() {
        let unreadable = |error| Error::Data(format!("`{}` should tell which row wrote the file beside it: {error}\nhint: remove it", origin.display()));
        let known: Origin = serde_json::from_str(&read(&origin)?).map_err(unreadable)?;
        if known.row == row.id() && known.from == from {
            return Ok(());
        }
        if known.row != row.id() && known.from != from {
            let sources = known.from.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(" and ");
            return Err(Error::Data(format!(
                "`{}` is what row {} made from {sources}, and would be lost\nhint: give each row a name of its own, or remove `{}` if that row is of a run before",
                path.display(),
                known.row,
                origin.display()
            )));
        }
    }
    write(&origin, &json!(Origin { row: row.id().to_owned(), from }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::operator::{Operator, Work};
    use dataflow_core::testing::{ScriptedModel, frame_of};

    use crate::pdf2vqa::{LLMOutputParser, PDF_Merger, QA_Merger, blank_pages};

    #[test]
    fn a_file_is_taken_by_one_row_and_again_by_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m/m.pdf");
        let frame = frame_of(&[json!({ "name": "m" })]);
        let check = |id: &str, from: &[&str]| claim(&path, &Row::new(&frame, 0, id, 7), from).map_err(|error| error.to_string());
        assert_eq!(check("1", &["a.pdf", "b.pdf"]), Ok(()));
        assert_eq!(check("1", &["a.pdf", "b.pdf"]), Ok(()));
        let refused = check("2", &["c.pdf"]).unwrap_err();
        assert!(
            refused.contains("m/m.pdf` is what row 1 made from `a.pdf` and `b.pdf`, and would be lost\nhint: give each row a name of its own"),
            "{refused}"
        );
        assert_eq!(check("1", &["a.pdf"]), Ok(()), "the row's files may be others by now");
        assert_eq!(check("3", &["a.pdf"]), Ok(()), "and the same files may be of another row");
        assert!(check("1", &["d.pdf"]).unwrap_err().contains("row 3"));
        write(&origin_of(&path), "{").unwrap();
        assert!(check("1", &["d.pdf"]).unwrap_err().contains("hint: remove it"));
    }

    #[test]
    fn rows_at_work_at_once_do_not_take_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.pdf");
        let frame = frame_of(&[json!({ "name": "m" })]);
        let taken = std::thread::scope(|scope| {
            let (path, frame) = (&path, &frame);
            let rows = (0..16).map(|id| scope.spawn(move || claim(path, &Row::new(frame, 0, &id.to_string(), 7), &[format!("{id}.pdf")]).is_ok()));
            rows.collect::<Vec<_>>().into_iter().map(|row| row.join().unwrap()).filter(|taken| *taken).count()
        });
        assert_eq!(taken, 1);
    }

    /// Works on two rows of one name, then on each alone in the other order, and says how each went.
    fn run_twice(operator: &dyn Operator, rows: &[Value; 2]) -> Vec<std::result::Result<(), String>> {
        let frame = frame_of(rows);
        let model = ScriptedModel::replies([""; 0]).model();
        let mut told = Vec::new();
        for index in [0, 1, 1, 0] {
            let Work::Row(work) = operator.work().unwrap() else { panic!("a rule of rows") };
            let id = (index + 1).to_string();
            let done = futures::executor::block_on(work.row(Row::new(&frame, index, &id, 7), &model));
            told.push(done.map(|_| ()).map_err(|error| error.to_string()));
        }
        told
    }

    #[test]
    fn the_second_row_of_a_name_fails_and_the_first_keeps_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let output_dir = folder.path().to_owned();
        blank_pages(2).save(path("a.pdf")).unwrap();
        blank_pages(3).save(path("b.pdf")).unwrap();
        for name in ["a", "b"] {
            write(&path(&format!("{name}.jsonl")), &json!({ "label": "1", "question": name, "answer": "yes" }).to_string()).unwrap();
            let reply = format!("<chapter><qa_pair><label>1</label><answer>{name}</answer></qa_pair></chapter>");
            write(&path(&format!("{name}.txt")), &reply).unwrap();
            write(&path(&format!("{name}.json")), "[]").unwrap();
        }
        let rows = |of: &dyn Fn(&str) -> Value| ["a", "b"].map(of);
        let merger = PDF_Merger { output_dir: output_dir.clone(), ..Default::default() };
        let joiner = QA_Merger { output_dir: output_dir.clone(), input_qalist_path_key: "list".into(), ..Default::default() };
        let parser = LLMOutputParser { output_dir, ..Default::default() };
        let pdf = rows(&|name| json!({ "name": "m", "input_pdf_paths": path(&format!("{name}.pdf")) }));
        let lists = rows(&|name| json!({ "name": "m", "list": path(&format!("{name}.jsonl")) }));
        let replies = rows(&|name| {
            json!({
                "name": "m",
                "extracted_llm_vqa_path": path(&format!("{name}.txt")),
                "converted_vqa_layout_path": path(&format!("{name}.json")),
            })
        });
        for (operator, rows) in [(&merger as &dyn Operator, pdf), (&joiner, lists), (&parser, replies)] {
            let told = run_twice(operator, &rows);
            assert_eq!((&told[0], &told[3]), (&Ok(()), &Ok(())), "{}", operator.info().name);
            for refused in &told[1..3] {
                assert!(refused.as_ref().is_err_and(|told| told.contains("is what row 1 made from")), "{}: {told:?}", operator.info().name);
            }
        }
        assert_eq!(lopdf::Document::load(path("m/m_merged.pdf")).unwrap().get_pages().len(), 2);
        assert!(read(&path("m/merged_qa_pairs.jsonl")).unwrap().contains(r#""question":"a""#));
        assert!(read(&path("m/extracted_vqa.jsonl")).unwrap().contains(r#""answer":"a""#));
    }
}
