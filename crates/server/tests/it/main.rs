//! The server's parts, driven from outside.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails, helpers included")]

mod client;
mod command;
mod config;
mod listener;
mod process;
