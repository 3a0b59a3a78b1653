use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::ApiResult,
    page::Paged,
    param::{CursorParam, HashtagParam, LimitParam, ListQuery, SinceParam},
    problem::Problem,
    routes::{AppData, Tag},
    schema::post::PostPage,
    viewer::{MaybeViewer, Viewer},
};

pub(crate) struct TimelinesApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Timelines")]
impl TimelinesApi {
    /// Get the home timeline
    ///
    /// Your own posts and those of the accounts you follow, newest first.
    /// 내 글과 내가 팔로우하는 계정의 글을 최신순으로 반환합니다.
    #[oai(path = "/timelines/home", method = "get", operation_id = "getHomeTimeline")]
    async fn get_home_timeline(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
        /// Returns only items newer than this ID, which does not have to exist.
        /// 이 ID보다 새로운 항목만 반환합니다. 이 ID의 항목이 없어도 됩니다.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("getHomeTimeline", &[&viewer.id().to_string()])?;
        let items = app.social.home_timeline(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// Get the public timeline
    ///
    /// Public posts of all accounts, newest first. `next_cursor` leads to older posts, `prev_cursor` to newer ones.
    /// 모든 계정의 공개 글을 최신순으로 반환합니다. `next_cursor`는 더 오래된 글로, `prev_cursor`는 더 새로운 글로
    /// 이어집니다.
    #[oai(path = "/timelines/public", method = "get", operation_id = "getPublicTimeline")]
    async fn get_public_timeline(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
        /// Returns only items newer than this ID, which does not have to exist.
        /// 이 ID보다 새로운 항목만 반환합니다. 이 ID의 항목이 없어도 됩니다.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("getPublicTimeline", &[])?;
        let posts = app.social.public_timeline(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::render_with(posts, &app.media.links()))
    }

    /// Get a hashtag timeline
    ///
    /// Public posts with the hashtag, newest first. Any spelling works: `Jeju` and `#JEJU` are the same hashtag. An
    /// unused hashtag returns an empty list.
    /// 해시태그가 있는 공개 글을 최신순으로 반환합니다. 대소문자나 `#`의 유무는 상관없습니다. 아무도 쓰지 않은
    /// 해시태그는 빈 목록을 반환합니다.
    #[oai(path = "/timelines/hashtags/:tag", method = "get", operation_id = "getHashtagTimeline")]
    async fn get_hashtag_timeline(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// A hashtag, with or without `#`. 해시태그. `#`은 없어도 됩니다.
        tag: Path<HashtagParam>,
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
        /// Returns only items newer than this ID, which does not have to exist.
        /// 이 ID보다 새로운 항목만 반환합니다. 이 ID의 항목이 없어도 됩니다.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let tag = tag.hashtag()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("getHashtagTimeline", &[tag.as_str()])?;
        let posts = app.social.hashtag_timeline(viewer.id(), &tag, &page).await.map_err(Problem::from)?;
        Ok(Paged::render_with(posts, &app.media.links()))
    }
}
