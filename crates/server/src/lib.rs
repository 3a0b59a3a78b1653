//! blegram as a library: [`Node`] runs the whole backend in another program, beside routes of its own. The `blegram` binary
//! is a thin shell around it.
//!
//! ```no_run
//! # async fn run() -> anyhow::Result<()> {
//! let node = blegram::Node::embedded("./data").await?;
//! let (socket, router) = (node.listen().await?, node.router());
//! node.serve(socket, router, blegram::shutdown_signal()?).await
//! # }
//! ```
//!
//! `examples/embed.rs` adds routes for anyone and routes for logged-in users. Settings are those of
//! `docs/configuration.md`: [`Config::from_toml`] reads them from a text, [`Config::read`] as the binary does.
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
//! | [`metrics`] | the listener of the metrics: their names, meanings and formats |
//! | [`node`] | [`Node`]: the server, from start to graceful shutdown |
//! | [`serve`](mod@serve) | `blegram serve` |
//! | [`clock`] | the site clock, id generation after a restart, and the clock check for retention |
//! | [`jobs`] | the runner of background jobs |
//! | [`migrate`] | database migrations |
//! | [`user`], [`audit`], [`recount`], [`sweep`], [`demo`] | maintenance commands and the demo community |
//! | [`doctor`] | health checks with advice |
//! | [`top`] | `blegram top`: running nodes in the terminal |
//!
//! To add a setting, add one line to `config/sections.rs`; the documentation is generated from it.
//!
//! ## Features
//!
//! - `planted-bugs`: compiles bugs that `cargo xtask torture` must find; never for a site.

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
pub mod metrics;
pub mod migrate;
pub mod node;
mod nodes;
mod readiness;
pub mod recount;
pub mod run;
pub mod serve;
pub mod sweep;
pub mod telemetry;
pub mod top;
pub mod user;
mod web;
pub mod wire;

pub use config::Config;
pub use node::Node;
pub use serve::shutdown_signal;

/// The crates whose types appear in signatures of this one, and those of the services in [`api::App`].
pub use {
    anyhow, blegram_api as api, blegram_auth as auth, blegram_chat as chat, blegram_domain as domain,
    blegram_http as http, blegram_media as media, blegram_social as social, poem,
    tokio_util::sync::CancellationToken,
};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
