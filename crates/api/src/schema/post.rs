use blegram_domain::{Media as Image, MediaId, PostText, Violation};
use blegram_media::Links;
use blegram_social::{LikeState, PostView};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    answer::Versioned,
    body::{parse_or, request},
    page::PageSchema,
    schema::{Render, Time, media::Media, render_all, user::UserSummary},
};

/// A post.
/// 게시글.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Post {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// The author.
    /// 작성자.
    author: UserSummary,
    /// Plain text as written; escape it for display. Empty if the post has only images.
    /// 작성된 그대로의 일반 텍스트. 표시할 때 이스케이프하세요. 이미지뿐인 게시글은 비어 있습니다.
    text: String,
    /// The images of the post, in display order.
    /// 게시글의 이미지. 순서대로입니다.
    media: Vec<Media>,
    /// Normalised hashtags (lower case, NFKC), in order of first appearance.
    /// 정규화한 해시태그(소문자, NFKC). 처음 나온 순서입니다.
    hashtags: Vec<String>,
    /// The accounts that the text mentions, in order of first appearance.
    /// 본문에 멘션된 계정. 처음 나온 순서입니다.
    mentions: Vec<UserSummary>,
    /// Audience of the post: `public` or `followers`. More values may be added.
    /// 공개 범위: `public`(전체 공개) 또는 `followers`(팔로워 공개). 새로운 값이 추가될 수 있습니다.
    visibility: String,
    /// Number of likes.
    /// 좋아요 수.
    like_count: u64,
    /// Number of comments and replies that are not deleted.
    /// 삭제되지 않은 댓글과 답글 수.
    comment_count: u64,
    /// Creation time.
    /// 생성 시각.
    created_at: Time,
    /// Time of the last change of the text or images; null if the post was never edited.
    /// 본문이나 이미지를 마지막으로 수정한 시각. 수정한 적이 없으면 null입니다.
    edited_at: Option<Time>,
    /// Your interactions with this post; null if you are not logged in.
    /// 이 게시글에 대한 내 상태. 로그인하지 않았으면 null입니다.
    viewer: Option<PostViewer>,
}

/// Your interactions with a post.
/// 게시글에 대한 내 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostViewer {
    /// Whether you like the post.
    /// 좋아요를 눌렀는지 여부.
    liked: bool,
    /// Whether you bookmarked the post.
    /// 북마크했는지 여부.
    bookmarked: bool,
}

/// A page of posts.
/// 게시글 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Post>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer items.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

/// Posts that were requested by ID.
/// ID로 요청한 게시글 목록.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostList {
    /// The items that exist and that you may see, in the order of the IDs.
    /// 존재하고 볼 수 있는 항목. 요청한 ID 순서대로입니다.
    pub(crate) items: Vec<Post>,
}

impl PageSchema for PostPage {
    type Item = Post;

    fn new(items: Vec<Post>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl Render<PostView> for Post {
    fn render(view: PostView, links: &Links) -> Self {
        let PostView { post, author, media, mentions, viewer } = view;
        let is_public = post.is_public(&author);
        Self {
            id: post.id.as_uuid(),
            author: UserSummary::render(author, links),
            text: post.text,
            media: media.into_iter().map(|media| Media::new(media, is_public, links)).collect(),
            hashtags: post.hashtags.into_iter().map(String::from).collect(),
            mentions: render_all(mentions, links),
            visibility: post.visibility.as_str().to_owned(),
            like_count: post.like_count,
            comment_count: post.comment_count,
            created_at: post.created_at.into(),
            edited_at: post.edited_at.map(Into::into),
            viewer: viewer.map(|viewer| PostViewer { liked: viewer.liked, bookmarked: viewer.bookmarked }),
        }
    }
}

impl Render<PostView> for Versioned<Post> {
    fn render(view: PostView, links: &Links) -> Self {
        Self { version: view.post.version, body: Post::render(view, links) }
    }
}

/// A revision of a post: the current one or an earlier one.
/// 게시글의 수정본. 현재 내용도 포함됩니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostRevision {
    /// Text of this revision.
    /// 이 수정본의 본문.
    text: String,
    /// Images of this revision that the post still has: an image that an edit removes is deleted permanently.
    /// 이 수정본의 이미지 가운데 게시글에 남아 있는 이미지. 수정하면서 뺀 이미지는 완전히 삭제됩니다.
    media: Vec<Media>,
    /// Time when the post got this content.
    /// 게시글이 이 내용으로 바뀐 시각.
    edited_at: Time,
}

/// A page of revisions of a post.
/// 게시글 수정본 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostRevisionPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<PostRevision>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer items.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for PostRevisionPage {
    type Item = PostRevision;

    fn new(items: Vec<PostRevision>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl Render<blegram_social::PostRevision> for PostRevision {
    fn render(view: blegram_social::PostRevision, links: &Links) -> Self {
        let blegram_social::PostRevision { revision, media, is_public } = view;
        Self {
            text: revision.text,
            media: media.into_iter().map(|media| Media::new(media, is_public, links)).collect(),
            edited_at: revision.created_at.into(),
        }
    }
}

/// The audience of a post.
/// 게시글의 공개 범위.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Visibility {
    /// Everyone; only followers if the author's account is private.
    Public,
    /// The author and their followers.
    Followers,
}

request! {
    /// A new post.
    /// 새 게시글.
    pub(crate) struct CreatePost {
        /// Plain text, at most 2,200 characters, 10 KiB, 30 hashtags and 20 mentions. May be empty if the post has images.
        /// 일반 텍스트, 최대 2,200자, 10 KiB, 해시태그 30개, 멘션 20개. 이미지가 있으면 비어 있어도 됩니다.
        text: Option<String> = text_unless(&media_ids, PostText::parse),
        /// Ids of your uploaded images that are not in use yet, at most 10, in display order.
        /// 업로드했지만 아직 사용하지 않은 내 이미지의 ID, 최대 10개. 이 순서대로 표시됩니다.
        #[oai(validator(max_items = 10))]
        media_ids: Option<Vec<Uuid>> = texts(Image::MAX_PER_POST, distinct_media_ids()),
        /// Audience of the post; defaults to `public`.
        /// 공개 범위. 기본값은 `public`입니다.
        visibility: Option<Visibility> = text(parse_or(INVALID_VISIBILITY)),
    }

    fn parse(fields) -> Option<blegram_social::CreatePost> {
        let text = text.or_else(|| PostText::parse("").ok())?;
        // After another failure do not report a blank text as well: the rejected field may be `media_ids`.
        if text.as_str().is_empty() && fields.has_failed() {
            return None;
        }
        let visibility = visibility.unwrap_or(blegram_domain::Visibility::Public);
        blegram_social::CreatePost::new(text, media_ids.unwrap_or_default(), visibility)
            .map_err(|violation| fields.fail("text", violation))
            .ok()
    }
}

request! {
    /// An edit of a post. Absent fields stay unchanged.
    /// 게시글 수정. 보내지 않은 필드는 그대로 유지됩니다.
    pub(crate) struct UpdatePost {
        /// Plain text, at most 2,200 characters, 10 KiB, 30 hashtags and 20 mentions.
        /// 일반 텍스트, 최대 2,200자, 10 KiB, 해시태그 30개, 멘션 20개.
        text: Option<String> | nullable = patch_text(PostText::parse),
        /// Ids of the post's images after the edit, at most 10, in display order: images that the post already has, and
        /// your uploaded images that are not in use yet. Images of the post that are missing from the list are deleted
        /// permanently.
        /// 수정한 뒤 게시글에 표시할 이미지의 ID, 최대 10개. 이 순서대로 표시됩니다. 게시글에 이미 있는 이미지와 아직 사용하지 않은 내 이미지를 넣을 수 있고, 목록에서 빠진 이미지는 완전히 삭제됩니다.
        #[oai(validator(max_items = 10))]
        media_ids: Option<Vec<Uuid>> = texts(Image::MAX_PER_POST, distinct_media_ids()),
        /// Audience of the post; cannot be null.
        /// 공개 범위. null로 지울 수 없습니다.
        visibility: Option<Visibility> = text(parse_or(INVALID_VISIBILITY)),
    }

    fn parse(fields) -> Option<blegram_social::UpdatePost> {
        blegram_social::UpdatePost::new(text, media_ids, visibility)
            .map_err(|violation| fields.fail("text", violation))
            .ok()
    }
}

/// Parses each of the `media_ids` of a post or a message, and rejects repeated ones.
pub(crate) fn distinct_media_ids() -> impl FnMut(&str) -> Result<MediaId, Violation> {
    let mut seen = Vec::new();
    move |raw| {
        let id = parse_media_id(raw)?;
        if seen.contains(&id) {
            return Err(Violation::Repeated("must not contain the same image twice"));
        }
        seen.push(id);
        Ok(id)
    }
}

/// Parses the id of an image. A malformed id is reported like the id of an unknown image.
pub(crate) fn parse_media_id(raw: &str) -> Result<MediaId, Violation> {
    raw.parse().map_err(|_| Violation::NotFound("must be the id of one of your images"))
}

const INVALID_VISIBILITY: Violation = Violation::OutOfRange("must be \"public\" or \"followers\"");

/// Your like of a post or comment, after the change.
/// 변경 후의 좋아요 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Like {
    /// Whether you like it now.
    /// 현재 좋아요를 누른 상태인지 여부.
    liked: bool,
    /// Number of likes.
    /// 좋아요 수.
    like_count: u64,
}

impl From<LikeState> for Like {
    fn from(LikeState { liked, like_count }: LikeState) -> Self {
        Self { liked, like_count }
    }
}

/// Your bookmark of a post, after the change.
/// 변경 후의 북마크 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Bookmark {
    /// Whether you have bookmarked the post now.
    /// 현재 북마크한 상태인지 여부.
    pub(crate) bookmarked: bool,
}
