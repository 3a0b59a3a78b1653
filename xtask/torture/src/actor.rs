//! A user with the shipped client, in random conversations.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Result;
use blegram_client::{
    Client, Gateway, HttpBuilder, Limits, Options, Update, Updates, types::MessageSendCommand,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IteratorRandom};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, sleep_until},
};
use url::Url;
use uuid::Uuid;

use crate::history::{Event, Numbered, Recorder, lock};

pub(crate) const PASSWORD: &str = "plum tractor 92 sings";
/// Between two actions of one user, on average.
const PAUSE_MS: u64 = 1500;
const FLOOD_PAUSE_MS: u64 = 100;
/// A message can have 2,000 characters, here of three bytes.
const LARGE: usize = 1_900;
/// Appended to a text by an edit, so that the checker knows the text before it.
pub(crate) const EDITED: &str = " (edited)";

/// A phase of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Users act.
    Chat,
    /// Users send large messages to groups, more than a stalled connection can take.
    Flood,
    /// Users only receive, and send what is not acknowledged yet.
    Settle,
    /// The end.
    End,
}

/// What the end of the run waits for.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// Sent messages without a reply, with their texts.
    pub(crate) unacknowledged: BTreeMap<Uuid, String>,
    /// The `seq` up to which each conversation is applied.
    pub(crate) cursors: BTreeMap<Uuid, u64>,
    /// Whether a connection is being replaced after a logout.
    pub(crate) is_logging_in: bool,
}

/// One user.
pub(crate) struct Actor {
    pub(crate) client: Client,
    pub(crate) user: Uuid,
    pub(crate) recorder: Recorder,
    pub(crate) status: Arc<Mutex<Status>>,
    /// Asks it to log out, and in again.
    pub(crate) log_out: mpsc::Sender<()>,
}

/// The part that acts.
pub(crate) struct Performer {
    client: Client,
    name: String,
    recorder: Recorder,
    status: Arc<Mutex<Status>>,
    log_out: mpsc::Receiver<()>,
    random: StdRng,
    pub(crate) groups: BTreeSet<Uuid>,
    /// Whether it takes part in the flood. Those whose connections are stalled do not: their messages would follow later.
    pub(crate) floods: bool,
    messages: u64,
    /// The user's latest message of each conversation with its text, and the number of the newest of all.
    last_own: BTreeMap<Uuid, (Uuid, String)>,
    newest: BTreeMap<Uuid, u64>,
}

/// A client of the site behind a link.
pub(crate) fn client(site: Url) -> Result<Client> {
    let limits = Limits { attempt: Duration::from_secs(8), ..Limits::default() };
    Ok(Client::with(site, HttpBuilder::new().no_proxy(), limits)?)
}

/// Signs up a user, who does nothing yet.
pub(crate) async fn sign_up(
    site: Url,
    name: String,
    start: Instant,
    seed: u64,
) -> Result<(Actor, Performer)> {
    let client = client(site)?;
    let user = client.sign_up(&name, PASSWORD).await?.id;
    let recorder = Recorder::new(start, name.clone(), user, true);
    let status = Arc::<Mutex<Status>>::default();
    let (sender, receiver) = mpsc::channel(1);
    let performer = Performer {
        client: client.clone(),
        name,
        recorder: recorder.clone(),
        status: Arc::clone(&status),
        log_out: receiver,
        random: StdRng::seed_from_u64(seed),
        groups: BTreeSet::new(),
        floods: true,
        messages: 0,
        last_own: BTreeMap::new(),
        newest: BTreeMap::new(),
    };
    Ok((Actor { client, user, recorder, status, log_out: sender }, performer))
}

impl Performer {
    /// Chats until the end; with a new session after each logout.
    pub(crate) async fn run(mut self, mut phase: watch::Receiver<Phase>) {
        while *phase.borrow() != Phase::End {
            let options = Options { follow_all: true, observer: Some(self.recorder.observer()) };
            match Gateway::connect(self.client.clone(), options).await {
                Ok((gateway, updates)) => self.session(&gateway, updates, &mut phase).await,
                // Not during a fault of the way to the site.
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Runs until the end, or until the session has ended.
    async fn session(&mut self, gateway: &Gateway, mut updates: Updates, phase: &mut watch::Receiver<Phase>) {
        lock(&self.status).is_logging_in = false;
        let mut next = self.next(PAUSE_MS);
        loop {
            let now = *phase.borrow_and_update();
            if now == Phase::End {
                return;
            }
            tokio::select! {
                update = updates.next() => match update {
                    Some(update) => self.update(gateway, update).await,
                    None => return self.log_in().await,
                },
                () = sleep_until(next), if now == Phase::Chat => {
                    self.act(gateway).await;
                    next = self.next(PAUSE_MS);
                }
                () = sleep_until(next), if now == Phase::Flood && self.floods => {
                    self.flood(gateway).await;
                    next = self.next(FLOOD_PAUSE_MS);
                }
                Some(()) = self.log_out.recv() => self.end_session().await,
                // The end of all faults: the devices are online again.
                _ = phase.changed() => drop(gateway.online().await),
            }
        }
    }

    /// When to act again.
    fn next(&mut self, pause_ms: u64) -> tokio::time::Instant {
        let pause = self.random.random_range(pause_ms / 4..pause_ms * 7 / 4);
        tokio::time::Instant::now() + Duration::from_millis(pause)
    }

    async fn end_session(&mut self) {
        lock(&self.status).is_logging_in = true;
        if self.client.log_out().await.is_ok() {
            self.recorder.push(Event::LoggedOut);
        }
    }

    /// Logs in again after the end of a session. What was not acknowledged is lost with the client.
    async fn log_in(&mut self) {
        {
            let mut status = lock(&self.status);
            status.is_logging_in = true;
            status.unacknowledged.clear();
            status.cursors.clear();
        }
        self.newest.clear();
        while self.client.log_in(&self.name, PASSWORD, "torture").await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn update(&mut self, gateway: &Gateway, update: Update) {
        match update {
            Update::Loaded { conversation_id, page, known } => {
                self.recorder.loaded(conversation_id, &page, known.is_none());
                lock(&self.status).cursors.insert(conversation_id, page.last_seq);
                let newest = page.messages.last().map_or(0, |message| message.message_no);
                self.newest.insert(conversation_id, newest);
            }
            Update::Applied(change) => {
                let numbered = Numbered::of(&change);
                lock(&self.status).cursors.insert(numbered.conversation, numbered.seq);
                if let Some(content) = &numbered.content {
                    let newest = self.newest.entry(numbered.conversation).or_default();
                    *newest = content.message_no.max(*newest);
                }
                self.recorder.push(Event::Applied(numbered));
            }
            Update::Sent { conversation_id, client_id, sent } => {
                self.recorder.push(Event::Acked { conversation: conversation_id, client_id, seq: sent.seq });
                if let Some(text) = lock(&self.status).unacknowledged.remove(&client_id) {
                    self.last_own.insert(conversation_id, (sent.id, text));
                }
            }
            Update::NotSent { draft, .. } => drop(lock(&self.status).unacknowledged.remove(&draft.client_id)),
            Update::Left(conversation) => {
                self.recorder.push(Event::Left { conversation });
                lock(&self.status).cursors.remove(&conversation);
                self.newest.remove(&conversation);
            }
            // Conversations may be shown again after they were left.
            Update::Synced(synced) => {
                for head in synced.heads {
                    let _ = gateway.follow(head.conversation_id).await;
                }
            }
            _ => {}
        }
    }

    async fn act(&mut self, gateway: &Gateway) {
        let Some(conversation) = self.choose() else { return };
        match self.random.random_range(0..100) {
            0..50 => self.send(gateway, conversation, 0).await,
            50..72 => self.send(gateway, conversation, LARGE / 4).await,
            72..82 => self.read(gateway, conversation).await,
            _ => self.change(gateway, conversation).await,
        }
    }

    /// Half of the time a group, where many write at once.
    fn choose(&mut self) -> Option<Uuid> {
        let groups_only = self.random.random_bool(0.5);
        let known = self.newest.keys().copied().filter(|id| !groups_only || self.groups.contains(id));
        known.choose(&mut self.random)
    }

    async fn flood(&mut self, gateway: &Gateway) {
        let known = self.newest.keys().copied().filter(|id| self.groups.contains(id));
        if let Some(group) = known.choose(&mut self.random) {
            self.send(gateway, group, LARGE).await;
        }
    }

    /// Sends a message with a text that is unique, and longer than this many characters.
    async fn send(&mut self, gateway: &Gateway, conversation: Uuid, characters: usize) {
        self.messages += 1;
        let text = format!("{}-{}{}", self.name, self.messages, "가".repeat(characters));
        let client_id = blegram_client::client_id();
        lock(&self.status).unacknowledged.insert(client_id, text.clone());
        // Before it can be sent.
        self.recorder.push(Event::Invoked { conversation, client_id, text: text.clone() });
        let text = Some(text);
        let draft = MessageSendCommand {
            conversation_id: conversation,
            client_id,
            text,
            media_ids: vec![],
            reply_to: None,
        };
        // Fails if the session has just ended.
        let _ = gateway.send_draft(draft).await;
    }

    async fn read(&mut self, gateway: &Gateway, conversation: Uuid) {
        let message_no = self.newest.get(&conversation).copied().unwrap_or(0);
        self.recorder.push(Event::Read { conversation, message_no });
        let _ = gateway.read(conversation, message_no).await;
    }

    /// Edits or deletes the latest message, once and without waiting for the reply.
    async fn change(&mut self, gateway: &Gateway, conversation: Uuid) {
        let Some((message, text)) = self.last_own.remove(&conversation) else { return };
        let edits = self.random.random_bool(0.7);
        // Its effect is in the events; whether it had one does not matter here.
        let changed = async {
            let _ = if edits {
                gateway.edit(conversation, message, &format!("{text}{EDITED}")).await.err()
            } else {
                gateway.delete(conversation, message).await.err()
            };
        };
        let _ = tokio::time::timeout(Duration::from_millis(300), changed).await;
    }
}
