//! What has been answered and paid for: a durable map from questions to replies.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::serving::{Chat, LLMServing, Reply};

/// The name of a question: a hash of everything that shapes its answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionKey(pub [u8; 16]);

impl QuestionKey {
    /// Hashes the serving's identity, the messages, the sampling, the schema and the sample number.
    pub fn of(serving: &dyn LLMServing, chat: &Chat) -> Self {
        Self::of_identity(&serving.identity().to_string(), chat)
    }

    /// As [`of`](Self::of), with the serving's identity written out already.
    pub fn of_identity(identity: &str, chat: &Chat) -> Self {
        let mut text = Vec::with_capacity(1024);
        text.extend_from_slice(&(identity.len() as u64).to_le_bytes());
        text.extend_from_slice(identity.as_bytes());
        serde_json::to_writer(&mut text, chat).unwrap_or_default(); // a vector takes every byte, and a chat has nothing that JSON has not
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(&text).as_bytes()[..16]);
        Self(key)
    }
}

impl fmt::Display for QuestionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for QuestionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A durable map from questions to replies. Shared by all pipelines of one path.
///
/// Failed and truncated replies are never put in. When [`put`](Self::put) returns, a killed process no longer loses the reply.
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync + 'static {
    /// The reply to a question, where one is kept.
    fn get(&self, key: QuestionKey) -> Result<Option<Reply>>;

    /// Keeps a reply; returns when it is out of the process's hands.
    async fn put(&self, key: QuestionKey, reply: &Reply) -> Result<()>;

    /// Forgets a reply that turned out to be of no use, so that it is asked for anew.
    async fn forget(&self, key: QuestionKey) -> Result<()>;

    /// Returns when all that was put is on the disk.
    async fn sync(&self) -> Result<()>;
}

/// How a journal at a path is opened; the serving library registers the one that there is.
pub struct JournalOpener {
    /// Opens or makes the journal at a path.
    pub open: fn(&Path) -> Result<Arc<dyn Journal>>,
}

inventory::collect!(JournalOpener);

/// Opens the journal at a path with the registered opener.
pub fn open_journal(path: &Path) -> Result<Arc<dyn Journal>> {
    match inventory::iter::<JournalOpener>().next() {
        Some(opener) => (opener.open)(path),
        None => Err(crate::Error::Configuration("no journal is linked into this program\nhint: depend on the `dataflow` crate".into())),
    }
}
