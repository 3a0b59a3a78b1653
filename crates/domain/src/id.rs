//! Typed ids: UUIDv7 (RFC 9562), so that ids sort by time of creation, as bytes and as text.
//!
//! All ids of a process come from one generator that never goes back: two ids made one after the
//! other compare in that order even within a millisecond, or when the clock stepped back.

use std::{fmt, str::FromStr, sync::Mutex};

use uuid::{ContextV7, Uuid};

use crate::Timestamp;

/// A text that is no id: ids are written as 36 characters with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a UUID written with hyphens, such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct ParseIdError;

static GENERATOR: Mutex<ContextV7> = Mutex::new(ContextV7::new());

fn generate(now: Timestamp) -> Uuid {
    let micros = now.as_micros().max(0).unsigned_abs();
    let (seconds, nanos) = (micros / 1_000_000, (micros % 1_000_000) * 1_000);
    let nanos = u32::try_from(nanos).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(&GENERATOR, seconds, nanos))
}

// One spelling per id: `Uuid` alone would also read the simple, braced and URN forms.
fn parse(text: &str) -> Result<Uuid, ParseIdError> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(ParseIdError);
    }
    Uuid::try_parse(text).map_err(|_| ParseIdError)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, larger than every id that this process made before.
            pub fn generate(now: Timestamp) -> Self {
                Self(generate(now))
            }

            /// The smallest id of an instant: ids hold when they were made.
            pub fn first_of(instant: Timestamp) -> Self {
                let millis = u64::try_from(instant.as_micros()).unwrap_or(0) / 1000;
                Self(Uuid::from_u128(u128::from(millis) << 80))
            }

            /// The id stored as `id`.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The id as it is stored and sent.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )*};
}

ids! {
    /// An account and its profile.
    UserId;
    /// A post. Posts and comments share one space of ids.
    PostId;
    /// A login of one browser or device.
    SessionId;
    /// One issue of tokens to a native app: the `jti` of its access token, and the refresh token that came with it.
    TokenId;
    /// A text that a post or comment had.
    RevisionId;
    /// A comment, or a reply to one. Posts and comments share one space of ids.
    CommentId;
    /// That somebody follows somebody, asks to, blocks or mutes them: when it came about.
    RelationId;
    /// That somebody likes something: when they began to.
    LikeId;
    /// That somebody bookmarked a post.
    BookmarkId;
    /// Something that somebody was told.
    NotificationId;
    /// What somebody told moderators.
    ReportId;
    /// A conversation.
    ConversationId;
    /// A message in a conversation.
    MessageId;
    /// What the device of a sender calls a message.
    ClientId;
    /// An image.
    MediaId;
    /// A file that was announced and is to be put into storage.
    UploadId;
    /// What somebody looked for.
    RecentSearchId;
    /// A piece of work that must not be lost.
    JobId;
    /// One request, in logs and in error answers.
    RequestId;
    /// One live connection to the gateway, in logs and in its first frame.
    ConnectionId;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ids_grow_while_the_clock_stands_still_or_steps_back() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let mut last = PostId::generate(now);
        for step in 0..10_000 {
            let id = PostId::generate(now - Duration::from_millis(step % 3));
            assert!(id > last && id.to_string() > last.to_string());
            last = id;
        }
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(id.parse::<UserId>().unwrap().to_string(), id);
        for other in
            ["", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}", "no-id"]
        {
            assert_eq!(other.parse::<UserId>(), Err(ParseIdError), "{other}");
        }
    }
}
