//! The settings of a provider, and their validation at the start.

use std::sync::Arc;

use blegram_domain::{Clock, ProviderId};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{
    IdentityProvider, Provider,
    apple::AppleKey,
    blueprint::{Blueprint, ClientAuth, Protocol},
    egress::{Egress, Hosts},
    metadata::MetadataCache,
    oauth2::OAuth2Provider,
    oidc::OidcProvider,
};

/// A known provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Kakao, by OpenID Connect.
    Kakao,
    /// Naver, by OpenID Connect.
    Naver,
    /// Naver, by OAuth 2.0. The ids of users may differ from those of [`Preset::Naver`].
    NaverOAuth2,
    /// Facebook.
    Facebook,
    /// Google.
    Google,
    /// Apple.
    Apple,
    /// Any provider of OpenID Connect.
    Oidc,
}

impl Preset {
    /// All presets with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Kakao, "kakao"),
        (Self::Naver, "naver"),
        (Self::NaverOAuth2, "naver-oauth2"),
        (Self::Facebook, "facebook"),
        (Self::Google, "google"),
        (Self::Apple, "apple"),
        (Self::Oidc, "oidc"),
    ];

    /// The name of the preset, which is also the id of its provider by default.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(preset, _)| *preset == self).map_or("", |(_, name)| name)
    }
}

/// The settings of a provider.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// The known provider.
    pub preset: Preset,
    /// The id in paths and rows.
    pub id: ProviderId,
    /// The name for people; `None` for that of the preset.
    pub name: Option<String>,
    /// The client id that the provider issued.
    pub client_id: String,
    /// The client secret; for Apple the private key in PEM.
    pub client_secret: Option<SecretString>,
    /// The issuer, exactly as in ID tokens.
    pub issuer: Option<String>,
    /// Replaces the authorization endpoint.
    pub authorization_endpoint: Option<Url>,
    /// Replaces the token endpoint.
    pub token_endpoint: Option<Url>,
    /// Replaces the endpoint for profiles.
    pub userinfo_endpoint: Option<Url>,
    /// Replaces the address of the signing keys.
    pub jwks_uri: Option<Url>,
    /// Replaces the address that ends links; for Facebook that of the Graph API.
    pub unlink_endpoint: Option<Url>,
    /// Replaces the scopes.
    pub scopes: Vec<String>,
    /// Further hosts of endpoints.
    pub hosts: Vec<String>,
    /// Kakao's admin key, which authenticates its notices, and the requests that end links.
    pub admin_key: Option<SecretString>,
    /// Apple's team id.
    pub team_id: Option<String>,
    /// The id of Apple's private key.
    pub key_id: Option<String>,
}

/// A setting of a provider that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSetting {
    /// The name of the setting.
    pub name: &'static str,
    /// What is wrong and how to fix it.
    pub advice: String,
}

/// The parts that both implementations need.
pub(super) struct Parts {
    pub(super) blueprint: &'static Blueprint,
    pub(super) settings: ProviderSettings,
    pub(super) hosts: Hosts,
    pub(super) picture_hosts: Hosts,
    pub(super) egress: Egress,
    pub(super) clock: Arc<dyn Clock>,
}

impl ProviderSettings {
    /// Settings with the defaults of `preset`.
    pub fn new(
        preset: Preset,
        id: ProviderId,
        client_id: String,
        client_secret: Option<SecretString>,
    ) -> Self {
        Self {
            preset,
            id,
            name: None,
            client_id,
            client_secret,
            issuer: None,
            authorization_endpoint: None,
            token_endpoint: None,
            userinfo_endpoint: None,
            jwks_uri: None,
            unlink_endpoint: None,
            scopes: Vec::new(),
            hosts: Vec::new(),
            admin_key: None,
            team_id: None,
            key_id: None,
        }
    }

    /// Everything that is missing or invalid. `allows_loopback` also accepts http on loopback addresses.
    pub fn validate(&self, allows_loopback: bool) -> Vec<InvalidSetting> {
        let blueprint = Blueprint::of(self.preset);
        let invalid = |name, advice: &str| Some(InvalidSetting { name, advice: advice.to_owned() });
        let urls = [
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("userinfo_endpoint", &self.userinfo_endpoint),
            ("jwks_uri", &self.jwks_uri),
            ("unlink_endpoint", &self.unlink_endpoint),
        ];
        let issuer = self.issuer.as_deref().map(Url::parse);
        let is_oidc = blueprint.protocol == Protocol::Oidc;
        let needs_secret = self.preset != Preset::Kakao;
        let is_apple = blueprint.client_auth == ClientAuth::AppleKey;
        let checks = [
            (self.client_id.is_empty())
                .then(|| invalid("client_id", "is required: the id that the provider issued")),
            (needs_secret && self.client_secret.is_none()).then(|| {
                invalid("client_secret", "is required; it can be read from a file, with the ending _FILE")
            }),
            (is_oidc && blueprint.issuer.is_none() && issuer.is_none()).then(|| {
                invalid("issuer", "is required for the preset oidc, such as https://id.example.org")
            }),
            (!is_oidc && issuer.is_some())
                .then(|| invalid("issuer", "is not used by this preset, which has no ID tokens; remove it")),
            issuer.filter(|url| !url.as_ref().is_ok_and(|url| is_secure(url, allows_loopback))).map(|_| {
                invalid("issuer", "must be an https URL, without query and fragment, exactly as in ID tokens")
            }),
            (is_apple && self.team_id.is_none()).then(|| {
                invalid("team_id", "is required for the preset apple: the id of your team at Apple")
            }),
            (is_apple && self.key_id.is_none())
                .then(|| invalid("key_id", "is required for the preset apple: the id of the private key")),
            (is_apple && self.client_secret.as_ref().is_some_and(|key| AppleKey::parse(key).is_none())).then(
                || {
                    invalid(
                        "client_secret",
                        "must be the private key from Apple: the content of the file AuthKey_….p8",
                    )
                },
            ),
        ];
        let checks = checks.into_iter().flatten().flatten();
        let insecure = urls.into_iter().filter_map(|(name, url)| {
            let url = url.as_ref()?;
            (!is_secure(url, allows_loopback)).then(|| invalid(name, "must be an https URL")).flatten()
        });
        checks.chain(insecure).collect()
    }

    fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref().or(Blueprint::of(self.preset).issuer)
    }

    fn hosts(&self) -> Hosts {
        let blueprint = Blueprint::of(self.preset);
        let endpoints = [
            &self.authorization_endpoint,
            &self.token_endpoint,
            &self.userinfo_endpoint,
            &self.jwks_uri,
            &self.unlink_endpoint,
        ];
        let issuer = self.issuer().and_then(|issuer| Url::parse(issuer).ok());
        let configured = endpoints.into_iter().flatten().chain(&issuer).filter_map(host);
        let known = blueprint.hosts.iter().map(|host| (*host).to_owned());
        Hosts { exact: configured.chain(known).chain(self.hosts.clone()).collect(), domains: Vec::new() }
    }

    fn picture_hosts(&self) -> Hosts {
        let known = Blueprint::of(self.preset).picture_domains.iter().map(|domain| (*domain).to_owned());
        Hosts { exact: self.hosts.clone(), domains: known.collect() }
    }
}

fn host(url: &Url) -> Option<String> {
    url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// Whether a URL is https, or http on loopback where that is allowed.
fn is_secure(url: &Url, allows_loopback: bool) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(domain)) => domain == "localhost",
        None => false,
    };
    let is_scheme = url.scheme() == "https" || url.scheme() == "http" && is_loopback && allows_loopback;
    is_scheme && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
}

impl Provider {
    /// Creates a provider from settings. Nothing is requested from it before the first login.
    ///
    /// # Errors
    /// Everything that [`ProviderSettings::validate`] finds.
    pub fn new(
        settings: ProviderSettings,
        egress: Egress,
        clock: Arc<dyn Clock>,
        allows_loopback: bool,
    ) -> Result<Self, Vec<InvalidSetting>> {
        let invalid = settings.validate(allows_loopback);
        if !invalid.is_empty() {
            return Err(invalid);
        }
        let blueprint = Blueprint::of(settings.preset);
        let name = settings.name.clone().unwrap_or_else(|| blueprint.name.to_owned());
        let id = settings.id.clone();
        let parts = Parts {
            blueprint,
            hosts: settings.hosts(),
            picture_hosts: settings.picture_hosts(),
            egress,
            clock,
            settings,
        };
        let implementation: Arc<dyn IdentityProvider> = match blueprint.protocol {
            Protocol::Oidc => {
                let key = parts.settings.client_secret.as_ref().and_then(AppleKey::parse);
                let key = key.filter(|_| blueprint.client_auth == ClientAuth::AppleKey);
                Arc::new(OidcProvider { parts, metadata: MetadataCache::default(), apple_key: key })
            }
            Protocol::OAuth2 => Arc::new(OAuth2Provider { parts }),
        };
        Ok(Self::custom(id, name, implementation))
    }
}

impl Parts {
    /// The issuer. Validation rejects an OpenID Connect provider without one.
    pub(super) fn issuer(&self) -> &str {
        self.settings.issuer().unwrap_or_default()
    }

    pub(super) fn scopes(&self) -> String {
        if self.settings.scopes.is_empty() {
            self.blueprint.scopes.join(" ")
        } else {
            self.settings.scopes.join(" ")
        }
    }

    pub(super) fn secret(&self) -> Option<&str> {
        self.settings.client_secret.as_ref().map(ExposeSecret::expose_secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(preset: Preset) -> ProviderSettings {
        let id = ProviderId::parse(preset.as_str()).unwrap();
        ProviderSettings::new(preset, id, "client".to_owned(), Some("secret".into()))
    }

    fn invalid(settings: &ProviderSettings, allows_loopback: bool) -> Vec<&'static str> {
        settings.validate(allows_loopback).into_iter().map(|invalid| invalid.name).collect()
    }

    #[test]
    fn incomplete_settings_are_rejected_by_name() {
        for (preset, _) in Preset::ALL {
            let expected: &[&str] = match preset {
                Preset::Oidc => &["issuer"],
                Preset::Apple => &["team_id", "key_id", "client_secret"],
                _ => &[],
            };
            assert_eq!(invalid(&settings(preset), false), expected, "{preset:?}");
        }
        let no_secret = |preset| ProviderSettings { client_secret: None, ..settings(preset) };
        assert_eq!(invalid(&no_secret(Preset::Kakao), false), [""; 0]);
        assert_eq!(invalid(&no_secret(Preset::Naver), false), ["client_secret"]);
        let oauth2 = ProviderSettings {
            issuer: Some("https://a.example".to_owned()),
            ..settings(Preset::NaverOAuth2)
        };
        assert_eq!(invalid(&oauth2, false), ["issuer"]);
    }

    #[test]
    fn plain_http_is_accepted_on_loopback_in_development_only() {
        let with =
            |issuer: &str| ProviderSettings { issuer: Some(issuer.to_owned()), ..settings(Preset::Oidc) };
        assert_eq!(invalid(&with("https://id.example"), false), [""; 0]);
        assert_eq!(invalid(&with("http://127.0.0.1:9000"), true), [""; 0]);
        for issuer in ["http://127.0.0.1:9000", "http://id.example", "id.example", "https://a:b@id.example"] {
            assert_eq!(invalid(&with(issuer), false), ["issuer"], "{issuer}");
        }
        let endpoint = Some(Url::parse("http://id.example/token").unwrap());
        let with_endpoint = ProviderSettings { token_endpoint: endpoint, ..with("https://id.example") };
        assert_eq!(invalid(&with_endpoint, true), ["token_endpoint"]);
    }
}
