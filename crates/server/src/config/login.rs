//! The login providers: their settings, from the configuration to those of `blegram-auth`, with all problems under their
//! keys.

mod value;

use blegram_auth::{
    AppRedirectUri,
    provider::settings::{Preset as ProviderPreset, ProviderSettings},
};
use blegram_domain::ProviderId;
use url::Url;

pub use self::value::{ClientId, Issuer, ProviderName, Scope, SecretText};
use super::{
    Config,
    error::Problem,
    items::LIST,
    layers::{Effective, Layers},
    rules::problem,
    setting::{
        Preset::{Absent, Fixed},
        Section, Setting, range, section, setting,
    },
    value::{Secret, Value},
    words::Profile,
};

section! {
    /// Login with other providers.
    pub Login, "login":
    /// Addresses at which native apps receive codes, compared exactly: https URLs that an app claims, schemes that an app
    /// owns (with a dot), and http on a loopback address, which may have any port.
    app_redirect_uris: Vec<AppRedirectUri> = Fixed("");
}

section! {
    /// Login providers, each a table. In the environment the items are numbered from 0. The redirect URI to register at a
    /// provider is `server.public_url` and `/api/v1/auth/ID/callback`. See docs/guide/login.md.
    pub LoginProvider, "login.providers.0":
    /// The known provider that the other settings complete.
    preset: Option<ProviderPreset> = Absent("required");
    /// Id in paths and in the database: changing it unlinks all identities.
    id: Option<ProviderId> = Absent("the name of the preset");
    /// Name for people.
    name: Option<ProviderName> = Absent("that of the preset");
    /// Client id that the provider issued; Kakao's REST API key.
    client_id: Option<ClientId> = Absent("required");
    /// Client secret that the provider issued; for Apple the private key, the content of the `.p8` file. Kakao requires it
    /// if it is switched on in the console.
    client_secret: Option<SecretText> = Absent("required, except for Kakao");
    /// Issuer, exactly as in the provider's ID tokens.
    issuer: Option<Issuer> = Absent("that of the preset; required for `oidc`");
    /// Replaces the authorization endpoint.
    authorization_endpoint: Option<Url> = Absent("that of the provider");
    /// Replaces the token endpoint.
    token_endpoint: Option<Url> = Absent("that of the provider");
    /// Replaces the endpoint for profiles.
    userinfo_endpoint: Option<Url> = Absent("that of the provider");
    /// Replaces the address of the provider's signing keys.
    jwks_uri: Option<Url> = Absent("that of the provider");
    /// Replaces the address at which links of deleted accounts are ended: Kakao's, or that of Facebook's Graph API.
    unlink_endpoint: Option<Url> = Absent("that of the provider");
    /// Replaces the requested scopes. Kakao: add `account_email` if the app was reviewed for it.
    scopes: Option<Vec<Scope>> = Absent("those of the preset");
    /// Further host names that the provider's endpoints and pictures may have. Requests to others are rejected.
    hosts: Option<Vec<String>> = Absent("those of the issuer, the endpoints and the preset");
    /// Kakao's primary admin key, which authenticates its unlink notices, and the requests that end links of deleted accounts.
    admin_key: Option<Secret> = Absent("notices of Kakao are not accepted, and links not ended");
    /// Apple's team id.
    team_id: Option<String> = Absent("required for `apple`");
    /// Id of Apple's private key.
    key_id: Option<String> = Absent("required for `apple`");
}

/// The problems of all providers.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut ids: Vec<ProviderId> = Vec::new();
    for (provider, index) in config.login_providers.iter().zip(indexes(config)) {
        let mut reject = |name: &str, advice: &str| {
            problems.push(problem(config, &format!("{LIST}.{index}.{name}"), advice));
        };
        let Some(settings) = settings(provider) else {
            reject("preset", "is required: kakao, naver, naver-oauth2, facebook, google, apple or oidc");
            continue;
        };
        for invalid in settings.validate(config.allows_loopback()) {
            reject(invalid.name, &invalid.advice);
        }
        if ids.contains(&settings.id) {
            reject("id", "is the id of another provider; give each its own id");
        }
        ids.push(settings.id);
    }
    problems
}

/// The index of each provider, which need not be consecutive in the environment.
fn indexes(config: &Config) -> Vec<usize> {
    let of = |effective: &Effective| super::items::index_of(&effective.key);
    let mut indexes: Vec<usize> = config.effective.iter().filter_map(of).collect();
    indexes.dedup();
    indexes
}

impl Config {
    /// The settings of the login providers.
    #[must_use]
    pub fn provider_settings(&self) -> Vec<ProviderSettings> {
        self.login_providers.iter().filter_map(settings).collect()
    }

    /// Whether login providers may be on loopback, over plain http.
    #[must_use]
    pub fn allows_loopback(&self) -> bool {
        self.profile == Profile::Development
    }
}

/// The settings of a provider; `None` without a preset.
fn settings(provider: &LoginProvider) -> Option<ProviderSettings> {
    let preset = provider.preset?;
    let id = provider.id.clone().or_else(|| ProviderId::parse(preset.as_str()).ok())?;
    let client_id = provider.client_id.as_ref().map(ClientId::as_str).unwrap_or_default().to_owned();
    let client_secret = provider.client_secret.as_ref().map(SecretText::secret);
    let scopes = provider.scopes.iter().flatten().map(Scope::as_str).map(ToOwned::to_owned);
    Some(ProviderSettings {
        name: provider.name.as_ref().map(ProviderName::as_str).map(ToOwned::to_owned),
        issuer: provider.issuer.as_ref().map(Issuer::as_str).map(ToOwned::to_owned),
        authorization_endpoint: provider.authorization_endpoint.clone(),
        token_endpoint: provider.token_endpoint.clone(),
        userinfo_endpoint: provider.userinfo_endpoint.clone(),
        jwks_uri: provider.jwks_uri.clone(),
        unlink_endpoint: provider.unlink_endpoint.clone(),
        scopes: scopes.collect(),
        hosts: provider.hosts.clone().unwrap_or_default(),
        admin_key: provider.admin_key.as_ref().map(Secret::secret),
        team_id: provider.team_id.clone(),
        key_id: provider.key_id.clone(),
        ..ProviderSettings::new(preset, id, client_id, client_secret)
    })
}
