//! The cached keys of a site, and when they are loaded again.
//!
//! - Within the time that the response allowed (clamped, see [`fresh_for`]) they are used without a request.
//! - Later the next token loads them again. The tokens that arrive meanwhile use the old ones.
//! - A token with an unknown key loads them at once, because the site may have a new key; but only every ten seconds,
//!   because anyone can invent key ids.
//! - While the site does not answer, the old keys are used for another hour.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use blegram_domain::Clock;
use tokio::sync::{Mutex, MutexGuard};

use crate::{
    Error, Unavailable, VerifyingKey,
    fetch::{Fetch, Fetched},
};

/// How long keys are fresh if the response does not say.
const DEFAULT_AGE: Duration = Duration::from_secs(300);

/// A site publishes a new key an hour before it signs, and a withdrawn key must not be accepted for ever.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// No request per token, whatever the response says.
const MIN_AGE: Duration = Duration::from_secs(60);

/// How long stale keys are used while the site does not answer.
const STALE: Duration = Duration::from_secs(3600);

/// The pause between requests for unknown keys, and after a failure.
const PAUSE: Duration = Duration::from_secs(10);

/// A cached key set; the times are of the monotonic clock.
#[derive(Debug, Clone, Default)]
struct Cached {
    keys: HashMap<String, Arc<VerifyingKey>>,
    fresh_until: Duration,
    usable_until: Duration,
}

/// The last request.
#[derive(Debug, Clone)]
struct Attempt {
    at: Duration,
    outcome: Result<(), Unavailable>,
}

pub(crate) struct Keys {
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    cached: RwLock<Arc<Cached>>,
    /// Locked during a request, so that there is one at a time.
    last: Mutex<Option<Attempt>>,
}

impl Keys {
    pub(crate) fn new(fetch: Fetch, clock: Arc<dyn Clock>) -> Self {
        Self { fetch, clock, cached: RwLock::default(), last: Mutex::default() }
    }

    /// Without cached keys: their times are of the other clock.
    pub(crate) fn with_clock(&self, clock: Arc<dyn Clock>) -> Self {
        Self::new(self.fetch.clone(), clock)
    }

    /// The key with this id.
    pub(crate) async fn find(&self, id: &str) -> Result<Arc<VerifyingKey>, Error> {
        let now = self.clock.monotonic();
        let cached = self.cached();
        let known = cached.keys.get(id).cloned();
        let usable = known.clone().filter(|_| now < cached.usable_until);
        if let Some(key) = known.filter(|_| now < cached.fresh_until) {
            return Ok(key);
        }
        let mut last = match (self.last.try_lock(), usable) {
            (Ok(last), _) => last,
            // Another token loads the keys.
            (Err(_), Some(key)) => return Ok(key),
            (Err(_), None) => self.last.lock().await,
        };
        self.load(&mut last, id).await
    }

    async fn load(
        &self,
        last: &mut MutexGuard<'_, Option<Attempt>>,
        id: &str,
    ) -> Result<Arc<VerifyingKey>, Error> {
        // The token that locked before may have loaded them.
        let now = self.clock.monotonic();
        let cached = self.cached();
        let known = cached.keys.get(id).cloned();
        if let Some(key) = known.clone().filter(|_| now < cached.fresh_until) {
            return Ok(key);
        }
        let recent = last.as_ref().filter(|last| now < last.at + PAUSE).map(|last| last.outcome.clone());
        let outcome = match recent {
            Some(outcome) => outcome,
            None => {
                let outcome = self.fetch.load().await.map(|fetched| self.store(fetched));
                if let Err(error) = &outcome {
                    tracing::warn!(%error, "cannot load the keys of the site");
                }
                **last = Some(Attempt { at: self.clock.monotonic(), outcome: outcome.clone() });
                outcome
            }
        };
        match outcome {
            Ok(()) => {
                let key = self.cached().keys.get(id).cloned();
                key.ok_or_else(|| Error::UnknownKey { id: Some(id.to_owned()) })
            }
            Err(error) => known.filter(|_| now < cached.usable_until).ok_or(Error::Unavailable(error)),
        }
    }

    fn store(&self, Fetched { keys, max_age }: Fetched) {
        let fresh_until = self.clock.monotonic() + fresh_for(max_age);
        let cached = Cached { keys, fresh_until, usable_until: fresh_until + STALE };
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(cached);
    }

    fn cached(&self) -> Arc<Cached> {
        Arc::clone(&self.cached.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn fresh_for(max_age: Option<Duration>) -> Duration {
    max_age.unwrap_or(DEFAULT_AGE).clamp(MIN_AGE, MAX_AGE)
}
