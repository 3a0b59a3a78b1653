//! What an account stores, and may store. Each upload checks the quota twice: before its file is decoded, and in the
//! transaction that stores it, which locks the usage of the account.

use blegram_domain::{
    UserId,
    media::quota::{Amount, Quota, Usage},
};
use blegram_persistence::{Tx, media_usage};

use crate::{Media, Result};

impl Media {
    /// What each account may store.
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Returns what `actor` stores.
    pub async fn get_usage(&self, actor: UserId) -> Result<Usage> {
        Ok(media_usage::find(&self.db, actor).await?)
    }

    /// Rejects an account without room for any image before a file takes time to decode. Several uploads may pass for
    /// the same last place.
    pub(crate) async fn check_room(&self, owner: UserId) -> Result<()> {
        const SMALLEST: Amount = Amount { files: 1, bytes: 1 };
        Ok(self.quota.check(self.get_usage(owner).await?.plus(SMALLEST), SMALLEST)?)
    }

    /// Checks the quota after `added` was inserted. The transaction has locked the usage, so no other upload of the
    /// account takes the same place.
    pub(crate) async fn check_quota(&self, tx: &Tx, owner: UserId, added: Amount) -> Result<()> {
        Ok(self.quota.check(media_usage::find(tx, owner).await?, added)?)
    }
}
