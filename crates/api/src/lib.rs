//! The HTTP interface of blegram: routes, wire schemas, problem+json and the OpenAPI document.
//!
//! A request passes four layers:
//!
//! 1. `edge`: request id, access log, security headers; every error becomes problem+json.
//! 2. `gate`: the checks before the handler, in this order: 404, 405, 413, 415, 429, 401, 403.
//! 3. `routes/<noun>.rs`: parses the request, calls one use-case, renders the response.
//! 4. `schema/<noun>.rs`: the JSON representation of domain types.
//!
//! Beside the API are the realtime gateway (`routes/gateway.rs` accepts connections, `ws.rs` runs commands, `realtime.rs`
//! delivers events), image files (`files.rs`), and HTML pages (`docs.rs`).
//!
//! Each operation has a row in `operation.rs` with its requirements and its possible errors. Only `problem.rs` knows
//! status codes. To add an operation, see `CONTRIBUTING.md`.

mod address;
mod answer;
mod asyncapi;
mod bearer;
mod body;
mod client;
mod conditional;
mod cookie;
mod cors;
mod csrf;
mod docs;
mod edge;
mod files;
mod form;
mod gate;
mod headers;
mod idempotency;
mod list;
mod openapi;
mod operation;
mod origin;
mod page;
mod param;
pub mod problem;
mod realtime;
mod routes;
mod schema;
mod viewer;
mod ws;

use std::{future::Future, pin::Pin, sync::Arc};

use blegram_auth::Auth;
use blegram_chat::Chat;
use blegram_domain::Clock;
use blegram_media::Media;
use blegram_social::Social;
use ipnet::IpNet;
use poem::{Endpoint, EndpointExt, Response, Route};
use tokio_util::task::TaskTracker;

pub use address::base_path;
pub use asyncapi::asyncapi;
pub use client::Peer;
pub use openapi::{openapi, openapi_yaml};
pub use realtime::{Background, Realtime};

/// Checks whether the process can serve requests; the error text says what is missing.
pub type Readiness = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The addresses of the site: its public URL, trusted origins and trusted proxies.
#[derive(Debug, Clone)]
pub struct Site {
    /// The URL at which clients reach the site, without a trailing slash. A reverse proxy in front removes its path, if
    /// it has one.
    pub public_url: String,
    /// The origins whose pages may use the API with the user's cookie, including the site's own, as browsers serialise
    /// them.
    pub origins: Vec<String>,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
}

impl Site {
    /// Whether cookies are restricted to https: unless the public URL is plain http.
    fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The address of `path` for clients, without scheme and host.
    pub(crate) fn address(&self, path: &str) -> String {
        address::address(self.base_path(), path)
    }

    /// The path of the public URL, empty for the root of a host.
    pub fn base_path(&self) -> &str {
        base_path(&self.public_url)
    }

    /// Whether `origin` is trusted. Compares exactly, because browsers serialise an origin in only one way.
    fn trusts(&self, origin: &str) -> bool {
        self.origins.iter().any(|trusted| trusted == origin)
    }
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
    /// The clock of requests.
    pub clock: Arc<dyn Clock>,
    /// Tasks that continue after their client has disconnected. Wait for them before you close the database.
    pub tasks: TaskTracker,
}

/// The endpoint of the whole HTTP interface. It never returns an error: all errors are problem+json responses.
pub fn router(app: App) -> impl Endpoint<Output = Response> {
    let gate = gate::Gate::new(app.clone());
    let edge = edge::Edge::new(app.clone(), gate.catalogue());
    let routes = Route::new()
        .nest("/docs", docs::swagger_ui(app.site.base_path()))
        .at("/openapi.json", docs::json(&app.site.public_url))
        .at("/openapi.yaml", docs::yaml(&app.site.public_url))
        .at("/asyncapi.json", docs::asyncapi_json(&app.site.public_url))
        .at("/problems/:code", docs::problem_page)
        .at("/media/*name", poem::get(files::get).put(files::put))
        .at("/healthz", docs::healthz)
        .at("/readyz", docs::readyz)
        .nest("/", openapi::service())
        .data(Arc::new(app));
    edge.wrap(gate.wrap(routes))
}
