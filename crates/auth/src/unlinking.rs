//! Ends the links of deleted accounts at their login providers.
//!
//! The provider would otherwise go on to list the site among those that the user has allowed. A deletion never waits for a
//! provider: it stores what to end, and a job requests it until the provider has answered. Decision 46 says at which
//! providers this is possible.

use std::time::Duration;

use blegram_domain::{Job, Timestamp, UnlinkId, UserId};
use blegram_persistence::{
    Tx, identities, jobs,
    provider_unlinks::{self, ProviderUnlink},
};

use crate::{Auth, Provider, Result, external_login::unusable};

/// How long a provider is asked to end a link. An operator needs time to notice a wrong key.
pub const GIVEN_UP_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Auth {
    /// Stores which links of `user` to end. Call it before the identities are deleted.
    pub(crate) async fn queue_unlinks(&self, tx: &Tx, user: UserId, now: Timestamp) -> Result<()> {
        for identity in identities::list_of_user(tx, user).await? {
            if !self.providers.find(&identity.key.provider).is_some_and(Provider::can_unlink) {
                continue;
            }
            let id = UnlinkId::generate(now);
            let unlink = ProviderUnlink { id, key: identity.key, created_at: now };
            provider_unlinks::insert(tx, &unlink).await?;
            jobs::insert(tx, Job::UnlinkIdentity(id), now, now).await?;
        }
        Ok(())
    }

    /// Ends a link at its provider. Does nothing if the identity has an account again, or the provider is no longer
    /// configured.
    ///
    /// # Errors
    /// [`Error::ProviderUnavailable`](crate::Error::ProviderUnavailable) and
    /// [`Error::ProviderRejected`](crate::Error::ProviderRejected): try again later.
    pub async fn unlink_at_provider(&self, id: UnlinkId) -> Result<()> {
        let Some(unlink) = provider_unlinks::find(&self.db, id).await? else { return Ok(()) };
        let provider = self.providers.find(&unlink.key.provider).filter(|provider| provider.can_unlink());
        let is_given_up = self.clock.now().since(unlink.created_at) > GIVEN_UP_AFTER;
        if is_given_up {
            tracing::warn!(unlink = %id, provider = %unlink.key.provider, "a link could not be ended at the provider");
        }
        // A user who came back would be logged out by the provider's notice of the end of the old link.
        let is_linked = identities::find(&self.db, &unlink.key).await?.is_some();
        if let Some(provider) = provider.filter(|_| !is_given_up && !is_linked) {
            provider.unlink(&unlink.key.subject).await.map_err(|error| unusable(provider, &error))?;
        }
        let tx = self.db.write().await?;
        provider_unlinks::delete(&tx, id).await?;
        Ok(tx.commit().await?)
    }
}
