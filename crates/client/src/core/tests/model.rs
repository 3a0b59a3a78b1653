//! An in-memory server with several conversations, and a network that loses, repeats and reorders frames.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{BOB, ME, ROOMS, screen::Screen};
use crate::{
    core::{Core, Failure, Input, Output, Page, Settings, Update},
    http::AccessToken,
    types::MessageSendCommand,
};

/// Number of events in a reply to `history`.
const PULLED: usize = 3;

/// One message as it is now.
struct Stored {
    id: Uuid,
    client_id: Value,
    sender: Uuid,
    text: Option<String>,
    seq: usize,
}

/// A conversation on the server, and what the client has of it.
struct Room {
    id: Uuid,
    messages: Vec<Stored>,
    /// All events: name, and index of the message.
    log: Vec<(&'static str, usize)>,
    /// The `seq` up to which events have expired.
    expired: usize,
    /// The user is not a member.
    is_closed: bool,
    screen: Screen,
}

/// The client core, the server, and the network between them.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Duration,
    pub(super) updates: Vec<Update>,
    pub(super) stopped: Option<String>,
    rooms: Vec<Room>,
    is_open: bool,
    /// Whether the core has requested a connection.
    pub(super) connecting: bool,
    loading: VecDeque<(Uuid, Option<u64>)>,
    refreshing: bool,
    to_server: VecDeque<String>,
    to_client: VecDeque<String>,
    last_id: u64,
    sent: u128,
    pub(super) replies: Vec<(u64, Result<Value, super::CommandFailure>)>,
}

impl Room {
    fn new(id: Uuid) -> Self {
        let screen = Screen::default();
        Self { id, messages: Vec::new(), log: Vec::new(), expired: 0, is_closed: false, screen }
    }

    fn message(&self, index: usize) -> Value {
        let Stored { id, client_id, sender, text, seq } = &self.messages[index];
        let username = if *sender == ME { "ann" } else { "bob" };
        json!({
            "id": id, "conversation_id": self.id, "seq": seq, "message_no": index + 1, "client_id": client_id,
            "sender": { "id": sender, "username": username, "display_name": username }, "text": text, "media": [],
            "created_at": "2026-01-01T00:00:00Z", "is_deleted": text.is_none(),
        })
    }

    fn change(&self, seq: usize) -> Value {
        let (ev, index) = self.log[seq - 1];
        let d = json!({ "conversation_id": self.id, "seq": seq, "message": self.message(index) });
        json!({ "ev": ev, "d": d })
    }

    fn page(&self, after: Option<u64>) -> Page {
        let last = self.messages.len();
        // Pages have a fixed size, so they contain more than what was missed.
        let first = after.map_or(last.saturating_sub(20), |no| (no as usize).saturating_sub(3));
        let message = |index| serde_json::from_value(self.message(index)).unwrap();
        Page { messages: (first..last).map(message).collect(), last_seq: self.log.len() as u64 }
    }

    fn head(&self) -> Value {
        json!({
            "conversation_id": self.id, "last_seq": self.log.len(), "last_message_no": self.messages.len(),
            "read_no": 0, "unread_count": 0,
        })
    }

    fn history(&self, after: usize) -> Value {
        let (head, reset) = (self.log.len(), after < self.expired);
        let last = if reset { after } else { head.min(after + PULLED) };
        let events: Vec<Value> = (after + 1..=last).map(|seq| self.change(seq)).collect();
        json!({ "events": events, "head_seq": head, "more": last < head, "reset": reset })
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let settings = Settings { me: ME, follow_all: false, seed };
        let mut world = Self {
            core: Core::new(settings, Duration::from_secs(600)),
            now: Duration::ZERO,
            updates: Vec::new(),
            stopped: None,
            rooms: ROOMS.map(Room::new).into(),
            is_open: false,
            connecting: false,
            loading: VecDeque::new(),
            refreshing: false,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            last_id: 0,
            sent: 0,
            replies: Vec::new(),
        };
        for id in ROOMS {
            world.input(Input::Follow(id));
        }
        world.input(Input::Open(vec![ROOMS[0]]));
        world
    }

    fn room(&mut self, id: Uuid) -> &mut Room {
        self.rooms.iter_mut().find(|room| room.id == id).unwrap()
    }

    pub(super) fn input(&mut self, input: Input) {
        for output in self.core.handle(self.now, input) {
            assert_eq!(self.stopped, None, "output after the end: {output:?}");
            match output {
                Output::LoadPage { conversation_id, after } => {
                    assert!(self.loading.iter().all(|(id, _)| *id != conversation_id));
                    self.loading.push_back((conversation_id, after));
                }
                Output::RefreshToken => assert!(!std::mem::replace(&mut self.refreshing, true)),
                Output::Connect => {
                    assert!(!self.is_open && !std::mem::replace(&mut self.connecting, true));
                }
                Output::Send(text) => {
                    assert!(self.is_open, "{text} is sent without a connection");
                    self.to_server.push_back(text);
                }
                Output::Close => self.lose(),
                Output::Update(update) => self.update(update),
                Output::Reply { ticket, result } => self.replies.push((ticket, result)),
            }
        }
    }

    fn update(&mut self, update: Update) {
        match &update {
            Update::Loaded { conversation_id, page, known } => {
                self.room(*conversation_id).screen.load(page, *known);
            }
            Update::Applied(change) => self.room(change.conversation_id).screen.apply(change),
            Update::Stopped(reason) => self.stopped = Some(reason.clone()),
            _ => {}
        }
        self.updates.push(update);
    }

    /// Loses the connection with all frames in flight.
    fn lose(&mut self) {
        self.is_open = false;
        self.to_client.clear();
        self.to_server.clear();
    }

    pub(super) fn drop_connection(&mut self, code: Option<u16>) {
        self.drop_connection_because(code, "lost");
    }

    pub(super) fn drop_connection_because(&mut self, code: Option<u16>, reason: &str) {
        if self.is_open {
            self.lose();
            self.input(Input::Disconnected { code, reason: reason.to_owned() });
        }
    }

    pub(super) fn sends(&mut self, room: usize, text: &str) {
        self.sent += 1;
        self.input(Input::Send(MessageSendCommand {
            conversation_id: ROOMS[room],
            client_id: Uuid::from_u128(self.sent),
            text: Some(text.to_owned()),
            media_ids: Vec::new(),
            reply_to: None,
        }));
    }

    /// Advances the time to the core's next wake-up, or by `at_most`.
    pub(super) fn sleep(&mut self, at_most: Duration) {
        let wake = self.core.wake().unwrap_or(self.now).max(self.now);
        self.now = wake.min(self.now + at_most);
        self.input(Input::Tick);
    }

    /// Completes a pending request of the core (page, token or connection); returns whether there was one.
    pub(super) fn outside(&mut self, works: bool) -> bool {
        let broken = || Failure::Temporary { detail: "broken".to_owned(), retry_after: None };
        if let Some((conversation_id, after)) = self.loading.pop_front() {
            let page = if works { Ok(self.room(conversation_id).page(after)) } else { Err(broken()) };
            self.input(Input::Page { conversation_id, page });
        } else if std::mem::take(&mut self.refreshing) {
            let token = AccessToken { secret: "new".to_owned(), lifetime: Duration::from_secs(600) };
            self.input(Input::Token(if works { Ok(token) } else { Err(broken()) }));
        } else if std::mem::take(&mut self.connecting) {
            if works {
                self.open();
            } else {
                self.input(Input::HandshakeFailed(broken()));
            }
        } else {
            return false;
        }
        true
    }

    fn open(&mut self) {
        self.is_open = true;
        self.last_id = 0;
        let ready = json!({
            "proto": 1, "connection_id": Uuid::nil(), "user_id": ME, "now": "2026-01-01T00:00:00Z",
            "heartbeat_ms": 25_000, "auth_expires_in_ms": 600_000, "degraded": false,
            "limits": {
                "message_bytes": 16_384, "commands_per_second": 5, "command_burst": 20, "topics": 64,
                "open_conversations": 16, "watched_users": 100,
            },
        });
        self.event("ready", &ready);
        self.input(Input::Connected);
    }

    pub(super) fn event(&mut self, ev: &str, d: &Value) {
        if self.is_open {
            self.to_client.push_back(json!({ "ev": ev, "d": d }).to_string());
        }
    }

    fn record(&mut self, room: usize, ev: &'static str, index: usize) {
        self.rooms[room].log.push((ev, index));
        let change = self.rooms[room].change(self.rooms[room].log.len());
        self.event(ev, &change["d"]);
    }

    fn store(&mut self, room: usize, sender: Uuid, client_id: Value, text: &str) -> usize {
        let Room { messages, log, .. } = &mut self.rooms[room];
        let (seq, index) = (log.len() + 1, messages.len());
        let id = Uuid::from_u128((room as u128) << 32 | index as u128);
        messages.push(Stored { id, client_id, sender, text: Some(text.to_owned()), seq });
        self.record(room, "message.created", index);
        index
    }

    pub(super) fn bob_sends(&mut self, room: usize, text: &str) {
        self.store(room, BOB, json!(Uuid::nil()), text);
    }

    /// Bob edits or deletes one of his messages.
    pub(super) fn bob_changes(&mut self, room: usize, which: usize, text: Option<&str>) {
        let his = |(_, message): &(usize, &Stored)| message.sender == BOB && message.text.is_some();
        let messages = self.rooms[room].messages.iter().enumerate();
        let his: Vec<usize> = messages.filter(his).map(|(index, _)| index).collect();
        if let Some(&index) = his.get(which % his.len().max(1)) {
            self.rooms[room].messages[index].text = text.map(str::to_owned);
            self.record(room, if text.is_some() { "message.edited" } else { "message.deleted" }, index);
        }
    }

    pub(super) fn expire_events(&mut self, room: usize) {
        self.rooms[room].expired = self.rooms[room].log.len();
    }

    /// From now on, the user is a member or is not.
    pub(super) fn set_membership(&mut self, room: usize, is_member: bool) {
        self.rooms[room].is_closed = !is_member;
    }

    /// Loses, repeats or delays an event (not a reply) in flight to the client.
    pub(super) fn disturb_events(&mut self, which: usize, how: usize) {
        let waiting: Vec<usize> =
            (0..self.to_client.len()).filter(|at| self.to_client[*at].contains(r#""seq""#)).collect();
        let Some(&at) = waiting.get(which % waiting.len().max(1)) else { return };
        if self.to_client[at].starts_with(r#"{"ev"#) {
            match how % 3 {
                0 => drop(self.to_client.remove(at)),
                1 => self.to_client.push_back(self.to_client[at].clone()),
                _ => {
                    let late = self.to_client.remove(at).unwrap();
                    self.to_client.push_back(late);
                }
            }
        }
    }

    /// Sends the heads, as the server does from time to time in case events were lost.
    pub(super) fn send_heads(&mut self) {
        for room in 0..self.rooms.len() {
            let head = self.rooms[room].head();
            self.event("conversation.head", &head);
        }
    }

    pub(super) fn deliver_to_client(&mut self) -> bool {
        let frame = self.to_client.pop_front();
        frame.map(|text| self.input(Input::Frame(text))).is_some()
    }

    /// The server processes the next command; with `error_code` it replies with that error code.
    pub(super) fn deliver_to_server(&mut self, error_code: Option<&str>) -> bool {
        let Some(text) = self.to_server.pop_front() else { return false };
        let frame: Value = serde_json::from_str(&text).unwrap();
        let Some(id) = frame["id"].as_u64() else { return true };
        assert!(id > self.last_id, "ids grow");
        self.last_id = id;
        let answer = match error_code {
            Some(code) => Err(code.to_owned()),
            None => self.answer(frame["op"].as_str().unwrap(), &frame["d"]),
        };
        let reply = match answer {
            Ok(ok) => json!({ "re": id, "ok": ok }),
            Err(code) => {
                json!({ "re": id, "err": { "code": code, "detail": code, "retry_after_ms": 200 } })
            }
        };
        self.to_client.push_back(reply.to_string());
        true
    }

    fn answer(&mut self, op: &str, d: &Value) -> Result<Value, String> {
        if op == "sync" {
            assert_eq!(d["open"], json!([ROOMS[0]]));
            let heads: Vec<Value> = self.rooms.iter().map(Room::head).collect();
            return Ok(json!({
                "cursor": "c", "heads": heads, "removed": [], "more": false, "unread": 0, "topics": {}, "presence": [],
            }));
        }
        let room = self.rooms.iter().position(|room| json!(room.id) == d["conversation_id"]);
        let Some(room) = room.filter(|room| !self.rooms[*room].is_closed) else {
            return Err("not-found".to_owned());
        };
        Ok(match op {
            "history" => self.rooms[room].history(d["after"].as_u64().unwrap() as usize),
            "message.send" => self.answer_send(room, d),
            _ => json!({}),
        })
    }

    fn answer_send(&mut self, room: usize, d: &Value) -> Value {
        let mut messages = self.rooms[room].messages.iter();
        let existing = messages.position(|message| message.client_id == d["client_id"]);
        let text = d["text"].as_str().unwrap();
        let index = existing.unwrap_or_else(|| self.store(room, ME, d["client_id"].clone(), text));
        let Stored { id, seq, .. } = &self.rooms[room].messages[index];
        json!({
            "seq": seq, "message_no": index + 1, "id": id, "created_at": "2026-01-01T00:00:00Z",
            "duplicate": existing.is_some(),
        })
    }

    /// Runs without failures until the core has nothing left to do, with heads from time to time.
    pub(super) fn settle(&mut self) {
        for _ in 0..60 {
            while self.outside(true) || self.deliver_to_client() || self.deliver_to_server(None) {}
            self.send_heads();
            self.sleep(Duration::from_secs(40));
        }
    }

    /// The texts of the user's messages stored on the server.
    pub(super) fn stored_texts(&self, room: usize) -> Vec<&str> {
        let own = self.rooms[room].messages.iter().filter(|message| message.sender == ME);
        own.filter_map(|message| message.text.as_deref()).collect()
    }

    /// What the client has shown of a conversation.
    pub(super) fn lines(&self, room: usize) -> &[String] {
        &self.rooms[room].screen.lines
    }

    /// Loses the next frame to the client.
    pub(super) fn lose_frame(&mut self) -> Option<String> {
        self.to_client.pop_front()
    }

    pub(super) fn message_count(&self, room: usize) -> usize {
        self.rooms[room].messages.len()
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn cursor(&self, room: usize) -> Option<u64> {
        self.core.conversations.get(&ROOMS[room]).and_then(|conversation| conversation.timeline.cursor())
    }

    /// The commands in flight to the server.
    pub(super) fn commands(&self) -> Vec<String> {
        let op = |text: &String| serde_json::from_str::<Value>(text).unwrap()["op"].to_string();
        self.to_server.iter().map(op).map(|op| op.trim_matches('"').to_owned()).collect()
    }
}
