//! Who may ask: keys, and what a browser may do for another site's page.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use subtle::{Choice, ConstantTimeEq};

use super::errors::GatewayError;
use crate::Secret;
use crate::pool::GatewaySettings;

/// Headers of replies that a page of an allowed origin may read.
const EXPOSED: &str = "x-request-id, x-flux-model, x-flux-attempts, x-flux-overhead-ms, x-flux-cache, x-should-retry, retry-after, \
    x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, \
    x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

/// What a request wants to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Models.
    Api,
    /// The state of the gateway.
    Admin,
}

/// Lets a request in, or tells it why not. `loopback`: nobody but this machine can reach the gateway, and a door that has no key is open.
pub(super) fn enter(door: Door, settings: &GatewaySettings, loopback: bool, headers: &HeaderMap) -> Result<(), GatewayError> {
    let has_key = match door {
        Door::Api => !settings.api_keys.is_empty(),
        Door::Admin => settings.admin_key.is_some(),
    };
    let is_open = loopback && !has_key;
    check_origin(door, is_open, settings, headers)?;
    if is_open {
        return Ok(());
    }
    let shown = shown_key(headers);
    let opens = match (door, &settings.admin_key) {
        // All are looked at, so that the time tells nothing about which one it was.
        (Door::Api, _) => settings.api_keys.iter().fold(Choice::from(0), |found, key| found | equal(key, shown)),
        (Door::Admin, Some(key)) => equal(key, shown),
        (Door::Admin, None) => {
            return Err(GatewayError::new(StatusCode::FORBIDDEN, "no_admin_key", "this needs `gateway.admin_key` in the configuration"));
        }
    };
    let refused = || GatewayError::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "a valid key is needed\nhint: send `Authorization: Bearer KEY`");
    if bool::from(opens) { Ok(()) } else { Err(refused()) }
}

fn equal(key: &Secret, shown: &[u8]) -> Choice {
    let key = key.reveal().trim().as_bytes();
    key.ct_eq(shown) & Choice::from(u8::from(!key.is_empty()))
}

/// The key that a caller shows; empty where it shows none.
pub(super) fn shown_key(headers: &HeaderMap) -> &[u8] {
    let bearer = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|value| {
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
    });
    bearer.or_else(|| headers.get("x-api-key").map(HeaderValue::as_bytes)).unwrap_or_default().trim_ascii()
}

/// Another site's page must not spend the user's money, nor read what it may not, through a door that wants no key: it is known by the name that it has for this
/// machine, and by its origin.
fn check_origin(door: Door, is_open: bool, settings: &GatewaySettings, headers: &HeaderMap) -> Result<(), GatewayError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    if is_open && !is_loopback_name(host) {
        let key = if door == Door::Api { "api_keys" } else { "admin_key" };
        let message = format!("without a key this is reached by the name `127.0.0.1` or `localhost` alone\nhint: `gateway.{key}` lets it be reached by others");
        return Err(GatewayError::new(StatusCode::FORBIDDEN, "wrong_host", &message));
    }
    match text(header::ORIGIN) {
        Some(origin) if origin.split_once("://").is_none_or(|(_, name)| name != host) && allowed_origin(settings, origin).is_none() => {
            Err(GatewayError::new(StatusCode::FORBIDDEN, "wrong_origin", "pages of this origin may not call\nhint: list it under `gateway.cors`"))
        }
        _ => Ok(()),
    }
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn allowed_origin<'a>(settings: &GatewaySettings, origin: &'a str) -> Option<&'a str> {
    settings.cors.iter().any(|allowed| allowed == "*" || allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)).then_some(origin)
}

/// Says to a browser what the page that asks may read.
pub(super) fn add_cors(settings: &GatewaySettings, asked: &HeaderMap, method: &Method, headers: &mut HeaderMap) {
    let Some(origin) = asked.get(header::ORIGIN) else { return };
    if origin.to_str().ok().and_then(|origin| allowed_origin(settings, origin)).is_none() {
        return;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if method == Method::OPTIONS {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or_else(|| HeaderValue::from_static("authorization, content-type")));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(door: Door, settings: &GatewaySettings, loopback: bool, headers: &[(&'static str, &str)]) -> u16 {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        enter(door, settings, loopback, &headers).map_or_else(|error| error.status.as_u16(), |()| 200)
    }

    #[test]
    fn keys_open_their_own_door_alone() {
        let settings = GatewaySettings { api_keys: vec!["one".into(), "two".into()], admin_key: Some("root".into()), ..GatewaySettings::default() };
        for (door, header, value, status) in [
            (Door::Api, "authorization", "Bearer two", 200),
            (Door::Api, "authorization", "bearer one", 200),
            (Door::Api, "x-api-key", "one", 200),
            (Door::Api, "authorization", "Bearer three", 401),
            (Door::Api, "authorization", "Bearer root", 401),
            (Door::Api, "authorization", "one", 401),
            (Door::Admin, "authorization", "Bearer root", 200),
            (Door::Admin, "authorization", "Bearer one", 401),
            (Door::Admin, "x-other", "root", 401),
        ] {
            assert_eq!(check(door, &settings, true, &[(header, value), ("host", "127.0.0.1:1")]), status, "{door:?} {header}: {value}");
        }
        let blank = GatewaySettings { api_keys: vec!["".into()], ..GatewaySettings::default() };
        assert_eq!(check(Door::Api, &blank, true, &[("host", "localhost")]), 401, "an empty key is no key");
    }

    #[test]
    fn a_door_without_a_key_is_open_to_this_machine_alone_and_to_no_foreign_page() {
        let settings = GatewaySettings::default();
        assert_eq!(check(Door::Api, &settings, true, &[("host", "127.0.0.1:8787")]), 200);
        assert_eq!(check(Door::Admin, &settings, true, &[("host", "[::1]:8787")]), 200);
        assert_eq!(check(Door::Api, &settings, false, &[("host", "gate.example")]), 401);
        assert_eq!(check(Door::Admin, &settings, false, &[("host", "gate.example")]), 403);
        assert_eq!(check(Door::Api, &settings, true, &[("host", "evil.example")]), 403);
        assert_eq!(check(Door::Api, &settings, true, &[("host", "127.0.0.1:8787"), ("origin", "https://evil.example")]), 403);
        assert_eq!(check(Door::Admin, &settings, true, &[("host", "127.0.0.1:8787"), ("origin", "http://127.0.0.1:8787")]), 200);
        let half = GatewaySettings { api_keys: vec!["one".into()], ..GatewaySettings::default() };
        let (foreign, own) = (("host", "evil.example"), ("authorization", "Bearer one"));
        assert_eq!(check(Door::Admin, &half, true, &[("host", "127.0.0.1:8787")]), 200, "it has no key");
        assert_eq!(check(Door::Admin, &half, true, &[foreign]), 403, "a page that has this machine under its own name");
        assert_eq!(check(Door::Admin, &half, true, &[foreign, own]), 403);
        assert_eq!(check(Door::Api, &half, true, &[foreign, own]), 200, "who has a key may use any name");
        let half = GatewaySettings { admin_key: Some("root".into()), ..GatewaySettings::default() };
        assert_eq!(check(Door::Api, &half, true, &[foreign]), 403);
        assert_eq!(check(Door::Admin, &half, true, &[foreign, ("authorization", "Bearer root")]), 200);
        let open = GatewaySettings { cors: vec!["https://app.example".into()], ..GatewaySettings::default() };
        assert_eq!(check(Door::Api, &open, true, &[("host", "127.0.0.1:8787"), ("origin", "https://app.example")]), 200);
    }
}
