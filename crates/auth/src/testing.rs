//! A login provider for tests: an HTTP server on loopback that speaks OpenID Connect and OAuth 2.0 as the known providers
//! do, with their deviations, and that misbehaves on request.
//!
//! A test opens the address of a login with [`FakeProvider::approve`], as a user would in a browser, and gets the query
//! with which the provider sends the browser back.

mod server;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use blegram_domain::{Clock, ProviderId};
use openidconnect::{
    JsonWebKeyId,
    core::{CoreEdDsaPrivateSigningKey, CoreRsaPrivateSigningKey},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use url::{Url, form_urlencoded};

use self::server::{Grant, Shared, serve};
use crate::provider::{
    Provider,
    egress::Egress,
    settings::{Preset, ProviderSettings},
};

/// The client id of the site.
pub const CLIENT_ID: &str = "the-client";

/// The client secret of the site.
pub const CLIENT_SECRET: &str = "a secret of the client";

/// A deviation that a login must not survive, unless the comment says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehavior {
    /// The ID token names another issuer.
    OtherIssuer,
    /// The ID token is for another client.
    OtherAudience,
    /// The ID token is for this client and another one.
    TwoAudiences,
    /// The ID token was issued to another party.
    OtherParty,
    /// The ID token has another nonce.
    OtherNonce,
    /// The ID token has no nonce: only Naver may do this.
    NoNonce,
    /// The ID token is not signed.
    AlgorithmNone,
    /// The ID token is signed with the client secret.
    AlgorithmHs256,
    /// The ID token is signed with a key that is not published.
    OtherKey,
    /// The ID token names a key that is not published.
    UnknownKeyId,
    /// The ID token is signed with a key that is published after the first request for keys: a login survives this.
    NewKey,
    /// The ID token expired two minutes ago.
    Expired,
    /// The ID token expired half a minute ago: a login survives this, as clocks differ.
    JustExpired,
    /// The ID token was issued in two minutes.
    Future,
    /// The ID token was issued half a minute from now: a login survives this, too.
    NearFuture,
    /// The ID token was issued an hour ago.
    Old,
    /// The ID token has a hash of another access token.
    OtherAccessToken,
    /// The ID token is not a JSON Web Token.
    Malformed,
    /// The response has no ID token: only Facebook may do this.
    NoIdToken,
    /// An error with status 200.
    ErrorInSuccess,
    /// `expires_in` is a string: only Naver may do this.
    TextExpiresIn,
    /// The token is of another type.
    OtherTokenType,
    /// The token endpoint answers 500.
    TokenFails,
    /// The token endpoint does not answer.
    TokenHangs,
    /// The token endpoint answers with more than a MiB.
    TokenHuge,
    /// The token endpoint redirects.
    TokenRedirects,
    /// The address of the keys redirects.
    KeysRedirect,
    /// The key set has more than 64 KiB.
    KeysHuge,
    /// The keys are no JSON.
    KeysHtml,
    /// The metadata names another issuer.
    MetadataOfOther,
    /// The metadata names a token endpoint on another host.
    MetadataElsewhere,
    /// The metadata answers 500.
    MetadataFails,
    /// The endpoint for profiles reports an error in its envelope, with status 200.
    ProfileError,
    /// The endpoint for profiles names no user.
    ProfileOfNoUser,
    /// The ID token has no profile, the endpoint for profiles has: a login survives this.
    ProfileElsewhere,
    /// In addition, the profile is that of another user.
    ProfileOfAnother,
    /// The request to end a link is answered with 503.
    UnlinkFails,
    /// The user whose link is to end is not linked: the end of a link survives this.
    UnlinkOfNoUser,
}

/// A user of the provider.
#[derive(Debug, Clone)]
pub struct FakeUser {
    /// The id.
    pub subject: String,
    /// Further claims.
    pub claims: Value,
}

impl FakeUser {
    /// A user with a nickname.
    pub fn new(subject: &str, nickname: &str) -> Self {
        Self { subject: subject.to_owned(), claims: json!({ "nickname": nickname }) }
    }

    /// Adds a claim.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }
}

/// The provider. Dropping it stops the server.
pub struct FakeProvider {
    preset: Preset,
    url: String,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl std::fmt::Debug for FakeProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeProvider").finish_non_exhaustive()
    }
}

/// A private key for the settings of Apple.
pub const APPLE_KEY: &str = include_str!("testing/apple-p256.pem");

impl FakeProvider {
    /// Starts a provider like `preset`, with the time of `clock`.
    ///
    /// # Panics
    /// If the server cannot be started.
    pub async fn start(preset: Preset, clock: Arc<dyn Clock>) -> Self {
        Self::start_with(preset, clock, false).await
    }

    /// Starts a provider that signs with RSA, as most do; the others sign with Ed25519, which is faster in tests.
    ///
    /// # Panics
    /// If the server cannot be started.
    pub async fn start_with_rsa(preset: Preset, clock: Arc<dyn Clock>) -> Self {
        Self::start_with(preset, clock, true).await
    }

    async fn start_with(preset: Preset, clock: Arc<dyn Clock>, uses_rsa: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let ed25519 = |pem: &str, id: &str| {
            CoreEdDsaPrivateSigningKey::from_ed25519_pem(pem, Some(JsonWebKeyId::new(id.to_owned())))
                .expect("a key")
        };
        let rsa = || {
            let id = Some(JsonWebKeyId::new("rsa".to_owned()));
            CoreRsaPrivateSigningKey::from_pem(include_str!("testing/rsa.pem"), id).expect("a key")
        };
        let shared = Arc::new(Shared {
            preset,
            url: url.clone(),
            clock,
            key: ed25519(include_str!("testing/ed25519.pem"), "one"),
            other_key: ed25519(include_str!("testing/other-ed25519.pem"), "two"),
            rsa: uses_rsa.then(rsa),
            state: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&shared)));
        Self { preset, url, shared, _server: server }
    }

    /// The issuer, which is also the base of all endpoints.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The settings with which the site reaches this provider instead of the real one.
    ///
    /// # Panics
    /// If the id is invalid.
    pub fn settings(&self, id: &str) -> ProviderSettings {
        let id = ProviderId::parse(id).expect("a provider id");
        let secret = if self.preset == Preset::Apple { APPLE_KEY } else { CLIENT_SECRET };
        let settings = ProviderSettings::new(self.preset, id, CLIENT_ID.to_owned(), Some(secret.into()));
        let endpoint = |path: &str| Url::parse(&format!("{}{path}", self.url)).ok();
        let settings = ProviderSettings {
            team_id: Some("team".to_owned()),
            key_id: Some("key".to_owned()),
            admin_key: Some("the admin key".into()),
            hosts: vec!["127.0.0.1".to_owned()],
            unlink_endpoint: endpoint(if self.preset == Preset::Facebook { "/graph" } else { "/unlink" }),
            ..settings
        };
        match self.preset {
            Preset::NaverOAuth2 => ProviderSettings {
                authorization_endpoint: endpoint("/authorize"),
                token_endpoint: endpoint("/token"),
                userinfo_endpoint: endpoint("/me"),
                ..settings
            },
            Preset::Facebook => ProviderSettings {
                issuer: Some(self.url.clone()),
                authorization_endpoint: endpoint("/authorize"),
                token_endpoint: endpoint("/token"),
                userinfo_endpoint: endpoint("/me"),
                jwks_uri: endpoint("/jwks"),
                ..settings
            },
            Preset::Naver => ProviderSettings {
                issuer: Some(self.url.clone()),
                userinfo_endpoint: endpoint("/me"),
                ..settings
            },
            Preset::Kakao | Preset::Google | Preset::Apple | Preset::Oidc => {
                ProviderSettings { issuer: Some(self.url.clone()), ..settings }
            }
        }
    }

    /// The provider as the site uses it.
    ///
    /// # Panics
    /// If the settings are invalid.
    pub fn provider(&self, id: &str) -> Provider {
        let egress = Egress::new(true).expect("a client");
        Provider::new(self.settings(id), egress, Arc::clone(&self.shared.clock), true)
            .expect("valid settings")
    }

    /// Misbehaves from now on.
    pub fn misbehave(&self, misbehavior: Option<Misbehavior>) {
        self.shared.state().misbehavior = misbehavior;
    }

    /// Serves a profile picture at `/picture`.
    pub fn set_picture(&self, picture: Vec<u8>) {
        self.shared.state().picture = Some(picture);
    }

    /// The users whose link the site has ended.
    pub fn unlinked(&self) -> Vec<String> {
        self.shared.state().unlinked.clone()
    }

    /// The number of requests for a path.
    pub fn requests(&self, path: &str) -> usize {
        self.shared.state().requests.get(path).copied().unwrap_or(0)
    }

    /// Logs `user` in at the address of a login, and returns the query of the redirect back.
    ///
    /// # Panics
    /// If the address lacks what the provider requires.
    pub fn approve(&self, address: &str, user: &FakeUser) -> String {
        let (grant, state) = self.grant(address, user);
        let code = self.shared.next("code");
        self.shared.state().grants.insert(code.clone(), grant);
        query(&[("state", &state), ("code", &code)])
    }

    /// Cancels a login, and returns the query of the redirect back.
    ///
    /// # Panics
    /// As [`FakeProvider::approve`].
    pub fn deny(&self, address: &str, error: &str) -> String {
        let (_, state) = self.grant(address, &FakeUser::new("", ""));
        query(&[("state", &state), ("error", error), ("error_description", "<script>alert(1)</script>")])
    }

    fn grant(&self, address: &str, user: &FakeUser) -> (Grant, String) {
        let url = Url::parse(address).expect("an address");
        assert!(address.starts_with(&format!("{}/authorize?", self.url)), "{address}");
        let parameters: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let parameter = |name: &str| parameters.get(name).cloned();
        assert_eq!(parameter("client_id").as_deref(), Some(CLIENT_ID));
        assert_eq!(parameter("response_type").as_deref(), Some("code"));
        let uses_form = self.preset == Preset::Apple;
        assert_eq!(parameter("response_mode").is_some_and(|mode| mode == "form_post"), uses_form);
        let state = parameter("state").expect("a state");
        let challenge = parameter("code_challenge");
        let has_pkce = self.preset != Preset::NaverOAuth2;
        assert_eq!(challenge.is_some(), has_pkce);
        let grant = Grant {
            user: user.clone(),
            redirect_uri: parameter("redirect_uri").expect("a redirect URI"),
            nonce: parameter("nonce"),
            challenge,
            state: state.clone(),
        };
        (grant, state)
    }
}

fn query(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}
