use blegram_domain::{CommentId, CommentText, Revision, Violation};
use blegram_media::Links;
use blegram_social::{CommentView, WriteComment};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    answer::Versioned,
    body::{Fields, Input},
    page::PageSchema,
    schema::{Linked, Time, all_linked, user::UserSummary},
};

/// A comment on a post, or a reply to one.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Comment {
    id: Uuid,
    post_id: Uuid,
    /// The comment at the top of the thread; null for one at the top itself.
    parent_id: Option<Uuid>,
    /// Null for a deleted comment, which stays while it has replies.
    author: Option<UserSummary>,
    /// As it was written: plain text, to be escaped where it is shown. Null for a deleted comment.
    text: Option<String>,
    /// The accounts that the text mentions, in order of first appearance.
    mentions: Vec<UserSummary>,
    like_count: u64,
    /// Replies that are not deleted.
    reply_count: u64,
    created_at: Time,
    /// When its text last changed.
    edited_at: Option<Time>,
    is_deleted: bool,
    /// How you stand to this comment; null when you are not logged in.
    viewer: Option<CommentViewer>,
}

/// How you stand to a comment.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentViewer {
    /// You like it.
    liked: bool,
}

impl Linked<CommentView> for Comment {
    fn linked(view: CommentView, links: &Links) -> Self {
        let CommentView { comment, author, mentions, liked } = view;
        let is_deleted = comment.is_deleted();
        Self {
            id: comment.id.as_uuid(),
            post_id: comment.post.as_uuid(),
            parent_id: comment.parent.map(CommentId::as_uuid),
            author: author.map(|author| UserSummary::linked(author, links)),
            text: (!is_deleted).then_some(comment.text),
            mentions: all_linked(mentions, links),
            like_count: if is_deleted { 0 } else { comment.like_count },
            reply_count: comment.reply_count,
            created_at: comment.created_at.into(),
            edited_at: comment.edited_at.map(Into::into),
            is_deleted,
            viewer: liked.map(|liked| CommentViewer { liked: liked && !is_deleted }),
        }
    }
}

impl Linked<CommentView> for Versioned<Comment> {
    fn linked(view: CommentView, links: &Links) -> Self {
        Self { version: view.comment.version, body: Comment::linked(view, links) }
    }
}

/// A page of comments.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentPage {
    items: Vec<Comment>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where older items are found.
    prev_cursor: Option<String>,
}

impl PageSchema for CommentPage {
    type Item = Comment;

    fn new(items: Vec<Comment>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

/// A text that a comment had, or has now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentRevision {
    text: String,
    /// When the comment began to say this.
    edited_at: Time,
}

impl From<Revision> for CommentRevision {
    fn from(revision: Revision) -> Self {
        Self { text: revision.text, edited_at: revision.created_at.into() }
    }
}

/// A page of the texts that a comment had.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentRevisionPage {
    items: Vec<CommentRevision>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where newer items are found.
    prev_cursor: Option<String>,
}

impl PageSchema for CommentRevisionPage {
    type Item = CommentRevision;

    fn new(items: Vec<CommentRevision>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

/// A new comment.
#[derive(Debug, Object)]
pub(crate) struct CreateComment {
    /// Plain text, 1 to 1,000 characters, 20 mentions.
    text: String,
    /// The comment to reply to. A reply to a reply joins its thread.
    parent_id: Option<Uuid>,
}

/// What a new comment says, and to which one it replies.
pub(crate) struct NewComment {
    pub(crate) comment: WriteComment,
    pub(crate) parent: Option<CommentId>,
}

impl Input for CreateComment {
    type Parsed = NewComment;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let text = fields.text("text", CommentText::parse);
        let not_found = Violation::NotFound("names no comment on this post that takes replies");
        let parent = fields.optional_text("parent_id", |raw| raw.parse::<CommentId>().map_err(|_| not_found));
        Some(NewComment { comment: write(fields, text?)?, parent })
    }
}

/// Another text for a comment.
#[derive(Debug, Object)]
pub(crate) struct UpdateComment {
    /// Plain text, 1 to 1,000 characters, 20 mentions.
    text: String,
}

impl Input for UpdateComment {
    type Parsed = WriteComment;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let text = fields.text("text", CommentText::parse);
        write(fields, text?)
    }
}

fn write(fields: &mut Fields, text: CommentText) -> Option<WriteComment> {
    WriteComment::new(text).map_err(|violation| fields.fail("text", violation)).ok()
}
