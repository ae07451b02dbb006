//! Refiners of running text.

mod html_entity_refiner;
mod html_url_remover_refiner;
mod lowercase_refiner;
mod reference_remover_refiner;
mod remove_contractions_refiner;
mod remove_emoji_refiner;
mod remove_emoticons_refiner;
mod remove_extra_spaces_refiner;
mod remove_image_refs_refiner;
mod remove_number_refiner;
mod remove_punctuation_refiner;
mod remove_repetitions_punctuation_refiner;
mod remove_stopwords_refiner;
mod spelling_correction_refiner;
mod stemming_lemmatization_refiner;
mod text_normalization_refiner;

pub use html_entity_refiner::HtmlEntityRefiner;
pub use html_url_remover_refiner::HtmlUrlRemoverRefiner;
pub use lowercase_refiner::LowercaseRefiner;
pub use reference_remover_refiner::ReferenceRemoverRefiner;
pub use remove_contractions_refiner::RemoveContractionsRefiner;
pub use remove_emoji_refiner::RemoveEmojiRefiner;
pub use remove_emoticons_refiner::RemoveEmoticonsRefiner;
pub use remove_extra_spaces_refiner::RemoveExtraSpacesRefiner;
pub use remove_image_refs_refiner::RemoveImageRefsRefiner;
pub use remove_number_refiner::RemoveNumberRefiner;
pub use remove_punctuation_refiner::RemovePunctuationRefiner;
pub use remove_repetitions_punctuation_refiner::RemoveRepetitionsPunctuationRefiner;
pub use remove_stopwords_refiner::RemoveStopwordsRefiner;
pub use spelling_correction_refiner::SpellingCorrectionRefiner;
pub use stemming_lemmatization_refiner::{ReductionMethod, StemmingLemmatizationRefiner};
pub use text_normalization_refiner::TextNormalizationRefiner;
