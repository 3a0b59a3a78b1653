//! Finding people, hashtags and posts by their words, and what somebody looked for lately.

use blegram_domain::{
    Hashtag, Page, PageRequest, RecentSearchId, UserId, UserSummary,
    page::{Limit, Ranked, Scope},
    search::{Kind, Query, RecentSearch},
};
use blegram_persistence::{hashtags, recent_searches, search};

use crate::{Error, PostView, Result, Social, UserView, erasure::BATCH, view::Muted};

/// A hashtag with how many posts that everybody may see have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashtagView {
    /// The tag.
    pub hashtag: Hashtag,
    /// How many.
    pub post_count: u64,
}

/// What a search field offers while somebody writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestions {
    /// Accounts, at most [`SUGGESTIONS`].
    pub users: Vec<UserView>,
    /// Hashtags, at most [`SUGGESTIONS`].
    pub hashtags: Vec<HashtagView>,
}

/// How many of each kind a search field offers.
pub const SUGGESTIONS: i64 = 6;

impl Social {
    /// Accounts by what `query` says of their names, the best first. Those who do not want to be found, and who are
    /// behind a block, are left out.
    pub async fn search_users(
        &self,
        viewer: Option<UserId>,
        query: &Query,
        page: &PageRequest<Ranked>,
    ) -> Result<Page<UserView, Ranked>> {
        self.remember(viewer, Kind::Users, query, page.is_first()).await?;
        self.find_users(viewer, query, page).await
    }

    async fn find_users(
        &self,
        viewer: Option<UserId>,
        query: &Query,
        page: &PageRequest<Ranked>,
    ) -> Result<Page<UserView, Ranked>> {
        let (slice, ids) = search::list_users(&self.db.searching(), query, page).await?;
        let mut users = self.view_users(viewer, &ids).await?;
        if query.is_narrowed() {
            users.retain(|view| {
                let UserSummary { username, display_name, .. } = &view.user.summary;
                query.is_in_names(&format!("{username} {display_name}"))
            });
        }
        Ok(slice.into_page(users))
    }

    /// Hashtags by what `query` says of their names, the most used first.
    pub async fn search_hashtags(
        &self,
        viewer: Option<UserId>,
        query: &Query,
        page: &PageRequest<Ranked>,
    ) -> Result<Page<HashtagView, Ranked>> {
        self.remember(viewer, Kind::Hashtags, query, page.is_first()).await?;
        self.find_hashtags(query, page).await
    }

    async fn find_hashtags(
        &self,
        query: &Query,
        page: &PageRequest<Ranked>,
    ) -> Result<Page<HashtagView, Ranked>> {
        let (slice, mut tags) = search::list_hashtags(&self.db.searching(), query, page).await?;
        if query.is_narrowed() {
            tags.retain(|(hashtag, _)| query.is_in_names(hashtag.as_str()));
        }
        let tags = tags.into_iter().map(|(hashtag, post_count)| HashtagView { hashtag, post_count });
        Ok(slice.into_page(tags.collect()))
    }

    /// Posts that have what `query` asks for and that `viewer` may see, the newest first; none of authors who do not want
    /// to be found.
    pub async fn search_posts(
        &self,
        viewer: Option<UserId>,
        query: &Query,
        page: &PageRequest,
    ) -> Result<Page<PostView>> {
        self.remember(viewer, Kind::Posts, query, page.is_first()).await?;
        let ids = search::list_post_ids(&self.db.searching(), query, page).await?;
        let mut found = self.page_of_posts(viewer, ids, Muted::Hidden).await?;
        if query.is_narrowed() {
            found.items.retain(|view| query.is_in(&view.post.text));
        }
        Ok(found)
    }

    /// What a search field offers for what is written so far. Nothing is remembered of it.
    pub async fn search_suggestions(&self, viewer: Option<UserId>, query: &Query) -> Result<Suggestions> {
        let limit = Limit::parse(SUGGESTIONS).unwrap_or_default();
        let first = PageRequest::new(Scope::new("searchSuggestions", &[]), limit, None, None);
        let users = self.find_users(viewer, query, &first).await?.items;
        let hashtags = self.find_hashtags(query, &first).await?.items;
        Ok(Suggestions { users, hashtags })
    }

    /// A hashtag, in whatever spelling it was asked for; one that nobody uses has no posts.
    pub async fn get_hashtag(&self, hashtag: Hashtag) -> Result<HashtagView> {
        let post_count = hashtags::find_post_count(&self.db, &hashtag).await?;
        Ok(HashtagView { hashtag, post_count })
    }

    /// What `actor` looked for, the latest first.
    pub async fn recent_searches(&self, actor: UserId, page: &PageRequest) -> Result<Page<RecentSearch>> {
        let ids = recent_searches::list_ids(&self.db, actor, page).await?;
        let searches = recent_searches::list_by_ids(&self.db, &ids).await?;
        Ok(ids.into_page(searches))
    }

    /// Forgets one search of `actor`.
    ///
    /// # Errors
    /// [`Error::SearchNotFound`], also of somebody else's.
    pub async fn delete_recent_search(&self, actor: UserId, id: RecentSearchId) -> Result<()> {
        let tx = self.db.write().await?;
        if !recent_searches::delete(&tx, actor, id).await? {
            return Err(Error::SearchNotFound);
        }
        Ok(tx.commit().await?)
    }

    /// Forgets every search of `actor`.
    pub async fn delete_recent_searches(&self, actor: UserId) -> Result<()> {
        let tx = self.db.write().await?;
        recent_searches::delete_of_user(&tx, actor).await?;
        Ok(tx.commit().await?)
    }

    /// Takes the words of some of what was written before there was a search; says whether there may be more.
    pub async fn reindex(&self) -> Result<bool> {
        let tx = self.db.write().await?;
        let indexed = search::index_missing(&tx, BATCH).await?;
        tx.commit().await?;
        Ok(indexed > 0)
    }

    async fn remember(
        &self,
        viewer: Option<UserId>,
        kind: Kind,
        query: &Query,
        is_first: bool,
    ) -> Result<()> {
        let Some(viewer) = viewer.filter(|_| is_first) else { return Ok(()) };
        let now = self.clock.now();
        let tx = self.db.write().await?;
        recent_searches::insert(&tx, viewer, kind, query.as_str(), now).await?;
        Ok(tx.commit().await?)
    }
}
