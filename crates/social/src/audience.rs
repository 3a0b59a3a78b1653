//! For whoever delivers events: who may see what.

use std::collections::HashMap;

use blegram_domain::{Relation, UserId, UserSummary};
use blegram_persistence::{relations, users};

use crate::{Result, Social};

/// How some viewers stand to an author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standings {
    /// The author.
    pub author: UserSummary,
    /// How each viewer stands to them; who has nothing to do with them is left out.
    pub relations: HashMap<UserId, Relation>,
}

impl Social {
    /// How each of `viewers` stands to `author`, in two statements however many they are; `None` when the author takes
    /// part no more, and nobody is shown anything of theirs.
    pub async fn standings(&self, author: UserId, viewers: &[UserId]) -> Result<Option<Standings>> {
        let author = users::list_summaries(&self.db, &[author]).await?.remove(&author);
        let Some(author) = author.filter(|author| author.is_shown(Relation::default())) else {
            return Ok(None);
        };
        let relations = relations::list_toward(&self.db, author.id, viewers).await?;
        Ok(Some(Standings { author, relations }))
    }
}
