//! Reports to moderators.

use blegram_domain::{
    CommentId, MessageId, PostId, Report, ReportId, ReportNote, UserId,
    conversation::Message,
    report::{Reason, Subject},
};
use blegram_persistence::{Tx, conversations, messages, reports};

use crate::{Error, Result, Social, UserRef, comments::find_visible_comment, posts::find_visible};

/// The target of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// A post.
    Post(PostId),
    /// A comment.
    Comment(CommentId),
    /// An account.
    User(UserRef),
    /// A message in one of the reporter's conversations.
    Message(MessageId),
}

/// A new report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateReport {
    /// The target.
    pub reported: Reported,
    /// The reason.
    pub reason: Reason,
    /// An additional note of the reporter.
    pub note: Option<ReportNote>,
}

impl Social {
    /// Reports content that `actor` may see, or an account, to the moderators, with a copy of its current text. A
    /// second report of the same text returns the first one. The author is not notified.
    ///
    /// # Errors
    /// [`Error::PostNotFound`], [`Error::CommentNotFound`], [`Error::UserNotFound`], [`Error::MessageNotFound`] also if
    /// the actor may not see the target; [`Error::OwnReported`] for the actor's own account or content.
    pub async fn create_report(&self, actor: UserId, input: CreateReport) -> Result<Report> {
        let now = self.clock.now();
        // Resolves the username before the transaction occupies the only writer.
        let user = match &input.reported {
            Reported::User(user) => Some(self.find_user(user).await?.summary.id),
            _ => None,
        };
        let tx = self.db.write().await?;
        self.lock_actor_shared(&tx, actor).await?;
        let (subject, author, text) = self.describe(&tx, actor, &input.reported, user).await?;
        if author == actor {
            return Err(Error::OwnReported);
        }
        let report = Report {
            id: ReportId::generate(now),
            reporter: Some(actor),
            subject,
            author,
            text,
            reason: input.reason,
            note: input.note.map(String::from),
            created_at: now,
        };
        reports::insert(&tx, &report).await?;
        let stored = reports::find(&tx, actor, subject, &report.text).await?.unwrap_or(report);
        tx.commit().await?;
        Ok(stored)
    }

    async fn describe(
        &self,
        tx: &Tx,
        actor: UserId,
        reported: &Reported,
        user: Option<UserId>,
    ) -> Result<(Subject, UserId, String)> {
        match (reported, user) {
            (Reported::Post(id), _) => {
                let (post, _) = find_visible(tx, Some(actor), *id).await?;
                Ok((Subject::Post(*id), post.author, post.text))
            }
            (Reported::Comment(id), _) => {
                let comment = find_visible_comment(tx, Some(actor), *id).await?;
                let author = comment.author.ok_or(Error::CommentNotFound)?;
                Ok((Subject::Comment(*id), author, comment.text))
            }
            (Reported::Message(id), _) => {
                let message = find_visible_message(tx, actor, *id).await?;
                let author = message.sender.ok_or(Error::MessageNotFound)?;
                Ok((Subject::Message(*id), author, message.text))
            }
            (Reported::User(_), user) => {
                let user = self.find_header(tx, Some(actor), user.ok_or(Error::UserNotFound)?).await?;
                let text = format!("{}\n{}", user.summary.display_name, user.bio);
                Ok((Subject::User(user.summary.id), user.summary.id, text))
            }
        }
    }
}

/// A message that `actor` may see: in a conversation that they are a member of, sent during their membership, and not
/// deleted.
async fn find_visible_message(tx: &Tx, actor: UserId, id: MessageId) -> Result<Message> {
    let message = messages::find(tx, id).await?.filter(|message| !message.is_deleted());
    let message = message.ok_or(Error::MessageNotFound)?;
    let member = conversations::find_member(tx, message.conversation, actor).await?;
    member.filter(|member| member.sees(message.message_no)).map(|_| message).ok_or(Error::MessageNotFound)
}
