//! A direct conversation on an embedded database: two messages, one of them sent twice by its device, and the events for the
//! members.
//!
//! `cargo run -p blegram-chat --example conversation`

use std::{error::Error, sync::Arc};

use blegram_chat::{Chat, Event};
use blegram_domain::{
    ClientId, Clock, DisplayName, EventSink, MessageText, SystemClock, UserId, UserRef, Username,
    conversation::SendMessage, user::Role,
};
use blegram_persistence::{
    Db, Settings,
    users::{self, NewUser},
};
use tokio::sync::mpsc::{self, UnboundedSender};

/// Passes events to a task. A sink must neither wait nor fail: `publish` runs right after the commit.
struct Queue(UnboundedSender<Event>);

impl EventSink<Event> for Queue {
    fn publish(&self, event: Event) {
        // After the end of the consumer there is no one to pass it to.
        let _ = self.0.send(event);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(&Settings::sqlite(folder.path().join("blegram.db"))).await?;
    let [haneul, bada] = [insert_user(&db, "haneul").await?, insert_user(&db, "bada").await?];
    let (sender, mut events) = mpsc::unbounded_channel();
    let chat = Chat::new(db.clone(), Arc::new(SystemClock)).with_events(Arc::new(Queue(sender)));

    let (view, _) = chat.create_conversation(haneul, &[UserRef::Id(bada)], None).await?;
    let id = view.conversation.id;
    let first = message("내일 세 시에 볼까?")?;
    let sent = chat.send_message(haneul, id, first.clone()).await?;
    // The response was lost, and the device sends it again: the same message, recognised by its client id.
    let again = chat.send_message(haneul, id, first).await?;
    println!("sent twice, stored once: {}", sent.0.message.id == again.0.message.id);
    chat.send_message(bada, id, message("좋아!")?).await?;
    println!("haneul has {} unread conversation", chat.unread_count(haneul).await?);

    drop(chat);
    while let Some(event) = events.recv().await {
        match event {
            Event::Appended { event, members, .. } => {
                let seq = event.event.seq;
                let text = event.message.map_or_else(String::new, |view| view.message.text);
                println!("event {seq} for {} members: {text}", members.len());
            }
            Event::Added { user, .. } => println!("event: a conversation was added for user {user}"),
            // More kinds may come.
            _ => println!("event: another"),
        }
    }
    db.close().await?;
    Ok(())
}

fn message(text: &str) -> Result<SendMessage, Box<dyn Error>> {
    Ok(SendMessage::new(ClientId::generate(SystemClock.now()), MessageText::parse(text)?, Vec::new(), None)?)
}

/// `blegram-auth` has accounts with passwords and sessions; these users can only act here.
async fn insert_user(db: &Db, name: &str) -> Result<UserId, Box<dyn Error>> {
    let now = SystemClock.now();
    let user = NewUser {
        id: UserId::generate(now),
        username: Username::parse(name)?,
        display_name: DisplayName::parse(name)?,
        email: None,
        password_hash: None,
        role: Role::User,
        created_at: now,
    };
    let (id, tx) = (user.id, db.write().await?);
    users::insert(&tx, user).await?;
    tx.commit().await?;
    Ok(id)
}
