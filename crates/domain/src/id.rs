//! Typed ids: UUIDv7 (RFC 9562), so that ids sort by time of creation, as bytes and as text.
//!
//! All ids of a process come from one generator that never goes back: two ids made one after the
//! other compare in that order even within a millisecond, or when the clock stepped back. What
//! other processes made, or this one before it was restarted, is followed by [`advance_past`].
//!
//! An id orders; it is no record of time. While the stored ids are ahead of the clock (because it
//! was wrong once), new ones carry the time of the newest until the clock has caught up.

use std::{fmt, str::FromStr, sync::Mutex};

use uuid::{ContextV7, Uuid};

use crate::Timestamp;

/// A text that is no id: ids are written as 36 characters with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a UUID written with hyphens, such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct ParseIdError;

/// An id that no clock can have made: not a UUIDv7, or from beyond the year 9999. No generator can
/// be asked to continue after it, because there may be no larger id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an id that a clock can have made")]
pub struct UnreachableId(Uuid);

static GENERATOR: Mutex<ContextV7> = Mutex::new(ContextV7::new());

static APART: Mutex<ContextV7> = Mutex::new(ContextV7::new());

// The end of the year 9999, the last that RFC 3339 can write. A UUIDv7 has room up to the year
// 10889, so the counter of the generator can overflow into the time without wrapping around.
const LAST_MILLIS: u64 = 253_402_300_799_999;

fn generate(now: Timestamp) -> Uuid {
    generate_from(&GENERATOR, now)
}

fn generate_from(generator: &Mutex<ContextV7>, now: Timestamp) -> Uuid {
    let micros = now.as_micros().max(0).unsigned_abs().min(LAST_MILLIS * 1_000);
    Uuid::new_v7(next(generator, micros))
}

fn next(generator: &Mutex<ContextV7>, micros: u64) -> uuid::Timestamp {
    let (seconds, nanos) = (micros / 1_000_000, (micros % 1_000_000) * 1_000);
    uuid::Timestamp::from_unix(generator, seconds, u32::try_from(nanos).unwrap_or_default())
}

/// Makes every id that this process generates from now on larger than `id`, whatever the clock says.
///
/// # Errors
/// No clock can have made `id`; the generator stays as it was.
pub fn advance_past(id: Uuid) -> Result<(), UnreachableId> {
    advance(&GENERATOR, id)
}

fn advance(generator: &Mutex<ContextV7>, id: Uuid) -> Result<(), UnreachableId> {
    let millis = made_in_millis(id).ok_or(UnreachableId(id))?;
    // One is generated and thrown away: all that follow are as late, and a later millisecond is
    // larger than any counter of an earlier one. A generator that is further already stays.
    next(generator, (millis + 1) * 1_000);
    Ok(())
}

fn made_in_millis(id: Uuid) -> Option<u64> {
    let millis = u64::try_from(id.as_u128() >> 80).ok()?;
    (id.get_version_num() == 7 && millis <= LAST_MILLIS).then_some(millis)
}

/// The instant that an id carries: when it was made, or later while the stored ids were ahead of
/// the clock.
///
/// # Errors
/// No clock can have made `id`.
pub fn instant_of(id: Uuid) -> Result<Timestamp, UnreachableId> {
    made_in_millis(id)
        .and_then(|millis| Timestamp::from_micros(i64::try_from(millis).ok()? * 1_000))
        .ok_or(UnreachableId(id))
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
    /// An id of any kind, where only the order counts.
    AnyId;
}

impl RequestId {
    /// An id of a request that is refused before anything looks at it, by a clock that is not checked yet. No other id of
    /// this process follows it.
    pub fn generate_apart(now: Timestamp) -> Self {
        Self(generate_from(&APART, now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(i64::try_from(millis).unwrap() * 1_000).unwrap()
    }

    // A UUIDv7 with any counter: the largest of its millisecond as well.
    fn v7(millis: u64, rest: u128) -> Uuid {
        let bits = (u128::from(millis) << 80) | (rest & ((1 << 80) - 1));
        let versioned = (bits & !(0xF << 76)) | (7 << 76);
        Uuid::from_u128((versioned & !(3 << 62)) | (2 << 62))
    }

    fn any_millis() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(LAST_MILLIS), 0..=LAST_MILLIS, 1_790_000_000_000..1_790_000_000_003_u64]
    }

    fn any_v7() -> impl Strategy<Value = Uuid> {
        (any_millis(), prop_oneof![Just(u128::MAX), Just(0), any::<u128>()]).prop_map(|(m, rest)| v7(m, rest))
    }

    #[derive(Debug, Clone)]
    enum Step {
        Generate(u64),
        Advance(Uuid),
    }

    #[test]
    fn ids_of_refused_requests_move_no_others() {
        let late = at(LAST_MILLIS - 1);
        let refused = [RequestId::generate_apart(late), RequestId::generate_apart(late)];
        assert!(refused[0] < refused[1]);
        assert!(PostId::generate(at(1_790_000_000_000)).as_uuid() < refused[0].as_uuid());
    }

    proptest! {
        #[test]
        fn ids_grow_and_pass_every_id_that_was_advanced_past(
            steps in proptest::collection::vec(
                prop_oneof![any_millis().prop_map(Step::Generate), any_v7().prop_map(Step::Advance)],
                1..60,
            )
        ) {
            let generator = Mutex::new(ContextV7::new());
            let mut largest = Uuid::nil();
            for step in steps {
                match step {
                    Step::Generate(millis) => {
                        let id = generate_from(&generator, at(millis));
                        prop_assert!(id > largest, "{id} after {largest}");
                        largest = id;
                    }
                    Step::Advance(id) => {
                        advance(&generator, id).unwrap();
                        largest = largest.max(id);
                    }
                }
            }
            prop_assert!(generate_from(&generator, at(0)) > largest);
        }

        #[test]
        fn an_unreachable_id_moves_nothing(bits in any::<u128>(), beyond in LAST_MILLIS + 1..(1 << 48)) {
            let generator = Mutex::new(ContextV7::new());
            let is_v7 = Uuid::from_u128(bits).get_version_num() == 7;
            for id in [(!is_v7).then_some(Uuid::from_u128(bits)), Some(v7(beyond, bits))].into_iter().flatten() {
                prop_assert_eq!(advance(&generator, id), Err(UnreachableId(id)));
                prop_assert_eq!(instant_of(id), Err(UnreachableId(id)));
            }
            let id = generate_from(&generator, at(5));
            prop_assert_eq!(instant_of(id), Ok(at(5)));
        }
    }

    #[test]
    fn a_counter_that_overflows_in_the_last_millisecond_wraps_nothing() {
        let generator = Mutex::new(ContextV7::new());
        advance(&generator, v7(LAST_MILLIS, u128::MAX)).unwrap();
        let mut last = generate_from(&generator, at(LAST_MILLIS));
        for _ in 0..10_000 {
            let id = generate_from(&generator, Timestamp::from_micros(0).unwrap() + Duration::MAX);
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }

    #[test]
    fn ids_of_this_process_pass_an_id_of_another() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let ahead = v7(1_790_000_000_000 + 200 * 24 * 3_600_000, u128::MAX);
        advance_past(ahead).unwrap();
        let id = PostId::generate(now);
        assert!(id.as_uuid() > ahead);
        assert!(PostId::generate(now) > id);
    }

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
