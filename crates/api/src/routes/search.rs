use std::sync::Arc;

use blegram_http::{MaybeViewer, Viewer, origin::RequestOrigin};
use blegram_limits::Policy;
use blegram_social::SearchHistory;
use poem::{FromRequest, Request, RequestBody};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    App,
    answer::{Answer, ApiResult, NoContent},
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::{HashtagParam, RecentSearchParam, Required, SearchParam, query},
    problem::Code,
    routes::{AppData, Tag},
    schema::{
        Render,
        post::PostPage,
        search::{Hashtag, HashtagPage, RecentSearchPage, SearchSuggestions, TrendPage},
        user::UserPage,
    },
};

pub(crate) struct SearchApi;

/// Skips the recent searches for links on pages of other sites, which browsers follow with the cookie (`SameSite=Lax`).
#[derive(Debug)]
struct History(SearchHistory);

impl<'a> FromRequest<'a> for History {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let app = request.data::<Arc<App>>();
        let is_own = app.is_some_and(|app| RequestOrigin::is_own_page(request.headers(), &app.site));
        Ok(Self(if is_own { SearchHistory::Recorded } else { SearchHistory::Skipped }))
    }
}

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("searchSuggestions", Login::Optional, &[Code::Invalid]).limited(Policy::Search),
    Operation::read("searchUsers", Login::Optional, &[]).limited(Policy::Search).tagged().list(),
    Operation::read("searchHashtags", Login::Optional, &[]).limited(Policy::Search).tagged().list(),
    Operation::read("searchPosts", Login::Optional, &[]).limited(Policy::Search).tagged().list(),
    Operation::read("listTrendingHashtags", Login::None, &[]).tagged().list(),
    Operation::read("getHashtag", Login::Optional, &[Code::NotFound]),
    Operation::read("listRecentSearches", Login::Required, &[]).tagged().list(),
    Operation::write("deleteRecentSearch", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("deleteRecentSearches", Login::Required, &[]).with_key(),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Discovery")]
impl SearchApi {
    /// Get search suggestions
    ///
    /// At most six accounts and six hashtags whose names begin with the text or contain it. Not saved to your recent
    /// searches.
    /// 입력한 글자로 시작하거나 그 글자가 들어 있는 계정과 해시태그를 여섯 개씩까지 반환합니다. 검색 기록에는 남지
    /// 않습니다.
    #[oai(path = "/search/suggestions", method = "get", operation_id = "searchSuggestions")]
    async fn search_suggestions(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The search text, 1 to 100 characters. 검색어, 1~100자.
        q: Query<Required<SearchParam>>,
    ) -> ApiResult<Answer<SearchSuggestions>> {
        let text = query(&q.0)?;
        let found = app.social.search_suggestions(viewer.id(), &text).await?;
        Ok(Answer(SearchSuggestions::render(found, &app.media.links())))
    }

    /// Search users
    ///
    /// By username and display name: first the exact username, then usernames that begin with the text, then names that
    /// contain it.
    /// 아이디와 표시 이름으로 찾습니다. 아이디가 정확히 일치하는 계정, 아이디가 검색어로 시작하는 계정, 이름에 검색어가
    /// 들어 있는 계정 순서입니다.
    #[oai(path = "/search/users", method = "get", operation_id = "searchUsers")]
    async fn search_users(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The search text, 1 to 100 characters. 검색어, 1~100자.
        q: Query<Required<SearchParam>>,
        history: History,
        list: List,
    ) -> ApiResult<Paged<UserPage>> {
        let text = query(&q.0)?;
        let page = list.ranked_page(&[text.as_str()])?;
        let found = app.social.search_users(viewer.id(), &text, &page, history.0).await?;
        Ok(Paged::render_with(found, &app.media.links()))
    }

    /// Search hashtags
    ///
    /// Hashtags that begin with the text or contain it, most used first.
    /// 검색어로 시작하거나 검색어가 들어 있는 해시태그를 많이 쓰인 순서로 반환합니다.
    #[oai(path = "/search/hashtags", method = "get", operation_id = "searchHashtags")]
    async fn search_hashtags(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The search text, 1 to 100 characters. 검색어, 1~100자.
        q: Query<Required<SearchParam>>,
        history: History,
        list: List,
    ) -> ApiResult<Paged<HashtagPage>> {
        let text = query(&q.0)?;
        let page = list.ranked_page(&[text.as_str()])?;
        let found = app.social.search_hashtags(viewer.id(), &text, &page, history.0).await?;
        Ok(Paged::render(found))
    }

    /// Search posts
    ///
    /// Posts that contain all of the words, newest first. Korean words are found inside compounds: `서울` in
    /// `서울숲나들이`.
    /// 모든 낱말이 들어 있는 글을 최신순으로 반환합니다. 붙여 쓴 말 속의 낱말도 찾습니다. 예를 들어 `서울`로
    /// `서울숲나들이`를 찾습니다.
    #[oai(path = "/search/posts", method = "get", operation_id = "searchPosts")]
    async fn search_posts(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The search text, 1 to 100 characters. 검색어, 1~100자.
        q: Query<Required<SearchParam>>,
        history: History,
        list: List,
    ) -> ApiResult<Paged<PostPage>> {
        let text = query(&q.0)?;
        let page = list.page(&[text.as_str()])?;
        let found = app.social.search_posts(viewer.id(), &text, &page, history.0).await?;
        Ok(Paged::render_with(found, &app.media.links()))
    }

    /// List trending hashtags
    ///
    /// Hashtags that more accounts use than on the day before, strongest trend first.
    /// 전날보다 많은 계정이 쓰고 있는 해시태그를 상승세가 큰 순서로 반환합니다.
    #[oai(path = "/trends/hashtags", method = "get", operation_id = "listTrendingHashtags")]
    async fn list_trending_hashtags(&self, app: AppData<'_>, list: List) -> ApiResult<Paged<TrendPage>> {
        let page = list.ranked_page(&[])?;
        let trends = app.social.trending_hashtags(&page).await?;
        Ok(Paged::render(trends))
    }

    /// Get a hashtag
    ///
    /// Returns the exact number of public posts with the hashtag, in any spelling.
    /// 표기에 상관없이 이 해시태그가 있는 공개 게시글의 정확한 수를 반환합니다.
    #[oai(path = "/hashtags/:tag", method = "get", operation_id = "getHashtag")]
    async fn get_hashtag(
        &self,
        app: AppData<'_>,
        /// A hashtag, with or without `#`. 해시태그. `#`은 없어도 됩니다.
        tag: Path<HashtagParam>,
    ) -> ApiResult<Answer<Hashtag>> {
        let hashtag = app.social.get_hashtag(tag.hashtag()?).await?;
        Ok(Answer(hashtag.into()))
    }

    /// List recent searches
    ///
    /// Your 20 most recent searches without duplicates, newest first. Only you can see them. Searches that pages of other
    /// sites link to are not saved.
    /// 중복을 제외한 최근 검색 20개를 최신순으로 반환합니다. 나만 볼 수 있습니다. 다른 사이트의 링크로 연 검색은 저장되지
    /// 않습니다.
    #[oai(path = "/me/recent-searches", method = "get", operation_id = "listRecentSearches")]
    async fn list_recent_searches(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        list: List,
    ) -> ApiResult<Paged<RecentSearchPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let searches = app.social.recent_searches(viewer.id(), &page).await?;
        Ok(Paged::render(searches))
    }

    /// Delete a recent search
    ///
    /// Another user's search returns 404.
    /// 다른 사용자의 검색 기록은 404를 반환합니다.
    #[oai(path = "/me/recent-searches/:id", method = "delete", operation_id = "deleteRecentSearch")]
    async fn delete_recent_search(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of a search from listRecentSearches. listRecentSearches에서 받은 검색 ID.
        id: Path<RecentSearchParam>,
    ) -> ApiResult<NoContent> {
        app.social.delete_recent_search(viewer.id(), id.id()?).await?;
        Ok(NoContent)
    }

    /// Clear recent searches
    ///
    /// Deletes all of your recent searches.
    /// 내 검색 기록을 모두 삭제합니다.
    #[oai(path = "/me/recent-searches", method = "delete", operation_id = "deleteRecentSearches")]
    async fn delete_recent_searches(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<NoContent> {
        app.social.delete_recent_searches(viewer.id()).await?;
        Ok(NoContent)
    }
}
