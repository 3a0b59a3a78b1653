//! What a chatter saw, for the checks at the end.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

pub(crate) use super::timeline::Applied;
use crate::cluster::stage::Stage;

/// A message that a chatter wrote.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) conversation: String,
    pub(crate) phase: usize,
    pub(crate) at: Duration,
    /// The number and the time of the acknowledgement.
    pub(crate) acknowledged: Option<(u64, Duration)>,
}

/// A message of another chatter when it was applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) phase: usize,
    /// From when the sender wrote it.
    pub(crate) took: Duration,
    /// The local ports of the connections of the sender and of the recipient, which show their nodes.
    pub(crate) ports: (u16, u16),
}

/// Everything that a chatter saw.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// By `client_id`.
    pub(crate) sent: HashMap<String, Sent>,
    pub(crate) arrivals: Vec<Arrival>,
    /// By conversation, in the order in which they were applied.
    pub(crate) applied: HashMap<String, Vec<Applied>>,
    /// The ports of all connections.
    pub(crate) ports: Vec<u16>,
    /// The ends of connections, with their close codes.
    pub(crate) ends: Vec<(usize, Option<u16>)>,
    /// Handshakes and commands that failed and were repeated.
    pub(crate) rejections: Vec<(usize, String)>,
}

impl Sent {
    pub(super) fn new(conversation: &str, phase: usize, at: Duration) -> Self {
        Self { conversation: conversation.into(), phase, at, acknowledged: None }
    }
}

impl Arrival {
    /// The arrival of a message of another chatter: its text has its sender, number, time and port.
    pub(super) fn of(event: &Value, recipient: usize, port: u16, stage: &Stage) -> Option<Self> {
        let mut words = event["message"]["text"].as_str()?.split(' ').map(|word| word.parse::<u64>().ok());
        let (sender, _, at, senders_port) = (words.next()??, words.next()??, words.next()??, words.next()??);
        if sender == recipient as u64 {
            return None;
        }
        let took = stage.now().saturating_sub(Duration::from_micros(at));
        Some(Self { phase: stage.phase(), took, ports: (u16::try_from(senders_port).ok()?, port) })
    }
}

impl Log {
    /// The port of the latest connection.
    pub(super) fn port(&self) -> u16 {
        self.ports.last().copied().unwrap_or_default()
    }

    pub(super) fn connected(&mut self, port: u16) {
        self.ports.push(port);
    }

    pub(super) fn ended(&mut self, phase: usize, code: Option<u16>) {
        self.ends.push((phase, code));
    }

    pub(super) fn rejected(&mut self, phase: usize, cause: String) {
        self.rejections.push((phase, cause));
    }

    pub(super) fn acknowledge(&mut self, client_id: &str, seq: u64, at: Duration) {
        if let Some(sent) = self.sent.get_mut(client_id) {
            sent.acknowledged = Some((seq, at));
        }
    }
}
