//! Keys of audiences, and the partitions that they belong to.
//!
//! A node subscribes to partitions and not to single users, so that the number of subscriptions is bounded. The number
//! of partitions and the hash are part of the protocol between nodes: two versions that disagree would not reach each
//! other.

use std::{fmt, str::FromStr};

use blegram_domain::UserId;
use twox_hash::XxHash3_128;

/// The number of partitions of users, and of topics.
const EACH: u128 = 128;

/// Whom an envelope is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// The connections of a user.
    User(UserId),
    /// The subscribers of a topic, by its name.
    Topic(String),
    /// Every node.
    All,
}

/// A part of all users or of all topics, or what concerns every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// Every node; always subscribed.
    All,
    /// A part of the users.
    Users(u8),
    /// A part of the topics.
    Topics(u8),
}

impl Key {
    /// The partition of the key.
    pub fn partition(&self) -> Partition {
        match self {
            Self::User(user) => Partition::Users(number(user.as_uuid().as_bytes())),
            Self::Topic(topic) => Partition::Topics(number(topic.as_bytes())),
            Self::All => Partition::All,
        }
    }
}

fn number(bytes: &[u8]) -> u8 {
    u8::try_from(XxHash3_128::oneshot(bytes) % EACH).unwrap_or_default()
}

/// A text that is not a [`Key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must be u:<id>, t:<topic> or *")]
pub struct ParseKeyError;

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "u:{user}"),
            Self::Topic(topic) => write!(f, "t:{topic}"),
            Self::All => f.write_str("*"),
        }
    }
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        match text.split_once(':') {
            Some(("u", id)) => id.parse().map(Self::User).map_err(|_| ParseKeyError),
            Some(("t", topic)) => Ok(Self::Topic(topic.to_owned())),
            _ if text == "*" => Ok(Self::All),
            _ => Err(ParseKeyError),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Users(number) => write!(f, "u:{number}"),
            Self::Topics(number) => write!(f, "t:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use uuid::Uuid;

    use super::*;

    fn user(n: u128) -> Key {
        Key::User(UserId::from_uuid(Uuid::from_u128(n)))
    }

    /// Nodes of two versions must agree.
    #[test]
    fn partitions_never_change() {
        let keys = [user(1), user(2), Key::Topic("timeline:home".into()), Key::Topic("hashtag:제주".into())];
        let partitions = keys.map(|key| key.partition().to_string());
        assert_eq!(partitions, ["u:29", "u:20", "t:43", "t:35"]);
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let users: HashSet<Partition> = (0..4000).map(|n| user(n).partition()).collect();
        let topics: HashSet<_> = (0..4000).map(|n| Key::Topic(n.to_string()).partition()).collect();
        assert_eq!((users.len(), topics.len()), (128, 128));
    }

    #[test]
    fn keys_round_trip_as_text() {
        for key in [user(7), Key::Topic("user:1".into()), Key::All] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for text in ["", "u:ann", "x:1", "**"] {
            assert_eq!(text.parse::<Key>(), Err(ParseKeyError), "{text}");
        }
    }
}
