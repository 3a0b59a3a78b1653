//! What a client knows of a conversation: the events up to a cursor, without gaps.

use serde_json::Value;

/// A message as it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) seq: u64,
    pub(crate) client_id: String,
}

#[derive(Default)]
pub(super) struct Timeline {
    cursor: u64,
    /// The highest `seq` that the client has heard of.
    head: u64,
    is_pulling: bool,
    pub(super) applied: Vec<Applied>,
}

impl Timeline {
    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    pub(super) fn note_head(&mut self, last_seq: u64) {
        self.head = self.head.max(last_seq);
    }

    /// Applies the next event, and returns whether it was that; ignores a known one; notes that others are missing before
    /// a later one.
    pub(super) fn offer(&mut self, event: &Value) -> bool {
        let Some(seq) = event["seq"].as_u64() else { return false };
        self.note_head(seq);
        if seq != self.cursor + 1 {
            return false;
        }
        self.cursor = seq;
        // Of events that are not messages only the number counts. Messages are created once, and nothing edits them here.
        if let Some(client_id) = event["message"]["client_id"].as_str() {
            self.applied.push(Applied { seq, client_id: client_id.into() });
        }
        true
    }

    /// Where to read from, if events are missing and are not being read.
    pub(super) fn begin_pull(&mut self) -> Option<u64> {
        let is_needed = self.head > self.cursor && !self.is_pulling;
        self.is_pulling |= is_needed;
        is_needed.then_some(self.cursor)
    }

    /// Reading has ended, or failed.
    pub(super) fn end_pull(&mut self) {
        self.is_pulling = false;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(seq: u64) -> Value {
        json!({"seq": seq, "message": {"client_id": seq.to_string()}})
    }

    #[test]
    fn missing_events_are_pulled_and_repeated_ones_ignored() {
        let mut timeline = Timeline::default();
        let applied = [1, 2, 2, 1, 5].map(|seq| timeline.offer(&event(seq)));
        assert_eq!(applied, [true, true, false, false, false]);
        assert_eq!((timeline.cursor(), timeline.begin_pull(), timeline.begin_pull()), (2, Some(2), None));
        assert!([3, 4, 5].iter().all(|seq| timeline.offer(&event(*seq))));
        timeline.end_pull();
        let applied: Vec<u64> = timeline.applied.iter().map(|applied| applied.seq).collect();
        assert_eq!((applied, timeline.begin_pull()), (vec![1, 2, 3, 4, 5], None));
        timeline.note_head(6);
        assert_eq!(timeline.begin_pull(), Some(5));
        timeline.end_pull();
        assert_eq!(timeline.begin_pull(), Some(5));
    }
}
