use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{ApiResult, Created, NoContent, Versioned},
    body::Body,
    conditional::IfMatch,
    page::Paged,
    param::{CursorParam, LimitParam, ListQuery, PostParam},
    problem::Problem,
    routes::{AppData, Tag},
    schema::{
        Linked,
        post::{CreatePost, Post, PostRevisionPage, UpdatePost},
    },
    viewer::{MaybeViewer, Viewer},
};

pub(crate) struct PostsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Posts")]
impl PostsApi {
    /// Write a post
    ///
    /// Hashtags and mentions are found in the text, in any language: `#제주`, `@ann님`; not inside links or handles of other
    /// sites (`@ann@mastodon.example`). Mentions of nobody stay plain text.
    /// 본문에서 해시태그와 멘션을 찾아냅니다. 링크와 다른 사이트의 핸들 안에서는 찾지 않으며, 존재하지 않는 사용자의 멘션은 일반
    /// 텍스트로 남습니다.
    #[oai(path = "/posts", method = "post", operation_id = "createPost")]
    async fn create_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<CreatePost>,
    ) -> ApiResult<Created<Post>> {
        let post = app.social.create_post(viewer.id(), body.0).await.map_err(Problem::from)?;
        let location = Some(format!("/api/v1/posts/{}", post.post.id));
        let version = Some(post.post.version);
        Ok(Created { location, version, body: Post::linked(post, &app.media.links()) })
    }

    /// Get a post
    ///
    /// A post that you may not see is not found. 볼 수 없는 게시글은 없는 것으로 답합니다.
    #[oai(path = "/posts/:post", method = "get", operation_id = "getPost")]
    async fn get_post(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The id of a post.
        post: Path<PostParam>,
    ) -> ApiResult<Versioned<Post>> {
        let post = app.social.get_post(viewer.id(), post.id()?).await.map_err(Problem::from)?;
        Ok(Linked::linked(post, &app.media.links()))
    }

    /// Edit a post of yours
    ///
    /// What you leave out stays. A new text keeps the old ones readable as revisions, finds hashtags and mentions anew
    /// and sets `edited_at`.
    /// 보내지 않은 항목은 그대로 둡니다. 본문을 바꾸면 이전 본문은 수정 이력에 남고, 해시태그와 멘션을 다시 찾습니다.
    #[oai(path = "/posts/:post", method = "patch", operation_id = "updatePost")]
    async fn update_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a post.
        post: Path<PostParam>,
        if_match: IfMatch,
        body: Body<UpdatePost>,
    ) -> ApiResult<Versioned<Post>> {
        let updated = app.social.update_post(viewer.id(), post.id()?, body.0, &if_match.0).await;
        Ok(Linked::linked(updated.map_err(Problem::from)?, &app.media.links()))
    }

    /// List the texts that a post had
    ///
    /// The newest first, the present one included, for everybody who sees the post.
    /// 게시글을 볼 수 있는 누구나 현재 본문을 포함한 수정 이력을 최신순으로 볼 수 있습니다.
    #[oai(path = "/posts/:post/revisions", method = "get", operation_id = "listPostRevisions")]
    async fn list_post_revisions(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The id of a post.
        post: Path<PostParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<PostRevisionPage>> {
        let post = post.id()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listPostRevisions", &[&post.to_string()])?;
        let revisions = app.social.post_revisions(viewer.id(), post, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(revisions, &app.media.links()))
    }

    /// Delete a post of yours
    ///
    /// It is gone at once, and from every count. 게시글이 바로 사라지고 모든 집계에서도 빠집니다.
    #[oai(path = "/posts/:post", method = "delete", operation_id = "deletePost")]
    async fn delete_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a post.
        post: Path<PostParam>,
        if_match: IfMatch,
    ) -> ApiResult<NoContent> {
        app.social.delete_post(viewer.id(), post.id()?, &if_match.0).await.map_err(Problem::from)?;
        Ok(NoContent)
    }
}
