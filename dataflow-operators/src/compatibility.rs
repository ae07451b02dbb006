//! Whose rule is followed where DataFlow's has a fault that people may depend on.

use dataflow_core::private::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

/// Whose rule an operator follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compatibility {
    /// The one of this project.
    #[default]
    Own,
    /// DataFlow's, faults and all.
    Dataflow,
}
