use blegram_domain::{PostText, Revision, Violation};
use blegram_social::{LikeState, PostView};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    answer::Versioned,
    body::{Fields, Input},
    page::PageSchema,
    schema::{Time, user::UserSummary},
};

/// A post.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Post {
    id: Uuid,
    author: UserSummary,
    /// As it was written: plain text, to be escaped where it is shown. Empty for a post of images only.
    text: String,
    media: Vec<Media>,
    /// Folded (lower case, NFKC), in order of first appearance.
    hashtags: Vec<String>,
    /// The accounts that the text mentions, in order of first appearance.
    mentions: Vec<UserSummary>,
    /// Who may see it: `public` or `followers`. New values may come.
    visibility: String,
    like_count: u64,
    comment_count: u64,
    created_at: Time,
    /// When its text or images last changed.
    edited_at: Option<Time>,
    /// How you stand to this post; null when you are not logged in.
    viewer: Option<PostViewer>,
}

/// How you stand to a post.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostViewer {
    /// You like it.
    liked: bool,
    /// You bookmarked it.
    bookmarked: bool,
}

/// An image.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Media {
    id: Uuid,
    /// `image`. New kinds may come.
    kind: String,
    content_type: String,
    width: u32,
    height: u32,
    byte_size: u64,
    /// A blurred preview (blurha.sh).
    blurhash: String,
    /// What the image shows, for those who do not see it.
    alt: Option<String>,
    url: String,
    variants: Vec<MediaVariant>,
    created_at: Time,
}

/// An image in another size.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MediaVariant {
    /// `thumb`, `small` or `large`. New names may come.
    name: String,
    url: String,
    width: u32,
    height: u32,
}

/// A page of posts.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostPage {
    items: Vec<Post>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where newer items are found.
    prev_cursor: Option<String>,
}

impl PageSchema for PostPage {
    type Item = Post;

    fn new(items: Vec<Post>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl From<PostView> for Post {
    fn from(view: PostView) -> Self {
        let PostView { post, author, mentions, viewer } = view;
        Self {
            id: post.id.as_uuid(),
            author: author.into(),
            text: post.text,
            media: Vec::new(),
            hashtags: post.hashtags.into_iter().map(String::from).collect(),
            mentions: mentions.into_iter().map(Into::into).collect(),
            visibility: post.visibility.as_str().to_owned(),
            like_count: post.like_count,
            comment_count: post.comment_count,
            created_at: post.created_at.into(),
            edited_at: post.edited_at.map(Into::into),
            viewer: viewer.map(|viewer| PostViewer { liked: viewer.liked, bookmarked: viewer.bookmarked }),
        }
    }
}

impl From<PostView> for Versioned<Post> {
    fn from(view: PostView) -> Self {
        Self { version: view.post.version, body: view.into() }
    }
}

/// A text that a post had, or has now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostRevision {
    text: String,
    media: Vec<Media>,
    /// When the post began to say this.
    edited_at: Time,
}

/// A page of the texts that a post had.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PostRevisionPage {
    items: Vec<PostRevision>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where newer items are found.
    prev_cursor: Option<String>,
}

impl PageSchema for PostRevisionPage {
    type Item = PostRevision;

    fn new(items: Vec<PostRevision>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl From<Revision> for PostRevision {
    fn from(revision: Revision) -> Self {
        Self { text: revision.text, media: Vec::new(), edited_at: revision.created_at.into() }
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
    /// Plain text, at most 2,200 characters and 10 KiB, 30 hashtags and 20 mentions.
    text: String,
    /// Images of yours, at most 10.
    #[oai(validator(max_items = 10))]
    media_ids: Option<Vec<Uuid>>,
    /// Who may see it; `public` unless given.
    visibility: Option<Visibility>,
}

/// The largest number of images in a post.
pub(crate) const MAX_MEDIA: usize = 10;

impl Input for CreatePost {
    type Parsed = blegram_social::CreatePost;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let text = fields.text("text", PostText::parse);
        // Nobody has images yet, so every id is one that its sender does not own.
        let not_found = Violation::NotFound("names no image of yours");
        fields.texts("media_ids", MAX_MEDIA, |_| Err::<(), _>(not_found));
        let visibility = fields.optional_text("visibility", parse_visibility);
        let visibility = visibility.unwrap_or(blegram_domain::Visibility::Public);
        blegram_social::CreatePost::new(text?, visibility)
            .map_err(|violation| fields.fail("text", violation))
            .ok()
    }
}

/// An edit of a post; what is absent stays.
#[derive(Debug, Object)]
pub(crate) struct UpdatePost {
    /// Plain text, at most 2,200 characters and 10 KiB, 30 hashtags and 20 mentions.
    text: Option<String>,
    /// Images of yours, at most 10.
    #[oai(validator(max_items = 10))]
    media_ids: Option<Vec<Uuid>>,
    /// Who may see it.
    visibility: Option<Visibility>,
}

impl Input for UpdatePost {
    type Parsed = blegram_social::UpdatePost;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        // A post without images needs a text, so clearing it is refused below, as blank.
        let text = fields.patch_text("text", PostText::parse);
        let not_found = Violation::NotFound("names no image of yours");
        fields.texts("media_ids", MAX_MEDIA, |_| Err::<(), _>(not_found));
        let visibility = fields.optional_text("visibility", parse_visibility);
        blegram_social::UpdatePost::new(text, visibility)
            .map_err(|violation| fields.fail("text", violation))
            .ok()
    }
}

fn parse_visibility(raw: &str) -> Result<blegram_domain::Visibility, Violation> {
    raw.parse().map_err(|_| Violation::OutOfRange("must be \"public\" or \"followers\""))
}

/// How you stand to what you liked, or do not like any more.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Like {
    liked: bool,
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
    pub(crate) bookmarked: bool,
}
