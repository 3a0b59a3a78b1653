//! The opaque cursor of [`Chat::sync`](crate::Chat::sync).

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::{
    ConversationId,
    page::{CursorInvalid, Key},
};
use blegram_persistence::changes::{ChangePosition, SeenPosition};

/// The format version, the first byte of every cursor.
const VERSION: u8 = 1;

/// The position in the list of changes: which transactions of which database the client has seen. Within a response of
/// several pages also the last conversation of the previous page, and the transactions that were visible at the first
/// page, which become the position after the last page.
///
/// The default is the beginning and lists everything. So does a cursor of the previous format, of another database, or
/// from its future.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncCursor(Option<SyncPosition>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct SyncPosition {
    since: Option<SeenPosition>,
    paging: Option<Paging>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Paging {
    start: SeenPosition,
    after: ConversationId,
}

/// One response, of one page or several.
#[derive(Debug)]
pub(crate) struct Walk {
    /// What the client has seen; `None` at first.
    pub(crate) since: Option<ChangePosition>,
    /// What was visible at the first page.
    pub(crate) start: ChangePosition,
    /// The last conversation of the previous page.
    pub(crate) after: Option<ConversationId>,
}

impl SyncCursor {
    /// Continues at this cursor if it is valid for `now`, or else from the beginning.
    pub(crate) fn resume(self, now: &ChangePosition) -> Walk {
        self.0.and_then(|position| position.resume(now)).unwrap_or_else(|| Walk {
            since: None,
            start: now.clone(),
            after: None,
        })
    }
}

impl SyncPosition {
    fn resume(self, now: &ChangePosition) -> Option<Walk> {
        let since = match self.since {
            Some(since) => Some(since.resolve(now)?),
            None => None,
        };
        Some(match self.paging {
            Some(Paging { start, after }) => Walk { since, start: start.resolve(now)?, after: Some(after) },
            None => Walk { since, start: now.clone(), after: None },
        })
    }
}

impl Walk {
    pub(crate) fn continue_after(self, after: ConversationId) -> SyncCursor {
        let paging = Some(Paging { start: SeenPosition::from(&self.start), after });
        SyncCursor(Some(SyncPosition { since: self.since.as_ref().map(SeenPosition::from), paging }))
    }

    pub(crate) fn finish(self) -> SyncCursor {
        SyncCursor(Some(SyncPosition { since: Some(SeenPosition::from(&self.start)), paging: None }))
    }
}

impl fmt::Display for SyncCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![VERSION];
        if let Some(SyncPosition { since, paging }) = &self.0 {
            bytes.push(u8::from(since.is_some()) | u8::from(paging.is_some()) << 1);
            since.iter().for_each(|since| since.write(&mut bytes));
            if let Some(Paging { start, after }) = paging {
                start.write(&mut bytes);
                bytes.extend(after.as_uuid().as_bytes());
            }
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for SyncCursor {
    type Err = CursorInvalid;

    fn from_str(text: &str) -> Result<Self, CursorInvalid> {
        if is_of_previous_version(text) {
            return Ok(Self::default());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorInvalid)?;
        match bytes.split_first() {
            Some((&VERSION, [])) => Ok(Self::default()),
            Some((&VERSION, rest)) => {
                SyncPosition::read(rest).map(|position| Self(Some(position))).ok_or(CursorInvalid)
            }
            _ => Err(CursorInvalid),
        }
    }
}

/// That format is a time in hexadecimal digits, a dot and an id.
fn is_of_previous_version(text: &str) -> bool {
    text.split_once('.')
        .is_some_and(|(at, id)| u64::from_str_radix(at, 16).is_ok() && id.parse::<ConversationId>().is_ok())
}

impl SyncPosition {
    /// Parses what `Display` writes after the version; rejects trailing bytes.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&flags, mut bytes) = bytes.split_first()?;
        let since = if flags & 1 == 1 { Some(SeenPosition::read(&mut bytes)?) } else { None };
        let paging = if flags & 2 == 2 {
            let start = SeenPosition::read(&mut bytes)?;
            let (id, rest) = bytes.split_at_checked(16)?;
            bytes = rest;
            Some(Paging { start, after: ConversationId::from_uuid(Key::from_bytes(id)?) })
        } else {
            None
        };
        (flags <= 3 && bytes.is_empty()).then_some(Self { since, paging })
    }
}

#[cfg(test)]
mod tests {
    use blegram_domain::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn now(database: &str, end: u64, open: &[u64]) -> ChangePosition {
        ChangePosition::new(database.to_owned(), end, open.to_vec())
    }

    fn id() -> ConversationId {
        ConversationId::generate(Timestamp::from_micros(1_790_000_000_000_000).unwrap())
    }

    fn round_trip(cursor: &SyncCursor) -> SyncCursor {
        cursor.to_string().parse().unwrap()
    }

    #[test]
    fn cursor_after_the_last_page_has_the_position_of_the_first() {
        let first = SyncCursor::default().resume(&now("a", 10, &[7]));
        assert_eq!((first.since.clone(), first.after), (None, None));
        let after = id();
        let second = round_trip(&first.continue_after(after)).resume(&now("a", 50, &[]));
        assert_eq!((second.since.clone(), second.after), (None, Some(after)));
        let next = round_trip(&second.finish()).resume(&now("a", 60, &[]));
        let since = next.since.as_ref().map(|since| (since.end, since.open.clone()));
        assert_eq!((since, next.after), (Some((10, vec![7])), None));
    }

    #[test]
    fn cursor_of_another_database_the_future_or_the_old_format_restarts() {
        let cursor = SyncCursor::default().resume(&now("a", 10, &[])).finish();
        let paging = SyncCursor::default().resume(&now("a", 10, &[])).continue_after(id());
        for cursor in [cursor, paging] {
            for other in [now("b", 10, &[]), now("a", 9, &[])] {
                let walk = round_trip(&cursor).resume(&other);
                assert_eq!((walk.since, walk.after), (None, None));
            }
        }
        let old = format!("{:x}.{}", 1_790_000_000_000_000_u64, id());
        assert_eq!(old.parse(), Ok(SyncCursor::default()));
    }

    #[test]
    fn invalid_cursor_is_rejected() {
        let valid = SyncCursor::default().resume(&now("a", 10, &[3, 7])).finish().to_string();
        for invalid in
            ["", "x", "zz.zz", "12.34", &valid[1..], &valid[..valid.len() - 2], &format!("{valid}AAAA")]
        {
            assert_eq!(invalid.parse::<SyncCursor>(), Err(CursorInvalid), "{invalid}");
        }
    }

    proptest! {
        #[test]
        fn cursor_round_trips_through_its_text(
            end in 0..i64::MAX as u64,
            open in prop::collection::vec(0..i64::MAX as u64, 0..40),
            is_paging: bool,
        ) {
            let walk = SyncCursor::default().resume(&now("a", end, &open));
            let cursor = if is_paging { walk.continue_after(id()) } else { walk.finish() };
            prop_assert_eq!(round_trip(&cursor), cursor);
        }

        #[test]
        fn cursor_parsing_never_panics(text in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = text.parse::<SyncCursor>();
            let _ = URL_SAFE_NO_PAD.encode(&bytes).parse::<SyncCursor>();
            let _ = URL_SAFE_NO_PAD.encode([&[VERSION][..], &bytes].concat()).parse::<SyncCursor>();
        }
    }
}
