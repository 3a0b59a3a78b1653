//! Requests that may be sent again without happening again: a client names each with a key.
//!
//! A request first claims its key, then runs, then keeps its answer. A node that crashes between the commit of the act
//! and that of the answer leaves a claim whose lease ends after a minute; then the request runs again.

use std::{sync::Arc, time::Duration};

use blegram_domain::{Clock, RequestId, UserId};
use blegram_persistence::{Db, Inserted, idempotency_keys as rows};
use sha2::{Digest, Sha256};

pub use blegram_persistence::idempotency_keys::{Answer, Claim};

use crate::{Auth, Result};

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a request may run before another may take its place.
pub const LEASE: Duration = Duration::from_secs(60);

/// How much the clocks of two nodes may differ.
const SKEW: Duration = Duration::from_secs(2);

/// A request with a key.
#[derive(Debug, Clone, Copy)]
pub struct Keyed<'a> {
    /// Whose it is.
    pub user: UserId,
    /// The HTTP method.
    pub method: &'a str,
    /// The path that it goes to.
    pub path: &'a str,
    /// What the client calls it.
    pub key: &'a str,
    /// What it says.
    pub body: &'a [u8],
}

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Run it, then [`Idempotency::finish`] or [`Idempotency::release`] the claim.
    New(Claim),
    /// It ran; this was the answer.
    Replay(Answer),
    /// It runs.
    InProgress,
    /// The key stands for another body.
    Reused,
}

/// The keys of requests; cheap to clone.
#[derive(Clone)]
pub struct Idempotency {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl Auth {
    /// The keys of requests.
    pub fn idempotency(&self) -> Idempotency {
        Idempotency { db: self.db.clone(), clock: Arc::clone(&self.clock) }
    }
}

impl Idempotency {
    /// Claims the key of `request`, or says what became of it.
    pub async fn begin(&self, request: Keyed<'_>) -> Result<Begun> {
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
        let begun = match rows::insert(&tx, &claim).await? {
            Inserted::New => Begun::New(claim),
            Inserted::Existing => meet(&tx, claim).await?,
        };
        tx.commit().await?;
        Ok(begun)
    }

    /// Keeps the answer to a request that ran.
    pub async fn finish(&self, claim: &Claim, answer: &Answer) -> Result<()> {
        let tx = self.db.write().await?;
        rows::update_answer(&tx, claim, answer).await?;
        Ok(tx.commit().await?)
    }

    /// Lets the request be sent again, as if it never had been.
    pub async fn release(&self, claim: &Claim) -> Result<()> {
        let tx = self.db.write().await?;
        rows::delete(&tx, claim.scope, claim.by).await?;
        Ok(tx.commit().await?)
    }
}

/// What becomes of a request whose key is known.
async fn meet(tx: &blegram_persistence::Tx, claim: Claim) -> Result<Begun> {
    // Released between the two statements: as good as still running.
    let Some(kept) = rows::find(tx, claim.scope).await? else { return Ok(Begun::InProgress) };
    if claim.at.since(kept.created_at) >= KEPT {
        rows::delete(tx, claim.scope, kept.claimed_by).await?;
        let inserted = rows::insert(tx, &claim).await?;
        return Ok(if inserted == Inserted::New { Begun::New(claim) } else { Begun::InProgress });
    }
    if kept.fingerprint != claim.fingerprint {
        return Ok(Begun::Reused);
    }
    if let Some(answer) = kept.answer {
        return Ok(Begun::Replay(answer));
    }
    // A lease that ends later than one that begins now was given by a clock that was ahead: it would never end.
    let is_over = kept.lease_until <= claim.at || kept.lease_until > claim.lease_until + SKEW;
    let is_ours = is_over && rows::update_claim(tx, kept.claimed_by, &claim).await?;
    Ok(if is_ours { Begun::New(claim) } else { Begun::InProgress })
}

fn scope(request: &Keyed<'_>) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(request.user.as_uuid().as_bytes());
    for part in [request.method, request.path, request.key] {
        // The length keeps ("ab", "c") from ("a", "bc").
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
