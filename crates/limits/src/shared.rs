//! Counters in Redis, which all nodes of a site share: without them, each node admits as much as a whole site should.
//!
//! An attempt is one call of a script (`shared/count.lua`), whatever it counts under. Keys are hashes, so that Redis
//! contains no addresses and no names, and end when their quota is full again.

mod breaker;

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use redis::{
    Client, RedisError, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use self::breaker::Breaker;
use crate::{
    Policy, Quota, RateLimitStatus, RateLimited, Subject,
    gcra::{self, Amount},
};

/// How long an attempt usually waits for Redis.
const TIMEOUT: Duration = Duration::from_millis(100);

/// How long connecting may take; attempts do not wait for it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The capacity of the queue of charges. Further ones count on their node only.
const MAX_CHARGES: usize = 1024;

/// Where the counters are.
#[derive(Debug, Clone)]
pub struct SharedSettings {
    /// `redis://` or `rediss://` (TLS), with user, password, host and port.
    pub url: SecretString,
    /// The prefix of all keys, which sites that share a server must not share.
    pub site: String,
    /// The key that hashes the names of counters, the same on all nodes.
    pub key: SecretSlice<u8>,
    /// How long an attempt waits for Redis. Then the counters of the node decide alone, and for a second, no other
    /// attempt waits.
    pub timeout: Duration,
}

impl SharedSettings {
    /// The usual settings.
    pub fn new(url: SecretString, site: impl Into<String>, key: SecretSlice<u8>) -> Self {
        Self { url, site: site.into(), key, timeout: TIMEOUT }
    }
}

/// The URL is invalid. The text contains no password.
#[derive(Debug, thiserror::Error)]
#[error("Redis: {0}")]
pub struct InvalidUrl(#[from] RedisError);

/// The counters of a site. Cheap to clone.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    connection: ConnectionManager,
    script: Script,
    site: String,
    key: SecretSlice<u8>,
    timeout: Duration,
    breaker: Breaker,
    charges: mpsc::Sender<Counted>,
}

/// Work that has to run as long as the node: it connects, and counts charges.
pub type SharedWork = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What one attempt adds to one counter.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) policy: Policy,
    pub(crate) subject: Subject,
    pub(crate) quota: Quota,
    pub(crate) cost: u32,
}

#[derive(Clone, Copy)]
enum Mode {
    Take,
    Charge,
    Peek,
}

impl Mode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Charge => "charge",
            Self::Peek => "peek",
        }
    }
}

impl Shared {
    /// Prepares the connection. It connects when the work is polled; until then, and while Redis does not answer, the
    /// counters of each node decide alone. Call it within a Tokio runtime.
    ///
    /// # Errors
    /// The URL is invalid.
    pub fn connect(settings: &SharedSettings) -> Result<(Self, SharedWork), InvalidUrl> {
        // Fails when the process has a provider already, which is this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::open(settings.url.expose_secret())?;
        // Without retries of its own: each probe of the breaker is one.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(settings.timeout));
        let connection = ConnectionManager::new_lazy_with_config(client, config)?;
        let (charges, queue) = mpsc::channel(MAX_CHARGES);
        let shared = Self(Arc::new(Inner {
            connection,
            script: Script::new(include_str!("shared/count.lua")),
            site: settings.site.clone(),
            key: settings.key.clone(),
            timeout: settings.timeout,
            breaker: Breaker::default(),
            charges,
        }));
        Ok((shared.clone(), Box::pin(shared.work(queue))))
    }

    async fn work(self, mut charges: mpsc::Receiver<Counted>) {
        let mut connection = self.0.connection.clone();
        // Connects before the first attempt would have to wait for it. If this fails, the attempts report it.
        let _ = timeout(CONNECT_TIMEOUT, redis::cmd("PING").query_async::<()>(&mut connection)).await;
        while let Some(charge) = charges.recv().await {
            let _ = self.call(Mode::Charge, &[charge]).await;
        }
    }

    /// Counts an attempt under all counters or under none; `None` if Redis does not answer.
    pub(crate) async fn take(&self, all: &[Counted]) -> Option<Result<RateLimitStatus, RateLimited>> {
        self.call(Mode::Take, all).await
    }

    /// Whether an attempt would be admitted; `None` if Redis does not answer.
    pub(crate) async fn peek(&self, counted: Counted) -> Option<Result<RateLimitStatus, RateLimited>> {
        self.call(Mode::Peek, &[counted]).await
    }

    /// Counts attempts that have happened, soon.
    pub(crate) fn charge(&self, counted: Counted) {
        if self.0.charges.try_send(counted).is_err() {
            tracing::warn!("the queue of charges is full; one counts on this node only");
        }
    }

    async fn call(&self, mode: Mode, all: &[Counted]) -> Option<Result<RateLimitStatus, RateLimited>> {
        if !self.0.breaker.admits(Instant::now()) {
            return None;
        }
        match timeout(self.0.timeout, self.run(mode, all)).await {
            Ok(Ok(answer)) => {
                if self.0.breaker.close() {
                    tracing::info!("rate limits are counted in Redis again");
                }
                outcome(all, &answer)
            }
            Ok(Err(error)) => self.fail(Some(&error)),
            Err(_) => self.fail(None),
        }
    }

    async fn run(&self, mode: Mode, all: &[Counted]) -> Result<Vec<i64>, RedisError> {
        let mut call = self.0.script.prepare_invoke();
        call.arg(mode.as_str());
        for counted in all {
            let Amount { capacity, amount } = counted.amount();
            call.key(self.key(counted)).arg(capacity).arg(amount);
        }
        call.invoke_async(&mut self.0.connection.clone()).await
    }

    fn fail<T>(&self, error: Option<&RedisError>) -> Option<T> {
        let error = error.map(|error| error as &dyn std::error::Error);
        if self.0.breaker.open(Instant::now()) {
            tracing::warn!(error, "Redis does not answer; this node counts its rate limits alone");
        }
        None
    }

    /// The name of a counter: 128 bits of an HMAC.
    fn key(&self, counted: &Counted) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.key.expose_secret()).expect("a key");
        mac.update(format!("{:?}:{}", counted.policy, counted.subject).as_bytes());
        let name = BASE64_URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..16]);
        format!("{}:limit:{name}", self.0.site)
    }
}

impl Counted {
    fn amount(&self) -> Amount {
        gcra::amount_in_micros(self.quota, self.cost)
    }

    fn status(&self, remaining: u32, reset: Duration) -> RateLimitStatus {
        RateLimitStatus { policy: self.policy, quota: self.quota, remaining, reset }
    }
}

/// Reads the answer of the script; `None` if it is not one.
fn outcome(all: &[Counted], answer: &[i64]) -> Option<Result<RateLimitStatus, RateLimited>> {
    let (rejected, values) = answer.split_first()?;
    match usize::try_from(*rejected).ok()? {
        0 if values.len() == all.len() => closest(all, values).map(Ok),
        rejected => {
            let wait = Duration::from_micros(u64::try_from(*values.first()?).ok()?);
            Some(Err(RateLimited(all.get(rejected.checked_sub(1)?)?.status(0, wait))))
        }
    }
}

/// The status of the counter with the fewest attempts left, and of those the last one, as in this process.
fn closest(all: &[Counted], left: &[i64]) -> Option<RateLimitStatus> {
    let status = |(counted, left): (&Counted, &i64)| {
        let interval = gcra::interval_in_micros(counted.quota);
        let remaining = u64::try_from(*left).unwrap_or(0) / interval;
        counted.status(u32::try_from(remaining).unwrap_or(u32::MAX), Duration::from_micros(interval))
    };
    all.iter().zip(left).map(status).rev().min_by_key(|status| status.remaining)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("site", &self.0.site).finish_non_exhaustive()
    }
}
