use blegram_http::Viewer;
use blegram_limits::Policy;
use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{Answer, ApiResult},
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::PostParam,
    problem::Code,
    routes::{AppData, Tag},
    schema::post::{Bookmark, PostPage},
};

pub(crate) struct BookmarksApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write("bookmarkPost", Login::Required, &[Code::NotFound]).limited(Policy::Reaction),
    Operation::write("unbookmarkPost", Login::Required, &[Code::NotFound])
        .limited(Policy::Reaction)
        .with_key(),
    Operation::read("listBookmarks", Login::Required, &[]).tagged().list(),
];

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
        app.social.bookmark_post(viewer.id(), post.id()?).await?;
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
        app.social.unbookmark_post(viewer.id(), post.id()?).await?;
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
        list: List,
    ) -> ApiResult<Paged<PostPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let items = app.social.bookmarks(viewer.id(), &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }
}
