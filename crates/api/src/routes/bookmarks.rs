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
    /// Only you see your bookmarks; nobody is told.
    /// 북마크는 나만 볼 수 있고 아무에게도 알리지 않습니다.
    #[oai(path = "/posts/:post/bookmark", method = "put", operation_id = "bookmarkPost")]
    async fn bookmark_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a post.
        post: Path<PostParam>,
    ) -> ApiResult<Answer<Bookmark>> {
        app.social.bookmark_post(viewer.id(), post.id()?).await.map_err(Problem::from)?;
        Ok(Answer(Bookmark { bookmarked: true }))
    }

    /// Remove a bookmark
    ///
    /// Removing it again changes nothing.
    /// 이미 지운 북마크를 다시 지워도 아무 일도 일어나지 않습니다.
    #[oai(path = "/posts/:post/bookmark", method = "delete", operation_id = "unbookmarkPost")]
    async fn unbookmark_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a post.
        post: Path<PostParam>,
    ) -> ApiResult<Answer<Bookmark>> {
        app.social.unbookmark_post(viewer.id(), post.id()?).await.map_err(Problem::from)?;
        Ok(Answer(Bookmark { bookmarked: false }))
    }

    /// List your bookmarks
    ///
    /// By the time of bookmarking, the latest first. Posts that you may not see any more are left out.
    /// 북마크한 순서의 역순입니다. 더는 볼 수 없는 글은 빠집니다.
    #[oai(path = "/me/bookmarks", method = "get", operation_id = "listBookmarks")]
    async fn list_bookmarks(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listBookmarks", &[&viewer.id().to_string()])?;
        let items = app.social.bookmarks(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }
}
