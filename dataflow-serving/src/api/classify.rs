//! Tells from status, headers and body what kind of fault a failed call was.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dataflow_core::serving::ErrorClass;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::hints;

/// One failed try.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind of fault it was.
    pub class: ErrorClass,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What the service or the connection says, without any key.
    pub message: String,
    /// The body as the service sent it, for whoever passes it on.
    pub body: Option<Bytes>,
    /// When the service said that it may be asked again.
    pub retry_after: Option<Duration>,
    /// The service said that trying again is of no use.
    pub vetoed: bool,
    /// The reply came, and was not what was asked for: it may be asked for again, and counts against no deployment.
    pub blameless: bool,
    /// The service's own code says that it refuses all calls for this model or with this key, and not this one alone.
    pub is_for_all: bool,
}

impl Failure {
    /// A failure of a class, without a status.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, status: None, message: message.into(), body: None, retry_after: None, vetoed: false, blameless: false, is_for_all: false }
    }
}

/// A reply whose status is not 2xx.
pub(crate) fn by_status(status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    let parsed = serde_json::from_slice::<Value>(body).ok();
    let error = Told::of(parsed.as_ref());
    let class = error.class().unwrap_or(match status {
        402 => ErrorClass::Quota,
        429 => ErrorClass::RateLimited,
        300..=399 | 401 | 403 | 404 => ErrorClass::Auth, // moved away: the address is wrong for all
        501 | 505 => ErrorClass::Caller,
        408 | 409 | 425 | 500.. => ErrorClass::Transient,
        _ => ErrorClass::Caller,
    });
    let words = match (&error.message, status) {
        (Some(message), _) => short(message),
        (None, 300..400) => match headers.get("location").and_then(|location| location.to_str().ok()) {
            Some(location) => format!("{MOVED} to {}", short(location.split('?').next().unwrap_or_default())),
            None => MOVED.to_owned(),
        },
        (None, _) => short(&String::from_utf8_lossy(body)),
    };
    let message = if words.is_empty() { status.to_string() } else { format!("{status}: {words}") };
    let vetoed = header(headers, "x-should-retry") == Some("false") && !error.is_of_a_gateway_that_has_not_tried();
    // A service that says so knows better than its status: the request is well, and so is the service.
    let is_to_be_tried = header(headers, "x-should-retry") == Some("true") && matches!(class, ErrorClass::Caller);
    let class = if is_to_be_tried { ErrorClass::Transient } else { class };
    // Of a refusal some services tell the end in other headers, or in words.
    let refused = || if class == ErrorClass::RateLimited { hints::reset(headers).or_else(|| hints::told(error.message.as_deref()?)) } else { None };
    let retry_after = retry_after(headers, SystemTime::now()).or_else(refused);
    let body = (!body.is_empty()).then(|| Bytes::copy_from_slice(body));
    let is_for_all = error.refuses_all();
    Failure { status: Some(status), body, retry_after, vetoed, is_for_all, blameless: is_to_be_tried, ..Failure::new(class, message) }
}

/// An error in the body of a 200.
pub(crate) fn in_band(error: &Value) -> Failure {
    let told = Told::of(Some(error));
    let by_status = || told.status().map(|status| by_status(status, &HeaderMap::new(), b"").class);
    let by_type = || told.codes.iter().any(|code| code == "invalid_request_error").then_some(ErrorClass::Caller);
    let class = told.class().or_else(by_status).or_else(by_type).unwrap_or(ErrorClass::Transient);
    let message = told.message.as_deref().map(short).unwrap_or_default();
    Failure { is_for_all: told.refuses_all(), ..Failure::new(class, format!("an error in place of a reply: {message}")) }
}

const MOVED: &str = "the service has moved";

/// As much of a failure's words as the callers of a gateway may read: where a service has moved to is nothing for them.
pub(crate) fn for_callers(message: &str) -> &str {
    message.find(MOVED).map_or(message, |at| &message[..at + MOVED.len()])
}

/// Codes that refuse every call for this model, or with this key: OpenAI's, those of services that speak as it does, and Azure's for a deployment.
const REFUSALS_OF_ALL: [&str; 7] = [
    "invalid_api_key",
    "authentication_error",
    "invalid_authentication_error",
    "model_not_found",
    "deploymentnotfound",
    "account_deactivated",
    "unsupported_country_region_territory",
];

/// What a service's error body says.
#[derive(Default)]
struct Told {
    message: Option<String>,
    codes: Vec<String>,
}

impl Told {
    /// Reads `{"error": {…}}`, `{"error": "…"}`, and the same without the outer object.
    fn of(body: Option<&Value>) -> Self {
        let Some(body) = body else { return Self::default() };
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
        let text = |value: &Value| match value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let message = text(error).or_else(|| ["message", "detail", "msg"].iter().find_map(|name| error.get(name).and_then(text)));
        let codes = ["code", "type"].iter().filter_map(|name| error.get(name).and_then(text)).map(|code| code.to_ascii_lowercase()).collect();
        Self { message, codes }
    }

    fn status(&self) -> Option<u16> {
        self.codes.iter().find_map(|code| code.parse().ok())
    }

    /// Whether it names the model, the key or the account as what is refused. A code such as `permission_error` may be about a file that one request names.
    fn refuses_all(&self) -> bool {
        self.codes.iter().any(|code| REFUSALS_OF_ALL.contains(&code.as_str()))
    }

    /// A gateway vetoes these for clients that would not wait as long as it says.
    fn is_of_a_gateway_that_has_not_tried(&self) -> bool {
        self.codes.iter().any(|code| matches!(code.as_str(), "no_available_model" | "queue_timeout"))
    }

    /// The class that the error's own code tells. Messages are not searched: one service says "insufficient quota" for a busy moment.
    fn class(&self) -> Option<ErrorClass> {
        let by_code = self.codes.iter().find_map(|code| match code.as_str() {
            "insufficient_quota"
            | "credit_balance_exhausted"
            | "billing_hard_limit_reached"
            | "billing_not_active"
            | "exceeded_current_quota_error"
            | "insufficient_balance"
            | "arrearage" => Some(ErrorClass::Quota),
            code if code.ends_with("_spend_limit_exceeded") => Some(ErrorClass::Quota),
            "rate_limit_exceeded" | "rate_limit_error" | "rate_limit_reached" => Some(ErrorClass::RateLimited),
            "permission_error" => Some(ErrorClass::Auth),
            code if REFUSALS_OF_ALL.contains(&code) => Some(ErrorClass::Auth),
            "context_length_exceeded" => Some(ErrorClass::Caller),
            "content_filter" | "content_policy_violation" | "data_inspection_failed" | "responsibleaipolicyviolation" => Some(ErrorClass::Filtered),
            _ => None,
        });
        // Anthropic's code for a used-up allowance is that of any bad request.
        let used_up = || self.message.as_ref().is_some_and(|message| message.contains("reached your specified API usage limits")).then_some(ErrorClass::Quota);
        by_code.or_else(used_up)
    }
}

/// When the service says that it may be asked again.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let milliseconds = header(headers, "retry-after-ms").and_then(|value| value.parse::<f64>().ok()).map(|value| value / 1000.0);
    let text = header(headers, "retry-after");
    let seconds = milliseconds.or_else(|| text.and_then(|value| value.parse::<f64>().ok()));
    match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => text.and_then(|value| httpdate::parse_http_date(value).ok()).map(|date| date.duration_since(now).unwrap_or_default()),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The first 200 characters, on one line.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(status: u16, body: &Value) -> (ErrorClass, String) {
        let failure = by_status(status, &HeaderMap::new(), body.to_string().as_bytes());
        (failure.class, failure.message)
    }

    #[test]
    fn the_class_is_told_by_code_before_status() {
        for (status, code, class) in [
            (429, "rate_limit_exceeded", ErrorClass::RateLimited),
            (429, "insufficient_quota", ErrorClass::Quota),
            (429, "project_spend_limit_exceeded", ErrorClass::Quota),
            (402, "", ErrorClass::Quota),
            (401, "invalid_api_key", ErrorClass::Auth),
            (404, "model_not_found", ErrorClass::Auth),
            (400, "invalid_request_error", ErrorClass::Caller),
            (400, "context_length_exceeded", ErrorClass::Caller),
            (400, "content_filter", ErrorClass::Filtered),
            (413, "", ErrorClass::Caller),
            (422, "", ErrorClass::Caller),
            (409, "", ErrorClass::Transient),
            (500, "", ErrorClass::Transient),
            (503, "server_error", ErrorClass::Transient),
            (524, "", ErrorClass::Transient),
            (529, "overloaded_error", ErrorClass::Transient),
            (302, "", ErrorClass::Auth),
        ] {
            assert_eq!(check(status, &json!({ "error": { "message": "no", "code": code } })).0, class, "{status} {code}");
        }
        assert_eq!(check(429, &json!({ "error": { "message": "INSUFFICIENT QUOTA for the moment" } })).0, ErrorClass::RateLimited);
        assert_eq!(
            check(400, &json!({ "error": { "message": "You have reached your specified API usage limits.", "type": "invalid_request_error" } })).0,
            ErrorClass::Quota
        );
    }

    #[test]
    fn a_refusal_is_for_all_calls_where_its_code_says_so() {
        let check = |status: u16, error: Value| by_status(status, &HeaderMap::new(), json!({ "error": error }).to_string().as_bytes()).is_for_all;
        assert!(check(404, json!({ "code": "model_not_found" })) && check(403, json!({ "code": "model_not_found" })));
        assert!(check(404, json!({ "code": "DeploymentNotFound" })) && check(403, json!({ "code": "unsupported_country_region_territory" })));
        assert!(!check(404, json!({ "message": "model_not_found" })) && !check(403, json!({ "type": "permission_error" })) && !check(404, json!("no")));
        assert!(in_band(&json!({ "code": "model_not_found" })).is_for_all);
    }

    #[test]
    fn the_message_is_the_services_own_and_short() {
        assert_eq!(check(400, &json!({ "error": { "message": "too\n long" } })).1, "400: too long");
        assert_eq!(check(400, &json!({ "error": "no such field" })).1, "400: no such field");
        assert_eq!(check(400, &json!({ "object": "error", "message": "bad", "code": 400 })).1, "400: bad");
        assert_eq!(by_status(502, &HeaderMap::new(), b"").message, "502");
        assert_eq!(by_status(502, &HeaderMap::new(), "长".repeat(300).as_bytes()).message.chars().count(), 206);
    }

    #[test]
    fn what_a_gateway_has_not_tried_is_waited_for() {
        let headers =
            HeaderMap::from_iter([("x-should-retry", "false"), ("retry-after", "300")].map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())));
        let check = |code: &str| {
            let failure = by_status(503, &headers, json!({ "error": { "message": "no", "type": "gateway_error", "code": code } }).to_string().as_bytes());
            (failure.class, failure.vetoed, failure.retry_after)
        };
        assert_eq!(check("no_available_model"), (ErrorClass::Transient, false, Some(Duration::from_mins(5))));
        assert_eq!(check("upstream_error"), (ErrorClass::Transient, true, Some(Duration::from_mins(5))));
    }

    #[test]
    fn where_a_service_has_moved_to_is_told_to_its_owner_alone() {
        let headers = HeaderMap::from_iter([("location".parse().unwrap(), "https://inner.example/v2?key=k".parse().unwrap())]);
        let message = by_status(302, &headers, b"").message;
        assert_eq!((message.as_str(), for_callers(&message)), ("302: the service has moved to https://inner.example/v2", "302: the service has moved"));
        assert_eq!(for_callers("404: no such path"), "404: no such path");
    }

    #[test]
    fn an_error_in_a_200_is_told_by_its_code_too() {
        assert_eq!(in_band(&json!({ "message": "slow down", "code": 429 })).class, ErrorClass::RateLimited);
        assert_eq!(in_band(&json!("out of order")).class, ErrorClass::Transient);
    }

    #[test]
    fn a_refusal_without_a_retry_after_is_read_for_other_hints() {
        let waits = |status: u16, name: &'static str, value: &str, message: &str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            by_status(status, &headers, json!({ "error": { "message": message } }).to_string().as_bytes()).retry_after
        };
        assert_eq!(waits(429, "x-ratelimit-reset-requests", "1m2s", "no"), Some(Duration::from_secs(62)));
        assert_eq!(waits(429, "server", "x", "Limit reached. Please try again in 46.72s. Visit us."), Some(Duration::from_millis(46_720)));
        assert_eq!(waits(429, "retry-after", "3", "try again in 9s"), Some(Duration::from_secs(3)));
        assert_eq!(waits(500, "x-ratelimit-reset-requests", "1m2s", "try again in 9s"), None);
    }

    #[test]
    fn the_time_to_wait_comes_in_three_spellings() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let check = |name: &'static str, value: &str| retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]), now);
        assert_eq!(check("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(check("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(check("retry-after", &httpdate::fmt_http_date(now + Duration::from_secs(9))), Some(Duration::from_secs(9)));
        assert_eq!(check("retry-after", "-1"), None);
        assert_eq!(check("retry-after", "soon"), None);
    }

    #[test]
    fn a_service_that_wants_to_be_asked_again_is_whatever_its_status() {
        let headers = HeaderMap::from_iter([("x-should-retry".parse().unwrap(), "true".parse().unwrap())]);
        let check = |status: u16| by_status(status, &headers, b"{}");
        assert_eq!((check(400).class, check(400).blameless, check(400).vetoed), (ErrorClass::Transient, true, false));
        assert_eq!((check(500).class, check(500).blameless), (ErrorClass::Transient, false));
        assert_eq!((check(401).class, check(429).class), (ErrorClass::Auth, ErrorClass::RateLimited), "these have a cure of their own");
    }
}
