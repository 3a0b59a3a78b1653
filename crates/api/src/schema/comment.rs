use blegram_domain::{CommentId, CommentText, Revision, Violation};
use blegram_media::Links;
use blegram_social::{CommentView, WriteComment};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    answer::Versioned,
    body::{Fields, parse_or, request},
    page::PageSchema,
    schema::{Render, Time, render_all, user::UserSummary},
};

/// A comment on a post, or a reply to a comment.
/// 댓글 또는 답글.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Comment {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// The id of the post.
    /// 게시글의 ID.
    post_id: Uuid,
    /// Id of the top-level comment of the thread; null for a top-level comment.
    /// 스레드 최상위 댓글의 ID. 최상위 댓글이면 null입니다.
    parent_id: Option<Uuid>,
    /// The author; null for a deleted comment, which remains as long as it has replies.
    /// 작성자. 삭제된 댓글은 null입니다. 삭제된 댓글은 답글이 있는 동안 남습니다.
    author: Option<UserSummary>,
    /// Plain text as written; escape it for display. Null for a deleted comment.
    /// 작성된 그대로의 일반 텍스트. 표시할 때 이스케이프하세요. 삭제된 댓글은 null입니다.
    text: Option<String>,
    /// The accounts that the text mentions, in order of first appearance.
    /// 본문에 멘션된 계정. 처음 나온 순서입니다.
    mentions: Vec<UserSummary>,
    /// Number of likes.
    /// 좋아요 수.
    like_count: u64,
    /// Number of replies that are not deleted.
    /// 삭제되지 않은 답글 수.
    reply_count: u64,
    /// Creation time.
    /// 생성 시각.
    created_at: Time,
    /// Time of the last change of the text; null if the comment was never edited.
    /// 본문을 마지막으로 수정한 시각. 수정한 적이 없으면 null입니다.
    edited_at: Option<Time>,
    /// Whether the comment is deleted: it has no text and no author, but keeps its replies.
    /// 삭제되었는지 여부. 본문과 작성자는 지워지고 답글은 남습니다.
    is_deleted: bool,
    /// Your interactions with this comment; null if you are not logged in.
    /// 이 댓글에 대한 내 상태. 로그인하지 않았으면 null입니다.
    viewer: Option<CommentViewer>,
}

/// Your interactions with a comment.
/// 댓글에 대한 내 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentViewer {
    /// Whether you like the comment.
    /// 좋아요를 눌렀는지 여부.
    liked: bool,
}

impl Render<CommentView> for Comment {
    fn render(view: CommentView, links: &Links) -> Self {
        let CommentView { comment, author, mentions, liked } = view;
        let is_deleted = comment.is_deleted();
        Self {
            id: comment.id.as_uuid(),
            post_id: comment.post.as_uuid(),
            parent_id: comment.parent.map(CommentId::as_uuid),
            author: author.map(|author| UserSummary::render(author, links)),
            text: (!is_deleted).then_some(comment.text),
            mentions: render_all(mentions, links),
            like_count: if is_deleted { 0 } else { comment.like_count },
            reply_count: comment.reply_count,
            created_at: comment.created_at.into(),
            edited_at: comment.edited_at.map(Into::into),
            is_deleted,
            viewer: liked.map(|liked| CommentViewer { liked: liked && !is_deleted }),
        }
    }
}

impl Render<CommentView> for Versioned<Comment> {
    fn render(view: CommentView, links: &Links) -> Self {
        Self { version: view.comment.version, body: Comment::render(view, links) }
    }
}

/// A page of comments.
/// 댓글 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Comment>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for older items.
    /// 더 오래된 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for CommentPage {
    type Item = Comment;

    fn new(items: Vec<Comment>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

/// A revision of a comment: the current one or an earlier one.
/// 댓글의 수정본. 현재 내용도 포함됩니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentRevision {
    /// Text of this revision.
    /// 이 수정본의 본문.
    text: String,
    /// Time when the comment got this text.
    /// 댓글이 이 내용으로 바뀐 시각.
    edited_at: Time,
}

impl From<Revision> for CommentRevision {
    fn from(revision: Revision) -> Self {
        Self { text: revision.text, edited_at: revision.created_at.into() }
    }
}

/// A page of revisions of a comment.
/// 댓글 수정본 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommentRevisionPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<CommentRevision>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer items.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for CommentRevisionPage {
    type Item = CommentRevision;

    fn new(items: Vec<CommentRevision>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

request! {
    /// A new comment.
    /// 새 댓글.
    pub(crate) struct CreateComment {
        /// Plain text, 1 to 1,000 characters, at most 20 mentions.
        /// 일반 텍스트 1~1,000자, 멘션 최대 20개.
        text: String = text(CommentText::parse),
        /// Id of the comment to reply to. A reply to a reply belongs to the same thread.
        /// 답글을 달 댓글의 ID. 답글에 단 답글은 같은 스레드에 속합니다.
        parent_id: Option<Uuid> = text(parse_or(PARENT_NOT_FOUND)),
    }

    fn parse(fields) -> Option<NewComment> {
        Some(NewComment { comment: write(fields, text?)?, parent: parent_id })
    }
}

/// A parsed [`CreateComment`].
pub(crate) struct NewComment {
    pub(crate) comment: WriteComment,
    pub(crate) parent: Option<CommentId>,
}

request! {
    /// An edit of a comment.
    /// 댓글 수정.
    pub(crate) struct UpdateComment {
        /// Plain text, 1 to 1,000 characters, at most 20 mentions.
        /// 일반 텍스트 1~1,000자, 멘션 최대 20개.
        text: String = text(CommentText::parse),
    }

    fn parse(fields) -> Option<WriteComment> {
        write(fields, text?)
    }
}

const PARENT_NOT_FOUND: Violation =
    Violation::NotFound("must be the id of a comment on this post that accepts replies");

fn write(fields: &mut Fields, text: CommentText) -> Option<WriteComment> {
    WriteComment::new(text).map_err(|violation| fields.fail("text", violation)).ok()
}
