//! What is linked into this program: operators, prompts, servings and storages, by name.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::docs::Docs;
use crate::error::{Error, Result};
use crate::operator::OperatorInfo;
use crate::prompt::PromptInfo;
use crate::serving::{LLMServing, ServingKind};
use crate::storage::{Storage, StorageContext, StorageKind};

/// All operators, sorted by name.
pub fn operators() -> &'static [&'static OperatorInfo] {
    static SORTED: LazyLock<Vec<&'static OperatorInfo>> = LazyLock::new(|| {
        let mut infos: Vec<_> = inventory::iter::<OperatorInfo>().collect();
        infos.sort_by_key(|info| (info.name, info.module));
        infos
    });
    &SORTED
}

/// All prompts, sorted by name.
pub fn prompts() -> &'static [&'static PromptInfo] {
    static SORTED: LazyLock<Vec<&'static PromptInfo>> = LazyLock::new(|| {
        let mut infos: Vec<_> = inventory::iter::<PromptInfo>().collect();
        infos.sort_by_key(|info| (info.name, info.module));
        infos
    });
    &SORTED
}

/// An operator that people may look for, and that is left out on purpose.
#[derive(Debug)]
pub struct AbsentOperator {
    /// The name by which it is looked for.
    pub name: &'static str,
    /// Why it is not here.
    pub why: Docs,
}

inventory::collect!(AbsentOperator);

impl fmt::Display for AbsentOperator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "there is no operator `{}`, which is left out on purpose: {}", self.name, self.why)
    }
}

/// The operators that are left out on purpose, sorted by name.
pub fn absent_operators() -> Vec<&'static AbsentOperator> {
    let mut absent: Vec<_> = inventory::iter::<AbsentOperator>().collect();
    absent.sort_by_key(|absent| absent.name);
    absent
}

/// The operator of a name.
pub fn operator(name: &str) -> Option<&'static OperatorInfo> {
    operators().iter().copied().find(|info| info.name == name)
}

/// What is left out on purpose by a name.
pub fn absent_operator(name: &str) -> Option<&'static AbsentOperator> {
    inventory::iter::<AbsentOperator>().find(|absent| absent.name == name)
}

/// The prompt of a name.
pub fn prompt(name: &str) -> Option<&'static PromptInfo> {
    prompts().iter().copied().find(|info| info.name == name)
}

/// Refuses a program in which two operators or two prompts have one name, or in which there is no operator.
pub fn check() -> Result<()> {
    if operators().is_empty() {
        return Err(Error::Configuration("no operator is linked into this program\nhint: name the crate that has them: `use dataflow_operators as _;`".into()));
    }
    let twice = |what: &str, names: Vec<(&str, &str)>| {
        names.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| {
            Error::Configuration(format!("two {what} are named `{}`: one in `{}`, one in `{}`\nhint: rename one of them", pair[0].0, pair[0].1, pair[1].1))
        })
    };
    let operators = twice("operators", operators().iter().map(|info| (info.name, info.module)).collect());
    let prompts = twice("prompts", prompts().iter().map(|info| (info.name, info.module)).collect());
    operators.or(prompts).map_or(Ok(()), Err)
}

/// Makes a serving of what a pipeline file says: `{type: …, …}`.
pub fn build_serving(name: &str, spec: &Value) -> Result<Arc<dyn LLMServing>> {
    let (kind, rest) =
        take_type(spec, None).ok_or_else(|| Error::Configuration(format!("serving `{name}` has no `type`\nhint: {}", one_of(serving_kinds()))))?;
    match inventory::iter::<ServingKind>().find(|known| known.name == kind) {
        Some(known) => (known.build)(rest).map_err(|error| Error::Faults(error.into_faults().within(&format!("serving `{name}`")))),
        None => Err(Error::Configuration(format!("serving `{name}` has the unknown type `{kind}`\nhint: {}", one_of(serving_kinds())))),
    }
}

/// Makes a storage of what a pipeline file says; its `type` is `file` where it names none.
pub fn build_storage(spec: &Value, context: &StorageContext) -> Result<Arc<dyn Storage>> {
    let kinds = || inventory::iter::<StorageKind>().map(|kind| kind.name).collect::<Vec<_>>();
    let (kind, rest) = take_type(spec, Some("file")).unwrap_or_default();
    match inventory::iter::<StorageKind>().find(|known| known.name == kind) {
        Some(known) => (known.build)(rest, context).map_err(|error| match error {
            Error::Configuration(_) | Error::Faults(_) => Error::Faults(error.into_faults().within("storage")),
            other => other, // what is not there, or cannot be reached, says so itself
        }),
        None => Err(Error::Configuration(format!("storage has the unknown type `{kind}`\nhint: {}", one_of(kinds())))),
    }
}

fn serving_kinds() -> Vec<&'static str> {
    inventory::iter::<ServingKind>().map(|kind| kind.name).collect()
}

fn one_of(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    format!("it is one of {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

fn take_type(spec: &Value, default: Option<&str>) -> Option<(String, Value)> {
    let mut object = spec.as_object()?.clone();
    let kind = match object.shift_remove("type") {
        Some(Value::String(kind)) => kind,
        _ => default?.to_owned(),
    };
    Some((kind, Value::Object(object)))
}

/// The name that is most like `name`, if one is alike enough to be what was meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0).then_with(|| right.1.cmp(left.1)))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_strange_one_is_not() {
        assert_eq!(nearest("content_ZH", ["raw_content", "content_zh"]), Some("content_zh"));
        assert_eq!(nearest("raw_inputs", ["id", "raw_input"]), Some("raw_input"));
        assert_eq!(nearest("xyz", ["question", "answer"]), None);
    }
}
