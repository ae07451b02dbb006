//! Generators of questions for searching agents.

mod agentic_rag_depth_qa_generator;

pub use agentic_rag_depth_qa_generator::{
    AgenticRAGDepthQAGenerator, DepthQAGeneratorAnswerPrompt, DepthQAGeneratorBackwardTaskPrompt, DepthQAGeneratorGetIdentifierPrompt,
    DepthQAGeneratorQuestionPrompt, DepthQAGeneratorRecallScorePrompt, DepthQAGeneratorSupersetCheckPrompt,
};
