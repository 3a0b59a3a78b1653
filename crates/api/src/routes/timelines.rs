use blegram_http::{MaybeViewer, Viewer};
use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::ApiResult,
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::HashtagParam,
    problem::Code,
    routes::{AppData, Tag},
    schema::post::PostPage,
};

pub(crate) struct TimelinesApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("getHomeTimeline", Login::Required, &[]).tagged().list_with_since(),
    Operation::read("getPublicTimeline", Login::Optional, &[]).tagged().list_with_since(),
    Operation::read("getHashtagTimeline", Login::Optional, &[Code::NotFound]).tagged().list_with_since(),
];

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
        list: List,
    ) -> ApiResult<Paged<PostPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let items = app.social.home_timeline(viewer.id(), &page).await?;
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
        list: List,
    ) -> ApiResult<Paged<PostPage>> {
        let page = list.page(&[])?;
        let posts = app.social.public_timeline(viewer.id(), &page).await?;
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
        list: List,
    ) -> ApiResult<Paged<PostPage>> {
        let tag = tag.hashtag()?;
        let page = list.page(&[tag.as_str()])?;
        let posts = app.social.hashtag_timeline(viewer.id(), &tag, &page).await?;
        Ok(Paged::render_with(posts, &app.media.links()))
    }
}
