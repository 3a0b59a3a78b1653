use blegram_domain::{MediaKey, Relation, media::VariantName};
use blegram_media::Links;
use blegram_social::{FollowState, UserView};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    page::PageSchema,
    schema::{Linked, Time},
};

/// Who somebody is, in short.
#[derive(Debug, Object, Serialize)]
pub(crate) struct UserSummary {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    pub(crate) id: Uuid,
    /// Unique; 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables.
    /// 고유한 아이디. 영문 소문자, 숫자, `.`, `_`, 한글 음절 3~30자입니다.
    pub(crate) username: String,
    /// The name that the profile shows; not unique.
    /// 프로필에 표시되는 이름. 다른 사람과 겹칠 수 있습니다.
    pub(crate) display_name: String,
    /// A square picture of at most 320 pixels a side, WebP.
    /// 한 변이 최대 320픽셀인 정사각형 WebP 프로필 사진.
    pub(crate) avatar_url: Option<String>,
}

/// A profile.
#[derive(Debug, Object, Serialize)]
pub(crate) struct User {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    pub(crate) id: Uuid,
    /// Unique; 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables.
    /// 고유한 아이디. 영문 소문자, 숫자, `.`, `_`, 한글 음절 3~30자입니다.
    pub(crate) username: String,
    /// The name that the profile shows; not unique.
    /// 프로필에 표시되는 이름. 다른 사람과 겹칠 수 있습니다.
    pub(crate) display_name: String,
    /// A square picture of at most 320 pixels a side, WebP.
    /// 한 변이 최대 320픽셀인 정사각형 WebP 프로필 사진.
    pub(crate) avatar_url: Option<String>,
    /// What the person says of themselves; may be empty.
    /// 자기소개. 비어 있을 수 있습니다.
    pub(crate) bio: String,
    /// Whether only followers see the posts.
    /// 팔로워만 게시글을 볼 수 있는지 여부.
    pub(crate) is_private: bool,
    /// Posts, whoever may see them. The same for every viewer.
    /// 공개 범위와 관계없이 센 게시글 수. 누가 보든 같습니다.
    pub(crate) post_count: u64,
    /// Number of followers.
    /// 팔로워 수.
    pub(crate) follower_count: u64,
    /// Number of accounts it follows.
    /// 팔로우하는 계정 수.
    pub(crate) following_count: u64,
    /// When the account was created.
    /// 계정을 만든 시각.
    pub(crate) created_at: Time,
    /// How you stand to this account; null when you are not logged in.
    /// 이 계정과 나의 관계. 로그인하지 않았으면 null입니다.
    pub(crate) viewer: Option<UserViewerState>,
}

/// How you stand to an account.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "UserViewer")]
pub(crate) struct UserViewerState {
    /// You follow it.
    /// 내가 팔로우하는지 여부.
    pub(crate) following: bool,
    /// It follows you.
    /// 나를 팔로우하는지 여부.
    pub(crate) followed_by: bool,
    /// You asked to follow it.
    /// 내가 팔로우를 요청한 상태인지 여부.
    pub(crate) requested: bool,
    /// You block it.
    /// 내가 차단했는지 여부.
    pub(crate) blocking: bool,
    /// You mute it.
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

impl Linked<blegram_domain::UserSummary> for UserSummary {
    fn linked(user: blegram_domain::UserSummary, links: &Links) -> Self {
        Self {
            id: user.id.as_uuid(),
            username: user.username.into(),
            display_name: user.display_name,
            avatar_url: avatar_url(user.avatar, links),
        }
    }
}

impl Linked<UserView> for User {
    fn linked(UserView { user, viewer }: UserView, links: &Links) -> Self {
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

/// A square picture, for everybody to see.
fn avatar_url(avatar: Option<MediaKey>, links: &Links) -> Option<String> {
    avatar.map(|key| links.url(key, VariantName::Thumb, true))
}

/// A page of profiles.
#[derive(Debug, Object, Serialize)]
pub(crate) struct UserPage {
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<User>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where newer items are found.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for UserPage {
    type Item = User;

    fn new(items: Vec<User>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

/// How you stand to an account now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Follow {
    /// You follow it.
    /// 내가 팔로우하는지 여부.
    following: bool,
    /// You asked to follow it, and its owner has not answered yet.
    /// 팔로우를 요청했고 아직 수락이나 거절이 없는지 여부.
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

/// Whether you block an account now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Block {
    /// Whether you block the account now.
    /// 현재 차단한 상태인지 여부.
    pub(crate) blocking: bool,
}

/// Whether you mute an account now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Mute {
    /// Whether you mute the account now.
    /// 현재 뮤트한 상태인지 여부.
    pub(crate) muting: bool,
}

/// What became of a request to follow you.
#[derive(Debug, Object, Serialize)]
pub(crate) struct FollowDecision {
    /// The id of the user who requested to follow you.
    /// 팔로우를 요청한 사용자의 ID.
    pub(crate) user_id: Uuid,
    /// Whether they follow you now.
    /// 이제 나를 팔로우하는지 여부.
    pub(crate) accepted: bool,
}
