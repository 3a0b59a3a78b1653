//! The layers that every HTTP surface of blegram shares. A surface is a set of routes that speaks one format, such as the
//! API with its JSON; this crate knows no format. It knows accounts and sessions (`blegram-auth`), but no other feature.
//!
//! A request passes three layers before its handler:
//!
//! 1. [`listener`]: HTTP/1 with limits on connections, heads, slow bodies and idle time; checks `Host`.
//! 2. [`edge`]: request id, access log, common headers, CORS, compression; the surface renders every error, including panics.
//! 3. [`gate`]: the checks that the [`Rule`] of the operation demands, in this order: 404, 405, 413, 415, 429, 401, 403.
//!    Also its deadline, `Idempotency-Key` and `If-None-Match`.
//!
//! The layers reject a request with a [`Rejection`], and the [`Surface`] says it in its own words.
//!
//! | Module | Contents |
//! |---|---|
//! | [`router`] | the paths and methods, and the rule of each operation |
//! | [`surface`] | the trait that a surface implements |
//! | [`bearer`], [`cookie`] | the credentials in a request |
//! | [`client`], [`origin`], [`headers`] | who sends a request: network address, page, request headers |
//! | [`conditional`] | entity tags, `If-None-Match`, `If-Match` |
//! | [`compression`] | content codings, and which the client prefers |
//! | [`idempotency`] | `Idempotency-Key` |
//! | [`form`] | multipart forms |
//! | [`rate_limit`] | the headers of rate limits |
//!
//! [`Viewer`] and [`MaybeViewer`] are extractors for handlers. [`Site`] knows the addresses of the site.
//!
//! To add a check: write it in the file of its subject, call it in [`gate`], give [`Rule`] the field that demands it, and add
//! a variant to [`Rejection`]. The API then does not compile until it gives that variant a problem code.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_auth::{Auth, Config};
//! use blegram_domain::SystemClock;
//! use blegram_http::{Edge, Gate, Login, Rule, Site, Surface, router::{Route, Router}};
//! use blegram_persistence::{Db, Settings};
//! use poem::{Endpoint, Request, Response, endpoint::make_sync, http::{Method, StatusCode}};
//!
//! /// A surface that renders errors as plain text.
//! struct PlainText;
//!
//! impl Surface for PlainText {
//!     fn render(&self, error: poem::Error, path: &str, _request_id: &str) -> Response {
//!         Response::builder().status(error.status()).body(format!("{path}: {error}"))
//!     }
//! }
//!
//! static LIST_NOTES: Rule = Rule::read(Login::Required);
//! let route = Route::operation(Method::GET, "/notes", "listNotes", &LIST_NOTES);
//! let router = Arc::new(Router::new([route])?);
//!
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("blegram.db");
//! let db = Db::open(&Settings::sqlite(file)).await?;
//! let clock = Arc::new(SystemClock);
//! let auth = Auth::new(db, clock.clone(), Config::default())?;
//! let site = Arc::new(Site {
//!     public_url: "https://blegram.example".to_owned(),
//!     origins: Vec::new(),
//!     trusted_proxies: Vec::new(),
//! });
//! let surface: Arc<dyn Surface> = Arc::new(PlainText);
//! let gate = Gate {
//!     auth,
//!     site: site.clone(),
//!     router: router.clone(),
//!     surface: surface.clone(),
//!     tasks: Default::default(),
//! };
//! let metrics = Default::default();
//! let edge = Edge { site, clock, router, surface, never_stored: &[], never_compressed: &[], metrics };
//! let notes = edge.wrap(gate.wrap(make_sync(|_| "notes")));
//!
//! let response = notes.call(Request::builder().uri("/notes".parse()?).finish()).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! assert!(response.headers().contains_key("x-request-id"));
//! assert_eq!(response.into_body().into_string().await?, "/notes: not logged in");
//! # Ok(())
//! # }
//! ```

pub mod bearer;
pub mod client;
pub mod compression;
pub mod conditional;
pub mod cookie;
mod cors;
mod csrf;
pub mod edge;
pub mod form;
pub mod gate;
pub mod headers;
mod host;
pub mod idempotency;
pub mod listener;
pub mod metrics;
pub mod origin;
pub mod rate_limit;
mod rejection;
pub mod router;
mod rule;
mod site;
pub mod surface;
mod viewer;

pub use client::Peer;
pub use edge::Edge;
pub use gate::Gate;
pub use metrics::HttpMetrics;
pub use rejection::Rejection;
pub use rule::{Deadline, Login, MAX_BODY_BYTES, MAX_FIELDS_BYTES, RequestBody, Rule};
pub use site::{Site, address, base_path};
pub use surface::Surface;
pub use viewer::{MaybeViewer, Viewer};

/// The types of other crates that appear in the fields of this one.
pub use {
    ipnet::IpNet,
    tokio_util::{sync::CancellationToken, task::TaskTracker},
};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
