//! Bad input, bad networks, full disks: a clear error, the right exit code, and nothing that was paid for is lost.

use std::path::Path;

use dataflow_tests::{Service, dataflow, finished, rows, write_chain, write_rows};

fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = finished(dataflow(folder).args(arguments));
    assert_eq!(stdout, "");
    (code, stderr)
}

fn pipeline(folder: &Path, text: &str) {
    std::fs::write(folder.join("p.yaml"), text).unwrap();
}

const DEMO: &str = "serving: { default: { type: demo } }\n";

#[test]
fn the_wrong_key_of_the_seeds_example_is_found_before_a_row_is_read() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 3, 0);
    let service = Service::start(&[]);
    pipeline(
        folder.path(),
        &format!(
            "name: translate\nstorage: {{ input: input.jsonl }}\nserving: {{ default: {{ type: api, api_url: \"{}\", model: m, api_key: none }} }}\nsteps:\n\
             - {{ operator: PromptedGenerator, name: op1, input_key: raw_content, output_key: content_zh }}\n\
             - {{ operator: PromptedGenerator, name: op2, input_key: content_ZH, output_key: b }}\n\
             - {{ operator: PromptedGenerator, name: op3, input_key: raw_inputs, output_key: c }}\n\
             - {{ operator: ReasoningAnswerGenerator, name: op4, input_key: b, prompt_template: \"Solve {{{{ questoin }}}}\" }}\n",
            service.url()
        ),
    );
    for command in ["run", "check"] {
        let (code, stderr) = run(folder.path(), &[command, "p.yaml"]);
        assert_eq!(code, 65);
        insta_like(
            &stderr,
            "error: pipeline `translate` does not compile: 3 problems
  step 2 `op2` (PromptedGenerator): `input_key` reads `content_ZH`, which no earlier step and not the data set gives
    hint: did you mean `content_zh`, written by step 1 `op1`?
  step 3 `op3` (PromptedGenerator): `input_key` reads `raw_inputs`, which no earlier step and not the data set gives
    hint: did you mean `raw_content` of the data set?
  step 4 `op4` (ReasoningAnswerGenerator): `prompt_template` uses the variable `questoin`, which the operator does not give
    hint: did you mean `question`?
",
        );
    }
    assert_eq!(service.counts()["requests"], 0, "no model is called");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left.len(), 2, "no file is written: {left:?}");
}

fn insta_like(found: &str, expected: &str) {
    assert_eq!(found, expected, "\nfound:\n{found}");
}

#[test]
fn each_kind_of_trouble_has_its_exit_code_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 3, 0);
    std::fs::write(folder.path().join("broken.jsonl"), "{\"raw_content\": \"a\"}\n{\"raw_content\": \n").unwrap();
    let step = "steps: [{ operator: PromptedGenerator }]\n";
    let cases = [
        ("name: p\nstorage: { input: inptu.jsonl }\n", DEMO, step, 66, "there is `./input.jsonl`"),
        ("name: p\nstorage: { input: broken.jsonl }\n", DEMO, step, 65, "line 2"),
        ("name: p\nstorage: { input: input.jsonl, ouptut: x }\n", DEMO, step, 78, "`output`"),
        ("name: p\nstorage: { input: input.jsonl }\n", "serving: { default: { type: dmeo } }\n", step, 65, "unknown type `dmeo`"),
        ("name: p\nstorage: { input: input.jsonl }\n", DEMO, "steps: [{ operator: PromptdGenerator }]\n", 65, "did you mean `PromptedGenerator`?"),
        (
            "name: p\nstorage: { input: input.jsonl }\n",
            DEMO,
            "steps: [{ operator: PromptedGenerator, sytem_prompt: x }]\n",
            65,
            "did you mean `system_prompt`?",
        ),
        ("name: p\nstorage: { input: \"${NO_SUCH_VARIABLE}\" }\n", DEMO, step, 78, "`NO_SUCH_VARIABLE`, which is not set"),
        ("name: [\n", "", "", 78, "p.yaml"),
        (
            "name: p\nstorage: { input: input.jsonl }\n",
            "serving: { default: { type: api, api_url: \"http://127.0.0.1:9/v1\", model: m, api_key: none, max_retries: 0 } }\n",
            step,
            69,
            "gives no answers",
        ),
    ];
    for (storage, serving, steps, expected, says) in cases {
        pipeline(folder.path(), &format!("{storage}{serving}{steps}"));
        let (code, stderr) = run(folder.path(), &["run", "p.yaml"]);
        assert_eq!(code, expected, "{storage}{serving}{steps}{stderr}");
        assert!(stderr.contains(says), "expected `{says}` in: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    assert_eq!(run(folder.path(), &["run", "nothing.yaml"]).0, 66);
    assert_eq!(finished(dataflow(folder.path()).args(["run", "--no-such-flag"])).0, 2);
}

#[test]
fn a_parameter_that_cannot_be_read_hides_no_other_problem_of_its_step() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 3, 0);
    let step = "{ operator: MinHashDeduplicateFilter, input_key: raw_content, memory_limit: 1XB, threshold: 7, num_perm: 0 }";
    pipeline(folder.path(), &format!("name: p\nstorage: {{ input: input.jsonl }}\nsteps: [{step}]\n"));
    let (code, stderr) = run(folder.path(), &["check", "p.yaml"]);
    assert_eq!(code, 65, "{stderr}");
    for told in ["3 problems", "`memory_limit`: expected a number of bytes", "`threshold` should be", "`num_perm` should be"] {
        assert!(stderr.contains(told), "expected `{told}` in: {stderr}");
    }
}

#[test]
fn malformed_lines_can_be_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("input.jsonl"), "{\"raw_content\": \"a\"}\nnot json\n{\"raw_content\": \"b\"}\n").unwrap();
    pipeline(
        folder.path(),
        &format!("name: p\nstorage: {{ input: input.jsonl, output: out.jsonl, on_malformed: set_aside }}\n{DEMO}steps: [{{ operator: PromptedGenerator }}]\n"),
    );
    let (code, stderr) = run(folder.path(), &["run", "p.yaml"]);
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(rows(&folder.path().join("out.jsonl")).len(), 2);
    let letters = rows(&folder.path().join("cache/p_errors.jsonl"));
    assert_eq!((&letters[0]["row"], &letters[0]["class"]), (&"line 2".into(), &"malformed".into()));
}

#[test]
fn failed_rows_are_told_and_can_be_run_again_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 200, 0);
    let broken = Service::start(&["--rate-500", "0.2", "--seed", "5"]);
    let pipeline = write_chain(folder.path(), broken.url(), 2, 16, "");
    let (code, stderr) = run(folder.path(), &["run", pipeline.to_str().unwrap(), "--set", "serving.default.max_retries=0"]);
    assert_eq!(code, 3, "{stderr}");
    let failed = rows(&folder.path().join("cache/chain_errors.jsonl"));
    assert!(failed.len() > 20 && failed.iter().all(|letter| letter["class"] == "transient" && letter["step"].is_u64()), "{} failed", failed.len());
    assert_eq!(rows(&folder.path().join("output.jsonl")).len(), 200 - failed.len());

    let sound = Service::start(&[]);
    let url = format!("serving.default.api_url={}", sound.url());
    let (code, stderr) = run(folder.path(), &["run", pipeline.to_str().unwrap(), "--retry-failed", "--set", &url]);
    assert_eq!(code, 0, "{stderr}");
    let ids: Vec<String> = rows(&folder.path().join("output.jsonl")).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (1..=200).map(|number| format!("{number:07}")).collect::<Vec<_>>(), "the rows are in their places");
    let asked = sound.counts()["requests"].as_u64().unwrap();
    assert!(asked <= 2 * failed.len() as u64, "{asked} calls for {} failed rows", failed.len());
    assert!(!folder.path().join("cache/chain_errors.jsonl").exists());
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_and_keeps_what_was_paid_for() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 400, 2000);
    let service = Service::start(&["--latency-ms", "2"]);
    let pipeline = write_chain(folder.path(), service.url(), 1, 8, "");
    // No file of the run can grow beyond 300 KiB; the signal for it is ignored, so that a write fails as on a full disk.
    let limited = format!("trap '' XFSZ; ulimit -f 300; exec {} run {}", dataflow_tests::binary("dataflow").display(), pipeline.display());
    let (code, _, stderr) = finished(std::process::Command::new("bash").current_dir(folder.path()).args(["-c", &limited]));
    assert_eq!(code, 75, "{stderr}");
    assert!(stderr.contains("hint"), "{stderr}");
    assert!(!folder.path().join("output.jsonl").exists());
    let bought = service.counts()["answered"].as_u64().unwrap();
    let (code, stderr) = run(folder.path(), &["run", pipeline.to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    // The journal meets the same limit, so what is answered from then on cannot be kept: at most the rows in work, two for each call in flight and 16.
    assert!(service.bought_twice() <= 32, "{} of {bought} were bought twice", service.bought_twice());
    assert_eq!(rows(&folder.path().join("output.jsonl")).len(), 400);
}

#[test]
fn no_key_is_told_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    write_rows(&folder.path().join("input.jsonl"), 2, 0);
    let service = Service::start(&["--rate-401", "1"]);
    let secret = "sk-0123456789abcdef";
    pipeline(
        folder.path(),
        &format!(
            "name: p\nstorage: {{ input: input.jsonl }}\nserving: {{ default: {{ type: api, api_url: \"{}\", model: m, api_key_env: TEST_KEY }} }}\nsteps: [{{ operator: PromptedGenerator }}]\n",
            service.url()
        ),
    );
    let (code, stdout, stderr) = finished(dataflow(folder.path()).args(["run", "p.yaml"]).env("TEST_KEY", secret).env("RUST_LOG", "trace"));
    assert_eq!(code, 69, "{stderr}");
    assert!(!stdout.contains(secret) && !stderr.contains(secret));
    let report = std::fs::read_to_string(folder.path().join("cache/p_report.json")).unwrap();
    assert!(!report.contains(secret));
}
