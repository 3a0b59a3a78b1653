//! The `blegram` binary as a library, so that tests can run each module on its own.
//!
//! | Module | Responsibility |
//! |---|---|
//! | [`cli`] | command-line arguments and help |
//! | [`run`](mod@run) | dispatches a command and blocks until it finishes |
//! | [`config`] | settings: layers, types, errors, the generated reference |
//! | [`telemetry`] | logging, including panics |
//! | [`data_folder`] | the data directory: exclusive lock, embedded database file, site key |
//! | [`wire`] | builds the application from the configuration |
//! | `readiness` | whether this node can serve requests |
//! | [`serve`](mod@serve) | the server, from start to graceful shutdown |
//! | [`clock`] | the site clock, id generation after a restart, and the clock check for retention |
//! | [`jobs`] | the runner of background jobs |
//! | [`migrate`] | database migrations |
//! | [`user`], [`audit`], [`recount`], [`sweep`], [`demo`] | maintenance commands and the demo community |
//! | [`doctor`] | health checks with advice |
//!
//! To add a setting, add one line to `config/sections.rs`; the documentation is generated from it.

pub mod audit;
mod bugs;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_folder;
pub mod demo;
pub mod doctor;
pub mod jobs;
pub mod mail;
pub mod migrate;
mod nodes;
mod readiness;
pub mod recount;
pub mod run;
pub mod serve;
pub mod sweep;
pub mod telemetry;
pub mod user;
pub mod wire;
