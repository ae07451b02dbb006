//! Reads what a pipeline file says of a serving, and names the nearest key where one is unknown.

use std::path::{Path, PathBuf};

use dataflow_core::configuration::{self, Faults};
use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::pool::POOL_CACHE;

/// Reads a serving's options; `T` has defaults for all and denies unknown fields.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
    read_with(value, |_| None, |_| Faults::default())
}

/// As [`read`]; all that is wrong is told at once. `elsewhere` is a hint for a key that stands in the wrong place, and `check` tells what else is wrong with what could be
/// read, where something could not.
pub(crate) fn read_with<T: DeserializeOwned>(mut value: Value, elsewhere: impl Fn(&str) -> Option<String>, check: impl FnOnce(T) -> Faults) -> Result<T> {
    let mut problems = Vec::new();
    if let Some(given) = value.as_object_mut() {
        let known = known::<T>();
        let unknown: Vec<String> = given.keys().filter(|key| !known.contains(key)).cloned().collect();
        for key in unknown {
            given.shift_remove(&key);
            let hint = elsewhere(&key).unwrap_or_else(|| hint(&key, &known));
            problems.push(format!("there is no option `{key}`\nhint: {hint}"));
        }
    }
    let (read, unread) = configuration::read::<T>("", value);
    problems.extend(unread.iter().map(ToString::to_string));
    match read {
        Some(read) if problems.is_empty() => Ok(read),
        Some(read) => Err(Error::Faults(Faults::from(problems).and(check(read)))),
        None => Err(Error::Faults(problems.into())),
    }
}

/// The names of all options: serde names an unknown field and then those that it knows, each in backticks.
fn known<T: DeserializeOwned>() -> Vec<String> {
    const UNKNOWN: &str = "?";
    let error = T::deserialize(Value::from(Map::from_iter([(UNKNOWN.to_owned(), Value::Null)]))).err().map(|error| error.to_string()).unwrap_or_default();
    error.split('`').skip(3).step_by(2).map(ToOwned::to_owned).collect()
}

fn hint(unknown: &str, known: &[String]) -> String {
    // `base_url` is more letters away from `url` than a slip of the finger.
    let part = || known.iter().map(String::as_str).find(|known| unknown.ends_with(&format!("_{known}")));
    match nearest(unknown, known.iter().map(String::as_str)).or_else(part) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it has {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// Has the paths of a serving start from a folder, as those of a storage do: a pipeline does not depend on where the program was started.
///
/// A model is taken for a path where one leads to it from there; otherwise it is a name. A command is a path where a slash is in it, as in a shell; otherwise it is
/// looked for in `PATH`.
pub fn start_paths_from(folder: &Path, serving: &mut Map<String, Value>) {
    let keys: &[&str] = match serving.get("type").and_then(Value::as_str) {
        Some("pool") => &["config", "cache_path"],
        Some("local") => &["log_path", "hf_cache_dir", "hf_local_dir", "model"],
        _ => return,
    };
    let is_kept = matches!(serving.get("cache"), Some(cache) if !matches!(cache.as_str(), Some("off")) && cache != &Value::Bool(false));
    if keys.contains(&"cache_path") && is_kept && !serving.contains_key("cache_path") {
        serving.insert("cache_path".into(), POOL_CACHE.into());
    }
    for key in keys {
        let Some(Value::String(path)) = serving.get_mut(*key) else { continue }; // anything else is told when the serving is built
        let from_there = folder.join(path.as_str());
        if path.is_empty() || *key == "model" && !from_there.exists() {
            continue;
        }
        *path = absolute(from_there);
    }
    if keys.contains(&"model")
        && let Some(Value::String(program)) = serving.get_mut("command").and_then(|command| command.get_mut(0))
        && is_path(program)
    {
        *program = absolute(folder.join(program.as_str()));
    }
}

fn absolute(path: PathBuf) -> String {
    std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
}

/// Whether the program of a command is named by its path. One that begins with `{model}` starts where the model is.
fn is_path(program: &str) -> bool {
    program.contains(['/', std::path::MAIN_SEPARATOR]) && !program.starts_with('{')
}

/// A serving as a pipeline file has it: its type, and the options that are not what they are by default, `always` among them.
pub(crate) fn spec<T: Serialize + Default>(kind: &str, options: &T, always: &[&str]) -> Map<String, Value> {
    let fields = |options: &T| match serde_json::to_value(options) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(), // plain data always writes
    };
    let defaults = fields(&T::default());
    let told = fields(options).into_iter().filter(|(name, value)| always.contains(&name.as_str()) || defaults.get(name) != Some(value));
    std::iter::once(("type".to_owned(), Value::from(kind))).chain(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[test]
    fn paths_start_from_the_folder_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tiny.gguf"), "").unwrap();
        let check = |mut serving: Value| {
            start_paths_from(folder.path(), serving.as_object_mut().unwrap());
            serving
        };
        let at = |path: &str| std::path::absolute(folder.path().join(path)).unwrap().to_string_lossy().into_owned();
        let pool = check(json!({ "type": "pool", "config": "config.yaml", "cache": "on", "model": "fast" }));
        assert_eq!(pool, json!({ "type": "pool", "config": at("config.yaml"), "cache": "on", "model": "fast", "cache_path": at("./cache/pool") }));
        let absolute = json!({ "type": "pool", "config": at("x"), "cache": "off" });
        assert_eq!(check(absolute.clone()), absolute);
        let local = check(json!({ "type": "local", "model": "tiny.gguf", "log_path": "../server.log" }));
        assert_eq!(local, json!({ "type": "local", "model": at("tiny.gguf"), "log_path": at("../server.log") }));
        for other in [json!({ "type": "local", "model": "Qwen/Qwen3-8B" }), json!({ "type": "api", "config": "x" }), json!({ "type": "pool", "config": 7 })] {
            assert_eq!(check(other.clone()), other);
        }
    }

    #[test]
    fn a_command_with_a_slash_starts_from_there_and_one_without_is_looked_for() {
        let folder = Path::new("/pipelines/one");
        let check = |command: Value| {
            let mut serving = json!({ "type": "local", "command": command });
            start_paths_from(folder, serving.as_object_mut().unwrap());
            serving["command"].clone()
        };
        assert_eq!(check(json!(["./serve", "--at", "./{port}"])), json!(["/pipelines/one/serve", "--at", "./{port}"]));
        assert_eq!(check(json!(["bin/serve"])), json!(["/pipelines/one/bin/serve"]));
        for kept in [json!(["serve", "a/b"]), json!(["/bin/serve"]), json!(["{model}/serve"]), json!([]), json!("bin/serve"), json!([7])] {
            assert_eq!(check(kept.clone()), kept);
        }
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        temperature: f64,
        model: String,
    }

    #[test]
    fn an_unknown_option_gets_the_nearest_name() {
        let check = |value| read::<Options>(value).unwrap_err().to_string();
        assert_eq!(check(json!({ "temprature": 1 })), "there is no option `temprature`\nhint: did you mean `temperature`?");
        assert_eq!(
            check(json!({ "model": 1, "temperature": "x" })),
            "`model` should be a text, found `1`\nhint: put it in quotes\n`temperature` should be a number, found `x`"
        );
        assert_eq!(check(json!({ "zzz": 1 })), "there is no option `zzz`\nhint: it has `temperature`, `model`");
        assert_eq!(check(json!({ "base_model": 1 })), "there is no option `base_model`\nhint: did you mean `model`?");
        assert_eq!(
            check(json!({ "zzz": 1, "temperature": "x", "modle": "m" })),
            "there is no option `zzz`\nhint: it has `temperature`, `model`\nthere is no option `modle`\nhint: did you mean `model`?\n\
             `temperature` should be a number, found `x`"
        );
    }

    #[test]
    fn what_is_wrong_with_the_rest_is_told_too() {
        let check = |kind: &str, mut options: Value| {
            options["type"] = kind.into();
            dataflow_core::registry::build_serving("s", &options).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let error = check("api", json!({ "modle": "a", "temprature": 1, "timeout": -3, "top_p": 7 }));
        for told in ["`modle`", "did you mean `model`?", "`temprature`", "did you mean `temperature`?", "`timeout` should be", "`top_p` should be"] {
            assert!(error.contains(told), "{told} is missing in: {error}");
        }
        let error = check("api", json!({ "model": "", "api_url": "nowhere", "connect_timeout": 0 }));
        assert!(error.contains("`model` is empty") && error.contains("`api_url` should be") && error.contains("`connect_timeout` should be"), "{error}");
        let error = check("gateway", json!({ "base_url": "http://127.0.0.1:1", "url": "x", "timeout": -3 }));
        assert!(error.contains("did you mean `url`?") && error.contains("`url` should be") && error.contains("`timeout` should be"), "{error}");
        let error = check("pool", json!({ "backoff": "ladder", "models": [{ "id": 1 }], "max_concurrency": 0 }));
        for told in ["hint: `gateway: { backoff: … }`", "missing field `model`", "missing field `channel_id`", "`max_concurrency` should be"] {
            assert!(error.contains(told), "{told} is missing in: {error}");
        }
        let error = check("local", json!({ "engin": "vllm", "timeout": 0, "start_timeout": -1 }));
        for told in ["did you mean `engine`?", "which server?", "`timeout` should be", "`start_timeout` should be"] {
            assert!(error.contains(told), "{told} is missing in: {error}");
        }
        let error = check("local", json!({ "engine": "vlm", "model": "" }));
        assert!(error.contains("`engine` should be one of") && error.contains("found `vlm`") && error.contains("`model` is empty"), "{error}");
    }
}
