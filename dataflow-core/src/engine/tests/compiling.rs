//! What is told of a pipeline before it runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::key::{Any, Float, KeyField, KeyUse};

#[test]
fn a_file_beside_the_rows_and_a_folder_of_its_own_are_one_steps_alone() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(1)));
    pipeline.step(last_first(Some("./notes.jsonl".into()))).named("first");
    pipeline.step(last_first(Some("notes.jsonl".into()))).named("second");
    let error = pipeline.compile().unwrap_err().to_string();
    assert!(error.contains("`notes_path` would be written over `notes_path` of step 1 `first`"), "{error}");
    let mut pipeline = Pipeline::new("p", MemoryStorage::new(rows(1)));
    for name in ["first", "second"] {
        pipeline.step(LastFirst { index_path: Some("index".into()), ..last_first(None) }).named(name);
    }
    let error = pipeline.compile().unwrap_err().to_string();
    assert!(error.contains("`index_path` is the folder of `index_path` of step 1 `first` too"), "{error}");
    assert!(error.contains("hint: each would take what the other leaves there for that of another run"), "{error}");
}

#[test]
fn a_name_that_no_file_could_have_is_told() {
    let told = |letters: usize| {
        let mut pipeline = Pipeline::new("p".repeat(letters), MemoryStorage::new(rows(1)));
        pipeline.step(last_first(None));
        pipeline.compile().err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(told(200), "");
    assert!(told(201).contains("the pipeline's name should have at most 200 bytes, since files are named after it; found 201"), "{}", told(201));
    assert!(told(0).ends_with("  the pipeline has no name, and files are named after it\n    hint: add a `name`, such as `name: my_pipeline`"), "{}", told(0));
}

#[tokio::test]
async fn lists_and_records_are_read_as_their_json_text() {
    let storage = MemoryStorage::of(&[json!({ "tags": ["a", "b"], "page": { "n": 1 } }), json!({ "tags": null, "page": null })]);
    let mut pipeline = Pipeline::new("nested", storage.clone());
    pipeline.step(Longer { input_key: "page".into(), output_key: "length".into(), min: 1 });
    pipeline.step(Loud { input_key: "tags".into() });
    let compiled = pipeline.compile().unwrap();
    insta::assert_snapshot!(compiled.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r"
    step 1 `Longer` (Longer): `input_key` reads `page` as text, and the column holds struct[1]
        hint: each cell is read as its JSON text; a step that writes a column of text can take out what is meant
    step 2 `Loud` (Loud): `input_key` reads `tags` as text, and the column holds list[str]
        hint: each cell is read as its JSON text; a step that writes a column of text can take out what is meant
    ");
    compiled.forward(Run::default()).await.unwrap();
    let frame = storage.output_frame().unwrap();
    assert_eq!((texts(&frame, "length"), texts(&frame, "tags")), (vec!["7".into()], vec![r#"["A","B"]"#.to_owned()]));
}

#[test]
fn a_column_of_numbers_that_becomes_text_is_warned_of_once() {
    let mut pipeline = Pipeline::new("numbers", MemoryStorage::of(&[json!({ "score": 5, "text": "x", "none": null })]));
    for key in ["score", "score", "text", "none"] {
        pipeline.step(Loud { input_key: key.into() });
    }
    let told: Vec<String> = pipeline.compile().unwrap().warnings().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["step 1 `Loud` (Loud): `input_key` changes `score` as text, and the column holds i64: it becomes text"]);
}

#[test]
fn compile_tells_all_problems_at_once() {
    let storage = MemoryStorage::of(&[json!({ "raw_content": "x", "id": 1, "tags": ["a"] })]);
    let mut pipeline = Pipeline::new("translate", storage);
    pipeline.step(ask("raw_content", "content_zh")).named("op1");
    pipeline.step(ask("content_ZH", "content_en")).named("op2").on("judge");
    pipeline.step(ask("raw_inputs", "x")).named("op3");
    pipeline.step(ask("later", "content_zh")).named("op4");
    pipeline.step(ask("tags", "later")).named("op5");
    pipeline.step(ask("", ""));
    let Err(Error::DoesNotCompile(problems)) = pipeline.compile() else { panic!("it compiles") };
    insta::assert_snapshot!(problems, @r"
    pipeline `translate` does not compile: 7 problems
      there is no serving `default`, which step 1 `op1` asks
        hint: the pipeline has no serving: add one named `default`
      there is no serving `judge`, which step 2 `op2` asks
        hint: the pipeline has no serving: add one named `default`
      step 2 `op2` (AskOnce): `input_key` reads `content_ZH`, which no earlier step and not the data set gives
        hint: did you mean `content_zh`, written by step 1 `op1`?
      step 3 `op3` (AskOnce): `input_key` reads `raw_inputs`, which no earlier step and not the data set gives
        hint: did you mean `raw_content` of the data set?
      step 4 `op4` (AskOnce): `input_key` reads `later`, which comes only later
        hint: step 5 `op5` writes it
      step 6 `AskOnce` (AskOnce): `input_key` is not set
        hint: name a column of type text
      step 6 `AskOnce` (AskOnce): `output_key` is not set
        hint: name the column to write
      warning: step 4 `op4` (AskOnce): `output_key` overwrites `content_zh` of step 1 `op1`, which no step has read
      warning: step 5 `op5` (AskOnce): `input_key` reads `tags` as text, and the column holds list[str]
        hint: each cell is read as its JSON text; a step that writes a column of text can take out what is meant
    ");
}

#[test]
fn a_column_that_is_missing_or_overwritten_is_warned_of_unless_the_step_itself_fills_it_in() {
    let mut pipeline = Pipeline::new("sparse", MemoryStorage::of(&[json!({ "text": "x", "counts": 1 })]));
    pipeline.step(Filled { input_key: "count".into(), output_key: "sum".into() });
    pipeline.step(Filled { input_key: "total".into(), output_key: "total".into() });
    pipeline.step(Filled { input_key: "text".into(), output_key: "text".into() });
    pipeline.step(Filled { input_key: "text".into(), output_key: "total".into() });
    let compiled = pipeline.compile().unwrap();
    insta::assert_snapshot!(compiled.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r"
    step 1 `Filled` (Filled): `input_key` reads `count`, which no earlier step and not the data set gives, and is null
        hint: did you mean `counts` of the data set?
    step 4 `Filled` (Filled): `output_key` overwrites `total` of step 2 `Filled`, which no step has read
    ");
}

#[test]
fn a_pipeline_and_its_file_are_one_value() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::of(&[json!({ "text": "x" })]));
    pipeline.seed(7).serving("judge", Echo::of(1) as Arc<dyn LLMServing>);
    pipeline.step(ask("text", "reply")).named("a").on("judge").on_error(OnError::Keep);
    let spec = pipeline.to_spec();
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(
        text,
        r#"{"name":"p","seed":7,"storage":{"type":"memory"},"serving":{"judge":{"type":"echo"}},"steps":[{"operator":"AskOnce","name":"a","serving":"judge","on_error":"keep","input_key":"text","output_key":"reply","before":""}]}"#
    );
    assert_eq!(serde_json::from_str::<crate::pipeline::PipelineSpec>(&text).unwrap(), spec);
}

/// Halves numbers, and can only say what it cannot do. # 中文 取半。
#[operator(test, eval, Columns)]
#[derive(Default)]
struct Halved {
    /// Of any type. 中文：任意类型。
    input_key: Input<Any>,
    /// Its half. 中文：一半。
    output_key: Output<Float>,
}

impl Columns for Halved {
    fn columns(&self, frame: &DataFrame) -> Result<Changes> {
        let column = frame.column(self.input_key.as_str())?;
        assert!(!column.dtype().is_bool(), "nobody halves a truth value");
        if column.dtype().is_string() {
            let problems = vec!["`input_key`: half of a text\nhint: take a number".to_owned(), "`output_key`: half of a text".to_owned()];
            return Err(Error::Faults(problems.into()));
        }
        Ok(Changes { columns: vec![(column.cast(&DataType::Float64)? / 2.0).with_name(self.output_key.as_str().into())], ..Changes::default() })
    }
}

#[test]
fn what_only_a_steps_own_work_tells_is_told_beside_what_is_wrong_elsewhere() {
    let halved = |input: &str, output: &str| Halved { input_key: input.into(), output_key: output.into() };
    let mut pipeline = Pipeline::new("p", MemoryStorage::of(&[json!({ "text": "x", "number": 1, "truth": true })]));
    pipeline.step(halved("text", "a")).named("two");
    pipeline.step(halved("texxt", "b")).named("missing");
    pipeline.step(halved("truth", "c")).named("panics");
    pipeline.step(halved("b", "d")).named("right");
    pipeline.step(ask("text", "reply"));
    let Err(Error::DoesNotCompile(problems)) = pipeline.compile() else { panic!("it compiles") };
    insta::assert_snapshot!(problems, @r"
    pipeline `p` does not compile: 5 problems
      there is no serving `default`, which step 5 `AskOnce` asks
        hint: the pipeline has no serving: add one named `default`
      step 1 `two` (Halved): `input_key`: half of a text
        hint: take a number
      step 1 `two` (Halved): `output_key`: half of a text
      step 2 `missing` (Halved): `input_key` reads `texxt`, which no earlier step and not the data set gives
        hint: did you mean `text` of the data set?
      step 3 `panics` (Halved): operator `Halved`: panicked: nobody halves a truth value
    ");
}

/// Columns that are named in a form of its author's, who has not thought of all. # 中文 自定形式的列名。
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Listed(String);

impl KeyField for Listed {
    fn collect(&self, _: &'static str, _: &mut Vec<KeyUse>) {
        assert!(!self.0.contains('?'), "nobody lists a question");
    }
}

/// Does nothing. # 中文 空操作。
#[operator(test, refine, Columns)]
#[derive(Default)]
struct Idle {
    /// Columns. 中文：列。
    #[keys]
    columns: Listed,
}

impl Columns for Idle {
    fn columns(&self, _: &DataFrame) -> Result<Changes> {
        Ok(Changes::default())
    }
    fn problems(&self) -> Vec<String> {
        assert!(!self.columns.0.contains('!'), "nobody calls a list");
        Vec::new()
    }
}

#[test]
fn a_panic_in_what_an_operator_says_of_itself_is_a_problem_that_names_it() {
    let mut pipeline = Pipeline::new("p", MemoryStorage::of(&[json!({ "text": "x" })]));
    for (name, columns) in [("right", "text"), ("keys", "text?"), ("problems", "text!")] {
        pipeline.step(Idle { columns: Listed(columns.into()) }).named(name);
    }
    let Err(Error::DoesNotCompile(problems)) = pipeline.compile() else { panic!("it compiles") };
    insta::assert_snapshot!(problems, @r"
    pipeline `p` does not compile: 2 problems
      step 2 `keys` (Idle): operator `Idle`: panicked: nobody lists a question
      step 3 `problems` (Idle): operator `Idle`: panicked: nobody calls a list
    ");
}
