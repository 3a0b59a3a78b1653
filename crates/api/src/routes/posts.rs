use blegram_http::{MaybeViewer, Viewer, conditional::IfMatch};
use blegram_limits::Policy;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult, Created, NoContent, Versioned},
    body::Body,
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::{IdsParam, PostParam},
    problem::Code,
    routes::{AppData, Tag},
    schema::{
        Render,
        post::{CreatePost, Post, PostList, PostRevisionPage, UpdatePost},
        render_all,
    },
};

pub(crate) struct PostsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write("createPost", Login::Required, &[Code::MediaInUse])
        .limited(Policy::Post)
        .with_body()
        .tagged()
        .with_key()
        .with_location(),
    Operation::read("getPosts", Login::Optional, &[Code::Invalid]),
    Operation::read("getPost", Login::Optional, &[Code::NotFound]).tagged(),
    Operation::write("updatePost", Login::Required, &[Code::NotFound, Code::Forbidden, Code::MediaInUse])
        .limited(Policy::Post)
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::read("listPostRevisions", Login::Optional, &[Code::NotFound]).tagged().list(),
    Operation::write("deletePost", Login::Required, &[Code::NotFound, Code::Forbidden])
        .with_precondition()
        .with_key(),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Posts")]
impl PostsApi {
    /// Create a post
    ///
    /// Hashtags and mentions are detected in the text, in any language: `#제주`, `@ann님`; not inside links or handles
    /// of other sites (`@ann@mastodon.example`). A mention of an unknown username stays plain text. Notifies mentioned
    /// users.
    /// 본문에서 해시태그와 멘션을 언어와 관계없이 찾아냅니다(`#제주`, `@ann님`). 링크와 다른 사이트의
    /// 핸들(`@ann@mastodon.example`) 안에서는 찾지 않으며, 존재하지 않는 사용자의 멘션은 일반 텍스트로 남습니다. 멘션된
    /// 사용자에게 알림이 갑니다.
    #[oai(path = "/posts", method = "post", operation_id = "createPost")]
    async fn create_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<CreatePost>,
    ) -> ApiResult<Created<Post>> {
        let post = app.social.create_post(viewer.id(), body.0).await?;
        let location = Some(format!("/api/v1/posts/{}", post.post.id));
        let version = Some(post.post.version);
        Ok(Created { location, version, body: Post::render(post, &app.media.links()) })
    }

    /// Get posts by ID
    ///
    /// Up to 100 posts, in the order of the IDs; an ID that occurs twice counts once. Posts that do not exist or that you are
    /// not allowed to see are left out.
    /// 게시글을 최대 100개까지 ID 순서대로 반환합니다. 같은 ID는 한 번만 셉니다. 존재하지 않거나 볼 수 없는 게시글은
    /// 제외됩니다.
    #[oai(path = "/posts", method = "get", operation_id = "getPosts")]
    async fn get_posts(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The IDs of the posts: repeat the parameter, or separate them by commas.
        /// 게시글 ID. 파라미터를 반복하거나 쉼표로 구분합니다.
        ids: Query<IdsParam>,
    ) -> ApiResult<Answer<PostList>> {
        let posts = app.social.get_posts(viewer.id(), &ids.ids()?).await?;
        Ok(Answer(PostList { items: render_all(posts, &app.media.links()) }))
    }

    /// Get a post
    ///
    /// A post that you are not allowed to see returns 404.
    /// 볼 수 없는 게시글은 404를 반환합니다.
    #[oai(path = "/posts/:post", method = "get", operation_id = "getPost")]
    async fn get_post(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
    ) -> ApiResult<Versioned<Post>> {
        let post = app.social.get_post(viewer.id(), post.id()?).await?;
        Ok(Render::render(post, &app.media.links()))
    }

    /// Edit a post
    ///
    /// Edits your own post. Omitted fields stay unchanged. A new text keeps the previous ones as revisions, detects
    /// hashtags and mentions again, and sets `edited_at`.
    /// 내 게시글을 수정합니다. 보내지 않은 항목은 그대로 둡니다. 본문을 바꾸면 이전 본문은 수정 이력에 남고, 해시태그와
    /// 멘션을 다시 찾으며, `edited_at`이 설정됩니다.
    #[oai(path = "/posts/:post", method = "patch", operation_id = "updatePost")]
    async fn update_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
        if_match: IfMatch,
        body: Body<UpdatePost>,
    ) -> ApiResult<Versioned<Post>> {
        let updated = app.social.update_post(viewer.id(), post.id()?, body.0, &if_match.0).await;
        Ok(Render::render(updated?, &app.media.links()))
    }

    /// List revisions of a post
    ///
    /// Newest first, including the current text. Everyone who can see the post can list them.
    /// 현재 본문을 포함한 수정 이력을 최신순으로 반환합니다. 게시글을 볼 수 있는 누구나 볼 수 있습니다.
    #[oai(path = "/posts/:post/revisions", method = "get", operation_id = "listPostRevisions")]
    async fn list_post_revisions(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
        list: List,
    ) -> ApiResult<Paged<PostRevisionPage>> {
        let post = post.id()?;
        let page = list.page(&[&post.to_string()])?;
        let revisions = app.social.post_revisions(viewer.id(), post, &page).await?;
        Ok(Paged::render_with(revisions, &app.media.links()))
    }

    /// Delete a post
    ///
    /// Deletes your own post. It disappears immediately, also from all counts.
    /// 내 게시글을 삭제합니다. 즉시 사라지고 모든 집계에서도 제외됩니다.
    #[oai(path = "/posts/:post", method = "delete", operation_id = "deletePost")]
    async fn delete_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the post. 게시글 ID.
        post: Path<PostParam>,
        if_match: IfMatch,
    ) -> ApiResult<NoContent> {
        app.social.delete_post(viewer.id(), post.id()?, &if_match.0).await?;
        Ok(NoContent)
    }
}
