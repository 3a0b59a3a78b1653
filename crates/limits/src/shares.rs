//! Concurrent use of a resource of which the node has only so much: places to receive an upload, connections.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use blegram_domain::UserId;

use crate::{Network, Subject};

/// The bounds of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharesConfig {
    /// For all together.
    pub all: usize,
    /// For one user or one subscriber.
    pub each: usize,
}

/// Why no share is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The resource is used up.
    #[error("all of it is in use")]
    All,
    /// The user, the subscriber or the network uses its whole share, of this size.
    #[error("your share of {0} is in use")]
    Own(usize),
}

/// Gives out shares of a resource; cheap to clone.
#[derive(Debug, Clone)]
pub struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SharesConfig,
    usage: Mutex<Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    all: usize,
    by_subject: HashMap<Subject, usize>,
}

impl Usage {
    fn check(&self, bounds: &[(Subject, usize)], all: usize) -> Result<(), Full> {
        let is_full = |(subject, bound): &&(Subject, usize)| {
            self.by_subject.get(subject).copied().unwrap_or(0) >= *bound
        };
        match bounds.iter().find(is_full) {
            Some((_, bound)) => Err(Full::Own(*bound)),
            None if self.all >= all => Err(Full::All),
            None => Ok(()),
        }
    }
}

/// A share in use. Dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    shares: Shares,
    subjects: Vec<Subject>,
}

impl Shares {
    /// A resource that is not used yet.
    pub fn new(config: SharesConfig) -> Self {
        Self(Arc::new(Inner { config, usage: Mutex::default() }))
    }

    /// Takes a share for `user`.
    ///
    /// # Errors
    /// If none is left.
    pub fn take_for_user(&self, user: UserId) -> Result<Permit, Full> {
        self.take([(Subject::User(user), self.0.config.each)])
    }

    /// Takes a share for `address`: one of the subscriber's, and one of the wider network's, which are
    /// [`Network::WIDE_FACTOR`] times as many.
    ///
    /// # Errors
    /// If none is left.
    pub fn take_for_address(&self, address: IpAddr) -> Result<Permit, Full> {
        self.take(self.bounds_of(address))
    }

    /// Whether [`Shares::take_for_address`] would succeed.
    ///
    /// # Errors
    /// If no share is left.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Full> {
        self.usage().check(&self.bounds_of(address), self.0.config.all)
    }

    fn bounds_of(&self, address: IpAddr) -> [(Subject, usize); 2] {
        let each = self.0.config.each;
        let wide = each.saturating_mul(Network::WIDE_FACTOR as usize);
        [
            (Subject::Network(Network::of_subscriber(address)), each),
            (Subject::Network(Network::around(address)), wide),
        ]
    }

    fn take<const N: usize>(&self, bounds: [(Subject, usize); N]) -> Result<Permit, Full> {
        let mut usage = self.usage();
        usage.check(&bounds, self.0.config.all)?;
        usage.all += 1;
        let subjects: Vec<Subject> = bounds.into_iter().map(|(subject, _)| subject).collect();
        for subject in &subjects {
            *usage.by_subject.entry(subject.clone()).or_default() += 1;
        }
        Ok(Permit { shares: self.clone(), subjects })
    }

    /// The number of shares in use.
    pub fn used(&self) -> usize {
        self.usage().all
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut usage = self.shares.usage();
        usage.all -= 1;
        for subject in &self.subjects {
            if let Some(used) = usage.by_subject.get_mut(subject) {
                *used -= 1;
                if *used == 0 {
                    usage.by_subject.remove(subject);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use blegram_domain::Timestamp;

    use super::*;

    fn user() -> UserId {
        UserId::generate(Timestamp::from_micros(1_790_000_000_000_000).unwrap())
    }

    #[test]
    fn user_takes_no_more_than_a_share() {
        let shares = Shares::new(SharesConfig { all: 3, each: 2 });
        let (ann, bob, eve) = (user(), user(), user());
        let first = shares.take_for_user(ann).unwrap();
        let _second = shares.take_for_user(ann).unwrap();
        assert_eq!(shares.take_for_user(ann).unwrap_err(), Full::Own(2));
        let _third = shares.take_for_user(bob).unwrap();
        assert_eq!(shares.take_for_user(eve).unwrap_err(), Full::All);
        drop(first);
        let _fourth = shares.take_for_user(eve).unwrap();
        assert_eq!(shares.used(), 3);
        let closed = Shares::new(SharesConfig { all: 3, each: 0 });
        assert_eq!(closed.take_for_user(ann).unwrap_err(), Full::Own(0));
    }

    #[test]
    fn network_takes_no_more_than_ten_shares() {
        let shares = Shares::new(SharesConfig { all: 1_000, each: 2 });
        let take = |n: u16| shares.take_for_address(format!("2001:db8:0:{n:x}::1").parse().unwrap());
        let permits: Vec<Permit> = (0..40).filter_map(|n| take(n / 2).ok()).collect();
        assert_eq!(permits.len(), 20);
        assert_eq!(take(21).unwrap_err(), Full::Own(20));
        assert!(shares.take_for_address("2001:db8:1::1".parse().unwrap()).is_ok());
        drop(permits);
        assert_eq!((shares.used(), shares.usage().by_subject.len()), (0, 0));
    }
}
