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
    /// List who follows an account
    ///
    /// The latest first.
    /// 최근에 팔로우한 순서입니다.
    #[oai(path = "/users/:user/followers", method = "get", operation_id = "listFollowers")]
    async fn list_followers(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// An id, `@username`, or `me`.
        user: Path<UserParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let scope = user.scope(viewer)?;
        let user = user.user(viewer)?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listFollowers", &[&scope])?;
        let items = app.social.followers(viewer.id(), &user, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// List whom an account follows
    ///
    /// The latest first.
    /// 최근에 팔로우한 순서입니다.
    #[oai(path = "/users/:user/following", method = "get", operation_id = "listFollowing")]
    async fn list_following(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        /// An id, `@username`, or `me`.
        user: Path<UserParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let scope = user.scope(viewer)?;
        let user = user.user(viewer)?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listFollowing", &[&scope])?;
        let items = app.social.following(viewer.id(), &user, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// List who asks to follow you
    ///
    /// While your account is private. The latest first.
    /// 내 계정이 비공개일 때 받은 팔로우 요청을 최신순으로 보여 줍니다.
    #[oai(path = "/me/follow-requests", method = "get", operation_id = "listFollowRequests")]
    async fn list_follow_requests(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listFollowRequests", &[&viewer.id().to_string()])?;
        let items = app.social.follow_requests(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// List whom you block
    ///
    /// The latest first.
    /// 최근에 차단한 순서입니다.
    #[oai(path = "/me/blocks", method = "get", operation_id = "listBlocks")]
    async fn list_blocks(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listBlocks", &[&viewer.id().to_string()])?;
        let items = app.social.blocks(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// List whom you mute
    ///
    /// The latest first.
    /// 최근에 뮤트한 순서입니다.
    #[oai(path = "/me/mutes", method = "get", operation_id = "listMutes")]
    async fn list_mutes(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<UserPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.page("listMutes", &[&viewer.id().to_string()])?;
        let items = app.social.mutes(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// List whom you may want to follow
    ///
    /// Those first whom most of those follow whom you follow; then those whom most follow.
    /// 내가 팔로우하는 사람들이 많이 팔로우하는 계정, 그다음으로 팔로워가 많은 계정입니다.
    #[oai(path = "/users/suggested", method = "get", operation_id = "listSuggestedUsers")]
    async fn list_suggested_users(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<SuggestedUserPage>> {
        let list = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = list.ranked_page("listSuggestedUsers", &[&viewer.id().to_string()])?;
        let suggested = app.social.suggested_users(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(suggested, &app.media.links()))
    }

    /// Dismiss a suggestion
    ///
    /// It does not come again. 다시 추천하지 않습니다.
    #[oai(path = "/users/suggested/:user/dismissal", method = "put", operation_id = "dismissSuggestedUser")]
    async fn dismiss_suggested_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Dismissal>> {
        let user = user.user(viewer.into())?;
        app.social.dismiss_suggested_user(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(Answer(Dismissal { dismissed: true }))
    }
}
