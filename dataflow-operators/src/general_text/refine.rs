//! Refiners of running text.

mod remove_extra_spaces_refiner;

pub use remove_extra_spaces_refiner::RemoveExtraSpacesRefiner;
