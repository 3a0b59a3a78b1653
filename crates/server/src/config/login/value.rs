//! The types of the settings of login providers.

use blegram_auth::AppRedirectUri;
use blegram_domain::ProviderId;
use secrecy::SecretString;
use url::Url;

use crate::config::value::{Shape, Value};

/// A credential that may have several lines, such as a private key in PEM.
#[derive(Debug, Clone)]
pub struct SecretText(SecretString);

impl SecretText {
    /// The credential, for that server only.
    #[must_use]
    pub fn secret(&self) -> SecretString {
        self.0.clone()
    }
}

impl Value for SecretText {
    const EXPECTED: &'static str = "text";
    const EXAMPLE: &'static str = "the secret from the provider's console";
    const SHAPE: Shape = Shape::Secret;

    fn parse(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| Self(text.into()))
    }
}

/// Defines settings that are text, compared exactly.
macro_rules! texts {
    ($($(#[$about:meta])+ $name:ident: $expected:literal, $example:literal, $is_valid:expr;)+) => {$(
        $(#[$about])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Value for $name {
            const EXPECTED: &'static str = $expected;
            const EXAMPLE: &'static str = $example;

            fn parse(text: &str) -> Option<Self> {
                let is_valid: fn(&str) -> bool = $is_valid;
                (!text.is_empty() && is_valid(text)).then(|| Self(text.to_owned()))
            }
        }
    )+};
}

texts! {
    /// A client id at a login provider.
    ClientId: "text without white space", "1234567890abcdef", |text| text.bytes().all(|byte| byte.is_ascii_graphic());
    /// The issuer of ID tokens. Not a URL, because it is compared exactly: with or without a slash at its end.
    Issuer: "a URL, exactly as in ID tokens", "https://id.example.org", |text| Url::parse(text).is_ok();
    /// The name of a login provider.
    ProviderName: "1 to 40 characters", "Example ID", |text| text.chars().count() <= 40 && !text.chars().any(char::is_control);
    /// A scope of OAuth 2.0 (RFC 6749, 3.3).
    Scope: "scopes without spaces and commas", "openid,profile", |text| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
}

impl Value for ProviderId {
    const EXPECTED: &'static str = "1 to 32 letters a-z, digits and `-`, beginning with a letter";
    const EXAMPLE: &'static str = "kakao";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Value for AppRedirectUri {
    const EXPECTED: &'static str =
        "redirect URIs: https URLs, schemes with a dot, or http on a loopback address, without fragments";
    const EXAMPLE: &'static str = "org.example.app:/login";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}
