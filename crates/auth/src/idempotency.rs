//! Idempotent requests: a client adds a unique key to a request, and can retry it without repeating its effect.
//!
//! A request first claims its key, then runs, then stores its response. A node that crashes between the commit of the
//! effect and that of the response leaves a claim, whose lease ends after a minute; then a retry runs the request
//! again.

use std::{sync::Arc, time::Duration};

use blegram_domain::{Clock, RequestId, UserId};
use blegram_persistence::{Db, Inserted, idempotency_keys as rows};
use sha2::{Digest, Sha256};

pub use blegram_persistence::idempotency_keys::{Answer, Claim};

use crate::{Auth, Result};

/// How long a response is kept.
pub const RESPONSE_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a request may run before a retry may take over its claim.
pub const LEASE: Duration = Duration::from_secs(60);

/// The largest expected clock difference between two nodes.
const SKEW: Duration = Duration::from_secs(2);

/// A request with an idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'a> {
    /// The user who sends it.
    pub user: UserId,
    /// The HTTP method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The client's key.
    pub key: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// How to proceed with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// First use of the key: run the request, then [`Idempotency::finish`] or [`Idempotency::release`] the claim.
    New(Claim),
    /// The request completed before, with this response.
    Replay(Answer),
    /// The request is still running.
    InProgress,
    /// The key was used with another body.
    Reused,
}

/// The store of idempotency keys; cheap to clone.
#[derive(Clone)]
pub struct Idempotency {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idempotency").finish_non_exhaustive()
    }
}

impl Auth {
    /// The store of idempotency keys.
    pub fn idempotency(&self) -> Idempotency {
        Idempotency { db: self.db.clone(), clock: Arc::clone(&self.clock) }
    }
}

impl Idempotency {
    /// Claims the key of `request`, or returns the state of its earlier use.
    pub async fn begin(&self, request: Keyed<'_>) -> Result<ClaimOutcome> {
        let now = self.clock.now();
        let claim = Claim {
            scope: scope(&request),
            user: request.user,
            fingerprint: Sha256::digest(request.body).into(),
            by: RequestId::generate(now),
            at: now,
            lease_until: now + LEASE,
        };
        let tx = self.db.write().await?;
        let outcome = match rows::insert(&tx, &claim).await? {
            Inserted::New => ClaimOutcome::New(claim),
            Inserted::Existing => resolve_existing(&tx, claim).await?,
        };
        tx.commit().await?;
        Ok(outcome)
    }

    /// Stores the response to a completed request.
    pub async fn finish(&self, claim: &Claim, answer: &Answer) -> Result<()> {
        let tx = self.db.write().await?;
        rows::update_answer(&tx, claim, answer).await?;
        Ok(tx.commit().await?)
    }

    /// Releases the key, so that a retry runs as if for the first time.
    pub async fn release(&self, claim: &Claim) -> Result<()> {
        let tx = self.db.write().await?;
        rows::delete(&tx, claim.scope, claim.by).await?;
        Ok(tx.commit().await?)
    }
}

/// Decides how to proceed with a request whose key exists.
async fn resolve_existing(tx: &blegram_persistence::Tx, claim: Claim) -> Result<ClaimOutcome> {
    // The key was released between the two statements: treated as still running.
    let Some(stored) = rows::find(tx, claim.scope).await? else { return Ok(ClaimOutcome::InProgress) };
    if claim.at.since(stored.created_at) >= RESPONSE_RETENTION {
        rows::delete(tx, claim.scope, stored.claimed_by).await?;
        let inserted = rows::insert(tx, &claim).await?;
        return Ok(if inserted == Inserted::New {
            ClaimOutcome::New(claim)
        } else {
            ClaimOutcome::InProgress
        });
    }
    if stored.fingerprint != claim.fingerprint {
        return Ok(ClaimOutcome::Reused);
    }
    if let Some(answer) = stored.answer {
        return Ok(ClaimOutcome::Replay(answer));
    }
    // A lease that ends later than a new one would was granted by a clock that was ahead, and would block retries until
    // then.
    let is_expired = stored.lease_until <= claim.at || stored.lease_until > claim.lease_until + SKEW;
    let is_ours = is_expired && rows::update_claim(tx, stored.claimed_by, &claim).await?;
    Ok(if is_ours { ClaimOutcome::New(claim) } else { ClaimOutcome::InProgress })
}

fn scope(request: &Keyed<'_>) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(request.user.as_uuid().as_bytes());
    for part in [request.method, request.path, request.key] {
        // The length prefix distinguishes ("ab", "c") from ("a", "bc").
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
