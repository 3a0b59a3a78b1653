//! The request for a page.

use std::sync::Arc;

use blegram_auth::LocalPath;
use blegram_domain::Language;
use blegram_http::headers::RequestHeader;
use poem::{
    FromRequest, Request, RequestBody, Response,
    error::GetDataError,
    http::{HeaderMap, HeaderValue, header},
};

use crate::App;

/// A request for a page: its query, and the language of the answer.
pub(crate) struct Visit<'a> {
    pub(crate) app: &'a App,
    pub(crate) request: &'a Request,
    /// The language that the user chose on the page, otherwise the one that the browser prefers.
    pub(crate) language: Language,
    query: Vec<(String, String)>,
}

impl<'a> FromRequest<'a> for Visit<'a> {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let app = request.data::<Arc<App>>().ok_or_else(|| GetDataError(std::any::type_name::<App>()))?;
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let query: Vec<_> = form_urlencoded::parse(query).into_owned().collect();
        let chosen =
            query.iter().find(|(name, _)| name == LANGUAGE).and_then(|(_, value)| value.parse().ok());
        let language = chosen.or_else(|| preferred_language(request)).unwrap_or(Language::English);
        Ok(Self { app, request, language, query })
    }
}

/// What the response of a reference page depends on.
pub(super) const VARY: &str = "Accept, Accept-Encoding, Accept-Language, Origin";

/// The language that the client's `Accept-Language` prefers.
pub(crate) fn preferred_language(request: &Request) -> Option<Language> {
    Language::preferred(RequestHeader::AcceptLanguage.text(request.headers())?)
}

/// The weights of pages and of JSON in `Accept` (RFC 9110, 12.5.1); 0 for what is not named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepts {
    html: f32,
    json: f32,
}

impl Accepts {
    /// Reads the headers of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let weight = |media_type| {
            let accepted = RequestHeader::Accept.weighted(headers);
            let named = accepted.filter(|(name, _)| name.eq_ignore_ascii_case(media_type));
            named.map(|(_, weight)| weight).fold(0.0, f32::max)
        };
        Self { html: weight("text/html"), json: weight("application/json") }
    }

    /// Whether the client names `text/html`, as browsers do.
    pub(crate) fn names_html(self) -> bool {
        self.html > 0.0
    }

    /// Whether the client prefers JSON to a page.
    pub(crate) fn prefers_json(self) -> bool {
        self.json > self.html
    }
}

/// The query parameter of the chosen language.
const LANGUAGE: &str = "lang";

impl Visit<'_> {
    /// Which formats the client accepts.
    pub(crate) fn accepts(&self) -> Accepts {
        Accepts::of(self.request.headers())
    }

    /// Whether the client names `text/html` among the types that it accepts, as browsers do.
    pub(crate) fn names_html(&self) -> bool {
        self.accepts().names_html()
    }

    /// Whether the client prefers JSON to a page. A client that names neither gets the page.
    pub(crate) fn prefers_json(&self) -> bool {
        self.accepts().prefers_json()
    }

    /// Says in `response`, which is not a page, what it depends on.
    pub(crate) fn vary(&self, mut response: Response) -> Response {
        response.headers_mut().insert(header::VARY, HeaderValue::from_static(VARY));
        response
    }

    /// The value of a query parameter; `None` if it is empty.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The address of another page, in the language of this one.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}?{LANGUAGE}={}", self.app.site.address(path), self.language.as_str())
    }

    /// The address of this page, with its query, in `language`.
    pub(crate) fn address_in(&self, language: Language) -> String {
        let others = self.query.iter().filter(|(name, _)| name != LANGUAGE);
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(others)
            .append_pair(LANGUAGE, language.as_str())
            .finish();
        format!("{}?{query}", self.app.site.address(self.request.uri().path()))
    }
}

/// The path to which a page may send the browser on; `None` if `target` leads elsewhere.
pub(crate) fn local_path(target: &str) -> Option<&str> {
    LocalPath::parse(target).is_ok().then_some(target)
}
