//! Pipelines as YAML files: reading with the environment and overrides put in, and writing.

use std::path::{Path, PathBuf};

use dataflow_core::pipeline::{Pipeline, PipelineSpec};
use dataflow_core::registry::nearest;
use dataflow_core::storage::StorageContext;
use dataflow_core::variables::{put_in, scalar};
use dataflow_core::{CompiledPipeline, Error, Result};
use serde_json::{Map, Value};

use crate::yaml;

/// A pipeline file that was read, and the folder that its paths start from.
#[derive(Clone, Debug)]
pub struct PipelineFile {
    path: PathBuf,
    value: Value,
}

impl PipelineFile {
    /// Reads a file. `${NAME}` and `${NAME:-fallback}` in its values are taken from the environment; `$${` stands for `${`.
    ///
    /// Errors: [`Error::NotFound`] where there is no file, [`Error::Configuration`] where it is no YAML or a variable is not set.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::NotFound(format!("there is no pipeline file {shown}\nhint: give the path of a `.yaml` file, such as pipelines/translate.yaml"))
            }
            _ => Error::storage(format!("cannot read {shown}"), error),
        })?;
        Self::parse(&text, path)
    }

    /// Reads a file's text; its relative paths start from the folder of `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let shown = path.display();
        let mut value = yaml::value_of(text).map_err(|wrong| Error::Configuration(format!("{shown}: {wrong}")))?;
        put_in(&mut value, &|name| std::env::var(name).ok())
            .map_err(|missing| Error::Configuration(format!("{shown}: {}\nhint: set them, or write `${{NAME:-fallback}}`", missing.join("; "))))?;
        Ok(Self { path: path.to_owned(), value })
    }

    /// Replaces or adds the value at a dotted path: `storage.output=x.jsonl`, `serving.default.model=gpt-4o`, `steps.2.min_words=5`
    /// or `steps.NAME.min_words=5`. Steps are counted from 1, and the value is read as YAML.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let bad = |message: String| Error::Configuration(format!("`--set {assignment}`: {message}"));
        let (path, text) = assignment.split_once('=').ok_or_else(|| bad("expected `dotted.key=value`".into()))?;
        let value = typed(text);
        let parts: Vec<&str> = path.split('.').collect();
        let (last, parents) = parts.split_last().ok_or_else(|| bad("expected `dotted.key=value`".into()))?;
        let mut at = &mut self.value;
        for part in parents {
            at = match at {
                Value::Object(object) => object.entry(*part).or_insert_with(|| Value::Object(Map::new())),
                Value::Array(steps) => {
                    let names: Vec<String> = steps.iter().map(step_name).collect();
                    let index = names
                        .iter()
                        .position(|name| name == part)
                        .or_else(|| part.parse::<usize>().ok().filter(|number| (1..=names.len()).contains(number)).map(|number| number - 1));
                    let Some(index) = index else {
                        let hint = nearest(part, names.iter().map(String::as_str))
                            .map_or_else(|| format!("the steps are 1 to {}", names.len()), |near| format!("did you mean `{near}`?"));
                        return Err(bad(format!("there is no step `{part}`\nhint: {hint}")));
                    };
                    &mut steps[index]
                }
                _ => return Err(bad(format!("`{part}` is below a value that has no parts"))),
            };
        }
        match at {
            Value::Object(object) => object.insert((*last).to_owned(), value),
            _ => return Err(bad(format!("`{last}` is below a value that has no parts"))),
        };
        Ok(())
    }

    /// Replaces a path of the storage by one that starts from the current folder.
    pub fn set_storage_path(&mut self, key: &str, path: &Path) -> Result<()> {
        let path = std::path::absolute(path).map_err(|error| Error::storage(format!("cannot tell where {} is", path.display()), error))?;
        if let Value::Object(object) = &mut self.value
            && let Value::Object(storage) = object.entry("storage").or_insert_with(|| Value::Object(Map::new()))
        {
            storage.insert(key.to_owned(), Value::String(path.to_string_lossy().into_owned()));
        }
        Ok(())
    }

    /// The pipeline, not yet compiled.
    pub fn pipeline(&self) -> Result<Pipeline> {
        let Value::Object(mut content) = self.value.clone() else {
            return Err(Error::Configuration(format!("{}: a pipeline file is a map with `name`, `storage`, `serving` and `steps`", self.path.display())));
        };
        let base = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        for serving in content.get_mut("serving").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
            dataflow_serving::start_paths_from(&base, serving);
        }
        let mut pipeline = Pipeline::from_file(content, &StorageContext { base })?;
        pipeline.made_of(&self.path);
        Ok(pipeline)
    }
}

/// An override as [`PipelineFile::set`] takes it; for a command line, where one without `=` is a usage error.
pub(crate) fn assignment(text: &str) -> std::result::Result<String, String> {
    if text.split_once('=').is_some_and(|(path, _)| !path.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err("expected dotted.key=value, such as serving.default.model=gpt-4o".into())
    }
}

/// The value of an override: quoted text, and what stands in brackets, as YAML; otherwise as [`scalar`].
fn typed(text: &str) -> Value {
    let yaml = || yaml::value_of(text).ok();
    if text.starts_with(['{', '[', '"', '\'']) { yaml() } else { None }.unwrap_or_else(|| scalar(text.to_owned()))
}

fn step_name(step: &Value) -> String {
    let text = |key: &str| step.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    text("name").or_else(|| text("operator")).unwrap_or_default()
}

/// A pipeline as the YAML that describes it.
pub fn to_yaml(spec: &PipelineSpec) -> Result<String> {
    serde_yaml::to_string(spec).map_err(|error| Error::Configuration(error.to_string()))
}

/// Compiles the pipeline of a file.
pub fn compile(path: impl AsRef<Path>) -> Result<CompiledPipeline> {
    PipelineFile::read(path)?.pipeline()?.compile()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn overrides_reach_steps_by_number_and_name() {
        let mut file = PipelineFile::parse("name: p\nsteps:\n- {operator: A, name: first}\n- {operator: B}\n", Path::new("p.yaml")).unwrap();
        file.set("steps.first.min=3").unwrap();
        file.set("steps.2.text=a: b ").unwrap();
        file.set("steps.2.id=007").unwrap();
        file.set("steps.2.list=[1, x]").unwrap();
        assert_eq!(file.value["steps"][1], json!({ "operator": "B", "text": "a: b ", "id": "007", "list": [1, "x"] }));
        file.set("serving.default.type=demo").unwrap();
        assert_eq!(file.value["steps"][0]["min"], json!(3));
        assert_eq!(file.value["serving"]["default"]["type"], json!("demo"));
        assert!(file.set("steps.frist.min=3").unwrap_err().to_string().contains("did you mean `first`?"));
    }

    #[test]
    fn what_is_misspelt_or_of_the_wrong_type_is_told_with_all_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.jsonl"), "{\"text\": \"x\"}\n").unwrap();
        let text = "name: p\nsed: 3\nseed: x\nstorage: { input: in.jsonl }\nsteps:\n- { operator: LowercaseRefine, on_error: kep, input_key: text }\n- 7\n- { name: 5 }\n";
        let file = PipelineFile::parse(text, &folder.path().join("p.yaml")).unwrap();
        let told = file.pipeline().unwrap().compile().unwrap_err().to_string();
        for expected in [
            "unknown key `sed`\n    hint: did you mean `seed`?",
            "`seed` should be a whole number from 0 on, found `x`",
            "step 1 `LowercaseRefine` (LowercaseRefine): `on_error` should be one of `drop`, `keep`, `fail`, found `kep`",
            "there is no operator `LowercaseRefine`",
            "step 2 should be a map with `operator` and its parameters, found `7`",
            "`operator` is missing",
            "`name` should be a text, found `5`\n    hint: put it in quotes",
        ] {
            assert!(told.contains(expected), "{expected} is missing in:\n{told}");
        }
    }

    /// What compile tells of a storage and steps, in a folder that holds `in.jsonl`, and that it wrote nothing.
    fn refused(storage: &str, steps: &str) -> Error {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.jsonl"), "{\"text\": \"x\"}\n").unwrap();
        let text = format!("name: p\nstorage: {{ {storage} }}\nsteps:\n{steps}");
        let error = PipelineFile::parse(&text, &folder.path().join("p.yaml")).unwrap().pipeline().unwrap().compile().unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        error
    }

    #[track_caller]
    fn check_told(error: &Error, all: &[&str]) {
        let told = error.to_string();
        for expected in all {
            assert!(told.contains(expected), "{expected} is missing in:\n{told}");
        }
        let many = format!("pipeline `p` does not compile: {} problems", all.len());
        assert!(told.starts_with(&many), "{many} is expected of:\n{told}");
    }

    const WRONG_STEPS: &str = r#"
- { operator: PromptedGenerator, serving: judge, input_key: texts, output_key: reply }
- { operator: FormatStrPromptedGenerator, serving: judge, prompt_template: "say {{ txt }}", input_keys: { input_text: text }, output_key: more }
- { operator: GeneralFilter, filter_rules: ["LENGTH("] }
- { operator: LowercaseRefine }
"#;
    const OF_STEPS: [&str; 4] = [
        "there is no serving `judge`",
        "uses the variable `txt`, which the operator does not give",
        "`filter_rules`: `LENGTH(`",
        "no operator `LowercaseRefine`",
    ];

    /// Compiles steps beside `in.jsonl`, `list.txt` and the pipeline's file, and runs them with a file for dropped rows; gives what is told, and sees that no file has changed.
    async fn told_of_files(storage: &str, steps: &str, dropped: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = format!("name: p\nstorage: {{ input: in.jsonl, {storage} }}\nsteps:\n{steps}");
        let files = [("in.jsonl", "{\"text\": \"x\"}\n"), ("list.txt", "bad\n"), ("p.yaml", &text)];
        for (name, content) in files {
            std::fs::write(path(name), content).unwrap();
        }
        let told = match compile(path("p.yaml")) {
            Err(error) => error,
            Ok(compiled) => {
                let run = dataflow_core::Run { dropped: dropped.map(path), ..Default::default() };
                compiled.forward(run).await.expect_err("something is to be told")
            }
        };
        for (name, content) in files {
            assert_eq!(std::fs::read_to_string(path(name)).unwrap(), content, "{name}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), files.len());
        told.to_string().replace(&format!("{}/", folder.path().canonicalize().unwrap().display()), "")
    }

    const LISTED: &str = "- { operator: BlocklistFilter, input_key: text, blocklist_path: list.txt }\n";
    const REPEATED: &str = "- { operator: HashDeduplicateFilter, input_key: text, pairs_path: pairs.jsonl, index_path: index, index_name: n }\n";

    #[tokio::test]
    async fn no_run_writes_over_a_file_that_another_of_its_parts_has() {
        for (path, whose) in [
            ("in.jsonl", "over the input"),
            ("p.yaml", "over the pipeline file"),
            ("./list.txt", "over `blocklist_path` of step 1 `BlocklistFilter`"),
            ("pairs.jsonl", "over `pairs_path` of step 2 `HashDeduplicateFilter`"),
            ("index/other.duplicates", "among the files of `index_path` of step 2 `HashDeduplicateFilter`"),
            ("cache/p_report.json", "over the report"),
            ("cache/p_errors.jsonl", "over the file of failed rows"),
            ("cache/.p.lock", "over the lock of the run"),
            ("cache/dataflow_cache_step_step1.jsonl", "over the cache of step 1"),
            ("cache/dataflow_cache_step_step2.jsonl.manifest.json", "over the cache of step 2"),
            ("cache/journal/x", "among the files of the journal"),
        ] {
            let clash = |what: &str| format!("{what} would be written {whose}, `{}`", path.trim_start_matches("./"));
            let run = told_of_files("", &format!("{LISTED}{REPEATED}"), Some(path)).await;
            assert!(run.starts_with(&clash("the file of dropped rows")) && run.contains("\nhint: name "), "{run}");
            let output = told_of_files(&format!("output: {path}, output_format: jsonl"), &format!("{LISTED}{REPEATED}"), None).await;
            // Of two that both write, the one that is looked at later is told.
            assert!(output.contains(&clash("the output")) || output.contains("would be written over the output"), "{output}");
            if !path.starts_with("pairs") {
                let pairs = told_of_files("", &format!("{LISTED}{}", REPEATED.replace("pairs.jsonl", path)), None).await;
                assert!(pairs.contains(&clash("`pairs_path`")), "{pairs}");
            }
        }
        let shared =
            told_of_files("", &format!("{LISTED}{}", REPEATED.replace("pairs.jsonl", "list.txt").replace(", index_path: index, index_name: n", "")), None)
                .await;
        assert!(shared.contains("`pairs_path` would be written over `blocklist_path` of step 1 `BlocklistFilter`, `list.txt`"), "{shared}");
    }

    #[test]
    fn an_operator_that_is_left_out_on_purpose_is_told_with_the_reason() {
        let told = refused("input: in.jsonl", "- { operator: SmilesEquivalenceDatasetEvaluator }").to_string();
        assert!(told.contains("there is no operator `SmilesEquivalenceDatasetEvaluator`, which is left out on purpose: no kept library"), "{told}");
    }

    #[test]
    fn the_file_of_a_pool_stands_beside_the_pipeline() {
        let [home, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for folder in [&home, &elsewhere] {
            std::fs::write(folder.path().join("in.jsonl"), "{\"text\": \"x\"}\n").unwrap();
        }
        let models = "models: [{ id: 1, model: m, channel_id: a }]\nchannels: { a: { base_url: 'http://127.0.0.1:9' } }\n";
        std::fs::write(home.path().join("beside.yaml"), models).unwrap();
        let text = "name: p\nstorage: { input: in.jsonl }\nserving: { default: { type: pool, config: beside.yaml } }\n\
                    steps: [{ operator: LowercaseRefiner, input_key: text }]\n";
        let compiled = |folder: &Path| PipelineFile::parse(text, &folder.join("p.yaml")).unwrap().pipeline().and_then(Pipeline::compile);
        assert!(compiled(home.path()).is_ok());
        let over = text.replace("input: in.jsonl", "input: in.jsonl, output: beside.yaml, output_format: jsonl");
        let told = PipelineFile::parse(&over, &home.path().join("p.yaml")).and_then(|file| file.pipeline()?.compile()).unwrap_err().to_string();
        assert!(told.contains("the output would be written over `config` of the serving `default`"), "{told}");
        let told = compiled(elsewhere.path()).err().map(|error| error.to_string()).unwrap_or_default();
        let missing = format!("there is no configuration file {}", elsewhere.path().join("beside.yaml").display());
        assert!(told.contains(&missing), "{told}");
    }

    #[test]
    fn the_tokenizer_of_a_model_stands_beside_the_pipeline() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.jsonl"), "{\"text\": \"x\"}\n").unwrap();
        let words = r#"{ "version": "1.0", "model": { "type": "WordLevel", "vocab": { "?": 0 }, "unk_token": "?" } }"#;
        std::fs::write(folder.path().join("words.json"), words).unwrap();
        let told = |tokenizer: &str| {
            let step = format!("{{ operator: ReasoningAnswerTokenLengthFilter, input_key: text, tokenizer: {tokenizer} }}");
            let file = PipelineFile::parse(&format!("name: p\nstorage: {{ input: in.jsonl }}\nsteps: [{step}]\n"), &folder.path().join("p.yaml"));
            file.unwrap()
                .pipeline()
                .and_then(Pipeline::compile)
                .err()
                .map(|error| error.to_string().replace(&*folder.path().to_string_lossy(), ""))
                .unwrap_or_default()
        };
        assert_eq!(told("words.json"), "");
        assert!(told("word.json").contains("`tokenizer`: cannot read /word.json: "), "{}", told("word.json"));
        let name = "`tokenizer`: expected `o200k_base`, `cl100k_base`, `whitespace` or the path of a `tokenizer.json`, found `Qwen/Qwen2`\n    hint: nothing is downloaded: ";
        assert!(told("Qwen/Qwen2").contains(name), "{}", told("Qwen/Qwen2"));
    }

    #[test]
    fn a_storage_that_is_wrong_is_told_with_all_else() {
        let column = "`input_key` reads `texts`, which no earlier step and not the data set gives";
        let with = |more: &[&'static str]| [&OF_STEPS[..], more].concat();
        check_told(&refused("input: in.jsonl, foo: 1", WRONG_STEPS), &with(&["storage: unknown key `foo`", column]));
        check_told(&refused("input: in.jsonl, inputt: x, cache_type: 3", WRONG_STEPS), &with(&["unknown key `inputt`", "storage: `cache_type`: ", column]));
        // Where the input cannot be read, or not in the way that was meant, nothing is said of its columns.
        check_told(&refused("inputt: in.jsonl", WRONG_STEPS), &with(&["unknown key `inputt`"]));
        check_told(&refused("input: in.jsonl, schema: { text: int }", WRONG_STEPS), &with(&["`schema`: column `text`"]));
        check_told(&refused("input: missing.jsonl", WRONG_STEPS), &with(&["no file at `"]));
        check_told(&refused("type: tabel", WRONG_STEPS), &with(&["storage has the unknown type `tabel`"]));
        check_told(&refused("inptu: in.jsonl", "- {}\n"), &["unknown key `inptu`", "step 1: `operator` is missing"]);
    }

    #[test]
    fn a_storage_that_alone_is_wrong_keeps_its_own_error() {
        let right = "- { operator: LowercaseRefiner, input_key: anything }\n";
        for (storage, expected) in [("inptu: in.jsonl", "storage: unknown key `inptu`"), ("type: tabel", "storage has the unknown type `tabel`")] {
            let error = refused(storage, right);
            assert!(matches!(&error, Error::Configuration(message) if message.starts_with(expected)), "{error}");
        }
        assert!(matches!(refused("input: missing.jsonl", right), Error::NotFound(_)));
    }

    #[test]
    fn an_empty_data_set_is_told_where_an_input_is_named_or_nothing_is_wrong() {
        let empty = "the data set is empty";
        assert!(!refused("", "- { operator: LowercaseRefine }\n").to_string().contains(empty));
        let unnamed = PipelineFile::parse("name: p\nsteps: [{ operator: LowercaseRefiner, input_key: text }]\n", Path::new("p.yaml"));
        let compiled = unnamed.unwrap().pipeline().unwrap().compile().unwrap();
        assert!(compiled.warnings().iter().any(|warning| warning.message.contains(empty)));
    }
}
