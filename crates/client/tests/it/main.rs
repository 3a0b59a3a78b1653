//! Integration tests of the client against a scripted server: what it repeats, when, and with which token. The tests in
//! `crates/server/tests/it/process/client.rs` run it against the real one.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, helpers included")]

mod calls;
mod server;
mod session;
