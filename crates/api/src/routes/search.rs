use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult, NoContent},
    page::Paged,
    param::{
        CursorParam, HashtagParam, LimitParam, ListQuery, RecentSearchParam, Required, SearchParam, query,
    },
    problem::Problem,
    routes::{AppData, Tag},
    schema::{
        Linked,
        post::PostPage,
        search::{Hashtag, HashtagPage, RecentSearchPage, SearchSuggestions, TrendPage},
        user::UserPage,
    },
    viewer::{MaybeViewer, Viewer},
};

pub(crate) struct SearchApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Discovery")]
impl SearchApi {
    /// Get what a search field offers
    ///
    /// At most six accounts and six hashtags that begin so or have it. Nothing is remembered of it.
    /// 입력 중인 글자로 찾은 계정과 해시태그를 여섯 개씩까지 보여 줍니다. 검색 기록에는 남지 않습니다.
    #[oai(path = "/search/suggestions", method = "get", operation_id = "searchSuggestions")]
    async fn search_suggestions(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// What is looked for, 1 to 100 characters.
        q: Query<Required<SearchParam>>,
    ) -> ApiResult<Answer<SearchSuggestions>> {
        let wanted = query(&q.0)?;
        let found = app.social.search_suggestions(viewer.id(), &wanted).await.map_err(Problem::from)?;
        Ok(Answer(SearchSuggestions::linked(found, &app.media.links())))
    }

    /// Search accounts
    ///
    /// By username and shown name: the one that is called so, those that begin so, and those that have it.
    /// 아이디와 표시 이름으로 찾습니다. 정확히 일치하는 계정, 그렇게 시작하는 계정, 포함하는 계정 순서입니다.
    #[oai(path = "/search/users", method = "get", operation_id = "searchUsers")]
    async fn search_users(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// What is looked for, 1 to 100 characters.
        q: Query<Required<SearchParam>>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let list = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let wanted = query(&q.0)?;
        let page = list.ranked_page("searchUsers", &[wanted.as_str()])?;
        let found = app.social.search_users(viewer.id(), &wanted, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(found, &app.media.links()))
    }

    /// Search hashtags
    ///
    /// Those that begin so or have it, the most used first.
    /// 그렇게 시작하거나 포함하는 해시태그를 많이 쓰인 순서로 보여 줍니다.
    #[oai(path = "/search/hashtags", method = "get", operation_id = "searchHashtags")]
    async fn search_hashtags(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// What is looked for, 1 to 100 characters.
        q: Query<Required<SearchParam>>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<HashtagPage>> {
        let list = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let wanted = query(&q.0)?;
        let page = list.ranked_page("searchHashtags", &[wanted.as_str()])?;
        let found = app.social.search_hashtags(viewer.id(), &wanted, &page).await.map_err(Problem::from)?;
        Ok(Paged::render(found))
    }

    /// Search posts
    ///
    /// Those that have all of the words, the newest first. Korean words are found inside compounds: `서울` in `서울숲나들이`.
    /// 모든 낱말이 들어 있는 글을 최신순으로 보여 줍니다. 띄어 쓰지 않은 말 속의 두 글자 낱말도 찾습니다.
    #[oai(path = "/search/posts", method = "get", operation_id = "searchPosts")]
    async fn search_posts(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// What is looked for, 1 to 100 characters.
        q: Query<Required<SearchParam>>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let list = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let wanted = query(&q.0)?;
        let page = list.page("searchPosts", &[wanted.as_str()])?;
        let found = app.social.search_posts(viewer.id(), &wanted, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(found, &app.media.links()))
    }

    /// List trending hashtags
    ///
    /// What more people write about than the day before, the strongest first.
    /// 전날보다 많은 사람이 쓰고 있는 해시태그입니다.
    #[oai(path = "/trends/hashtags", method = "get", operation_id = "listTrendingHashtags")]
    async fn list_trending_hashtags(
        &self,
        app: AppData<'_>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<TrendPage>> {
        let list = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = list.ranked_page("listTrendingHashtags", &[])?;
        let trends = app.social.trending_hashtags(&page).await.map_err(Problem::from)?;
        Ok(Paged::render(trends))
    }

    /// Get a hashtag
    ///
    /// With its exact number of posts, in any spelling. 표기에 상관없이 정확한 글 수를 알려 줍니다.
    #[oai(path = "/hashtags/:tag", method = "get", operation_id = "getHashtag")]
    async fn get_hashtag(
        &self,
        app: AppData<'_>,
        /// A hashtag, with or without `#`.
        tag: Path<HashtagParam>,
    ) -> ApiResult<Answer<Hashtag>> {
        let hashtag = app.social.get_hashtag(tag.hashtag()?).await.map_err(Problem::from)?;
        Ok(Answer(hashtag.into()))
    }

    /// List what you looked for
    ///
    /// The newest 20 searches, each once. Only you see them. 최근 검색 20개이며 나만 볼 수 있습니다.
    #[oai(path = "/me/recent-searches", method = "get", operation_id = "listRecentSearches")]
    async fn list_recent_searches(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<RecentSearchPage>> {
        let list = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = list.page("listRecentSearches", &[&viewer.id().to_string()])?;
        let searches = app.social.recent_searches(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::render(searches))
    }

    /// Forget a search
    ///
    /// Somebody else's is not found. 다른 사람의 검색 기록은 없는 것으로 답합니다.
    #[oai(path = "/me/recent-searches/:id", method = "delete", operation_id = "deleteRecentSearch")]
    async fn delete_recent_search(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a search, from the list.
        id: Path<RecentSearchParam>,
    ) -> ApiResult<NoContent> {
        app.social.delete_recent_search(viewer.id(), id.id()?).await.map_err(Problem::from)?;
        Ok(NoContent)
    }

    /// Forget every search
    ///
    /// All that you looked for. 모든 검색 기록을 지웁니다.
    #[oai(path = "/me/recent-searches", method = "delete", operation_id = "deleteRecentSearches")]
    async fn delete_recent_searches(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<NoContent> {
        app.social.delete_recent_searches(viewer.id()).await.map_err(Problem::from)?;
        Ok(NoContent)
    }
}
