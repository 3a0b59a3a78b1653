//! An in-memory server, and a network that loses, repeats and reorders frames.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{BOB, CONVERSATION, ME};
use crate::core::{AccessToken, Core, Failure, Input, Output, Page, Settings};

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

/// The client core, the server, and the network between them.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Duration,
    pub(super) printed: Vec<String>,
    pub(super) notices: Vec<String>,
    pub(super) exit: Option<u8>,
    messages: Vec<Stored>,
    /// All events: name, and index of the message.
    log: Vec<(&'static str, usize)>,
    /// The `seq` up to which events have expired.
    expired: usize,
    is_open: bool,
    /// Whether the core has requested a connection.
    pub(super) connecting: bool,
    loading: Option<Option<u64>>,
    refreshing: bool,
    to_server: VecDeque<String>,
    to_client: VecDeque<String>,
    last_id: u64,
    lines: u128,
}

impl World {
    pub(super) fn new(follow: bool, seed: u64) -> Self {
        let settings = Settings { me: ME, conversation: CONVERSATION, members: Vec::new(), follow, seed };
        Self {
            core: Core::new(settings, Duration::from_secs(600)),
            now: Duration::ZERO,
            printed: Vec::new(),
            notices: Vec::new(),
            exit: None,
            messages: Vec::new(),
            log: Vec::new(),
            expired: 0,
            is_open: false,
            connecting: false,
            loading: None,
            refreshing: false,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            last_id: 0,
            lines: 0,
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        for output in self.core.handle(self.now, input) {
            assert_eq!(self.exit, None, "output after an exit: {output:?}");
            match output {
                Output::LoadPage(down_to) => assert_eq!(self.loading.replace(down_to), None),
                Output::RefreshToken => assert!(!std::mem::replace(&mut self.refreshing, true)),
                Output::Connect => {
                    assert!(!self.is_open && !std::mem::replace(&mut self.connecting, true));
                }
                Output::Send(text) => {
                    assert!(self.is_open, "{text} is sent without a connection");
                    self.to_server.push_back(text);
                }
                Output::Close => self.lose(),
                Output::Print(line) => self.printed.push(line),
                Output::Notify(line) => self.notices.push(line),
                Output::Exit(code) => self.exit = Some(code),
            }
        }
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

    pub(super) fn types(&mut self, text: &str) {
        self.lines += 1;
        self.input(Input::Line { client_id: Uuid::from_u128(self.lines), text: text.to_owned() });
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
        if let Some(down_to) = self.loading.take() {
            let page = if works { Ok(self.page(down_to)) } else { Err(broken()) };
            self.input(Input::Page(page));
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
        let ready = json!({ "proto": 1, "user_id": ME, "heartbeat_ms": 25_000, "degraded": false });
        self.event("ready", &ready);
        self.input(Input::Connected);
    }

    fn page(&self, down_to: Option<u64>) -> Page {
        let last = self.messages.len();
        // Pages have a fixed size, so they contain more than what was missed.
        let first = down_to.map_or(last.saturating_sub(20), |no| (no as usize).saturating_sub(3));
        let message = |index| serde_json::from_value(self.message(index)).unwrap();
        Page { messages: (first..last).map(message).collect(), last_seq: self.log.len() as u64 }
    }

    pub(super) fn event(&mut self, ev: &str, d: &Value) {
        if self.is_open {
            self.to_client.push_back(json!({ "ev": ev, "d": d }).to_string());
        }
    }

    fn message(&self, index: usize) -> Value {
        let Stored { id, client_id, sender, text, seq } = &self.messages[index];
        let username = if *sender == ME { "ann" } else { "bob" };
        json!({
            "id": id, "conversation_id": CONVERSATION, "seq": seq, "message_no": index + 1, "client_id": client_id,
            "sender": { "id": sender, "username": username }, "text": text, "is_deleted": text.is_none(),
        })
    }

    fn change(&self, seq: usize) -> Value {
        let (ev, index) = self.log[seq - 1];
        json!({ "ev": ev, "d": { "conversation_id": CONVERSATION, "seq": seq, "message": self.message(index) } })
    }

    fn record(&mut self, ev: &'static str, index: usize) {
        self.log.push((ev, index));
        let change = self.change(self.log.len());
        self.event(ev, &change["d"]);
    }

    fn store(&mut self, sender: Uuid, client_id: Value, text: &str) -> usize {
        let (seq, id) = (self.log.len() + 1, Uuid::from_u128(self.messages.len() as u128));
        self.messages.push(Stored { id, client_id, sender, text: Some(text.to_owned()), seq });
        self.record("message.created", self.messages.len() - 1);
        self.messages.len() - 1
    }

    pub(super) fn bob_sends(&mut self, text: &str) {
        self.store(BOB, Value::Null, text);
    }

    /// Bob edits or deletes one of his messages.
    pub(super) fn bob_changes(&mut self, which: usize, text: Option<&str>) {
        let his = |(_, message): &(usize, &Stored)| message.sender == BOB && message.text.is_some();
        let his: Vec<usize> = self.messages.iter().enumerate().filter(his).map(|(index, _)| index).collect();
        if let Some(&index) = his.get(which % his.len().max(1)) {
            self.messages[index].text = text.map(str::to_owned);
            self.record(if text.is_some() { "message.edited" } else { "message.deleted" }, index);
        }
    }

    pub(super) fn expire_events(&mut self) {
        self.expired = self.log.len();
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

    /// Sends a head, as the server does from time to time in case events were lost.
    pub(super) fn send_head(&mut self) {
        self.event(
            "conversation.head",
            &json!({ "conversation_id": CONVERSATION, "last_seq": self.log.len() }),
        );
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
        let reply = match error_code {
            Some(code) => json!({ "re": id, "err": { "code": code, "detail": code, "retry_after_ms": 200 } }),
            None => json!({ "re": id, "ok": self.answer(frame["op"].as_str().unwrap(), &frame["d"]) }),
        };
        self.to_client.push_back(reply.to_string());
        true
    }

    fn answer(&mut self, op: &str, d: &Value) -> Value {
        let (head, no) = (self.log.len(), self.messages.len());
        match op {
            "sync" => {
                assert_eq!(d["open"], json!([CONVERSATION]));
                let head =
                    json!({ "conversation_id": CONVERSATION, "last_seq": head, "last_message_no": no });
                json!({ "cursor": "c", "heads": [head], "removed": [], "more": false, "unread": 0 })
            }
            "history" => {
                let after = d["after"].as_u64().unwrap() as usize;
                let reset = after < self.expired;
                let last = if reset { after } else { head.min(after + PULLED) };
                let events: Vec<Value> = (after + 1..=last).map(|seq| self.change(seq)).collect();
                json!({ "events": events, "head_seq": head, "more": last < head, "reset": reset })
            }
            "message.send" => {
                let existing = self.messages.iter().position(|message| message.client_id == d["client_id"]);
                let text = d["text"].as_str().unwrap();
                let index = existing.unwrap_or_else(|| self.store(ME, d["client_id"].clone(), text));
                let Stored { id, seq, .. } = &self.messages[index];
                json!({ "seq": seq, "message_no": index + 1, "id": id, "duplicate": existing.is_some() })
            }
            _ => json!({}),
        }
    }

    /// Runs without failures until the core has nothing left to do, with a head from time to time.
    pub(super) fn settle(&mut self) {
        for _ in 0..40 {
            while self.outside(true) || self.deliver_to_client() || self.deliver_to_server(None) {}
            self.send_head();
            self.sleep(Duration::from_secs(40));
        }
    }

    /// The texts of the user's messages stored on the server.
    pub(super) fn stored_texts(&self) -> Vec<&str> {
        let own = self.messages.iter().filter(|message| message.sender == ME);
        own.filter_map(|message| message.text.as_deref()).collect()
    }

    /// Loses the next frame to the client.
    pub(super) fn lose_frame(&mut self) -> Option<String> {
        self.to_client.pop_front()
    }

    pub(super) fn message_count(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The commands in flight to the server.
    pub(super) fn commands(&self) -> Vec<String> {
        let op = |text: &String| serde_json::from_str::<Value>(text).unwrap()["op"].to_string();
        self.to_server.iter().map(op).map(|op| op.trim_matches('"').to_owned()).collect()
    }
}
