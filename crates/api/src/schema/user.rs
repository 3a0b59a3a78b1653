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
    pub(crate) id: Uuid,
    /// Unique; 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables.
    pub(crate) username: String,
    /// The name that the profile shows; not unique.
    pub(crate) display_name: String,
    /// A square picture of at most 320 pixels a side, WebP.
    pub(crate) avatar_url: Option<String>,
}

/// A profile.
#[derive(Debug, Object, Serialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    /// Unique; 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables.
    pub(crate) username: String,
    /// The name that the profile shows; not unique.
    pub(crate) display_name: String,
    /// A square picture of at most 320 pixels a side, WebP.
    pub(crate) avatar_url: Option<String>,
    /// What the person says of themselves; may be empty.
    pub(crate) bio: String,
    /// Whether only followers see the posts.
    pub(crate) is_private: bool,
    /// Posts, whoever may see them. The same for every viewer.
    pub(crate) post_count: u64,
    pub(crate) follower_count: u64,
    pub(crate) following_count: u64,
    pub(crate) created_at: Time,
    /// How you stand to this account; null when you are not logged in.
    pub(crate) viewer: Option<UserViewerState>,
}

/// How you stand to an account.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "UserViewer")]
pub(crate) struct UserViewerState {
    /// You follow it.
    pub(crate) following: bool,
    /// It follows you.
    pub(crate) followed_by: bool,
    /// You asked to follow it.
    pub(crate) requested: bool,
    /// You block it.
    pub(crate) blocking: bool,
    /// You mute it.
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
    items: Vec<User>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where newer items are found.
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
    following: bool,
    /// You asked to follow it, and its owner has not answered yet.
    requested: bool,
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
    pub(crate) blocking: bool,
}

/// Whether you mute an account now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Mute {
    pub(crate) muting: bool,
}

/// What became of a request to follow you.
#[derive(Debug, Object, Serialize)]
pub(crate) struct FollowDecision {
    pub(crate) user_id: Uuid,
    /// Whether they follow you now.
    pub(crate) accepted: bool,
}
