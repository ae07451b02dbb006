//! What `dataflow new` writes compiles, and is used as it stands.

#[path = "../../../dataflow/src/scaffold/evaluator.rs.txt"]
mod evaluator;
#[path = "../../../dataflow/src/scaffold/filter.rs.txt"]
mod filter;
#[path = "../../../dataflow/src/scaffold/generator.rs.txt"]
mod generator;
#[path = "../../../dataflow/src/scaffold/prompt.rs.txt"]
mod prompt;
#[path = "../../../dataflow/src/scaffold/refiner.rs.txt"]
mod refiner;

use dataflow_tests::{dataflow, finished};

#[test]
fn new_files_say_what_to_fill_in() {
    let folder = tempfile::tempdir().unwrap();
    for (what, name, file) in [
        ("operator", "ShoutRefiner", "shout_refiner.rs"),
        ("operator", "LineFilter", "line_filter.rs"),
        ("operator", "LetterEvaluator", "letter_evaluator.rs"),
        ("operator", "SummaryGenerator", "summary_generator.rs"),
        ("prompt", "be_kind_prompt", "be_kind_prompt.rs"),
        ("pipeline", "my-pipeline", "my_pipeline.yaml"),
    ] {
        let (code, _, stderr) = finished(dataflow(folder.path()).args(["new", what, name]));
        assert_eq!(code, 0, "{stderr}");
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(text.contains("TODO") && !text.contains("__"), "{text}");
        let (code, _, stderr) = finished(dataflow(folder.path()).args(["new", what, name]));
        assert_eq!(code, 78, "a file that is there is left alone: {stderr}");
    }
    std::fs::write(folder.path().join("input.jsonl"), "{\"raw_content\": \"hello\"}\n").unwrap();
    let (code, _, stderr) = finished(dataflow(folder.path()).args(["run", "my_pipeline.yaml"]));
    assert_eq!(code, 0, "{stderr}");
}
