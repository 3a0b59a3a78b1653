//! Typed ids: UUIDv7 (RFC 9562), so that ids sort by creation time, as bytes and as text.
//!
//! All ids of a process come from one monotonic generator: two ids generated one after the other compare in that order,
//! even within a millisecond, or after the clock stepped back. [`advance_past`] moves the generator past ids of other
//! processes, or of this one before a restart.
//!
//! An id defines an order; it is no reliable record of time. While stored ids are ahead of the clock (because the clock
//! was wrong once), new ids carry the time of the newest one until the clock has caught up.

use std::{fmt, str::FromStr, sync::Mutex};

use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Uuid};

use crate::Timestamp;

/// A text that is not an id: ids are written as 36 characters with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id must be a UUID with hyphens, such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct ParseIdError;

/// An id that no clock can have generated: not a UUIDv7, or later than the year 9999. The generator rejects it, because
/// no larger id may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a UUIDv7 from the year 9999 or earlier")]
pub struct UnreachableId(Uuid);

static GENERATOR: Mutex<ContextV7> = Mutex::new(ContextV7::new());

static SEPARATE_GENERATOR: Mutex<ContextV7> = Mutex::new(ContextV7::new());

// The end of the year 9999, the last that RFC 3339 can express. A UUIDv7 can express years up to 10889, so the counter
// of the generator can overflow into the time without wrapping around.
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

/// Makes every id that this process generates from now on larger than `id`, whatever the clock shows.
///
/// # Errors
/// `id` is unreachable; the generator does not change.
pub fn advance_past(id: Uuid) -> Result<(), UnreachableId> {
    advance(&GENERATOR, id)
}

fn advance(generator: &Mutex<ContextV7>, id: Uuid) -> Result<(), UnreachableId> {
    let millis = millis_of(id).ok_or(UnreachableId(id))?;
    // Generates one id and discards it: all later ids carry at least its millisecond, which is larger than any counter
    // value of an earlier one. A generator that is already further ahead does not change.
    next(generator, (millis + 1) * 1_000);
    Ok(())
}

fn millis_of(id: Uuid) -> Option<u64> {
    let millis = u64::try_from(id.as_u128() >> 80).ok()?;
    (id.get_version_num() == 7 && millis <= LAST_MILLIS).then_some(millis)
}

/// The instant that an id carries: its creation time, or a later one while the stored ids were ahead of the clock.
///
/// # Errors
/// `id` is unreachable.
pub fn instant_of(id: Uuid) -> Result<Timestamp, UnreachableId> {
    millis_of(id)
        .and_then(|millis| Timestamp::from_micros(i64::try_from(millis).ok()? * 1_000))
        .ok_or(UnreachableId(id))
}

// One spelling per id: `Uuid` alone would also parse the simple, braced and URN forms.
fn parse(text: &str) -> Result<Uuid, ParseIdError> {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(ParseIdError);
    }
    Uuid::try_parse(text).map_err(|_| ParseIdError)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// Generates an id larger than every id that this process generated before.
            pub fn generate(now: Timestamp) -> Self {
                Self(generate(now))
            }

            /// The smallest possible id of an instant, as a bound for queries by time.
            pub fn first_of(instant: Timestamp) -> Self {
                let millis = u64::try_from(instant.as_micros()).unwrap_or(0) / 1000;
                Self(Uuid::from_u128(u128::from(millis) << 80))
            }

            /// Wraps a stored UUID.
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
    /// A post. Posts and comments share one id space.
    PostId;
    /// A login of one browser or device.
    SessionId;
    /// One issue of tokens to a native app: the `jti` of the access token, and the id of the refresh token issued with
    /// it.
    TokenId;
    /// A second factor of an account.
    FactorId;
    /// A revision of a post or comment.
    RevisionId;
    /// A comment or a reply. Posts and comments share one id space.
    CommentId;
    /// A follow, follow request, block or mute; sorts by creation time.
    RelationId;
    /// A like; sorts by creation time.
    LikeId;
    /// A bookmark of a post.
    BookmarkId;
    /// A notification.
    NotificationId;
    /// A report to the moderators.
    ReportId;
    /// A conversation.
    ConversationId;
    /// A message in a conversation.
    MessageId;
    /// The id that a sender's device gave to a message.
    ClientId;
    /// An image.
    MediaId;
    /// An announced direct upload to storage.
    UploadId;
    /// A recent search.
    RecentSearchId;
    /// An entry of the audit log.
    AuditEventId;
    /// A mail that waits to be sent.
    MailId;
    /// A link at a login provider that waits to be ended.
    UnlinkId;
    /// A background job.
    JobId;
    /// A request, in logs and problem responses.
    RequestId;
    /// A connection to the gateway, in logs and in its first frame.
    ConnectionId;
    /// An id of any kind, where only the order matters.
    AnyId;
}

impl RequestId {
    /// Generates an id for a request that is rejected before the clock is checked. It comes from a separate generator,
    /// so that a wrong clock does not advance the other ids of this process.
    pub fn generate_separately(now: Timestamp) -> Self {
        Self(generate_from(&SEPARATE_GENERATOR, now))
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

    // A UUIDv7 with any counter, up to the largest of its millisecond.
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
    fn ids_of_rejected_requests_do_not_advance_the_generator() {
        let late = at(LAST_MILLIS - 1);
        let rejected = [RequestId::generate_separately(late), RequestId::generate_separately(late)];
        assert!(rejected[0] < rejected[1]);
        assert!(PostId::generate(at(1_790_000_000_000)).as_uuid() < rejected[0].as_uuid());
    }

    proptest! {
        #[test]
        fn ids_increase_past_every_advanced_id(
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
        fn unreachable_id_does_not_advance_the_generator(bits in any::<u128>(), beyond in LAST_MILLIS + 1..(1 << 48)) {
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
    fn counter_overflow_in_the_last_millisecond_does_not_wrap_around() {
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
    fn ids_increase_past_an_id_of_another_process() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let ahead = v7(1_790_000_000_000 + 200 * 24 * 3_600_000, u128::MAX);
        advance_past(ahead).unwrap();
        let id = PostId::generate(now);
        assert!(id.as_uuid() > ahead);
        assert!(PostId::generate(now) > id);
    }

    #[test]
    fn ids_increase_while_the_clock_stops_or_steps_back() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let mut last = PostId::generate(now);
        for step in 0..10_000 {
            let id = PostId::generate(now - Duration::from_millis(step % 3));
            assert!(id > last && id.to_string() > last.to_string());
            last = id;
        }
    }

    #[test]
    fn id_has_one_spelling() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(id.parse::<UserId>().unwrap().to_string(), id);
        for other in
            ["", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}", "no-id"]
        {
            assert_eq!(other.parse::<UserId>(), Err(ParseIdError), "{other}");
        }
    }
}
