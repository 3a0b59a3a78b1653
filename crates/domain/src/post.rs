//! Posts, and who may see them.

use std::str::FromStr;

use crate::{
    Hashtag, PostId, RevisionId, Timestamp, UserId, UserSummary,
    user::{Status, stored_enum},
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

/// A text that a post had, or has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostRevision {
    /// Sorts by time of writing.
    pub id: RevisionId,
    /// What the post said.
    pub text: String,
    /// When it began to say that.
    pub created_at: Timestamp,
}

impl Post {
    /// Whether `viewer` (`None`: somebody not logged in) may see the post of `author`.
    ///
    /// A private account's posts are for its followers, whatever each post says.
    pub fn is_visible_to(&self, viewer: Option<UserId>, author: &UserSummary) -> bool {
        let is_public = self.visibility == Visibility::Public && !author.is_private;
        author.status == Status::Active && (is_public || viewer == Some(self.author))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Username;

    #[test]
    fn who_sees_a_post() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let [author, stranger] = [UserId::generate(now), UserId::generate(now)];
        let viewers = [None, Some(stranger), Some(author)];
        let table = [
            (Visibility::Public, false, Status::Active, [true, true, true]),
            (Visibility::Followers, false, Status::Active, [false, false, true]),
            (Visibility::Public, true, Status::Active, [false, false, true]),
            (Visibility::Public, false, Status::Suspended, [false, false, false]),
        ];
        for (visibility, is_private, status, expected) in table {
            let username = Username::parse("ann").unwrap();
            let summary =
                UserSummary { id: author, username, display_name: "Ann".into(), is_private, status };
            let post = Post {
                id: PostId::generate(now),
                author,
                text: "hi".into(),
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
                viewers.map(|viewer| post.is_visible_to(viewer, &summary)),
                expected,
                "{visibility:?} {is_private} {status:?}"
            );
        }
    }
}
