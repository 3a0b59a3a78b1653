//! A node of a site in this process: `blegram serve`, and other programs that serve blegram's API beside routes of their
//! own (`examples/embed.rs`).
//!
//! 1. [`Node::open`]: lock the data directory, migrate the database and connect to it, and build the application.
//! 2. [`Node::run`]: requests, gateway connections and background jobs, until the shutdown. Then readiness fails and the
//!    listener accepts no more; requests in flight, gateway connections and jobs finish at the same time, each within
//!    its limit. Events are delivered until the gateway has closed.
//! 3. Drain: wait for requests whose clients have disconnected.
//! 4. Close: close the database, which all of them used.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use blegram_api::{App, Background};
use blegram_auth::Auth;
use blegram_domain::{Clock, SystemClock};
use blegram_http::router::{InvalidRoutes, Route};
use blegram_limits::SharedWork;
use blegram_persistence::{Db, as_background_work};
use futures_util::future::OptionFuture;
use poem::{Endpoint, Response, endpoint::BoxEndpoint};
use secrecy::SecretSlice;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

use crate::{
    bugs,
    clock::{self, SiteClock},
    config::{Backend, Config},
    data_folder::DataFolder,
    demo,
    jobs::Runner,
    metrics::MetricsServer,
    migrate,
    nodes::Membership,
    telemetry::DroppedLines,
    wire::{self, Wired},
};

/// Time limit at shutdown for requests whose clients have disconnected.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// A node that is open, and serves nothing yet.
///
/// ```no_run
/// # async fn run() -> anyhow::Result<()> {
/// use poem::{Route, get, handler};
///
/// #[handler]
/// fn hello() -> &'static str {
///     "hello"
/// }
///
/// let node = blegram::Node::embedded("./data").await?;
/// let routes = Route::new().at("/hello", get(hello)).nest("/", node.router());
/// let socket = node.listen().await?;
/// node.serve(socket, routes, blegram::shutdown_signal()?).await
/// # }
/// ```
///
/// Only one node can use a data directory at a time. A node that is dropped instead of served or [closed](Node::close)
/// loses nothing, but on PostgreSQL it counts as running for another minute.
#[must_use = "a node does nothing until it is served"]
pub struct Node {
    config: Config,
    folder: Option<DataFolder>,
    db: Db,
    site_clock: Arc<SiteClock>,
    app: App,
    background: Background,
    limits: SharedWork,
    runner: Runner,
    /// On PostgreSQL.
    membership: Option<Membership>,
    /// With `metrics.listen`.
    metrics: Option<MetricsServer>,
    shutdown: CancellationToken,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

impl Node {
    /// Opens the site in the directory `data`, with the default settings: an embedded database, images in files, and the
    /// public URL `http://127.0.0.1:8080`. Creates the directory if it is missing.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub async fn embedded(data: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let mut config = Config::default();
        config.server.data_dir = data.into();
        Self::open(config).await
    }

    /// Opens the site of `config`. Like `blegram serve`, it applies pending migrations on SQLite, and on PostgreSQL with
    /// `database.migrate`. It ignores `log`: the program sets up `tracing` itself.
    ///
    /// # Errors
    /// When the node cannot start; the message says what to do about it.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        // Boxed, as in `run`: without optimisation the future may be larger than the stack of a thread.
        Box::pin(async { Opened::new(&config).await?.into_node(config).await }).await
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The address of the metrics, with `metrics.listen`. Connections are accepted once the node runs.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsServer::address)
    }

    /// Adds the lines that the log of this process dropped to the metrics.
    pub(crate) fn counting_dropped_lines(mut self, lines: DroppedLines) -> Self {
        if let Some(metrics) = &mut self.metrics {
            metrics.count_dropped_lines(lines);
        }
        self
    }

    /// The services behind the API, for routes of the program.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// The whole API: see [`blegram_api::router`] for how to mount it.
    pub fn router(&self) -> impl Endpoint<Output = Response> + use<> {
        blegram_api::router(self.app.clone())
    }

    /// Puts the layers of the API in front of routes of the program: see [`blegram_api::guard`].
    ///
    /// # Errors
    /// When two of the paths collide.
    pub fn guard(
        &self,
        routes: impl IntoIterator<Item = Route>,
        endpoint: impl Endpoint + 'static,
    ) -> Result<BoxEndpoint<'static>, InvalidRoutes> {
        blegram_api::guard(&self.app, routes, endpoint)
    }

    /// Binds the address `server.listen`.
    ///
    /// # Errors
    /// When the address is in use or not one of this machine.
    pub fn listen(&self) -> impl Future<Output = anyhow::Result<TcpListener>> + Send + use<> {
        // Without `self`, which is not `Sync`.
        let address = self.config.server.listen;
        async move {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}; set server.listen to a free address"))
        }
    }

    /// Serves `routes` on `socket` with blegram's own listener and its limits until `signal` completes, and then ends
    /// gracefully.
    ///
    /// # Errors
    /// When the database cannot be closed.
    pub async fn serve(
        self,
        socket: TcpListener,
        routes: impl Endpoint + 'static,
        signal: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let listener = wire::listener(&self.config, &self.app);
        let serve = |shutdown| listener.serve(socket, Arc::new(routes), shutdown);
        let cut = self.run(serve, signal).await?;
        if cut > 0 {
            tracing::warn!(connections = cut, "aborted requests that outlived listener.drain_timeout_ms");
        }
        Ok(())
    }

    /// Runs everything but the listener, for a program with a server of its own: `serve` serves [`Node::router`] until
    /// the token is cancelled, and then ends gracefully. If `serve` ends earlier, the node ends as well.
    ///
    /// ```no_run
    /// # async fn run() -> anyhow::Result<()> {
    /// use poem::{Server, listener::TcpListener};
    ///
    /// let node = blegram::Node::embedded("./data").await?;
    /// let (router, shutdown) = (node.router(), blegram::shutdown_signal()?);
    /// let serve = |token: blegram::CancellationToken| {
    ///     let stop = async move { token.cancelled().await };
    ///     Server::new(TcpListener::bind("127.0.0.1:8080")).run_with_graceful_shutdown(router, stop, None)
    /// };
    /// node.run(serve, shutdown).await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the database cannot be closed.
    pub async fn run<F: Future>(
        self,
        serve: impl FnOnce(CancellationToken) -> F,
        signal: impl Future<Output = ()>,
    ) -> anyhow::Result<F::Output> {
        let Self {
            folder,
            db,
            site_clock,
            app,
            background,
            limits,
            runner,
            membership,
            metrics,
            shutdown,
            ..
        } = self;
        let serving = async {
            let outcome = serve(shutdown.clone()).await;
            shutdown.cancel();
            outcome
        };
        let ending = async {
            shutdown.run_until_cancelled(signal).await;
            tracing::info!("shutting down; finishing requests in flight");
            shutdown.cancel();
        };
        let housekeeping = Box::pin(shutdown.run_until_cancelled(housekeeping(&app.auth)));
        // Events are delivered until the last gateway connection has closed.
        let gateway_closed = CancellationToken::new();
        let draining = drain_gateway(&app, &shutdown, &gateway_closed);
        let delivering = Box::pin(background.run(&app, &gateway_closed));
        // Commands of the last connections are counted, too.
        let counting = gateway_closed.run_until_cancelled(limits);
        let belonging = async {
            if let Some(membership) = &membership {
                shutdown.run_until_cancelled(membership.renew()).await;
                membership.end().await;
            }
        };
        let following = clock::follow(&site_clock, &db, &shutdown);
        let ended = CancellationToken::new();
        let working = async {
            let (outcome, ..) = tokio::join!(
                serving,
                ending,
                housekeeping,
                draining,
                delivering,
                counting,
                belonging,
                following,
                Box::pin(runner.work())
            );
            ended.cancel();
            outcome
        };
        // Until everything else has ended, so that the end can be watched.
        let scraping = OptionFuture::from(metrics.map(|metrics| metrics.serve(ended.clone())));
        let (outcome, _) = tokio::join!(working, Box::pin(scraping));
        finish(&app.tasks).await;
        db.close().await.context("cannot close the database")?;
        // Unlocks the data directory, after everything that used it.
        drop(folder);
        Ok(outcome)
    }

    /// Closes a node that was not served.
    ///
    /// # Errors
    /// When the database cannot be closed.
    pub async fn close(self) -> anyhow::Result<()> {
        if let Some(membership) = &self.membership {
            membership.end().await;
        }
        self.db.close().await.context("cannot close the database")
    }
}

/// The data directory and the database, before the application is built.
pub(crate) struct Opened {
    folder: Option<DataFolder>,
    key: SecretSlice<u8>,
    db: Db,
}

impl Opened {
    /// Locks the data directory, migrates the database and connects to it.
    pub(crate) async fn new(config: &Config) -> anyhow::Result<Self> {
        let (folder, key) = keys(config)?;
        migrate::at_start(config).await?;
        let db = wire::database(config).await.context("cannot connect to the database at database.url")?;
        Ok(Self { folder, key, db })
    }

    /// Creates the demo community, unless it exists.
    pub(crate) async fn fill_demo(&self, config: &Config) -> anyhow::Result<()> {
        tracing::info!("creating the demo community, unless it exists");
        // Without a subscriber: the audit log would get one line per account.
        let fill = demo::fill(config, &self.db, 1, SystemClock.now());
        as_background_work(fill.with_subscriber(NoSubscriber::default())).await?;
        Ok(())
    }

    /// Builds the application.
    pub(crate) async fn into_node(self, config: Config) -> anyhow::Result<Node> {
        let Self { folder, key, db } = self;
        bugs::plant(&db).await?;
        let shutdown = CancellationToken::new();
        let site_clock = SiteClock::of(&db).await.context("cannot read the database clock")?;
        clock::begin_ids(&db, &*site_clock).await.context("cannot read the newest ids")?;
        let membership = match config.database_url().backend() {
            Backend::Postgres => {
                Some(Membership::begin(&db, Arc::clone(&site_clock) as _, config.site()).await?)
            }
            Backend::Sqlite => None,
        };
        let Wired { app, background, limits } =
            wire::app(&config, db.clone(), Arc::clone(&site_clock) as _, &key, &shutdown)?;
        let App { auth, social, media, clock, .. } = app.clone();
        let runner = Runner::new(db.clone(), clock, auth, social, media, shutdown.clone());
        // Before the first response: other nodes must be able to verify what this node signs, and the other way round.
        app.auth.rotate_signing_keys().await.context("cannot load or create the signing keys")?;
        let metrics = MetricsServer::bind(&config, &app, &db, &runner).await?;
        Ok(Node {
            config,
            folder,
            db,
            site_clock,
            app,
            background,
            limits,
            runner,
            membership,
            metrics,
            shutdown,
        })
    }
}

/// Returns the site key: the configured one, or the one in the data directory. Locks the data directory if the server
/// uses anything in it, the embedded database included.
pub(crate) fn keys(config: &Config) -> anyhow::Result<(Option<DataFolder>, SecretSlice<u8>)> {
    let is_embedded = config.database_url().backend() == Backend::Sqlite;
    match &config.secrets.key {
        Some(key) if !is_embedded => Ok((None, key.expose().to_vec().into())),
        configured => {
            let folder = DataFolder::open(&config.server.data_dir)?;
            if config.database.url.is_none() {
                folder.create_database()?;
            }
            let key =
                configured.as_ref().map_or_else(|| folder.key(), |key| Ok(key.expose().to_vec().into()))?;
            Ok((Some(folder), key))
        }
    }
}

/// Closes the gateway connections at the shutdown, spread over time, and then cancels `closed`.
async fn drain_gateway(app: &App, shutdown: &CancellationToken, closed: &CancellationToken) {
    shutdown.cancelled().await;
    let cut = app.realtime.hub().drain().await;
    if cut > 0 {
        tracing::warn!(tasks = cut, "aborted gateway commands at shutdown");
    }
    closed.cancel();
}

/// Waits for requests that go on after their clients disconnected; none takes longer than a usual request.
async fn finish(tasks: &TaskTracker) {
    tasks.close();
    if tokio::time::timeout(LAST_TASKS, tasks.wait()).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "aborted requests whose clients had disconnected");
    }
}

/// Housekeeping: prunes the rate limiter every minute, and rotates the signing keys every hour.
async fn housekeeping(auth: &Auth) {
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    for minute in 0_u64.. {
        minutes.tick().await;
        auth.limiter().prune();
        if !minute.is_multiple_of(60) {
            continue;
        }
        if let Err(error) = auth.rotate_signing_keys().await {
            // Nothing depends on the rotation within the hour; the next run tries again.
            tracing::warn!(error = &error as &dyn std::error::Error, "signing key rotation failed");
        }
    }
}
