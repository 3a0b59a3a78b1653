use blegram_auth::{NewPassword, Registration};
use blegram_domain::{
    AltText, Bio, CommentText, Conversation, ConversationTitle, DeviceName, DisplayName, EmailAddress,
    Hashtag, Media, MessageText, PostText, ReportNote, Username, analysis::Analysis, media::ImageType, page,
};
use poem_openapi::Object;
use serde::Serialize;

use crate::body;

/// This site: what it is and what it allows.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Instance {
    name: String,
    /// The version of blegram.
    version: String,
    /// Whether strangers may sign up: `open` or `closed`. New values may come.
    registration: String,
    limits: InstanceLimits,
    features: InstanceFeatures,
    login_providers: Vec<Provider>,
}

/// The largest and smallest of what the API takes. Text is counted in characters as readers see them
/// (grapheme clusters) unless the name says otherwise.
#[derive(Debug, Object, Serialize)]
pub(crate) struct InstanceLimits {
    username_min_chars: usize,
    username_max_chars: usize,
    display_name_max_chars: usize,
    display_name_max_bytes: usize,
    bio_max_chars: usize,
    bio_max_bytes: usize,
    device_name_max_chars: usize,
    device_name_max_bytes: usize,
    email_max_bytes: usize,
    password_min_chars: usize,
    password_max_chars: usize,
    post_max_chars: usize,
    post_max_bytes: usize,
    post_max_hashtags: usize,
    post_max_mentions: usize,
    post_max_media: usize,
    /// Types of images that can be uploaded.
    media_types: Vec<String>,
    media_max_bytes: u64,
    media_max_pixels: u64,
    alt_max_chars: usize,
    comment_max_chars: usize,
    comment_max_bytes: usize,
    message_max_chars: usize,
    message_max_bytes: usize,
    conversation_title_max_chars: usize,
    group_max_members: usize,
    report_note_max_chars: usize,
    hashtag_max_chars: usize,
    page_max_items: usize,
    json_body_max_bytes: usize,
}

/// What this site can do.
#[derive(Debug, Object, Serialize)]
pub(crate) struct InstanceFeatures {
    /// Whether posts can have images.
    media: bool,
    /// Whether there are conversations.
    chat: bool,
    /// Whether native apps can log in and get tokens.
    native_clients: bool,
}

/// Somebody else's login that is taken here.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Provider {
    id: String,
    name: String,
    /// Where a browser goes to log in with it.
    start_url: String,
}

impl Instance {
    /// Made of the constants that the parsers use, so that the two cannot differ.
    pub(crate) fn new(registration: Registration) -> Self {
        Self {
            name: "blegram".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            registration: match registration {
                Registration::Open => "open".to_owned(),
                Registration::Closed => "closed".to_owned(),
            },
            limits: InstanceLimits {
                username_min_chars: Username::MIN_CHARS,
                username_max_chars: Username::MAX_CHARS,
                display_name_max_chars: DisplayName::MAX_GRAPHEMES,
                display_name_max_bytes: DisplayName::MAX_BYTES,
                bio_max_chars: Bio::MAX_GRAPHEMES,
                bio_max_bytes: Bio::MAX_BYTES,
                device_name_max_chars: DeviceName::MAX_GRAPHEMES,
                device_name_max_bytes: DeviceName::MAX_BYTES,
                email_max_bytes: EmailAddress::MAX_BYTES,
                password_min_chars: NewPassword::MIN_CHARS,
                password_max_chars: NewPassword::MAX_CHARS,
                post_max_chars: PostText::MAX_GRAPHEMES,
                post_max_bytes: PostText::MAX_BYTES,
                post_max_hashtags: Analysis::MAX_HASHTAGS,
                post_max_mentions: Analysis::MAX_MENTIONS,
                post_max_media: Media::MAX_PER_POST,
                media_types: ImageType::ALL.iter().map(|kind| kind.as_str().to_owned()).collect(),
                media_max_bytes: Media::MAX_BYTES,
                media_max_pixels: Media::MAX_PIXELS,
                alt_max_chars: AltText::MAX_GRAPHEMES,
                comment_max_chars: CommentText::MAX_GRAPHEMES,
                comment_max_bytes: CommentText::MAX_BYTES,
                message_max_chars: MessageText::MAX_GRAPHEMES,
                message_max_bytes: MessageText::MAX_BYTES,
                conversation_title_max_chars: ConversationTitle::MAX_GRAPHEMES,
                group_max_members: Conversation::MAX_MEMBERS,
                report_note_max_chars: ReportNote::MAX_GRAPHEMES,
                hashtag_max_chars: Hashtag::MAX_GRAPHEMES,
                page_max_items: page::Limit::MAX.into(),
                json_body_max_bytes: body::MAX_BYTES,
            },
            features: InstanceFeatures { media: true, chat: true, native_clients: true },
            login_providers: Vec::new(),
        }
    }
}
