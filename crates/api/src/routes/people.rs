use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult},
    page::Paged,
    param::{CursorParam, LimitParam, ListQuery, UserParam},
    problem::Problem,
    routes::{AppData, Tag},
    schema::{
        search::{Dismissal, SuggestedUserPage},
        user::UserPage,
    },
    viewer::{MaybeViewer, Viewer},
};

pub(crate) struct PeopleApi;

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
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let scope = user.scope(viewer)?;
        let user = user.user(viewer)?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listFollowers", &[&scope])?;
        let items = app.social.followers(viewer.id(), &user, &page).await.map_err(Problem::from)?;
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
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let scope = user.scope(viewer)?;
        let user = user.user(viewer)?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listFollowing", &[&scope])?;
        let items = app.social.following(viewer.id(), &user, &page).await.map_err(Problem::from)?;
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
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listFollowRequests", &[&viewer.id().to_string()])?;
        let items = app.social.follow_requests(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// List blocked accounts
    ///
    /// Most recently blocked first.
    /// 최근에 차단한 순서입니다.
    #[oai(path = "/me/blocks", method = "get", operation_id = "listBlocks")]
    async fn list_blocks(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listBlocks", &[&viewer.id().to_string()])?;
        let items = app.social.blocks(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// List muted accounts
    ///
    /// Most recently muted first.
    /// 최근에 뮤트한 순서입니다.
    #[oai(path = "/me/mutes", method = "get", operation_id = "listMutes")]
    async fn list_mutes(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listMutes", &[&viewer.id().to_string()])?;
        let items = app.social.mutes(viewer.id(), &page).await.map_err(Problem::from)?;
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
        /// The maximum number of items on the page; values above 100 count as 100.
        /// 한 페이지의 최대 항목 수. 100보다 크면 100으로 처리합니다.
        limit: Query<Option<LimitParam>>,
        /// A `next_cursor` or `prev_cursor` from a page of this list.
        /// 이 목록의 페이지에서 받은 `next_cursor` 또는 `prev_cursor`.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<SuggestedUserPage>> {
        let list = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = list.ranked_page("listSuggestedUsers", &[&viewer.id().to_string()])?;
        let suggested = app.social.suggested_users(viewer.id(), &page).await.map_err(Problem::from)?;
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
        app.social.dismiss_suggested_user(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(Answer(Dismissal { dismissed: true }))
    }
}
