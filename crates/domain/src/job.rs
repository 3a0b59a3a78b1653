//! Durable background jobs: stored in the transaction of the change that causes them, and run by any node.
//!
//! A job runs at least once, perhaps several times, even concurrently: it must be idempotent.

use std::time::Duration;

use crate::{CommentId, ConversationId, MediaId, MediaKey, PostId, UserId};

/// A background job with its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Job {
    /// Removes the data of a deleted account, then the account.
    EraseAccount(UserId),
    /// Removes the data attached to a deleted post, then the post.
    ErasePost(PostId),
    /// Removes the data attached to a deleted comment, then the comment, unless replies need it as a tombstone.
    EraseComment(CommentId),
    /// Removes an image that its owner deleted, replaced, or never used.
    EraseMedia(MediaId),
    /// Removes the files that an image had under another key.
    EraseFiles(MediaKey),
    /// Moves the files of all images of an account to the area where they belong: public or private.
    MoveMedia(UserId),
    /// Moves the files of one image to the area where they belong.
    MoveImage(MediaId),
    /// Removes a conversation without members.
    EraseConversation(ConversationId),
    /// Accepts the pending follow requests of an account that is no longer private.
    AcceptFollowRequests(UserId),
    /// Indexes the texts that were written before search existed.
    Reindex,
    /// Deletes expired data. Recurring: it runs again every [`Job::period`].
    Retention,
}

impl Job {
    /// Longer than any delay of a job. A job that is due later than this was scheduled by a clock that was ahead, and
    /// is due now.
    pub const LONGEST_DELAY: Duration = Duration::from_secs(6 * 60 * 60);

    /// The kinds that this version knows; it leaves other kinds to newer nodes.
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

    /// The kind, as it is stored.
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

    /// The subject, as it is stored; empty for a job about the whole site. A kind and subject identify one job.
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

    /// Parses a stored `kind` and `subject`; `None` for a job that this version does not know.
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

    /// The interval after which a finished job runs again; `None` for a job that runs once.
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

/// The delay before a job is retried after its `attempt`th failure: five seconds, doubled each time, up to an hour.
/// Retries never stop.
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
    fn stored_jobs_can_be_parsed() {
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
    fn retry_delay_doubles_up_to_an_hour() {
        let seconds = [1, 2, 3, 10, 11, 64, u64::MAX].map(|attempt| retry_after(attempt).as_secs());
        assert_eq!(seconds, [5, 10, 20, 2560, 3600, 3600, 3600]);
    }
}
