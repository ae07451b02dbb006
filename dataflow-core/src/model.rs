//! The model as an operator sees it: questions in, answers out, each paid for once.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::reply::{find_json, holds_more_than_an_answer, split_thinking};
use crate::serving::{Chat, Embeddings, Finish, Reply};

/// Whoever gives a step its answers: the engine, with its journal and limits, or a script in a test.
#[async_trait]
pub trait Answers: Send + Sync {
    /// The answer to a question, from the journal or from the serving.
    async fn answer(&self, chat: &Chat) -> Result<Reply>;

    /// Forgets the answer to a question, because it was of no use.
    async fn forget(&self, chat: &Chat) -> Result<()>;

    /// Vectors for texts.
    async fn embed(&self, texts: &[String]) -> Result<Embeddings>;

    /// Counts a question that is asked again because its reply did not fit.
    fn count_reask(&self) {}
}

/// The model of a step.
///
/// Each `await` of an answer is one call of one row; other rows go on meanwhile, and the answer is in the journal before
/// the operator's next line runs.
#[derive(Clone)]
pub struct Model(Arc<dyn Answers>);

impl Model {
    /// A model that answers with `answers`.
    pub fn new(answers: Arc<dyn Answers>) -> Self {
        Self(answers)
    }

    /// Asks; `await` gives the [`Answer`], and [`text`](Ask::text), [`json`](Ask::json) and [`parsed`](Ask::parsed) what is in it.
    pub fn ask(&self, chat: impl Into<Chat>) -> Ask<'_> {
        Ask { model: self, chat: chat.into(), reasks: 1 }
    }

    /// Vectors for texts, in their order.
    pub async fn embed(&self, texts: &[String]) -> Result<Embeddings> {
        self.0.embed(texts).await
    }
}

/// What is asked for instead where a reply does not fit.
fn asked_again(asked: &Chat, useless: String, wrong: &str) -> Chat {
    // Some services refuse an empty message.
    let chat = if useless.is_empty() { asked.clone() } else { asked.clone().assistant(useless) };
    chat.user(format!("That reply cannot be used: {wrong}. Answer the request again, in the form that it asked for and with nothing else."))
}

/// A question that has not been asked yet.
pub struct Ask<'a> {
    model: &'a Model,
    chat: Chat,
    reasks: u32,
}

/// A model's answer, its thinking apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text without its thinking and without white space at its ends; it may be empty.
    pub content: String,
    /// What the model thought, where it told.
    pub thinking: Option<String>,
}

impl Ask<'_> {
    /// The text of the answer, which has one.
    ///
    /// An empty reply is asked for once more; then it is [`Error::Unparsed`].
    pub async fn text(self) -> Result<String> {
        self.parsed(|text| if text.trim().is_empty() { Err("a text was expected, and the reply is empty".into()) } else { Ok(text.to_owned()) }).await
    }

    /// The answer as a value of a type, whose JSON schema the model is shown.
    ///
    /// A reply that does not fit is asked for once more, or as often as [`reasks`](Self::reasks) says, with what was wrong; then it is [`Error::Unparsed`].
    pub async fn json<T: DeserializeOwned + JsonSchema>(self) -> Result<T> {
        self.json_checked(|_| Ok(())).await
    }

    /// As [`json`](Self::json), where the type allows more than the operator can use: `check` says what else is wrong with a value.
    pub async fn json_checked<T: DeserializeOwned + JsonSchema>(mut self, check: impl Fn(&T) -> Result<(), String>) -> Result<T> {
        self.chat.json_schema = Some(schemars::schema_for!(T).to_value());
        self.parsed(|text| {
            let mut last = None;
            find_json(text, |value| {
                let found = serde_json::from_value::<T>(value.clone()).map_err(|error| error.to_string());
                match found.and_then(|found| check(&found).map(|()| found)) {
                    Ok(found) => {
                        last = Some(Ok(found));
                        true
                    }
                    Err(wrong) => {
                        last.get_or_insert(Err(wrong));
                        false
                    }
                }
            });
            last.unwrap_or_else(|| Err("a JSON value was expected, and there is none".into()))
        })
        .await
    }

    /// The answer as JSON that a schema allows.
    pub async fn json_value(mut self, schema: &Value) -> Result<Value> {
        let validator = jsonschema::validator_for(schema).map_err(|error| Error::Configuration(format!("the JSON schema cannot be used: {error}")))?;
        self.chat.json_schema = Some(schema.clone());
        self.parsed(|text| {
            let mut wrong = None;
            find_json(text, |value| match validator.validate(value) {
                Ok(()) => true,
                Err(error) => {
                    wrong.get_or_insert(format!("{error} at `{}`", error.instance_path()));
                    false
                }
            })
            .ok_or_else(|| wrong.unwrap_or_else(|| "a JSON value was expected, and there is none".into()))
        })
        .await
    }

    /// How often a reply that does not fit is asked for again; once without it.
    #[must_use]
    pub fn reasks(mut self, times: u32) -> Self {
        self.reasks = times;
        self
    }

    /// The answer as `parse` reads it; its error says what was expected and what was found.
    ///
    /// A reply that does not fit is asked for once more, with what was wrong; then it is [`Error::Unparsed`].
    pub async fn parsed<T>(self, mut parse: impl FnMut(&str) -> Result<T, String>) -> Result<T> {
        let Self { model, chat: mut asked, reasks } = self;
        let mut useless = Vec::new();
        loop {
            let answer = model.ask(asked.clone()).await?;
            let wrong = match parse(&answer.content) {
                Ok(found) => return Ok(found),
                Err(wrong) => wrong,
            };
            if useless.len() == reasks as usize {
                // A run that tries this row again is to ask anew and not to be given the same useless replies.
                for asked in useless.iter().chain([&asked]) {
                    model.0.forget(asked).await?;
                }
                return Err(Error::unparsed(wrong, &answer.content));
            }
            model.0.count_reask();
            let again = asked_again(&asked, answer.content, &wrong);
            useless.push(std::mem::replace(&mut asked, again));
        }
    }
}

impl<'a> IntoFuture for Ask<'a> {
    type Output = Result<Answer>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let reply = self.model.0.answer(&self.chat).await?;
            if reply.finish == Finish::Length {
                return Err(Error::Truncated { output_tokens: reply.usage.output_tokens });
            }
            if !holds_more_than_an_answer(&reply.content) {
                return Ok(Answer { content: trimmed(reply.content), thinking: reply.thinking });
            }
            let (inline, content) = split_thinking(&reply.content);
            Ok(Answer { content, thinking: reply.thinking.or(inline) })
        })
    }
}

/// The text without white space at its ends; as it is, where it has none.
fn trimmed(text: String) -> String {
    let trimmed = text.trim();
    if trimmed.len() == text.len() { text } else { trimmed.to_owned() }
}
