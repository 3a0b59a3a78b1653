//! A chat in the terminal: the reference client of blegram's realtime gateway. See its README.
//!
//! - `core`: the client's logic, without I/O
//! - `wire`: frames of the protocol
//! - `http`, `socket`, `terminal`: I/O
//! - `run`: the event loop that connects them

mod core;
mod http;
mod run;
mod socket;
mod terminal;
mod wire;

use std::{process::ExitCode, sync::Arc};

use anyhow::Result;
use clap::Parser;
use url::Url;
use uuid::Uuid;

use crate::{core::Settings, http::Api};

/// Chat in the terminal.
#[derive(Parser)]
struct Options {
    /// URL of the server.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// Your username.
    #[arg(long)]
    login: String,
    /// Your password; prompted for if missing.
    #[arg(long, env = "CHAT_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Username of the other account; opens or starts the direct conversation.
    #[arg(long, required_unless_present = "conversation", conflicts_with = "conversation")]
    with: Option<String>,
    /// Id of an existing conversation.
    #[arg(long)]
    conversation: Option<Uuid>,
    /// Keep running after the end of stdin.
    #[arg(long)]
    follow: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match chat(Options::parse()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal::notify(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn chat(options: Options) -> Result<u8> {
    // The provider for TLS. Fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let password = options.password.map_or_else(terminal::password, Ok)?;
    let (api, me) = Api::log_in(&options.url, &options.login, &password).await?;
    let conversation = match (options.conversation, options.with) {
        (Some(id), _) => api.conversation(id).await?,
        (None, with) => api.open_direct(&with.unwrap_or_default()).await?,
    };
    let settings = Settings {
        me: me.id,
        conversation: conversation.id,
        members: conversation.members,
        follow: options.follow,
        seed: rand::random(),
    };
    run::run(options.url, Arc::new(api), settings, terminal::lines()).await
}
