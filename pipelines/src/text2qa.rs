//! Questions and answers out of passages.

use dataflow::operators::core_text::{PromptedFilter, Text2QAGenerator};
use dataflow::prelude::*;

/// Makes two questions with answers of each passage, and keeps the questions that are clear.
pub fn text2qa() -> Result<Pipeline> {
    let storage = FileStorage::at("example_data/core_text/text2qa.jsonl").output("out/text2qa.jsonl").cache_path("cache/text2qa");
    let mut pipeline = Pipeline::new("text2qa", storage);
    pipeline.serving("default", EnvServing::new());

    pipeline.step(Text2QAGenerator { input_question_num: 2, input_key: "text".into(), ..Default::default() }).named("qa");
    let judge = PromptedFilter {
        system_prompt: "Rate how clear and well posed this question is, from 1 (useless) to 5 (excellent).".into(),
        min_score: 3,
        input_key: "generated_question".into(),
        output_key: "question_score".into(),
        ..Default::default()
    };
    pipeline.step(judge).named("clear_questions");
    Ok(pipeline)
}
