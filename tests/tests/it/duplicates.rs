//! Rows that are compared with those of other runs: what a later run takes up, and what it works through again.

use std::path::Path;

use dataflow_tests::{dataflow, finished, rows};

/// Writes a data set and its pipeline; all data sets share an index.
fn write(folder: &Path, name: &str, parameters: &str, texts: &[&str]) {
    let lines: Vec<String> = texts.iter().map(|text| format!("{{\"text\":\"{text}\"}}\n")).collect();
    std::fs::write(folder.join(format!("{name}.jsonl")), lines.concat()).unwrap();
    let pipeline = format!(
        "name: {name}\nstorage: {{ input: {name}.jsonl, output: {name}_out.jsonl, cache_path: cache_{name} }}\nsteps:\n  - operator: HashDeduplicateFilter\n    input_key: text\n    index_path: index\n    index_name: {name}\n{parameters}"
    );
    std::fs::write(folder.join(format!("{name}.yaml")), pipeline).unwrap();
}

/// Runs a data set; gives the exit code, the texts that stay, and what is told.
fn run(folder: &Path, name: &str) -> (i32, Vec<String>, String) {
    let (code, _, told) = finished(dataflow(folder).args(["run", &format!("{name}.yaml")]));
    let output = folder.join(format!("{name}_out.jsonl"));
    let texts = if output.exists() { rows(&output).iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect() } else { Vec::new() };
    (code, texts, told)
}

#[test]
fn a_step_is_worked_through_again_where_another_run_has_changed_the_index_and_only_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "may", "", &["a", "b", "a", "c"]);
    write(folder, "june", "", &["c", "d"]);
    let resumed = |told: &str| told.contains("resumed after step 1");
    let (code, texts, told) = run(folder, "may");
    assert_eq!((code, texts), (0, vec!["a".into(), "b".into(), "c".into()]), "{told}");
    let (_, _, told) = run(folder, "may");
    assert!(resumed(&told), "nothing has changed: {told}");
    let (_, texts, _) = run(folder, "june");
    assert_eq!(texts, ["d"]);
    let (code, texts, told) = run(folder, "may");
    assert!(code == 0 && !resumed(&told), "june is new: {told}");
    assert_eq!(texts, ["a", "b", "c"]);
    let (_, _, told) = run(folder, "june");
    assert!(resumed(&told), "may has left the same rows again: {told}");
    // A data set that was changed by another run at the same time, as if `c` had been july's first.
    write(folder, "july", "", &["e", "c"]);
    let kept = folder.join("index/may.duplicates");
    let aside = folder.join("aside");
    std::fs::rename(&kept, &aside).unwrap();
    let (_, texts, _) = run(folder, "july");
    assert_eq!(texts, ["e", "c"]);
    std::fs::rename(&aside, &kept).unwrap();
    let (code, texts, told) = run(folder, "may");
    assert!(code == 0 && !resumed(&told), "july is new: {told}");
    assert_eq!(texts, ["a", "b"]);
    std::fs::remove_file(&kept).unwrap();
    let (_, _, told) = run(folder, "may");
    assert!(!resumed(&told) && kept.exists(), "its own rows were gone: {told}");
}

#[test]
fn an_index_that_cannot_be_used_is_told_before_a_row_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "may", "", &["a", "b"]);
    write(folder, "june", "    hash_func: xxh3\n", &["a", "c"]);
    assert_eq!(run(folder, "may").0, 0);
    let (code, texts, told) = run(folder, "june");
    assert!(code != 0 && texts.is_empty(), "{told}");
    assert!(told.contains("the index should hold signatures of `HashDeduplicateFilter hash_func=Xxh3`, found those of") && told.contains("hint: "), "{told}");
    write(folder, "june", "", &["a", "c"]);
    let path = folder.join("index/may.duplicates");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    let (code, _, told) = run(folder, "june");
    assert!(code != 0 && told.contains("may.duplicates should be an index of duplicates, found one that is cut or malformed"), "{told}");
    assert!(!folder.join("index/june.duplicates").exists() && !folder.join("june_out.jsonl").exists());
}
