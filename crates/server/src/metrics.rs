//! Metrics for monitoring: a listener of its own (`metrics.listen`) that answers `GET /metrics` in the text formats of
//! Prometheus and OpenMetrics, and the probes `/healthz` and `/readyz`.
//!
//! The crates count, in `blegram_metrics`, whether or not anyone scrapes; this module reads their snapshots, names them
//! (`collect`, by the table in `families`) and renders them (`page`). What only the database knows is asked there, within
//! limits (`database`). Decision 62 says why it is built this way. To add a metric, count it where it happens, add a
//! family, add its samples in `collect`, run `cargo xtask gen`, and use it in the dashboard (`deploy/grafana`).

mod collect;
mod database;
mod families;
mod page;
mod process;
mod reference;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use blegram_api::App;
use blegram_domain::Timestamp;
use blegram_http::listener::{Limits, Listener};
use blegram_persistence::Db;
use poem::{
    Endpoint, IntoResponse, Request, Response,
    endpoint::BoxEndpoint,
    error::InternalServerError,
    http::{HeaderMap, Method, StatusCode, header},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::reference::markdown;
use self::{
    database::Questions,
    families as f,
    page::{Format, Page, Value},
};
use crate::{
    bugs::VERSION,
    config::{Backend, Config, Secret},
    jobs::Runner,
    telemetry::DroppedLines,
};

/// The largest number of connections. Monitoring systems have one each.
const MAX_CONNECTIONS: usize = 32;

/// How long a scrape that has begun may take when the node stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The listener of the metrics, which is bound but does not serve yet.
pub(crate) struct MetricsServer {
    socket: TcpListener,
    address: SocketAddr,
    listener: Listener,
    endpoint: MetricsEndpoint,
}

impl MetricsServer {
    /// Binds `metrics.listen`; `None` if it is not set.
    ///
    /// # Errors
    /// The address is in use or not one of this machine.
    pub(crate) async fn bind(
        config: &Config,
        app: &App,
        db: &Db,
        runner: &Runner,
    ) -> anyhow::Result<Option<Self>> {
        let Some(address) = config.metrics.listen else { return Ok(None) };
        let socket = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}; set metrics.listen to a free address"))?;
        let address = socket.local_addr().context("cannot read the address of the metrics")?;
        let token = config.metrics.token.as_ref().map(Secret::secret);
        if !address.ip().is_loopback() && token.is_none() {
            tracing::warn!(
                %address,
                "anyone who reaches this address can read the metrics; set metrics.token, or listen on a loopback address"
            );
        }
        let listener = Listener {
            limits: Limits {
                max_connections: MAX_CONNECTIONS,
                drain_timeout: DRAIN_TIMEOUT,
                ..Limits::default()
            },
            uncapped: Vec::new(),
            // On a loopback address, a page in a browser cannot read them by DNS rebinding.
            site: Arc::new(blegram_api::Site {
                public_url: format!("http://{address}"),
                origins: Vec::new(),
                trusted_proxies: Vec::new(),
            }),
            surface: blegram_api::surface(app),
            // Scrapes are not requests to the site.
            metrics: Arc::default(),
        };
        let probes = blegram_api::probes(app.clone());
        let endpoint = MetricsEndpoint { token, probes, sources: Sources::new(config, app, db, runner) };
        Ok(Some(Self { socket, address, listener, endpoint }))
    }

    /// The address, with the port that the system chose.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Also counts lines that the log of this process dropped.
    pub(crate) fn count_dropped_lines(&mut self, lines: DroppedLines) {
        self.endpoint.sources.dropped_lines = Some(lines);
    }

    /// Serves until `shutdown`.
    pub(crate) async fn serve(self, shutdown: CancellationToken) {
        tracing::info!(address = %self.address, "serving metrics at /metrics");
        self.listener.serve(self.socket, Arc::new(self.endpoint), shutdown).await;
    }
}

/// What the metrics of a node are read from.
struct Sources {
    database: &'static str,
    bus: &'static str,
    max_connections: u32,
    app: App,
    db: Db,
    runner: Runner,
    questions: Questions,
    started_at: Timestamp,
    dropped_lines: Option<DroppedLines>,
}

impl Sources {
    fn new(config: &Config, app: &App, db: &Db, runner: &Runner) -> Self {
        let database = match config.database_url().backend() {
            Backend::Sqlite => "sqlite",
            Backend::Postgres => "postgres",
        };
        let bus = match &config.redis.url {
            Some(_) => "redis",
            None if db.receives_notices() => "postgres",
            None => "local",
        };
        Self {
            database,
            bus,
            max_connections: config.listener.max_connections.get(),
            app: app.clone(),
            db: db.clone(),
            runner: runner.clone(),
            questions: Questions::new(db.clone(), Arc::clone(&app.clock)),
            started_at: app.clock.now(),
            dropped_lines: None,
        }
    }

    async fn page(&self) -> Page {
        let (app, mut page) = (&self.app, Page::default());
        let answers = self.questions.answers().await;
        self.node(&mut page);
        collect::runtime(&mut page);
        collect::http(&mut page, app.metrics.snapshot(), self.max_connections);
        collect::limits(&mut page, app.auth.limiter());
        collect::database(&mut page, self.db.snapshot());
        collect::answers(&mut page, answers.as_deref());
        collect::gateway(&mut page, app.realtime.hub().snapshot(), app.realtime.snapshot());
        collect::jobs(&mut page, self.runner.snapshot());
        collect::media(&mut page, app.media.snapshot(), app.auth.hash_pool());
        collect::bus(&mut page, &**app.realtime.bus());
        collect::process(&mut page, &process::read());
        page
    }

    fn node(&self, page: &mut Page) {
        page.add(f::BUILD, [VERSION.into()], Value::Info);
        let node = self.app.realtime.node().to_string();
        page.add(f::NODE, [node.into(), self.database.into(), self.bus.into()], Value::Info);
        page.gauge(f::START_TIME, [], self.started_at.as_micros() as f64 / 1e6);
        if let Some(lines) = &self.dropped_lines {
            page.count(f::LOG_LINES_DROPPED, [], lines.count());
        }
    }
}

/// Answers scrapes and probes.
struct MetricsEndpoint {
    token: Option<SecretString>,
    /// `/healthz` and `/readyz`.
    probes: BoxEndpoint<'static>,
    sources: Sources,
}

impl Endpoint for MetricsEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        match request.uri().path() {
            _ if ![Method::GET, Method::HEAD].contains(request.method()) => {
                let response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed\n");
                Ok(response.with_header(header::ALLOW, "GET, HEAD").into_response())
            }
            "/metrics" if !self.is_authorized(request.headers()) => {
                let response = plain(
                    StatusCode::UNAUTHORIZED,
                    "send the token of metrics.token: Authorization: Bearer …\n",
                );
                Ok(response.with_header(header::WWW_AUTHENTICATE, "Bearer").into_response())
            }
            "/metrics" => {
                let format = preferred_format(request.headers());
                let text = self.sources.page().await.render(format).map_err(InternalServerError)?;
                Ok(respond(StatusCode::OK, format.content_type(), text))
            }
            "/healthz" | "/readyz" => self.probes.call(request).await,
            _ => Ok(plain(StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz\n")),
        }
    }
}

impl MetricsEndpoint {
    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let sent = sent.and_then(|value| value.split_once(' '));
        // In constant time, but for the length.
        sent.is_some_and(|(scheme, sent)| {
            scheme.eq_ignore_ascii_case("bearer")
                && bool::from(sent.trim().as_bytes().ct_eq(token.expose_secret().as_bytes()))
        })
    }
}

/// The format that `Accept` prefers: OpenMetrics if it is named with at least the quality of the other one, as Prometheus
/// does; otherwise Prometheus text, which every program understands.
fn preferred_format(headers: &HeaderMap) -> Format {
    let ranges: Vec<(&str, f32)> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .flat_map(|accept| accept.split(','))
        .map(media_range)
        .collect();
    let quality = |names: &[&str]| {
        let named =
            ranges.iter().filter(|(name, _)| names.iter().any(|other| name.eq_ignore_ascii_case(other)));
        named.map(|(_, quality)| *quality).fold(0.0, f32::max)
    };
    let open_metrics = quality(&["application/openmetrics-text"]);
    if open_metrics > 0.0 && open_metrics >= quality(&["text/plain"]) {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

/// The name and the quality of a media range such as `text/plain;version=0.0.4;q=0.5`.
fn media_range(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q="));
    (name, quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)))
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    respond(status, "text/plain; charset=utf-8", text.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, text: String) -> Response {
    Response::builder()
        .status(status)
        .content_type(content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_is_the_one_that_accept_prefers() {
        // As Prometheus 3 sends it.
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            (Some(prometheus), Format::OpenMetrics),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("Application/OpenMetrics-Text; version=1.0.0, text/plain"), Format::OpenMetrics),
            (Some("text/plain;version=0.0.4, application/openmetrics-text;q=0.5"), Format::Prometheus),
            (Some("application/openmetrics-text;q=0"), Format::Prometheus),
            (Some("application/openmetrics-text;q=x"), Format::Prometheus),
            (Some("text/html,*/*"), Format::Prometheus),
            (Some("application/json"), Format::Prometheus),
            (None, Format::Prometheus),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(preferred_format(&headers), format, "{accept:?}");
        }
    }
}
