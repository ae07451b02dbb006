//! Pay once: between an operator's question and the serving stand the journal, the equal questions in flight, and the limit of calls.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::purse::Purse;
use super::report::{LiveRun, StepCounts, add};
use super::stage::Shared;
use super::stop::Stop;
use crate::error::{Error, Result};
use crate::journal::{Journal, QuestionKey};
use crate::model::Answers;
use crate::serving::{Chat, Embeddings, ErrorClass, Finish, LLMServing, Reply, ServingError};
use crate::storage::Arrival;

/// A serving within one run: all steps that name it share its limit.
pub(crate) struct Served {
    name: String,
    serving: Arc<dyn LLMServing>,
    identity: String,
    calls: Semaphore,
    /// Questions in flight, each with a way to the rows that ask the same, where there are any.
    in_flight: Mutex<HashMap<QuestionKey, Option<watch::Sender<Awaited>>>>,
    journal: Option<Arc<dyn Journal>>,
    reads_journal: bool,
    answered: AtomicU64,
    unreachable_in_a_row: AtomicU64,
    purse: Option<Arc<dyn Purse>>,
    stop: Stop,
    failed: Stop,
}

/// The answer to a question in flight, for the rows that ask the same.
type Awaited = Option<Result<Reply, ServingError>>;

/// So many calls in a row without a connection end the run, though some were answered before.
const UNREACHABLE_IN_A_ROW: u64 = 20;

impl Served {
    pub fn new(name: &str, serving: Arc<dyn LLMServing>, journal: Option<Arc<dyn Journal>>, reads_journal: bool, shared: &Shared) -> Self {
        Self {
            name: name.to_owned(),
            identity: serving.identity().to_string(),
            calls: Semaphore::new(if serving.limits_itself() { Semaphore::MAX_PERMITS } else { serving.max_concurrency().max(1) }),
            serving,
            in_flight: Mutex::default(),
            journal,
            reads_journal,
            answered: AtomicU64::new(0),
            unreachable_in_a_row: AtomicU64::new(0),
            purse: shared.purse.clone(),
            stop: shared.stop.clone(),
            failed: shared.failed.clone(),
        }
    }

    /// Rows that a step should have in work, so that some are ready whenever a call ends. Where others might buy again what is not written, these are no more than its calls.
    pub fn rows_in_work(&self, arrival: Arrival) -> usize {
        let calls = self.serving.max_concurrency().max(1);
        if arrival == Arrival::AtOnce { calls } else { calls * 2 + 16 }
    }

    async fn call(&self, chat: &Chat, counts: &StepCounts) -> Result<Result<Reply, ServingError>> {
        let permit = self.permit().await?;
        let held = match &self.purse {
            Some(purse) => Some((purse, purse.reserve(chat).await.ok_or(Error::Stopped)?)),
            None => None,
        };
        let answer = self.serving.chat(chat).await;
        drop(permit);
        if let Some((purse, held)) = held {
            purse.settle(chat, held, answer.as_ref().ok());
        }
        match &answer {
            Ok(reply) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                self.unreachable_in_a_row.store(0, Ordering::Relaxed);
                add(&counts.calls, 1);
                add(&counts.input_tokens, reply.usage.input_tokens);
                add(&counts.output_tokens, reply.usage.output_tokens);
            }
            Err(error) if (self.stop.is_asked() || self.failed.is_asked()) && error.class.may_pass() => return Err(Error::Stopped),
            Err(error) => self.ends_the_run(error)?,
        }
        Ok(answer)
    }

    /// Leave to make a call; none is begun any more once the run was asked to stop.
    async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        let permit = self.calls.acquire().await.map_err(|_| Error::Stopped)?;
        if self.stop.is_asked() || self.failed.is_asked() { Err(Error::Stopped) } else { Ok(permit) }
    }

    /// Buying on is of no use when the service was never reached, refuses the key or has nothing left.
    fn ends_the_run(&self, error: &ServingError) -> Result<()> {
        let ends = match error.class {
            ErrorClass::Quota | ErrorClass::Auth => true,
            ErrorClass::Unreachable => {
                let in_a_row = self.unreachable_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
                self.answered.load(Ordering::Relaxed) == 0 || in_a_row >= UNREACHABLE_IN_A_ROW
            }
            _ => false,
        };
        if ends { Err(Error::Unreachable { serving: self.name.clone(), message: error.message.clone(), class: error.class }) } else { Ok(()) }
    }

    fn in_flight(&self) -> MutexGuard<'_, HashMap<QuestionKey, Option<watch::Sender<Awaited>>>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question in flight. It is taken out when it is dropped: whoever waits for its answer then asks, since the row that asked was given up.
struct InFlight<'a>(Option<(&'a Served, QuestionKey)>);

impl InFlight<'_> {
    /// Takes it out with the way to those who wait for its answer.
    fn end(mut self) -> Option<watch::Sender<Awaited>> {
        let (served, key) = self.0.take()?;
        served.in_flight().remove(&key).flatten()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some((served, key)) = self.0 {
            served.in_flight().remove(&key);
        }
    }
}

/// The answers of one step.
pub(crate) struct StepAnswers {
    pub served: Arc<Served>,
    pub live: Arc<LiveRun>,
    /// The step's place in the live run.
    pub place: usize,
}

impl StepAnswers {
    fn counts(&self) -> &StepCounts {
        &self.live.steps[self.place].3
    }

    async fn ask(&self, key: QuestionKey, chat: &Chat) -> Result<Reply> {
        let served = &*self.served;
        loop {
            if served.reads_journal
                && let Some(journal) = &served.journal
                && let Some(reply) = journal.get(key)?
            {
                add(&self.counts().from_journal, 1);
                return Ok(reply);
            }
            // Either this row asks, or it waits for a row that asks the same.
            let same = match served.in_flight().entry(key) {
                Entry::Occupied(mut entry) => Some(entry.get_mut().get_or_insert_with(|| watch::Sender::new(None)).subscribe()),
                Entry::Vacant(entry) => {
                    entry.insert(None);
                    None
                }
            };
            if let Some(mut same) = same {
                match same.wait_for(Option::is_some).await.ok().and_then(|shared| shared.clone()) {
                    Some(shared) => {
                        add(&self.counts().shared, 1);
                        return Ok(shared?);
                    }
                    None => continue, // the row that asked was given up
                }
            }
            let asking = InFlight(Some((served, key)));
            let answer = served.call(chat, self.counts()).await?;
            if let (Ok(reply), Some(journal)) = (&answer, &served.journal)
                && reply.finish != Finish::Length
            {
                journal.put(key, reply).await?;
            }
            if let Some(others) = asking.end() {
                others.send_replace(Some(answer.clone()));
            }
            return Ok(answer?);
        }
    }
}

#[async_trait]
impl Answers for StepAnswers {
    async fn answer(&self, chat: &Chat) -> Result<Reply> {
        self.ask(QuestionKey::of_identity(&self.served.identity, chat), chat).await
    }

    async fn forget(&self, chat: &Chat) -> Result<()> {
        match &self.served.journal {
            Some(journal) => journal.forget(QuestionKey::of_identity(&self.served.identity, chat)).await,
            None => Ok(()),
        }
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings> {
        let _permit = self.served.permit().await?;
        let embeddings = self.served.serving.embed(texts).await.inspect_err(|error| tracing::debug!(%error, "embedding failed"))?;
        let counts = self.counts();
        add(&counts.calls, 1);
        add(&counts.input_tokens, embeddings.usage.input_tokens);
        Ok(embeddings)
    }

    fn count_reask(&self) {
        add(&self.counts().reasks, 1);
    }
}
