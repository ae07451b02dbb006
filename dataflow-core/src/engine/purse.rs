//! What a run may spend: asked before each call, told after it.

use futures::future::BoxFuture;

use crate::serving::{Chat, Reply};

/// What is held back for a call until it is known what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Held {
    /// Tokens of the question and of the reply.
    pub tokens: f64,
    /// What they would cost.
    pub money: f64,
}

/// Holds a run to what it may spend.
///
/// The engine asks it before each call and tells it after, so that what is in flight counts too. Answers of the journal are not asked for.
pub trait Purse: Send + Sync {
    /// Holds something back for a call; waits where others may leave enough. `None` where none is to be made any more: whoever says so has asked the run to stop,
    /// and the row is left for another run.
    fn reserve<'a>(&'a self, chat: &'a Chat) -> BoxFuture<'a, Option<Held>>;

    /// Counts what a call took in place of what was held back for it; nothing came of it where there is no reply.
    fn settle(&self, chat: &Chat, held: Held, reply: Option<&Reply>);

    /// What all calls have cost, where that is known.
    fn money(&self) -> Option<f64> {
        None
    }
}
