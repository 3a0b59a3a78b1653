//! Settings with a fixed set of values.

use blegram_auth::{Registration, provider::settings::Preset as ProviderPreset};

use super::value::Value;

/// Defines an enumeration and the names of its variants.
macro_rules! words {
    ($(#[$about:meta])+ $name:ident: $expected:literal { $($(#[doc = $doc:literal])+ $word:literal => $variant:ident,)+ }) => {
        $(#[$about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        named! { $name: $expected { $($word => $variant,)+ } }
    };
}

/// Defines the names of the variants of an enumeration.
macro_rules! named {
    ($name:ident: $expected:literal { $($word:literal => $variant:ident,)+ }) => {
        impl Value for $name {
            const EXPECTED: &'static str = $expected;
            const EXAMPLE: &'static str = [$($word),+][0];

            fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// How strict the validation of the configuration is.
    Profile: "`development` or `production`" {
        /// Needs no settings, listens on loopback, reads `.env`.
        "development" => Development,
        /// Rejects weak or missing secrets and plain HTTP.
        "production" => Production,
    }
}

named! {
    ProviderPreset: "`kakao`, `naver`, `naver-oauth2`, `facebook`, `google`, `apple` or `oidc`" {
        "kakao" => Kakao,
        "naver" => Naver,
        "naver-oauth2" => NaverOAuth2,
        "facebook" => Facebook,
        "google" => Google,
        "apple" => Apple,
        "oidc" => Oidc,
    }
}

named! {
    Registration: "`open` or `closed`" {
        "open" => Open,
        "closed" => Closed,
    }
}

words! {
    /// The format of log lines.
    LogFormat: "`pretty` or `json`" {
        /// Human-readable.
        "pretty" => Pretty,
        /// One JSON object per line.
        "json" => Json,
    }
}

words! {
    /// How the connection to an SMTP server is encrypted.
    MailTls: "`starttls`, `tls` or `none`" {
        /// After the connection is open (RFC 3207).
        "starttls" => StartTls,
        /// From the beginning (RFC 8314).
        "tls" => Tls,
        /// Not at all.
        "none" => None,
    }
}
