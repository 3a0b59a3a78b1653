use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{ApiResult, NoContent, Versioned, WithCookie},
    body::Body,
    conditional::IfMatch,
    cookie,
    page::Paged,
    param::{CursorParam, LimitParam, ListQuery, SinceParam, UserParam},
    problem::{Code, Problem},
    routes::{AppData, Tag},
    schema::{
        Linked,
        account::{Account, ChangeUsername, DeleteMe, UpdateMe},
        post::PostPage,
        user::User,
    },
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
        Ok(Versioned { version: account.user.version, body: Account::linked(account, &app.media.links()) })
    }

    /// Change your profile
    ///
    /// What you leave out stays; null clears. With `If-Match` of getMe's `ETag` it fails rather than undo a change from
    /// another device.
    /// 보내지 않은 항목은 그대로 두고 null은 지웁니다. getMe의 `ETag`를 `If-Match`로 보내면 다른 기기에서 바꾼 내용을 덮어쓰지 않습니다.
    #[oai(path = "/me", method = "patch", operation_id = "updateMe")]
    async fn update_me(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        if_match: IfMatch,
        body: Body<UpdateMe>,
    ) -> ApiResult<Versioned<Account>> {
        let updated = app.social.update_profile(viewer.id(), body.0, &if_match.0).await;
        let account = updated.map_err(Problem::from)?;
        Ok(Versioned { version: account.user.version, body: Account::linked(account, &app.media.links()) })
    }

    /// Change your username
    ///
    /// The one before is kept for you for 90 days; nobody else can take it. Links and mentions that name it lead nowhere.
    /// 이전 아이디는 90일 동안 본인만 다시 쓸 수 있습니다. 이전 아이디로 된 링크와 멘션은 더 이상 연결되지 않습니다.
    #[oai(path = "/me/username", method = "put", operation_id = "changeUsername")]
    async fn change_username(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        if_match: IfMatch,
        body: Body<ChangeUsername>,
    ) -> ApiResult<Versioned<Account>> {
        let changed = app.auth.change_username(viewer.id(), body.0, &if_match.0).await;
        let account = changed.map_err(Problem::from)?;
        Ok(Versioned { version: account.user.version, body: Account::linked(account, &app.media.links()) })
    }

    /// Delete your account
    ///
    /// At once and for good: nobody sees you or what you wrote any more, and every session ends. What is stored is
    /// removed in the minutes after. The username is nobody's for 90 days. `password` is null only for an account
    /// without one, within ten minutes of the login.
    /// 즉시 삭제되며 되돌릴 수 없습니다. 프로필과 게시글은 바로 보이지 않고 모든 세션이 끝나며, 저장된 내용은 곧이어 지워집니다. 아이디는
    /// 90일 동안 아무도 쓸 수 없습니다.
    #[oai(path = "/me/deletion", method = "post", operation_id = "deleteMe")]
    async fn delete_me(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<DeleteMe>,
    ) -> ApiResult<WithCookie<NoContent>> {
        app.auth.delete_account(viewer.id(), viewer.session(), body.0).await.map_err(Problem::from)?;
        let cookie = viewer.cookie_session().map(|_| cookie::remove(&app.site));
        Ok(WithCookie { cookie, answer: NoContent })
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
        Ok(Versioned { version: view.user.version, body: User::linked(view, &app.media.links()) })
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
        Ok(Paged::linked(posts, &app.media.links()))
    }
}
