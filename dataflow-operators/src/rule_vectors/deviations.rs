//! Where our rules differ from DataFlow's on purpose, and why: `docs/deviations.md` is made of this.
//!
//! A difference without a line fails a test, and so does a line without a difference.

use std::collections::{BTreeMap, BTreeSet};

use dataflow_core::docs::Language;
use dataflow_core::operator::OperatorInfo;
use dataflow_core::registry;

use super::{Difference, Differing, Held, held};
use crate::compatibility::Compatibility;

const EASY_WORDS: &str = "which words are easy says a list of our own, on which two of the measures depend";

const NO_PROMPT: &str = "the default prompt works, where DataFlow's constructor raises on its own";

const FOUND_AT_COMPILE: &str = "a key that is not there is found at compile";

const COLUMNS_STAY: &str = "the other columns of the table stay, where DataFlow writes its own alone";

const NAMES_ARE_TAKEN: &str = "a row whose name another row has for other files fails; DataFlow writes over the other's file";

const NULL_IS_NOT_NONE: &str = "DataFlow takes a null for the text `None`";

/// Where ours differs, and why: operator, what happened in DataFlow, reason.
const DEVIATIONS: &[(&str, Difference, &str)] = &[
    (
        "*",
        Difference::RaisedOnNull,
        "DataFlow's step ends on a null cell. Here a filter drops its row, a refiner leaves it, and any other operator writes null beside it; the rows around it are as without it",
    ),
    ("*", Difference::RaisedOnNumber, "DataFlow's step ends on a number; ours reads its text"),
    ("*", Difference::NullHasNoLabel, "a null has no count and no score, where DataFlow writes 0; its row stays or goes as there"),
    ("BleuSampleEvaluator", Difference::TakesParameters, "`eff: closest` is refused by a fault of the constructor; with one reference it is `average`"),
    (
        "CiderSampleEvaluator",
        Difference::RefusedParameters,
        "`df_mode: corpus` is refused; DataFlow gives 0 to every row that it scores, and raises on an empty reference and on a null",
    ),
    ("CiderSampleEvaluator", Difference::Raised, "n-grams of any length up to `n` are scored, where DataFlow raises unless `n` is 4"),
    ("SpellingCorrectionRefiner", Difference::NotHeld, "the dictionary is given as a file and not downloaded; the recorded one is not part of this project"),
    ("LangkitFilter", Difference::Raised, "measures without bounds pass, where DataFlow raises"),
    ("LangkitFilter", Difference::OfWordList, EASY_WORDS),
    ("LangkitSampleEvaluator", Difference::OfWordList, EASY_WORDS),
    ("LangkitSampleEvaluator", Difference::NumberIsText, "a number is read as its text; DataFlow gives it no scores"),
    ("LexicalDiversityFilter", Difference::Raised, "a table of short texts alone ends DataFlow's step; ours lets them pass as it lets one pass"),
    ("LexicalDiversitySampleEvaluator", Difference::Raised, "a word 171 times overflows DataFlow's factorials"),
    (
        "AgenticRAGQAF1SampleEvaluator",
        Difference::RaisedOnTakenColumn,
        "a table that has the output column already ends DataFlow's step; ours writes the column anew",
    ),
    ("CodeFileTypeContentFilter", Difference::Raised, "a file without a type is kept, as one of a type without a rule"),
    ("QAExtractor", Difference::MissingKey, FOUND_AT_COMPILE),
    ("ReasoningDifficultyDatasetEvaluator", Difference::MissingKey, FOUND_AT_COMPILE),
    ("ReasoningTokenDatasetEvaluator", Difference::MissingKey, FOUND_AT_COMPILE),
    ("UnifiedBenchDatasetEvaluator", Difference::MissingKey, FOUND_AT_COMPILE),
    ("QAExtractor", Difference::ColumnsStay, COLUMNS_STAY),
    ("ReasoningPretrainFormatConvertGenerator", Difference::ColumnsStay, COLUMNS_STAY),
    ("VQAFormatter", Difference::ColumnsStay, COLUMNS_STAY),
    ("ReasoningAnswerPipelineRootFilter", Difference::EmptyIsNull, "an answer that cannot be found is null, where DataFlow writes an empty text"),
    ("ReasoningPretrainFormatConvertGenerator", Difference::Other, "`output_key` is followed, where DataFlow always writes `text`"),
    ("ReasoningPretrainFormatConvertGenerator", Difference::Raised, "a number is read as its text"),
    ("ReasoningCategoryDatasetEvaluator", Difference::Raised, "DataFlow raises on every category that it knows"),
    ("ReasoningCategoryDatasetEvaluator", Difference::Other, "categories are counted, also those that DataFlow does not know"),
    ("WordNumberFilter", Difference::NumberIsText, "a number is read as its text, which is one word; DataFlow counts 0"),
    ("HashDeduplicateFilter", Difference::NullIsNotNone, NULL_IS_NOT_NONE),
    ("NgramHashDeduplicateFilter", Difference::NullIsNotNone, NULL_IS_NOT_NONE),
    ("SimHashDeduplicateFilter", Difference::NullIsNotNone, NULL_IS_NOT_NONE),
    ("CCNetDeduplicateFilter", Difference::NullIsNotNone, NULL_IS_NOT_NONE),
    ("*", Difference::RaisedOnParameters, "refused at compile, where DataFlow raises in the run on every row"),
    ("MinHashDeduplicateFilter", Difference::NullIsNotNone, NULL_IS_NOT_NONE),
    ("BenchDatasetEvaluator", Difference::TakesParameters, NO_PROMPT),
    ("BenchDatasetEvaluatorQuestion", Difference::TakesParameters, NO_PROMPT),
    ("QAExtractor", Difference::Raised, "a pair without a question is left out, where DataFlow raises on a null"),
    ("UnifiedBenchDatasetEvaluator", Difference::WrittenAsText, "the place of a choice is written as text, since the column holds answers too"),
    (
        "UnifiedBenchDatasetEvaluator",
        Difference::RefusedParameters,
        "a judge needs a serving, and no serving tells the likelihood of a text: told at compile, where DataFlow writes rows without a score",
    ),
    ("LLMOutputParser", Difference::Other, "an image without a caption is called `image`, where DataFlow writes `i m a g e`"),
    ("QA_Merger", Difference::WrittenAsText, "a pair is JSON text, which every format of a file can hold"),
    ("QA_Merger", Difference::Raised, "a folder that is not there is made"),
    ("VQAFormatter", Difference::Other, "no second file is written: the rows are the output"),
    ("ReasoningAnswerNgramFilter", Difference::RefusedParameters, "DataFlow mends senseless bounds silently; ours refuses them at compile"),
];

/// Parameters of DataFlow's operators that ours do not have, and why.
const ABSENT_PARAMETERS: &[(&str, &str, &str)] = &[
    ("SemDeduplicateFilter", "input_keys", EMBEDDINGS_ARE_A_COLUMN),
    ("SemDeduplicateFilter", "model_name", EMBEDDINGS_ARE_A_COLUMN),
    ("SemDeduplicateFilter", "device", EMBEDDINGS_ARE_A_COLUMN),
    ("ReasoningAnswerTokenLengthFilter", "tokenizer_dir", BUILT_IN_VOCABULARY),
    ("KBCChunkGenerator", "tokenizer_name", BUILT_IN_VOCABULARY),
    ("KBCChunkGeneratorBatch", "tokenizer_name", BUILT_IN_VOCABULARY),
    ("ReasoningTokenDatasetEvaluator", "model_name_or_path", BUILT_IN_VOCABULARY),
    ("LexicalDiversityFilter", "output_keys", "both scores are written, with a label each; `metrics` says by which of them rows go"),
    ("CodeAutoGeneratedFilter", "is_generated_func", A_FUNCTION_IS_NO_DATA),
    ("CodeAutoGeneratedSampleEvaluator", "is_generated_func", A_FUNCTION_IS_NO_DATA),
    (
        "BenchDatasetEvaluatorQuestion",
        "support_subquestions",
        "it has the model count right sub-questions in a text of its own form; a row for each sub-question is judged as any other",
    ),
    ("BenchDatasetEvaluatorQuestion", "keep_all_samples", "all rows stay, as with `keep_all_samples: true`; `GeneralFilter` drops those that are not wanted"),
];

/// Differences that no recorded row shows.
const NOT_RECORDED: &[(&str, &str)] = &[
    ("KBCChunkGenerator", "`split_method: semantic` needs a model of embeddings that is not built in, and is refused at compile"),
    ("KBCChunkGeneratorBatch", "`split_method: semantic` needs a model of embeddings that is not built in, and is refused at compile"),
    ("StemmingLemmatizationRefiner", "`method: lemmatization` needs WordNet, which is not built in, and is refused at compile"),
    ("CiderSampleEvaluator", "`idf_path` has to be given: its default in DataFlow is a file of that project"),
    ("PandasOperator", "`process_fn` names columns with expressions of SQL, or functions of Rust; DataFlow takes functions of Python over the whole table"),
    ("GeneralFilter", "`filter_rules` are expressions of SQL; DataFlow takes functions of Python"),
    ("SemDeduplicateFilter", "it compares the vectors of a column that `EmbeddingGenerator` wrote; DataFlow runs a model of its own over texts"),
    ("LLMOutputParser", NAMES_ARE_TAKEN),
    ("PDF_Merger", NAMES_ARE_TAKEN),
    ("QA_Merger", NAMES_ARE_TAKEN),
    ("PDF_Merger", "a file that cannot be read is an error of its row, where DataFlow writes a null"),
    ("VQAFormatter", "`input_qa_item_key` is `qa_item` by default; it is None in DataFlow, which raises on it"),
    (
        "MinerU2LLMInputOperator",
        "the layout is the one with the Markdown's name or else the only one of the folder, and among several others the row fails; DataFlow takes the first of any",
    ),
    ("LLMOutputParser", "`intermediate_dir` is null and not used, since nothing is written in between; DataFlow's default is `intermediate`"),
    ("CharNumberFilter", "with `threshold: 0` an empty text stays, and a null with it; DataFlow drops both whatever the bound is"),
    ("SentenceNumberFilter", "with `min_sentences: 0` an empty text stays, and a null with it; DataFlow drops both whatever the bounds are"),
    ("CodeAutoGeneratedFilter", NULL_CODE_GOES),
    ("CodeDocumentQualityFilter", NULL_CODE_GOES),
    ("CodeEncodedDataFilter", NULL_CODE_GOES),
    ("CodeLengthSampleFilter", NULL_CODE_GOES),
    ("CodeTextCompositionFilter", NULL_CODE_GOES),
    ("CCNetDeduplicateFilter", NULL_IS_NOT_COMPARED),
    ("HashDeduplicateFilter", NULL_IS_NOT_COMPARED),
    ("MinHashDeduplicateFilter", NULL_IS_NOT_COMPARED),
    ("NgramHashDeduplicateFilter", NULL_IS_NOT_COMPARED),
    ("SimHashDeduplicateFilter", NULL_IS_NOT_COMPARED),
    (
        "LangkitFilter",
        "a null is dropped whatever the bounds are and has no label, where an empty text stays if no bound is against it; DataFlow raises on measures without bounds",
    ),
    ("LexicalDiversityFilter", "a null is dropped, where an empty text stays as any that is too short for a score; DataFlow's step ends on a null"),
    ("ReasoningAnswerNgramFilter", "a null is dropped, where with `min_score: 0` an empty text stays; DataFlow takes a null for the word `none`"),
    ("ReasoningAnswerGroundTruthFilter", BARE_NUMBERS),
    ("ReasoningAnswerGroundTruthFilter", BY_VALUE),
    (
        "ReasoningAnswerPipelineRootFilter",
        "a fraction, root, power or tuple at the end of a text is the answer whole, where DataFlow takes the last number in it: 2 of `\\frac{1}{2}`",
    ),
    ("BenchDatasetEvaluator", BARE_NUMBERS),
    ("BenchDatasetEvaluator", BY_VALUE),
    ("BenchDatasetEvaluatorQuestion", BARE_NUMBERS),
    ("BenchDatasetEvaluatorQuestion", BY_VALUE),
    (
        "RemoveEmoticonsRefiner",
        "with `compatibility: dataflow` the list is ours, of 180 emoticons; DataFlow's has 221, of which those of the recorded rows are there",
    ),
    (
        "RemoveContractionsRefiner",
        "with `compatibility: dataflow` endings such as `n't` are written out by rule, and the slang of the recorded rows by a list; DataFlow's library has 48 words of slang",
    ),
    ("BlocklistFilter", "the built-in lists are ours, and shorter, with 97 English and 53 Chinese entries for 403 and 318; `blocklist_path` takes others"),
];

const NULL_CODE_GOES: &str =
    "a null is dropped whatever the bounds are, and so is a record without code, where an empty text has a score and may stay; DataFlow's step ends on a null";

const NULL_IS_NOT_COMPARED: &str = "a null is dropped, since it can be compared with nothing; an empty text is one like any other, and the first stays";

const BARE_NUMBERS: &str = "with `compatibility: dataflow` the reference answer's formula between marks of LaTeX has a value only where it is a number; math_verify also knows formulas with letters in them";

const BY_VALUE: &str = "by our rule `1e3` is 1000, and the percent sign of either answer is left out, where DataFlow leaves out that of the solution's alone";

const BUILT_IN_VOCABULARY: &str =
    "a vocabulary is not downloaded in the run: `tokenizer` chooses among those that are built in, or names a model's `tokenizer.json`";

const EMBEDDINGS_ARE_A_COLUMN: &str = "vectors are a column, which `EmbeddingGenerator` writes with any model of embeddings";

const A_FUNCTION_IS_NO_DATA: &str = "a pipeline is data, and a function of Python is none: `row_filter!` has `GeneralFilter` use one of Rust";

/// The line of [`DEVIATIONS`] that tells of a difference.
fn line_of(differing: &Differing) -> Option<usize> {
    DEVIATIONS.iter().position(|(operator, known, _)| (*operator == "*" || *operator == differing.operator) && *known == differing.difference)
}

#[test]
fn our_rules_do_what_dataflow_does() {
    let Held { differing, rows, absent } = held(Compatibility::Dataflow);
    let met: BTreeSet<_> = differing.iter().filter_map(line_of).collect();
    let wrong: Vec<&str> = differing.iter().filter(|differing| line_of(differing).is_none()).map(|differing| differing.told.as_str()).collect();
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), rows.values().sum::<usize>(), wrong[..wrong.len().min(40)].join("\n"));
    assert_eq!(absent, registry::absent_operators().iter().map(|absent| absent.name).collect::<Vec<_>>(), "operators with vectors that are not registered");
    let stale: Vec<_> = DEVIATIONS.iter().enumerate().filter(|(line, _)| !met.contains(line)).map(|(_, line)| line).collect();
    assert!(stale.is_empty(), "deviations that do not occur: {stale:?}");
    let outcomes: String = differing.iter().filter(|differing| differing.difference.is_held_by_outcome()).map(outcome_line).collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("test_data/rule-outcomes.jsonl");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &outcomes).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let (found, known): (BTreeSet<&str>, BTreeSet<&str>) = (outcomes.lines().collect(), known.lines().collect());
    let (new, gone): (Vec<_>, Vec<_>) = (found.difference(&known).collect(), known.difference(&found).collect());
    assert!(
        new.is_empty() && gone.is_empty(),
        "where ours differs from DataFlow it does another thing than before: now {new:#?}, before {gone:#?}\nhint: `UPDATE_DOCS=1 cargo test --workspace --lib -- deviations` writes it"
    );
}

/// What ours does in a row that differs, as `test_data/rule-outcomes.jsonl` has it.
fn outcome_line(Differing { operator, row: (case, row), difference, outcome, .. }: &Differing) -> String {
    format!("{}\n", serde_json::json!([operator, case, row, format!("{difference:?}"), outcome]))
}

/// A line for each operator with a rule of its own, which is its default: in how many rows it differs from DataFlow's where `compatibility: dataflow` does not.
fn of_own_rules(dataflow: &Held) -> Vec<String> {
    let rows_of = |held: &Held, which: fn(Difference) -> bool| {
        let mut rows: BTreeMap<String, BTreeSet<(usize, usize)>> = BTreeMap::new();
        for differing in held.differing.iter().filter(|differing| which(differing.difference)) {
            rows.entry(differing.operator.clone()).or_default().insert(differing.row);
        }
        rows
    };
    let (own, none) = (held(Compatibility::Own), BTreeSet::new());
    let (own_rows, unmet, dataflow) = (rows_of(&own, |_| true), rows_of(&own, Difference::is_unmet), rows_of(dataflow, |_| true));
    let has_both = registry::operators().iter().copied().filter(|info| info.fields.iter().any(|field| field.name == "compatibility"));
    let line = |info: &OperatorInfo| {
        let differing = own_rows.get(info.name).unwrap_or(&none).difference(dataflow.get(info.name).unwrap_or(&none)).count();
        let rows = own.rows.get(info.name).copied().unwrap_or_default() - unmet.get(info.name).map_or(0, BTreeSet::len);
        let what = sentences_about_dataflow(info.docs.get(Language::En));
        let rows = if rows == 0 { "not held, see above".to_owned() } else { format!("{differing} of {rows}") };
        format!("| [`{}`](operators/en/{}.md) | {rows} | {what} |", info.name, info.category)
    };
    has_both.map(line).collect()
}

/// What a description says of DataFlow, each sentence with the one before it.
fn sentences_about_dataflow(docs: &str) -> String {
    let text = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentences: Vec<&str> = text.split_inclusive(". ").collect();
    let about = |place: usize| sentences.get(place).is_some_and(|sentence| sentence.contains("DataFlow") || sentence.contains("compatibility: dataflow"));
    let told: String = (0..sentences.len()).filter(|place| about(*place) || about(place + 1)).map(|place| sentences[place]).collect();
    assert!(told.contains("compatibility: dataflow"), "what differs is not told: {docs}");
    told.trim().replace('|', "\\|")
}

#[test]
fn a_parameter_that_is_absent_is_one_of_no_operator_here() {
    for (operator, _) in NOT_RECORDED {
        assert!(registry::operator(operator).is_some(), "`{operator}` is not registered");
    }
    for (operator, parameter, _) in ABSENT_PARAMETERS {
        let info = registry::operator(operator).unwrap();
        assert!(info.fields.iter().all(|field| field.name != *parameter), "`{operator}` has `{parameter}`");
    }
}

/// `docs/deviations.md`, made of the tables above. `UPDATE_DOCS=1 cargo test --workspace --lib -- deviations` writes it anew.
#[test]
fn the_page_of_deviations_is_up_to_date() {
    let held = held(Compatibility::Dataflow);
    let rows_of = |line: usize| {
        let told = held.differing.iter().filter(|differing| line_of(differing) == Some(line));
        told.map(|differing| (&differing.operator, differing.row)).collect::<BTreeSet<_>>().len()
    };
    let mut lines: Vec<String> = DEVIATIONS
        .iter()
        .enumerate()
        .map(|(line, (operator, difference, reason))| {
            let operator = if *operator == "*" { "all".to_owned() } else { format!("`{operator}`") };
            format!("| {operator} | {} | {} | {} |", difference.told(), rows_of(line), reason.replace('|', "\\|"))
        })
        .collect();
    lines.sort_by_key(|line| (!line.starts_with("| all"), line.clone()));
    let not_recorded: Vec<String> = NOT_RECORDED.iter().map(|(name, what)| format!("| `{name}` | {what} |")).collect();
    let absent: Vec<String> = registry::absent_operators().iter().map(|absent| format!("| `{}` | {} |", absent.name, absent.why.en)).collect();
    let parameters: Vec<String> =
        ABSENT_PARAMETERS.iter().map(|(operator, parameter, reason)| format!("| `{operator}` | `{parameter}` | {reason} |")).collect();
    let text = format!(
        "# Where the rules differ from OpenDCAI DataFlow 1.0.13\n\n\
        Each rule is held against inputs and outcomes recorded from DataFlow. What differs there is listed here, and a difference that is not listed fails a test. \
        Operators with a parameter `compatibility` are held with `compatibility: dataflow`; what they do without it is told below. \
        A line for all tells of a row only where a cell that the operator itself reads is null or a number and what comes of it is what the line says; \
        and of parameters where all their rows failed in DataFlow.\n\n\
        | Operator | Where | Recorded rows | What differs, or why |\n| --- | --- | --- | --- |\n{}\n\n\
        ## Rules of our own\n\n\
        By default these operators do otherwise than DataFlow; with `compatibility: dataflow` they do as it does. The number is that of recorded rows with another outcome, of those whose parameters are taken.\n\n\
        | Operator | Recorded rows | What differs |\n| --- | --- | --- |\n{}\n\n\
        ## Beyond the recorded rows\n\n| Operator | What differs |\n| --- | --- |\n{}\n\n\
        ## Pipelines\n\n`text_pt_filter` has the 23 rules of DataFlow's in another order: blank pages go first, and white space is tidied last, since a tidied page is one line, and three of the rules look at lines.\n\n\
        ## Absent\n\n| Operator | Why |\n| --- | --- |\n{}\n\n\
        ## Absent parameters\n\n| Operator | Parameter | Why, and what does its work |\n| --- | --- | --- |\n{}\n",
        lines.join("\n"),
        of_own_rules(&held).join("\n"),
        not_recorded.join("\n"),
        absent.join("\n"),
        parameters.join("\n"),
    );
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deviations.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/deviations.md is not up to date\nhint: `UPDATE_DOCS=1 cargo test --workspace --lib -- deviations` writes it");
}
