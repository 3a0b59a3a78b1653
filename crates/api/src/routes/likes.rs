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
    schema::{
        post::{Like, PostPage},
        user::UserPage,
    },
    viewer::{MaybeViewer, Viewer},
};

pub(crate) struct LikesApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Posts")]
impl LikesApi {
    /// Like a post
    ///
    /// Its author is told, once. Liking it again changes nothing.
    /// 작성자에게 한 번만 알림이 갑니다. 이미 좋아한 글이면 아무 일도 일어나지 않습니다.
    #[oai(path = "/posts/:post/like", method = "put", operation_id = "likePost")]
    async fn like_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a post.
        post: Path<PostParam>,
    ) -> ApiResult<Answer<Like>> {
        Ok(Answer(app.social.like_post(viewer.id(), post.id()?).await.map_err(Problem::from)?.into()))
    }

    /// Like a post no more
    ///
    /// What its author was told is taken back.
    /// 작성자에게 갔던 알림도 거두어집니다.
    #[oai(path = "/posts/:post/like", method = "delete", operation_id = "unlikePost")]
    async fn unlike_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a post.
        post: Path<PostParam>,
    ) -> ApiResult<Answer<Like>> {
        Ok(Answer(app.social.unlike_post(viewer.id(), post.id()?).await.map_err(Problem::from)?.into()))
    }

    /// List who likes a post
    ///
    /// The latest like first.
    /// 최근에 좋아한 순서입니다.
    #[oai(path = "/posts/:post/likes", method = "get", operation_id = "listPostLikers")]
    async fn list_post_likers(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The id of a post.
        post: Path<PostParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let post = post.id()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listPostLikers", &[&post.to_string()])?;
        let items = app.social.post_likers(viewer.id(), post, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// List the posts that you like
    ///
    /// The latest like first.
    /// 최근에 좋아한 순서입니다.
    #[oai(path = "/me/likes", method = "get", operation_id = "listLikedPosts")]
    async fn list_liked_posts(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listLikedPosts", &[&viewer.id().to_string()])?;
        let items = app.social.liked_posts(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }
}
