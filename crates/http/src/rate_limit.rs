//! The headers `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).

use blegram_auth::limit::RateLimitStatus;
use poem::http::{HeaderName, HeaderValue};

/// The headers that tell a client the state of a rate limit.
pub fn headers(rate_limit: &RateLimitStatus) -> Vec<(HeaderName, HeaderValue)> {
    let name = rate_limit.policy.as_str();
    let policy = format!("\"{name}\";q={};w={}", rate_limit.quota.burst, rate_limit.quota.per.as_secs());
    let reset = rate_limit.reset.as_micros().div_ceil(1_000_000);
    let state = format!("\"{name}\";r={};t={reset}", rate_limit.remaining);
    let value = |text: &str| HeaderValue::from_str(text).ok();
    [("ratelimit-policy", value(&policy)), ("ratelimit", value(&state))]
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), value?)))
        .collect()
}
