//! What a file says and cannot be: numbers out of their range, addresses that are none, names that nothing has.

use std::collections::HashSet;

use dataflow_core::registry::nearest;
use reqwest::Url;
use serde_json::{Map, Value};

use super::{ChannelSettings, GatewaySettings, LogSettings, ModelSettings, text_or_number, without_password};
use crate::pool::client::proxy_of;
use crate::pool::deployment::{addresses, bearer};
use crate::pool::is_any;

/// Requests a second that a limit can hold: from one in eleven days on.
const RATES: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// The words of `global.log`, large or small.
pub(super) const LEVELS: [&str; 7] = ["trace", "debug", "info", "warning", "warn", "error", "critical"];
pub(super) const FORMATS: [&str; 2] = ["text", "json"];
pub(super) const OUTPUTS: [&str; 2] = ["console", "file"];

impl ModelSettings {
    /// Takes the key from the environment, where it is there, and tells what is wrong.
    pub(super) fn check(&mut self, problems: &mut Vec<String>, variable: &dyn Fn(&str) -> Option<String>) {
        let mut wrong = |message: String| problems.push(format!("model `{}`: {message}", self.id));
        let seconds = [("timeout", Some(self.timeout)), ("timeout_first_token", self.timeout_first_token), ("timeout_idle", self.timeout_idle)];
        for (key, found) in seconds.into_iter().filter_map(|(key, found)| Some((key, found?))).filter(|(_, found)| !(*found > 0.0 && found.is_finite())) {
            wrong(format!("`{key}` should be a number of seconds above 0, found {found}"));
        }
        // A weight or a rate of 0 or less has a meaning: asked by name alone, and no limit.
        if let Some(temperature) = self.temperature.filter(|temperature| *temperature < 0.0) {
            wrong(format!("`temperature` should be 0 or more, found {temperature}"));
        }
        for (key, found) in [("safe_tpm", self.safe_tpm), ("max_concurrency", self.max_concurrency.map(|most| most as u64))] {
            if found == Some(0) {
                wrong(format!("`{key}` should be at least 1, found 0\nhint: leave it out for no limit"));
            }
        }
        if let Some(rate) = self.safe_rps.filter(|rate| *rate > 0.0 && !RATES.contains(rate)) {
            wrong(format!("`safe_rps` should be from {} to {} requests a second, or 0 for no limit; found {rate}", RATES.start(), RATES.end()));
        }
        if self.model.trim().is_empty() {
            wrong("`model` is empty: it is the model's name at the service, such as `gpt-4o`".into());
        }
        for (key, found) in [("id", Some(&self.id)), ("name", self.name.as_ref().filter(|name| !name.trim().is_empty()))] {
            if found.is_some_and(|found| is_any(found.trim())) {
                wrong(format!("`{key}` should be a name of its own, found `{}`, which asks for any model", found.map_or("", String::as_str)));
            }
        }
        if let Some(prices) = self.prices.filter(|prices| !(prices.input >= 0.0 && prices.output >= 0.0)) {
            wrong(format!("`prices` should be 0 or more, found in {} and out {}", prices.input, prices.output));
        }
        if let Some(name) = &self.api_key_env {
            match variable(name).filter(|key| !key.trim().is_empty()) {
                Some(key) => self.api_key = Some(key.into()),
                None => wrong(format!("the environment variable `{name}` is not set\nhint: `export {name}=…`")),
            }
        }
        if let Err(message) = bearer(self) {
            wrong(message);
        }
    }
}

impl ChannelSettings {
    pub(super) fn check(&self, id: &str, problems: &mut Vec<String>) {
        let mut wrong = |message: String| problems.push(format!("channel `{id}`: {message}"));
        match Url::parse(&self.base_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                if let Err(message) = addresses(self) {
                    wrong(message);
                }
            }
            _ => wrong(format!("`base_url` should be an address such as `https://api.openai.com`, found `{}`", without_password(&self.base_url))),
        }
        if let Err(message) = proxy_of(self) {
            wrong(message);
        }
        if self.timeout.is_nan() || self.timeout <= 0.0 {
            wrong(format!("`timeout` should be a number of seconds above 0, found {}", self.timeout));
        }
    }
}

impl ChannelSettings {
    /// An address that ends as the path begins; AI-DataFlux joins them in the same way.
    pub(super) fn warn(&self, id: &str, warnings: &mut Vec<String>) {
        let base = without_password(self.base_url.trim_end_matches('/'));
        let Some((shorter, version)) = base.rsplit_once('/').filter(|(shorter, _)| shorter.contains("://")) else { return };
        let path = self.api_path.trim_start_matches('/');
        if path.split('/').next() == Some(version) {
            warnings.push(format!("channel `{id}`: {base}/{path} is asked, with `/{version}` twice\nhint: `base_url: {shorter}`"));
        }
    }
}

impl GatewaySettings {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if self.max_body_mb == 0 {
            problems.push("`gateway.max_body_mb` should be at least 1, found 0".into());
        }
        if !(self.queue_timeout >= 0.0 && self.queue_timeout.is_finite()) {
            problems.push(format!("`gateway.queue_timeout` should be a number of seconds from 0 on, found {}", self.queue_timeout));
        }
        let keys = self.api_keys.iter().map(|key| ("gateway.api_keys", key)).chain(self.admin_key.iter().map(|key| ("gateway.admin_key", key)));
        for (place, _) in keys.filter(|(_, key)| key.reveal().trim().is_empty()) {
            problems.push(format!("`{place}` holds an empty key, which opens nothing"));
        }
        for origin in self.cors.iter().filter(|origin| !(*origin == "*" || origin.starts_with("http://") || origin.starts_with("https://"))) {
            problems.push(format!("`gateway.cors` should list origins such as `https://example.com`, or `*`; found `{origin}`"));
        }
    }
}

impl LogSettings {
    /// An odd word here is no reason not to work.
    pub(super) fn check(&self, warnings: &mut Vec<String>) {
        let among = |key: &str, found: &str, known: &[&str]| {
            let well = known.iter().any(|known| found.eq_ignore_ascii_case(known));
            (!well).then(|| format!("`global.log.{key}` should be one of `{}`, found `{found}`", known.join("`, `")))
        };
        warnings.extend(among("level", &self.level, &LEVELS));
        warnings.extend(among("format", &self.format, &FORMATS));
        warnings.extend(among("output", &self.output, &OUTPUTS));
    }
}

/// What the models are called by, and the channels that they name, also of those that cannot be read otherwise.
pub(super) fn check_names(models: &[Value], channels: &Map<String, Value>, problems: &mut Vec<String>) {
    let text = |model: &Value, key: &str| text_or_number(model.get(key)?).ok();
    let mut ids = HashSet::new();
    for (number, model) in models.iter().enumerate() {
        let id = text(model, "id");
        if let Some(id) = id.as_ref().filter(|id| !ids.insert((*id).clone())) {
            problems.push(format!("two models have the id `{id}`"));
        }
        let Some(channel) = text(model, "channel_id").filter(|channel| !channels.contains_key(channel)) else { continue };
        let id = id.unwrap_or_else(|| format!("models.{}", number + 1));
        let hint = nearest(&channel, channels.keys().map(String::as_str)).map(|near| format!("\nhint: did you mean `{near}`?")).unwrap_or_default();
        problems.push(format!("model `{id}` names the channel `{channel}`, which is not there{hint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Configuration;

    #[test]
    fn all_problems_are_told_at_once() {
        let text = "models: [{ id: 1, model: m, channel_id: 2, api_key_env: NONE }, { id: 1, channel_id: 1 }]\nchannels: { 1: { base_url: nowhere } }\n";
        let problems = Configuration::parse(text, &|_| None).unwrap_err().told();
        assert_eq!(
            problems,
            [
                "`models.2`: missing field `model`",
                "model `1` names the channel `2`, which is not there",
                "two models have the id `1`",
                "model `1`: the environment variable `NONE` is not set\nhint: `export NONE=…`",
                "channel `1`: `base_url` should be an address such as `https://api.openai.com`, found `nowhere`",
            ]
        );
    }

    #[test]
    fn every_key_that_is_wrong_is_named_and_nothing_that_follows_from_it() {
        let text = "models: [{ id: 1, model: m, channel_id: a, safe_rps: fast, timeout: soon }, { id: 2, model: m, channel_id: b, max_concurrency: 0 }]\n\
                    channels: { a: { base_url: 'http://a.example', ssl_verify: maybe }, b: { base_url: 'http://b.example' } }\n\
                    gateway: { api_keys: [''], max_body_mb: 0, cors: [foo] }\nglobal: { log: { level: loud } }\n";
        assert_eq!(
            Configuration::parse(text, &|_| None).unwrap_err().told(),
            [
                "`models.1.safe_rps` should be a number, found `fast`",
                "`models.1.timeout` should be a number, found `soon`",
                "`channels.a.ssl_verify` should be `true` or `false`, found `maybe`",
                "model `2`: `max_concurrency` should be at least 1, found 0\nhint: leave it out for no limit",
                "`gateway.max_body_mb` should be at least 1, found 0",
                "`gateway.api_keys` holds an empty key, which opens nothing",
                "`gateway.cors` should list origins such as `https://example.com`, or `*`; found `foo`",
                "warning: `global.log.level` should be one of `trace`, `debug`, `info`, `warning`, `warn`, `error`, `critical`, found `loud`",
            ]
        );
    }

    #[test]
    fn no_problem_hides_another() {
        let text = "models: [{ id: 1, model: m, channel_id: 9, weight: abc }, { id: 1, channel_id: [], timeout: 0 }, { model: m, channel_id: 2, api_key: \"a\\nb\" }, 7]\n\
                    channels: { 1: { base_url: notaurl, ssl_verify: maybe, proxy: 'ftp://y' }, 2: { base_url: 5, proxy: 'ftp://z', timeout: 0 } }\n";
        assert_eq!(
            Configuration::parse(text, &|_| None).unwrap_err().told(),
            [
                "`models.1.weight` should be a number, found `abc`",
                "`models.2`: missing field `model`",
                "`models.2.channel_id`: expected a text or a number, found `[]`",
                "`models.3`: missing field `id`",
                "`models.4` should be keys with values, found `7`",
                "`channels.1.ssl_verify` should be `true` or `false`, found `maybe`",
                "`channels.2.base_url` should be a text, found `5`\nhint: put it in quotes",
                "model `1` names the channel `9`, which is not there",
                "two models have the id `1`",
                "model `models.2`: `timeout` should be a number of seconds above 0, found 0",
                "model `models.3`: the key holds characters that no key has",
                "channel `1`: `base_url` should be an address such as `https://api.openai.com`, found `notaurl`",
                "channel `1`: `proxy` should begin with one of `http://`, `https://`, `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, found `ftp://y`",
                "channel `2`: `proxy` should begin with one of `http://`, `https://`, `socks4://`, `socks4a://`, `socks5://`, `socks5h://`, found `ftp://z`",
                "channel `2`: `timeout` should be a number of seconds above 0, found 0",
            ]
        );
        let wrong = Configuration::parse("models: 5\nchannels: [x]\n", &|_| None).unwrap_err().told();
        assert_eq!(wrong, ["`models` should be a list, found `5`", "`channels` should be keys with values, found `[\"x\"]`"]);
    }

    #[test]
    fn numbers_out_of_their_range_are_told_and_those_with_a_meaning_are_not() {
        let text = "models:\n- { id: 1, model: m, channel_id: a, weight: -1, safe_rps: -2 }\n\
                    - { id: 2, model: m, channel_id: a, weight: .inf, safe_rps: .nan, temperature: -0.1, safe_tpm: -5, max_concurrency: 0, prices: { in: -1 } }\n\
                    channels: { a: { base_url: 'http://a.example', timeout: -3 } }\ngateway: { queue_timeout: -5, max_queue: -1, max_connections: many }\n";
        assert_eq!(
            Configuration::parse(text, &|_| None).unwrap_err().told(),
            [
                "`models.2.weight` should be a finite number, found `.inf`",
                "`models.2.safe_rps` should be a finite number, found `.nan`",
                "`gateway.max_queue` should be a whole number from 0 on, found `-1`",
                "`gateway.max_connections` should be a whole number from 0 on, found `many`",
                "`models.2.safe_tpm` should be a whole number from 0 on, found `-5`",
                "model `2`: `temperature` should be 0 or more, found -0.1",
                "model `2`: `max_concurrency` should be at least 1, found 0\nhint: leave it out for no limit",
                "model `2`: `prices` should be 0 or more, found in -1 and out 0",
                "channel `a`: `timeout` should be a number of seconds above 0, found -3",
                "`gateway.queue_timeout` should be a number of seconds from 0 on, found -5",
            ]
        );
        let text = "models: [{ id: 1, model: m, channel_id: a, weight: -1, safe_rps: -2 }]\nchannels: { a: { base_url: 'http://a.example' } }\n";
        let (configuration, _) = Configuration::parse(text, &|_| None).unwrap();
        assert_eq!(configuration.models[0].requests_per_second(), None, "as AI-DataFlux has it");
    }

    #[test]
    fn a_version_that_stands_twice_is_warned_of() {
        let warnings = |base: &str| {
            let text = format!("models: [{{ id: 1, model: m, channel_id: a }}]\nchannels: {{ a: {{ base_url: '{base}' }} }}\n");
            Configuration::parse(&text, &|_| None).unwrap().1
        };
        let told = "channel `a`: https://a.example/x/v1/v1/chat/completions is asked, with `/v1` twice\nhint: `base_url: https://a.example/x`";
        assert_eq!(warnings("https://a.example/x/v1/"), [told]);
        assert!(warnings("https://a.example/x").is_empty() && warnings("https://a.example").is_empty() && warnings("https://v1").is_empty());
    }

    #[test]
    fn keys_and_sections_of_the_wrong_kind_are_told_in_plain_words() {
        let check = |text: &str| Configuration::parse(text, &|_| None).unwrap_err().told().join("\n");
        let text = "gateway: { admin_key: [], api_keys: sk-1 }\nmodels: [{ id: 1, model: m, channel_id: a, api_key: true }]\nchannels: { a: { base_url: 'http://a' } }\n";
        assert_eq!(
            check(text),
            "`gateway.admin_key` should be a text, found a list\n`gateway.api_keys` should be a list, found a text\nhint: put it in brackets, `[…]`\n\
             `models.1.api_key` should be a text, found a truth value\nhint: put it in quotes"
        );
        assert_eq!(check("gateway: { api_keys: [[one]] }\n"), "`gateway.api_keys`: one of its items cannot be read");
        let twice = check("models: []\nchannels: {}\nmodels: []\n");
        assert!(twice.contains("models") && twice.contains("line 3"), "{twice}");
    }

    #[test]
    fn rates_that_no_limit_holds_and_names_that_mean_any_are_told() {
        let text = "models:\n- { id: '', model: ' ', channel_id: a, safe_rps: 1e-12 }\n- { id: 1, name: auto, model: m, channel_id: a, safe_rps: 1e300 }\n\
                    - { id: any, model: auto, channel_id: b, safe_rps: 0.000001 }\n\
                    channels: { a: { base_url: 'http://a.example', proxy: nonsense }, b: { base_url: 'http://b.example', proxy: 'localhost:3128' } }\n";
        assert_eq!(
            Configuration::parse(text, &|_| None).unwrap_err().told(),
            [
                "model ``: `safe_rps` should be from 0.000001 to 1000000 requests a second, or 0 for no limit; found 0.000000000001",
                "model ``: `model` is empty: it is the model's name at the service, such as `gpt-4o`",
                "model ``: `id` should be a name of its own, found ``, which asks for any model",
                &format!("model `1`: `safe_rps` should be from 0.000001 to 1000000 requests a second, or 0 for no limit; found 1{}", "0".repeat(300)),
                "model `1`: `name` should be a name of its own, found `auto`, which asks for any model",
                "model `any`: `id` should be a name of its own, found `any`, which asks for any model",
                "channel `a`: `proxy` should be an address such as `http://127.0.0.1:3128` or `127.0.0.1:3128`, found `nonsense`",
            ]
        );
    }

    #[test]
    fn variables_that_are_not_set_are_told_with_all_else_and_nothing_that_follows_from_them() {
        let text = "models: [{ id: '${ID}', model: '${MODEL}', channel_id: '${WAY}', api_key: 'x${KEY}', weight: '${WEIGHT}', timeout: 0 }]\n\
                    channels: { a.b: { base_url: 'http://${HOST}/v1', ssl_verify: maybe } }\n\
                    gateway: { api_keys: ['${DOOR}'], queue_timeout: '${TIME}', max_body_mb: 0 }\nmysql: { password: '${WORD}' }\n";
        let unset = |place: &str, name: &str| format!("`{place}` reads the environment variable `{name}`, which is not set");
        assert_eq!(
            Configuration::parse(text, &|_| None).unwrap_err().told(),
            [
                unset("models.1.id", "ID"),
                unset("models.1.model", "MODEL"),
                unset("models.1.channel_id", "WAY"),
                unset("models.1.api_key", "KEY"),
                unset("models.1.weight", "WEIGHT"),
                unset("channels.a.b.base_url", "HOST"),
                unset("gateway.api_keys.1", "DOOR"),
                unset("gateway.queue_timeout", "TIME"),
                unset("mysql.password", "WORD"),
                "`channels.a.b.ssl_verify` should be `true` or `false`, found `maybe`".into(),
                "model `models.1`: `timeout` should be a number of seconds above 0, found 0".into(),
                "`gateway.max_body_mb` should be at least 1, found 0".into(),
            ]
        );
    }
}
