//! Relations between an author and many viewers, for those who deliver events.

use std::collections::HashMap;

use blegram_domain::{Relation, UserId, UserSummary};
use blegram_persistence::{relations, users};

use crate::{Result, Social};

/// The relations of several viewers to one author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations {
    /// The author.
    pub author: UserSummary,
    /// The relation of each viewer to the author. Viewers without a relation are left out.
    pub relations: HashMap<UserId, Relation>,
}

impl Social {
    /// The relations of `viewers` to `author`, in two statements for any number of viewers. `None` if the author's
    /// account is not active: then no viewer may see its content.
    pub async fn relations(&self, author: UserId, viewers: &[UserId]) -> Result<Option<Relations>> {
        let author = users::list_summaries(&self.db, &[author]).await?.remove(&author);
        let Some(author) = author.filter(|author| author.is_visible(Relation::default())) else {
            return Ok(None);
        };
        let relations = relations::list_toward(&self.db, author.id, viewers).await?;
        Ok(Some(Relations { author, relations }))
    }
}
