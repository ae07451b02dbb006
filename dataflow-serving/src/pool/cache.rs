//! Answers that were given before: of calls that are on their way, and from the reply journal.
//!
//! An error is never kept, nor a reply that was cut; and an answer belongs to its own question alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow_core::Result;
use dataflow_core::journal::{Journal, QuestionKey};
use dataflow_core::serving::Reply;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::watch;

use crate::FileJournal;

/// `on` or `off`, which some of YAML's readers take for truth values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(with = "WrittenSwitch")]
pub enum Switch {
    /// Off.
    #[default]
    Off,
    /// On.
    On,
}

/// How a switch may be written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the schema alone")]
enum WrittenSwitch {
    Word(SwitchWord),
    Bool(bool),
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "tells the schema alone")]
enum SwitchWord {
    On,
    Off,
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Bool(bool),
            Text(String),
        }
        match Given::deserialize(deserializer)? {
            Given::Bool(true) => Ok(Self::On),
            Given::Bool(false) => Ok(Self::Off),
            Given::Text(text) => match text.to_ascii_lowercase().as_str() {
                "on" | "yes" | "true" => Ok(Self::On),
                "off" | "no" | "false" | "" => Ok(Self::Off),
                other => Err(serde::de::Error::custom(format!("expected `on` or `off`, found `{other}`"))),
            },
        }
    }
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was asked for.
    Asked,
    /// An equal call that was on its way.
    Shared,
    /// The journal.
    Journal,
}

/// What may become of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Others who ask the same may have it.
    ByAll,
    /// It is whoever's asked for it, such as one that was cut.
    Once,
}

/// The answers that may be given again.
#[derive(Debug)]
pub(crate) struct ReplyCache {
    journal: Arc<dyn Journal>,
    on_their_way: Mutex<HashMap<QuestionKey, watch::Receiver<OnItsWay>>>,
}

#[derive(Clone, Debug)]
enum OnItsWay {
    Asked,
    Answered(Reply),
    /// It failed, or may not be used by others.
    NotForAll,
}

impl ReplyCache {
    /// Opens the journal in a folder.
    pub fn open(folder: &Path) -> Result<Self> {
        Ok(Self { journal: FileJournal::open(folder)?, on_their_way: Mutex::default() })
    }

    /// The answer to a question: the journal's, that of an equal call on its way, or what `ask` gives.
    ///
    /// Where the call that others wait for fails, each of them asks for itself; where its caller leaves, the next one asks for all.
    pub async fn answer<E>(&self, key: QuestionKey, ask: impl Future<Output = Result<(Reply, Use), E>>) -> Result<(Reply, Origin), E> {
        let sender = loop {
            match self.journal.get(key) {
                Ok(Some(reply)) => return Ok((reply, Origin::Journal)),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the reply journal cannot be read"),
            }
            let mut equal = match self.on_their_way().entry(key) {
                Entry::Occupied(entry) => entry.get().clone(),
                Entry::Vacant(entry) => {
                    let (sender, receiver) = watch::channel(OnItsWay::Asked);
                    entry.insert(receiver);
                    break Some(sender);
                }
            };
            let ended = equal.wait_for(|state| !matches!(state, OnItsWay::Asked)).await.ok().map(|state| state.clone());
            match ended {
                Some(OnItsWay::Answered(reply)) => return Ok((reply, Origin::Shared)),
                Some(_) => break None,
                None => {} // its caller has left
            }
        };
        let Some(sender) = sender else { return ask.await.map(|(reply, _)| (reply, Origin::Asked)) };
        let registered = Registered(self, key);
        let answer = ask.await;
        let told = match &answer {
            Ok((reply, Use::ByAll)) => {
                if let Err(error) = self.journal.put(key, reply).await {
                    tracing::warn!(%error, "the reply journal cannot be written");
                }
                OnItsWay::Answered(reply.clone())
            }
            _ => OnItsWay::NotForAll,
        };
        drop(registered);
        sender.send_replace(told);
        answer.map(|(reply, _)| (reply, Origin::Asked))
    }

    fn on_their_way(&self) -> MutexGuard<'_, HashMap<QuestionKey, watch::Receiver<OnItsWay>>> {
        self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a question out of those on their way, also where its caller leaves.
struct Registered<'a>(&'a ReplyCache, QuestionKey);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.0.on_their_way().remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::join_all;

    use super::*;

    fn key(number: u8) -> QuestionKey {
        QuestionKey([number; 16])
    }

    fn reply(content: &str) -> Reply {
        Reply { content: content.into(), ..Reply::default() }
    }

    /// Asks so many equal questions at once; what each of them got, and how often it was asked for.
    async fn at_once(cache: &ReplyCache, count: usize, answer: impl Fn(usize) -> Result<(Reply, Use), &'static str> + Sync) -> (Vec<Origin>, usize, usize) {
        let asked = AtomicUsize::new(0);
        let (asked, answer) = (&asked, &answer);
        let calls = (0..count).map(|_| {
            cache.answer(key(1), async move {
                let number = asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
                answer(number)
            })
        });
        let answers = join_all(calls).await;
        let failed = answers.iter().filter(|answer| answer.is_err()).count();
        (answers.into_iter().flatten().map(|(_, origin)| origin).collect(), failed, asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn equal_calls_are_one_and_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ReplyCache::open(folder.path()).unwrap();
        let (origins, failed, asked) = at_once(&cache, 5, |_| Ok((reply("a"), Use::ByAll))).await;
        assert_eq!((origins.iter().filter(|origin| **origin == Origin::Shared).count(), failed, asked), (4, 0, 1));
        let again = cache.answer(key(1), async { Err("not asked") }).await;
        assert_eq!(again, Ok((reply("a"), Origin::Journal)));
        let other = cache.answer(key(2), async { Ok::<_, Infallible>((reply("b"), Use::ByAll)) }).await;
        assert_eq!(other, Ok((reply("b"), Origin::Asked)));
        assert!(cache.on_their_way().is_empty());
    }

    #[tokio::test]
    async fn errors_and_what_was_cut_are_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ReplyCache::open(folder.path()).unwrap();
        let (origins, failed, asked) = at_once(&cache, 4, |number| if number == 0 { Err("no") } else { Ok((reply("a"), Use::Once)) }).await;
        assert_eq!((origins, failed, asked), (vec![Origin::Asked; 3], 1, 4));
        let again = cache.answer(key(1), async { Ok::<_, Infallible>((reply("new"), Use::Once)) }).await;
        assert_eq!(again, Ok((reply("new"), Origin::Asked)), "it was not kept");
    }

    #[tokio::test]
    async fn where_a_caller_leaves_the_next_one_asks_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ReplyCache::open(folder.path()).unwrap();
        let leaves = tokio::time::timeout(Duration::from_millis(20), cache.answer(key(1), std::future::pending::<Result<(Reply, Use), Infallible>>()));
        let (left, others) = tokio::join!(leaves, at_once(&cache, 3, |_| Ok((reply("a"), Use::ByAll))));
        assert!(left.is_err());
        assert_eq!((others.0.len(), others.1, others.2), (3, 0, 1));
    }

    #[test]
    fn a_switch_is_read_in_every_spelling() {
        let check = |text: &str| serde_yaml::from_str::<Switch>(text).ok();
        assert!(["on", "true", "yes", "'on'"].iter().all(|text| check(text) == Some(Switch::On)));
        assert!(["off", "false", "no"].iter().all(|text| check(text) == Some(Switch::Off)));
        assert_eq!(check("maybe"), None);
    }
}
