//! How files are received over slow connections: what each may take of memory, disk and time, and how many at once.
//!
//! A place is taken before the first byte is read and given back when the request ends, however it ends: a connection
//! that breaks drops the future, and the future drops its [`Permit`]. Each account has a share of the places, so that
//! one account cannot take them all.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use blegram_domain::{UploadId, UserId};

use crate::{Error, Result};

/// Limits on files that are being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveLimits {
    /// Requests of each kind (direct uploads, forms, completions) that this process works on at the same time. Above it
    /// the answer is [`Error::Overloaded`].
    pub at_once: usize,
    /// The same of one account. Above it the answer is [`Error::TooManyAtOnce`].
    pub per_account: usize,
    /// The average rate that a body must have, beyond the first [`ReceiveLimits::grace`].
    pub min_bytes_per_second: u64,
    /// How long any body may take.
    pub grace: Duration,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        Self { at_once: 64, per_account: 8, min_bytes_per_second: 16 * 1024, grace: Duration::from_secs(60) }
    }
}

impl ReceiveLimits {
    /// How long a body of `bytes` may take as a whole.
    pub fn patience(&self, bytes: u64) -> Duration {
        self.grace + Duration::from_secs(bytes / self.min_bytes_per_second.max(1))
    }
}

/// Places on this node, of which each account has a share; cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    at_once: usize,
    per_account: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_account: HashMap<UserId, usize>,
}

impl Budget {
    pub(crate) fn new(limits: &ReceiveLimits) -> Self {
        let (at_once, per_account) = (limits.at_once, limits.per_account);
        Self(Arc::new(Shared { at_once, per_account, taken: Mutex::default() }))
    }

    /// A place for `account`.
    ///
    /// # Errors
    /// [`Error::TooManyAtOnce`] when the account uses its share; [`Error::Overloaded`] when the node has no place.
    pub fn take(&self, account: UserId) -> Result<Permit> {
        let mut taken = lock(&self.0.taken);
        let of_account = taken.by_account.get(&account).copied().unwrap_or(0);
        if of_account >= self.0.per_account {
            return Err(Error::TooManyAtOnce(self.0.per_account));
        }
        if taken.all >= self.0.at_once {
            return Err(Error::Overloaded);
        }
        taken.all += 1;
        taken.by_account.insert(account, of_account + 1);
        Ok(Permit { budget: Arc::clone(&self.0), account })
    }
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Shared>,
    account: UserId,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = lock(&self.budget.taken);
        taken.all = taken.all.saturating_sub(1);
        let left = taken.by_account.get(&self.account).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            taken.by_account.remove(&self.account);
        } else {
            taken.by_account.insert(self.account, left);
        }
    }
}

/// Uploads whose file is being received; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct InProgress(Arc<Mutex<HashSet<UploadId>>>);

impl InProgress {
    /// Marks an upload as being received until the guard is dropped.
    pub(crate) fn begin(&self, id: UploadId) -> Result<InProgressGuard> {
        if !lock(&self.0).insert(id) {
            return Err(Error::InProgress);
        }
        Ok(InProgressGuard { all: self.clone(), id })
    }
}

#[derive(Debug)]
pub(crate) struct InProgressGuard {
    all: InProgress,
    id: UploadId,
}

impl Drop for InProgressGuard {
    fn drop(&mut self) {
        lock(&self.all.0).remove(&self.id);
    }
}

/// Nothing is half-done in these maps when a thread panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use blegram_domain::Timestamp;

    use super::*;

    #[test]
    fn an_account_has_a_share_and_the_node_a_bound() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let [ann, bob, cho] = [0, 1, 2].map(|_| UserId::generate(now));
        let budget = Budget::new(&ReceiveLimits { at_once: 3, per_account: 2, ..ReceiveLimits::default() });
        let of_ann = [budget.take(ann).unwrap(), budget.take(ann).unwrap()];
        assert!(matches!(budget.take(ann), Err(Error::TooManyAtOnce(2))));
        let _of_bob = budget.take(bob).unwrap();
        assert!(matches!(budget.take(cho), Err(Error::Overloaded)));
        drop(of_ann);
        assert!(budget.take(cho).is_ok() && budget.take(ann).is_ok());
        assert_eq!(lock(&budget.0.taken).by_account.len(), 1, "accounts without places are forgotten");
    }
}
