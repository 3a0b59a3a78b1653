use blegram_http::{MaybeViewer, Viewer};
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
    schema::{
        post::{Like, PostPage},
        user::UserPage,
    },
};

pub(crate) struct LikesApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write("likePost", Login::Required, &[Code::NotFound]).limited(Policy::Reaction),
    Operation::write("unlikePost", Login::Required, &[Code::NotFound]).limited(Policy::Reaction).with_key(),
    Operation::read("listPostLikers", Login::Optional, &[Code::NotFound]).tagged().list(),
    Operation::read("listLikedPosts", Login::Required, &[]).tagged().list(),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Posts")]
impl LikesApi {
    /// Like a post
    ///
    /// Notifies the author once. Liking it again has no effect.
    /// 작성자에게 한 번만 알림이 갑니다. 이미 좋아한 글이면 아무것도 바뀌지 않습니다.
    #[oai(path = "/posts/:post/like", method = "put", operation_id = "likePost")]
    async fn like_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
    ) -> ApiResult<Answer<Like>> {
        Ok(Answer(app.social.like_post(viewer.id(), post.id()?).await?.into()))
    }

    /// Unlike a post
    ///
    /// Withdraws the notification to the author.
    /// 작성자에게 보낸 알림도 취소됩니다.
    #[oai(path = "/posts/:post/like", method = "delete", operation_id = "unlikePost")]
    async fn unlike_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
    ) -> ApiResult<Answer<Like>> {
        Ok(Answer(app.social.unlike_post(viewer.id(), post.id()?).await?.into()))
    }

    /// List a post's likers
    ///
    /// Most recent like first.
    /// 최근에 좋아한 순서입니다.
    #[oai(path = "/posts/:post/likes", method = "get", operation_id = "listPostLikers")]
    async fn list_post_likers(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
        list: List,
    ) -> ApiResult<Paged<UserPage>> {
        let post = post.id()?;
        let page = list.page(&[&post.to_string()])?;
        let items = app.social.post_likers(viewer.id(), post, &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// List liked posts
    ///
    /// Most recent like first. Posts that you can no longer see are left out.
    /// 최근에 좋아한 순서입니다. 더는 볼 수 없는 글은 제외됩니다.
    #[oai(path = "/me/likes", method = "get", operation_id = "listLikedPosts")]
    async fn list_liked_posts(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        list: List,
    ) -> ApiResult<Paged<PostPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let items = app.social.liked_posts(viewer.id(), &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }
}
