//! The `direct` and `send` scenarios, which send messages in direct conversations. `direct` measures the latency of
//! single messages. `send` measures the throughput of many senders, then lists the stored messages over REST and
//! compares them with the acknowledged ones.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use uuid::Uuid;

use crate::{
    Report, Setup,
    connections::{ConnectSummary, ConnectionSet},
    rest::{ListedMessage, Member, new_id},
    server,
    socket::{ConnectError, Frame, ReceiveBuffer, Socket, event_name, reply_id},
    stats::LatencySummary,
};

/// Limit for the reply to a message and for its delivery (`direct`).
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for missing replies after the sending period.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for events after the sending period, even if no replies are missing.
const MIN_DRAIN: Duration = Duration::from_secs(2);
/// How long a sender pauses after an error without `retry_after_ms`.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Concurrent REST requests before and after the measurement.
const MAX_REQUESTS: usize = 8;

#[derive(Args)]
pub(crate) struct DirectOptions {
    /// Number of messages, sent one after another
    #[arg(long, default_value_t = 500)]
    pub(crate) messages: usize,
}

#[derive(Args)]
pub(crate) struct SendOptions {
    /// Number of direct conversations; both members of each send messages
    #[arg(long, default_value_t = 100)]
    pub(crate) conversations: usize,
    /// Unanswered messages per member
    #[arg(long, default_value_t = 10)]
    pub(crate) in_flight: usize,
    /// Seconds to send messages
    #[arg(long, default_value_t = 15)]
    pub(crate) seconds: u64,
}

#[derive(Serialize)]
pub(crate) struct DirectReport {
    messages: usize,
    /// From just before the command is written until the sender receives the reply.
    ack: LatencySummary,
    /// From just before the command is written until the recipient receives `message.created`.
    created: LatencySummary,
    missing: usize,
}

#[derive(Serialize)]
pub(crate) struct SendReport {
    opening: ConnectSummary,
    seconds: u64,
    conversations: usize,
    in_flight: usize,
    acked_per_second: f64,
    ack: LatencySummary,
    sent: usize,
    acked: usize,
    /// Number of errors by code.
    rejected: BTreeMap<String, usize>,
    /// `message.created` events that connections received for the other member's messages.
    delivered: usize,
    /// `conversation.head` events, which the server sends in place of `message.created`.
    heads: usize,
    ended: BTreeMap<String, usize>,
    stored: StoredMessages,
    rss_after: Option<u64>,
}

/// Differences between the stored messages and what the members sent and received.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct StoredMessages {
    listed: usize,
    /// Acknowledged but not stored.
    lost: usize,
    /// Stored more than once.
    duplicated: usize,
    /// Stored with a different `seq` than acknowledged.
    renumbered: usize,
    /// Stored but not answered. This is allowed: the client cannot know, and sends it again with the same
    /// `client_id`.
    unanswered: usize,
    /// Stored although it was rejected or never sent.
    unexpected: usize,
    /// Conversations whose `message_no` values are not 1, 2, 3…
    gaps: usize,
}

fn message_command(command: u64, conversation: &str, client_id: Uuid) -> String {
    let d =
        json!({"conversation_id": conversation, "client_id": client_id, "text": "오늘 노을 보러 갈까요?"});
    json!({"id": command, "op": "message.send", "d": d}).to_string()
}

pub(crate) async fn direct(setup: &Setup, options: &DirectOptions) -> Result<DirectReport> {
    let members = setup.sign_up(2).await?;
    let conversation = setup.rest.create_direct_conversation(&members[0], &members[1]).await?;
    let mut sender = open(setup, &members[0], 0).await?;
    let mut recipient = open(setup, &members[1], 1).await?;
    let (mut acks, mut arrivals) = (Vec::new(), Vec::new());
    let mut missing = 0;
    for number in 0..options.messages {
        let (command, client_id) = (number as u64 + 1, new_id());
        let text = message_command(command, &conversation, client_id);
        let marker = client_id.to_string();
        let start = Instant::now();
        sender.send(text).await?;
        let arrival = async {
            loop {
                match recipient.next().await {
                    Frame::Text(text)
                        if event_name(&text) == Some("message.created") && text.contains(&marker) =>
                    {
                        return Ok(start.elapsed());
                    }
                    Frame::Text(_) => {}
                    Frame::Closed(closed) => bail!("the recipient's connection was closed ({closed})"),
                }
            }
        };
        let reply = async {
            loop {
                match sender.next().await {
                    Frame::Text(text) if reply_id(&text) == Some(command) => {
                        let elapsed = start.elapsed();
                        ensure!(text.contains(r#""ok":"#), "the server rejected a message: {text}");
                        return Ok(elapsed);
                    }
                    Frame::Text(_) => {}
                    Frame::Closed(closed) => bail!("the sender's connection was closed ({closed})"),
                }
            }
        };
        let (reply, arrival) =
            tokio::join!(timeout(MESSAGE_TIMEOUT, reply), timeout(MESSAGE_TIMEOUT, arrival));
        acks.push(reply.with_context(|| format!("no reply to message {number}"))??);
        match arrival {
            Ok(arrival) => arrivals.push(arrival?),
            Err(_) => missing += 1,
        }
    }
    Ok(DirectReport {
        messages: options.messages,
        ack: LatencySummary::from_durations(acks),
        created: LatencySummary::from_durations(arrivals),
        missing,
    })
}

async fn open(setup: &Setup, member: &Member, number: usize) -> Result<Socket> {
    setup.targets.open(&member.token, number, ReceiveBuffer::Standard).await.map_err(|error| match error {
        ConnectError::Retry(status) => anyhow!("the server rejected a handshake: {status}"),
        ConnectError::Permanent(error) => error,
    })
}

/// What one sender sent and received.
#[derive(Default)]
struct SenderLog {
    /// The `client_id` of each sent message.
    sent: HashSet<Uuid>,
    /// The `seq` of each acknowledged message.
    acked: HashMap<Uuid, u64>,
    /// Messages with an error reply that proves that they were not stored.
    rejected_ids: HashSet<Uuid>,
    /// Number of errors by code.
    rejections: BTreeMap<String, usize>,
    /// Latencies of the acknowledgements before the deadline.
    times: Vec<Duration>,
    delivered: usize,
    heads: usize,
    ended: Option<String>,
}

/// One member of a conversation. Sends messages until the deadline, then waits for the missing replies and events.
struct Sender {
    socket: Socket,
    conversation: Arc<str>,
    in_flight: usize,
    pending: HashMap<u64, (Uuid, Instant)>,
    next_command: u64,
    resume_at: Instant,
    observed: SenderLog,
}

impl Sender {
    fn new(socket: Socket, conversation: Arc<str>, in_flight: usize) -> Self {
        let (pending, observed) = (HashMap::new(), SenderLog::default());
        Self {
            socket,
            conversation,
            in_flight,
            pending,
            next_command: 1,
            resume_at: Instant::now(),
            observed,
        }
    }

    async fn run(mut self, mut start_signal: watch::Receiver<Option<Instant>>) -> SenderLog {
        let Some(deadline) = self.wait_for_start(&mut start_signal).await else { return self.observed };
        loop {
            let now = Instant::now();
            if now >= deadline + DRAIN_TIMEOUT || (now >= deadline + MIN_DRAIN && self.pending.is_empty()) {
                return self.observed;
            }
            if now < deadline
                && now >= self.resume_at
                && let Err(error) = self.fill_in_flight().await
            {
                self.observed.ended = Some(error.to_string());
                return self.observed;
            }
            let wake = if now < deadline {
                self.resume_at.max(now + RETRY_DELAY).min(deadline)
            } else {
                now + RETRY_DELAY
            };
            tokio::select! {
                frame = self.socket.next() => match frame {
                    Frame::Text(text) => self.handle_frame(&text, deadline),
                    Frame::Closed(closed) => {
                        self.observed.ended = Some(closed.to_string());
                        return self.observed;
                    }
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Reads frames, which answers pings, until all connections are open. Returns the deadline for sending, or `None`
    /// if the connection ended.
    async fn wait_for_start(
        &mut self,
        start_signal: &mut watch::Receiver<Option<Instant>>,
    ) -> Option<Instant> {
        loop {
            if let Some(deadline) = *start_signal.borrow_and_update() {
                return Some(deadline);
            }
            tokio::select! {
                frame = self.socket.next() => if let Frame::Closed(closed) = frame {
                    self.observed.ended = Some(closed.to_string());
                    return None;
                },
                changed = start_signal.changed() => changed.ok()?,
            }
        }
    }

    async fn fill_in_flight(&mut self) -> Result<()> {
        if self.pending.len() >= self.in_flight {
            return Ok(());
        }
        while self.pending.len() < self.in_flight {
            let (command, client_id) = (self.next_command, new_id());
            self.next_command += 1;
            self.observed.sent.insert(client_id);
            self.pending.insert(command, (client_id, Instant::now()));
            self.socket.feed(message_command(command, &self.conversation, client_id)).await?;
        }
        self.socket.flush().await
    }

    fn handle_frame(&mut self, text: &str, deadline: Instant) {
        match event_name(text) {
            // The server sends a sender's own messages back as well; only the other member's count as delivered.
            Some("message.created") => self.observed.delivered += usize::from(!self.is_own(text)),
            Some("conversation.head") => self.observed.heads += 1,
            _ => self.handle_reply(text, deadline),
        }
    }

    fn is_own(&self, text: &str) -> bool {
        let client_id =
            text.split_once(r#""client_id":""#).and_then(|(_, rest)| rest.get(..36)?.parse().ok());
        client_id.is_some_and(|id: Uuid| self.observed.sent.contains(&id))
    }

    fn handle_reply(&mut self, text: &str, deadline: Instant) {
        let Some((client_id, start)) = reply_id(text).and_then(|command| self.pending.remove(&command))
        else {
            return;
        };
        let now = Instant::now();
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        if let Some(seq) = frame["ok"]["seq"].as_u64() {
            self.observed.acked.insert(client_id, seq);
            if now <= deadline {
                self.observed.times.push(now - start);
            }
            return;
        }
        let code = frame["err"]["code"].as_str().unwrap_or("a reply that is none");
        *self.observed.rejections.entry(code.into()).or_default() += 1;
        // After these two errors, the message may be stored or not.
        if !matches!(code, "internal" | "unavailable") {
            self.observed.rejected_ids.insert(client_id);
        }
        let pause = frame["err"]["retry_after_ms"].as_u64().map_or(RETRY_DELAY, Duration::from_millis);
        self.resume_at = now + pause;
    }
}

pub(crate) async fn send(setup: &Setup, options: &SendOptions) -> Result<SendReport> {
    let members = setup.sign_up(options.conversations * 2).await?;
    let direct =
        |pair: usize| setup.rest.create_direct_conversation(&members[pair * 2], &members[pair * 2 + 1]);
    let conversations = stream::iter((0..options.conversations).map(direct)).buffered(MAX_REQUESTS);
    let conversations: Vec<Arc<str>> = conversations.map_ok(Arc::from).try_collect().await?;
    let (start_sender, start_signal) = watch::channel(None);
    let (result, mut results) = mpsc::unbounded_channel();
    let handler = {
        let (conversations, in_flight) = (conversations.clone(), options.in_flight);
        move |number: usize, socket| {
            let sender = Sender::new(socket, Arc::clone(&conversations[number / 2]), in_flight);
            let (start_signal, result) = (start_signal.clone(), result.clone());
            async move {
                // The receiver is dropped if the run failed.
                let _ = result.send((number / 2, sender.run(start_signal).await));
            }
        }
    };
    let connections =
        ConnectionSet::open(&setup.targets, &members, members.len(), setup.handshakes, handler).await?;
    start_sender.send_replace(Some(Instant::now() + Duration::from_secs(options.seconds)));
    let mut observed: Vec<Vec<SenderLog>> = (0..options.conversations).map(|_| Vec::new()).collect();
    for _ in 0..members.len() {
        let (pair, log) = results.recv().await.context("a sender's task ended without a result")?;
        observed[pair].push(log);
    }
    let rss_after = server::resident_memory(setup.pid);
    let check = |pair: usize| {
        let (reader, conversation, observed) = (&members[pair * 2], &conversations[pair], &observed[pair]);
        async move { Ok(compare(&setup.rest.list_messages(reader, conversation).await?, observed)) }
    };
    let stored = stream::iter((0..options.conversations).map(check)).buffer_unordered(MAX_REQUESTS);
    let stored = stored
        .try_fold(StoredMessages::default(), async |sum, stored| anyhow::Ok(sum.merged(&stored)))
        .await?;
    let mut report = SendReport {
        opening: connections.opening,
        seconds: options.seconds,
        conversations: options.conversations,
        in_flight: options.in_flight,
        acked_per_second: 0.0,
        ack: LatencySummary::default(),
        sent: 0,
        acked: 0,
        rejected: BTreeMap::new(),
        delivered: 0,
        heads: 0,
        ended: BTreeMap::new(),
        stored,
        rss_after,
    };
    let mut times = Vec::new();
    for observed in observed.into_iter().flatten() {
        report.sent += observed.sent.len();
        report.acked += observed.acked.len();
        report.delivered += observed.delivered;
        report.heads += observed.heads;
        for (code, count) in observed.rejections {
            *report.rejected.entry(code).or_default() += count;
        }
        if let Some(closed) = observed.ended {
            *report.ended.entry(closed).or_default() += 1;
        }
        times.extend(observed.times);
    }
    report.acked_per_second = times.len() as f64 / options.seconds.max(1) as f64;
    report.ack = LatencySummary::from_durations(times);
    Ok(report)
}

/// Compares the stored messages of a conversation with the logs of its two members.
fn compare(listed: &[ListedMessage], observed: &[SenderLog]) -> StoredMessages {
    let seqs: HashMap<Uuid, u64> = listed.iter().map(|message| (message.client_id, message.seq)).collect();
    let acked: HashMap<Uuid, u64> = observed.iter().flat_map(|observed| observed.acked.clone()).collect();
    let mut stored = StoredMessages {
        listed: listed.len(),
        duplicated: listed.len() - seqs.len(),
        lost: acked.keys().filter(|id| !seqs.contains_key(id)).count(),
        ..StoredMessages::default()
    };
    for (id, seq) in &seqs {
        match acked.get(id) {
            Some(acked) => stored.renumbered += usize::from(acked != seq),
            None if observed
                .iter()
                .any(|observed| observed.sent.contains(id) && !observed.rejected_ids.contains(id)) =>
            {
                stored.unanswered += 1;
            }
            None => stored.unexpected += 1,
        }
    }
    let mut numbers: Vec<u64> = listed.iter().map(|message| message.message_no).collect();
    numbers.sort_unstable();
    stored.gaps = usize::from(!numbers.iter().copied().eq(1..=listed.len() as u64));
    stored
}

impl StoredMessages {
    fn merged(&self, other: &Self) -> Self {
        Self {
            listed: self.listed + other.listed,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            renumbered: self.renumbered + other.renumbered,
            unanswered: self.unanswered + other.unanswered,
            unexpected: self.unexpected + other.unexpected,
            gaps: self.gaps + other.gaps,
        }
    }
}

impl Report for DirectReport {
    fn failure(&self) -> Option<String> {
        (self.missing > 0).then(|| format!("{} messages did not reach the recipient", self.missing))
    }
}

impl Report for SendReport {
    fn failure(&self) -> Option<String> {
        let StoredMessages { lost, duplicated, renumbered, unexpected, gaps, .. } = self.stored;
        (lost + duplicated + renumbered + unexpected + gaps > 0)
            .then(|| format!("stored messages differ from the acknowledged ones: {:?}", self.stored))
    }
}

impl fmt::Display for DirectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages, one after another, measured from just before each is sent:",
            self.messages
        )?;
        writeln!(f, "  to the reply                         {}", self.ack)?;
        writeln!(f, "  to message.created at the recipient  {}", self.created)?;
        write!(f, "  missing {}", self.missing)
    }
}

impl fmt::Display for SendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, conversations, in_flight, acked_per_second, sent, acked, .. } = self;
        writeln!(f, "{}", self.opening)?;
        writeln!(
            f,
            "{acked_per_second:.0} acknowledged messages/s over {seconds} s, {conversations} conversations, {in_flight} in flight per member"
        )?;
        writeln!(f, "  to the reply {}", self.ack)?;
        writeln!(
            f,
            "  sent {sent}, acknowledged {acked}, rejected {:?}, connections ended {:?}",
            self.rejected, self.ended
        )?;
        writeln!(
            f,
            "  received by the other member: {} message.created, {} conversation.head",
            self.delivered, self.heads
        )?;
        let StoredMessages { listed, lost, duplicated, renumbered, unanswered, unexpected, gaps } =
            self.stored;
        write!(
            f,
            "  stored {listed}: lost {lost}, duplicated {duplicated}, with a different seq {renumbered}, unanswered {unanswered}, never sent {unexpected}, conversations with gaps {gaps}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(ids: &[(u128, u64)]) -> Vec<ListedMessage> {
        let message = |(id, no): &(u128, u64)| ListedMessage {
            client_id: Uuid::from_u128(*id),
            seq: *no,
            message_no: *no,
        };
        ids.iter().map(message).collect()
    }

    /// Sent 1 to 5: 1 and 2 acknowledged, 3 rejected, 4 and 5 unanswered.
    fn observed() -> SenderLog {
        SenderLog {
            sent: (1..=5).map(Uuid::from_u128).collect(),
            acked: [(Uuid::from_u128(1), 1), (Uuid::from_u128(2), 2)].into(),
            rejected_ids: [Uuid::from_u128(3)].into(),
            ..SenderLog::default()
        }
    }

    #[test]
    fn stored_messages_are_compared_with_acknowledged_ones() {
        let complete = StoredMessages { listed: 3, unanswered: 1, ..StoredMessages::default() };
        let table = [
            (vec![(1, 1), (2, 2), (4, 3)], complete),
            (vec![(1, 1)], StoredMessages { listed: 1, lost: 1, ..StoredMessages::default() }),
            (
                vec![(1, 1), (2, 2), (2, 3)],
                StoredMessages { listed: 3, duplicated: 1, renumbered: 1, ..StoredMessages::default() },
            ),
            (vec![(2, 1), (1, 2)], StoredMessages { listed: 2, renumbered: 2, ..StoredMessages::default() }),
            (
                vec![(1, 1), (2, 2), (3, 3)],
                StoredMessages { listed: 3, unexpected: 1, ..StoredMessages::default() },
            ),
            (
                vec![(1, 1), (2, 2), (9, 3)],
                StoredMessages { listed: 3, unexpected: 1, ..StoredMessages::default() },
            ),
            (
                vec![(1, 1), (2, 2), (4, 4)],
                StoredMessages { listed: 3, unanswered: 1, gaps: 1, ..StoredMessages::default() },
            ),
        ];
        for (rows, expected) in table {
            assert_eq!(compare(&listed(&rows), &[observed()]), expected, "{rows:?}");
        }
    }
}
