//! Holds a run to its budget: what a call will take is held back before it is made, so that what is in flight counts too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow_core::Stop;
use dataflow_core::engine::{Held, Purse};
use dataflow_core::serving::{Chat, Reply};
use dataflow_serving::PoolServing;
use dataflow_serving::pool::Prices;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use super::{Budget, Process, ProcessConfiguration};

/// Tokens that a reply is thought to take before one has come, where nothing limits it.
const UNKNOWN_REPLY: f64 = 256.0;

/// What a batch has spent, and what it may spend.
#[derive(Debug)]
pub struct Ledger {
    budget: Budget,
    /// The most calls at once.
    batch_size: u64,
    prices: Option<Prices>,
    pool: Option<Arc<PoolServing>>,
    stop: Stop,
    account: Mutex<Account>,
    settled: Notify,
}

#[derive(Debug, Default)]
struct Account {
    /// Tokens of all calls that have ended.
    spent: f64,
    /// What is held back for the calls in flight.
    held: Held,
    in_flight: u64,
    replies: u64,
    /// Tokens of the questions that were answered, as they were thought to be and as they were, and of the replies.
    thought: f64,
    input: f64,
    output: f64,
    is_over: bool,
    /// What was to be held back for the call that ended the run.
    refused: Option<Held>,
}

/// What becomes of a call that is to be made.
enum Decision {
    Made(Held),
    Waits,
    Refused,
}

impl Ledger {
    /// The ledger of a batch that is about to run, which it stops by `stop` once its budget is spent.
    pub fn new(configuration: &ProcessConfiguration, process: &Process, stop: Stop) -> Self {
        let pool = process.pool.clone();
        let prices = configuration.prices(pool.as_deref());
        let batch_size = configuration.datasource.concurrency.batch_size as u64;
        Self { budget: configuration.budget, batch_size, prices, pool, stop, account: Mutex::default(), settled: Notify::new() }
    }

    /// What a call would have taken, where the budget was too small for even one.
    pub fn too_small(&self) -> Option<String> {
        let account = self.account();
        let needed = account.refused.filter(|_| account.replies == 0)?;
        let tokens = self.budget.tokens.map(|most| format!("about {:.0} tokens, and `budget.tokens` is {most}", needed.tokens));
        let money = self.budget.money.map(|most| format!("about {:.6} in money, and `budget.money` is {most}", needed.money));
        Some(tokens.into_iter().chain(money).collect::<Vec<_>>().join("; "))
    }

    /// What was spent of what, where the budget ended the run.
    pub fn over(&self) -> Option<String> {
        let account = self.account();
        let tokens = self.budget.tokens.map(|most| format!("{:.0} of {most} tokens are spent", account.spent));
        let money = self.budget.money.map(|most| format!("{:.4} of {most} in money is spent", self.money().unwrap_or_default()));
        let is_over = account.is_over && account.replies > 0;
        is_over.then(|| format!("{}, and the next call would take more than is left", tokens.into_iter().chain(money).collect::<Vec<_>>().join(" and ")))
    }

    /// Calls on their way.
    pub fn in_flight(&self) -> u64 {
        match self.pool.as_ref().and_then(|pool| pool.pool().ok()) {
            // Of the calls that are begun, some wait for a place in the pool.
            Some(pool) => pool.deployments().iter().map(|one| one.health().in_flight as u64).sum(),
            None => self.account().in_flight,
        }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reserved(&self, chat: &Chat) -> Option<Held> {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable(); // what is settled from here on is heard of
            match self.decide(chat) {
                Decision::Made(held) => return Some(held),
                Decision::Waits => {}
                Decision::Refused => {
                    if !self.stop.is_asked() {
                        tracing::warn!("the budget is spent; the run stops");
                    }
                    self.stop.gently();
                    self.settled.notify_waiters();
                    return None;
                }
            }
            tokio::select! {
                () = settled => {}
                () = self.stop.asked() => return None,
            }
        }
    }

    fn decide(&self, chat: &Chat) -> Decision {
        let money = self.budget.money.and_then(|_| self.money()).unwrap_or_default();
        let mut account = self.account();
        if account.is_over {
            return Decision::Refused;
        }
        let expected = account.expected(chat, self.prices);
        let fits = |spent: f64, most: Option<f64>| most.is_none_or(|most| spent <= most);
        let fits = fits(account.spent + account.held.tokens + expected.tokens, self.budget.tokens.map(|most| most as f64))
            && fits(money + account.held.money + expected.money, self.budget.money);
        if fits && account.in_flight < self.most_in_flight(&account) {
            account.in_flight += 1;
            account.held.tokens += expected.tokens;
            account.held.money += expected.money;
            Decision::Made(expected)
        } else if account.in_flight > 0 {
            Decision::Waits // what is in flight may take less than is held back for it
        } else {
            account.is_over = true;
            account.refused = Some(expected);
            Decision::Refused
        }
    }

    /// Only replies tell what one takes: the first call is made alone, and then twice as many at once as were answered.
    fn most_in_flight(&self, account: &Account) -> u64 {
        if self.budget == Budget::default() { u64::MAX } else { (account.replies * 2).clamp(1, self.batch_size.max(1)) }
    }
}

impl Account {
    /// What a call will take, going by those that were answered.
    fn expected(&self, chat: &Chat, prices: Option<Prices>) -> Held {
        let thought = thought_tokens(chat);
        let input = if self.thought > 0.0 { thought * self.input / self.thought } else { thought };
        let unknown = chat.sampling.max_tokens.map_or(UNKNOWN_REPLY, |most| most as f64);
        let output = if self.replies == 0 { unknown } else { self.output / self.replies as f64 };
        Held { tokens: input + output, money: prices.map_or(0.0, |prices| (input * prices.input + output * prices.output) / 1e6) }
    }

    fn count(&mut self, chat: &Chat, reply: &Reply) {
        let (thought, usage) = (thought_tokens(chat), reply.usage);
        // Some services do not tell.
        let told = usage.input_tokens + usage.output_tokens > 0;
        let (input, output) = if told { (usage.input_tokens as f64, usage.output_tokens as f64) } else { (thought, tokens_in(&reply.content)) };
        self.spent += input + output;
        self.replies += 1;
        self.thought += thought;
        self.input += input;
        self.output += output;
    }
}

impl Purse for Ledger {
    fn reserve<'a>(&'a self, chat: &'a Chat) -> BoxFuture<'a, Option<Held>> {
        Box::pin(self.reserved(chat))
    }

    fn settle(&self, chat: &Chat, held: Held, reply: Option<&Reply>) {
        let mut account = self.account();
        account.in_flight -= 1;
        account.held.tokens -= held.tokens;
        account.held.money -= held.money;
        if let Some(reply) = reply {
            account.count(chat, reply);
        }
        drop(account);
        self.settled.notify_waiters();
    }

    fn money(&self) -> Option<f64> {
        self.prices?; // a sum that leaves a model out would be none
        let deployments = self.pool.as_ref()?.pool().ok()?.deployments();
        Some(deployments.iter().filter_map(|one| one.usage().1).sum())
    }
}

/// Tokens of a question before a service has counted any: four bytes each, and four for each message.
fn thought_tokens(chat: &Chat) -> f64 {
    chat.messages.iter().map(|message| tokens_in(&message.content) + 4.0).sum()
}

fn tokens_in(text: &str) -> f64 {
    text.len() as f64 / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow_core::serving::Usage;
    use futures::future::join_all;

    fn ledger(tokens: u64) -> Ledger {
        Ledger {
            budget: Budget { tokens: Some(tokens), money: None },
            batch_size: 50,
            prices: None,
            pool: None,
            stop: Stop::default(),
            account: Mutex::default(),
            settled: Notify::new(),
        }
    }

    /// Has so many rows ask at once, each reply of so many tokens; gives the calls that were made.
    async fn calls(ledger: &Ledger, rows: usize, reply_tokens: impl Fn(usize) -> u64) -> u64 {
        let chat = Chat::from("0123456789012345678901234567");
        let (chat, reply_tokens) = (&chat, &reply_tokens);
        let row = |number: usize| async move {
            let Some(held) = ledger.reserve(chat).await else { return 0 };
            tokio::task::yield_now().await; // it is in flight
            let usage = Usage { input_tokens: 40, output_tokens: reply_tokens(number) };
            ledger.settle(chat, held, Some(&Reply { usage, ..Reply::default() }));
            1
        };
        join_all((0..rows).map(row)).await.into_iter().sum::<u64>()
    }

    #[tokio::test]
    async fn calls_in_flight_count_too_and_the_run_ends_within_its_budget() {
        let ledger = ledger(3000);
        assert_eq!(calls(&ledger, 500, |_| 60).await, 30, "3000 tokens are 30 calls of 100");
        assert!(ledger.stop.is_asked());
        assert_eq!(ledger.over().as_deref(), Some("3000 of 3000 tokens are spent, and the next call would take more than is left"));
    }

    #[tokio::test]
    async fn replies_of_odd_lengths_end_near_the_budget() {
        let ledger = ledger(20_000);
        calls(&ledger, 2000, |number| (number as u64 * 37) % 300).await;
        let spent = ledger.account().spent;
        assert!((17_000.0..=23_000.0).contains(&spent), "{spent}");
    }

    #[tokio::test]
    async fn a_budget_below_one_call_makes_none_and_one_that_suffices_ends_nothing() {
        let small = ledger(100);
        assert_eq!((calls(&small, 5, |_| 60).await, small.over()), (0, None));
        assert_eq!(small.too_small().as_deref(), Some("about 267 tokens, and `budget.tokens` is 100"));
        let ample = ledger(1_000_000);
        assert_eq!((calls(&ample, 50, |_| 60).await, ample.over(), ample.stop.is_asked(), ample.in_flight()), (50, None, false, 0));
        assert_eq!(ample.too_small(), None);
    }
}
