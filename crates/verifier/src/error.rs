//! Why a token is rejected, or cannot be verified now.

use blegram_domain::Timestamp;

/// Why a token is not accepted. The texts are for logs: a client needs no more than `401` with `invalid_token` (RFC 6750).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no signed JWT, or longer than any that a site issues.
    #[error("the token is malformed")]
    Malformed,
    /// It is another kind of JWT: `typ` is not `at+jwt` (RFC 9068).
    #[error("the token is no access token: its type is {}", .found.as_deref().unwrap_or("missing"))]
    Type {
        /// The `typ` of the header.
        found: Option<String>,
    },
    /// It is not signed with ES256.
    #[error("the token is not signed with ES256")]
    Algorithm,
    /// Its header contains or points to a key, which proves nothing (RFC 8725, 3.10), or demands an extension.
    #[error("the header of the token brings a key of its own or an unknown extension")]
    ForeignHeader,
    /// Its header names no key, or one that the site does not publish.
    #[error("the site has no key {}", .id.as_deref().unwrap_or("without an id"))]
    UnknownKey {
        /// The `kid` of the header.
        id: Option<String>,
    },
    /// The signature is not by the key that the header names.
    #[error("the signature is invalid")]
    Signature,
    /// A claim is missing or malformed.
    #[error("a claim is missing or malformed: {reason}")]
    Claims {
        /// Which, and why.
        reason: String,
    },
    /// Another site issued it.
    #[error("the issuer is {found:?} instead of {expected:?}, the public URL of the site")]
    Issuer {
        /// The issuer that this verifier accepts.
        expected: String,
        /// The issuer of the token.
        found: String,
    },
    /// It is for another audience.
    #[error("the audience is {found:?} instead of {expected:?}, the public URL of the site")]
    Audience {
        /// The audience that this verifier accepts.
        expected: String,
        /// The audience of the token.
        found: String,
    },
    /// It has expired.
    #[error("the token expired at {at}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It is valid only later, by more than the clocks of two machines may differ.
    #[error("the token is not valid before {from}")]
    NotYetValid {
        /// From when.
        from: Timestamp,
    },
    /// The keys of the site are not known, and cannot be loaded now. It says nothing about the token.
    #[error("the keys of the site cannot be loaded")]
    Unavailable(#[source] Unavailable),
}

impl Error {
    /// Whether the token is rejected (401). Otherwise the same token may be accepted later (503).
    #[must_use]
    pub const fn is_rejection(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }
}

/// Why the keys cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub(crate) String);
