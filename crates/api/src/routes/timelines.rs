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
    /// List the posts of those whom you follow
    ///
    /// And your own, newest first. 내 글과 팔로우하는 사람들의 글을 최신순으로 보여 줍니다.
    #[oai(path = "/timelines/home", method = "get", operation_id = "getHomeTimeline")]
    async fn get_home_timeline(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
        /// Only items newer than the one with this id, which need not exist.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("getHomeTimeline", &[&viewer.id().to_string()])?;
        let items = app.social.home_timeline(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// List the public posts of everybody
    ///
    /// Newest first. `next_cursor` leads to older posts, `prev_cursor` to newer ones.
    /// 최신순입니다. `next_cursor`는 더 오래된 글로, `prev_cursor`는 더 새로운 글로 이어집니다.
    #[oai(path = "/timelines/public", method = "get", operation_id = "getPublicTimeline")]
    async fn get_public_timeline(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
        /// Only items newer than the one with this id, which need not exist.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("getPublicTimeline", &[])?;
        let posts = app.social.public_timeline(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(posts, &app.media.links()))
    }

    /// List the public posts with a hashtag
    ///
    /// Newest first. The tag in any spelling: `Jeju` and `#JEJU` are one. A tag that nobody used is an empty list.
    /// 최신순입니다. 대소문자나 `#`의 유무는 상관없습니다. 아무도 쓰지 않은 태그는 빈 목록입니다.
    #[oai(path = "/timelines/hashtags/:tag", method = "get", operation_id = "getHashtagTimeline")]
    async fn get_hashtag_timeline(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// A hashtag, with or without `#`.
        tag: Path<HashtagParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
        /// Only items newer than the one with this id, which need not exist.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let tag = tag.hashtag()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("getHashtagTimeline", &[tag.as_str()])?;
        let posts = app.social.hashtag_timeline(viewer.id(), &tag, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(posts, &app.media.links()))
    }
}
