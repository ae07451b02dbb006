//! Prompts: types of their own, registered, swappable, and rendered with minijinja.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock, RwLock};

pub use minijinja::Value;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::docs::Docs;
use crate::error::{Error, Result};

/// A way to ask: a template, and the variables that an operator fills in.
///
/// [`template`](Self::template) is all that most prompts need; [`build_prompt`](Self::build_prompt) may be replaced by code.
///
/// ```
/// use std::borrow::Cow;
/// use dataflow_core::{context, prompt::Prompt};
///
/// #[derive(Debug)]
/// struct Shorter;
///
/// impl Prompt for Shorter {
///     fn template(&self) -> Cow<'_, str> { "Say it in one sentence: {{ text }}".into() }
/// }
///
/// assert_eq!(Shorter.build_prompt(context! { text => "A long story." }).unwrap(), "Say it in one sentence: A long story.");
/// assert_eq!(Shorter.variables().unwrap(), ["text"]);
/// ```
pub trait Prompt: fmt::Debug + Send + Sync + 'static {
    /// The minijinja source. An unknown variable is an error, never an empty text.
    fn template(&self) -> Cow<'_, str>;

    /// The variables that the prompt needs, sorted; checked at compile against those that the operator gives.
    fn variables(&self) -> Result<Vec<String>> {
        Ok(Template::compiled(&self.template())?.variables.clone())
    }

    /// The text that the model is sent.
    fn build_prompt(&self, values: Value) -> Result<String> {
        Template::compiled(&self.template())?.render(values)
    }
}

/// A parsed template. Equal sources are parsed once in a process.
struct Template {
    environment: Environment<'static>,
    variables: Vec<String>,
}

impl Template {
    fn compiled(source: &str) -> Result<Arc<Self>> {
        static PARSED: LazyLock<RwLock<HashMap<String, Arc<Template>>>> = LazyLock::new(RwLock::default);
        if let Some(template) = PARSED.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(source) {
            return Ok(template.clone());
        }
        let template = Arc::new(Self::parse(source)?);
        PARSED.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(source.to_owned(), template.clone());
        Ok(template)
    }

    fn parse(source: &str) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        // A null cell is no text; minijinja would write `none`.
        environment.set_formatter(|out, state, value| if value.is_none() { Ok(()) } else { minijinja::escape_formatter(out, state, value) });
        environment.add_template_owned("prompt", source.to_owned()).map_err(|error| prompt_error(source, &error))?;
        let known: Vec<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
        let template = environment.get_template("prompt").map_err(|error| prompt_error(source, &error))?;
        let mut variables: Vec<String> = template.undeclared_variables(false).into_iter().filter(|name| !known.contains(name)).collect();
        variables.sort();
        // The names of filters and tests are looked up when they are used: once here, so that a wrong one is told before a row is read.
        let stand_ins: BTreeMap<String, Value> = variables.iter().map(|name| (name.clone(), Value::from("x"))).collect();
        if let Err(error) = template.render(Value::from(stand_ins))
            && matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction)
        {
            return Err(prompt_error(source, &error));
        }
        Ok(Self { environment, variables })
    }

    fn render(&self, values: Value) -> Result<String> {
        let template = self.environment.get_template("prompt").map_err(|error| prompt_error("", &error))?;
        template.render(values).map_err(|error| prompt_error(template.source(), &error))
    }
}

fn prompt_error(source: &str, error: &minijinja::Error) -> Error {
    let name: String = source.lines().next().unwrap_or_default().chars().take(40).collect();
    let message = match error.line() {
        Some(line) => format!("{} in line {line}", error.detail().unwrap_or(&error.kind().to_string())),
        None => error.to_string(),
    };
    Error::Prompt { name, message }
}

/// What the registry knows of a prompt.
pub struct PromptInfo {
    /// Its name: the type's.
    pub name: &'static str,
    /// The module that declares it; its first part is the crate.
    pub module: &'static str,
    /// What it asks for.
    pub docs: Docs,
    /// Makes it of its parameters; an object without members for a prompt that has none.
    pub build: fn(serde_json::Value) -> Result<Arc<dyn Prompt>, serde_json::Error>,
}

inventory::collect!(PromptInfo);

impl PromptInfo {
    /// The crate that declares it.
    pub fn origin(&self) -> &'static str {
        self.module.split("::").next().unwrap_or(self.module)
    }
}

/// A prompt type that the `#[prompt]` attribute has registered.
pub trait RegisteredPrompt: Prompt + Serialize {
    /// What the registry knows of it.
    fn info() -> &'static PromptInfo;
}

/// The prompt that an operator's parameter holds: a registered one with its parameters, or the user's own text.
///
/// In a pipeline file it is a registered name (`MathQuestionFilterPrompt`), a name with parameters
/// (`{FormatStrPrompt: {f_str_template: "…"}}`), or a template. A text that is one word is taken for a name; `{text: word}` is a template all the same.
#[derive(Clone, Debug)]
pub enum PromptTemplate {
    /// A registered prompt.
    Registered {
        /// What the registry knows of it.
        info: &'static PromptInfo,
        /// Its parameters.
        parameters: serde_json::Value,
        /// The prompt itself.
        prompt: Arc<dyn Prompt>,
    },
    /// The user's own template.
    Text(String),
    /// A name that nobody has registered; told when the pipeline is compiled.
    Unknown(String),
}

impl fmt::Debug for PromptInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl<P: RegisteredPrompt> From<P> for PromptTemplate {
    fn from(prompt: P) -> Self {
        let parameters = match serde_json::to_value(&prompt) {
            Ok(parameters @ serde_json::Value::Object(_)) => parameters,
            _ => serde_json::Value::Object(serde_json::Map::new()),
        };
        Self::Registered { info: P::info(), parameters, prompt: Arc::new(prompt) }
    }
}

impl PromptTemplate {
    /// The user's own template, in minijinja.
    pub fn text(source: impl Into<String>) -> Self {
        Self::Text(source.into())
    }

    /// The prompt with a name and parameters; `Unknown` where there is none of that name.
    fn named(name: &str, parameters: serde_json::Value) -> Result<Self, serde_json::Error> {
        match crate::registry::prompt(name) {
            Some(info) => Ok(Self::Registered { info, prompt: (info.build)(parameters.clone())?, parameters }),
            None => Ok(Self::Unknown(name.to_owned())),
        }
    }

    /// The registered name; `None` for the user's own text.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Registered { info, .. } => Some(info.name),
            Self::Unknown(name) => Some(name),
            Self::Text(_) => None,
        }
    }

    /// The template's source.
    pub fn source(&self) -> Cow<'_, str> {
        match self {
            Self::Registered { prompt, .. } => prompt.template(),
            Self::Text(source) | Self::Unknown(source) => source.into(),
        }
    }

    /// The variables that it needs.
    pub fn variables(&self) -> Result<Vec<String>> {
        match self {
            Self::Registered { prompt, .. } => prompt.variables(),
            Self::Text(source) => Ok(Template::compiled(source)?.variables.clone()),
            Self::Unknown(_) => Ok(Vec::new()),
        }
    }

    /// The text that the model is sent.
    pub fn build_prompt(&self, values: Value) -> Result<String> {
        match self {
            Self::Registered { prompt, .. } => prompt.build_prompt(values),
            Self::Text(source) => Template::compiled(source)?.render(values),
            Self::Unknown(name) => Err(Error::Prompt { name: name.clone(), message: "no prompt of this name is registered".into() }),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

impl Serialize for PromptTemplate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Registered { info, parameters, .. } if parameters.as_object().is_none_or(serde_json::Map::is_empty) => serializer.serialize_str(info.name),
            Self::Registered { info, parameters, .. } => serializer.collect_map([(info.name, parameters)]),
            Self::Unknown(name) => serializer.serialize_str(name),
            Self::Text(source) if is_name(source) => serializer.collect_map([("text", source)]),
            Self::Text(source) => serializer.serialize_str(source),
        }
    }
}

impl<'de> Deserialize<'de> for PromptTemplate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let no_parameters = || serde_json::Value::Object(serde_json::Map::new());
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if is_name(&text) => Self::named(&text, no_parameters()).map_err(D::Error::custom),
            serde_json::Value::String(text) => Ok(Self::Text(text)),
            serde_json::Value::Object(map) if map.len() == 1 => {
                let (name, value) = map.into_iter().next().unwrap_or_default();
                match value {
                    serde_json::Value::String(text) if name == "text" => Ok(Self::Text(text)),
                    value => Self::named(&name, value).map_err(D::Error::custom),
                }
            }
            other => Err(D::Error::custom(format!("a prompt should be a registered name, `{{name: parameters}}` or a template, found {other}"))),
        }
    }
}

impl JsonSchema for PromptTemplate {
    fn schema_name() -> Cow<'static, str> {
        "PromptTemplate".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": ["string", "object"] })
    }
}

/// A prompt that an operator holds, with what it may hold and what it fills in.
#[derive(Debug)]
pub struct PromptUse<'a> {
    /// The operator's field, such as `prompt_template`.
    pub field: &'static str,
    /// The prompt that it holds.
    pub template: &'a PromptTemplate,
    /// The registered prompts that the operator allows.
    pub allowed: &'static [&'static str],
    /// The variables that the operator fills in.
    pub variables: Vec<String>,
}

impl PromptUse<'_> {
    /// What is wrong with it, as sentences with hints; `operator_module` tells whose prompts count as the user's own.
    pub fn problems(&self, operator_module: &str) -> Vec<(String, Option<String>)> {
        let operator_crate = operator_module.split("::").next().unwrap_or(operator_module);
        let field = self.field;
        let mut problems = Vec::new();
        match self.template {
            PromptTemplate::Unknown(name) => {
                let hint = crate::registry::nearest(name, self.allowed.iter().copied().chain(crate::registry::prompts().iter().map(|info| info.name)));
                let hint =
                    hint.map_or_else(|| format!("allowed here: {}, or a template of your own", list(self.allowed)), |near| format!("did you mean `{near}`?"));
                problems.push((format!("`{field}` names the prompt `{name}`, which is not registered"), Some(hint)));
                return problems;
            }
            PromptTemplate::Registered { info, .. } if info.origin() == operator_crate && !self.allowed.contains(&info.name) => {
                problems.push((
                    format!("`{field}` does not allow the prompt `{}`", info.name),
                    Some(format!("allowed here: {}, or a prompt of your own", list(self.allowed))),
                ));
            }
            _ => {}
        }
        match self.template.variables() {
            Err(error) => problems.push((format!("`{field}`: {error}"), None)),
            Ok(needed) => {
                for variable in needed.iter().filter(|variable| !self.variables.contains(variable)) {
                    let near = crate::registry::nearest(variable, self.variables.iter().map(String::as_str));
                    let given: Vec<&str> = self.variables.iter().map(String::as_str).collect();
                    let hint = near.map_or_else(|| format!("the operator gives {}", list(&given)), |near| format!("did you mean `{near}`?"));
                    problems.push((format!("`{field}` uses the variable `{variable}`, which the operator does not give"), Some(hint)));
                }
            }
        }
        problems
    }

    /// What the user should know about it: a prompt that uses nothing of what the operator fills in asks the same of every row.
    pub fn warning(&self) -> Option<(String, Option<String>)> {
        let first = self.variables.first()?;
        let none_used = self.template.variables().is_ok_and(|needed| needed.is_empty());
        (none_used && !matches!(self.template, PromptTemplate::Unknown(_))).then(|| {
            let given: Vec<&str> = self.variables.iter().map(String::as_str).collect();
            let message = format!("`{}` uses nothing of the row, so every row is asked the same; the operator gives {}", self.field, list(&given));
            (message, Some(format!("put `{{{{ {first} }}}}` where it belongs")))
        })
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context;

    #[test]
    fn an_unknown_variable_is_an_error_and_braces_in_a_value_are_left() {
        let prompt = PromptTemplate::text("Q: {{ question }}");
        assert_eq!(prompt.build_prompt(context! { question => "what is {{ x }}?" }).unwrap(), "Q: what is {{ x }}?");
        assert!(prompt.build_prompt(context! { other => 1 }).is_err());
    }

    #[test]
    fn a_null_is_no_text() {
        let prompt = PromptTemplate::text("[{{ note }}]{% if note %} noted{% endif %}");
        assert_eq!(prompt.build_prompt(context! { note => None::<String> }).unwrap(), "[]");
    }

    #[test]
    fn a_misspelt_variable_gets_the_nearest_name() {
        let template = PromptTemplate::text("Q: {{ questoin }}");
        let usage = PromptUse { field: "prompt_template", template: &template, allowed: &[], variables: vec!["question".into()] };
        let problems = usage.problems("own");
        assert_eq!(problems[0].0, "`prompt_template` uses the variable `questoin`, which the operator does not give");
        assert_eq!(problems[0].1.as_deref(), Some("did you mean `question`?"));
    }

    #[test]
    fn a_template_without_variables_is_warned_of() {
        let warned = |source: &str, variables: &[&str]| {
            let template = PromptTemplate::text(source);
            let variables = variables.iter().map(ToString::to_string).collect();
            PromptUse { field: "prompt_template", template: &template, allowed: &[], variables }.warning().is_some()
        };
        assert!(warned("Answer {question}", &["question"]));
        assert!(!warned("Answer {{ question }}", &["question"]) && !warned("Say a word", &[]));
    }

    #[test]
    fn one_word_is_a_name_and_a_sentence_is_a_template() {
        let read = |text: &str| serde_json::from_str::<PromptTemplate>(text).unwrap();
        assert!(matches!(read("\"NoSuchPrompt\""), PromptTemplate::Unknown(_)));
        assert!(matches!(read("\"Say {{ x }}\""), PromptTemplate::Text(_)));
        assert!(matches!(read("{\"text\": \"hello\"}"), PromptTemplate::Text(_)));
        assert_eq!(serde_json::to_string(&PromptTemplate::text("hello")).unwrap(), "{\"text\":\"hello\"}");
    }

    #[test]
    fn a_template_that_does_not_parse_says_where() {
        let error = PromptTemplate::text("a\n{{ x").build_prompt(context! {}).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
