//! Settings that are one of a few words.

use super::value::Value;

/// An enumeration and the words that stand for it.
macro_rules! words {
    ($(#[$about:meta])+ $name:ident: $expected:literal { $($(#[doc = $doc:literal])+ $word:literal => $variant:ident,)+ }) => {
        $(#[$about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

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
    /// How strict the configuration is.
    Profile: "`development` or `production`" {
        /// Runs with nothing set, on loopback; reads `.env`.
        "development" => Development,
        /// Refuses weak or missing secrets and plain http.
        "production" => Production,
    }
}

words! {
    /// Who may create an account.
    Registration: "`open` or `closed`" {
        /// Anyone.
        "open" => Open,
        /// Nobody; accounts come from the command line.
        "closed" => Closed,
    }
}

words! {
    /// How log lines look.
    LogFormat: "`pretty` or `json`" {
        /// For people.
        "pretty" => Pretty,
        /// One object per line, for machines.
        "json" => Json,
    }
}
