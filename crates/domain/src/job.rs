//! Work that must not be lost: written down in the transaction of the act that causes it, and done by whichever node
//! comes to it.
//!
//! A job runs at least once, perhaps several times, perhaps twice at the same time: what it does must be the same in
//! the end.

use std::time::Duration;

use crate::{CommentId, ConversationId, MediaId, MediaKey, PostId, UserId};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// Remove what a deleted account leaves behind, and the account.
    EraseAccount(UserId),
    /// Remove what hangs on a deleted post, and the post.
    ErasePost(PostId),
    /// Remove what hangs on a deleted comment, and the comment unless replies need it.
    EraseComment(CommentId),
    /// Remove an image that its owner deleted, replaced, or never used.
    EraseMedia(MediaId),
    /// Remove files that an image had under another key.
    EraseFiles(MediaKey),
    /// Move the files of all images of an account to the area where they belong: the public one, or the private one.
    MoveMedia(UserId),
    /// Move the files of one image to the area where they belong.
    MoveImage(MediaId),
    /// Remove a conversation that nobody is in any more.
    EraseConversation(ConversationId),
    /// Let those follow an account who asked to while it was private.
    AcceptFollowRequests(UserId),
    /// Take the words of what was written before there was a search.
    Reindex,
    /// Forget what counts no more. It is never done: it comes back every [`Job::period`].
    Retention,
}

impl Job {
    /// Longer than any job is put off. One that is due later was put off by a clock that was ahead, and is due now.
    pub const LONGEST_DELAY: Duration = Duration::from_secs(6 * 60 * 60);

    /// The kinds that this version knows; others are left to newer ones.
    pub const KINDS: [&str; 11] = [
        Self::ERASE_ACCOUNT,
        Self::ERASE_POST,
        Self::ERASE_COMMENT,
        Self::ERASE_MEDIA,
        Self::ERASE_FILES,
        Self::MOVE_MEDIA,
        Self::MOVE_IMAGE,
        Self::ERASE_CONVERSATION,
        Self::ACCEPT_FOLLOW_REQUESTS,
        Self::REINDEX,
        Self::RETENTION,
    ];

    const ERASE_ACCOUNT: &str = "erase-account";
    const ERASE_POST: &str = "erase-post";
    const ERASE_COMMENT: &str = "erase-comment";
    const ERASE_MEDIA: &str = "erase-media";
    const ERASE_FILES: &str = "erase-files";
    const MOVE_MEDIA: &str = "move-media";
    const MOVE_IMAGE: &str = "move-image";
    const ERASE_CONVERSATION: &str = "erase-conversation";
    const ACCEPT_FOLLOW_REQUESTS: &str = "accept-follow-requests";
    const REINDEX: &str = "reindex";
    const RETENTION: &str = "retention";

    /// What kind of work it is, as it is stored.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::EraseAccount(_) => Self::ERASE_ACCOUNT,
            Self::ErasePost(_) => Self::ERASE_POST,
            Self::EraseComment(_) => Self::ERASE_COMMENT,
            Self::EraseMedia(_) => Self::ERASE_MEDIA,
            Self::EraseFiles(_) => Self::ERASE_FILES,
            Self::MoveMedia(_) => Self::MOVE_MEDIA,
            Self::MoveImage(_) => Self::MOVE_IMAGE,
            Self::EraseConversation(_) => Self::ERASE_CONVERSATION,
            Self::AcceptFollowRequests(_) => Self::ACCEPT_FOLLOW_REQUESTS,
            Self::Reindex => Self::REINDEX,
            Self::Retention => Self::RETENTION,
        }
    }

    /// What it is about, as it is stored; empty for the site as a whole. There is one job of a kind and a subject.
    pub fn subject(self) -> String {
        match self {
            Self::EraseAccount(user) | Self::AcceptFollowRequests(user) | Self::MoveMedia(user) => {
                user.to_string()
            }
            Self::ErasePost(post) => post.to_string(),
            Self::EraseComment(comment) => comment.to_string(),
            Self::EraseMedia(media) | Self::MoveImage(media) => media.to_string(),
            Self::EraseConversation(conversation) => conversation.to_string(),
            Self::EraseFiles(key) => key.to_string(),
            Self::Reindex | Self::Retention => String::new(),
        }
    }

    /// The job that was stored as `kind` and `subject`; `None` for what this version does not know.
    pub fn parse(kind: &str, subject: &str) -> Option<Self> {
        match kind {
            Self::ERASE_ACCOUNT => subject.parse().ok().map(Self::EraseAccount),
            Self::ERASE_POST => subject.parse().ok().map(Self::ErasePost),
            Self::ERASE_COMMENT => subject.parse().ok().map(Self::EraseComment),
            Self::ERASE_MEDIA => subject.parse().ok().map(Self::EraseMedia),
            Self::ERASE_FILES => subject.parse().ok().map(Self::EraseFiles),
            Self::MOVE_MEDIA => subject.parse().ok().map(Self::MoveMedia),
            Self::MOVE_IMAGE => subject.parse().ok().map(Self::MoveImage),
            Self::ERASE_CONVERSATION => subject.parse().ok().map(Self::EraseConversation),
            Self::ACCEPT_FOLLOW_REQUESTS => subject.parse().ok().map(Self::AcceptFollowRequests),
            Self::REINDEX => subject.is_empty().then_some(Self::Reindex),
            Self::RETENTION => subject.is_empty().then_some(Self::Retention),
            _ => None,
        }
    }

    /// How long after it is done it is due again; `None` for what is done once.
    pub const fn period(self) -> Option<Duration> {
        match self {
            Self::Retention => Some(Duration::from_secs(60 * 60)),
            Self::EraseAccount(_)
            | Self::ErasePost(_)
            | Self::EraseComment(_)
            | Self::EraseMedia(_)
            | Self::EraseFiles(_)
            | Self::MoveMedia(_)
            | Self::MoveImage(_)
            | Self::EraseConversation(_)
            | Self::AcceptFollowRequests(_)
            | Self::Reindex => None,
        }
    }
}

/// How long after its `attempt`th failure a job is tried again: five seconds at first, twice as long each time, at most
/// an hour, and never given up.
pub fn retry_after(attempt: u64) -> Duration {
    const FIRST: Duration = Duration::from_secs(5);
    const LAST: Duration = Duration::from_secs(60 * 60);
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(LAST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn stored_jobs_are_read_again() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let user = UserId::generate(now);
        let jobs = [
            Job::EraseAccount(user),
            Job::ErasePost(PostId::generate(now)),
            Job::EraseComment(CommentId::generate(now)),
            Job::EraseMedia(MediaId::generate(now)),
            Job::EraseFiles(MediaKey::new(false, user, 7)),
            Job::MoveMedia(user),
            Job::MoveImage(MediaId::generate(now)),
            Job::EraseConversation(ConversationId::generate(now)),
            Job::AcceptFollowRequests(user),
            Job::Reindex,
            Job::Retention,
        ];
        for job in jobs {
            assert_eq!(Job::parse(job.kind(), &job.subject()), Some(job));
            assert!(Job::KINDS.contains(&job.kind()));
        }
        for (kind, subject) in [("erase-account", "ann"), ("retention", "x"), ("paint", "")] {
            assert_eq!(Job::parse(kind, subject), None, "{kind} {subject}");
        }
    }

    #[test]
    fn failures_are_tried_again_ever_more_rarely() {
        let seconds = [1, 2, 3, 10, 11, 64, u64::MAX].map(|attempt| retry_after(attempt).as_secs());
        assert_eq!(seconds, [5, 10, 20, 2560, 3600, 3600, 3600]);
    }
}
