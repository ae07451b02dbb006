//! Refiners of running text.

mod html_url_remover_refiner;
mod remove_emoji_refiner;
mod remove_extra_spaces_refiner;

pub use html_url_remover_refiner::HtmlUrlRemoverRefiner;
pub use remove_emoji_refiner::RemoveEmojiRefiner;
pub use remove_extra_spaces_refiner::RemoveExtraSpacesRefiner;
