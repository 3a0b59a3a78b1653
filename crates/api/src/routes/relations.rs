use blegram_http::Viewer;
use blegram_limits::Policy;
use poem_openapi::{OpenApi, param::Path};

use crate::{
    answer::{Answer, ApiResult, NoContent},
    operation::{Login, Operation},
    param::UserParam,
    problem::Code,
    routes::{AppData, Tag},
    schema::user::{Block, Follow, FollowDecision, Mute},
};

pub(crate) struct RelationsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write("followUser", Login::Required, &[Code::NotFound, Code::Blocked, Code::Invalid])
        .limited(Policy::Reaction),
    Operation::write("unfollowUser", Login::Required, &[Code::NotFound]).limited(Policy::Reaction).with_key(),
    Operation::write("blockUser", Login::Required, &[Code::NotFound, Code::Invalid])
        .limited(Policy::Reaction),
    Operation::write("unblockUser", Login::Required, &[Code::NotFound]).limited(Policy::Reaction).with_key(),
    Operation::write("muteUser", Login::Required, &[Code::NotFound, Code::Invalid]).limited(Policy::Reaction),
    Operation::write("unmuteUser", Login::Required, &[Code::NotFound]).limited(Policy::Reaction).with_key(),
    Operation::write("acceptFollowRequest", Login::Required, &[Code::NotFound, Code::Invalid]),
    Operation::write("rejectFollowRequest", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("removeFollower", Login::Required, &[Code::NotFound]).with_key(),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Users")]
impl RelationsApi {
    /// Follow a user
    ///
    /// Follows the account, or sends a follow request if it is private. Notifies the owner once.
    /// 계정을 팔로우하거나, 비공개 계정이면 팔로우를 요청합니다. 상대에게 한 번만 알림이 갑니다.
    #[oai(path = "/users/:user/follow", method = "put", operation_id = "followUser")]
    async fn follow_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Follow>> {
        let user = user.user(viewer.into())?;
        Ok(Answer(app.social.follow_user(viewer.id(), &user).await?.into()))
    }

    /// Unfollow a user
    ///
    /// Unfollows the account, or withdraws a pending follow request.
    /// 팔로우를 취소합니다. 아직 수락되지 않은 팔로우 요청도 취소됩니다.
    #[oai(path = "/users/:user/follow", method = "delete", operation_id = "unfollowUser")]
    async fn unfollow_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Follow>> {
        let user = user.user(viewer.into())?;
        Ok(Answer(app.social.unfollow_user(viewer.id(), &user).await?.into()))
    }

    /// Block a user
    ///
    /// Neither of you can see or contact the other any more; only you can still see the other's profile header. Follows
    /// and follow requests between you end, and the user is not notified. Groups that you are both in are not affected.
    /// 서로의 글과 활동을 볼 수 없고 연락할 수도 없습니다. 나만 상대의 프로필 요약을 볼 수 있습니다. 서로의 팔로우와
    /// 팔로우 요청이 끊기며, 상대에게는 알리지 않습니다. 함께 참여한 그룹은 그대로 유지됩니다.
    #[oai(path = "/users/:user/block", method = "put", operation_id = "blockUser")]
    async fn block_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Block>> {
        let user = user.user(viewer.into())?;
        app.social.block_user(viewer.id(), &user).await?;
        Ok(Answer(Block { blocking: true }))
    }

    /// Unblock a user
    ///
    /// Does not restore the follows that the block ended.
    /// 차단으로 끊긴 팔로우는 복구되지 않습니다.
    #[oai(path = "/users/:user/block", method = "delete", operation_id = "unblockUser")]
    async fn unblock_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Block>> {
        let user = user.user(viewer.into())?;
        app.social.unblock_user(viewer.id(), &user).await?;
        Ok(Answer(Block { blocking: false }))
    }

    /// Mute a user
    ///
    /// Hides the user's posts from your timelines and post searches, and the user's activity from your notifications.
    /// The user is not notified, and you can still open their profile and posts.
    /// 상대의 글이 타임라인과 게시글 검색에서, 상대의 활동이 알림에서 보이지 않습니다. 상대에게는 알리지 않으며
    /// 프로필과 글은 계속 볼 수 있습니다.
    #[oai(path = "/users/:user/mute", method = "put", operation_id = "muteUser")]
    async fn mute_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Mute>> {
        let user = user.user(viewer.into())?;
        app.social.mute_user(viewer.id(), &user).await?;
        Ok(Answer(Mute { muting: true }))
    }

    /// Unmute a user
    ///
    /// Unmuting again has no effect.
    /// 이미 해제했으면 아무것도 바뀌지 않습니다.
    #[oai(path = "/users/:user/mute", method = "delete", operation_id = "unmuteUser")]
    async fn unmute_user(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<Mute>> {
        let user = user.user(viewer.into())?;
        app.social.unmute_user(viewer.id(), &user).await?;
        Ok(Answer(Mute { muting: false }))
    }

    /// Accept a follow request
    ///
    /// Notifies the user who sent it.
    /// 요청한 사용자에게 알림이 갑니다.
    #[oai(path = "/me/follow-requests/:user", method = "put", operation_id = "acceptFollowRequest")]
    async fn accept_follow_request(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<FollowDecision>> {
        let user = user.user(viewer.into())?;
        let requester = app.social.accept_follow_request(viewer.id(), &user).await?;
        Ok(Answer(FollowDecision { user_id: requester.as_uuid(), accepted: true }))
    }

    /// Reject a follow request
    ///
    /// The user who sent it is not notified and can send another one.
    /// 요청한 사용자에게 알리지 않으며, 다시 요청할 수 있습니다.
    #[oai(path = "/me/follow-requests/:user", method = "delete", operation_id = "rejectFollowRequest")]
    async fn reject_follow_request(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<Answer<FollowDecision>> {
        let user = user.user(viewer.into())?;
        let rejected = app.social.reject_follow_request(viewer.id(), &user).await;
        let (requester, accepted) = rejected?;
        Ok(Answer(FollowDecision { user_id: requester.as_uuid(), accepted }))
    }

    /// Remove a follower
    ///
    /// The follower is not notified.
    /// 상대에게는 알리지 않습니다.
    #[oai(path = "/me/followers/:user", method = "delete", operation_id = "removeFollower")]
    async fn remove_follower(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// A user ID or `@username`. 사용자 ID 또는 `@아이디`.
        user: Path<UserParam>,
    ) -> ApiResult<NoContent> {
        let user = user.user(viewer.into())?;
        app.social.remove_follower(viewer.id(), &user).await?;
        Ok(NoContent)
    }
}
