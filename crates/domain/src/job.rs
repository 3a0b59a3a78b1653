//! Durable background jobs: stored in the transaction of the change that causes them, and run by any node.
//!
//! A job runs at least once, perhaps several times, even concurrently: it must be idempotent.

use std::time::Duration;

use crate::{CommentId, ConversationId, MailId, MediaId, MediaKey, PostId, UnlinkId, UserId};

/// One row per kind of job, grouped by the feature that runs it: its variant, the type of its subject if it has one, and
/// the stored kind.
macro_rules! jobs {
    ($($(#[$feature_doc:meta])* $feature:ident: $jobs:ident {
        $($(#[$doc:meta])* $variant:ident $(($subject:ident))? = $kind:literal;)+
    })+) => {
        /// A background job with its subject.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Job { $($($(#[$doc])* $variant $(($subject))?,)+)+ }

        /// A job, by the feature that runs it: see [`Job::by_feature`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FeatureJob { $($(#[$feature_doc])* $feature($jobs),)+ }

        $(
            $(#[$feature_doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
            pub enum $jobs { $($(#[$doc])* $variant $(($subject))?,)+ }

            impl $jobs {
                /// The kinds of this feature, as they are stored.
                pub const KINDS: &'static [&'static str] = &[$($kind,)+];
            }
        )+

        impl Job {
            /// The kinds that this version knows; it leaves other kinds to newer nodes.
            pub const KINDS: &'static [&'static str] = &[$($($kind,)+)+];

            /// The kind, as it is stored.
            pub const fn kind(self) -> &'static str {
                match self { $($(Self::$variant { .. } => $kind,)+)+ }
            }

            /// The subject, as it is stored; empty for a job about the whole site. A kind and subject identify one job.
            pub fn subject(self) -> String {
                match self {
                    $($(jobs!(@job Self, subject, $variant $($subject)?) => jobs!(@text subject $($subject)?),)+)+
                }
            }

            /// Parses a stored `kind` and `subject`; `None` for a job that this version does not know.
            pub fn parse(kind: &str, subject: &str) -> Option<Self> {
                match kind {
                    $($($kind => jobs!(@parse subject $variant $($subject)?),)+)+
                    _ => None,
                }
            }

            /// The same job in the enum of its feature, so that each feature matches its own kinds only.
            pub const fn by_feature(self) -> FeatureJob {
                match self {
                    $($(
                        jobs!(@job Self, subject, $variant $($subject)?) =>
                            FeatureJob::$feature(jobs!(@job $jobs, subject, $variant $($subject)?)),
                    )+)+
                }
            }
        }
    };
    (@job $type:ident, $name:ident, $variant:ident) => { $type::$variant };
    (@job $type:ident, $name:ident, $variant:ident $subject:ident) => { $type::$variant($name) };
    (@text $name:ident) => { String::new() };
    (@text $name:ident $subject:ident) => { $name.to_string() };
    (@parse $name:ident $variant:ident) => { $name.is_empty().then_some(Self::$variant) };
    (@parse $name:ident $variant:ident $subject:ident) => { $name.parse().ok().map(Self::$variant) };
}

// The stored kinds keep their text: nodes of several versions take jobs from one queue.
jobs! {
    /// Jobs that need several features, in an order.
    Site: SiteJob {
        /// Purges the data of a deleted account, then the account.
        PurgeAccount(UserId) = "erase-account";
        /// Purges the data attached to a deleted post, then the post.
        PurgePost(PostId) = "erase-post";
        /// Imports the profile picture of a new account from the provider that it logged in with.
        ImportAvatar(UserId) = "import-avatar";
        /// Deletes expired data. Recurring: it runs again every [`Job::period`].
        Retention = "retention";
    }
    /// Jobs of posts, comments, relationships and search.
    Social: SocialJob {
        /// Purges the data attached to a deleted comment, then the comment, unless replies need it as a tombstone.
        PurgeComment(CommentId) = "erase-comment";
        /// Accepts the pending follow requests of an account that is no longer private.
        AcceptFollowRequests(UserId) = "accept-follow-requests";
        /// Indexes the texts that were written before search existed.
        Reindex = "reindex";
    }
    /// Jobs of conversations.
    Chat: ChatJob {
        /// Purges a conversation without members.
        PurgeConversation(ConversationId) = "erase-conversation";
    }
    /// Jobs of images and their files.
    Media: MediaJob {
        /// Purges an image that its owner deleted, replaced, or never used.
        PurgeMedia(MediaId) = "erase-media";
        /// Deletes the files that an image had under another key.
        DeleteFiles(MediaKey) = "erase-files";
        /// Moves the files of all images of an account to the area where they belong: public or private.
        MoveMedia(UserId) = "move-media";
        /// Moves the files of one image to the area where they belong.
        MoveImage(MediaId) = "move-image";
    }
    /// Mails. They wait for another server, so they have a worker of their own.
    Mail: MailJob {
        /// Sends a mail.
        SendMail(MailId) = "send-mail";
    }
    /// Requests to login providers. They have a worker of their own, too.
    Provider: ProviderJob {
        /// Ends the link between a deleted account and its identity, at the provider.
        UnlinkIdentity(UnlinkId) = "unlink-identity";
    }
}

impl Job {
    /// Longer than any delay of a job. A job that is due later than this was scheduled by a clock that was ahead, and
    /// is due now.
    pub const LONGEST_DELAY: Duration = Duration::from_secs(6 * 60 * 60);

    /// The interval after which a finished job runs again; `None` for a job that runs once.
    pub const fn period(self) -> Option<Duration> {
        match self {
            Self::Retention => Some(Duration::from_secs(60 * 60)),
            _ => None,
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
            Job::PurgeAccount(user),
            Job::PurgePost(PostId::generate(now)),
            Job::ImportAvatar(user),
            Job::PurgeComment(CommentId::generate(now)),
            Job::PurgeMedia(MediaId::generate(now)),
            Job::DeleteFiles(MediaKey::new(false, user, 7)),
            Job::MoveMedia(user),
            Job::MoveImage(MediaId::generate(now)),
            Job::PurgeConversation(ConversationId::generate(now)),
            Job::SendMail(MailId::generate(now)),
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
    fn jobs_of_the_previous_version_are_known() {
        let kinds = [
            "erase-account",
            "erase-post",
            "import-avatar",
            "retention",
            "erase-comment",
            "accept-follow-requests",
            "reindex",
            "erase-conversation",
            "erase-media",
            "erase-files",
            "move-media",
            "move-image",
            "send-mail",
            "unlink-identity",
        ];
        assert_eq!(Job::KINDS, kinds);
    }

    #[test]
    fn retry_delay_doubles_up_to_an_hour() {
        let seconds = [1, 2, 3, 10, 11, 64, u64::MAX].map(|attempt| retry_after(attempt).as_secs());
        assert_eq!(seconds, [5, 10, 20, 2560, 3600, 3600, 3600]);
    }
}
