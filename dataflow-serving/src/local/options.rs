//! What a pipeline file can say of a model server on this machine, and the command that comes of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dataflow_core::registry::nearest;
use dataflow_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Secret;
use crate::api::options::tells_of_a_secret;
use crate::api::{ApiOptions, SchemaMode};
use crate::pool::seconds;

/// A server that is known: its command, where it tells that it is ready, and DataFlow's defaults for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Engine {
    /// `vllm serve`
    #[serde(rename = "vllm")]
    Vllm,
    /// `python3 -m sglang.launch_server`
    #[serde(rename = "sglang")]
    Sglang,
    /// `llama-server`
    #[serde(rename = "llama.cpp", alias = "llama_cpp", alias = "llama-server")]
    LlamaCpp,
}

/// How a model server is started and asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalOptions {
    /// The server, where `command` does not name another.
    pub engine: Option<Engine>,
    /// A folder or a file with the model, or its name at Hugging Face.
    pub model: String,
    /// The whole command in place of the engine's own; `{model}`, `{host}` and `{port}` in it are filled in. A program with a slash in its name starts, in a pipeline file,
    /// from the file's folder.
    pub command: Vec<String>,
    /// Arguments after those of the engine's own command.
    pub arguments: Vec<String>,
    /// Variables of the server's environment. One whose name tells of a key or a token is never written; none is printed.
    #[serde(skip_serializing)]
    pub environment: BTreeMap<String, Secret>,
    /// The port, 0 for any that is free.
    pub port: u16,
    /// The path that answers with 200 once the model can be asked.
    pub health: String,
    /// The seconds that it may take until then.
    pub start_timeout: f64,
    /// The seconds that it may take to end when it is told to.
    pub stop_timeout: f64,
    /// A file for what the server prints.
    pub log_path: Option<PathBuf>,
    /// How many processors of graphics share one model.
    pub tensor_parallel_size: Option<u32>,
    /// How many copies of the model there are.
    pub data_parallel_size: Option<u32>,
    /// The most tokens of a question and its reply together.
    pub max_model_len: Option<u64>,
    /// The share of the memory of graphics that the server takes.
    pub gpu_memory_utilization: Option<f64>,
    /// Where models from Hugging Face are kept.
    pub hf_cache_dir: Option<PathBuf>,
    /// A folder that holds the model already.
    pub hf_local_dir: Option<PathBuf>,
    /// 0 for the likeliest words, higher for more variety; DataFlow's own for the engine without it.
    pub temperature: Option<f64>,
    /// The share of probability from which words are drawn; DataFlow's own for the engine without it.
    pub top_p: Option<f64>,
    /// The longest reply, in tokens; DataFlow's own for the engine without it.
    pub max_tokens: Option<u64>,
    /// The seed of the draw.
    pub seed: Option<i64>,
    /// Texts at which a reply ends.
    pub stop: Vec<String>,
    /// Fields that go into each request's body, such as `top_k`.
    pub extra_body: Map<String, Value>,
    /// How many calls may be in flight at once; the server batches them.
    pub max_concurrency: usize,
    /// The seconds that a call may take.
    pub timeout: f64,
    /// How often a call that failed is tried again.
    pub max_retries: u32,
    /// Whether the server holds replies to a JSON schema; without, the model is asked in words.
    pub supports_json_schema: bool,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            engine: None,
            model: String::new(),
            command: Vec::new(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            port: 0,
            health: "/health".into(),
            start_timeout: 1800.0,
            stop_timeout: 15.0,
            log_path: None,
            tensor_parallel_size: None,
            data_parallel_size: None,
            max_model_len: None,
            gpu_memory_utilization: None,
            hf_cache_dir: None,
            hf_local_dir: None,
            temperature: None,
            top_p: None,
            max_tokens: None,
            seed: None,
            stop: Vec::new(),
            extra_body: Map::new(),
            max_concurrency: 128,
            timeout: 1800.0,
            max_retries: 3,
            supports_json_schema: true,
        }
    }
}

/// Parameters of DataFlow's `LocalModelLLMServing_vllm` and `_sglang` that have a name of their own here.
const RENAMED: [(&str, &str); 16] = [
    ("hf_model_name_or_path", "model"),
    ("vllm_tensor_parallel_size", "tensor_parallel_size"),
    ("vllm_temperature", "temperature"),
    ("vllm_top_p", "top_p"),
    ("vllm_max_tokens", "max_tokens"),
    ("vllm_seed", "seed"),
    ("vllm_max_model_len", "max_model_len"),
    ("vllm_gpu_memory_utilization", "gpu_memory_utilization"),
    ("sgl_tp_size", "tensor_parallel_size"),
    ("sgl_dp_size", "data_parallel_size"),
    ("sgl_mem_fraction_static", "gpu_memory_utilization"),
    ("sgl_max_new_tokens", "max_tokens"),
    ("sgl_stop", "stop"),
    ("sgl_temperature", "temperature"),
    ("sgl_top_p", "top_p"),
    ("sgl_seed", "seed"),
];
/// Those that go into each request's body, as the engines' own servers call them.
const IN_REQUESTS: [(&str, &str); 17] = [
    ("vllm_top_k", "top_k"),
    ("vllm_repetition_penalty", "repetition_penalty"),
    ("sgl_stop_token_ids", "stop_token_ids"),
    ("sgl_top_k", "top_k"),
    ("sgl_min_p", "min_p"),
    ("sgl_frequency_penalty", "frequency_penalty"),
    ("sgl_presence_penalty", "presence_penalty"),
    ("sgl_repetition_penalty", "repetition_penalty"),
    ("sgl_min_new_tokens", "min_tokens"),
    ("sgl_regex", "regex"),
    ("sgl_ebnf", "ebnf"),
    ("sgl_ignore_eos", "ignore_eos"),
    ("sgl_skip_special_tokens", "skip_special_tokens"),
    ("sgl_spaces_between_special_tokens", "spaces_between_special_tokens"),
    ("sgl_no_stop_trim", "no_stop_trim"),
    ("sgl_custom_params", "custom_params"),
    ("sgl_logit_bias", "logit_bias"),
];

impl LocalOptions {
    /// Reads what a file says; DataFlow's parameters are known by their names there.
    pub fn read(value: Value) -> Result<Self> {
        let Value::Object(given) = value else { return crate::options::read(value) };
        let (mut fields, mut request) = (Map::new(), Map::new());
        let mut engine = None;
        for (name, value) in given {
            match name.split_once('_').map(|(prefix, _)| prefix) {
                Some("vllm") => engine = Some("vllm"),
                Some("sgl") => engine = Some("sglang"),
                _ => {}
            }
            let of = |table: &[(&'static str, &'static str)]| table.iter().find(|(old, _)| *old == name).map(|(_, new)| *new);
            match (name.as_str(), &value) {
                (old, Value::Null) if old.starts_with("sgl_") || old.starts_with("vllm_") || old.starts_with("hf_") => {}
                ("sgl_stop", Value::String(stop)) => _ = fields.insert("stop".into(), json!([stop])),
                ("sgl_stream_interval", interval) => fields.entry("arguments").or_insert_with(|| json!([])).as_array_mut().into_iter().for_each(|arguments| {
                    arguments.extend(["--stream-interval".into(), interval.to_string().into()]);
                }),
                ("sgl_json_schema", Value::String(schema)) => {
                    let schema: Value = serde_json::from_str(schema).map_err(|error| Error::Configuration(format!("`sgl_json_schema` is no JSON: {error}")))?;
                    request.insert("response_format".into(), json!({ "type": "json_schema", "json_schema": { "name": "reply", "schema": schema } }));
                }
                ("sgl_structural_tag", Value::String(tag)) => {
                    let tag = serde_json::from_str(tag).map_err(|error| Error::Configuration(format!("`sgl_structural_tag` is no JSON: {error}")))?;
                    request.insert("response_format".into(), tag);
                }
                ("sgl_n", number) if *number != 1 => {
                    return Err(Error::Configuration("`sgl_n` should be 1: an operator that wants several replies asks for each of them".into()));
                }
                ("sgl_n", _) => {}
                _ => match (of(&RENAMED), of(&IN_REQUESTS)) {
                    (Some(new), _) => _ = fields.insert(new.into(), value),
                    (_, Some(new)) => _ = request.insert(new.into(), value),
                    _ => _ = fields.insert(name, value),
                },
            }
        }
        if let (Some(engine), true) = (engine, fields.get("command").is_none()) {
            fields.entry("engine").or_insert_with(|| engine.into());
        }
        if !request.is_empty() {
            match fields.entry("extra_body").or_insert_with(|| json!({})) {
                Value::Object(body) => request.into_iter().for_each(|(name, value)| _ = body.entry(name).or_insert(value)),
                other => return Err(Error::Configuration(format!("`extra_body` should be a mapping, found {other}"))),
            }
        }
        crate::options::read_with(Value::Object(fields), |_| None, |options: Self| options.problems().into())
    }

    /// Says what keeps the server from being started.
    pub(super) fn problems(&self) -> Vec<String> {
        if !cfg!(unix) {
            return vec!["`type: local` needs a Unix system: start the server yourself, and use `type: api` with its address".into()];
        }
        let mut problems = Vec::new();
        let is_named = self.engine.is_some() || !self.command.is_empty();
        if !is_named {
            problems.push("which server? `engine` should be `vllm`, `sglang` or `llama.cpp`, or `command` the whole command of another".into());
        }
        if self.model.trim().is_empty() && (self.command.is_empty() || self.command.iter().any(|part| part.contains("{model}"))) {
            problems.push("`model` is empty: name a folder or a file with the model, or its name at Hugging Face".into());
        }
        if let Some(folder) = self.hf_local_dir.as_ref().filter(|folder| !folder.exists()) {
            let (folder, model) = (folder.display(), &self.model);
            problems.push(format!(
                "`hf_local_dir` should be a folder that holds the model, and there is none at {folder}\nhint: `hf download {model} --local-dir {folder}`"
            ));
        }
        for (key, found) in [("start_timeout", self.start_timeout), ("timeout", self.timeout)].into_iter().filter(|(_, found)| seconds(*found).is_none()) {
            problems.push(format!("`{key}` should be a number of seconds above 0, found {found}"));
        }
        problems.extend([("command", &self.command), ("arguments", &self.arguments)].into_iter().flat_map(|(key, parts)| misspelt(key, parts)));
        if is_named {
            problems.extend(self.missing_program());
        }
        problems
    }

    /// What is not installed.
    fn missing_program(&self) -> Option<String> {
        let program = self.program();
        let engine = self.engine.filter(|_| self.command.is_empty());
        let is_there = is_found(&program);
        if is_there && (engine != Some(Engine::Sglang) || has_module(&program, "sglang")) {
            return None;
        }
        let hint = match engine {
            Some(Engine::Vllm) => "`pip install vllm`, or name the program in `command`",
            Some(Engine::Sglang) => "`pip install sglang`, or name the program in `command`",
            Some(Engine::LlamaCpp) => "it is a part of llama.cpp (https://github.com/ggml-org/llama.cpp); or name the program in `command`",
            None => "`command` should begin with a program in PATH, or with its path",
        };
        let missing = if is_there { format!("`{program}` has no module `sglang`") } else { format!("there is no program `{program}`") };
        Some(format!("{missing}\nhint: {hint}"))
    }

    /// The program that is started.
    pub(super) fn program(&self) -> String {
        self.command_at(0).into_iter().next().unwrap_or_default()
    }

    /// The server's command for a port.
    pub(super) fn command_at(&self, port: u16) -> Vec<String> {
        let filled = |part: &String| part.replace("{model}", self.model_path()).replace("{host}", "127.0.0.1").replace("{port}", &port.to_string());
        let mut command: Vec<String> = if self.command.is_empty() { self.engines_command(port) } else { self.command.iter().map(filled).collect() };
        command.extend(self.arguments.iter().map(filled));
        command
    }

    fn engines_command(&self, port: u16) -> Vec<String> {
        let model = self.model_path();
        let begin: &[&str] = match self.engine {
            Some(Engine::Vllm) | None => &["vllm", "serve", model, "--served-model-name", &self.model],
            Some(Engine::Sglang) => &["python3", "-m", "sglang.launch_server", "--model-path", model, "--served-model-name", &self.model],
            Some(Engine::LlamaCpp) if Path::new(model).exists() || Path::new(model).extension().is_some_and(|ending| ending == "gguf") => {
                &["llama-server", "--model", model]
            }
            Some(Engine::LlamaCpp) => &["llama-server", "--hf-repo", model],
        };
        let mut command: Vec<String> = begin.iter().map(ToString::to_string).collect();
        command.extend(["--host".into(), "127.0.0.1".into(), "--port".into(), port.to_string()]);
        let names = match self.engine {
            Some(Engine::Vllm) | None => ["--tensor-parallel-size", "--data-parallel-size", "--max-model-len", "--gpu-memory-utilization"],
            Some(Engine::Sglang) => ["--tp-size", "--dp-size", "--context-length", "--mem-fraction-static"],
            Some(Engine::LlamaCpp) => ["", "", "--ctx-size", ""],
        };
        let values = [
            self.tensor_parallel_size.map(|size| size.to_string()),
            self.data_parallel_size.map(|size| size.to_string()),
            self.max_model_len.map(|length| length.to_string()),
            self.gpu_memory_utilization.map(|share| share.to_string()),
        ];
        let given = names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).filter(|(name, _)| !name.is_empty());
        command.extend(given.flat_map(|(name, value)| [name.to_owned(), value]));
        command
    }

    fn model_path(&self) -> &str {
        self.hf_local_dir.as_deref().and_then(Path::to_str).unwrap_or(&self.model)
    }

    /// The variables that the server is started with beside our own.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let cache = self.hf_cache_dir.iter().map(|folder| ("HF_HUB_CACHE".to_owned(), folder.display().to_string()));
        cache.chain(self.environment.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned()))).collect()
    }

    /// The variables whose names tell of no secret.
    pub(super) fn shown_environment(&self) -> BTreeMap<&str, &str> {
        self.environment.iter().filter(|(name, _)| !tells_of_a_secret(name)).map(|(name, value)| (name.as_str(), value.reveal())).collect()
    }

    /// The values that may not be shown in what the server prints.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        self.environment.iter().filter(|(name, _)| tells_of_a_secret(name)).map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn temperature(&self) -> Option<f64> {
        self.temperature.or(match self.engine {
            Some(Engine::Vllm) => Some(0.7),
            Some(Engine::Sglang) => Some(1.0),
            Some(Engine::LlamaCpp) | None => None,
        })
    }

    pub(super) fn max_tokens(&self) -> Option<u64> {
        self.max_tokens.or(match self.engine {
            Some(Engine::Vllm) => Some(1024),
            Some(Engine::Sglang) => Some(2048),
            Some(Engine::LlamaCpp) | None => None,
        })
    }

    /// What each request says beside the model, the question and its temperature.
    pub(super) fn request(&self) -> ApiOptions {
        let mut extra_body = self.extra_body.clone();
        let (top_p, top_k) = match self.engine {
            Some(Engine::Vllm) => (Some(0.9), Some(40)),
            Some(Engine::Sglang | Engine::LlamaCpp) | None => (None, None),
        };
        if let Some(top_k) = top_k {
            extra_body.entry("top_k").or_insert_with(|| top_k.into());
        }
        let json_schema_mode = if self.supports_json_schema { SchemaMode::Send } else { SchemaMode::Words };
        ApiOptions { top_p: self.top_p.or(top_p), seed: self.seed, stop: self.stop.clone(), extra_body, json_schema_mode, ..ApiOptions::default() }
    }

    /// All that shapes the replies.
    pub(super) fn identity(&self) -> Value {
        let request = self.request();
        let mut identity = Map::from_iter([("model".to_owned(), json!(self.model))]);
        let drawn = [
            ("temperature", json!(self.temperature())),
            ("top_p", json!(request.top_p)),
            ("max_tokens", json!(self.max_tokens())),
            ("seed", json!(request.seed)),
        ];
        identity.extend(drawn.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)));
        if !request.stop.is_empty() {
            identity.insert("stop".into(), json!(request.stop));
        }
        if !request.extra_body.is_empty() {
            // By name, so that the order in a file does not matter.
            identity.insert("extra_body".into(), json!(request.extra_body.iter().collect::<BTreeMap<_, _>>()));
        }
        Value::Object(identity)
    }
}

/// Names in braces that are nearly those that are filled in; `${NAME}` is a shell's.
fn misspelt(key: &str, parts: &[String]) -> Vec<String> {
    const FILLED_IN: [&str; 3] = ["model", "host", "port"];
    let braces = parts.iter().flat_map(|part| part.match_indices('{').map(move |(at, _)| part.split_at(at)));
    let names = braces.filter(|(before, _)| !before.ends_with('$')).filter_map(|(_, rest)| rest[1..].split_once('}')).map(|(name, _)| name);
    let odd = names.filter(|name| !FILLED_IN.contains(name)).filter_map(|name| Some((name, nearest(name, FILLED_IN)?)));
    odd.map(|(name, near)| format!("`{{{name}}}` in `{key}` is filled in with nothing\nhint: did you mean `{{{near}}}`?")).collect()
}

/// Whether a Python has a module; it is looked for and not loaded.
fn has_module(python: &str, module: &str) -> bool {
    let script = format!("import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)");
    std::process::Command::new(python).args(["-c", &script]).stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Whether a program is there: by its path, or in one of the folders of `PATH`.
fn is_found(program: &str) -> bool {
    if program.contains(std::path::MAIN_SEPARATOR) {
        return Path::new(program).is_file();
    }
    std::env::var_os("PATH").is_some_and(|folders| std::env::split_paths(&folders).any(|folder| folder.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(options: Value) -> String {
        LocalOptions::read(options).unwrap().command_at(8000).join(" ")
    }

    #[test]
    fn each_engine_has_its_command() {
        assert_eq!(
            command(json!({ "engine": "vllm", "model": "Qwen/Qwen3-8B", "tensor_parallel_size": 2, "arguments": ["--dtype", "bfloat16"] })),
            "vllm serve Qwen/Qwen3-8B --served-model-name Qwen/Qwen3-8B --host 127.0.0.1 --port 8000 --tensor-parallel-size 2 --dtype bfloat16"
        );
        assert_eq!(
            command(json!({ "engine": "sglang", "model": "m", "gpu_memory_utilization": 0.5, "max_model_len": 4096 })),
            "python3 -m sglang.launch_server --model-path m --served-model-name m --host 127.0.0.1 --port 8000 --context-length 4096 --mem-fraction-static 0.5"
        );
        assert_eq!(command(json!({ "engine": "llama.cpp", "model": "x/m.gguf" })), "llama-server --model x/m.gguf --host 127.0.0.1 --port 8000");
        assert_eq!(command(json!({ "command": ["serve", "--at={host}:{port}", "{model}"], "model": "m" })), "serve --at=127.0.0.1:8000 m");
    }

    #[test]
    fn the_parameters_of_dataflow_are_taken() {
        let options = LocalOptions::read(json!({
            "hf_model_name_or_path": "m", "hf_cache_dir": "/models", "hf_local_dir": null, "vllm_tensor_parallel_size": 4, "vllm_temperature": 0.1,
            "vllm_top_p": 0.8, "vllm_max_tokens": 99, "vllm_top_k": 7, "vllm_repetition_penalty": 1.1, "vllm_seed": null, "vllm_max_model_len": 2048,
            "vllm_gpu_memory_utilization": 0.8,
        }))
        .unwrap();
        assert_eq!((options.engine, options.temperature(), options.max_tokens()), (Some(Engine::Vllm), Some(0.1), Some(99)));
        let request = options.request();
        assert_eq!((request.top_p, Value::Object(request.extra_body)), (Some(0.8), json!({ "top_k": 7, "repetition_penalty": 1.1 })));
        assert_eq!(options.variables(), [("HF_HUB_CACHE".to_owned(), "/models".to_owned())]);
        let options = LocalOptions::read(json!({ "hf_model_name_or_path": "m", "sgl_tp_size": 2, "sgl_stop": "END", "sgl_min_p": 0.1, "sgl_n": 1 })).unwrap();
        assert_eq!((options.engine, options.stop.as_slice(), options.temperature()), (Some(Engine::Sglang), ["END".to_owned()].as_slice(), Some(1.0)));
        assert_eq!(options.extra_body["min_p"], 0.1);
        assert!(LocalOptions::read(json!({ "sgl_n": 3 })).unwrap_err().to_string().contains("should be 1"));
        assert!(LocalOptions::read(json!({ "vllm_tempereture": 3 })).is_err());
    }

    #[test]
    fn what_keeps_it_from_starting_is_told_before_it_is_started() {
        let check = |options: Value| LocalOptions::read(options).unwrap().problems().join("\n");
        assert!(check(json!({ "model": "m" })).starts_with("which server?"));
        assert!(check(json!({ "engine": "vllm" })).starts_with("`model` is empty"));
        assert_eq!(
            check(json!({ "command": ["no-such-program-here"] })),
            "there is no program `no-such-program-here`\nhint: `command` should begin with a program in PATH, or with its path"
        );
        assert!(check(json!({ "engine": "vllm", "model": "m", "hf_local_dir": "/no/such/folder" })).contains("hf download m --local-dir"));
        assert_eq!(check(json!({ "command": ["sh", "-c", "serve ${PORT} {odd} {\"a\": 1}"] })), "");
        let both = check(json!({ "command": ["sh", "--at={prot}"], "arguments": ["{modle}"], "timeout": 0 }));
        assert_eq!(
            both,
            "`timeout` should be a number of seconds above 0, found 0\n`{prot}` in `command` is filled in with nothing\nhint: did you mean `{port}`?\n\
             `{modle}` in `arguments` is filled in with nothing\nhint: did you mean `{model}`?"
        );
    }

    #[test]
    fn what_is_not_installed_is_told_with_how_to_install_it() {
        let sglang = LocalOptions { engine: Some(Engine::Sglang), model: "m".into(), ..LocalOptions::default() };
        let told = sglang.missing_program().unwrap_or_default();
        assert!(told.is_empty() || told.contains("pip install sglang"), "{told}");
        assert!(!has_module("no-such-python-here", "os") && !has_module("sh", "os"));
    }
}
