//! The command's other verbs.

use std::path::Path;

use dataflow_tests::{dataflow, finished, root, rows, write_rows};

fn ask(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = finished(dataflow(folder.path()).args(arguments));
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    stdout
}

fn ready_made(name: &str) -> String {
    root().join(format!("pipelines/{name}.yaml")).to_str().unwrap().to_owned()
}

#[test]
fn check_tells_the_most_calls_that_a_run_makes() {
    let text = ask(&["check", &ready_made("translate")]);
    assert!(text.contains("30 rows") && text.contains("at most 90 model calls"), "{text}");
    let text = ask(&["check", &ready_made("translate"), "--limit", "2"]);
    assert!(text.contains("at most 6 model calls"), "{text}");
    assert!(ask(&["check", &ready_made("text_filter")]).contains("asks no model"));
}

#[test]
fn a_graph_is_drawn_in_every_format() {
    for (format, begins) in [("html", "<!doctype html>"), ("svg", "<svg"), ("mermaid", "---"), ("dot", "digraph"), ("json", "{")] {
        let text = ask(&["graph", &ready_made("general_reasoning"), "--format", format]);
        assert!(text.trim_start().to_lowercase().starts_with(begins), "{format}: {}", &text[..60.min(text.len())]);
        assert!(text.contains("question_generator") && (format != "mermaid" || text.contains("flowchart")));
    }
}

#[test]
fn the_pages_of_the_operators_are_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = finished(dataflow(folder.path()).args(["operators", "--format", "markdown", "-o", "."]));
    assert_eq!(code, 0, "{stderr}");
    for language in ["en", "zh"] {
        let names = |folder: &Path| -> Vec<String> {
            let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let (made, kept) = (folder.path().join(language), root().join("docs/operators").join(language));
        assert_eq!(names(&made), names(&kept), "{language}");
        for name in names(&made) {
            let same = std::fs::read_to_string(made.join(&name)).unwrap() == std::fs::read_to_string(kept.join(&name)).unwrap();
            assert!(same, "docs/operators/{language}/{name} is not up to date\nhint: `dataflow operators --format markdown -o docs/operators` writes it");
        }
    }
}

#[test]
fn operators_and_prompts_are_described_in_both_languages() {
    let list = ask(&["operators"]);
    // The scaffolds of four operators are linked into this test, and not into the command.
    assert_eq!(list.lines().count() + 4, dataflow::core::registry::operators().len(), "{list}");
    assert!(ask(&["operators", "WordNumberFilter"]).contains("The fewest words to keep."));
    assert!(ask(&["operators", "WordNumberFilter", "--lang", "zh"]).contains("保留的最少词数"));
    let described: serde_json::Value = serde_json::from_str(&ask(&["operators", "PromptedGenerator", "--format", "json"])).unwrap();
    assert_eq!((&described["category"], &described["kind"]), (&"core_text".into(), &"generate".into()));
    assert!(ask(&["prompts"]).contains("MathQuestionFilterPrompt"));
    assert!(ask(&["prompts", "MathQuestionFilterPrompt"]).contains("{{ question }}"));
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = finished(dataflow(folder.path()).args(["operators", "--format", "xlsx", "-o", "operators.xlsx"]));
    assert_eq!(code, 0, "{stderr}");
    assert!(folder.path().join("operators.xlsx").metadata().unwrap().len() > 5_000);
    for (arguments, hint) in [
        (&["operators", "--format", "xlsx"][..], "-o operators.xlsx"),
        (&["operators", "--format", "markdown"], "-o docs/operators"),
        (&["prompts", "--format", "markdown"], "`--format` should be"),
    ] {
        let (code, stdout, stderr) = finished(dataflow(folder.path()).args(arguments));
        assert!(code == 2 && stdout.is_empty() && stderr.contains(hint), "{arguments:?} gives {code}: {stderr}");
    }
    let (_, _, stderr) = finished(dataflow(folder.path()).args(["operators", "SmilesEquivalenceDatasetEvaluator"]));
    assert!(stderr.contains("left out on purpose: no kept library"), "{stderr}");
    let (code, _, stderr) = finished(dataflow(folder.path()).args(["operators", "WordNumbrFilter"]));
    assert_eq!(code, 66);
    assert!(stderr.contains("did you mean `WordNumberFilter`?"));
}

#[test]
fn a_journal_is_counted_written_out_and_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finished(dataflow(folder.path()).args(arguments));
    write_rows(&folder.path().join("input.jsonl"), 5, 0);
    std::fs::write(
        folder.path().join("p.yaml"),
        "name: p\nstorage: { input: input.jsonl }\nserving: { default: { type: demo } }\nsteps: [{ operator: PromptedGenerator }]\n",
    )
    .unwrap();
    assert_eq!(run(&["run", "p.yaml"]).0, 0);
    assert!(run(&["journal", "stats", "cache/journal"]).1.starts_with("5 answers"));
    let (_, export, _) = run(&["journal", "export", "cache/journal"]);
    assert_eq!(export.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["content"].is_string()).filter(|text| *text).count(), 5);
    assert_eq!(run(&["journal", "prune", "cache/journal", "--older-than", "0s"]).0, 0);
    assert!(run(&["journal", "stats", "cache/journal"]).1.starts_with("0 answers"));
    assert_eq!(run(&["journal", "stats", "nowhere"]).0, 66);
}

#[test]
fn input_output_limit_and_settings_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("mine.jsonl"), 9, 0);
    let arguments = [
        "run",
        &ready_made("translate"),
        "--input",
        "mine.jsonl",
        "--output",
        "mine.csv",
        "--cache-path",
        "kept",
        "--limit",
        "4",
        "--set",
        "steps.chinese.user_prompt=Text: ",
        "--report",
        "r.json",
        "--progress",
        "json",
    ];
    let (code, stdout, stderr) = finished(dataflow(folder.path()).args(arguments));
    assert_eq!(code, 0, "{stderr}");
    let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["rows_read"]), (&"end".into(), &4.into()));
    assert_eq!((&last["outcome"], &last["rows_written"], &last["error"]), (&"complete".into(), &4.into(), &serde_json::Value::Null));
    let output = folder.path().join("mine.csv").canonicalize().unwrap();
    assert_eq!(last["output"], serde_json::json!(output));
    assert_eq!(std::fs::read_to_string(folder.path().join("mine.csv")).unwrap().lines().filter(|line| line.starts_with("000000")).count(), 4);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(report["steps"][2]["rows_out"], 4);
    assert_eq!(rows(&folder.path().join("kept/dataflow_cache_step_step3.jsonl")).len(), 4);
}

#[test]
fn the_last_event_tells_the_error_that_ended_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "{\"text\": \"a\"}\n{\"text\": \"b\"}\n";
    std::fs::write(folder.path().join("input.jsonl"), rows).unwrap();
    // A folder stands where the output would be put.
    std::fs::create_dir_all(folder.path().join("out.jsonl/x")).unwrap();
    let pipeline = "name: p\nstorage: { input: input.jsonl, output: out.jsonl }\nsteps: [{ operator: LowercaseRefiner, input_key: text }]\n";
    std::fs::write(folder.path().join("p.yaml"), pipeline).unwrap();
    let (code, stdout, stderr) = finished(dataflow(folder.path()).args(["run", "p.yaml", "--progress", "json"]));
    assert_ne!(code, 0);
    let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap_or_else(|| panic!("{stderr}"))).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("cache/p_report.json")).unwrap()).unwrap();
    assert_eq!((&last["event"], &last["outcome"], &last["rows_written"]), (&"end".into(), &"failed".into(), &0.into()));
    assert!(last["error"].as_str().is_some_and(|error| stderr.contains(error)), "{last} {stderr}");
    assert_eq!((&last["error"], &last["output"]), (&report["error"], &serde_json::Value::Null));
}

#[test]
fn completions_are_printed() {
    assert!(ask(&["completions", "bash"]).contains("_dataflow"));
}
