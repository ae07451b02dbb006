//! DataFlow's operators, one file each: `<category>/<kind>/<operator>.rs`, with the prompts that they use.
//!
//! A program that names this crate nowhere is not linked with it, and knows no operator: `use dataflow_operators as _;`.

pub mod agentic_rag;
pub mod answer;
pub mod compatibility;
pub mod conversations;
pub mod core_text;
mod deduplication;
mod filled;
pub mod general_text;
mod ngram;
mod porter;
mod python;
pub mod reasoning;
#[cfg(test)]
mod rule_vectors;
mod score_columns;
pub mod text_pt;
pub mod text_sft;
mod treebank;
mod word_list;

#[cfg(test)]
mod tests {
    use dataflow_core::registry;

    #[test]
    fn every_operator_is_linked_and_has_a_name_of_its_own() {
        registry::check().unwrap();
        let names: Vec<&str> = registry::operators().iter().map(|info| info.name).collect();
        insta::assert_snapshot!(names.join("\n"), @r"
        AgenticRAGDepthQAGenerator
        AlphaWordsFilter
        BenchDatasetEvaluator
        BleuSampleEvaluator
        BlocklistFilter
        CCNetDeduplicateFilter
        CapitalWordsFilter
        CharNumberFilter
        ColonEndFilter
        CondorGenerator
        ContentNullFilter
        CurlyBracketFilter
        FormatStrPromptedGenerator
        GeneralFilter
        HashDeduplicateFilter
        HtmlEntityFilter
        HtmlEntityRefiner
        HtmlUrlRemoverRefiner
        IDCardFilter
        LexicalDiversityFilter
        LexicalDiversitySampleEvaluator
        LineEndWithEllipsisFilter
        LineStartWithBulletpointFilter
        LineWithJavascriptFilter
        LoremIpsumFilter
        LowercaseRefiner
        MeanWordLengthFilter
        MinHashDeduplicateFilter
        MultiTurnConversationGenerator
        NgramFilter
        NgramHashDeduplicateFilter
        NgramSampleEvaluator
        NoPuncFilter
        PromptedEvaluator
        PromptedFilter
        PromptedGenerator
        PromptedRefiner
        RandomDomainKnowledgeRowGenerator
        ReasoningAnswerGenerator
        ReasoningAnswerModelJudgeFilter
        ReasoningAnswerNgramFilter
        ReasoningQuestionFilter
        ReasoningQuestionGenerator
        RecordGenerator
        ReferenceRemoverRefiner
        RemoveContractionsRefiner
        RemoveEmojiRefiner
        RemoveEmoticonsRefiner
        RemoveExtraSpacesRefiner
        RemoveImageRefsRefiner
        RemoveNumberRefiner
        RemovePunctuationRefiner
        RemoveRepetitionsPunctuationRefiner
        RemoveStopwordsRefiner
        SentenceNumberFilter
        SimHashDeduplicateFilter
        SpecialCharacterFilter
        StemmingLemmatizationRefiner
        StopWordFilter
        SymbolWordRatioFilter
        Text2QAGenerator
        TextNormalizationRefiner
        UniqueWordsFilter
        WatermarkFilter
        WordNumberFilter
        ");
    }
}
