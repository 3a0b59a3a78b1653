//! Normalises responses that deviate from the standards, before the strict parsers see them.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{ProviderError, blueprint::Blueprint, egress::Answer};

/// The tokens of a login.
pub(super) struct TokenResponse {
    pub(super) access_token: SecretString,
    pub(super) id_token: Option<String>,
}

/// Reads the response of a token endpoint.
pub(super) fn token_response(answer: &Answer, blueprint: &Blueprint) -> Result<TokenResponse, ProviderError> {
    let mut body = object(answer)?;
    // Naver reports errors with status 200, too.
    if let Some(error) = body.get("error") {
        let error = error.as_str().unwrap_or("unknown");
        return Err(ProviderError::Rejected(format!("the token endpoint says {}", printable(error))));
    }
    if answer.status != 200 {
        return Err(ProviderError::Rejected(format!("the token endpoint answers {}", answer.status)));
    }
    if blueprint.expires_in_is_text
        && let Some(seconds) =
            body.get("expires_in").and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok())
    {
        body.insert("expires_in".to_owned(), seconds.into());
    }
    let id_token = body.get("id_token").and_then(Value::as_str).map(ToOwned::to_owned);
    read_tokens(body, id_token)
}

/// Checks the response with the types of `openidconnect`: the token type, the lifetime, and the form of the ID token.
fn read_tokens(body: Map<String, Value>, id_token: Option<String>) -> Result<TokenResponse, ProviderError> {
    use openidconnect::OAuth2TokenResponse;
    let parsed = serde_json::from_value::<openidconnect::core::CoreTokenResponse>(Value::Object(body));
    // Without the cause, which may repeat a token.
    let parsed = parsed.map_err(|_| ProviderError::Rejected("its token response is malformed".to_owned()))?;
    if *parsed.token_type() != openidconnect::core::CoreTokenType::Bearer {
        return Err(ProviderError::Rejected("its token is not a bearer token".to_owned()));
    }
    Ok(TokenResponse { access_token: parsed.access_token().secret().clone().into(), id_token })
}

/// Reads a profile.
pub(super) fn profile(answer: &Answer, blueprint: &Blueprint) -> Result<Value, ProviderError> {
    let mut body = object(answer)?;
    if answer.status != 200 {
        return Err(ProviderError::Rejected(format!("the endpoint for profiles answers {}", answer.status)));
    }
    if !blueprint.has_envelope {
        return Ok(Value::Object(body));
    }
    // The result code decides, not the status.
    let is_success = body.get("resultcode").is_some_and(|code| code == "00");
    match body.remove("response") {
        Some(profile @ Value::Object(_)) if is_success => Ok(profile),
        _ => Err(ProviderError::Rejected("the endpoint for profiles reports an error".to_owned())),
    }
}

/// Reads a document with metadata or keys, which must be JSON in name, too.
pub(super) fn document(answer: &Answer, what: &str) -> Result<Value, ProviderError> {
    let body = object(answer)?;
    if answer.status != 200 || !answer.is_json {
        return Err(ProviderError::Rejected(format!(
            "{what} is not a JSON document (status {})",
            answer.status
        )));
    }
    Ok(Value::Object(body))
}

fn object(answer: &Answer) -> Result<Map<String, Value>, ProviderError> {
    if answer.status >= 500 || answer.status == 429 {
        return Err(ProviderError::Unavailable(format!("it answers {}", answer.status)));
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(ProviderError::Rejected(format!(
            "its response is not a JSON object (status {})",
            answer.status
        ))),
    }
}

/// The error of a provider for the log: a short word.
pub(super) fn printable(error: &str) -> String {
    error.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)).take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::provider::settings::Preset;

    /// JSON of any shape, with the members that the parsers look for.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-zA-Z0-9. \u{0}가]{0,12}".prop_map(Value::from),
            Just(json!("00")),
            Just(json!("bearer")),
        ];
        let name = prop_oneof![
            Just("access_token".to_owned()),
            Just("id_token".to_owned()),
            Just("token_type".to_owned()),
            Just("expires_in".to_owned()),
            Just("error".to_owned()),
            Just("resultcode".to_owned()),
            Just("response".to_owned()),
            Just("sub".to_owned()),
            Just("id".to_owned()),
            "[a-z]{0,4}",
        ];
        leaf.prop_recursive(4, 24, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(name.clone(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// A response that is right but for a few members.
    fn response() -> impl Strategy<Value = Value> {
        let right = json!({
            "access_token": "a", "token_type": "bearer", "expires_in": 3600, "resultcode": "00", "response": { "id": "1", "sub": "1" }, "sub": "1", "id": "1",
        });
        let names: Vec<String> = right.as_object().unwrap().keys().cloned().collect();
        let changes = prop::collection::vec((prop::sample::select(names), value()), 0..3);
        changes.prop_map(move |changes| {
            let mut response = right.clone();
            changes.into_iter().for_each(|(name, value)| response[name] = value);
            response
        })
    }

    proptest! {
        #[test]
        fn any_response_is_read_or_rejected(
            status in prop_oneof![Just(200), Just(400), Just(429), Just(503), 100_u16..600],
            is_json in any::<bool>(),
            json in prop_oneof![value(), response()],
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            is_text in any::<bool>(),
        ) {
            let body = if is_text { json.to_string().into_bytes() } else { bytes };
            let answer = Answer { status, is_json, body };
            for (preset, _) in Preset::ALL {
                let blueprint = Blueprint::of(preset);
                if let Ok(tokens) = token_response(&answer, blueprint) {
                    prop_assert_eq!(status, 200);
                    prop_assert!(json["error"].is_null() && json["access_token"].is_string());
                    prop_assert_eq!(tokens.id_token.as_deref(), json["id_token"].as_str());
                }
                if let Ok(profile) = profile(&answer, blueprint) {
                    prop_assert_eq!(status, 200);
                    prop_assert!(profile.is_object());
                    let claims = &blueprint.userinfo_claims;
                    if let Ok(identity) = crate::provider::profile::identity(&profile, claims, blueprint) {
                        prop_assert!(!identity.subject.is_empty() && identity.subject.is_ascii());
                    }
                }
            }
            if document(&answer, "it").is_ok() {
                prop_assert!(status == 200 && is_json && is_text && json.is_object());
            }
        }

        #[test]
        fn word_of_a_provider_forges_no_line_of_the_log(error in ".{0,200}") {
            let word = printable(&error);
            prop_assert!(word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
