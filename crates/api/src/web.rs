//! The web app: the document that browsers get at the app's addresses, and its files.
//!
//! The files are what a bundler such as Vite writes: `index.html`, `assets/` with names that contain a hash, and others beside
//! them (`manifest.webmanifest`, icons, a service worker). They are embedded in the program, or in a folder, which is read for
//! each request. The app runs in the browser, so every address of it has the same document ([`template`]); posts and profiles
//! have link previews in its head ([`preview`]).
//!
//! - [`Mount`], behind the gate, answers for the addresses of the app, and leaves the others to the routes of the API. So the gate
//!   counts reads of the database by previews like anonymous reads of the API.
//! - [`Guide`], in front of the gate, renders errors of browsers at addresses of the app, and unknown ones, as the app's document
//!   with the status of the error, so that the app shows them. It also sends addresses with a slash at the end to the one without.
//! - Programs, which do not name `text/html` in `Accept`, get what they get without an app.
//!
//! To add an address of the app, add it to [`addresses::ADDRESSES`].

mod addresses;
mod errors;
mod files;
mod policy;
mod preview;
mod robots;
mod template;
mod text;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use blegram_http::{Site, conditional};
use blegram_media::Media;
use poem::{
    Endpoint, FromRequest, IntoResponse, Request, RequestBody, Response,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};

pub use self::errors::InvalidWebApp;
pub(crate) use self::errors::{Failed, Guide};
use self::{
    addresses::{Address, Addresses, Content},
    files::Files,
    template::{Head, Template},
};
use crate::{pages::Visit, problem::Problem};

/// Where the files of the app are.
#[derive(Debug, Clone)]
pub enum WebFiles {
    /// In the program: names, such as `assets/index-3f2a.js`, and contents.
    Embedded(Vec<(&'static str, &'static [u8])>),
    /// In a folder. Its `index.html` and `assets` are read for each request; the names of the other files at the start.
    Folder(PathBuf),
}

/// A web app on this site; cheap to clone.
#[derive(Clone)]
pub struct WebApp(Arc<Inner>);

struct Inner {
    files: Files,
    addresses: Addresses,
    /// The document, if its file never changes.
    template: Option<Arc<Template>>,
    policy: HeaderValue,
    public_url: String,
}

impl std::fmt::Debug for WebApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebApp").finish_non_exhaustive()
    }
}

/// The name of the document.
const INDEX: &str = "index.html";

impl WebApp {
    /// Prepares the app of `files`, which uses the API at `site` and images of `media`.
    ///
    /// # Errors
    /// When the folder cannot be read, or `index.html` is missing or has no `</head>`.
    pub fn new(files: WebFiles, site: &Site, media: &Media) -> Result<Self, InvalidWebApp> {
        let files = Files::open(files)?;
        let template = Template::parse(&files.index()?, site.base_path())?;
        let addresses = Addresses::new(files.names());
        Ok(Self(Arc::new(Inner {
            template: files.is_embedded().then(|| Arc::new(template)),
            files,
            addresses,
            policy: policy::content_security(&site.public_url, &media.origins()),
            public_url: site.public_url.clone(),
        })))
    }

    /// The routes of the app that the API does not have, with their rules, for the gate.
    pub(crate) fn routes(&self) -> impl Iterator<Item = blegram_http::router::Route> {
        self.0.addresses.routes()
    }

    async fn answer(&self, visit: &Visit<'_>, address: &Address<'_>) -> Option<poem::Result<Response>> {
        match address {
            Address::Document(content) if content.is_for(visit.accepts()) => {
                Some(self.document(visit, content).await.map_err(Into::into))
            }
            Address::Document(_) => None,
            Address::File(name) => Some(self.file(visit.request, name).await.map_err(Into::into)),
            Address::Robots => Some(Ok(robots::answer(&visit.app.site))),
        }
    }

    async fn document(&self, visit: &Visit<'_>, content: &Content<'_>) -> Result<Response, Problem> {
        let (status, head) = match content {
            Content::Post(id) => preview::of_post(visit.app, id).await?,
            Content::Profile(name) => preview::of_profile(visit.app, name).await?,
            Content::Home | Content::Open => (StatusCode::OK, Head::plain()),
            Content::Private => (StatusCode::OK, Head::not_indexed()),
        };
        Ok(self.respond(status, &*self.template().await?, &head))
    }

    async fn template(&self) -> Result<Arc<Template>, Problem> {
        if let Some(template) = &self.0.template {
            return Ok(Arc::clone(template));
        }
        let index = self.0.files.read_text(INDEX).await.map_err(Problem::unavailable)?;
        let template = Template::parse(&index, blegram_http::base_path(&self.0.public_url));
        Ok(Arc::new(template.map_err(Problem::unavailable)?))
    }

    fn respond(&self, status: StatusCode, template: &Template, head: &Head) -> Response {
        let html = template.render(head);
        let tag = conditional::weak(html.as_bytes());
        let mut response =
            Response::builder().status(status).content_type("text/html; charset=utf-8").body(html);
        let headers = response.headers_mut();
        headers.extend(policy::HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.0.policy.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding, Origin"));
        headers.extend(tag.map(|tag| (header::ETAG, tag)));
        if head.is_indexable {
            return response;
        }
        headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
        response
    }

    /// A file. The policy of the document applies to scripts, too: that of a worker is the one of its own file.
    async fn file(&self, request: &Request, name: &str) -> Result<Response, Problem> {
        let mut response =
            self.0.files.response(name, request.headers()).await?.ok_or_else(Problem::not_found)?;
        let cache = if Path::new(name).starts_with(addresses::ASSETS) { FOREVER } else { "no-cache" };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.0.policy.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding, Origin"));
        Ok(response)
    }
}

/// For files whose names change with their contents.
const FOREVER: &str = "public, max-age=31536000, immutable";

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// The routes of the API with the app in front of them.
pub(crate) struct Mount<E> {
    web: Option<WebApp>,
    routes: E,
}

impl<E> Mount<E> {
    /// Puts the app, if there is one, in front of `routes`.
    pub(crate) const fn new(web: Option<WebApp>, routes: E) -> Self {
        Self { web, routes }
    }
}

impl<E: Endpoint> Endpoint for Mount<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if let Some(web) = self.web.as_ref().filter(|_| request.method() == Method::GET)
            && let Some(address) = web.0.addresses.find(request.uri().path())
        {
            let visit = Visit::from_request(&request, &mut RequestBody::default()).await?;
            if let Some(answer) = web.answer(&visit, &address).await {
                return answer;
            }
        }
        self.routes.call(request).await.map(IntoResponse::into_response)
    }
}
