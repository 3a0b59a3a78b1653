//! Reads who logged in from verified claims.

use blegram_domain::{EmailAddress, IdentityKey};
use serde_json::Value;

use super::{
    ExternalEmail, ExternalIdentity, ProviderError,
    blueprint::{Blueprint, Claims, EmailTrust},
};

/// The largest number of characters of a name that is read; more than any display name has.
const MAX_NAME_CHARS: usize = 200;

/// The longest address of a picture, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// The identity in `profile`.
pub(super) fn identity(
    profile: &Value,
    claims: &Claims,
    blueprint: &Blueprint,
) -> Result<ExternalIdentity, ProviderError> {
    Ok(ExternalIdentity {
        subject: subject(profile, claims)?,
        alternate_subject: None,
        name: first_text(profile, claims.names).map(|name| name.chars().take(MAX_NAME_CHARS).collect()),
        email: email(profile, claims, blueprint.email_trust),
        picture: first_text(profile, claims.pictures)
            .filter(|url| url.len() <= MAX_URL_BYTES)
            .map(ToOwned::to_owned),
    })
}

/// The provider's id of the user: text, or a number (Kakao's older API).
pub(super) fn subject(profile: &Value, claims: &Claims) -> Result<String, ProviderError> {
    let subject = match profile.pointer(claims.subject) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if number.is_u64() => number.to_string(),
        _ => String::new(),
    };
    let is_valid = (1..=IdentityKey::MAX_SUBJECT_BYTES).contains(&subject.len())
        && subject.bytes().all(|byte| byte.is_ascii_graphic());
    if is_valid { Ok(subject) } else { Err(ProviderError::Rejected("it names no user".to_owned())) }
}

fn first_text<'a>(profile: &'a Value, pointers: &[&str]) -> Option<&'a str> {
    let texts = pointers.iter().filter_map(|pointer| profile.pointer(pointer)?.as_str());
    texts.map(str::trim).find(|text| !text.is_empty())
}

fn email(profile: &Value, claims: &Claims, trust: EmailTrust) -> Option<ExternalEmail> {
    let address = EmailAddress::parse(profile.pointer(claims.email)?.as_str()?).ok()?;
    let is_verified = !claims.email_verified.is_empty()
        && claims.email_verified.iter().all(|pointer| is_true(profile.pointer(pointer)));
    let is_trusted = match trust {
        EmailTrust::Never => false,
        EmailTrust::WhenVerified => true,
        // Google vouches for addresses of its own mail and of organisations that it manages (claim `hd`).
        EmailTrust::Google => {
            address.as_str().ends_with("@gmail.com") || profile.pointer("/hd").is_some_and(Value::is_string)
        }
    };
    Some(ExternalEmail { address, is_verified: is_verified && is_trusted })
}

/// Apple sends booleans as strings.
fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::settings::Preset;

    fn read(preset: Preset, profile: &Value) -> Result<ExternalIdentity, ProviderError> {
        let blueprint = Blueprint::of(preset);
        identity(profile, &blueprint.claims, blueprint)
    }

    fn is_verified(preset: Preset, profile: &Value) -> Option<bool> {
        read(preset, profile).unwrap().email.map(|email| email.is_verified)
    }

    #[test]
    fn email_is_verified_only_as_far_as_the_provider_is_trusted() {
        let profile =
            |email: &str, verified: Value| json!({"sub": "1", "email": email, "email_verified": verified});
        let ann = |verified| profile("ann@example.com", verified);
        assert_eq!(is_verified(Preset::Oidc, &ann(json!(true))), Some(true));
        assert_eq!(is_verified(Preset::Apple, &ann(json!("true"))), Some(true));
        for claim in [json!(false), json!("false"), json!(1), json!(null)] {
            assert_eq!(is_verified(Preset::Oidc, &ann(claim.clone())), Some(false), "{claim}");
        }
        assert_eq!(is_verified(Preset::Kakao, &json!({"sub": "1", "email": "ann@example.com"})), Some(false));
        assert_eq!(is_verified(Preset::Facebook, &ann(json!(true))), Some(false));
        assert_eq!(is_verified(Preset::Naver, &ann(json!(true))), Some(false));
        assert_eq!(is_verified(Preset::Google, &ann(json!(true))), Some(false), "not an address of Google");
        assert_eq!(is_verified(Preset::Google, &profile("ann@gmail.com", json!(true))), Some(true));
        let mut managed = ann(json!(true));
        managed["hd"] = json!("example.com");
        assert_eq!(is_verified(Preset::Google, &managed), Some(true));
        assert_eq!(is_verified(Preset::Oidc, &profile("not an address", json!(true))), None);
    }

    #[test]
    fn subject_is_short_printable_text() {
        assert_eq!(read(Preset::Oidc, &json!({"sub": "a-1"})).unwrap().subject, "a-1");
        assert_eq!(
            read(Preset::NaverOAuth2, &json!({"id": 4_294_967_296_u64})).unwrap().subject,
            "4294967296"
        );
        for sub in
            [json!(""), json!(null), json!(1.5), json!(-1), json!("a b"), json!("가"), json!("a".repeat(256))]
        {
            assert!(read(Preset::Oidc, &json!({"sub": sub})).is_err(), "{sub}");
        }
    }
}
