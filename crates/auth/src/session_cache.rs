//! What sessions were found to be, for a moment: a busy client asks many times a second.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use blegram_domain::TokenId;
use blegram_persistence::sessions::{Found, TokenHash};
use quick_cache::sync::Cache;

/// How old an answer may be: what another node ends is ended here after this long.
pub const MAX_AGE: Duration = Duration::from_secs(1);

/// Clients in a second that are worth remembering; more only means more questions to the database.
const CAPACITY: usize = 20_000;

/// What a session was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Cookie(TokenHash),
    Bearer(TokenId),
}

#[derive(Debug, Clone)]
struct Entry {
    found: Found,
    /// By the monotonic clock.
    read_at: Duration,
    epoch: u64,
}

/// Recent answers of the database. Whatever this node ends makes all of them stale at once: that is rare, and nothing
/// can be forgotten.
#[derive(Debug)]
pub(crate) struct SessionCache {
    entries: Cache<Key, Entry>,
    epoch: AtomicU64,
}

/// The moment before a question to the database; its answer is no news if something ended since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// By the monotonic clock.
    now: Duration,
    epoch: u64,
}

impl SessionCache {
    pub(crate) fn new() -> Self {
        Self { entries: Cache::new(CAPACITY), epoch: AtomicU64::new(0) }
    }

    pub(crate) fn moment(&self, now: Duration) -> Moment {
        Moment { now, epoch: self.epoch.load(Ordering::SeqCst) }
    }

    /// What is known, and the moment of the question that it answers: an answer does not get younger by being read.
    pub(crate) fn get(&self, key: &Key, moment: Moment) -> Option<(Found, Moment)> {
        let entry = self.entries.get(key)?;
        let is_fresh = moment.now.saturating_sub(entry.read_at) < MAX_AGE;
        let asked = Moment { now: entry.read_at, epoch: entry.epoch };
        (entry.epoch == moment.epoch && is_fresh).then_some((entry.found, asked))
    }

    pub(crate) fn insert(&self, key: Key, moment: Moment, found: Found) {
        self.entries.insert(key, Entry { found, read_at: moment.now, epoch: moment.epoch });
    }

    /// Makes everything stale.
    pub(crate) fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}
