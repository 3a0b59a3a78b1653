//! What the client knows of one conversation.

use std::time::Duration;

use super::{SECOND, outbox::Outbox, timeline::Timeline};
use crate::types::MessageSentAnswer;

/// A followed conversation.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) timeline: Timeline,
    pub(super) outbox: Outbox,
    /// When to load a page; `None` if it is loaded or loading.
    pub(super) page_due: Option<Duration>,
    pub(super) is_loading: bool,
    pub(super) page_failures: u32,
    /// Pull even if no gap is known, for example to learn whether this account is still a member.
    pub(super) must_pull: bool,
    pub(super) not_pull_before: Duration,
    /// This account was added after the pull in flight was sent, so its `not-found` is out of date.
    pub(super) was_added: bool,
    /// A deadline and the `seq` of the last acknowledged message: if its event has not arrived by then, pull.
    pub(super) expected: Option<(Duration, u64)>,
    acknowledged: u64,
    /// The message number that the user has read, that of the last read mark sent, and when the next one may be sent.
    read: u64,
    reported: u64,
    report_due: Duration,
}

impl Conversation {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            timeline: Timeline::default(),
            outbox: Outbox::default(),
            page_due: Some(now),
            is_loading: false,
            page_failures: 0,
            must_pull: false,
            not_pull_before: Duration::ZERO,
            was_added: false,
            expected: None,
            acknowledged: 0,
            read: 0,
            reported: 0,
            report_due: Duration::ZERO,
        }
    }

    /// When to pull; `None` if nothing is known to be missing.
    pub(super) fn pull_due(&self) -> Option<Duration> {
        let must_pull = self.must_pull || self.timeline.behind().is_some();
        (must_pull && self.timeline.cursor().is_some()).then_some(self.not_pull_before)
    }

    /// The message was stored. Its event was published before the reply, so if it has not arrived a second later, it is
    /// pulled.
    pub(super) fn sent(&mut self, now: Duration, sent: &MessageSentAnswer) {
        self.acknowledged = self.acknowledged.max(sent.seq);
        let due = self.expected.map_or(now + SECOND, |(due, _)| due);
        self.expected = Some((due, self.acknowledged));
    }

    pub(super) fn check_expected(&mut self, now: Duration) {
        if let Some((_, seq)) = self.expected.filter(|(due, _)| *due <= now) {
            self.expected = None;
            self.timeline.raise_head(seq);
        }
    }

    /// The user has read up to this message.
    pub(super) fn read(&mut self, message_no: u64) {
        self.read = self.read.max(message_no);
    }

    /// When to send a read mark; `None` if there is nothing new.
    pub(super) fn report_due(&self) -> Option<Duration> {
        (self.read > self.reported).then_some(self.report_due)
    }

    /// Takes the read mark to send. The next one follows a second later, or more.
    pub(super) fn report(&mut self, now: Duration) -> u64 {
        self.reported = self.read;
        self.report_due = now + SECOND;
        self.reported
    }

    /// Sends the read mark again.
    pub(super) fn report_again(&mut self, due: Duration) {
        self.reported = 0;
        self.report_due = due;
    }

    /// Replies to commands in flight will not arrive.
    pub(super) fn disconnect(&mut self) {
        self.outbox.disconnect();
        self.reported = 0;
    }
}
