//! The unit that the bus carries.
//!
//! On the wire, an envelope is one line of JSON (the head) and the payload after it. The head is parsed first, so that
//! a node skips what it has no audience for, and what it does not know, without parsing the payload.

use std::borrow::Cow;

use blegram_domain::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Key;

/// The version of the wire format. A node ignores envelopes with a larger one: they come from a newer node, and what
/// they report is found in the database.
pub const VERSION: u16 = 1;

/// An event on its way to other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The version of the format.
    pub version: u16,
    /// The kind of the event, such as `chat.appended`. Receivers ignore kinds that they do not know.
    pub kind: Cow<'static, str>,
    /// The audience.
    pub keys: Vec<Key>,
    /// The event.
    pub payload: Bytes,
}

impl Envelope {
    /// An envelope of the current version.
    pub fn new(kind: impl Into<Cow<'static, str>>, keys: Vec<Key>, payload: impl Into<Bytes>) -> Self {
        Self { version: VERSION, kind: kind.into(), keys, payload: payload.into() }
    }
}

/// Identifies an envelope: the node that published it, and its number there. An envelope with several partitions
/// arrives several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// The random number of the node's connection to the bus.
    #[serde(rename = "o")]
    pub(crate) origin: u64,
    #[serde(rename = "n")]
    pub(crate) number: u64,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    #[serde(rename = "v")]
    version: u16,
    #[serde(flatten)]
    stamp: Stamp,
    #[serde(rename = "k")]
    kind: Cow<'a, str>,
    #[serde(rename = "to")]
    keys: Vec<String>,
    /// When it was made, in microseconds of the publisher's clock. Nodes of earlier versions send none.
    #[serde(rename = "at", default, skip_serializing_if = "Option::is_none")]
    made_at: Option<i64>,
}

/// Only what every version has.
#[derive(Deserialize)]
struct AnyHead {
    #[serde(rename = "v")]
    version: u16,
}

/// Why bytes are not an envelope for this node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It has a newer version.
    Newer,
    /// It is not an envelope.
    Malformed,
}

pub(crate) fn encode(envelope: &Envelope, stamp: Stamp, now: Timestamp) -> Vec<u8> {
    let head = Head {
        version: envelope.version,
        stamp,
        kind: Cow::Borrowed(&envelope.kind),
        keys: envelope.keys.iter().map(ToString::to_string).collect(),
        made_at: Some(now.as_micros()),
    };
    // Serialising strings and numbers into memory cannot fail.
    let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend_from_slice(&envelope.payload);
    bytes
}

/// A received envelope.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) envelope: Envelope,
    pub(crate) stamp: Stamp,
    /// When it was made, by the publisher's clock.
    pub(crate) made_at: Option<Timestamp>,
}

pub(crate) fn decode(bytes: &Bytes) -> Result<Received, Unreadable> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(Unreadable::Malformed)?;
    let line = &bytes[..end];
    let AnyHead { version } = serde_json::from_slice(line).map_err(|_| Unreadable::Malformed)?;
    if version > VERSION {
        return Err(Unreadable::Newer);
    }
    let head: Head<'_> = serde_json::from_slice(line).map_err(|_| Unreadable::Malformed)?;
    let keys: Result<_, _> = head.keys.iter().map(|key| key.parse()).collect();
    let envelope = Envelope {
        version,
        kind: Cow::Owned(head.kind.into_owned()),
        keys: keys.map_err(|_| Unreadable::Malformed)?,
        payload: bytes.slice(end + 1..),
    };
    let made_at = head.made_at.and_then(Timestamp::from_micros);
    Ok(Received { envelope, stamp: head.stamp, made_at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAMP: Stamp = Stamp { origin: u64::MAX, number: 3 };

    proptest! {
        #[test]
        fn envelopes_round_trip(kind in "[a-z.\n\"]{0,20}", topic in ".{0,20}", payload: Vec<u8>) {
            let envelope = Envelope::new(kind, vec![Key::Topic(topic), Key::All], payload);
            let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
            let bytes = Bytes::from(encode(&envelope, STAMP, now));
            prop_assert_eq!(decode(&bytes), Ok(Received { envelope, stamp: STAMP, made_at: Some(now) }));
        }

        #[test]
        fn any_bytes_are_handled(bytes: Vec<u8>) {
            let _ = decode(&Bytes::from(bytes));
        }
    }

    /// A newer version may change everything but the field `v`; a field that is added within a version is ignored.
    #[test]
    fn newer_versions_are_recognised() {
        let newer = Bytes::from_static(b"{\"v\":2,\"everything\":{\"else\":1}}\n...");
        assert_eq!(decode(&newer), Err(Unreadable::Newer));
        let extended =
            Bytes::from_static(b"{\"v\":1,\"o\":1,\"n\":2,\"k\":\"a.b\",\"to\":[\"*\"],\"new\":1}\nx");
        let Received { envelope, stamp, made_at } = decode(&extended).unwrap();
        assert_eq!(made_at, None, "nodes of earlier versions send none");
        assert_eq!((envelope.kind.as_ref(), &envelope.payload[..], stamp.number), ("a.b", &b"x"[..], 2));
    }
}
