//! A short-lived cache of session look-ups, for clients that send many requests per second.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use blegram_domain::TokenId;
use blegram_persistence::sessions::{FoundSession, TokenHash};
use quick_cache::sync::Cache;

/// The maximum age of an entry: a session that another node ends is rejected here after at most this time.
pub const MAX_AGE: Duration = Duration::from_secs(1);

/// The number of cached sessions; beyond it, requests query the database more often.
const CAPACITY: usize = 20_000;

/// The credential that a session was looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CacheKey {
    Cookie(TokenHash),
    Bearer(TokenId),
}

#[derive(Debug, Clone)]
struct Entry {
    found: FoundSession,
    /// By the monotonic clock.
    read_at: Duration,
    epoch: u64,
}

/// Recent results of session queries. Any session change on this node invalidates all entries: changes are rare, and no
/// entry can be missed.
#[derive(Debug)]
pub(crate) struct SessionCache {
    entries: Cache<CacheKey, Entry>,
    epoch: AtomicU64,
}

/// The moment before a database query; its result is not cached if a session ended since.
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

    /// The cached result with the moment of its query: reading an entry does not renew it.
    pub(crate) fn get(&self, key: &CacheKey, moment: Moment) -> Option<(FoundSession, Moment)> {
        let entry = self.entries.get(key)?;
        let is_fresh = moment.now.saturating_sub(entry.read_at) < MAX_AGE;
        let query_moment = Moment { now: entry.read_at, epoch: entry.epoch };
        (entry.epoch == moment.epoch && is_fresh).then_some((entry.found, query_moment))
    }

    pub(crate) fn insert(&self, key: CacheKey, moment: Moment, found: FoundSession) {
        self.entries.insert(key, Entry { found, read_at: moment.now, epoch: moment.epoch });
    }

    /// Invalidates all entries.
    pub(crate) fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}
