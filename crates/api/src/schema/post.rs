use blegram_domain::{Media as Image, MediaId, PostText, Violation};
use blegram_media::Links;
use blegram_social::{LikeState, PostView};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    answer::Versioned,
    body::{Fields, Input},
    page::PageSchema,
    schema::{Linked, Time, all_linked, media::Media, user::UserSummary},
};

/// A post.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Post {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// Who wrote it.
    /// 작성자.
    author: UserSummary,
    /// As it was written: plain text, to be escaped where it is shown. Empty for a post of images only.
    /// 작성된 그대로의 일반 텍스트. 표시할 때 이스케이프하세요. 이미지뿐인 게시글은 비어 있습니다.
    text: String,
    /// The images of the post, in order.
    /// 게시글의 이미지. 순서대로입니다.
    media: Vec<Media>,
    /// Folded (lower case, NFKC), in order of first appearance.
    /// 정규화한 해시태그(소문자, NFKC). 처음 나온 순서입니다.
    hashtags: Vec<String>,
    /// The accounts that the text mentions, in order of first appearance.
    /// 본문에 멘션된 계정. 처음 나온 순서입니다.
    mentions: Vec<UserSummary>,
    /// Who may see it: `public` or `followers`. New values may come.
    /// 공개 범위: `public`(전체 공개) 또는 `followers`(팔로워 공개). 새로운 값이 추가될 수 있습니다.
    visibility: String,
    /// Number of likes.
    /// 좋아요 수.
    like_count: u64,
    /// Number of comments and replies that are not deleted.
    /// 삭제되지 않은 댓글과 답글 수.
    comment_count: u64,
    /// When it was created.
    /// 만들어진 시각.
    created_at: Time,
    /// When its text or images last changed.
    /// 본문이나 이미지가 마지막으로 바뀐 시각.
    edited_at: Option<Time>,
    /// How you stand to this post; null when you are not logged in.
    /// 이 게시글에 대한 내 상태. 로그인하지 않았으면 null입니다.
    viewer: Option<PostViewer>,
}

/// How you stand to a post.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostViewer {
    /// You like it.
    /// 좋아요를 눌렀는지 여부.
    liked: bool,
    /// You bookmarked it.
    /// 북마크했는지 여부.
    bookmarked: bool,
}

/// A page of posts.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostPage {
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Post>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where newer items are found.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for PostPage {
    type Item = Post;

    fn new(items: Vec<Post>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl Linked<PostView> for Post {
    fn linked(view: PostView, links: &Links) -> Self {
        let PostView { post, author, media, mentions, viewer } = view;
        let is_public = post.is_public(&author);
        Self {
            id: post.id.as_uuid(),
            author: UserSummary::linked(author, links),
            text: post.text,
            media: media.into_iter().map(|media| Media::new(media, is_public, links)).collect(),
            hashtags: post.hashtags.into_iter().map(String::from).collect(),
            mentions: all_linked(mentions, links),
            visibility: post.visibility.as_str().to_owned(),
            like_count: post.like_count,
            comment_count: post.comment_count,
            created_at: post.created_at.into(),
            edited_at: post.edited_at.map(Into::into),
            viewer: viewer.map(|viewer| PostViewer { liked: viewer.liked, bookmarked: viewer.bookmarked }),
        }
    }
}

impl Linked<PostView> for Versioned<Post> {
    fn linked(view: PostView, links: &Links) -> Self {
        Self { version: view.post.version, body: Post::linked(view, links) }
    }
}

/// A text that a post had, or has now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostRevision {
    /// The text of this revision.
    /// 이 수정본의 본문.
    text: String,
    /// Those of its images that the post still has: removing one removes it for good.
    /// 게시글에 아직 남아 있는 이미지. 뺀 이미지는 완전히 삭제됩니다.
    media: Vec<Media>,
    /// When the post began to say this.
    /// 게시글이 이 내용이 된 시각.
    edited_at: Time,
}

/// A page of the texts that a post had.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostRevisionPage {
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<PostRevision>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where newer items are found.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for PostRevisionPage {
    type Item = PostRevision;

    fn new(items: Vec<PostRevision>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl Linked<blegram_social::PostRevision> for PostRevision {
    fn linked(view: blegram_social::PostRevision, links: &Links) -> Self {
        let blegram_social::PostRevision { revision, media, is_public } = view;
        Self {
            text: revision.text,
            media: media.into_iter().map(|media| Media::new(media, is_public, links)).collect(),
            edited_at: revision.created_at.into(),
        }
    }
}

/// Who may see a post.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Visibility {
    /// Everybody.
    Public,
    /// Your followers.
    Followers,
}

/// A new post.
#[derive(Debug, Object)]
pub(crate) struct CreatePost {
    /// Plain text, at most 2,200 characters and 10 KiB, 30 hashtags and 20 mentions. May be empty in a post with images.
    /// 일반 텍스트, 최대 2,200자, 10 KiB, 해시태그 30개, 멘션 20개. 이미지가 있으면 비어 있어도 됩니다.
    text: Option<String>,
    /// Images of yours that are used for nothing yet, at most 10, in this order.
    /// 아직 쓰이지 않은 내 이미지, 최대 10개. 이 순서대로 표시됩니다.
    #[oai(validator(max_items = 10))]
    media_ids: Option<Vec<Uuid>>,
    /// Who may see it; `public` unless given.
    /// 공개 범위. 없으면 `public`입니다.
    visibility: Option<Visibility>,
}

impl Input for CreatePost {
    type Parsed = blegram_social::CreatePost;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        if !fields.has("text") && !fields.has("media_ids") {
            fields.fail("text", Violation::Blank);
        }
        let text = fields.optional_text("text", PostText::parse);
        let media = parse_media_ids(fields).unwrap_or_default();
        let visibility = fields.optional_text("visibility", parse_visibility);
        let visibility = visibility.unwrap_or(blegram_domain::Visibility::Public);
        let text = text.or_else(|| PostText::parse("").ok())?;
        // It is blank only if nothing else was meant to be there.
        if text.as_str().is_empty() && fields.has_failed() {
            return None;
        }
        blegram_social::CreatePost::new(text, media, visibility)
            .map_err(|violation| fields.fail("text", violation))
            .ok()
    }
}

/// An edit of a post; what is absent stays.
#[derive(Debug, Object)]
pub(crate) struct UpdatePost {
    /// Plain text, at most 2,200 characters and 10 KiB, 30 hashtags and 20 mentions.
    /// 일반 텍스트, 최대 2,200자, 10 KiB, 해시태그 30개, 멘션 20개.
    text: Option<String>,
    /// The images of the post from now on, at most 10, in this order: those that it has, and images of yours that are
    /// used for nothing yet. What is not among them is removed for good.
    /// 앞으로 게시글에 표시할 이미지, 최대 10개, 이 순서대로입니다. 이미 있는 이미지와 아직 쓰이지 않은 내 이미지를 넣을 수 있고, 빠진 이미지는 완전히 삭제됩니다.
    #[oai(validator(max_items = 10))]
    media_ids: Option<Vec<Uuid>>,
    /// Who may see it; it cannot be cleared.
    /// 공개 범위. null로 지울 수 없습니다.
    visibility: Option<Visibility>,
}

impl Input for UpdatePost {
    type Parsed = blegram_social::UpdatePost;

    const KEPT: &'static [&'static str] = &["media_ids", "visibility"];

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let text = fields.patch_text("text", PostText::parse);
        let media = parse_media_ids(fields);
        let visibility = fields.optional_text("visibility", parse_visibility);
        blegram_social::UpdatePost::new(text, media, visibility)
            .map_err(|violation| fields.fail("text", violation))
            .ok()
    }
}

/// The images of a post; `None` when they are not given.
pub(crate) fn parse_media_ids(fields: &mut Fields) -> Option<Vec<MediaId>> {
    let mut seen = Vec::new();
    fields.optional_texts("media_ids", Image::MAX_PER_POST, |raw| {
        let id = parse_media_id(raw)?;
        if seen.contains(&id) {
            return Err(Violation::Repeated("must name each image once"));
        }
        seen.push(id);
        Ok(id)
    })
}

/// What names no image, and what is no name, are the same.
pub(crate) fn parse_media_id(raw: &str) -> Result<MediaId, Violation> {
    raw.parse().map_err(|_| Violation::NotFound("names no image of yours"))
}

fn parse_visibility(raw: &str) -> Result<blegram_domain::Visibility, Violation> {
    raw.parse().map_err(|_| Violation::OutOfRange("must be \"public\" or \"followers\""))
}

/// How you stand to what you liked, or do not like any more.
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

/// Whether you keep a post now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Bookmark {
    /// Whether it is bookmarked now.
    /// 현재 북마크한 상태인지 여부.
    pub(crate) bookmarked: bool,
}
