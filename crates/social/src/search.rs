//! Search for accounts, hashtags and posts, and the history of recent searches.
//!
//! If a query is too long for the index ([`Query::is_narrowed`]), the database finds candidates for a part of it, and
//! this module compares them with the whole query. The first page of a search is added to the viewer's recent searches.

use blegram_domain::{
    Hashtag, Page, PageRequest, RecentSearchId, UserId, UserSummary,
    page::{Limit, Ranked, Scope},
    search::{Kind, Query, RecentSearch},
};
use blegram_persistence::{hashtags, recent_searches, search};

use crate::{Error, PostView, Result, Social, UserView, erasure::BATCH, view::Muted};

/// A hashtag and how many public posts use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashtagView {
    /// The hashtag.
    pub hashtag: Hashtag,
    /// How many public posts use it.
    pub post_count: u64,
}

/// Search-as-you-type suggestions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestions {
    /// Accounts, at most [`SUGGESTIONS`].
    pub users: Vec<UserView>,
    /// Hashtags, at most [`SUGGESTIONS`].
    pub hashtags: Vec<HashtagView>,
}

/// Whether a search is added to the recent searches of its viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchHistory {
    /// It is added, with its first page.
    Recorded,
    /// It is not: the viewer may not know of it.
    Skipped,
}

/// The maximum number of suggestions of each kind.
pub const SUGGESTIONS: i64 = 6;

impl Social {
    /// Searches accounts by username and display name, best match first. Leaves out accounts that are not discoverable,
    /// and those across a block.
    pub async fn search_users(
        &self,
        viewer: Option<UserId>,
        query: &Query,
        page: &PageRequest<Ranked>,
        history: SearchHistory,
    ) -> Result<Page<UserView, Ranked>> {
        self.record_search(viewer, Kind::Users, query, history, page.is_first()).await?;
        self.find_users(viewer, query, page).await
    }

    async fn find_users(
        &self,
        viewer: Option<UserId>,
        query: &Query,
        page: &PageRequest<Ranked>,
    ) -> Result<Page<UserView, Ranked>> {
        let (page_keys, ids) = search::list_users(&self.db.searching(), query, page).await?;
        let mut users = self.view_users(viewer, &ids).await?;
        if query.is_narrowed() {
            users.retain(|view| {
                let UserSummary { username, display_name, .. } = &view.user.summary;
                query.is_in_names(&format!("{username} {display_name}"))
            });
        }
        Ok(page_keys.into_page(users))
    }

    /// Searches hashtags by name, most used first.
    pub async fn search_hashtags(
        &self,
        viewer: Option<UserId>,
        query: &Query,
        page: &PageRequest<Ranked>,
        history: SearchHistory,
    ) -> Result<Page<HashtagView, Ranked>> {
        self.record_search(viewer, Kind::Hashtags, query, history, page.is_first()).await?;
        self.find_hashtags(query, page).await
    }

    async fn find_hashtags(
        &self,
        query: &Query,
        page: &PageRequest<Ranked>,
    ) -> Result<Page<HashtagView, Ranked>> {
        let (page_keys, mut tags) = search::list_hashtags(&self.db.searching(), query, page).await?;
        if query.is_narrowed() {
            tags.retain(|(hashtag, _)| query.is_in_names(hashtag.as_str()));
        }
        let tags = tags.into_iter().map(|(hashtag, post_count)| HashtagView { hashtag, post_count });
        Ok(page_keys.into_page(tags.collect()))
    }

    /// Searches posts that `viewer` may see, newest first. Leaves out posts of authors who are not discoverable.
    pub async fn search_posts(
        &self,
        viewer: Option<UserId>,
        query: &Query,
        page: &PageRequest,
        history: SearchHistory,
    ) -> Result<Page<PostView>> {
        self.record_search(viewer, Kind::Posts, query, history, page.is_first()).await?;
        let ids = search::list_post_ids(&self.db.searching(), query, page).await?;
        let mut found = self.page_of_posts(viewer, ids, Muted::Hidden).await?;
        if query.is_narrowed() {
            found.items.retain(|view| query.is_in(&view.post.text));
        }
        Ok(found)
    }

    /// Suggestions for an incomplete query. Not added to the recent searches.
    pub async fn search_suggestions(&self, viewer: Option<UserId>, query: &Query) -> Result<Suggestions> {
        let limit = Limit::parse(SUGGESTIONS).unwrap_or_default();
        let first = PageRequest::new(Scope::new("searchSuggestions", &[]), limit, None, None);
        let users = self.find_users(viewer, query, &first).await?.items;
        let hashtags = self.find_hashtags(query, &first).await?.items;
        Ok(Suggestions { users, hashtags })
    }

    /// A hashtag, in any spelling. An unused hashtag has no posts.
    pub async fn get_hashtag(&self, hashtag: Hashtag) -> Result<HashtagView> {
        let post_count = hashtags::find_post_count(&self.db, &hashtag).await?;
        Ok(HashtagView { hashtag, post_count })
    }

    /// The recent searches of `actor`, newest first.
    pub async fn recent_searches(&self, actor: UserId, page: &PageRequest) -> Result<Page<RecentSearch>> {
        let ids = recent_searches::list_ids(&self.db, actor, page).await?;
        let searches = recent_searches::list_by_ids(&self.db, &ids).await?;
        Ok(ids.into_page(searches))
    }

    /// Deletes a recent search of `actor`.
    ///
    /// # Errors
    /// [`Error::SearchNotFound`], also for a search of another user.
    pub async fn delete_recent_search(&self, actor: UserId, id: RecentSearchId) -> Result<()> {
        let tx = self.db.write().await?;
        if !recent_searches::delete(&tx, actor, id).await? {
            return Err(Error::SearchNotFound);
        }
        Ok(tx.commit().await?)
    }

    /// Deletes all recent searches of `actor`.
    pub async fn delete_recent_searches(&self, actor: UserId) -> Result<()> {
        let tx = self.db.write().await?;
        recent_searches::delete_of_user(&tx, actor).await?;
        Ok(tx.commit().await?)
    }

    /// Indexes a batch of content that is older than the search index. Returns whether more may be left.
    pub async fn reindex(&self) -> Result<bool> {
        let tx = self.db.write().await?;
        let indexed = search::index_missing(&tx, BATCH).await?;
        tx.commit().await?;
        Ok(indexed > 0)
    }

    /// Deletes a batch of the hashtags that no post has. Returns whether more may be left.
    pub async fn delete_unused_hashtags(&self) -> Result<bool> {
        let unused = hashtags::list_unused(&self.db, BATCH).await?;
        if unused.is_empty() {
            return Ok(false);
        }
        let tx = self.db.write().await?;
        let deleted = hashtags::delete_unused(&tx, &unused).await?;
        tx.commit().await?;
        Ok(deleted == BATCH)
    }

    async fn record_search(
        &self,
        viewer: Option<UserId>,
        kind: Kind,
        query: &Query,
        history: SearchHistory,
        is_first: bool,
    ) -> Result<()> {
        let is_recorded = is_first && history == SearchHistory::Recorded;
        let Some(viewer) = viewer.filter(|_| is_recorded) else { return Ok(()) };
        let now = self.clock.now();
        let tx = self.db.write().await?;
        recent_searches::insert(&tx, viewer, kind, query.as_str(), now).await?;
        Ok(tx.commit().await?)
    }
}
