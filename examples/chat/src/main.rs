//! A chat in the terminal, on the reference client `blegram-client`. See its README.
//!
//! - `chat`: what a typed line does, and when the program ends
//! - `screen`: the lines of a conversation
//! - `terminal`: input and output

mod chat;
mod screen;
mod terminal;

use std::process::ExitCode;

use anyhow::{Result, bail};
use blegram_client::{Client, Error, Gateway, Options};
use clap::Parser;
use url::Url;
use uuid::Uuid;

use crate::chat::Chat;

/// Chat in the terminal.
#[derive(Parser)]
struct Arguments {
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
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            terminal::notify(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let password = arguments.password.map_or_else(terminal::password, Ok)?;
    let client = Client::new(arguments.url)?;
    let me = match client.log_in(&arguments.login, &password, "terminal").await {
        Err(Error::Unauthorized(_)) => bail!("wrong username or password"),
        account => account?.id,
    };
    let conversation = match (arguments.conversation, arguments.with) {
        (Some(id), _) => client.conversation(id).await?,
        (None, with) => {
            let name = with.unwrap_or_default();
            client.open_direct(&format!("@{}", name.trim_start_matches('@'))).await?
        }
    };
    let (gateway, updates) = Gateway::connect(client, Options::default()).await?;
    Chat::new(gateway, &conversation, me, arguments.follow).run(updates, terminal::lines()).await
}
