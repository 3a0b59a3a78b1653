use blegram_http::{MaybeViewer, Viewer, conditional::IfMatch, cookie};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult, SessionEnded, Versioned},
    body::Body,
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::{IdsParam, UserParam},
    problem::{Code, Problem},
    routes::{AppData, Tag},
    schema::{
        Render,
        account::{Account, ChangeUsername, DeleteMe, UpdateMe},
        post::PostPage,
        render_all,
        user::{User, UserList},
    },
};

pub(crate) struct UsersApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("getMe", Login::Required, &[]).tagged(),
    Operation::write("updateMe", Login::Required, &[Code::NotFound, Code::MediaInUse])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("changeUsername", Login::Required, &[Code::UsernameTaken])
        .with_body()
        .tagged()
        .with_precondition(),
    Operation::write(
        "deleteMe",
        Login::Required,
        &[Code::WrongPassword, Code::ReauthenticationRequired, Code::Overloaded],
    )
    .hashing_password()
    .with_body()
    .ending_session(),
    Operation::read("getUsers", Login::Optional, &[Code::Invalid]),
    Operation::read("getUser", Login::Optional, &[Code::NotFound]).tagged(),
    Operation::read("listUserPosts", Login::Optional, &[Code::NotFound, Code::Blocked, Code::AccountPrivate])
        .tagged()
        .list_with_since(),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Users")]
impl UsersApi {
    /// Get your account
    ///
    /// Returns your profile with the details that only you can see.
    /// 내 프로필과 나만 볼 수 있는 정보를 반환합니다.
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn get_me(&self, app: AppData<'_>, viewer: Viewer) -> ApiResult<Versioned<Account>> {
        let account = app.auth.account(viewer.id()).await?;
        // The account was deleted after the gate looked up the session.
        let account = account.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        Ok(Versioned { version: account.user.version, body: Account::render(account, &app.media.links()) })
    }

    /// Update your profile
    ///
    /// Omitted fields stay unchanged; null clears a field. Send getMe's `ETag` as `If-Match` so that you do not
    /// overwrite a change from another device.
    /// 보내지 않은 항목은 그대로 두고, null을 보낸 항목은 지웁니다. getMe의 `ETag`를 `If-Match`로 보내면 다른 기기에서
    /// 바꾼 내용을 덮어쓰지 않습니다.
    #[oai(path = "/me", method = "patch", operation_id = "updateMe")]
    async fn update_me(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        if_match: IfMatch,
        body: Body<UpdateMe>,
    ) -> ApiResult<Versioned<Account>> {
        let updated = app.social.update_profile(viewer.id(), body.0, &if_match.0).await;
        let account = updated?;
        Ok(Versioned { version: account.user.version, body: Account::render(account, &app.media.links()) })
    }

    /// Change your username
    ///
    /// Your previous username stays reserved for you for 90 days. Links and mentions with it no longer lead to your
    /// account.
    /// 이전 아이디는 90일 동안 본인만 다시 쓸 수 있습니다. 이전 아이디로 된 링크와 멘션은 더 이상 내 계정으로 연결되지
    /// 않습니다.
    #[oai(path = "/me/username", method = "put", operation_id = "changeUsername")]
    async fn change_username(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        if_match: IfMatch,
        body: Body<ChangeUsername>,
    ) -> ApiResult<Versioned<Account>> {
        let changed = app.auth.change_username(viewer.id(), body.0, &if_match.0).await;
        let account = changed?;
        Ok(Versioned { version: account.user.version, body: Account::render(account, &app.media.links()) })
    }

    /// Delete your account
    ///
    /// Immediate and irreversible: your profile and content disappear and every session ends. The stored data is
    /// deleted within minutes. The username stays unavailable to everyone for 90 days. `password` can be null only for
    /// an account without a password, within ten minutes of the login.
    /// 즉시 삭제되며 되돌릴 수 없습니다. 프로필과 콘텐츠는 바로 보이지 않고 모든 세션이 종료되며, 저장된 데이터는 몇 분
    /// 안에 삭제됩니다. 아이디는 90일 동안 아무도 쓸 수 없습니다. 비밀번호가 없는 계정만 로그인 후 10분 안에
    /// `password`를 null로 보낼 수 있습니다.
    #[oai(path = "/me/deletion", method = "post", operation_id = "deleteMe")]
    async fn delete_me(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<DeleteMe>,
    ) -> ApiResult<SessionEnded> {
        app.auth.delete_account(viewer.id(), viewer.session(), body.0).await?;
        Ok(SessionEnded { cookie: viewer.cookie_session().map(|_| cookie::remove(&app.site)) })
    }

    /// Get users by ID
    ///
    /// Up to 100 profiles, in the order of the IDs; an ID that occurs twice counts once. Accounts that do not exist, are
    /// suspended or deleted, or are across a block are left out.
    /// 프로필을 최대 100개까지 ID 순서대로 반환합니다. 같은 ID는 한 번만 셉니다. 존재하지 않거나 정지·삭제된 계정, 차단 관계인
    /// 계정은 제외됩니다.
    #[oai(path = "/users", method = "get", operation_id = "getUsers")]
    async fn get_users(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// The IDs of the users: repeat the parameter, or separate them by commas.
        /// 사용자 ID. 파라미터를 반복하거나 쉼표로 구분합니다.
        ids: Query<IdsParam>,
    ) -> ApiResult<Answer<UserList>> {
        let users = app.social.get_users(viewer.id(), &ids.ids()?).await?;
        Ok(Answer(UserList { items: render_all(users, &app.media.links()) }))
    }

    /// Get a user's profile
    ///
    /// `viewer` describes your relationship with the user.
    /// `viewer`는 나와 이 사용자의 관계입니다.
    #[oai(path = "/users/:user", method = "get", operation_id = "getUser")]
    async fn get_user(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// A user ID, `@username`, or `me`. 사용자 ID, `@아이디` 또는 `me`.
        user: Path<UserParam>,
    ) -> ApiResult<Versioned<User>> {
        let user = user.user(viewer)?;
        let view = app.social.get_user(viewer.id(), &user).await?;
        Ok(Versioned { version: view.user.version, body: User::render(view, &app.media.links()) })
    }

    /// List a user's posts
    ///
    /// The posts that you are allowed to see, newest first.
    /// 볼 수 있는 게시글을 최신순으로 반환합니다.
    #[oai(path = "/users/:user/posts", method = "get", operation_id = "listUserPosts")]
    async fn list_user_posts(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// A user ID, `@username`, or `me`. 사용자 ID, `@아이디` 또는 `me`.
        user: Path<UserParam>,
        list: List,
    ) -> ApiResult<Paged<PostPage>> {
        let page = list.page(&[&user.scope(viewer)?])?;
        let user = user.user(viewer)?;
        let posts = app.social.user_posts(viewer.id(), &user, &page).await?;
        Ok(Paged::render_with(posts, &app.media.links()))
    }
}
