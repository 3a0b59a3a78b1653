//! Verifies access tokens of a blegram site in another service, without its database and without a request per token.
//!
//! An access token is a JWT (RFC 9068) that the site signs with ES256. [`Verifier`] loads the site's public keys from
//! `/.well-known/jwks.json`, caches them as long as the response allows, loads them again when a token names a key that it
//! does not know, and checks the signature, type, issuer, audience and times of each token.
//!
//! | Module | Contents |
//! |---|---|
//! | [`token`] | the checks of one token, without I/O: [`Claims`], [`VerifyingKey`] |
//! | `keys` | the cache of keys, and when they are loaded |
//! | `fetch` | loads the keys over HTTP |
//! | [`Error`] | why a token is rejected |
//!
//! **What it cannot see:** a session that has ended. A token stays valid here until it expires, ten minutes after it was
//! issued by default (`accounts.access_token_minutes`). A service for which that is too late asks the site (`getMe`) with
//! the token.
//!
//! ```no_run
//! # async fn run(authorization: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use blegram_verifier::Verifier;
//!
//! // Once; cheap to clone. The issuer is `server.public_url` of the site.
//! let verifier = Verifier::new("https://example.org")?;
//!
//! match verifier.verify(authorization.strip_prefix("Bearer ").unwrap_or_default()).await {
//!     Ok(claims) => println!("user {}", claims.user),
//!     Err(error) if error.is_rejection() => println!("401: {error}"),
//!     Err(error) => println!("503: {error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Features
//!
//! - `fetch` (default): [`Verifier`]. Without it the crate has no HTTP client, and the caller gives the keys to
//!   [`VerifyingKey`].

mod error;
#[cfg(feature = "fetch")]
mod fetch;
#[cfg(feature = "fetch")]
mod keys;
pub mod token;
#[cfg(feature = "fetch")]
mod verifier;

pub use error::{Error, Unavailable};
pub use token::{Claims, VerifyingKey};
#[cfg(feature = "fetch")]
pub use verifier::{InvalidSite, Verifier};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
