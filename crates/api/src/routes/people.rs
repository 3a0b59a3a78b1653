use blegram_http::{MaybeViewer, Viewer};
use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{Answer, ApiResult},
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::UserParam,
    problem::Code,
    routes::{AppData, Tag},
    schema::{
        search::{Dismissal, SuggestedUserPage},
        user::UserPage,
    },
};

pub(crate) struct PeopleApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("listFollowers", Login::Optional, &[Code::NotFound, Code::Blocked, Code::AccountPrivate])
        .tagged()
        .list(),
    Operation::read("listFollowing", Login::Optional, &[Code::NotFound, Code::Blocked, Code::AccountPrivate])
        .tagged()
        .list(),
    Operation::read("listFollowRequests", Login::Required, &[]).tagged().list(),
    Operation::read("listBlocks", Login::Required, &[]).tagged().list(),
    Operation::read("listMutes", Login::Required, &[]).tagged().list(),
    Operation::read("listSuggestedUsers", Login::Required, &[]).tagged().list(),
    Operation::write("dismissSuggestedUser", Login::Required, &[Code::NotFound, Code::Invalid]),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Users")]
impl PeopleApi {
    /// List a user's followers
    ///
    /// Most recent follower first.
    /// 최근에 팔로우한 순서입니다.
    #[oai(path = "/users/:user/followers", method = "get", operation_id = "listFollowers")]
    async fn list_followers(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// A user ID, `@username`, or `me`. 사용자 ID, `@아이디` 또는 `me`.
        user: Path<UserParam>,
        list: List,
    ) -> ApiResult<Paged<UserPage>> {
        let scope = user.scope(viewer)?;
        let user = user.user(viewer)?;
        let page = list.page(&[&scope])?;
        let items = app.social.followers(viewer.id(), &user, &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// List the accounts a user follows
    ///
    /// Most recently followed first.
    /// 최근에 팔로우한 순서입니다.
    #[oai(path = "/users/:user/following", method = "get", operation_id = "listFollowing")]
    async fn list_following(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// A user ID, `@username`, or `me`. 사용자 ID, `@아이디` 또는 `me`.
        user: Path<UserParam>,
        list: List,
    ) -> ApiResult<Paged<UserPage>> {
        let scope = user.scope(viewer)?;
        let user = user.user(viewer)?;
        let page = list.page(&[&scope])?;
        let items = app.social.following(viewer.id(), &user, &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// List follow requests
    ///
    /// Pending requests to follow your private account, newest first.
    /// 내 비공개 계정에 온 대기 중인 팔로우 요청을 최신순으로 반환합니다.
    #[oai(path = "/me/follow-requests", method = "get", operation_id = "listFollowRequests")]
    async fn list_follow_requests(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        list: List,
    ) -> ApiResult<Paged<UserPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let items = app.social.follow_requests(viewer.id(), &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// List blocked accounts
    ///
    /// Most recently blocked first.
    /// 최근에 차단한 순서입니다.
    #[oai(path = "/me/blocks", method = "get", operation_id = "listBlocks")]
    async fn list_blocks(&self, app: AppData<'_>, viewer: Viewer, list: List) -> ApiResult<Paged<UserPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let items = app.social.blocks(viewer.id(), &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// List muted accounts
    ///
    /// Most recently muted first.
    /// 최근에 뮤트한 순서입니다.
    #[oai(path = "/me/mutes", method = "get", operation_id = "listMutes")]
    async fn list_mutes(&self, app: AppData<'_>, viewer: Viewer, list: List) -> ApiResult<Paged<UserPage>> {
        let page = list.page(&[&viewer.id().to_string()])?;
        let items = app.social.mutes(viewer.id(), &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// List suggested users
    ///
    /// Accounts that many of the users you follow also follow come first, then the accounts with the most followers.
    /// 내가 팔로우하는 사용자들이 많이 팔로우하는 계정이 먼저 나오고, 그다음으로 팔로워가 많은 계정이 나옵니다.
    #[oai(path = "/users/suggested", method = "get", operation_id = "listSuggestedUsers")]
    async fn list_suggested_users(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        list: List,
    ) -> ApiResult<Paged<SuggestedUserPage>> {
        let page = list.ranked_page(&[&viewer.id().to_string()])?;
        let suggested = app.social.suggested_users(viewer.id(), &page).await?;
        Ok(Paged::render_with(suggested, &app.media.links()))
    }

    /// Dismiss a suggested user
    ///
    /// The account is not suggested to you again.
    /// 이 계정을 다시 추천하지 않습니다.
    #[oai(path = "/users/suggested/:user/dismissal", method = "put", operation_id = "dismissSuggestedUser")]
    async fn dismiss_suggested_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Dismissal>> {
        let user = user.user(viewer.into())?;
        app.social.dismiss_suggested_user(viewer.id(), &user).await?;
        Ok(Answer(Dismissal { dismissed: true }))
    }
}
