//! Ends the link between the site and a user, at the provider, without a token of the user: the site stores none
//! (decision 41). Kakao and Facebook accept the keys of the app instead.

use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::{
    ProviderError, blueprint::UnlinkKind, egress::Answer, oauth2::secret_proof, settings::Parts,
    wire::printable,
};

/// Whether the site can end links at this provider with what is configured.
pub(super) fn is_possible(parts: &Parts) -> bool {
    match parts.blueprint.unlink {
        UnlinkKind::None => false,
        UnlinkKind::Kakao(_) => parts.settings.admin_key.is_some(),
        UnlinkKind::Facebook(_) => parts.secret().is_some(),
    }
}

pub(super) async fn unlink(parts: &Parts, subject: &str) -> Result<(), ProviderError> {
    let impossible = || ProviderError::Rejected("it cannot end links without a token of the user".to_owned());
    match parts.blueprint.unlink {
        UnlinkKind::None => Err(impossible()),
        UnlinkKind::Kakao(known) => {
            let key = parts.settings.admin_key.as_ref().ok_or_else(impossible)?;
            let form = [("target_id_type", "user_id"), ("target_id", subject)];
            let authorization = format!("KakaoAK {}", key.expose_secret());
            let url = endpoint(parts, known)?;
            let answer = parts.egress.post_authorized(&parts.hosts, &url, &form, &authorization).await?;
            finished(&answer, |body| body.get("code") == Some(&Value::from(KAKAO_NOT_LINKED)))
        }
        UnlinkKind::Facebook(known) => {
            let secret = parts.secret().ok_or_else(impossible)?;
            let url = facebook_permissions(endpoint(parts, known)?, subject)?;
            // The access token of the app itself.
            let token = format!("{}|{secret}", parts.settings.client_id);
            let mut url = url;
            url.query_pairs_mut().append_pair("appsecret_proof", &secret_proof(&token, secret));
            let answer = parts.egress.delete(&parts.hosts, &url, &token).await?;
            finished(&answer, |body| body.pointer("/error/code") == Some(&Value::from(FACEBOOK_NO_OBJECT)))
        }
    }
}

/// "The user is not linked to the app."
const KAKAO_NOT_LINKED: i64 = -101;

/// "The object does not exist": no such user of the app.
const FACEBOOK_NO_OBJECT: i64 = 100;

fn endpoint(parts: &Parts, known: &str) -> Result<Url, ProviderError> {
    let known =
        || Url::parse(known).map_err(|_| ProviderError::Rejected("its address is invalid".to_owned()));
    parts.settings.unlink_endpoint.clone().map_or_else(known, Ok)
}

/// The permissions of a user below the address of the Graph API.
fn facebook_permissions(mut url: Url, subject: &str) -> Result<Url, ProviderError> {
    let invalid = || ProviderError::Rejected("the subject is no id of a user".to_owned());
    // It becomes a part of the path.
    if subject.is_empty() || !subject.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().extend([subject, "permissions"]);
    Ok(url)
}

/// Whether the link has ended, or did not exist.
fn finished(answer: &Answer, is_unlinked: impl FnOnce(&Value) -> bool) -> Result<(), ProviderError> {
    match answer.status {
        200 => Ok(()),
        status if status >= 500 || status == 429 => {
            Err(ProviderError::Unavailable(format!("it answers {status}")))
        }
        status => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            if is_unlinked(&body) {
                return Ok(());
            }
            let code = body.get("code").or_else(|| body.pointer("/error/code"));
            let code = code.map(|code| printable(&code.to_string())).unwrap_or_default();
            Err(ProviderError::Rejected(format!("it does not end the link: status {status}, code {code}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_in_a_path_has_only_digits() {
        let graph = || Url::parse("https://graph.facebook.com/v24.0").unwrap();
        let url = facebook_permissions(graph(), "1234567890").unwrap();
        assert_eq!(url.as_str(), "https://graph.facebook.com/v24.0/1234567890/permissions");
        for subject in ["", "..", "1/../2", "me", "1?x=1", "１"] {
            assert!(facebook_permissions(graph(), subject).is_err(), "{subject}");
        }
    }

    #[test]
    fn link_that_does_not_exist_has_ended() {
        let answer = |status, body: &str| Answer { status, is_json: true, body: body.as_bytes().to_vec() };
        let is_unlinked = |body: &Value| body["code"] == -101;
        assert_eq!(finished(&answer(200, "{\"id\":1}"), is_unlinked), Ok(()));
        assert_eq!(finished(&answer(400, "{\"code\":-101}"), is_unlinked), Ok(()));
        for (status, body) in [(400, "{\"code\":-2}"), (401, "{\"code\":-401}"), (403, "<html>"), (404, "")] {
            let result = finished(&answer(status, body), is_unlinked);
            assert!(matches!(result, Err(ProviderError::Rejected(_))), "{status}: {result:?}");
        }
        for status in [429, 500, 503] {
            let result = finished(&answer(status, ""), is_unlinked);
            assert!(matches!(result, Err(ProviderError::Unavailable(_))), "{status}: {result:?}");
        }
    }
}
