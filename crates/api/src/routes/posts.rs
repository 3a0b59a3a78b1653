use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{Answer, ApiResult, Created, NoContent},
    body::Body,
    param::PostParam,
    problem::Problem,
    routes::{AppData, Tag},
    schema::post::{CreatePost, Post},
    viewer::{MaybeViewer, Viewer},
};

pub(crate) struct PostsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Posts")]
impl PostsApi {
    /// Write a post
    ///
    /// Hashtags and mentions are found in the text, in any language: `#제주`, `@ann님`. Mentions of nobody stay plain
    /// text.
    /// 본문에서 해시태그와 멘션을 찾아냅니다. 존재하지 않는 사용자의 멘션은 일반 텍스트로 남습니다.
    #[oai(path = "/posts", method = "post", operation_id = "createPost")]
    async fn create_post(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<CreatePost>,
    ) -> ApiResult<Created<Post>> {
        let post = app.social.create_post(viewer.id(), body.0).await.map_err(Problem::from)?;
        Ok(Created { location: Some(format!("/api/v1/posts/{}", post.post.id)), body: post.into() })
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
    ) -> ApiResult<Answer<Post>> {
        Ok(Answer(app.social.get_post(viewer.id(), post.id()?).await.map_err(Problem::from)?.into()))
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
    ) -> ApiResult<NoContent> {
        app.social.delete_post(viewer.id(), post.id()?).await.map_err(Problem::from)?;
        Ok(NoContent)
    }
}
