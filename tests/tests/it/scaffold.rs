//! What `dataflow new` writes compiles, and is used as it stands.

#[path = "../../../dataflow/src/scaffold/operator.rs.txt"]
mod operator;
#[path = "../../../dataflow/src/scaffold/prompt.rs.txt"]
mod prompt;

use dataflow_tests::{dataflow, finished};

#[test]
fn new_files_say_what_to_fill_in() {
    let folder = tempfile::tempdir().unwrap();
    for (what, name, file) in
        [("operator", "ShoutRefiner", "shout_refiner.rs"), ("prompt", "be_kind_prompt", "be_kind_prompt.rs"), ("pipeline", "my-pipeline", "my_pipeline.yaml")]
    {
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
