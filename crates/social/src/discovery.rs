//! Trending hashtags and suggested accounts.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blegram_domain::{
    Page, PageRequest, RelationId, UserId, UserSummary,
    page::{Order, Ranked},
    trend::Trend,
};
use blegram_persistence::{suggestions, trends};

use crate::{Error, Result, Social, UserRef, UserView, view::People};

/// A suggested account to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestedUser {
    /// The suggested account.
    pub user: UserView,
    /// How many accounts that the viewer follows follow it.
    pub mutual_count: u64,
    /// Up to three of those accounts.
    pub mutuals: Vec<UserSummary>,
}

/// The maximum number of suggestions.
const MAX_SUGGESTIONS: usize = 100;

/// How long computed trends are cached. They compare whole days, so a minute does not matter.
const TRENDS_TTL: Duration = Duration::from_secs(60);

/// The cached trends, with the monotonic time of their computation.
pub(crate) type CachedTrends = Arc<Mutex<Option<(Duration, Arc<Vec<Trend>>)>>>;

impl Social {
    /// The hashtags that more accounts use than the day before, highest score first. Cached for up to a minute.
    pub async fn trending_hashtags(&self, page: &PageRequest<Ranked>) -> Result<Page<Trend, Ranked>> {
        let trends = self.trends().await?;
        // The highest score has the smallest rank; a precision of 1/1000 keeps different scores apart.
        #[expect(clippy::cast_possible_truncation, reason = "no site has so many accounts")]
        let key = |trend: &Trend| Ranked {
            rank: -((trend.score * 1000.0) as i64),
            name: trend.hashtag.to_string(),
        };
        let page_keys = page.select(Order::Ascending, trends.iter().map(key));
        let found = |key: &Ranked| trends.iter().find(|trend| trend.hashtag.as_str() == key.name).cloned();
        let items = page_keys.keys().iter().filter_map(found).collect();
        Ok(page_keys.into_page(items))
    }

    async fn trends(&self) -> Result<Arc<Vec<Trend>>> {
        let now = self.clock.monotonic();
        let cached = self.trends.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, trends)) = cached
            && now.saturating_sub(at) < TRENDS_TTL
        {
            return Ok(trends);
        }
        let trends = Arc::new(trends::list(&self.db, self.clock.now()).await?);
        *self.trends.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&trends)));
        Ok(trends)
    }

    /// Accounts that `actor` may want to follow: first those that most of the accounts they follow also follow.
    pub async fn suggested_users(
        &self,
        actor: UserId,
        page: &PageRequest<Ranked>,
    ) -> Result<Page<SuggestedUser, Ranked>> {
        let all = suggestions::list(&self.db, actor, MAX_SUGGESTIONS).await?;
        let key = |suggestion: &suggestions::Suggestion| Ranked {
            rank: -(i64::try_from(suggestion.mutual_count << 32 | suggestion.follower_count)
                .unwrap_or(i64::MAX)),
            name: suggestion.user.to_string(),
        };
        let page_keys = page.select(Order::Ascending, all.iter().map(key));
        let selected =
            page_keys.keys().iter().filter_map(|key| all.iter().find(|s| s.user.to_string() == key.name));
        let selected: Vec<_> = selected.copied().collect();
        let ids: Vec<UserId> = selected.iter().map(|suggestion| suggestion.user).collect();
        let mutuals = suggestions::list_mutuals(&self.db, actor, &ids).await?;
        let people = People::read(&self.db, Some(actor), mutuals.values().flatten().copied()).await?;
        let users = self.view_users(Some(actor), &ids).await?;
        let suggested = |user: UserView| {
            let id = user.user.summary.id;
            let mutuals = mutuals.get(&id).map(|ids| people.list_visible_users(ids)).unwrap_or_default();
            let mutual_count = selected.iter().find(|s| s.user == id).map_or(0, |s| s.mutual_count);
            SuggestedUser { user, mutual_count, mutuals }
        };
        Ok(page_keys.into_page(users.into_iter().map(suggested).collect()))
    }

    /// Removes an account from the suggestions for `actor`. Idempotent.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::Oneself`].
    pub async fn dismiss_suggested_user(&self, actor: UserId, user: &UserRef) -> Result<()> {
        let target = self.find_user(user).await?.summary.id;
        if target == actor {
            return Err(Error::Oneself);
        }
        let tx = self.db.write().await?;
        self.find_header(&tx, Some(actor), target).await?;
        suggestions::insert_dismissal(&tx, RelationId::generate(self.clock.now()), actor, target).await?;
        Ok(tx.commit().await?)
    }
}
