//! Login with OpenID Connect: the authorization code flow with PKCE, and the verification of the ID token.

use std::{str::FromStr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::Timestamp;
use openidconnect::{
    ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm},
};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    Authorization, Callback, ExternalIdentity, IdentityProvider, Notice, NoticeSubject, Outcome,
    ProviderError,
    apple::AppleKey,
    blueprint::{ClientAuth, NonceRule, Userinfo},
    egress::Basic,
    metadata::{Keys, Metadata, MetadataCache},
    notice,
    oauth2::{authorization_url, fetch_picture, fetch_profile},
    profile,
    settings::Parts,
    unlink,
    wire::{self, TokenResponse},
};

/// How far the clocks of a provider and of this machine may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// The largest age of an ID token: it was issued for this login.
const MAX_TOKEN_AGE: Duration = Duration::from_secs(10 * 60);

/// The accepted signatures. None of them uses the client secret as a key.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 4] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// A provider of OpenID Connect.
pub(super) struct OidcProvider {
    pub(super) parts: Parts,
    pub(super) metadata: MetadataCache,
    pub(super) apple_key: Option<AppleKey>,
}

impl IdentityProvider for OidcProvider {
    fn authorize<'a>(&'a self, request: &'a Authorization) -> Outcome<'a, Url> {
        Box::pin(async move {
            let metadata = self.metadata.metadata(&self.parts).await?;
            let mut url = authorization_url(&self.parts, &metadata.authorization, request);
            url.query_pairs_mut().append_pair("nonce", &request.nonce);
            Ok(url)
        })
    }

    fn complete<'a>(&'a self, callback: &'a Callback) -> Outcome<'a, ExternalIdentity> {
        Box::pin(self.identify(callback))
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

impl OidcProvider {
    async fn identify(&self, callback: &Callback) -> Result<ExternalIdentity, ProviderError> {
        let metadata = self.metadata.metadata(&self.parts).await?;
        self.check_issuer(&metadata, callback)?;
        let tokens = self.redeem(&metadata, callback).await?;
        let blueprint = self.parts.blueprint;
        let Some(id_token) = &tokens.id_token else {
            if blueprint.userinfo != Userinfo::Fallback {
                return Err(ProviderError::Rejected("it returned no ID token".to_owned()));
            }
            let profile = self.profile(&metadata, &tokens).await?;
            return profile::identity(&profile, &blueprint.userinfo_claims, blueprint);
        };
        let claims = self.verify(id_token, &callback.nonce).await?;
        check_access_token(&claims, &tokens)?;
        let identity = profile::identity(&claims, &blueprint.claims, blueprint)?;
        let needs_profile = match blueprint.userinfo {
            Userinfo::Never | Userinfo::Fallback => false,
            Userinfo::WhenUnnamed => identity.name.is_none() && metadata.userinfo.is_some(),
            Userinfo::Profile => true,
        };
        if !needs_profile {
            return Ok(identity);
        }
        let profile = self.profile(&metadata, &tokens).await?;
        let profile = profile::identity(&profile, &blueprint.userinfo_claims, blueprint)?;
        // Only the ID token says who logged in. Naver's profiles have another id, which its notices contain.
        let other = (profile.subject != identity.subject).then_some(profile.subject);
        if other.is_some() && blueprint.userinfo == Userinfo::WhenUnnamed {
            return Err(ProviderError::Rejected("its profile is that of another user".to_owned()));
        }
        Ok(ExternalIdentity {
            subject: identity.subject,
            alternate_subject: other,
            name: profile.name,
            email: profile.email.or(identity.email),
            picture: profile.picture.or(identity.picture),
        })
    }

    /// Compares the issuer that a response names: a login with one provider must not end with the code of another (mix-up;
    /// RFC 9207).
    fn check_issuer(&self, metadata: &Metadata, callback: &Callback) -> Result<(), ProviderError> {
        match &callback.issuer {
            Some(issuer) if issuer != self.parts.issuer() => {
                Err(ProviderError::Rejected("the response names another issuer".to_owned()))
            }
            None if metadata.names_issuer => {
                Err(ProviderError::Rejected("the response does not name the issuer".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Exchanges the code.
    async fn redeem(&self, metadata: &Metadata, callback: &Callback) -> Result<TokenResponse, ProviderError> {
        let settings = &self.parts.settings;
        let apple_secret = match &self.apple_key {
            Some(key) => Some(key.client_secret(settings, APPLE_AUDIENCE, self.parts.clock.now())?),
            None => None,
        };
        let secret =
            apple_secret.as_ref().map_or_else(|| self.parts.secret(), |secret| Some(secret.expose_secret()));
        let uses_basic =
            self.parts.blueprint.client_auth == ClientAuth::Discovered && metadata.supports_basic;
        let form = token_request(&self.parts, callback, secret.filter(|_| !uses_basic));
        let basic =
            secret.filter(|_| uses_basic).map(|secret| Basic { client_id: &settings.client_id, secret });
        let answer = self.parts.egress.post(&self.parts.hosts, &metadata.token, &form, basic).await?;
        wire::token_response(&answer, self.parts.blueprint)
    }

    async fn profile(&self, metadata: &Metadata, tokens: &TokenResponse) -> Result<Value, ProviderError> {
        let endpoint = metadata.userinfo.as_ref();
        let endpoint =
            endpoint.ok_or_else(|| ProviderError::Rejected("it has no endpoint for profiles".to_owned()))?;
        fetch_profile(&self.parts, endpoint, tokens).await
    }

    /// Verifies an ID token and returns its claims. For a key that is not known, the keys are read again once.
    async fn verify(&self, id_token: &str, nonce: &str) -> Result<Value, ProviderError> {
        let token = CoreIdToken::from_str(id_token)
            .map_err(|_| ProviderError::Rejected("its ID token is malformed".to_owned()))?;
        let now = self.parts.clock.now();
        let keys = self.metadata.keys(&self.parts).await?;
        let mut verified = self.check(&token, &keys, nonce, now)?;
        if verified == Verified::UnknownKey {
            let newer = self.metadata.newer_keys(&self.parts).await?;
            verified = self.check(&token, &newer, nonce, now)?;
        }
        match verified {
            Verified::Yes => read_claims(id_token),
            Verified::UnknownKey => {
                Err(ProviderError::Rejected("its ID token has an unknown key".to_owned()))
            }
        }
    }

    fn check(
        &self,
        token: &CoreIdToken,
        keys: &Keys,
        nonce: &str,
        now: Timestamp,
    ) -> Result<Verified, ProviderError> {
        let issuer = IssuerUrl::new(self.parts.issuer().to_owned())
            .map_err(|error| ProviderError::Rejected(error.to_string()))?;
        let client_id = ClientId::new(self.parts.settings.client_id.clone());
        let verifier = CoreIdTokenVerifier::new_public_client(client_id, issuer, (**keys).clone())
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || instant(now - LEEWAY))
            .set_issue_time_verifier_fn(move |issued| check_issue_time(issued.timestamp(), now));
        let rule = self.parts.blueprint.nonce;
        let expected = nonce.to_owned();
        let claims = match token
            .claims(&verifier, move |nonce: Option<&Nonce>| check_nonce(rule, &expected, nonce))
        {
            Ok(claims) => claims,
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                return Ok(Verified::UnknownKey);
            }
            Err(error) => return Err(ProviderError::rejected(format!("its ID token is invalid: {error}"))),
        };
        let authorized = claims.authorized_party();
        if authorized.is_some_and(|party| **party != *self.parts.settings.client_id) {
            return Err(ProviderError::Rejected("its ID token is for another party".to_owned()));
        }
        Ok(Verified::Yes)
    }
}

/// The audience of Apple's client secrets.
const APPLE_AUDIENCE: &str = "https://appleid.apple.com";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verified {
    Yes,
    UnknownKey,
}

/// The parameters of a token request; `secret` is one of them unless it is sent otherwise.
pub(super) fn token_request<'a>(
    parts: &'a Parts,
    callback: &'a Callback,
    secret: Option<&'a str>,
) -> Vec<(&'static str, &'a str)> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", callback.code.expose_secret()),
        ("redirect_uri", callback.redirect_uri.as_str()),
        ("client_id", parts.settings.client_id.as_str()),
    ];
    form.extend(secret.map(|secret| ("client_secret", secret)));
    if parts.blueprint.has_pkce {
        form.push(("code_verifier", callback.code_verifier.expose_secret()));
    }
    if parts.blueprint.repeats_state {
        form.push(("state", callback.state.as_str()));
    }
    form
}

fn instant(at: Timestamp) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(at.as_micros()).unwrap_or_default()
}

fn check_issue_time(issued: i64, now: Timestamp) -> Result<(), String> {
    let now = now.as_micros() / 1_000_000;
    let (leeway, age) = (LEEWAY.as_secs().cast_signed(), MAX_TOKEN_AGE.as_secs().cast_signed());
    if issued > now.saturating_add(leeway) {
        return Err("it was issued in the future".to_owned());
    }
    if issued < now.saturating_sub(age + leeway) {
        return Err("it was not issued for this login".to_owned());
    }
    Ok(())
}

fn check_nonce(rule: NonceRule, expected: &str, nonce: Option<&Nonce>) -> Result<(), String> {
    // Compared by their hashes, so that the time does not depend on the first difference.
    let is_equal = |nonce: &Nonce| Sha256::digest(nonce.secret()) == Sha256::digest(expected);
    match (nonce, rule) {
        (Some(nonce), _) if is_equal(nonce) => Ok(()),
        (Some(_), _) => Err("the nonce differs".to_owned()),
        (None, NonceRule::WhenEchoed) => Ok(()),
        (None, NonceRule::Required) => Err("the nonce is missing".to_owned()),
    }
}

/// The claims of a token that was verified.
fn read_claims(id_token: &str) -> Result<Value, ProviderError> {
    let payload =
        id_token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let claims = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    claims.ok_or_else(|| ProviderError::Rejected("its ID token is malformed".to_owned()))
}

/// Compares the access token with its hash in the ID token (OpenID Connect Core, 3.1.3.8), if it is there.
fn check_access_token(claims: &Value, tokens: &TokenResponse) -> Result<(), ProviderError> {
    let Some(hash) = claims.get("at_hash").and_then(Value::as_str) else { return Ok(()) };
    // Every accepted algorithm but EdDSA, which defines no hash here, uses SHA-256.
    let digest = Sha256::digest(tokens.access_token.expose_secret());
    if URL_SAFE_NO_PAD.encode(&digest[..16]) == hash.trim_end_matches('=') || hash.len() > 24 {
        return Ok(());
    }
    Err(ProviderError::Rejected("its access token does not belong to the ID token".to_owned()))
}
