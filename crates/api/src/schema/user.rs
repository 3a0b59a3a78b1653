use blegram_domain::{MediaKey, Relation, media::VariantName};
use blegram_media::Links;
use blegram_social::{FollowState, UserView};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    page::PageSchema,
    schema::{Render, Time},
};

/// An account in short.
/// 계정 요약.
#[derive(Debug, Object, Serialize)]
pub(crate) struct UserSummary {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    pub(crate) id: Uuid,
    /// Unique username: 3 to 30 characters of a-z, digits, `.`, `_` and Hangul syllables.
    /// 고유한 아이디. 영문 소문자, 숫자, `.`, `_`, 한글 음절 3~30자입니다.
    pub(crate) username: String,
    /// Display name; not unique.
    /// 프로필에 표시되는 이름. 다른 사람과 겹칠 수 있습니다.
    pub(crate) display_name: String,
    /// URL of the avatar: a square WebP image of at most 320 pixels a side; null if there is none.
    /// 프로필 사진의 주소. 한 변이 최대 320픽셀인 정사각형 WebP 이미지이며, 없으면 null입니다.
    pub(crate) avatar_url: Option<String>,
}

/// The profile of an account.
/// 프로필.
#[derive(Debug, Object, Serialize)]
pub(crate) struct User {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    pub(crate) id: Uuid,
    /// Unique username: 3 to 30 characters of a-z, digits, `.`, `_` and Hangul syllables.
    /// 고유한 아이디. 영문 소문자, 숫자, `.`, `_`, 한글 음절 3~30자입니다.
    pub(crate) username: String,
    /// Display name; not unique.
    /// 프로필에 표시되는 이름. 다른 사람과 겹칠 수 있습니다.
    pub(crate) display_name: String,
    /// URL of the avatar: a square WebP image of at most 320 pixels a side; null if there is none.
    /// 프로필 사진의 주소. 한 변이 최대 320픽셀인 정사각형 WebP 이미지이며, 없으면 null입니다.
    pub(crate) avatar_url: Option<String>,
    /// Text about the user; may be empty.
    /// 자기소개. 비어 있을 수 있습니다.
    pub(crate) bio: String,
    /// Whether only followers can see the posts of the account.
    /// 팔로워만 게시글을 볼 수 있는지 여부.
    pub(crate) is_private: bool,
    /// Number of posts, whatever their visibility; the same for every viewer.
    /// 공개 범위와 관계없이 센 게시글 수. 누가 보든 같습니다.
    pub(crate) post_count: u64,
    /// Number of followers.
    /// 팔로워 수.
    pub(crate) follower_count: u64,
    /// Number of followed accounts.
    /// 팔로우하는 계정 수.
    pub(crate) following_count: u64,
    /// Creation time of the account.
    /// 계정을 만든 시각.
    pub(crate) created_at: Time,
    /// Your relationship with this account; null if you are not logged in.
    /// 이 계정과 나의 관계. 로그인하지 않았으면 null입니다.
    pub(crate) viewer: Option<UserViewerState>,
}

/// Your relationship with an account.
/// 계정과 나의 관계.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "UserViewer")]
pub(crate) struct UserViewerState {
    /// Whether you follow the account.
    /// 내가 팔로우하는지 여부.
    pub(crate) following: bool,
    /// Whether the account follows you.
    /// 나를 팔로우하는지 여부.
    pub(crate) followed_by: bool,
    /// Whether your follow request to the account is pending.
    /// 팔로우를 요청하고 승인을 기다리는 상태인지 여부.
    pub(crate) requested: bool,
    /// Whether you block the account.
    /// 내가 차단했는지 여부.
    pub(crate) blocking: bool,
    /// Whether you mute the account.
    /// 내가 뮤트했는지 여부.
    pub(crate) muting: bool,
}

impl From<Relation> for UserViewerState {
    fn from(viewer: Relation) -> Self {
        Self {
            following: viewer.following,
            followed_by: viewer.followed_by,
            requested: viewer.requested,
            blocking: viewer.blocking,
            muting: viewer.muting,
        }
    }
}

impl Render<blegram_domain::UserSummary> for UserSummary {
    fn render(user: blegram_domain::UserSummary, links: &Links) -> Self {
        Self {
            id: user.id.as_uuid(),
            username: user.username.into(),
            display_name: user.display_name,
            avatar_url: avatar_url(user.avatar, links),
        }
    }
}

impl Render<UserView> for User {
    fn render(UserView { user, viewer }: UserView, links: &Links) -> Self {
        Self {
            id: user.summary.id.as_uuid(),
            username: user.summary.username.into(),
            display_name: user.summary.display_name,
            avatar_url: avatar_url(user.summary.avatar, links),
            bio: user.bio,
            is_private: user.summary.is_private,
            post_count: user.post_count,
            follower_count: user.follower_count,
            following_count: user.following_count,
            created_at: user.created_at.into(),
            viewer: viewer.map(Into::into),
        }
    }
}

/// The public URL of an avatar.
fn avatar_url(avatar: Option<MediaKey>, links: &Links) -> Option<String> {
    avatar.map(|key| links.url(key, VariantName::Thumb, true))
}

/// A page of accounts.
/// 계정 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct UserPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<User>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer items.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

/// Accounts that were requested by ID.
/// ID로 요청한 계정 목록.
#[derive(Debug, Object, Serialize)]
pub(crate) struct UserList {
    /// The items that exist and that you may see, in the order of the IDs.
    /// 존재하고 볼 수 있는 항목. 요청한 ID 순서대로입니다.
    pub(crate) items: Vec<User>,
}

impl PageSchema for UserPage {
    type Item = User;

    fn new(items: Vec<User>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

/// Your follow of an account, after the change.
/// 변경 후의 팔로우 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Follow {
    /// Whether you follow the account.
    /// 내가 팔로우하는지 여부.
    following: bool,
    /// Whether your follow request is pending: neither accepted nor rejected yet.
    /// 팔로우를 요청하고 승인을 기다리는 상태인지 여부. 아직 수락되거나 거절되지 않았습니다.
    requested: bool,
    /// Number of followers.
    /// 팔로워 수.
    follower_count: u64,
}

impl From<FollowState> for Follow {
    fn from(state: FollowState) -> Self {
        let FollowState { following, requested, follower_count } = state;
        Self { following, requested, follower_count }
    }
}

/// Your block of an account, after the change.
/// 변경 후의 차단 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Block {
    /// Whether you block the account now.
    /// 현재 차단한 상태인지 여부.
    pub(crate) blocking: bool,
}

/// Your mute of an account, after the change.
/// 변경 후의 뮤트 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Mute {
    /// Whether you mute the account now.
    /// 현재 뮤트한 상태인지 여부.
    pub(crate) muting: bool,
}

/// Your decision on a follow request.
/// 팔로우 요청 처리 결과.
#[derive(Debug, Object, Serialize)]
pub(crate) struct FollowDecision {
    /// Id of the user who requested to follow you.
    /// 팔로우를 요청한 사용자의 ID.
    pub(crate) user_id: Uuid,
    /// Whether you accepted the request, so that the user follows you now.
    /// 이제 나를 팔로우하는지 여부.
    pub(crate) accepted: bool,
}
