//! The HTTP interface of blegram: routes, wire schemas, problem+json and the OpenAPI document.
//!
//! A request passes four things, each in one file:
//!
//! 1. `edge`: request id, log line, security headers; every failure becomes problem+json.
//! 2. `gate`: what is refused before anybody looks at the content, in the order of the contract:
//!    404, 405, 413, 415, 429, 401, 403.
//! 3. `routes/<noun>.rs`: unwraps the request, calls one use-case, wraps the answer.
//! 4. `schema/<noun>.rs`: domain types as JSON.
//!
//! Beside the API are the gateway (`routes/gateway.rs` lets a client in, `ws.rs` runs its commands, `live.rs` tells it what
//! happens), the files of images (`files.rs`), and pages for people (`docs.rs`).
//!
//! What an operation may answer, and to whom, is a row of `operation.rs`; status codes are known to
//! `problem.rs` alone. To add an operation: see `CONTRIBUTING.md`.

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
mod live;
mod openapi;
mod operation;
mod origin;
mod page;
mod param;
pub mod problem;
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
pub use live::{Background, Live};
pub use openapi::{openapi, openapi_yaml};

/// Whether the process can serve now, or what it lacks.
pub type Readiness = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Where the site is on the net.
#[derive(Debug, Clone)]
pub struct Site {
    /// The URL under which clients reach it, without a slash at the end. A path in it is taken off by a proxy in front.
    pub public_url: String,
    /// The origins whose pages may change things here, its own among them, as browsers send them.
    pub origins: Vec<String>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Site {
    /// Whether cookies are for https only: everywhere but on a plain http site.
    fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The address of `path` as clients use it, without scheme and host.
    pub(crate) fn address(&self, path: &str) -> String {
        address::address(self.base_path(), path)
    }

    /// The path of the public URL.
    pub fn base_path(&self) -> &str {
        base_path(&self.public_url)
    }

    /// Whether pages of `origin` may change things here. Compared exactly: two spellings of one origin would be two
    /// origins to a browser.
    fn trusts(&self, origin: &str) -> bool {
        self.origins.iter().any(|trusted| trusted == origin)
    }
}

/// Everything that the interface calls; cheap to clone.
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
    /// Live connections, which are told what happens.
    pub live: Live,
    /// Where the site is.
    pub site: Arc<Site>,
    /// Whether the process can serve now.
    pub readiness: Readiness,
    /// The time of requests.
    pub clock: Arc<dyn Clock>,
    /// What goes on when its client has hung up. To be waited for before the database is left.
    pub tasks: TaskTracker,
}

/// All that is served over HTTP. Its answers are never errors: those are problem+json by then.
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
