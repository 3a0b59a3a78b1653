//! The reference client of blegram in Rust: the HTTP API, and the realtime gateway with all rules for its clients
//! (`docs/protocol.md`). An application shows each message exactly once, in order and without gaps, and each message that
//! it sends is stored exactly once, whatever the network does.
//!
//! ```no_run
//! use blegram_client::{Client, Gateway, Options, Update};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("https://example.org".parse()?)?;
//! client.log_in("ann", "correct horse battery", "my program").await?;
//! let conversation = client.open_direct("@bob").await?;
//!
//! let (gateway, mut updates) = Gateway::connect(client, Options::default()).await?;
//! gateway.follow(conversation.id).await?;
//! gateway.send(conversation.id, "hello").await?;
//! while let Some(update) = updates.next().await {
//!     match update {
//!         Update::Loaded { page, .. } => println!("{} earlier messages", page.messages.len()),
//!         Update::Applied(change) => println!("{change:?}"),
//!         Update::Stopped(reason) => println!("the end: {reason}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | Module | |
//! |---|---|
//! | [`types`] | what the server sends and receives, generated from its documents; enums are open, unknown fields ignored |
//! | `http` | [`Client`]: session, retries, deadlines, typed operations, and [`Client::request`] for all others |
//! | [`error`](Error) | why a request failed, by what the caller can do |
//! | [`core`] | the rules of the gateway for its clients, as a state machine without I/O |
//! | `gateway` | [`Gateway`]: drives the state machine with `socket`, `http` and the clock |
//! | `wire` | frames, and what the rules need of them |
//!
//! It needs no other crate of blegram. To add an operation, add a method to `http/<noun>.rs`; a new command or event of the
//! gateway is there after `cargo xtask gen`, and [`Gateway::command`] sends it. [`core::Core`] works with any transport and
//! clock.
//!
//! Nothing is stored on disk: an application that must not lose unacknowledged messages when it ends stores their
//! `client_id`s and texts, and sends them again with [`Gateway::send_draft`].

mod backoff;
pub mod core;
mod error;
mod gateway;
mod http;
mod socket;
pub mod types;
mod wire;

pub use self::{
    core::{CommandFailure, Page, Update},
    error::Error,
    gateway::{CommandError, Gateway, Observer, Options, Stopped, Trace, Updates, client_id},
    http::{AccessToken, Client, HttpBuilder, Limits, Method, Request, Upload},
    wire::{Change, ChangeKind},
};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
