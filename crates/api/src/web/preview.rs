//! The head of posts and profiles: Open Graph (ogp.me) and Twitter cards, by which messengers and search engines show links.
//!
//! A preview has what an anonymous visitor may see, for every client: a post that only some may see has the same answer as one
//! that does not exist. The document is the app in both cases, with status 404: programs learn nothing, and the app shows
//! the post to a user who may see it.

use blegram_domain::{Language, Media, MediaKey, UserSummary, Username, media::VariantName};
use blegram_media::Links;
use blegram_social::{PostPreview, UserPreview};
use maud::{Markup, html};
use poem::http::StatusCode;

use super::{
    template::{About, Head},
    text::{excerpt, language},
};
use crate::{
    App,
    pages::text,
    problem::{Code, Problem},
};

/// The name in `og:site_name` and at the end of titles.
const SITE: &str = "blegram";

/// How many characters of a text titles and descriptions have: what messengers and search engines show of them.
const TITLE: usize = 60;
const DESCRIPTION: usize = 200;

/// The head of the post with this id.
pub(super) async fn of_post(app: &App, id: &str) -> Result<(StatusCode, Head), Problem> {
    let Ok(id) = id.parse() else { return Ok(missing()) };
    let preview = app.social.preview_post(id).await.map_err(Problem::from);
    found(preview, |preview| post(app, preview))
}

/// The head of the profile with this username.
pub(super) async fn of_profile(app: &App, username: &str) -> Result<(StatusCode, Head), Problem> {
    let Ok(username) = Username::parse(username) else { return Ok(missing()) };
    let preview = app.social.preview_user(&username).await.map_err(Problem::from);
    found(preview, |preview| profile(app, preview))
}

fn found<T>(
    preview: Result<T, Problem>,
    head: impl FnOnce(&T) -> Head,
) -> Result<(StatusCode, Head), Problem> {
    match preview {
        Ok(preview) => Ok((StatusCode::OK, head(&preview))),
        Err(problem) if problem.code() == Code::NotFound => Ok(missing()),
        Err(problem) => Err(problem),
    }
}

/// The head of what does not exist for an anonymous visitor.
const fn missing() -> (StatusCode, Head) {
    (StatusCode::NOT_FOUND, Head::not_indexed())
}

fn post(app: &App, PostPreview { post: view, is_indexable }: &PostPreview) -> Head {
    let links = app.media.links();
    let language = language(&view.post.text);
    let name = full_name(&view.author);
    let description = description_of_post(&view.post.text, &view.media, language);
    let title = match excerpt(&view.post.text, TITLE) {
        text if text.is_empty() => format!("{name} · {SITE}"),
        text => format!("{}: “{text}” · {SITE}", excerpt(&view.author.display_name, TITLE)),
    };
    let photo = view.media.first().and_then(|media| Image::of_photo(media, &links));
    let is_photo = photo.is_some();
    let card = Card {
        title: &name,
        description: &description,
        url: format!("{}/posts/{}", app.site.public_url, view.post.id),
        language,
        image: photo.or_else(|| Image::of_avatar(view.author.avatar, &links)),
        is_photo,
    };
    let published = view.post.created_at.to_string();
    let of_kind = html! {
        meta property="og:type" content="article";
        meta property="article:published_time" content=(published);
    };
    let elements = card.elements(&of_kind);
    Head { about: Some(About { title, description, elements }), is_indexable: *is_indexable }
}

fn profile(app: &App, UserPreview { user, is_indexable }: &UserPreview) -> Head {
    let links = app.media.links();
    let name = full_name(&user.summary);
    let language = language(&format!("{}{}", user.summary.display_name, user.bio));
    let description = match excerpt(&user.bio, DESCRIPTION) {
        bio if bio.is_empty() => {
            text("blegram의 사진과 글", "Photos and posts on blegram").of(language).to_owned()
        }
        bio => bio,
    };
    let username = user.summary.username.as_str();
    let card = Card {
        title: &name,
        description: &description,
        url: format!("{}/@{username}", app.site.public_url),
        language,
        image: Image::of_avatar(user.summary.avatar, &links),
        is_photo: false,
    };
    let of_kind = html! {
        meta property="og:type" content="profile";
        meta property="profile:username" content=(username);
    };
    let elements = card.elements(&of_kind);
    let title = format!("{name} · {SITE}");
    Head { about: Some(About { title, description, elements }), is_indexable: *is_indexable }
}

/// The name of an account in titles: `하늘 (@haneul)`.
fn full_name(user: &UserSummary) -> String {
    format!("{} (@{})", excerpt(&user.display_name, TITLE), user.username.as_str())
}

/// The text, otherwise what the first image shows, otherwise that there are images.
fn description_of_post(post: &str, media: &[Media], language: Language) -> String {
    let alt = || media.first().and_then(|media| media.alt.as_deref()).unwrap_or_default();
    [post, alt()]
        .map(|text| excerpt(text, DESCRIPTION))
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| match language {
            Language::Korean => format!("사진 {}장", media.len()),
            Language::English if media.len() == 1 => "1 photo".to_owned(),
            Language::English => format!("{} photos", media.len()),
        })
}

/// An image that crawlers can fetch without a cookie.
struct Image {
    url: String,
    /// Width and height in pixels, if they are known.
    size: Option<(u32, u32)>,
    alt: Option<String>,
}

impl Image {
    fn of_photo(media: &Media, links: &Links) -> Option<Self> {
        let large = media.large()?;
        let alt = media.alt.as_deref().map(|alt| excerpt(alt, DESCRIPTION));
        let url = links.url(media.key, large.name, true);
        Some(Self { url, size: Some((large.width, large.height)), alt })
    }

    fn of_avatar(key: Option<MediaKey>, links: &Links) -> Option<Self> {
        let url = links.url(key?, VariantName::Thumb, true);
        Some(Self { url, size: None, alt: None })
    }
}

/// What all previews have.
struct Card<'a> {
    title: &'a str,
    description: &'a str,
    url: String,
    language: Language,
    image: Option<Image>,
    /// Whether the image is what the preview is about.
    is_photo: bool,
}

impl Card<'_> {
    fn elements(&self, of_kind: &Markup) -> Markup {
        let card = if self.is_photo { "summary_large_image" } else { "summary" };
        let locale = match self.language {
            Language::Korean => "ko_KR",
            Language::English => "en_US",
        };
        html! {
            link rel="canonical" href=(self.url);
            (of_kind)
            meta property="og:site_name" content=(SITE);
            meta property="og:title" content=(self.title);
            meta property="og:description" content=(self.description);
            meta property="og:url" content=(self.url);
            meta property="og:locale" content=(locale);
            @if let Some(image) = &self.image {
                meta property="og:image" content=(image.url);
                meta property="og:image:type" content=(Media::CONTENT_TYPE);
                @if let Some((width, height)) = image.size {
                    meta property="og:image:width" content=(width);
                    meta property="og:image:height" content=(height);
                }
                @if let Some(alt) = &image.alt { meta property="og:image:alt" content=(alt); }
            }
            meta name="twitter:card" content=(card);
        }
    }
}
