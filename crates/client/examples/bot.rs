//! A chat bot: answers each message with an echo, whatever the network does in between.
//!
//! ```sh
//! cargo run -p blegram-client --example bot                                    # with a site of its own
//! cargo run -p blegram-client --example bot -- http://127.0.0.1:8080 bot 'the password of @bot'
//! ```
//!
//! Without arguments, the program runs a site on an embedded database, signs up the bot and a user, who sends one message,
//! and ends after the reply.

use std::error::Error;

use blegram::{Config, Node};
use blegram_client::{
    Change, ChangeKind, Client, Gateway, Options, Update, Updates,
    types::{Account, Message},
};
use tokio::{net::TcpListener, sync::oneshot};
use uuid::Uuid;

type Failure = Box<dyn Error + Send + Sync>;

const PASSWORD: &str = "바다가 보이는 작은 방";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [site, login, password] = arguments.as_slice() {
        let client = Client::new(site.parse()?)?;
        let account = client.log_in(login, password, "echo bot").await?;
        return answer(client, account, None).await;
    }
    let folder = tempfile::tempdir()?;
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let site = format!("http://{}", socket.local_addr()?);
    let mut config = Config::from_toml(&format!("server.public_url = '{site}'"))?;
    config.server.data_dir = folder.path().into();
    let node = Node::open(config).await?;
    let (router, (stop, stopped)) = (node.router(), oneshot::channel::<()>());
    let scenario = async {
        let outcome = converse(&site).await;
        drop(stop);
        outcome
    };
    let serving = node.serve(socket, router, async { _ = stopped.await });
    let (outcome, served) = tokio::join!(scenario, serving);
    served?;
    outcome
}

/// A user and the bot on a fresh site.
async fn converse(site: &str) -> Result<(), Failure> {
    let [bot, user] = [Client::new(site.parse()?)?, Client::new(site.parse()?)?];
    let account = bot.sign_up("echo_bot", PASSWORD).await?;
    user.sign_up("haneul", PASSWORD).await?;
    let (gateway, mut updates) = Gateway::connect(user.clone(), Options::default()).await?;
    let conversation = user.open_direct("@echo_bot").await?.id;
    gateway.follow(conversation).await?;
    gateway.send(conversation, "안녕?").await?;
    // Borrowed: dropping the updates stops the client, which is closed below.
    tokio::try_join!(answer(bot, account, Some(1)), print_reply(&mut updates))?;
    gateway.close().await?;
    Ok(())
}

/// Answers messages of others, `limit` of them.
async fn answer(client: Client, me: Account, limit: Option<usize>) -> Result<(), Failure> {
    // Also the conversations that the bot is added to later.
    let options = Options { follow_all: true, ..Options::default() };
    let (gateway, mut updates) = Gateway::connect(client, options).await?;
    let mut unacknowledged = 0_usize;
    let mut left = limit.unwrap_or(usize::MAX);
    while let Some(update) = updates.next().await {
        match update {
            // The latest messages, also those that were sent while the bot was not running.
            Update::Loaded { conversation_id, page, known } => {
                for message in unanswered(&page.messages, me.id, known.unwrap_or(0)) {
                    gateway.send(conversation_id, echo(message)).await?;
                    unacknowledged += 1;
                }
            }
            Update::Applied(Change { conversation_id, kind: ChangeKind::Created(message), .. })
                if !is_by(&message, me.id) =>
            {
                gateway.send(conversation_id, echo(&message)).await?;
                unacknowledged += 1;
            }
            Update::Sent { .. } if unacknowledged > 0 => {
                (unacknowledged, left) = (unacknowledged - 1, left - 1);
                if left == 0 {
                    return Ok(gateway.close().await?);
                }
            }
            Update::Disconnected { reason, retry_in } => {
                println!("disconnected ({reason}), retry in {retry_in:?}")
            }
            Update::NotSent { error, .. } => println!("not sent: {}", error.detail),
            Update::Stopped(reason) => return Err(reason.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The messages after the newest answer, of which those up to `known` were answered in this run.
fn unanswered(messages: &[Message], me: Uuid, known: u64) -> impl Iterator<Item = &Message> {
    let answered = messages.iter().rposition(|message| is_by(message, me));
    let rest = &messages[answered.map_or(0, |position| position + 1)..];
    rest.iter().filter(move |message| message.message_no > known)
}

fn is_by(message: &Message, user: Uuid) -> bool {
    message.sender.as_ref().is_some_and(|sender| sender.id == user)
}

fn echo(message: &Message) -> String {
    format!("echo: {}", message.text.as_deref().unwrap_or("an image"))
}

async fn print_reply(updates: &mut Updates) -> Result<(), Failure> {
    while let Some(update) = updates.next().await {
        let Update::Applied(Change { kind: ChangeKind::Created(message), seq, .. }) = update else {
            continue;
        };
        let name = message.sender.map_or_else(String::new, |sender| sender.username);
        println!("event {seq}: @{name}: {}", message.text.as_deref().unwrap_or_default());
        if name == "echo_bot" {
            return Ok(());
        }
    }
    Err("the connection has ended".into())
}
