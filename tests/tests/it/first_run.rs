//! What a newcomer sees first: every ready-made pipeline, without a key and without a network.

use std::path::Path;

use dataflow_tests::{binary, dataflow, finished, root, rows};

fn run(name: &str, folder: &Path) -> (i32, String, Vec<serde_json::Value>) {
    let output = folder.join("out.jsonl");
    let mut command = dataflow(folder);
    command.arg("run").arg(root().join(format!("pipelines/{name}.yaml")));
    command.arg("--output").arg(&output).arg("--cache-path").arg(folder.join("cache"));
    let (code, stdout, stderr) = finished(&mut command);
    assert_eq!(stdout, "", "only data that was asked for goes to stdout");
    (code, stderr, rows(&output))
}

#[test]
fn the_seed_pipeline_runs_on_real_input_with_the_demo_model() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stderr, rows) = run("general_reasoning", folder.path());
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("not real"), "the demo model says that its answers are not real: {stderr}");
    assert!(stderr.contains("general_reasoning: complete"), "{stderr}");
    assert!(rows.len() > 20, "{} rows", rows.len());
    let answers = || rows.iter().filter_map(|row| row["generated_cot"].as_str());
    assert!(answers().any(|answer| answer.contains(|letter: char| ('\u{4e00}'..'\u{a000}').contains(&letter))), "Chinese questions get Chinese answers");
    assert!(answers().any(str::is_ascii), "English questions get English answers");
    assert!(rows.iter().any(|row| row["Synth_or_Input"] == "synth"), "new questions are among the rows");
    assert_eq!(rows[0].as_object().unwrap().keys().next_back().unwrap(), "answer_match_result");
}

#[test]
fn the_other_ready_made_pipelines_run_too() {
    for (name, column, least) in [("translate", "summary", 25), ("text2qa", "generated_answer", 10), ("text_filter", "NgramScore", 40)] {
        let folder = tempfile::tempdir().unwrap();
        let (code, stderr, rows) = run(name, folder.path());
        assert_eq!(code, 0, "{name}: {stderr}");
        assert!(rows.len() >= least && rows.iter().filter(|row| !row[column].is_null()).count() >= least, "{name}: {} rows", rows.len());
    }
}

#[test]
fn a_program_that_is_one_pipeline_runs_over_data_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("my.jsonl"), folder.path().join("out.jsonl"));
    std::fs::write(&input, "{\"instruction\":\"Why is the sky blue?\",\"output\":\"short\"}\n").unwrap();
    let mut command = std::process::Command::new(binary("text_sft_filter"));
    command.current_dir(root()).arg("--input").arg(&input).arg("--output").arg(&output).arg("--cache-path").arg(folder.path().join("cache"));
    let (code, _, stderr) = finished(&mut command);
    assert!(code == 0 && stderr.contains("text_sft_filter: complete: 1 rows read"), "{code}: {stderr}");
    assert_eq!(rows(&output).len(), 0, "the answer is too short");
    assert!(folder.path().join("cache/text_sft_filter_report.json").exists());
}

#[test]
fn every_rule_of_the_ready_made_filters_has_a_row_to_act_on() {
    for (name, steps, left) in [("text_pt_filter", 23, 10), ("text_sft_filter", 1, 6), ("code_pt_filter", 6, 6), ("reasoning_filter", 3, 7)] {
        let folder = tempfile::tempdir().unwrap();
        let (code, stderr, rows) = run(name, folder.path());
        assert_eq!((code, rows.len()), (0, left), "{name}: {stderr}");
        let report: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(folder.path().join(format!("cache/{name}_report.json"))).unwrap()).unwrap();
        let told = report["steps"].as_array().unwrap();
        assert_eq!(told.len(), steps, "{name}");
        for (number, step) in told.iter().enumerate() {
            let operator = step["operator"].as_str().unwrap();
            if operator.ends_with("Filter") {
                assert_ne!(step["dropped"], 0, "{name}: {operator} drops nothing");
            } else {
                let cache = |step: usize| dataflow_tests::rows(&folder.path().join(format!("cache/dataflow_cache_step_step{step}.jsonl")));
                assert_ne!(cache(number), cache(number + 1), "{name}: {operator} changes nothing");
            }
        }
    }
}

#[test]
fn values_come_back_as_they_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, rows) = run("translate", folder.path());
    let before = dataflow_tests::rows(&root().join("example_data/core_text/translate.jsonl"));
    assert_eq!(rows.len(), before.len());
    for (before, after) in before.iter().zip(&rows) {
        for (key, value) in before.as_object().unwrap() {
            assert_eq!(&after[key], value, "`{key}`");
        }
    }
}

#[test]
fn a_crate_of_ones_own_adds_an_operator_and_a_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = folder.path().join("shorten.yaml");
    let text = std::fs::read_to_string(root().join("examples/own-operator/shorten.yaml")).unwrap();
    std::fs::write(&pipeline, text.replace("../../example_data", root().join("example_data").to_str().unwrap()).replace("../../", "./")).unwrap();
    let mut command = std::process::Command::new(binary("own-operator"));
    command.arg("run").arg(&pipeline).env_remove("DF_API_KEY").env_remove("DF_API_URL");
    let (code, _, stderr) = finished(&mut command);
    assert_eq!(code, 0, "{stderr}");
    let rows = rows(&folder.path().join("out/shorten.jsonl"));
    assert!(rows.iter().all(|row| row["instruction"].as_str().is_none_or(|text| text.matches(['.', '。']).count() <= 2)));
    // The same file means nothing to a program without that crate.
    let (code, _, stderr) = finished(dataflow(folder.path()).arg("check").arg(&pipeline));
    assert_eq!(code, 65);
    assert!(stderr.contains("there is no operator `FirstSentenceRefiner`") && stderr.contains("the prompt `OneSentencePrompt`"), "{stderr}");
}
