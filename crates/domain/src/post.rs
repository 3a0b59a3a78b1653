//! Posts, and who may see them.

use std::str::FromStr;

use crate::{
    Hashtag, MediaId, PostId, Relation, RevisionId, Timestamp, UserId, UserSummary, user::stored_enum,
};

stored_enum! {
    /// Whom the author shows a post to.
    Visibility {
        /// Everybody, logged in or not.
        Public = "public",
        /// Their followers.
        Followers = "followers",
    }
}

/// A post as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Sorts by time of writing.
    pub id: PostId,
    /// Who wrote it.
    pub author: UserId,
    /// What it says; see [`crate::PostText`].
    pub text: String,
    /// Its images, in order.
    pub media: Vec<MediaId>,
    /// Its hashtags, folded, in order of first appearance.
    pub hashtags: Vec<Hashtag>,
    /// The accounts it mentions, in order of first appearance.
    pub mentions: Vec<UserId>,
    /// Whom the author shows it to.
    pub visibility: Visibility,
    /// How many accounts like it.
    pub like_count: u64,
    /// How many comments and replies it has.
    pub comment_count: u64,
    /// When it was written.
    pub created_at: Timestamp,
    /// When its text or images last changed.
    pub edited_at: Option<Timestamp>,
    /// How often its author edited it.
    pub version: u64,
}

/// A text that a post or comment had, or has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Sorts by time of writing.
    pub id: RevisionId,
    /// What it said.
    pub text: String,
    /// The images that it had. Those that it has no more are gone.
    pub media: Vec<MediaId>,
    /// When it began to say that.
    pub created_at: Timestamp,
}

/// How somebody stands to a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// They like it.
    pub liked: bool,
    /// They bookmarked it.
    pub bookmarked: bool,
}

impl Post {
    /// Whether `viewer` (`None`: somebody not logged in), who stands to `author` like this, may see the post.
    ///
    /// A private account's posts are for its followers, whatever each post says.
    pub fn is_visible_to(&self, viewer: Option<UserId>, author: &UserSummary, relation: Relation) -> bool {
        let is_for_viewer = self.is_public(author) || relation.following || viewer == Some(self.author);
        author.is_shown(relation) && is_for_viewer
    }

    /// Whether everybody may see the post, as far as its author is concerned.
    pub fn is_public(&self, author: &UserSummary) -> bool {
        self.visibility == Visibility::Public && author.is_public()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Username, user::Status};

    #[test]
    fn who_sees_a_post() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let [author, somebody] = [UserId::generate(now), UserId::generate(now)];
        let none = Relation::default();
        let follower = Relation { following: true, ..none };
        let viewers = [
            (None, none),
            (Some(somebody), none),
            (Some(somebody), follower),
            (Some(somebody), Relation { blocking: true, ..none }),
            (Some(somebody), Relation { blocked_by: true, ..none }),
            (Some(somebody), Relation { muting: true, ..follower }),
            (Some(author), none),
        ];
        let table = [
            (Visibility::Public, false, Status::Active, [true, true, true, false, false, true, true]),
            (Visibility::Followers, false, Status::Active, [false, false, true, false, false, true, true]),
            (Visibility::Public, true, Status::Active, [false, false, true, false, false, true, true]),
            (Visibility::Public, false, Status::Suspended, [false; 7]),
            (Visibility::Public, false, Status::Deleted, [false; 7]),
        ];
        for (visibility, is_private, status, expected) in table {
            let username = Username::parse("ann").unwrap();
            let summary = UserSummary {
                id: author,
                username,
                display_name: "Ann".into(),
                avatar: None,
                is_private,
                status,
            };
            let post = Post {
                id: PostId::generate(now),
                author,
                text: "hi".into(),
                media: Vec::new(),
                hashtags: Vec::new(),
                mentions: Vec::new(),
                visibility,
                like_count: 0,
                comment_count: 0,
                created_at: now,
                edited_at: None,
                version: 0,
            };
            assert_eq!(
                viewers.map(|(viewer, relation)| post.is_visible_to(viewer, &summary, relation)),
                expected,
                "{visibility:?} {is_private} {status:?}"
            );
        }
    }
}
