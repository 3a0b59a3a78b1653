use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{ApiResult, Versioned},
    page::Paged,
    param::{CursorParam, LimitParam, ListQuery, SinceParam, UserParam},
    problem::{Code, Problem},
    routes::{AppData, Tag},
    schema::{account::Account, post::PostPage, user::User},
    viewer::{MaybeViewer, Viewer},
};

pub(crate) struct UsersApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Users")]
impl UsersApi {
    /// Get your account
    ///
    /// Your profile with what only you see. 내 프로필과 나만 볼 수 있는 정보.
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn get_me(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<Versioned<Account>> {
        let account = app.auth.account(viewer.id()).await.map_err(Problem::from)?;
        // Gone between the look-up of the session and now.
        let account = account.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        Ok(Versioned { version: account.user.version, body: account.into() })
    }

    /// Get a profile
    ///
    /// `viewer` tells how you stand to it. `viewer`는 나와의 관계를 알려 줍니다.
    #[oai(path = "/users/:user", method = "get", operation_id = "getUser")]
    async fn get_user(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// An id, `@username`, or `me`.
        user: Path<UserParam>,
    ) -> ApiResult<Versioned<User>> {
        let user = user.user(viewer)?;
        let view = app.social.get_user(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(Versioned { version: view.user.version, body: view.into() })
    }

    /// List somebody's posts
    ///
    /// Those that you may see, newest first. 볼 수 있는 게시글을 최신순으로 보여 줍니다.
    #[oai(path = "/users/:user/posts", method = "get", operation_id = "listUserPosts")]
    async fn list_user_posts(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// An id, `@username`, or `me`.
        user: Path<UserParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
        /// Only items newer than the one with this id, which need not exist.
        since_id: Query<Option<SinceParam>>,
    ) -> ApiResult<Paged<PostPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: since_id.0 };
        let page = query.page("listUserPosts", &[&user.scope(viewer)?])?;
        let user = user.user(viewer)?;
        let posts = app.social.user_posts(viewer.id(), &user, &page).await.map_err(Problem::from)?;
        Ok(Paged::render(posts))
    }
}
