//! Who answers, and what has been answered: the API client, the demo model and the reply journal.

pub mod api;
pub mod demo;
pub mod environment;
pub mod gateway;
pub mod journal;
mod options;
pub mod pool;
mod secret;

pub use api::ApiServing;
pub use demo::DemoServing;
pub use environment::EnvServing;
pub use journal::FileJournal;
pub use pool::PoolServing;
pub use secret::Secret;
