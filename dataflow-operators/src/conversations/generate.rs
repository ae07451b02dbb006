//! Generators of dialogues.

mod multi_turn_conversation_generator;

pub use multi_turn_conversation_generator::{
    ConversationAssistantPrompt, ConversationSystemPrompt, ConversationToolPrompt, ConversationUserPrompt, MultiTurnConversationGenerator,
};
