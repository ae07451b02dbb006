//! Who answers, and what has been answered: the API client, the demo model and the reply journal.

pub mod api;
pub mod demo;
pub mod environment;
pub mod gateway;
pub mod gateway_serving;
mod http;
pub mod journal;
pub mod local;
mod options;
pub mod pool;
mod secret;

pub use api::ApiServing;
pub use demo::DemoServing;
pub use environment::EnvServing;
pub use gateway_serving::GatewayServing;
pub use journal::FileJournal;
pub use local::LocalServing;
pub use options::start_paths_from;
pub use pool::PoolServing;
pub use secret::Secret;
