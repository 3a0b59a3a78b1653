//! A server in memory, and a network that loses, repeats and reorders.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{BOB, HERE, ME};
use crate::core::{AccessToken, Core, Failure, Input, Output, Page, Settings};

/// How many events an answer to `history` holds.
const PULLED: usize = 3;

/// One message as it is now.
struct Stored {
    id: Uuid,
    client_id: Value,
    sender: Uuid,
    text: Option<String>,
    seq: usize,
}

/// Core and server with all that is between them.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Duration,
    pub(super) printed: Vec<String>,
    pub(super) told: Vec<String>,
    pub(super) exit: Option<u8>,
    messages: Vec<Stored>,
    /// What happened: the name of the event, and the index of its message.
    log: Vec<(&'static str, usize)>,
    /// Events up to this one are kept no more.
    forgotten: usize,
    is_open: bool,
    /// Tells frames of this connection from none: what the core wants of the outside.
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
        let settings = Settings { me: ME, conversation: HERE, members: Vec::new(), follow, seed };
        Self {
            core: Core::new(settings, Duration::from_secs(600)),
            now: Duration::ZERO,
            printed: Vec::new(),
            told: Vec::new(),
            exit: None,
            messages: Vec::new(),
            log: Vec::new(),
            forgotten: 0,
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
            assert_eq!(self.exit, None, "nothing follows an exit, but {output:?}");
            match output {
                Output::LoadPage(down_to) => assert_eq!(self.loading.replace(down_to), None),
                Output::RefreshToken => assert!(!std::mem::replace(&mut self.refreshing, true)),
                Output::Connect => {
                    assert!(!self.is_open && !std::mem::replace(&mut self.connecting, true));
                }
                Output::Send(text) => {
                    assert!(self.is_open, "{text} is sent to nobody");
                    self.to_server.push_back(text);
                }
                Output::Close => self.lose(),
                Output::Print(line) => self.printed.push(line),
                Output::Tell(line) => self.told.push(line),
                Output::Exit(code) => self.exit = Some(code),
            }
        }
    }

    /// Everything in flight is lost.
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

    /// Lets time pass to when the core wants to be woken, or by less.
    pub(super) fn sleep(&mut self, at_most: Duration) {
        let wake = self.core.wake().unwrap_or(self.now).max(self.now);
        self.now = wake.min(self.now + at_most);
        self.input(Input::Tick);
    }

    /// Answers what the core wants of the outside, if there is something.
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
                self.input(Input::Refused(broken()));
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
        // Pages are of a fixed size: there is more on them than was missed.
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
            "id": id, "conversation_id": HERE, "seq": seq, "message_no": index + 1, "client_id": client_id,
            "sender": { "id": sender, "username": username }, "text": text, "is_deleted": text.is_none(),
        })
    }

    fn change(&self, seq: usize) -> Value {
        let (ev, index) = self.log[seq - 1];
        json!({ "ev": ev, "d": { "conversation_id": HERE, "seq": seq, "message": self.message(index) } })
    }

    fn happen(&mut self, ev: &'static str, index: usize) {
        self.log.push((ev, index));
        let change = self.change(self.log.len());
        self.event(ev, &change["d"]);
    }

    fn store(&mut self, sender: Uuid, client_id: Value, text: &str) -> usize {
        let (seq, id) = (self.log.len() + 1, Uuid::from_u128(self.messages.len() as u128));
        self.messages.push(Stored { id, client_id, sender, text: Some(text.to_owned()), seq });
        self.happen("message.created", self.messages.len() - 1);
        self.messages.len() - 1
    }

    pub(super) fn bob_says(&mut self, text: &str) {
        self.store(BOB, Value::Null, text);
    }

    /// Bob edits one of his messages, or deletes it.
    pub(super) fn bob_changes(&mut self, which: usize, text: Option<&str>) {
        let his = |(_, message): &(usize, &Stored)| message.sender == BOB && message.text.is_some();
        let his: Vec<usize> = self.messages.iter().enumerate().filter(his).map(|(index, _)| index).collect();
        if let Some(&index) = his.get(which % his.len().max(1)) {
            self.messages[index].text = text.map(str::to_owned);
            self.happen(if text.is_some() { "message.edited" } else { "message.deleted" }, index);
        }
    }

    pub(super) fn forget_events(&mut self) {
        self.forgotten = self.log.len();
    }

    /// Events (not replies) that wait for the client may be lost, come twice, or late.
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

    /// What the server does now and then, should events have been lost.
    pub(super) fn tell_head(&mut self) {
        self.event("conversation.head", &json!({ "conversation_id": HERE, "last_seq": self.log.len() }));
    }

    pub(super) fn deliver_to_client(&mut self) -> bool {
        let frame = self.to_client.pop_front();
        frame.map(|text| self.input(Input::Frame(text))).is_some()
    }

    /// The server takes the next command; with `refuse` it says that it cannot now.
    pub(super) fn deliver_to_server(&mut self, refuse: Option<&str>) -> bool {
        let Some(text) = self.to_server.pop_front() else { return false };
        let frame: Value = serde_json::from_str(&text).unwrap();
        let Some(id) = frame["id"].as_u64() else { return true };
        assert!(id > self.last_id, "ids grow");
        self.last_id = id;
        let reply = match refuse {
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
                assert_eq!(d["open"], json!([HERE]));
                let head = json!({ "conversation_id": HERE, "last_seq": head, "last_message_no": no });
                json!({ "cursor": "c", "heads": [head], "removed": [], "more": false, "unread": 0 })
            }
            "history" => {
                let after = d["after"].as_u64().unwrap() as usize;
                let reset = after < self.forgotten;
                let last = if reset { after } else { head.min(after + PULLED) };
                let events: Vec<Value> = (after + 1..=last).map(|seq| self.change(seq)).collect();
                json!({ "events": events, "head_seq": head, "more": last < head, "reset": reset })
            }
            "message.send" => {
                let known = self.messages.iter().position(|message| message.client_id == d["client_id"]);
                let text = d["text"].as_str().unwrap();
                let index = known.unwrap_or_else(|| self.store(ME, d["client_id"].clone(), text));
                let Stored { id, seq, .. } = &self.messages[index];
                json!({ "seq": seq, "message_no": index + 1, "id": id, "duplicate": known.is_some() })
            }
            _ => json!({}),
        }
    }

    /// Nothing goes wrong any more: runs until the core has nothing left to do, with the promised head now and then.
    pub(super) fn settle(&mut self) {
        for _ in 0..40 {
            while self.outside(true) || self.deliver_to_client() || self.deliver_to_server(None) {}
            self.tell_head();
            self.sleep(Duration::from_secs(40));
        }
    }

    /// What we said, as the server has it.
    pub(super) fn said(&self) -> Vec<&str> {
        let mine = self.messages.iter().filter(|message| message.sender == ME);
        mine.filter_map(|message| message.text.as_deref()).collect()
    }

    /// The next frame for the client is lost.
    pub(super) fn lose_frame(&mut self) -> Option<String> {
        self.to_client.pop_front()
    }

    pub(super) fn message_count(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// What we sent that the server has not taken, by command.
    pub(super) fn commands(&self) -> Vec<String> {
        let op = |text: &String| serde_json::from_str::<Value>(text).unwrap()["op"].to_string();
        self.to_server.iter().map(op).map(|op| op.trim_matches('"').to_owned()).collect()
    }
}
