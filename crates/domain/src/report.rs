//! What people tell moderators about.

use std::str::FromStr;

use crate::{CommentId, MessageId, PostId, ReportId, Timestamp, UserId, user::stored_enum};

stored_enum! {
    /// What is wrong with it.
    Reason {
        /// Unwanted advertising, or the same thing over and over.
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
        /// Pretending to be somebody else.
        Impersonation = "impersonation",
        /// Something else; the note should say what.
        Other = "other",
    }
}

/// What is reported.
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
    /// The kind as it is stored.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Post(_) => "post",
            Self::Comment(_) => "comment",
            Self::User(_) => "user",
            Self::Message(_) => "message",
        }
    }
}

/// A report as it is kept: with what the thing said then, for what is edited or deleted afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Sorts by time.
    pub id: ReportId,
    /// Who reported; `None` when their account is gone.
    pub reporter: Option<UserId>,
    /// What is reported.
    pub subject: Subject,
    /// Whose it is.
    pub author: UserId,
    /// What it said.
    pub text: String,
    /// What is wrong with it.
    pub reason: Reason,
    /// What else the reporter wants to say.
    pub note: Option<String>,
    /// When it was reported.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_reasons_are_read_again() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse::<Reason>().as_ref(), Ok(reason));
        }
    }
}
