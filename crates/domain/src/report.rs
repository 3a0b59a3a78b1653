//! Reports to the moderators.

use crate::{CommentId, MessageId, PostId, ReportId, Timestamp, UserId, stored::stored_enum};

stored_enum! {
    /// The reason for a report.
    Reason {
        /// Unwanted advertising, or repetitive content.
        Spam = "spam",
        /// Attacks on a person.
        Harassment = "harassment",
        /// Threats or depictions of violence.
        Violence = "violence",
        /// Nudity or sexual content.
        Nudity = "nudity",
        /// Attacks on a group of people.
        Hate = "hate",
        /// Encouragement of self-harm.
        SelfHarm = "self_harm",
        /// Pretending to be another person.
        Impersonation = "impersonation",
        /// Another reason, which the note should explain.
        Other = "other",
    }
}

/// The reported content or account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A post.
    Post(PostId),
    /// A comment.
    Comment(CommentId),
    /// An account.
    User(UserId),
    /// A message in a conversation.
    Message(MessageId),
}

impl Subject {
    /// The kind, as it is stored.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Post(_) => "post",
            Self::Comment(_) => "comment",
            Self::User(_) => "user",
            Self::Message(_) => "message",
        }
    }
}

/// A stored report, with a copy of the reported text, in case it is edited or deleted later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Sorts by time.
    pub id: ReportId,
    /// The reporter; `None` if their account was deleted.
    pub reporter: Option<UserId>,
    /// The reported content or account.
    pub subject: Subject,
    /// The author of the reported content, or the reported account.
    pub author: UserId,
    /// The text at the time of the report.
    pub text: String,
    /// The reason.
    pub reason: Reason,
    /// The reporter's note.
    pub note: Option<String>,
    /// When it was reported.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_reasons_can_be_parsed() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse::<Reason>().as_ref(), Ok(reason));
        }
    }
}
