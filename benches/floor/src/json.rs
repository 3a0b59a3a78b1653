//! The responses, field for field those of blegram (`crates/api/src/schema`), which the benchmark compares.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::database::{MediaRow, PostRow, Variant};

#[derive(Serialize)]
pub(crate) struct Post<'a> {
    id: Uuid,
    author: Author<'a>,
    text: &'a str,
    media: Vec<Media<'a>>,
    hashtags: &'a [String],
    // The world has no post with mentions; `database` rejects one.
    mentions: [(); 0],
    visibility: &'a str,
    like_count: i64,
    comment_count: i64,
    created_at: Time,
    edited_at: Option<Time>,
    viewer: Option<Viewer>,
}

#[derive(Serialize)]
struct Viewer {
    liked: bool,
    bookmarked: bool,
}

#[derive(Serialize)]
pub(crate) struct Author<'a> {
    pub(crate) id: Uuid,
    pub(crate) username: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) avatar_url: Option<String>,
}

#[derive(Serialize)]
struct Media<'a> {
    id: Uuid,
    kind: &'static str,
    content_type: &'static str,
    width: u32,
    height: u32,
    byte_size: u64,
    blurhash: &'a str,
    alt: Option<&'a str>,
    url: String,
    variants: Vec<MediaVariant<'a>>,
    created_at: Time,
}

#[derive(Serialize)]
struct MediaVariant<'a> {
    name: &'a str,
    url: String,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
pub(crate) struct Page<'a> {
    pub(crate) items: Vec<Post<'a>>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) prev_cursor: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Like {
    pub(crate) liked: bool,
    pub(crate) like_count: i64,
}

#[derive(Serialize)]
pub(crate) struct Comment<'a> {
    pub(crate) id: Uuid,
    pub(crate) post_id: Uuid,
    pub(crate) parent_id: Option<Uuid>,
    pub(crate) author: Author<'a>,
    pub(crate) text: &'a str,
    pub(crate) mentions: [(); 0],
    pub(crate) like_count: i64,
    pub(crate) reply_count: i64,
    pub(crate) created_at: Time,
    pub(crate) edited_at: Option<Time>,
    pub(crate) is_deleted: bool,
    pub(crate) viewer: CommentViewer,
}

#[derive(Serialize)]
pub(crate) struct CommentViewer {
    pub(crate) liked: bool,
}

/// An instant, written as blegram writes it.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'a> Post<'a> {
    pub(crate) fn new(row: &'a PostRow, site: &str) -> Self {
        Self {
            id: row.id,
            author: Author {
                id: row.author_id,
                username: &row.username,
                display_name: &row.display_name,
                avatar_url: avatar_url(row.avatar_key.as_deref(), site),
            },
            text: &row.text,
            media: row.media.iter().map(|media| Media::new(media, site)).collect(),
            hashtags: &row.hashtags,
            mentions: [],
            visibility: &row.visibility,
            like_count: row.like_count,
            comment_count: row.comment_count,
            created_at: Time(row.created_at),
            edited_at: row.edited_at.map(Time),
            viewer: row.marks.map(|(liked, bookmarked)| Viewer { liked, bookmarked }),
        }
    }
}

impl<'a> Media<'a> {
    fn new(row: &'a MediaRow, site: &str) -> Self {
        let url = |name: &str| format!("{site}/media/{}/{name}.webp", row.key);
        let variant = |Variant { name, width, height, .. }: &'a Variant| MediaVariant {
            name,
            url: url(name),
            width: *width,
            height: *height,
        };
        let large = row.variants.iter().find(|variant| variant.name == "large");
        Self {
            id: row.id,
            kind: "image",
            content_type: "image/webp",
            width: large.map_or(0, |large| large.width),
            height: large.map_or(0, |large| large.height),
            byte_size: large.map_or(0, |large| large.byte_size),
            blurhash: &row.blurhash,
            alt: row.alt.as_deref(),
            url: url("large"),
            variants: row.variants.iter().map(variant).collect(),
            created_at: Time(row.created_at),
        }
    }
}

pub(crate) fn avatar_url(key: Option<&str>, site: &str) -> Option<String> {
    key.map(|key| format!("{site}/media/{key}/thumb.webp"))
}

/// A cursor of the size of blegram's: flags, the hash of the list's name, the position.
pub(crate) fn cursor(flags: u8, id: Uuid) -> String {
    let mut bytes = [0; 25];
    bytes[0] = flags;
    bytes[9..].copy_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}
