use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{Answer, ApiResult, NoContent},
    param::UserParam,
    problem::Problem,
    routes::{AppData, Tag},
    schema::user::{Block, Follow, FollowDecision, Mute},
    viewer::Viewer,
};

pub(crate) struct RelationsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Users")]
impl RelationsApi {
    /// Follow an account
    ///
    /// Or ask to, when it is private. Its owner is told, once.
    /// 비공개 계정이면 팔로우를 요청합니다. 상대에게 한 번만 알림이 갑니다.
    #[oai(path = "/users/:user/follow", method = "put", operation_id = "followUser")]
    async fn follow_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Follow>> {
        let user = user.user(viewer.into())?;
        Ok(Answer(app.social.follow_user(viewer.id(), &user).await.map_err(Problem::from)?.into()))
    }

    /// Follow an account no more
    ///
    /// A request that is not answered yet is withdrawn.
    /// 아직 수락되지 않은 요청은 취소됩니다.
    #[oai(path = "/users/:user/follow", method = "delete", operation_id = "unfollowUser")]
    async fn unfollow_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Follow>> {
        let user = user.user(viewer.into())?;
        Ok(Answer(app.social.unfollow_user(viewer.id(), &user).await.map_err(Problem::from)?.into()))
    }

    /// Block an account
    ///
    /// Neither of you sees or reaches the other any more, by any route; only you still see its header. Follows and requests
    /// between you end. It is not told.
    /// 서로의 글과 활동을 볼 수 없고 팔로우와 요청이 끊깁니다. 나만 상대의 프로필 요약을 볼 수 있으며 상대에게는 알리지 않습니다.
    #[oai(path = "/users/:user/block", method = "put", operation_id = "blockUser")]
    async fn block_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Block>> {
        let user = user.user(viewer.into())?;
        app.social.block_user(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(Answer(Block { blocking: true }))
    }

    /// Block an account no more
    ///
    /// The follows that the block ended do not come back.
    /// 차단으로 끊긴 팔로우는 되살아나지 않습니다.
    #[oai(path = "/users/:user/block", method = "delete", operation_id = "unblockUser")]
    async fn unblock_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Block>> {
        let user = user.user(viewer.into())?;
        app.social.unblock_user(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(Answer(Block { blocking: false }))
    }

    /// Mute an account
    ///
    /// Timelines, searches and notifications leave it out. It is not told, and its profile and posts stay open to you.
    /// 타임라인, 검색, 알림에서 보이지 않습니다. 상대에게는 알리지 않으며 프로필과 글은 계속 볼 수 있습니다.
    #[oai(path = "/users/:user/mute", method = "put", operation_id = "muteUser")]
    async fn mute_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Mute>> {
        let user = user.user(viewer.into())?;
        app.social.mute_user(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(Answer(Mute { muting: true }))
    }

    /// Mute an account no more
    ///
    /// Unmuting it again changes nothing.
    /// 이미 해제했으면 아무 일도 일어나지 않습니다.
    #[oai(path = "/users/:user/mute", method = "delete", operation_id = "unmuteUser")]
    async fn unmute_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Mute>> {
        let user = user.user(viewer.into())?;
        app.social.unmute_user(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(Answer(Mute { muting: false }))
    }

    /// Let somebody follow you
    ///
    /// Who asked to is told. 요청한 사람에게 알림이 갑니다.
    #[oai(path = "/me/follow-requests/:user", method = "put", operation_id = "acceptFollowRequest")]
    async fn accept_follow_request(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<FollowDecision>> {
        let user = user.user(viewer.into())?;
        let requester = app.social.accept_follow_request(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(Answer(FollowDecision { user_id: requester.as_uuid(), accepted: true }))
    }

    /// Do not let somebody follow you
    ///
    /// Who asked to is not told, and may ask again. 요청한 사람에게 알리지 않으며, 다시 요청할 수 있습니다.
    #[oai(path = "/me/follow-requests/:user", method = "delete", operation_id = "rejectFollowRequest")]
    async fn reject_follow_request(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<FollowDecision>> {
        let user = user.user(viewer.into())?;
        let rejected = app.social.reject_follow_request(viewer.id(), &user).await;
        let (requester, accepted) = rejected.map_err(Problem::from)?;
        Ok(Answer(FollowDecision { user_id: requester.as_uuid(), accepted }))
    }

    /// Remove a follower
    ///
    /// They are not told. 상대에게는 알리지 않습니다.
    #[oai(path = "/me/followers/:user", method = "delete", operation_id = "removeFollower")]
    async fn remove_follower(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// An id or `@username`.
        user: Path<UserParam>,
    ) -> ApiResult<NoContent> {
        let user = user.user(viewer.into())?;
        app.social.remove_follower(viewer.id(), &user).await.map_err(Problem::from)?;
        Ok(NoContent)
    }
}
