use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult},
    page::Paged,
    param::{CursorParam, LimitParam, ListQuery, PostParam},
    problem::Problem,
    routes::{AppData, Tag},
    schema::post::{Bookmark, PostPage},
    viewer::Viewer,
};

pub(crate) struct BookmarksApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Posts")]
impl BookmarksApi {
    /// Bookmark a post
    ///
    /// Bookmarks are private: only you can see them, and the author is not notified. Bookmarking again has no effect.
    /// 북마크는 나만 볼 수 있고 작성자에게 알림이 가지 않습니다. 이미 북마크한 글이면 아무것도 바뀌지 않습니다.
    #[oai(path = "/posts/:post/bookmark", method = "put", operation_id = "bookmarkPost")]
    async fn bookmark_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
    ) -> ApiResult<Answer<Bookmark>> {
        app.social.bookmark_post(viewer.id(), post.id()?).await.map_err(Problem::from)?;
        Ok(Answer(Bookmark { bookmarked: true }))
    }

    /// Remove a bookmark
    ///
    /// Removing it again has no effect. You can also remove the bookmark of a post that you can no longer see.
    /// 이미 지운 북마크를 다시 지워도 아무것도 바뀌지 않습니다. 더는 볼 수 없는 글의 북마크도 지울 수 있습니다.
    #[oai(path = "/posts/:post/bookmark", method = "delete", operation_id = "unbookmarkPost")]
    async fn unbookmark_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
    ) -> ApiResult<Answer<Bookmark>> {
        app.social.unbookmark_post(viewer.id(), post.id()?).await.map_err(Problem::from)?;
        Ok(Answer(Bookmark { bookmarked: false }))
    }

    /// List bookmarked posts
    ///
    /// Most recently bookmarked first. Posts that you can no longer see are left out.
    /// 최근에 북마크한 순서입니다. 더는 볼 수 없는 글은 제외됩니다.
    #[oai(path = "/me/bookmarks", method = "get", operation_id = "listBookmarks")]
    async fn list_bookmarks(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listBookmarks", &[&viewer.id().to_string()])?;
        let items = app.social.bookmarks(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::render_with(items, &app.media.links()))
    }
}
