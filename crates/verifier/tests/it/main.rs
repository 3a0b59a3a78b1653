//! The verifier against the real tokens and keys of `blegram-auth`, over HTTP, with a clock that the tests move.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, helpers included")]

mod keys;
mod site;
mod tokens;
