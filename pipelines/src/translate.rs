//! Texts translated there and back.

use dataflow::operators::core_text::PromptedGenerator;
use dataflow::prelude::*;

/// Translates each text into Chinese and that into English again, and sums it up.
pub fn translate() -> Result<Pipeline> {
    let storage = FileStorage::at("example_data/core_text/translate.jsonl").output("out/translated.jsonl").cache_path("cache/translate");
    let mut pipeline = Pipeline::new("translate", storage);
    pipeline.serving("default", EnvServing::new());

    pipeline
        .step(PromptedGenerator {
            system_prompt: "Translate the text into Chinese. Give the translation alone.".into(),
            input_key: "raw_content".into(),
            output_key: "content_zh".into(),
            ..Default::default()
        })
        .named("chinese");
    pipeline
        .step(PromptedGenerator {
            system_prompt: "Translate the text into English. Give the translation alone.".into(),
            input_key: "content_zh".into(),
            output_key: "content_back".into(),
            ..Default::default()
        })
        .named("back");
    pipeline
        .step(PromptedGenerator {
            system_prompt: "Summarise the text in one sentence, in the text's own language.".into(),
            input_key: "content_back".into(),
            output_key: "summary".into(),
            ..Default::default()
        })
        .named("summary");
    Ok(pipeline)
}
