//! The HTTP interface of blegram: routes, wire schemas, problem+json and the OpenAPI document.
//!
//! A request first passes the layers of `blegram_http`, which reject it with a `Rejection` unless it meets the rule of its
//! operation. `surface.rs` says these rejections as problem+json, and `catalogue.rs` names the routes with their rules.
//! Then:
//!
//! 1. `routes/<noun>.rs`: parses the request, calls one use-case, renders the response.
//! 2. `schema/<noun>.rs`: the JSON representation of domain types.
//!
//! Beside the API are the realtime gateway (`routes/gateway.rs` accepts connections, `ws.rs` runs commands, `realtime.rs`
//! delivers events), image files (`files.rs`), pages about the API (`docs.rs`), small pages for
//! logins and the links of mails (`pages.rs`), and the web app with its link previews (`web.rs`).
//!
//! Each operation has a row in `OPERATIONS` of its route, with its rule and its possible errors. Only the module `problem`
//! gives an error its code. To add an operation, see `CONTRIBUTING.md`.

mod address;
mod answer;
mod asyncapi;
mod body;
mod catalogue;
mod docs;
mod files;
mod form;
mod list;
mod openapi;
mod operation;
mod page;
mod pages;
mod param;
mod places;
pub mod problem;
mod realtime;
mod routes;
mod schema;
mod secrets;
mod surface;
mod web;
mod ws;

use std::{future::Future, pin::Pin, sync::Arc};

use blegram_auth::Auth;
use blegram_chat::Chat;
use blegram_domain::Clock;
use blegram_http::{
    Edge, Gate, HttpMetrics,
    router::{InvalidRoutes, Router},
};
use blegram_media::Media;
use blegram_social::Social;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, Route, endpoint::BoxEndpoint};
use tokio_util::task::TaskTracker;

pub use asyncapi::asyncapi;
pub use blegram_http::Site;
pub use openapi::{openapi, openapi_for_progenitor, openapi_yaml};
pub use places::Places;
pub use realtime::{Background, CommandOutcome, Realtime, RealtimeSnapshot};
pub use surface::surface;
pub use web::{InvalidWebApp, WebApp, WebFiles};

/// Checks whether the process can serve requests.
pub type Readiness =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), NotReady>> + Send>> + Send + Sync>;

/// Why the process cannot serve requests. The response to a probe names it; everything else is in the log, because
/// anyone can probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The database does not respond or does not commit.
    #[error("database")]
    Database,
    /// The image storage does not respond, or is not that of the site.
    #[error("storage")]
    Storage,
    /// The process is ending.
    #[error("shutting down")]
    ShuttingDown,
}

/// The services behind the HTTP interface; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Accounts and sessions.
    pub auth: Auth,
    /// Posts, profiles and timelines.
    pub social: Social,
    /// Conversations.
    pub chat: Chat,
    /// Images.
    pub media: Media,
    /// The realtime gateway.
    pub realtime: Realtime,
    /// The addresses of the site.
    pub site: Arc<Site>,
    /// The readiness check.
    pub readiness: Readiness,
    /// The web app at `/`, if there is one.
    pub web: Option<WebApp>,
    /// Places of network addresses, if the operator has a database of them.
    pub places: Option<Places>,
    /// The clock of requests.
    pub clock: Arc<dyn Clock>,
    /// Tasks that continue after their client has disconnected. Wait for them before you close the database.
    pub tasks: TaskTracker,
    /// Counts the requests and connections of the node.
    pub metrics: Arc<HttpMetrics>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// The endpoint of the whole HTTP interface. It never returns an error: all errors are problem+json responses.
///
/// It belongs at the root of a server. Below another path, such as with `nest("/forum", …)`, it works if the public URL
/// of [`App::site`] has that path: the endpoint sees paths without it, and adds it to every URL that it generates.
pub fn router(app: App) -> impl Endpoint<Output = Response> {
    let web = app.web.clone();
    let own = web.iter().flat_map(WebApp::routes);
    let layers =
        Layers::new(&app, catalogue::routes().into_iter().chain(own)).expect("the paths do not collide");
    let routes = Route::new()
        .nest("/docs", docs::swagger_ui(app.site.base_path()))
        .at("/openapi.json", docs::json(&app.site.public_url))
        .at("/openapi.yaml", docs::yaml(&app.site.public_url))
        .at("/asyncapi.json", docs::asyncapi_json(&app.site.public_url))
        .at("/", docs::home::show)
        .at("/problems", docs::problems::index)
        .at("/problems/:code", docs::problems::show)
        .at("/favicon.ico", docs::icon::ico)
        .at("/favicon.svg", docs::icon::svg)
        .at("/media/*name", poem::get(files::get).put(files::put))
        .at("/healthz", docs::healthz)
        .at("/readyz", docs::readyz);
    let site = Arc::clone(&app.site);
    let operations = Arc::new(openapi::service().into_endpoint());
    let routes = pages::mount(routes)
        .nest_no_strip("/api", Arc::clone(&operations))
        .nest_no_strip("/.well-known", operations);
    let routes = web::Mount::new(web.clone(), routes).data(Arc::new(app));
    let gated = page::LinkHeader::new(site, layers.gate.wrap(routes));
    layers.edge.wrap(web::Guide::new(web, gated))
}

/// The probes `/healthz` and `/readyz` alone, for a listener of the operator.
pub fn probes(app: App) -> BoxEndpoint<'static> {
    let probes = Route::new().at("/healthz", docs::healthz).at("/readyz", docs::readyz);
    probes.data(Arc::new(app)).map_to_response().boxed()
}

/// Puts the layers of the API in front of `endpoint`, whose paths and rules are `routes`: routes of the program around
/// [`router`]. They get the same logins, rate limits, protection against CSRF, access log and problem+json as the API, and
/// the extractors [`blegram_http::Viewer`] and [`blegram_http::MaybeViewer`].
///
/// # Errors
/// When two of the paths collide.
pub fn guard(
    app: &App,
    routes: impl IntoIterator<Item = blegram_http::router::Route>,
    endpoint: impl Endpoint + 'static,
) -> Result<BoxEndpoint<'static>, InvalidRoutes> {
    let layers = Layers::new(app, routes)?;
    Ok(layers.edge.wrap(layers.gate.wrap(endpoint)).boxed())
}

/// The layers of `blegram_http` for some routes.
struct Layers {
    edge: Edge,
    gate: Gate,
}

impl Layers {
    fn new(
        app: &App,
        routes: impl IntoIterator<Item = blegram_http::router::Route>,
    ) -> Result<Self, InvalidRoutes> {
        let router = Arc::new(Router::new(routes)?);
        let (surface, site) = (surface(app), Arc::clone(&app.site));
        let gate = Gate {
            auth: app.auth.clone(),
            site: Arc::clone(&site),
            router: Arc::clone(&router),
            surface: Arc::clone(&surface),
            tasks: app.tasks.clone(),
        };
        let clock = Arc::clone(&app.clock);
        let edge = Edge {
            site,
            clock,
            router,
            surface,
            never_stored: &NEVER_STORED,
            never_compressed: &secrets::PATHS,
            metrics: Arc::clone(&app.metrics),
        };
        Ok(Self { edge, gate })
    }
}

/// The paths below which no response may be stored by any cache.
const NEVER_STORED: [&str; 5] =
    ["/api/v1/auth", "/api/v1/me", "/api/v1/conversations", "/api/v1/gateway", "/api/v1/notifications"];

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
