//! A model server that is started for a run and stopped after it: `type: local`.

mod options;
mod server;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use dataflow_core::operator::PathUse;
use dataflow_core::serving::{Chat, Embeddings, ErrorClass, LLMServing, Reply, ServingError, ServingKind};
use dataflow_core::{Error, Result};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::pool::{PoolOptions, PoolServing};
pub use options::{Engine, LocalOptions};
use server::Server;

inventory::submit! {
    ServingKind { name: "local", build: |value| {
        let serving = LocalServing::from(LocalOptions::read(value)?);
        serving.check()?;
        Ok(Arc::new(serving))
    } }
}

/// A model on this machine, behind a server that it starts: vLLM, SGLang, llama.cpp's `llama-server`, or any command that speaks OpenAI's
/// interface.
///
/// The server is started before the first call and stopped after the last one, also where this process dies.
///
/// ```
/// use dataflow_serving::local::{Engine, LocalOptions, LocalServing};
/// let options = LocalOptions { engine: Some(Engine::LlamaCpp), model: "models/qwen.gguf".into(), ..LocalOptions::default() };
/// let serving = LocalServing::from(options);
/// ```
#[derive(Debug)]
pub struct LocalServing {
    options: LocalOptions,
    running: Mutex<Option<Arc<Running>>>,
}

/// A server that answers, and the pool that asks it.
#[derive(Debug)]
struct Running {
    server: Server,
    pool: PoolServing,
}

impl From<LocalOptions> for LocalServing {
    fn from(options: LocalOptions) -> Self {
        Self { options, running: Mutex::new(None) }
    }
}

impl LocalServing {
    /// The server, started where it is not there yet.
    async fn running(&self) -> Result<Arc<Running>, ServingError> {
        let mut running = self.running.lock().await;
        if let Some(running) = running.as_ref() {
            return Ok(Arc::clone(running));
        }
        let server = Server::start(&self.options).await.map_err(|message| ServingError::new(ErrorClass::Unreachable, message))?;
        let pool = self.pool_for(&server).map_err(|error| ServingError::new(ErrorClass::Auth, error.to_string()))?;
        let started = Arc::new(Running { server, pool });
        *running = Some(Arc::clone(&started));
        Ok(started)
    }

    fn pool_for(&self, server: &Server) -> Result<PoolServing> {
        let options = &self.options;
        let model = json!({
            "id": "local", "name": options.model, "model": options.model, "channel_id": "local", "safe_rps": 0, "timeout": options.timeout,
            "max_concurrency": options.max_concurrency, "temperature": options.temperature(), "supports_json_schema": options.supports_json_schema,
        });
        let pool = PoolOptions {
            models: json!([model]),
            channels: json!({ "local": { "base_url": server.address(), "timeout": options.timeout } }),
            max_retries: Some(options.max_retries),
            max_tokens: options.max_tokens(),
            max_concurrency: Some(options.max_concurrency),
            ..PoolOptions::default()
        };
        Ok(PoolServing::try_new(pool)?.asking_as(options.request()))
    }
}

#[async_trait]
impl LLMServing for LocalServing {
    fn paths(&self) -> Vec<(&'static str, PathUse, PathBuf)> {
        let model = Some(PathBuf::from(&self.options.model)).filter(|path| path.exists());
        let named = [("model", PathUse::Reads, model), ("log_path", PathUse::Keeps, self.options.log_path.clone())];
        named.into_iter().filter_map(|(option, path_use, path)| Some((option, path_use, path?))).collect()
    }

    fn identity(&self) -> Value {
        self.options.identity()
    }

    fn spec(&self) -> Value {
        let mut spec = crate::options::spec("local", &self.options, &["model"]);
        let environment = self.options.shown_environment();
        if !environment.is_empty() {
            spec.insert("environment".into(), json!(environment));
        }
        Value::Object(spec)
    }

    fn max_concurrency(&self) -> usize {
        self.options.max_concurrency.max(1)
    }

    fn limits_itself(&self) -> bool {
        true
    }

    fn notice(&self) -> Option<String> {
        Some(format!("`{}` is started on this machine and stopped afterwards", self.options.program()))
    }

    fn check(&self) -> Result<()> {
        let problems = self.options.problems();
        if problems.is_empty() { Ok(()) } else { Err(Error::Faults(problems.into())) }
    }

    async fn start(&self) -> Result<(), ServingError> {
        self.running().await.map(|_| ())
    }

    fn stop_waiting(&self) {
        // While it is started or stopped, nothing is asked.
        if let Ok(running) = self.running.try_lock()
            && let Some(running) = &*running
        {
            running.pool.stop_waiting();
        }
    }

    async fn stop(&self) {
        if let Some(running) = self.running.lock().await.take() {
            running.server.stop().await;
        }
    }

    async fn chat(&self, chat: &Chat) -> Result<Reply, ServingError> {
        let running = self.running().await?;
        tokio::select! {
            reply = running.pool.chat(chat) => reply,
            // It is not asked again and again for what nobody is there to answer.
            message = running.server.death() => Err(ServingError::new(ErrorClass::Unreachable, message)),
        }
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, ServingError> {
        let running = self.running().await?;
        tokio::select! {
            reply = running.pool.embed(texts) => reply,
            message = running.server.death() => Err(ServingError::new(ErrorClass::Unreachable, message)),
        }
    }
}
