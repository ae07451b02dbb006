//! Reasoning questions: filtered, varied, answered, judged.

use dataflow::operators::reasoning::{
    GeneralAnswerGeneratorPrompt, GeneralQuestionFilterPrompt, GeneralQuestionSynthesisPrompt, ReasoningAnswerGenerator, ReasoningAnswerModelJudgeFilter,
    ReasoningAnswerNgramFilter, ReasoningQuestionFilter, ReasoningQuestionGenerator,
};
use dataflow::prelude::*;

/// Keeps questions that can be answered, makes a new one of each, answers all, has the answers judged where there is a reference,
/// and drops answers that repeat themselves.
pub fn general_reasoning() -> Result<Pipeline> {
    let storage = FileStorage::at("example_data/reasoning/general.jsonl").output("out/general_reasoning.jsonl").cache_path("cache/general_reasoning");
    let mut pipeline = Pipeline::new("general_reasoning", storage);
    pipeline.serving("default", EnvServing::new());

    pipeline
        .step(ReasoningQuestionFilter { prompt_template: GeneralQuestionFilterPrompt.into(), input_key: "instruction".into(), ..Default::default() })
        .named("question_filter");
    pipeline
        .step(ReasoningQuestionGenerator {
            num_prompts: 1,
            prompt_template: GeneralQuestionSynthesisPrompt.into(),
            input_key: "instruction".into(),
            ..Default::default()
        })
        .named("question_generator");
    pipeline
        .step(ReasoningAnswerGenerator {
            prompt_template: GeneralAnswerGeneratorPrompt.into(),
            input_key: "instruction".into(),
            output_key: "generated_cot".into(),
        })
        .named("answer_generator");
    let judge = ReasoningAnswerModelJudgeFilter {
        keep_all_samples: true,
        input_question_key: "instruction".into(),
        input_answer_key: "generated_cot".into(),
        input_reference_key: "golden_answer".into(),
        ..Default::default()
    };
    pipeline.step(judge).named("answer_judge");
    pipeline
        .step(ReasoningAnswerNgramFilter {
            min_score: 0.1,
            max_score: 1.0,
            ngrams: 5,
            input_question_key: "instruction".into(),
            input_answer_key: "generated_cot".into(),
            ..Default::default()
        })
        .named("answer_ngram");
    Ok(pipeline)
}
