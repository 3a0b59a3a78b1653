//! Limits for receiving files over slow connections: memory, disk and time per file, and the number of concurrent
//! requests.
//!
//! A request takes a [`Permit`] before it reads the first byte. Dropping the permit releases it, however the request
//! ends: a broken connection drops the future, and with it the permit. The limit per account prevents one account from
//! taking all permits.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use blegram_domain::{UploadId, UserId};

use crate::{Error, Result};

/// Limits for receiving files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveLimits {
    /// The number of requests of each kind (direct uploads, forms, completions) that this process handles concurrently.
    /// Further ones fail with [`Error::Overloaded`].
    pub at_once: usize,
    /// The same limit for one account. Further requests fail with [`Error::TooManyAtOnce`].
    pub per_account: usize,
    /// The minimum average rate of a body, after the [`ReceiveLimits::grace`] period.
    pub min_bytes_per_second: u64,
    /// The time that any body may take, whatever its size.
    pub grace: Duration,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        Self { at_once: 64, per_account: 8, min_bytes_per_second: 16 * 1024, grace: Duration::from_secs(60) }
    }
}

impl ReceiveLimits {
    /// The longest time for a body of `bytes`.
    pub fn patience(&self, bytes: u64) -> Duration {
        self.grace + Duration::from_secs(bytes / self.min_bytes_per_second.max(1))
    }
}

/// The permits of this node, limited per account; cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    at_once: usize,
    per_account: usize,
    usage: Mutex<Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    all: usize,
    by_account: HashMap<UserId, usize>,
}

impl Budget {
    pub(crate) fn new(limits: &ReceiveLimits) -> Self {
        let (at_once, per_account) = (limits.at_once, limits.per_account);
        Self(Arc::new(Shared { at_once, per_account, usage: Mutex::default() }))
    }

    /// Takes a permit for `account`.
    ///
    /// # Errors
    /// [`Error::TooManyAtOnce`] if the account is at its limit; [`Error::Overloaded`] if the node is.
    pub fn take(&self, account: UserId) -> Result<Permit> {
        let mut usage = lock(&self.0.usage);
        let used_by_account = usage.by_account.get(&account).copied().unwrap_or(0);
        if used_by_account >= self.0.per_account {
            return Err(Error::TooManyAtOnce(self.0.per_account));
        }
        if usage.all >= self.0.at_once {
            return Err(Error::Overloaded);
        }
        usage.all += 1;
        usage.by_account.insert(account, used_by_account + 1);
        Ok(Permit { budget: Arc::clone(&self.0), account })
    }
}

/// A permit, released on drop.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Shared>,
    account: UserId,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut usage = lock(&self.budget.usage);
        usage.all = usage.all.saturating_sub(1);
        let left = usage.by_account.get(&self.account).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            usage.by_account.remove(&self.account);
        } else {
            usage.by_account.insert(self.account, left);
        }
    }
}

/// The uploads whose files are being received; cheap to clone.
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

/// Ignores poisoning: no panic can leave these maps inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use blegram_domain::Timestamp;

    use super::*;

    #[test]
    fn budget_is_limited_per_account_and_per_node() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let [ann, bob, cho] = [0, 1, 2].map(|_| UserId::generate(now));
        let budget = Budget::new(&ReceiveLimits { at_once: 3, per_account: 2, ..ReceiveLimits::default() });
        let of_ann = [budget.take(ann).unwrap(), budget.take(ann).unwrap()];
        assert!(matches!(budget.take(ann), Err(Error::TooManyAtOnce(2))));
        let _of_bob = budget.take(bob).unwrap();
        assert!(matches!(budget.take(cho), Err(Error::Overloaded)));
        drop(of_ann);
        assert!(budget.take(cho).is_ok() && budget.take(ann).is_ok());
        assert_eq!(lock(&budget.0.usage).by_account.len(), 1, "accounts without permits are removed");
    }
}
