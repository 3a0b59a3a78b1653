//! What all pages share: the document around their content, and the headers of the response.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use blegram_domain::Language;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use poem::{
    Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use sha2::{Digest, Sha256};

use super::{Text, Visit, text, visit::VARY};

/// The style sheet of all pages.
const STYLE: &str = include_str!("style.css");

/// Allows the style sheet, the icon, and forms of this site. `form-action` also applies to redirects after a form.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

/// A page.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) language: Language,
    pub(crate) title: Text,
    pub(crate) content: Markup,
    /// The address of the same page in the other language, if a GET shows it.
    pub(crate) translation: Option<String>,
    /// The path of the public URL.
    pub(crate) base_path: String,
    /// Whether it is about the API, and the same for every user.
    pub(crate) is_reference: bool,
}

impl Page {
    /// A page that answers a GET.
    pub(crate) fn new(visit: &Visit<'_>, title: Text, content: Markup) -> Self {
        let translation = Some(visit.address_in(other(visit.language)));
        Self {
            status: StatusCode::OK,
            language: visit.language,
            title,
            content,
            translation,
            base_path: visit.app.site.base_path().to_owned(),
            is_reference: false,
        }
    }

    /// A page about the API: it can be cached and indexed, and leads to the others.
    pub(crate) fn reference(visit: &Visit<'_>, title: Text, content: Markup) -> Self {
        Self { is_reference: true, ..Self::new(visit, title, content) }
    }

    /// A page that answers a form. It offers no other language, because its address would show the form again.
    pub(crate) fn result(visit: &Visit<'_>, title: Text, content: Markup) -> Self {
        Self { translation: None, ..Self::new(visit, title, content) }
    }

    /// The same page as the answer with `status`.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn into_response(self) -> Response {
        let html = self.html().into_string();
        let mut response =
            Response::builder().status(self.status).content_type("text/html; charset=utf-8").body(html);
        response.headers_mut().extend(headers(self.is_reference));
        response
    }

    fn navigation(&self) -> Markup {
        let language = self.language.as_str();
        html! {
            header {
                a.site href={ (self.base_path) "/?lang=" (language) } { "blegram" }
                nav {
                    @for (path, name) in NAVIGATION {
                        a href={ (self.base_path) (path) "?lang=" (language) } { (name.of(self.language)) }
                    }
                }
            }
        }
    }

    fn html(&self) -> Markup {
        let (language, other) = (self.language, other(self.language));
        html! {
            (DOCTYPE)
            html lang=(language.as_str()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if !self.is_reference { meta name="robots" content="noindex"; }
                    link rel="icon" href={ (self.base_path) "/favicon.ico" } sizes="32x32";
                    link rel="icon" href={ (self.base_path) "/favicon.svg" } type="image/svg+xml";
                    title { (self.title.of(language)) " · blegram" }
                    style { (PreEscaped(STYLE)) }
                }
                body.reference[self.is_reference] {
                    @if self.is_reference { (self.navigation()) }
                    main {
                        @if !self.is_reference { p.site { "blegram" } }
                        h1 { (self.title.of(language)) }
                        (self.content)
                    }
                    @if let Some(translation) = &self.translation {
                        footer {
                            a href=(translation) lang=(other.as_str()) hreflang=(other.as_str()) {
                                (OWN_NAME.of(other))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The pages that each page about the API leads to.
const NAVIGATION: [(&str, Text); 2] =
    [("/docs", text("API 문서", "API documentation")), ("/problems", text("오류 코드", "Problem codes"))];

/// The name of each language in that language.
const OWN_NAME: Text = text("한국어", "English");

/// The language in which a page is offered, too.
pub(crate) const fn other(language: Language) -> Language {
    match language {
        Language::Korean => Language::English,
        Language::English => Language::Korean,
    }
}

/// The headers of a page. `vary` names what the language depends on, too.
fn headers(is_reference: bool) -> [(HeaderName, HeaderValue); 4] {
    let policy = HeaderValue::from_str(&POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let (cache, vary) = if is_reference {
        ("public, max-age=600", VARY)
    } else {
        ("no-store", "Accept-Language, Authorization, Cookie, Origin")
    };
    [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::VARY, HeaderValue::from_static(vary)),
    ]
}

/// The link to the web app, if the site has one.
pub(crate) fn app_link(visit: &Visit<'_>) -> Markup {
    html! {
        @if visit.app.web.is_some() {
            a.button href=(visit.app.site.address("/")) {
                (text("blegram으로 가기", "Go to blegram").of(visit.language))
            }
        }
    }
}

/// A labelled input field. `kind` is its type, `autocomplete` what browsers and password managers fill in.
pub(crate) fn text_field(label: &str, name: &str, kind: &str, autocomplete: &str, value: &str) -> Markup {
    html! {
        label for=(name) { (label) }
        input id=(name) name=(name) type=(kind) value=(value) autocomplete=(autocomplete) required
            autocapitalize="none" spellcheck="false";
    }
}
