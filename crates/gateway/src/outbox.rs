//! The bounded queue of frames for one connection.
//!
//! When the queue is over its capacity, it drops frames by their [`Class`]: first the hints, then the events of one
//! conversation at a time, which a single `conversation.head` replaces. If that is not enough, the queue overflows and
//! the connection is closed.

use std::collections::{HashMap, VecDeque};

use crate::frame::{Class, Frame, head_key};
use blegram_domain::ConversationId;
use blegram_planted::{Bug, planted};

/// The capacity of the outbox of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// The maximum number of bytes of text.
    pub bytes: usize,
    /// The maximum number of frames.
    pub frames: usize,
}

/// The queue is over its capacity and has nothing left to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// The queued frames, in order. Over capacity, it drops the hints first. Then it replaces the events of the
/// conversation with the most queued bytes by the head of that conversation, from which the client fetches them, until
/// the rest fits.
#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    queue: VecDeque<Frame>,
    bytes: usize,
    dropped: Dropped,
}

/// How many frames an outbox dropped because the client was slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Dropped {
    /// Hints.
    pub(crate) hints: u32,
    /// Events that the head of their conversation replaced.
    pub(crate) events: u32,
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self { limits, queue: VecDeque::new(), bytes: 0, dropped: Dropped::default() }
    }

    /// The bytes of the queued frames.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was dropped since the last call.
    pub(crate) fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    /// Adds a frame. Drops frames that it supersedes, and others if the queue is over its capacity.
    pub(crate) fn push(&mut self, frame: Frame) -> Result<(), Overflow> {
        match &frame.class {
            Class::Hint if self.is_busy() => {
                self.dropped.hints += 1;
                return Ok(());
            }
            Class::State(key) => self.remove(|class| matches!(class, Class::State(other) if other == key)),
            Class::Removed { conversation, key } => {
                let head = head_key(*conversation);
                self.remove(|class| match class {
                    Class::State(other) => other == key || *other == head,
                    Class::DurableEvent { conversation: other, .. }
                    | Class::Removed { conversation: other, .. } => other == conversation,
                    Class::Reply | Class::Hint => false,
                });
            }
            Class::DurableEvent { conversation, seq, last_message_no } => {
                let key = head_key(*conversation);
                if self
                    .queue
                    .iter()
                    .any(|waiting| matches!(&waiting.class, Class::State(other) if *other == key))
                {
                    return self.push(Frame::head(*conversation, *seq, *last_message_no));
                }
            }
            Class::Reply | Class::Hint => {}
        }
        self.bytes += frame.text_bytes();
        self.queue.push_back(frame);
        self.shed()
    }

    /// Removes the next frame.
    pub(crate) fn pop(&mut self) -> Option<Frame> {
        let frame = self.queue.pop_front()?;
        self.bytes -= frame.text_bytes();
        if self.queue.is_empty() {
            // Frees the memory of a burst, which the connection would otherwise use until it ends.
            self.queue = VecDeque::new();
        }
        Some(frame)
    }

    /// Removes the frames that a later frame supersedes. The later one is added at the end, to preserve the order.
    fn remove(&mut self, is_superseded: impl Fn(&Class) -> bool) {
        self.queue.retain(|waiting| !is_superseded(&waiting.class));
        self.bytes = self.queue.iter().map(Frame::text_bytes).sum();
    }

    fn is_busy(&self) -> bool {
        self.bytes > self.limits.bytes / 2 || self.queue.len() > self.limits.frames / 2
    }

    fn is_over(&self) -> bool {
        self.bytes > self.limits.bytes || self.queue.len() > self.limits.frames
    }

    fn shed(&mut self) -> Result<(), Overflow> {
        if self.is_over() {
            let before = self.queue.len();
            self.queue.retain(|frame| frame.class != Class::Hint);
            self.dropped.hints += count(before - self.queue.len());
            self.bytes = self.queue.iter().map(Frame::text_bytes).sum();
        }
        while self.is_over() {
            self.collapse(self.largest().ok_or(Overflow)?);
        }
        Ok(())
    }

    /// The conversation with the most queued bytes, among those with more than one queued event.
    fn largest(&self) -> Option<ConversationId> {
        let mut waiting: HashMap<ConversationId, (usize, usize)> = HashMap::new();
        for frame in &self.queue {
            if let Class::DurableEvent { conversation, .. } = frame.class {
                let (frames, bytes) = waiting.entry(conversation).or_default();
                *frames += 1;
                *bytes += frame.text_bytes();
            }
        }
        let many = waiting.into_iter().filter(|(_, (frames, _))| *frames > 1);
        many.max_by_key(|(_, (_, bytes))| *bytes).map(|(conversation, _)| conversation)
    }

    fn collapse(&mut self, largest: ConversationId) {
        let (mut head, before) = (None, self.queue.len());
        self.queue.retain(|frame| match frame.class {
            Class::DurableEvent { conversation, seq, last_message_no } if conversation == largest => {
                head = Some((seq, last_message_no));
                false
            }
            _ => true,
        });
        self.dropped.events += count(before - self.queue.len());
        if let Some((seq, last_message_no)) = head.filter(|_| !planted(Bug::SilentOverflow)) {
            self.queue.push_back(Frame::head(largest, seq, last_message_no));
        }
        self.bytes = self.queue.iter().map(Frame::text_bytes).sum();
    }
}

fn count(frames: usize) -> u32 {
    u32::try_from(frames).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: OutboxLimits = OutboxLimits { bytes: 4096, frames: 16 };

    fn conversation(n: u8) -> ConversationId {
        ConversationId::from_uuid(uuid::Uuid::from_u128(u128::from(n)))
    }

    fn durable(n: u8, seq: u64, size: usize) -> Frame {
        let class = Class::DurableEvent { conversation: conversation(n), seq, last_message_no: seq };
        Frame::plain(class, &"d".repeat(size))
    }

    fn plain(class: Class, text: &str) -> Frame {
        Frame::plain(class, text)
    }

    fn take(outbox: &mut Outbox, frames: usize) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop()).take(frames).map(|frame| frame.text().to_owned()).collect()
    }

    fn drain(outbox: &mut Outbox) -> Vec<String> {
        take(outbox, usize::MAX)
    }

    #[test]
    fn state_frames_replace_earlier_ones_with_the_same_key() {
        let mut outbox = Outbox::new(LIMITS);
        outbox.push(plain(Class::State("a".into()), "a1")).unwrap();
        outbox.push(plain(Class::Reply, "r")).unwrap();
        outbox.push(plain(Class::State("b".into()), "b1")).unwrap();
        outbox.push(plain(Class::State("a".into()), "a2")).unwrap();
        assert_eq!(drain(&mut outbox), ["r", "b1", "a2"]);
        assert!(outbox.queue.is_empty() && outbox.bytes == 0);
    }

    #[test]
    fn removal_drops_the_queued_frames_of_its_conversation() {
        let removed = |n: u8| Class::Removed { conversation: conversation(n), key: "m".into() };
        let mut outbox = Outbox::new(LIMITS);
        outbox.push(plain(Class::State("m".into()), "added")).unwrap();
        outbox.push(durable(2, 1, 1)).unwrap();
        for seq in 1..=40 {
            outbox.push(durable(1, seq, 1)).unwrap();
        }
        outbox.push(plain(removed(1), "removed")).unwrap();
        assert_eq!(drain(&mut outbox), ["d", "removed"]);

        outbox.push(plain(removed(1), "removed")).unwrap();
        outbox.push(plain(Class::State("m".into()), "added again")).unwrap();
        outbox.push(durable(1, 50, 1)).unwrap();
        assert_eq!(drain(&mut outbox), ["removed", "added again", "d"]);
    }

    #[test]
    fn hints_are_dropped_first() {
        let mut outbox = Outbox::new(LIMITS);
        for n in 0..20 {
            outbox.push(plain(Class::Hint, &format!("h{n}"))).unwrap();
        }
        assert_eq!(outbox.queue.len(), 9, "above half of the capacity, new hints are dropped");
        for seq in 1..=16 {
            outbox.push(durable(u8::try_from(seq).unwrap(), seq, 1)).unwrap();
        }
        assert_eq!(outbox.take_dropped(), Dropped { hints: 20, events: 0 });
        assert_eq!(drain(&mut outbox), vec!["d"; 16]);
    }

    #[test]
    fn largest_conversation_is_replaced_by_its_head() {
        let mut outbox = Outbox::new(LIMITS);
        outbox.push(durable(1, 1, 500)).unwrap();
        for seq in 1..=8 {
            outbox.push(durable(2, seq, 500)).unwrap();
        }
        assert_eq!(outbox.take_dropped(), Dropped { hints: 0, events: 8 });
        // Later events update the head while it is queued.
        outbox.push(durable(2, 9, 500)).unwrap();
        outbox.push(durable(1, 2, 500)).unwrap();
        let sent = drain(&mut outbox);
        assert_eq!(sent.len(), 3);
        assert!(sent[1].contains(r#""last_seq":9,"last_message_no":9"#), "{}", sent[1]);
        outbox.push(durable(2, 10, 5)).unwrap();
        assert_eq!(drain(&mut outbox), ["ddddd"], "events after the head are sent unchanged");
    }

    #[test]
    fn replies_above_the_capacity_overflow() {
        let mut outbox = Outbox::new(LIMITS);
        for _ in 0..16 {
            outbox.push(plain(Class::Reply, "r")).unwrap();
        }
        assert_eq!(outbox.push(plain(Class::Reply, "r")), Err(Overflow));
        let mut outbox = Outbox::new(LIMITS);
        assert_eq!(outbox.push(plain(Class::Reply, &"r".repeat(5000))), Err(Overflow));
    }

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let one = prop_oneof![
            (0..3u8, 1..600usize).prop_map(|(n, size)| durable(n, 0, size)),
            (0..4u8, 1..300usize).prop_map(|(n, size)| {
                plain(Class::State(n.to_string().into()), &n.to_string().repeat(size))
            }),
            (1..300usize).prop_map(|size| plain(Class::Hint, &"h".repeat(size))),
        ];
        proptest::collection::vec(one, 0..200)
    }

    proptest! {
        /// For all inputs: the queue is bounded, and the events of each conversation arrive in order, up to the last
        /// event or a head with its number.
        #[test]
        fn durable_events_arrive_in_order_or_as_a_head(frames in frames(), takes in proptest::collection::vec(0..4usize, 200)) {
            let mut outbox = Outbox::new(LIMITS);
            let mut last: HashMap<ConversationId, u64> = HashMap::new();
            let mut sent: Vec<String> = Vec::new();
            for (mut frame, take) in frames.into_iter().zip(takes) {
                if let Class::DurableEvent { conversation, seq, last_message_no } = &mut frame.class {
                    let next = last.entry(*conversation).or_default();
                    *next += 1;
                    (*seq, *last_message_no) = (*next, *next);
                    let (conversation, next) = (*conversation, *next);
                    let text = format!("{conversation} {next} {}", "d".repeat(frame.text_bytes()));
                    frame = plain(frame.class, &text);
                }
                prop_assert_eq!(outbox.push(frame), Ok(()));
                prop_assert!(!outbox.is_over());
                prop_assert_eq!(outbox.bytes, outbox.queue.iter().map(Frame::text_bytes).sum::<usize>());
                sent.extend(self::take(&mut outbox, take));
            }
            sent.extend(drain(&mut outbox));
            for (conversation, last) in last {
                let mut seen = 0;
                for text in &sent {
                    if let Some(rest) = text.strip_prefix(&format!("{conversation} ")) {
                        let seq: u64 = rest.split(' ').next().unwrap().parse().unwrap();
                        prop_assert!(seq > seen);
                        seen = seq;
                    } else if text.contains("conversation.head") && text.contains(&conversation.to_string()) {
                        let at = text.find(r#""last_seq":"#).unwrap() + 11;
                        let seq: u64 = text[at..].split(',').next().unwrap().parse().unwrap();
                        prop_assert!(seq > seen);
                        seen = seq;
                    }
                }
                prop_assert_eq!(seen, last);
            }
        }
    }
}
