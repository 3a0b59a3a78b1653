//! Messages in direct conversations.

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
    crowd::{Crowd, Opening},
    figures::Spread,
    rest::{Listed, Member, new_id},
    server,
    socket::{Frame, Intake, Rejection, Socket, event, reply},
};

/// How long one message may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long answers are waited for at the end, and events at least.
const END: Duration = Duration::from_secs(10);
const SETTLE: Duration = Duration::from_secs(2);
/// How long a connection sends nothing after a refusal that names no time.
const PAUSE: Duration = Duration::from_millis(100);
/// Requests at a time, before and after what is measured.
const AT_ONCE: usize = 8;

#[derive(Args)]
pub(crate) struct DirectOptions {
    /// Messages, one after another
    #[arg(long, default_value_t = 500)]
    pub(crate) messages: usize,
}

#[derive(Args)]
pub(crate) struct SendOptions {
    /// Direct conversations, both of whose members send
    #[arg(long, default_value_t = 100)]
    pub(crate) conversations: usize,
    /// Unanswered messages of each member
    #[arg(long, default_value_t = 10)]
    pub(crate) in_flight: usize,
    /// Seconds to send
    #[arg(long, default_value_t = 15)]
    pub(crate) seconds: u64,
}

#[derive(Serialize)]
pub(crate) struct Direct {
    messages: usize,
    /// From just before it is written to the sender's answer.
    ack: Spread,
    /// From there to `message.created` at the other one.
    created: Spread,
    missing: usize,
}

#[derive(Serialize)]
pub(crate) struct Send {
    opening: Opening,
    seconds: u64,
    conversations: usize,
    in_flight: usize,
    acked_per_second: f64,
    ack: Spread,
    sent: usize,
    acked: usize,
    /// Refusals by code.
    refused: BTreeMap<String, usize>,
    /// `message.created` that connections got of the other member's messages, and `conversation.head` in their place.
    told: usize,
    heads: usize,
    ended: BTreeMap<String, usize>,
    stored: Stored,
    rss_after: Option<u64>,
}

/// What the conversations hold in the end.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Stored {
    listed: usize,
    /// Acknowledged, but not there.
    lost: usize,
    /// There more than once.
    doubled: usize,
    /// There with another `seq` than was acknowledged.
    moved: usize,
    /// There, though nobody answered: allowed, the client cannot know.
    unanswered: usize,
    /// There, though it was refused or never sent.
    strange: usize,
    /// Conversations whose numbers are not 1, 2, 3…
    gaps: usize,
}

fn message(command: u64, conversation: &str, client_id: Uuid) -> String {
    let d =
        json!({"conversation_id": conversation, "client_id": client_id, "text": "오늘 노을 보러 갈까요?"});
    json!({"id": command, "op": "message.send", "d": d}).to_string()
}

pub(crate) async fn direct(setup: &Setup, options: &DirectOptions) -> Result<Direct> {
    let members = setup.sign_up(2).await?;
    let conversation = setup.rest.direct(&members[0], &members[1]).await?;
    let mut sender = open(setup, &members[0], 0).await?;
    let mut other = open(setup, &members[1], 1).await?;
    let (mut acks, mut arrivals) = (Vec::new(), Vec::new());
    let mut missing = 0;
    for number in 0..options.messages {
        let (command, client_id) = (number as u64 + 1, new_id());
        let text = message(command, &conversation, client_id);
        let mark = client_id.to_string();
        let begin = Instant::now();
        sender.send(text).await?;
        let arrival = async {
            loop {
                match other.next().await {
                    Frame::Text(text) if event(&text) == Some("message.created") && text.contains(&mark) => {
                        return Ok(begin.elapsed());
                    }
                    Frame::Text(_) => {}
                    Frame::Closed(closed) => bail!("the other connection was closed ({closed})"),
                }
            }
        };
        let answer = async {
            loop {
                match sender.next().await {
                    Frame::Text(text) if reply(&text) == Some(command) => {
                        let took = begin.elapsed();
                        ensure!(text.contains(r#""ok":"#), "a message was refused: {text}");
                        return Ok(took);
                    }
                    Frame::Text(_) => {}
                    Frame::Closed(closed) => bail!("the sender's connection was closed ({closed})"),
                }
            }
        };
        let (answer, arrival) = tokio::join!(timeout(LIMIT, answer), timeout(LIMIT, arrival));
        acks.push(answer.with_context(|| format!("message {number} was not answered"))??);
        match arrival {
            Ok(arrival) => arrivals.push(arrival?),
            Err(_) => missing += 1,
        }
    }
    Ok(Direct { messages: options.messages, ack: Spread::of(acks), created: Spread::of(arrivals), missing })
}

async fn open(setup: &Setup, member: &Member, number: usize) -> Result<Socket> {
    setup.target.open(&member.token, number, Intake::Usual).await.map_err(|rejection| match rejection {
        Rejection::Later(status) => anyhow!("a handshake was answered {status}"),
        Rejection::Never(error) => error,
    })
}

/// What one connection saw.
#[derive(Default)]
struct Observed {
    /// Every message that was sent.
    sent: HashSet<Uuid>,
    /// The `seq` of each acknowledged one.
    acked: HashMap<Uuid, u64>,
    rejected_ids: HashSet<Uuid>,
    refused: BTreeMap<String, usize>,
    /// Of the acks in time.
    times: Vec<Duration>,
    delivered: usize,
    heads: usize,
    ended: Option<String>,
}

/// Two connections' part of it: sends until `until` and listens a little longer.
struct Sender {
    socket: Socket,
    conversation: Arc<str>,
    in_flight: usize,
    flight: HashMap<u64, (Uuid, Instant)>,
    next_command: u64,
    resume: Instant,
    observed: Observed,
}

impl Sender {
    fn new(socket: Socket, conversation: Arc<str>, in_flight: usize) -> Self {
        let (flight, observed) = (HashMap::new(), Observed::default());
        Self { socket, conversation, in_flight, flight, next_command: 1, resume: Instant::now(), observed }
    }

    async fn run(mut self, mut go: watch::Receiver<Option<Instant>>) -> Observed {
        let Some(until) = self.wait(&mut go).await else { return self.observed };
        loop {
            let now = Instant::now();
            if now >= until + END || (now >= until + SETTLE && self.flight.is_empty()) {
                return self.observed;
            }
            if now < until
                && now >= self.resume
                && let Err(error) = self.fill().await
            {
                self.observed.ended = Some(error.to_string());
                return self.observed;
            }
            let wake = if now < until { self.resume.max(now + PAUSE).min(until) } else { now + PAUSE };
            tokio::select! {
                frame = self.socket.next() => match frame {
                    Frame::Text(text) => self.handle_frame(&text, until),
                    Frame::Closed(closed) => {
                        self.observed.ended = Some(closed.to_string());
                        return self.observed;
                    }
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Attends to the connection until everybody is there.
    async fn wait(&mut self, go: &mut watch::Receiver<Option<Instant>>) -> Option<Instant> {
        loop {
            if let Some(until) = *go.borrow_and_update() {
                return Some(until);
            }
            tokio::select! {
                frame = self.socket.next() => if let Frame::Closed(closed) = frame {
                    self.observed.ended = Some(closed.to_string());
                    return None;
                },
                changed = go.changed() => changed.ok()?,
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        if self.flight.len() >= self.in_flight {
            return Ok(());
        }
        while self.flight.len() < self.in_flight {
            let (command, client_id) = (self.next_command, new_id());
            self.next_command += 1;
            self.observed.sent.insert(client_id);
            self.flight.insert(command, (client_id, Instant::now()));
            self.socket.feed(message(command, &self.conversation, client_id)).await?;
        }
        self.socket.flush().await
    }

    fn handle_frame(&mut self, text: &str, until: Instant) {
        match event(text) {
            // One's own messages come back as well; what is asked here is whether the other's arrive.
            Some("message.created") => self.observed.delivered += usize::from(!self.is_own(text)),
            Some("conversation.head") => self.observed.heads += 1,
            _ => self.handle_reply(text, until),
        }
    }

    fn is_own(&self, text: &str) -> bool {
        let client_id =
            text.split_once(r#""client_id":""#).and_then(|(_, rest)| rest.get(..36)?.parse().ok());
        client_id.is_some_and(|id: Uuid| self.observed.sent.contains(&id))
    }

    fn handle_reply(&mut self, text: &str, until: Instant) {
        let Some((client_id, begin)) = reply(text).and_then(|command| self.flight.remove(&command)) else {
            return;
        };
        let now = Instant::now();
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        if let Some(seq) = frame["ok"]["seq"].as_u64() {
            self.observed.acked.insert(client_id, seq);
            if now <= until {
                self.observed.times.push(now - begin);
            }
            return;
        }
        let code = frame["err"]["code"].as_str().unwrap_or("a reply that is none");
        *self.observed.refused.entry(code.into()).or_default() += 1;
        // After these two nobody knows whether it happened.
        if !matches!(code, "internal" | "unavailable") {
            self.observed.rejected_ids.insert(client_id);
        }
        let pause = frame["err"]["retry_after_ms"].as_u64().map_or(PAUSE, Duration::from_millis);
        self.resume = now + pause;
    }
}

pub(crate) async fn send(setup: &Setup, options: &SendOptions) -> Result<Send> {
    let members = setup.sign_up(options.conversations * 2).await?;
    let direct = |pair: usize| setup.rest.direct(&members[pair * 2], &members[pair * 2 + 1]);
    let conversations = stream::iter((0..options.conversations).map(direct)).buffered(AT_ONCE);
    let conversations: Vec<Arc<str>> = conversations.map_ok(Arc::from).try_collect().await?;
    let (start, go) = watch::channel(None);
    let (result, mut results) = mpsc::unbounded_channel();
    let attend = {
        let (conversations, in_flight) = (conversations.clone(), options.in_flight);
        move |number: usize, socket| {
            let sender = Sender::new(socket, Arc::clone(&conversations[number / 2]), in_flight);
            let (go, result) = (go.clone(), result.clone());
            async move {
                // Whoever waits for it has given up then.
                let _ = result.send((number / 2, sender.run(go).await));
            }
        }
    };
    let crowd = Crowd::open(&setup.target, &members, members.len(), setup.handshakes, attend).await?;
    start.send_replace(Some(Instant::now() + Duration::from_secs(options.seconds)));
    let mut observed: Vec<Vec<Observed>> = (0..options.conversations).map(|_| Vec::new()).collect();
    for _ in 0..members.len() {
        let (pair, one) = results.recv().await.context("a connection's task was lost")?;
        observed[pair].push(one);
    }
    let rss_after = server::resident(setup.pid);
    let check = |pair: usize| {
        let (reader, conversation, observed) = (&members[pair * 2], &conversations[pair], &observed[pair]);
        async move { Ok(compare(&setup.rest.messages(reader, conversation).await?, observed)) }
    };
    let stored = stream::iter((0..options.conversations).map(check)).buffer_unordered(AT_ONCE);
    let stored = stored.try_fold(Stored::default(), async |sum, one| anyhow::Ok(sum.merged(&one))).await?;
    let mut report = Send {
        opening: crowd.opening,
        seconds: options.seconds,
        conversations: options.conversations,
        in_flight: options.in_flight,
        acked_per_second: 0.0,
        ack: Spread::default(),
        sent: 0,
        acked: 0,
        refused: BTreeMap::new(),
        told: 0,
        heads: 0,
        ended: BTreeMap::new(),
        stored,
        rss_after,
    };
    let mut times = Vec::new();
    for observed in observed.into_iter().flatten() {
        report.sent += observed.sent.len();
        report.acked += observed.acked.len();
        report.told += observed.delivered;
        report.heads += observed.heads;
        for (code, count) in observed.refused {
            *report.refused.entry(code).or_default() += count;
        }
        if let Some(closed) = observed.ended {
            *report.ended.entry(closed).or_default() += 1;
        }
        times.extend(observed.times);
    }
    report.acked_per_second = times.len() as f64 / options.seconds.max(1) as f64;
    report.ack = Spread::of(times);
    Ok(report)
}

/// Compares what a conversation holds with what its two members saw.
fn compare(listed: &[Listed], observed: &[Observed]) -> Stored {
    let seqs: HashMap<Uuid, u64> = listed.iter().map(|message| (message.client_id, message.seq)).collect();
    let acked: HashMap<Uuid, u64> = observed.iter().flat_map(|observed| observed.acked.clone()).collect();
    let mut stored = Stored {
        listed: listed.len(),
        doubled: listed.len() - seqs.len(),
        lost: acked.keys().filter(|id| !seqs.contains_key(id)).count(),
        ..Stored::default()
    };
    for (id, seq) in &seqs {
        match acked.get(id) {
            Some(acked) => stored.moved += usize::from(acked != seq),
            None if observed
                .iter()
                .any(|observed| observed.sent.contains(id) && !observed.rejected_ids.contains(id)) =>
            {
                stored.unanswered += 1;
            }
            None => stored.strange += 1,
        }
    }
    let mut numbers: Vec<u64> = listed.iter().map(|message| message.message_no).collect();
    numbers.sort_unstable();
    stored.gaps = usize::from(!numbers.iter().copied().eq(1..=listed.len() as u64));
    stored
}

impl Stored {
    fn merged(&self, other: &Self) -> Self {
        Self {
            listed: self.listed + other.listed,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            moved: self.moved + other.moved,
            unanswered: self.unanswered + other.unanswered,
            strange: self.strange + other.strange,
            gaps: self.gaps + other.gaps,
        }
    }
}

impl Report for Direct {
    fn failure(&self) -> Option<String> {
        (self.missing > 0).then(|| format!("{} messages did not reach the other one", self.missing))
    }
}

impl Report for Send {
    fn failure(&self) -> Option<String> {
        let Stored { lost, doubled, moved, strange, gaps, .. } = self.stored;
        (lost + doubled + moved + strange + gaps > 0)
            .then(|| format!("what is stored is not what was acknowledged: {:?}", self.stored))
    }
}

impl fmt::Display for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} messages, one after another, from just before each is sent:", self.messages)?;
        writeln!(f, "  to its answer                    {}", self.ack)?;
        writeln!(f, "  to message.created at the other  {}", self.created)?;
        write!(f, "  missing {}", self.missing)
    }
}

impl fmt::Display for Send {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, conversations, in_flight, acked_per_second, sent, acked, .. } = self;
        writeln!(f, "{}", self.opening)?;
        writeln!(
            f,
            "{acked_per_second:.0} acknowledged messages/s over {seconds} s, {conversations} conversations, {in_flight} in flight of each member"
        )?;
        writeln!(f, "  to the answer {}", self.ack)?;
        writeln!(
            f,
            "  sent {sent}, acknowledged {acked}, refused {:?}, connections ended {:?}",
            self.refused, self.ended
        )?;
        writeln!(
            f,
            "  told to the other member: {} message.created, {} conversation.head",
            self.told, self.heads
        )?;
        let Stored { listed, lost, doubled, moved, unanswered, strange, gaps } = self.stored;
        write!(
            f,
            "  stored {listed}: lost {lost}, doubled {doubled}, with another seq {moved}, unanswered {unanswered}, never sent {strange}, conversations with gaps {gaps}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(ids: &[(u128, u64)]) -> Vec<Listed> {
        let of =
            |(id, no): &(u128, u64)| Listed { client_id: Uuid::from_u128(*id), seq: *no, message_no: *no };
        ids.iter().map(of).collect()
    }

    /// Sent 1 to 5: 1 and 2 acknowledged, 3 refused, 4 and 5 unanswered.
    fn observed() -> Observed {
        Observed {
            sent: (1..=5).map(Uuid::from_u128).collect(),
            acked: [(Uuid::from_u128(1), 1), (Uuid::from_u128(2), 2)].into(),
            rejected_ids: [Uuid::from_u128(3)].into(),
            ..Observed::default()
        }
    }

    #[test]
    fn stored_messages_are_compared_with_acknowledged_ones() {
        let complete = Stored { listed: 3, unanswered: 1, ..Stored::default() };
        let table = [
            (vec![(1, 1), (2, 2), (4, 3)], complete),
            (vec![(1, 1)], Stored { listed: 1, lost: 1, ..Stored::default() }),
            (vec![(1, 1), (2, 2), (2, 3)], Stored { listed: 3, doubled: 1, moved: 1, ..Stored::default() }),
            (vec![(2, 1), (1, 2)], Stored { listed: 2, moved: 2, ..Stored::default() }),
            (vec![(1, 1), (2, 2), (3, 3)], Stored { listed: 3, strange: 1, ..Stored::default() }),
            (vec![(1, 1), (2, 2), (9, 3)], Stored { listed: 3, strange: 1, ..Stored::default() }),
            (vec![(1, 1), (2, 2), (4, 4)], Stored { listed: 3, unanswered: 1, gaps: 1, ..Stored::default() }),
        ];
        for (rows, expected) in table {
            assert_eq!(compare(&listed(&rows), &[observed()]), expected, "{rows:?}");
        }
    }
}
