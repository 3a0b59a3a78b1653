//! Login with OAuth 2.0, where the endpoint for profiles says who logged in; and the requests that both protocols share.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::Sha256;
use url::Url;

use super::{
    Authorization, Callback, ExternalIdentity, IdentityProvider, Notice, NoticeSubject, Outcome,
    ProviderError,
    egress::MAX_RESPONSE_BYTES,
    notice,
    oidc::token_request,
    profile,
    settings::Parts,
    unlink,
    wire::{self, TokenResponse},
};

/// The largest profile picture.
const MAX_PICTURE_BYTES: usize = 5 * 1024 * 1024;

/// A provider of OAuth 2.0.
pub(super) struct OAuth2Provider {
    pub(super) parts: Parts,
}

impl IdentityProvider for OAuth2Provider {
    fn authorize<'a>(&'a self, request: &'a Authorization) -> Outcome<'a, Url> {
        Box::pin(async move {
            let endpoint = self.endpoint(
                |endpoints| Some(endpoints.authorization),
                &self.parts.settings.authorization_endpoint,
            )?;
            Ok(authorization_url(&self.parts, &endpoint, request))
        })
    }

    fn complete<'a>(&'a self, callback: &'a Callback) -> Outcome<'a, ExternalIdentity> {
        Box::pin(async move {
            let settings = &self.parts.settings;
            let token = self.endpoint(|endpoints| Some(endpoints.token), &settings.token_endpoint)?;
            let userinfo = self.endpoint(|endpoints| endpoints.userinfo, &settings.userinfo_endpoint)?;
            let form = token_request(&self.parts, callback, self.parts.secret());
            let answer = self.parts.egress.post(&self.parts.hosts, &token, &form, None).await?;
            let tokens = wire::token_response(&answer, self.parts.blueprint)?;
            let profile = fetch_profile(&self.parts, &userinfo, &tokens).await?;
            profile::identity(&profile, &self.parts.blueprint.claims, self.parts.blueprint)
        })
    }

    fn read_notice(&self, notice: &Notice) -> Option<Result<NoticeSubject, ProviderError>> {
        notice::read(&self.parts, notice)
    }

    fn picture<'a>(&'a self, url: &'a str) -> Outcome<'a, Vec<u8>> {
        Box::pin(fetch_picture(&self.parts, url))
    }

    fn can_unlink(&self) -> bool {
        unlink::is_possible(&self.parts)
    }

    fn unlink<'a>(&'a self, subject: &'a str) -> Outcome<'a, ()> {
        Box::pin(unlink::unlink(&self.parts, subject))
    }
}

impl OAuth2Provider {
    fn endpoint(
        &self,
        known: impl FnOnce(&super::blueprint::Endpoints) -> Option<&'static str>,
        configured: &Option<Url>,
    ) -> Result<Url, ProviderError> {
        let known =
            || self.parts.blueprint.endpoints.as_ref().and_then(known).and_then(|url| Url::parse(url).ok());
        let missing = || ProviderError::Rejected("an endpoint is not configured".to_owned());
        configured.clone().or_else(known).ok_or_else(missing)
    }
}

/// The address of the provider's login page.
pub(super) fn authorization_url(parts: &Parts, endpoint: &Url, request: &Authorization) -> Url {
    let mut url = endpoint.clone();
    let scopes = parts.scopes();
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &parts.settings.client_id)
        .append_pair("redirect_uri", &request.redirect_uri)
        .append_pair("state", &request.state);
    if !scopes.is_empty() {
        query.append_pair("scope", &scopes);
    }
    if parts.blueprint.has_pkce {
        query
            .append_pair("code_challenge", &request.code_challenge)
            .append_pair("code_challenge_method", "S256");
    }
    query.extend_pairs(parts.blueprint.parameters);
    drop(query);
    url
}

/// Reads the profile of the user that the access token belongs to.
pub(super) async fn fetch_profile(
    parts: &Parts,
    endpoint: &Url,
    tokens: &TokenResponse,
) -> Result<Value, ProviderError> {
    let token = tokens.access_token.expose_secret();
    let mut url = endpoint.clone();
    if let (true, Some(secret)) = (parts.blueprint.proves_secret, parts.secret()) {
        // A stolen access token is useless without the proof.
        let proof = secret_proof(token, secret);
        url.query_pairs_mut().append_pair("appsecret_proof", &proof);
    }
    let answer = parts.egress.get(&parts.hosts, &url, Some(token), MAX_RESPONSE_BYTES).await?;
    wire::profile(&answer, parts.blueprint)
}

/// Facebook's proof that a request comes from a server that knows the client secret.
pub(super) fn secret_proof(token: &str, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC accepts keys of any length");
    mac.update(token.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Downloads a profile picture.
pub(super) async fn fetch_picture(parts: &Parts, url: &str) -> Result<Vec<u8>, ProviderError> {
    let invalid = || ProviderError::Rejected("its picture has no valid address".to_owned());
    let mut url = Url::parse(url).map_err(|_| invalid())?;
    // Kakao sends http addresses of pictures that it serves over https, too.
    let is_known = |domain: &String| url.domain().is_some_and(|host| host.ends_with(domain.as_str()));
    if url.scheme() == "http" && parts.picture_hosts.domains.iter().any(is_known) {
        url.set_scheme("https").map_err(|()| invalid())?;
    }
    let answer = parts.egress.get(&parts.picture_hosts, &url, None, MAX_PICTURE_BYTES).await?;
    match answer.status {
        200 => Ok(answer.body),
        status if status >= 500 || status == 429 => {
            Err(ProviderError::Unavailable(format!("it answers {status}")))
        }
        status => Err(ProviderError::Rejected(format!("its picture answers {status}"))),
    }
}
