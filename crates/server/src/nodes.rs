//! The check that all nodes of a site have the same address: links, cookies and tokens of one would not be valid on the
//! others.
//!
//! A node on PostgreSQL saves that it runs, and with which address, and renews that. On SQLite there is one node, which
//! holds a lock on its data directory.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use blegram_domain::Clock;
use blegram_persistence::{Db, nodes};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long a node that was killed counts as running.
const LEASE: Duration = Duration::from_secs(60);

/// The interval of renewals.
const RENEWAL: Duration = Duration::from_secs(20);

/// The time limit of a renewal, and of the removal at the shutdown.
const LIMIT: Duration = Duration::from_secs(5);

/// The record of this node among those of the site.
pub(crate) struct Membership {
    db: Db,
    clock: Arc<dyn Clock>,
    id: i64,
    public_url: String,
}

impl Membership {
    /// Saves that this node runs.
    ///
    /// # Errors
    /// When a node with another address runs, or the database fails.
    pub(crate) async fn begin(db: &Db, clock: Arc<dyn Clock>, public_url: String) -> anyhow::Result<Self> {
        let membership = Self { db: db.clone(), clock, id: rand::random(), public_url };
        let other = membership.save().await.context("cannot save that this node runs")?;
        if let Some(other) = other {
            let own = &membership.public_url;
            bail!(
                "a node of this site runs with server.public_url = {other}, this one has {own}: set the same URL on all \
                 nodes, or stop the others first (one that was killed counts as running for a minute)"
            );
        }
        Ok(membership)
    }

    async fn save(&self) -> blegram_persistence::Result<Option<String>> {
        let now = self.clock.now();
        let node = nodes::Node { id: self.id, public_url: self.public_url.clone(), expires_at: now + LEASE };
        let tx = self.db.write().await?;
        let other = nodes::save(&tx, &node, now).await?;
        tx.commit().await?;
        Ok(other)
    }

    /// Renews the record, for ever.
    pub(crate) async fn renew(&self) {
        let mut times = interval(RENEWAL);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            match timeout(LIMIT, self.save()).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(other))) => {
                    tracing::error!(
                        own = self.public_url,
                        other,
                        "a node with another server.public_url runs"
                    );
                }
                // The next renewal comes before the record ends.
                Ok(Err(error)) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "cannot renew the record of this node"
                    );
                }
                Err(_) => tracing::debug!("the database did not renew the record of this node in time"),
            }
        }
    }

    /// Deletes the record. If that fails, it ends by itself.
    pub(crate) async fn end(&self) {
        let deleting = async {
            let tx = self.db.write().await?;
            nodes::delete(&tx, self.id).await?;
            tx.commit().await
        };
        if !matches!(timeout(LIMIT, deleting).await, Ok(Ok(_))) {
            tracing::debug!("the record of this node was not deleted; it ends in a minute");
        }
    }
}
