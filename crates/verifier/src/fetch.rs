//! Loads the key set of a site (RFC 7517) over HTTP.

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::{
    Client,
    header::{AGE, CACHE_CONTROL, HeaderMap},
    redirect,
};
use serde::Deserialize;
use url::Url;

use crate::{Unavailable, VerifyingKey};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Many times the size of any key set of a site.
const MAX_BYTES: usize = 64 * 1024;

/// The address of a key set.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    http: Client,
    url: Url,
}

/// A key set, and how long it may be cached according to its response.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) keys: HashMap<String, Arc<VerifyingKey>>,
    pub(crate) max_age: Option<Duration>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// A key; those of other kinds lack some of the fields.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
}

impl Fetch {
    pub(crate) fn new(url: Url) -> reqwest::Result<Self> {
        // The provider for TLS. Fails only if the program has installed one, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A redirect could lead to an address that was not checked.
        let http = Client::builder()
            .user_agent(concat!("blegram-verifier/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { http, url })
    }

    pub(crate) async fn load(&self) -> Result<Fetched, Unavailable> {
        let failed = |error: reqwest::Error| Unavailable(sources(&error));
        let mut response = self.http.get(self.url.clone()).send().await.map_err(failed)?;
        if response.status() != 200 {
            return Err(Unavailable(format!("{} responds with {}", self.url, response.status())));
        }
        let max_age = max_age(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(Unavailable(format!("{} responds with more than {MAX_BYTES} bytes", self.url)));
            }
        }
        let keys = parse(&body).map_err(|reason| Unavailable(format!("{}: {reason}", self.url)))?;
        Ok(Fetched { keys, max_age })
    }
}

/// The keys that sign access tokens. Others are skipped: a key set may contain more kinds one day.
fn parse(body: &[u8]) -> Result<HashMap<String, Arc<VerifyingKey>>, String> {
    let set: KeySet = serde_json::from_slice(body).map_err(|error| format!("no key set: {error}"))?;
    let keys: HashMap<_, _> = set.keys.into_iter().filter_map(Jwk::verifying_key).collect();
    if keys.is_empty() { Err("no key of the kind EC, P-256".to_owned()) } else { Ok(keys) }
}

impl Jwk {
    fn verifying_key(self) -> Option<(String, Arc<VerifyingKey>)> {
        let is_or_missing =
            |value: &Option<String>, expected| value.as_deref().is_none_or(|text| text == expected);
        let signs = is_or_missing(&self.usage, "sig") && is_or_missing(&self.alg, "ES256");
        let is_p256 = self.kty == "EC" && self.crv.as_deref() == Some("P-256");
        let key = VerifyingKey::from_coordinates(&self.x?, &self.y?)?;
        Some((self.kid?, Arc::new(key))).filter(|_| signs && is_p256)
    }
}

/// How long the response may still be cached (RFC 9111, 5.2.2); `None` if it does not say.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let texts = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let directives = texts(CACHE_CONTROL).flat_map(|value| value.split(',')).map(str::trim);
    let seconds = directives.filter_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.to_ascii_lowercase().as_str() {
            "max-age" => value.trim_matches('"').parse::<u64>().ok(),
            "no-store" | "no-cache" => Some(0),
            _ => None,
        }
    });
    let age = texts(AGE).find_map(|value| value.parse::<u64>().ok()).unwrap_or(0);
    seconds.min().map(|seconds| Duration::from_secs(seconds.saturating_sub(age)))
}

/// The text of an error with its causes: that of reqwest says only that the request failed.
fn sources(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn max_age_is_the_rest_of_the_shortest_time() {
        let of = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            max_age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("cache-control", "public")]), None);
        assert_eq!(of(&[("cache-control", "public, Max-Age=300")]), Some(300));
        assert_eq!(of(&[("cache-control", "max-age=300"), ("age", "100")]), Some(200));
        assert_eq!(of(&[("cache-control", "max-age=300"), ("age", "400")]), Some(0));
        assert_eq!(of(&[("cache-control", "max-age=300"), ("cache-control", "no-store")]), Some(0));
        assert_eq!(of(&[("cache-control", "max-age=soon")]), None);
    }

    #[test]
    fn key_set_is_read_for_the_keys_of_access_tokens() {
        let key = r#""kty":"EC","crv":"P-256","x":"AA","y":"AA""#;
        let ids = |text: &str| {
            let keys = parse(text.as_bytes())?;
            let mut ids: Vec<_> = keys.into_keys().collect();
            ids.sort_unstable();
            Ok::<_, String>(ids.join(" "))
        };
        let set = format!(
            r#"{{"keys":[{{{key},"kid":"a"}},{{{key},"kid":"b","use":"sig","alg":"ES256"}},{{{key},"kid":"c","use":"enc"}},
            {{{key},"kid":"d","alg":"ES384"}},{{{key}}},{{"kty":"RSA","kid":"e","n":"AA","e":"AQAB"}},
            {{"kty":"EC","crv":"P-384","x":"AA","y":"AA","kid":"f"}},{{"kty":"EC","crv":"P-256","x":"*","y":"AA","kid":"g"}}]}}"#
        );
        assert_eq!(ids(&set).as_deref(), Ok("a b"));
        for other in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"RSA","kid":"e"}]}"#] {
            assert!(ids(other).is_err(), "{other}");
        }
    }
}
