//! Many models behind many channels as one: chosen by weight, held to their limits, left alone while they fail.
//!
//! The pool is the only owner of retries. The pipeline's serving (`type: pool`) and the gateway both stand on it.

mod breaker;
mod cache;
mod client;
mod concurrency;
mod configuration;
mod deployment;
mod health;
mod limits;
mod pace;
mod retry_budget;
mod serving;

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dataflow_core::serving::ErrorClass;
use rand::RngExt;
use tokio::sync::{Notify, Semaphore};

use crate::api::back_off::{Hurry, full_jitter};
pub use crate::api::classify::Failure;
pub use cache::Switch;
pub(crate) use cache::{Origin, ReplyCache, Use};
use client::Clients;
pub(crate) use configuration::seconds;
pub use configuration::{Backoff, ChannelSettings, Configuration, GatewaySettings, GlobalSettings, LogSettings, ModelSettings, Prices};
pub(crate) use deployment::Route;
pub use deployment::{Deployment, Lease};
use health::NotNow;
pub use health::{Fault, HealthReport, Outcome};
pub use limits::Allowance;
use retry_budget::RetryBudget;
pub(crate) use serving::POOL_CACHE;
pub use serving::{PoolOptions, PoolServing};

/// The longest pause of a call that all deployments have failed, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A model that has never answered is given up for a call after so many failures to reach it.
const MOST_UNREACHABLE: u32 = 3;
/// So often one call may be refused for the rate, while others are answered, without that counting as a failure; and so often without a longer pause each time.
const MOST_REFUSALS: u32 = 20;
const QUICK_REFUSALS: u32 = 5;
/// A try that has less time than this is not begun: it would be over before it is sent.
const LEAST_TIME: Duration = Duration::from_millis(10);
/// Names that mean any model.
const ANY: [&str; 5] = ["auto", "any", "default", "*", ""];

/// What is wrong with a file without models, for whoever needs some.
pub(crate) const NO_MODELS: &str = "there are no models: list them under `models`, each with the `channel_id` of one of `channels`";

/// Deployments as one service.
#[derive(Debug)]
pub struct Pool {
    deployments: ArcSwap<Vec<Arc<Deployment>>>,
    clients: Mutex<Clients>,
    budget: RetryBudget,
    /// Calls of one name wait in line; whoever is first waits for a deployment.
    lines: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    waiting: AtomicUsize,
    /// Told when a call has ended.
    freed: Arc<Notify>,
}

/// What a call wants of the pool.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The model that is asked for: an identity, a name, a model's name, or one of `auto`, `any`, `default`, `*`.
    pub model: String,
    /// About how many tokens the call takes.
    pub tokens: u64,
    /// When the answer has to be there.
    pub deadline: Option<Instant>,
    /// How long the call may wait for its turn.
    pub queue_timeout: Option<Duration>,
    /// How many calls may wait before it.
    pub max_queue: usize,
    /// How many times the timeout of a model tries may take together; none is begun after that.
    pub most_timeouts: u32,
    /// How many tries may fail; refusals for too many calls do not count while other calls get through.
    pub most_failures: u32,
    /// Places for calls on their way, where their number is bounded over all models.
    pub places: Option<Arc<Semaphore>>,
    /// Whether a model whose breaker is open is probed every few seconds while no other can be asked: for calls that wait for as long as it takes.
    pub probes: bool,
    /// Told when nobody waits any more for calls that wait for their next try.
    pub(crate) hurry: Option<Arc<Hurry>>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            model: "auto".into(),
            tokens: 1,
            deadline: None,
            queue_timeout: None,
            max_queue: usize::MAX,
            most_timeouts: u32::MAX,
            most_failures: 6,
            places: None,
            probes: false,
            hurry: None,
        }
    }
}

/// An answer, and how many tries it took.
#[derive(Debug)]
pub struct Answered<T> {
    /// What the attempt gave.
    pub value: T,
    /// Tries, the last one too.
    pub attempts: u32,
    /// How long the call waited for its tries, pauses between them included.
    pub waited: Duration,
}

/// Why a call was not answered.
#[derive(Debug)]
pub enum Exhausted {
    /// No deployment has this name.
    UnknownModel(String),
    /// The call would have waited behind too many others.
    QueueFull,
    /// No deployment was ready in time.
    NotReady {
        /// When the first will be, where that is known.
        after: Option<Duration>,
        /// How long the call waited.
        waited: Duration,
    },
    /// The last try failed, and there is no other.
    Failed {
        /// The last failure.
        failure: Failure,
        /// The deployment that was tried last, by the name that is shown.
        deployment: String,
        /// Tries in all.
        attempts: u32,
        /// How long the call waited for its tries, pauses between them included.
        waited: Duration,
    },
}

impl Pool {
    /// The pool that a configuration describes; the error tells all problems.
    pub fn new(configuration: &Configuration) -> Result<Arc<Self>, Vec<String>> {
        let pool = Self {
            deployments: ArcSwap::from_pointee(Vec::new()),
            clients: Mutex::default(),
            budget: RetryBudget::new(),
            lines: Mutex::default(),
            waiting: AtomicUsize::new(0),
            freed: Arc::default(),
        };
        pool.reload(configuration)?;
        Ok(Arc::new(pool))
    }

    /// Takes a changed configuration over. Deployments that stay keep their limits and their health; calls on their way are not touched.
    pub fn reload(&self, configuration: &Configuration) -> Result<(), Vec<String>> {
        let mut kept = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut clients, mut problems, mut deployments) = (kept.clone(), Vec::new(), Vec::new());
        let gateway = &configuration.gateway;
        for settings in &configuration.models {
            let Some(channel) = configuration.channels.get(&settings.channel_id) else { continue }; // told when the file was read
            match Deployment::new(settings, &settings.channel_id, channel, gateway.backoff, gateway.max_connections_per_host, &mut clients) {
                Err(problem) => problems.push(problem),
                Ok(new) => deployments.push(new),
            }
        }
        if deployments.is_empty() && problems.is_empty() {
            problems.push(NO_MODELS.to_owned());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // Nothing is touched before all is known to be well.
        let before = self.deployments.load();
        for new in &mut deployments {
            if let Some(old) = before.iter().find(|old| old.settings().id == new.settings().id) {
                new.succeed(old);
            }
        }
        *kept = clients;
        drop(kept);
        self.deployments.store(Arc::new(deployments.into_iter().map(Arc::new).collect()));
        self.freed.notify_waiters();
        Ok(())
    }

    /// All deployments, in the order of the file.
    pub fn deployments(&self) -> Arc<Vec<Arc<Deployment>>> {
        self.deployments.load_full()
    }

    /// Calls that wait for a deployment.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Makes a call: has `attempt` ask one deployment after the other until one answers.
    ///
    /// The lease is the attempt's to keep, in a stream that goes on, say; the pool ends it when the attempt fails. An attempt that
    /// answers gives it back ended, or ends it later.
    pub async fn call<T, F>(&self, options: &CallOptions, mut attempt: impl FnMut(Lease) -> F) -> Result<Answered<T>, Exhausted>
    where
        F: Future<Output = Result<T, (Lease, Failure)>>,
    {
        self.budget.deposit();
        let (mut tried, mut attempts, mut failures, mut refusals) = (Vec::new(), 0, 0, 0_u32);
        let (mut waited, mut paused, mut last, mut round) = (Duration::ZERO, Duration::ZERO, None, 0);
        let mut tried_for = Duration::ZERO;
        loop {
            // A call that waits for its turn has no place, and one that waits for a place has no turn.
            let place = match &options.places {
                Some(places) => places.acquire().await.ok(), // it is never closed
                None => None,
            };
            let turn = Instant::now();
            let lease = match self.lease(options, waited, &tried).await {
                Ok(lease) => lease,
                // What failed before tells more than that nobody was ready afterwards.
                Err(exhausted) => {
                    let waited = waited + paused + turn.elapsed();
                    return Err(last.map_or(exhausted, |(failure, deployment)| Exhausted::Failed { failure, deployment, attempts, waited }));
                }
            };
            waited += turn.elapsed();
            attempts += 1;
            let deployment = Arc::clone(lease.deployment());
            let begun = Instant::now();
            let (lease, failure) = match attempt(lease).await {
                Ok(value) => {
                    self.freed.notify_one();
                    return Ok(Answered { value, attempts, waited: waited + paused });
                }
                Err(failed) => failed,
            };
            drop(place);
            let at_fault = !matches!(failure.class, ErrorClass::Caller | ErrorClass::Filtered);
            lease.end(Outcome::of(&failure), Some(&failure.message));
            self.freed.notify_one();
            tried.push(Arc::clone(&deployment));
            let others = self.deployments.load().iter().filter(|other| means(other, &options.model) && !is_among(&tried, other)).count();
            // A refusal is no failure while the service answers others, unless it refuses this call alone.
            let was_refused = failure.class == ErrorClass::RateLimited && deployment.health.has_answered();
            refusals += u32::from(was_refused);
            let passes = was_refused && refusals <= MOST_REFUSALS;
            failures += u32::from(!passes);
            let never_reached = failure.class == ErrorClass::Unreachable && self.is_never_reached(&options.model);
            let hopeless = !at_fault || never_reached || failure.vetoed || (others == 0 && matches!(failure.class, ErrorClass::Quota | ErrorClass::Auth));
            let now = Instant::now();
            tried_for += now - begun;
            let is_spent = tried_for >= deployment.timeout().saturating_mul(options.most_timeouts);
            let late = is_spent || options.deadline.is_some_and(|deadline| now >= deadline);
            let name = || deployment.name().to_owned();
            if hopeless || late || failures >= options.most_failures.max(1) || !(passes || self.budget.take(now)) {
                return Err(Exhausted::Failed { failure, deployment: name(), attempts, waited: waited + paused });
            }
            tracing::debug!(model = deployment.name(), class = failure.class.name(), status = failure.status, attempts, "a call failed and is tried again");
            if others == 0 {
                tried.clear();
                // Where the service says when it may be asked, the deployment waits for all calls.
                let pause = if failure.retry_after.is_none() {
                    full_jitter(FIRST_PAUSE, if passes { refusals.saturating_sub(QUICK_REFUSALS) } else { round })
                } else {
                    Duration::ZERO
                };
                let has_no_time = options.deadline.is_some_and(|deadline| now + pause + LEAST_TIME >= deadline);
                if has_no_time || waiting_for(options.hurry.as_deref(), tokio::time::sleep(pause)).await.is_none() {
                    return Err(Exhausted::Failed { failure, deployment: name(), attempts, waited: waited + paused + now.elapsed() });
                }
                paused += now.elapsed();
                round += 1;
            }
            last = Some((failure, name()));
        }
    }

    /// Whether some deployment has a name.
    pub fn knows(&self, name: &str) -> bool {
        self.deployments.load().iter().any(|deployment| means(deployment, name))
    }

    /// Whether none of all that a name means has ever answered, and each has failed several times: the address is wrong, or nobody is there.
    fn is_never_reached(&self, name: &str) -> bool {
        let deployments = self.deployments.load();
        let mut meant = deployments.iter().filter(|deployment| means(deployment, name)).map(|deployment| deployment.health());
        meant.all(|health| health.answered == 0 && health.failures >= MOST_UNREACHABLE)
    }

    /// Whether one of all that a name means may be asked, its limits aside.
    pub fn is_any_available(&self, name: &str) -> bool {
        self.deployments.load().iter().any(|deployment| means(deployment, name) && deployment.health.is_available())
    }

    /// What those of all that a name means have said that refuse all calls, by the names that are shown.
    pub fn refusals(&self, name: &str) -> Vec<(String, Arc<String>)> {
        let deployments = self.deployments.load();
        let told = |deployment: &Arc<Deployment>| Some((deployment.name().to_owned(), deployment.refusal()?));
        deployments.iter().filter(|deployment| means(deployment, name)).filter_map(told).collect()
    }

    /// Whether each of all that a name means has failed so often, one time after another.
    pub fn all_fail(&self, name: &str, times: u32) -> bool {
        self.deployments.load().iter().filter(|deployment| means(deployment, name)).all(|deployment| deployment.health().failures >= times)
    }

    /// What shapes the answers of all that a name means, beside the question.
    pub fn identity(&self, name: &str) -> String {
        let deployments = self.deployments.load();
        let meant = deployments.iter().filter(|deployment| means(deployment, name)).map(|deployment| deployment.settings());
        let mut meant: Vec<String> = meant.map(|model| format!("{:?}", (&model.model, model.temperature, model.supports_advanced_params))).collect();
        meant.sort();
        meant.dedup();
        meant.concat()
    }

    /// What is left of the limits of requests and of tokens of all that a name means; `None` where one of them has no limit.
    pub fn left(&self, name: &str) -> [Option<Allowance>; 2] {
        let deployments = self.deployments.load();
        let mut meant = deployments.iter().filter(|deployment| means(deployment, name)).map(|deployment| deployment.left());
        let first = meant.next().unwrap_or_default();
        meant.fold(first, |all, one| {
            let both = |all: Option<Allowance>, one: Option<Allowance>| {
                let (all, one) = (all?, one?);
                Some(Allowance { limit: all.limit + one.limit, remaining: all.remaining + one.remaining, reset: all.reset.max(one.reset) })
            };
            [both(all[0], one[0]), both(all[1], one[1])]
        })
    }

    /// A place at a deployment: at once where one is ready, and otherwise in line. `waited` is what the call has waited before.
    async fn lease(&self, options: &CallOptions, waited: Duration, tried: &[Arc<Deployment>]) -> Result<Lease, Exhausted> {
        if !self.knows(&options.model) {
            return Err(Exhausted::UnknownModel(options.model.clone()));
        }
        let since = Instant::now();
        let not_ready = |after: Option<Duration>| Exhausted::NotReady { after, waited: waited + since.elapsed() };
        let queue = options.queue_timeout.map(|timeout| since + timeout.saturating_sub(waited));
        let until = [queue, options.deadline].into_iter().flatten().min();
        let line = {
            let group = if is_any(&options.model) { "" } else { options.model.as_str() };
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            match lines.get(group) {
                Some(line) => Arc::clone(line),
                None => Arc::clone(lines.entry(group.to_owned()).or_default()),
            }
        };
        let mut waiting = None;
        let first = if let Ok(first) = line.try_lock() {
            first
        } else {
            if waiting.insert(Waiting::of(&self.waiting)).before >= options.max_queue {
                return Err(Exhausted::QueueFull);
            }
            let turn = line.lock();
            match until {
                Some(until) => tokio::time::timeout_at(until.into(), turn).await.map_err(|_| not_ready(None))?,
                None => turn.await, // in a hurry each in line goes quickly
            }
        };
        loop {
            if options.hurry.as_ref().is_some_and(|hurry| hurry.is_asked()) {
                return Err(not_ready(None)); // no call is begun any more
            }
            let freed = self.freed.notified();
            let soonest = match self.choose(options, tried) {
                Ok(lease) => {
                    drop(first);
                    return Ok(lease);
                }
                Err(soonest) => soonest,
            };
            if waiting.is_none() && waiting.insert(Waiting::of(&self.waiting)).before >= options.max_queue {
                return Err(Exhausted::QueueFull);
            }
            if let Some(until) = until
                && (Instant::now() >= until || soonest.is_some_and(|soonest| soonest > until))
            {
                return Err(not_ready(soonest.map(|soonest| soonest.saturating_duration_since(Instant::now()))));
            }
            let hurry = options.hurry.as_deref();
            let wake = [soonest, until].into_iter().flatten().min();
            let waited = match wake {
                Some(wake) => waiting_for(hurry, tokio::time::timeout_at(wake.into(), freed)).await.map(|_| ()),
                None => waiting_for(hurry, freed).await,
            };
            if waited.is_none() {
                return Err(not_ready(None));
            }
        }
    }

    /// A deployment by weight among those that are ready, or when the first will be. Those that failed in this call come after the others.
    fn choose(&self, options: &CallOptions, tried: &[Arc<Deployment>]) -> Result<Lease, Option<Instant>> {
        let deployments = self.deployments.load();
        let mut soonest: Option<Instant> = None;
        for again in [false, true] {
            let mut left: Vec<&Arc<Deployment>> =
                deployments.iter().filter(|deployment| means(deployment, &options.model) && is_among(tried, deployment) == again).collect();
            while let Some(place) = drawn(&left) {
                match left.swap_remove(place).begin(options.tokens, false, &self.freed) {
                    Ok(lease) => return Ok(lease),
                    Err(NotNow::At(at)) => soonest = Some(soonest.map_or(at, |soonest| soonest.min(at))),
                    Err(NotNow::WhenOneEnds) => {}
                }
            }
        }
        let meant = || deployments.iter().filter(|deployment| means(deployment, &options.model));
        if !options.probes || meant().any(|deployment| deployment.health.is_available()) {
            return Err(soonest);
        }
        // Nobody else is there to be asked: an open breaker would hold all calls up for nobody's good.
        for deployment in meant() {
            match deployment.begin(options.tokens, true, &self.freed) {
                Ok(lease) => return Ok(lease),
                Err(NotNow::At(at)) => soonest = Some(soonest.map_or(at, |soonest| soonest.min(at))),
                Err(NotNow::WhenOneEnds) => {}
            }
        }
        Err(soonest)
    }
}

/// What is waited for, or `None` where there is a hurry.
async fn waiting_for<T>(hurry: Option<&Hurry>, waiting: impl Future<Output = T>) -> Option<T> {
    match hurry {
        Some(hurry) => hurry.unless(waiting).await,
        None => Some(waiting.await),
    }
}

/// Whether a name is one of those that mean any model.
pub(crate) fn is_any(name: &str) -> bool {
    ANY.contains(&name)
}

/// Whether a call that asks for a name may go to a deployment.
fn means(deployment: &Deployment, name: &str) -> bool {
    if is_any(name) { deployment.settings().weight > 0.0 } else { deployment.is_named(name) }
}

/// By their identities: a file that was read meanwhile has made others of them.
fn is_among(tried: &[Arc<Deployment>], deployment: &Deployment) -> bool {
    tried.iter().any(|tried| tried.settings().id == deployment.settings().id)
}

/// A place among deployments, each as likely as its weight says.
fn drawn(deployments: &[&Arc<Deployment>]) -> Option<usize> {
    if deployments.len() < 2 {
        return deployments.len().checked_sub(1);
    }
    // Asked for by name, one without a weight is as good as another.
    let weight = |deployment: &&Arc<Deployment>| deployment.settings().weight.max(f64::MIN_POSITIVE);
    let all: f64 = deployments.iter().map(weight).sum();
    let mut left = rand::rng().random::<f64>() * all;
    deployments
        .iter()
        .position(|deployment| {
            left -= weight(deployment);
            left < 0.0
        })
        .or_else(|| deployments.len().checked_sub(1))
}

/// Counts a call that waits, as long as it does.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::Relaxed), count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
