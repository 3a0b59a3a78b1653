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
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// The id of the post.
    /// 게시글의 ID.
    post_id: Uuid,
    /// The comment at the top of the thread; null for one at the top itself.
    /// 스레드의 최상위 댓글. 최상위 댓글 자신은 null입니다.
    parent_id: Option<Uuid>,
    /// Null for a deleted comment, which stays while it has replies.
    /// 작성자. 답글이 있어 남아 있는 삭제된 댓글은 null입니다.
    author: Option<UserSummary>,
    /// As it was written: plain text, to be escaped where it is shown. Null for a deleted comment.
    /// 작성된 그대로의 일반 텍스트. 표시할 때 이스케이프하세요. 삭제된 댓글은 null입니다.
    text: Option<String>,
    /// The accounts that the text mentions, in order of first appearance.
    /// 본문에 멘션된 계정. 처음 나온 순서입니다.
    mentions: Vec<UserSummary>,
    /// Number of likes.
    /// 좋아요 수.
    like_count: u64,
    /// Replies that are not deleted.
    /// 삭제되지 않은 답글 수.
    reply_count: u64,
    /// When it was created.
    /// 만들어진 시각.
    created_at: Time,
    /// When its text last changed.
    /// 본문이 마지막으로 바뀐 시각.
    edited_at: Option<Time>,
    /// Whether it is deleted: its text and author are gone, its replies stay.
    /// 삭제되었는지 여부. 본문과 작성자는 사라지고 답글은 남습니다.
    is_deleted: bool,
    /// How you stand to this comment; null when you are not logged in.
    /// 이 댓글에 대한 내 상태. 로그인하지 않았으면 null입니다.
    viewer: Option<CommentViewer>,
}

/// How you stand to a comment.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentViewer {
    /// You like it.
    /// 좋아요를 눌렀는지 여부.
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
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Comment>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where older items are found.
    /// 더 오래된 항목을 읽는 커서.
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
    /// The text of this revision.
    /// 이 수정본의 본문.
    text: String,
    /// When the comment began to say this.
    /// 댓글이 이 내용이 된 시각.
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
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<CommentRevision>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where newer items are found.
    /// 더 새로운 항목을 읽는 커서.
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
    /// 일반 텍스트 1~1,000자, 멘션 최대 20개.
    text: String,
    /// The comment to reply to. A reply to a reply joins its thread.
    /// 답글을 달 댓글. 답글에 단 답글은 같은 스레드에 속합니다.
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
    /// 일반 텍스트 1~1,000자, 멘션 최대 20개.
    text: String,
}

impl Input for UpdateComment {
    type Parsed = WriteComment;

    const KEPT: &'static [&'static str] = &["text"];

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let text = fields.text("text", CommentText::parse);
        write(fields, text?)
    }
}

fn write(fields: &mut Fields, text: CommentText) -> Option<WriteComment> {
    WriteComment::new(text).map_err(|violation| fields.fail("text", violation)).ok()
}
