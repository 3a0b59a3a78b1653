//! A client of the gateway that follows the rules of docs/protocol.md: it keeps what it sends until it is acknowledged,
//! applies events in order, reads the ones it missed, and connects again.

mod log;
mod timeline;

use std::collections::{HashMap, VecDeque};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

pub(crate) use self::log::{Applied, Arrival, Log, Sent};
use self::timeline::Timeline;
use crate::client::Client;
use crate::client::socket::{Failure, Received, Socket};
use crate::cluster::stage::Stage;

/// Time between two messages of one chatter.
const PACE: Duration = Duration::from_secs(1);
/// How long it waits for a frame before it looks whether a message is due.
const POLL: Duration = Duration::from_millis(20);
/// The server replies within five seconds. Later the connection counts as lost.
const REPLY_LIMIT: Duration = Duration::from_secs(10);
/// One and a half heartbeats, and ten seconds.
const SILENCE_LIMIT: Duration = Duration::from_secs(48);
/// How long a chatter waits at the end for what it has not received.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(45);
/// After a command that failed or brought nothing.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The close code of a node that shuts down.
const DRAINING: u16 = 4000;

/// A chatter.
pub(crate) struct Chatter<'a> {
    number: usize,
    client: Client,
    stage: &'a Stage,
    socket: Option<Socket>,
    /// Of the latest `sync`.
    cursor: Option<String>,
    timelines: HashMap<String, Timeline>,
    /// The conversations, in a fixed order.
    conversations: Vec<String>,
    outbox: VecDeque<Outgoing>,
    /// The command that sends the first message of the outbox.
    in_flight: Option<(u64, Instant)>,
    /// The commands that read events, with their conversations.
    pulls: HashMap<u64, String>,
    needs_sync: bool,
    /// The command that syncs.
    syncing: Option<u64>,
    not_before: Instant,
    attempts: u32,
    last_frame: Instant,
    log: Log,
}

/// A message that is not acknowledged.
struct Outgoing {
    conversation: String,
    client_id: String,
    text: String,
}

impl<'a> Chatter<'a> {
    pub(crate) fn new(number: usize, client: Client, conversations: Vec<String>, stage: &'a Stage) -> Self {
        Self {
            number,
            client,
            stage,
            socket: None,
            cursor: None,
            timelines: conversations.iter().map(|id| (id.clone(), Timeline::default())).collect(),
            conversations,
            outbox: VecDeque::new(),
            in_flight: None,
            pulls: HashMap::new(),
            needs_sync: false,
            syncing: None,
            not_before: Instant::now(),
            attempts: 0,
            last_frame: Instant::now(),
            log: Log::default(),
        }
    }

    /// Chats until the run is over and everything has arrived. Returns what it saw.
    pub(crate) fn chat(mut self) -> Result<Log> {
        let (mut due, mut is_quiet, mut ending) = (Instant::now(), false, None);
        loop {
            if !self.stage.is_over() && Instant::now() >= due {
                due = Instant::now() + PACE;
                self.write();
            }
            self.step()?;
            if self.stage.is_over() && self.outbox.is_empty() && !is_quiet {
                is_quiet = true;
                self.stage.note_quiet();
            }
            let Some(heads) = self.stage.heads() else { continue };
            let until = *ending.get_or_insert_with(|| Instant::now() + CATCH_UP_LIMIT);
            let has_all = self
                .timelines
                .iter()
                .all(|(id, timeline)| heads.get(id).is_none_or(|head| timeline.cursor() >= *head));
            if has_all || Instant::now() > until {
                break;
            }
        }
        self.log.applied = self.timelines.into_iter().map(|(id, timeline)| (id, timeline.applied)).collect();
        Ok(self.log)
    }

    /// Adds a message to the outbox.
    fn write(&mut self) {
        let count = self.log.sent.len() as u64;
        let conversation =
            &self.conversations[scatter(self.number as u64, count) as usize % self.conversations.len()];
        let client_id = format!("019aaf60-4c00-7b11-{:04x}-{count:012x}", 0x8000 + self.number);
        let (sent_at, port) = (self.stage.now(), self.log.port());
        let text = format!("{} {count} {} {port}", self.number, sent_at.as_micros());
        self.log.sent.insert(client_id.clone(), Sent::new(conversation, self.stage.phase(), sent_at));
        self.outbox.push_back(Outgoing { conversation: conversation.clone(), client_id, text });
    }

    /// Connects if necessary, sends what is due, and handles one frame.
    fn step(&mut self) -> Result<()> {
        let Some(mut socket) = self.socket.take() else { return self.connect() };
        let received = self.send_due(&mut socket).and_then(|()| socket.poll(POLL));
        let is_late = self.in_flight.is_some_and(|(_, since)| since.elapsed() > REPLY_LIMIT)
            || self.last_frame.elapsed() > SILENCE_LIMIT;
        match received {
            Ok(Received::Frame(frame)) => {
                self.last_frame = Instant::now();
                self.handle(&frame);
                self.socket = Some(socket);
            }
            Ok(Received::Nothing) if !is_late => self.socket = Some(socket),
            Ok(Received::End(code @ Some(4500..))) => {
                bail!("chatter {}: closed for good with {code:?}", self.number)
            }
            Ok(Received::End(code)) => self.lose(code),
            Ok(Received::Nothing) | Err(_) => self.lose(None),
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<()> {
        if Instant::now() < self.not_before {
            sleep(POLL);
            return Ok(());
        }
        match Socket::open(&self.client) {
            Ok(Ok(socket)) => {
                self.log.connected(socket.port());
                (self.last_frame, self.attempts, self.needs_sync) = (Instant::now(), 0, true);
                self.socket = Some(socket);
            }
            Ok(Err(failure)) => {
                let Failure::Status(status @ (429 | 502..=504)) = failure else {
                    bail!("chatter {}: the gateway rejected it: {failure:?}", self.number);
                };
                self.log.rejected(self.stage.phase(), format!("the handshake got {status}"));
                self.back_off();
            }
            Err(error) => {
                self.log.rejected(self.stage.phase(), format!("the handshake failed: {error:#}"));
                self.back_off();
            }
        }
        Ok(())
    }

    /// The connection ended. What was not answered is sent again on the next one.
    fn lose(&mut self, code: Option<u16>) {
        self.log.ended(self.stage.phase(), code);
        self.in_flight = None;
        self.syncing = None;
        self.pulls.clear();
        self.timelines.values_mut().for_each(Timeline::end_pull);
        // The node has closed the connection at the time that it had announced.
        if code == Some(DRAINING) {
            self.not_before = Instant::now();
        } else {
            self.back_off();
        }
    }

    /// Full jitter: a random time up to a limit that doubles.
    fn back_off(&mut self) {
        let limit = (0.5 * f64::from(1 << self.attempts.min(6))).min(30.0);
        self.attempts += 1;
        let micros = self.stage.now().as_micros() as u64;
        let random = scatter(self.number as u64, micros) % 1000;
        self.not_before = Instant::now() + Duration::from_secs_f64(limit * random as f64 / 1000.0);
    }

    /// Sends the commands that are due.
    fn send_due(&mut self, socket: &mut Socket) -> Result<()> {
        if Instant::now() < self.not_before {
            return Ok(());
        }
        if self.needs_sync && self.syncing.is_none() {
            let since = self.cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({"since": cursor}));
            self.syncing = Some(socket.command("sync", &since)?);
        }
        for (id, timeline) in &mut self.timelines {
            if let Some(after) = timeline.begin_pull() {
                let input = json!({"conversation_id": id, "after": after});
                self.pulls.insert(socket.command("history", &input)?, id.clone());
            }
        }
        if let (Some(Outgoing { conversation, client_id, text }), None) =
            (self.outbox.front(), self.in_flight)
        {
            let input = json!({"conversation_id": conversation, "client_id": client_id, "text": text});
            self.in_flight = Some((socket.command("message.send", &input)?, Instant::now()));
        }
        Ok(())
    }

    fn handle(&mut self, frame: &Value) {
        if let Some(command) = frame["re"].as_u64() {
            return self.handle_reply(command, frame);
        }
        let event = &frame["d"];
        let Some(id) = event["conversation_id"].as_str() else { return };
        if let Some(last_seq) = event["last_seq"].as_u64() {
            self.with_timeline(id, |timeline| timeline.note_head(last_seq));
        } else {
            self.offer(id, event);
        }
    }

    fn offer(&mut self, id: &str, event: &Value) {
        if self.timelines.get_mut(id).is_some_and(|timeline| timeline.offer(event)) {
            self.log.arrivals.extend(Arrival::of(event, self.number, self.log.port(), self.stage));
        }
    }

    fn handle_reply(&mut self, command: u64, frame: &Value) {
        if let Some(code) = frame["err"]["code"].as_str() {
            self.log.rejected(self.stage.phase(), format!("a command got {code}"));
            self.pause(frame["err"]["retry_after_ms"].as_u64().map_or(RETRY_PAUSE, Duration::from_millis));
        }
        let reply = &frame["ok"];
        if self.in_flight.take_if(|(number, _)| *number == command).is_some() {
            if let Some(seq) = reply["seq"].as_u64()
                && let Some(outgoing) = self.outbox.pop_front()
            {
                self.log.acknowledge(&outgoing.client_id, seq, self.stage.now());
            }
        } else if let Some(id) = self.pulls.remove(&command) {
            self.pulled(&id, reply);
        } else if self.syncing.take_if(|number| *number == command).is_some() {
            self.synced(reply);
        }
    }

    fn pulled(&mut self, id: &str, reply: &Value) {
        let events = reply["events"].as_array();
        events.into_iter().flatten().for_each(|event| self.offer(id, &event["d"]));
        self.with_timeline(id, Timeline::end_pull);
        if events.is_none_or(Vec::is_empty) {
            self.pause(RETRY_PAUSE);
        }
    }

    fn synced(&mut self, reply: &Value) {
        // An error has no cursor: try again.
        let Some(cursor) = reply["cursor"].as_str() else { return };
        self.cursor = Some(cursor.into());
        self.needs_sync = reply["more"] == true;
        for head in reply["heads"].as_array().into_iter().flatten() {
            if let (Some(id), Some(last_seq)) = (head["conversation_id"].as_str(), head["last_seq"].as_u64())
            {
                self.with_timeline(id, |timeline| timeline.note_head(last_seq));
            }
        }
    }

    /// Sends no command for a while.
    fn pause(&mut self, time: Duration) {
        self.not_before = Instant::now() + time;
    }

    fn with_timeline(&mut self, id: &str, change: impl FnOnce(&mut Timeline)) {
        if let Some(timeline) = self.timelines.get_mut(id) {
            change(timeline);
        }
    }
}

/// A number without a pattern, the same for the same input (splitmix64).
fn scatter(a: u64, b: u64) -> u64 {
    let x = (a << 32 | b).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
