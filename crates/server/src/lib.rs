//! What the `blegram` binary is made of, as a library so that its tests can drive each part alone.
//!
//! | Module | Owns |
//! |---|---|
//! | [`cli`] | the command line and its help |
//! | [`config`] | every setting: layers, types, errors, the generated reference |
//! | [`listener`] | the accept loop: connection cap, head deadline, body pace, graceful end |
//! | [`telemetry`] | logs, and panics in the logs |
//!
//! A new setting is one line in `config/sections.rs`; the documentation follows from it.

pub mod cli;
pub mod config;
pub mod listener;
pub mod telemetry;
