//! The addresses of the app.

use std::borrow::Cow;

use blegram_http::{Login, Rule, router::Route};
use percent_encoding::percent_decode_str;
use poem::http::Method;

use crate::{catalogue, pages::Accepts};

/// The folder of the files with a hash in their names.
pub(super) const ASSETS: &str = "assets";

/// Path templates of documents, and what they show.
pub(super) const ADDRESSES: &[(&str, Kind)] = &[
    ("/", Kind::Home),
    ("/index.html", Kind::Private),
    ("/explore", Kind::Open),
    ("/@{username}", Kind::Profile),
    ("/@{username}/{*rest}", Kind::Private),
    ("/posts/{post}", Kind::Post),
    ("/posts/{post}/{*rest}", Kind::Private),
    // Any word has an address here: without `noindex`, links of others could put their words into search engines.
    ("/tags/{tag}", Kind::Private),
    ("/search", Kind::Private),
    ("/notifications", Kind::Private),
    ("/messages", Kind::Private),
    ("/messages/{*rest}", Kind::Private),
    ("/bookmarks", Kind::Private),
    ("/liked", Kind::Private),
    ("/people", Kind::Private),
    ("/people/{*rest}", Kind::Private),
    ("/follow-requests", Kind::Private),
    ("/settings", Kind::Private),
    ("/settings/{*rest}", Kind::Private),
    ("/login", Kind::Private),
    ("/signup", Kind::Private),
    ("/forgot-password", Kind::Private),
    ("/admin", Kind::Private),
    ("/admin/{*rest}", Kind::Private),
    ("/new", Kind::Private),
];

/// What the documents at an address show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The entrance of the site.
    Home,
    /// Public content.
    Open,
    /// A post.
    Post,
    /// A profile.
    Profile,
    /// What search engines must not index: forms, lists of others' words, and pages that need a login.
    Private,
}

/// The content of a document.
pub(super) enum Content<'a> {
    /// The entrance of the site.
    Home,
    /// Public content without a preview of its own.
    Open,
    /// The post with this id, as the address says it.
    Post(Cow<'a, str>),
    /// The profile with this username, as the address says it.
    Profile(Cow<'a, str>),
    /// Nothing for search engines.
    Private,
}

impl Content<'_> {
    /// Whether a client gets the document. Programs that make link previews accept everything, so every client that does
    /// not prefer JSON gets what links lead to.
    pub(super) fn is_for(&self, accepts: Accepts) -> bool {
        let is_linked = matches!(self, Self::Home | Self::Post(_) | Self::Profile(_));
        (is_linked || accepts.names_html()) && !accepts.prefers_json()
    }
}

/// What is at an address of the app.
pub(super) enum Address<'a> {
    Document(Content<'a>),
    /// A file, by its name.
    File(Cow<'a, str>),
    Robots,
}

enum Target {
    Document(Kind),
    File,
    Robots,
}

/// Finds the addresses of the app.
pub(super) struct Addresses {
    router: matchit::Router<Target>,
    /// The paths of files outside of [`ASSETS`].
    files: Vec<String>,
}

/// The icons of the API, which the app may replace.
const ICONS: [&str; 2] = ["/favicon.ico", "/favicon.svg"];

const ALL_ASSETS: &str = "/assets/{*name}";
const ROBOTS: &str = "/robots.txt";

impl Addresses {
    /// The addresses of an app with these files. A file whose path the API uses is not served, except for icons.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut router = matchit::Router::new();
        let documents = ADDRESSES.iter().map(|(path, kind)| (*path, Target::Document(*kind)));
        for (path, target) in documents.chain([(ALL_ASSETS, Target::File)]) {
            router.insert(path, target).expect("the addresses do not collide");
        }
        let mut files = Vec::new();
        for name in names {
            // Braces would be parameters. A name that collides, such as that of the document, is not a file.
            let path = format!("/{name}");
            let is_free = !catalogue::serves(&path) || ICONS.contains(&path.as_str());
            let is_free = is_free && !path.contains(['{', '}']);
            if is_free && router.insert(path.clone(), Target::File).is_ok() {
                files.push(path);
            }
        }
        // Unless the app brings its own.
        let _ = router.insert(ROBOTS, Target::Robots);
        Self { router, files }
    }

    /// What is at `path`.
    pub(super) fn find<'a>(&self, path: &'a str) -> Option<Address<'a>> {
        let found = self.router.at(path).ok()?;
        let parameter = |path: &'a str, prefix: &str| decode(path.strip_prefix(prefix).unwrap_or(path));
        Some(match found.value {
            Target::Document(Kind::Home) => Address::Document(Content::Home),
            Target::Document(Kind::Open) => Address::Document(Content::Open),
            Target::Document(Kind::Private) => Address::Document(Content::Private),
            Target::Document(Kind::Post) => Address::Document(Content::Post(parameter(path, "/posts/")?)),
            Target::Document(Kind::Profile) => Address::Document(Content::Profile(parameter(path, "/@")?)),
            Target::File => Address::File(parameter(path, "/")?),
            Target::Robots => Address::Robots,
        })
    }

    /// Whether the app has a document at `path`.
    pub(super) fn has_document(&self, path: &str) -> bool {
        self.router.at(path).is_ok_and(|found| matches!(found.value, Target::Document(_)))
    }

    /// The routes that the API does not have.
    pub(super) fn routes(&self) -> impl Iterator<Item = Route> {
        let documents = ADDRESSES.iter().map(|(path, kind)| match kind {
            Kind::Post => Route::operation(Method::GET, path, "showPost", &PREVIEW),
            Kind::Profile => Route::operation(Method::GET, path, "showProfile", &PREVIEW),
            Kind::Home | Kind::Open | Kind::Private => Route::page(Method::GET, path),
        });
        let own = [ALL_ASSETS, ROBOTS].into_iter().chain(self.files.iter().map(String::as_str));
        let files = own.map(|path| Route::file(Method::GET, path));
        documents.chain(files).filter(|route| !catalogue::serves(&route.path))
    }
}

/// Previews read the database: they count like anonymous reads of the API.
static PREVIEW: Rule = Rule::read(Login::None);

/// `None` for what is not UTF-8: no name is.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}
