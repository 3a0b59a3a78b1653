//! Posts and their visibility rules.

use serde::{Deserialize, Serialize};

use crate::{
    Hashtag, MediaId, PostId, Relation, RevisionId, Timestamp, UserId, UserSummary, stored::stored_enum,
};

stored_enum! {
    /// The audience of a post.
    Visibility {
        /// Everyone, logged in or not.
        Public = "public",
        /// The author's followers.
        Followers = "followers",
    }
}

/// A stored post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Sorts by creation time.
    pub id: PostId,
    /// The author.
    pub author: UserId,
    /// The text; see [`crate::PostText`].
    pub text: String,
    /// The images, in order.
    pub media: Vec<MediaId>,
    /// The hashtags, folded, in order of first appearance.
    pub hashtags: Vec<Hashtag>,
    /// The mentioned accounts, in order of first appearance.
    pub mentions: Vec<UserId>,
    /// The audience that the author chose.
    pub visibility: Visibility,
    /// Number of accounts that like it.
    pub like_count: u64,
    /// Number of comments, including replies.
    pub comment_count: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its text or images were last edited.
    pub edited_at: Option<Timestamp>,
    /// Number of edits by the author.
    pub version: u64,
}

/// A version of a post's or comment's content: an earlier one or the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Sorts by creation time.
    pub id: RevisionId,
    /// The text.
    pub text: String,
    /// The images of this version. Images that are no longer attached to the post are deleted.
    pub media: Vec<MediaId>,
    /// When this version became current.
    pub created_at: Timestamp,
}

/// A viewer's marks on a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marks {
    /// Whether the viewer likes it.
    pub liked: bool,
    /// Whether the viewer bookmarked it.
    pub bookmarked: bool,
}

impl Post {
    /// Whether `viewer` (`None`: not logged in), whose relation to `author` is `relation`, may see the post.
    ///
    /// A private account's posts are visible to its followers only, whatever the post's own visibility is.
    pub fn is_visible_to(&self, viewer: Option<UserId>, author: &UserSummary, relation: Relation) -> bool {
        let is_for_viewer = self.is_public(author) || relation.following || viewer == Some(self.author);
        author.is_visible(relation) && is_for_viewer
    }

    /// Whether the post is public: its visibility and its author's account both allow everyone.
    pub fn is_public(&self, author: &UserSummary) -> bool {
        self.visibility == Visibility::Public && author.is_public()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Username, user::Status};

    #[test]
    fn post_visibility_depends_on_audience_author_and_relation() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let [author, stranger] = [UserId::generate(now), UserId::generate(now)];
        let none = Relation::default();
        let follower = Relation { following: true, ..none };
        let viewers = [
            (None, none),
            (Some(stranger), none),
            (Some(stranger), follower),
            (Some(stranger), Relation { blocking: true, ..none }),
            (Some(stranger), Relation { blocked_by: true, ..none }),
            (Some(stranger), Relation { muting: true, ..follower }),
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
