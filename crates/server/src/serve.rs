//! `blegram serve`: starts the server, runs it until SIGTERM or Ctrl-C, and shuts it down gracefully.
//!
//! 1. Prepare: install the signal handlers (first, so that a signal does not kill the process in the middle of a
//!    migration), lock the data directory and read the site key, migrate and connect the database.
//! 2. Build: compare the clocks, start ids above the stored ones, build the services, load the signing keys.
//! 3. Listen: bind the address. Clients can connect now; they wait for the next phase.
//! 4. Run: serve requests, deliver events, run jobs. At the signal, readiness fails and the listener accepts no more;
//!    requests in flight, gateway connections and jobs finish at the same time, each within its limit. Events are
//!    delivered until the gateway has closed.
//! 5. Drain: wait for requests whose clients have disconnected.
//! 6. Close: close the database, which all of them used.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use blegram_api::{App, Background};
use blegram_auth::Auth;
use blegram_domain::{Clock, SystemClock};
use blegram_http::listener::Listener;
use blegram_limits::SharedWork;
use blegram_persistence::{Db, as_background_work};
use secrecy::SecretSlice;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

use crate::{
    bugs::{self, VERSION},
    cli::Serve,
    clock::{self, SiteClock},
    config::{Backend, Config, LogFormat},
    data_folder::DataFolder,
    demo,
    jobs::Runner,
    migrate,
    nodes::Membership,
    wire::{self, Wired},
};

/// Time limit at shutdown for requests whose clients have disconnected.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or Ctrl-C, then finishes the requests in flight.
///
/// # Errors
/// When the server cannot start; the message says what to do about it.
pub async fn serve(config: &Config, options: Serve) -> anyhow::Result<()> {
    // 1. Prepare
    let signal = shutdown_signal().context("cannot install the signal handlers")?;
    let (_folder, key) = keys(config)?;
    let db = prepare_database(config, options.demo).await?;
    bugs::plant(&db).await?;
    // 2. Build
    let node = Node::build(config, &db, &key).await?;
    let tasks = node.app.tasks.clone();
    // 3. Listen
    let socket = listen(config.server.listen).await?;
    print_banner(config, options.demo);
    if config.mail_transport().is_none() {
        tracing::warn!(
            "mail is off: addresses cannot be verified and passwords cannot be reset; set mail.host"
        );
    }
    // 4. Run
    let listener = wire::listener(config, &node.app);
    node.run(listener, socket, signal).await;
    // 5. Drain
    finish(&tasks).await;
    // 6. Close
    db.close().await.context("cannot close the database")?;
    tracing::info!("stopped");
    Ok(())
}

/// Migrates the database, connects to it, and creates the demo community if `is_demo`.
async fn prepare_database(config: &Config, is_demo: bool) -> anyhow::Result<Db> {
    migrate::at_start(config).await?;
    let db = wire::database(config).await.context("cannot connect to the database at database.url")?;
    if is_demo {
        tracing::info!("creating the demo community, unless it exists");
        // Without a subscriber: the audit log would get one line per account.
        let fill = demo::fill(config, &db, 1, SystemClock.now());
        as_background_work(fill.with_subscriber(NoSubscriber::default())).await?;
    }
    Ok(db)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set server.listen to a free address"))
}

/// The parts of the process that run until the shutdown.
struct Node {
    db: Db,
    site_clock: Arc<SiteClock>,
    app: App,
    background: Background,
    limits: SharedWork,
    runner: Runner,
    /// On PostgreSQL.
    membership: Option<Membership>,
    shutdown: CancellationToken,
}

impl Node {
    async fn build(config: &Config, db: &Db, key: &SecretSlice<u8>) -> anyhow::Result<Self> {
        let (db, shutdown) = (db.clone(), CancellationToken::new());
        let site_clock = SiteClock::of(&db).await.context("cannot read the database clock")?;
        clock::begin_ids(&db, &*site_clock).await.context("cannot read the newest ids")?;
        let membership = match config.database_url().backend() {
            Backend::Postgres => {
                Some(Membership::begin(&db, Arc::clone(&site_clock) as _, config.site()).await?)
            }
            Backend::Sqlite => None,
        };
        let Wired { app, background, limits } =
            wire::app(config, db.clone(), Arc::clone(&site_clock) as _, key, &shutdown)?;
        let App { auth, social, media, clock, .. } = app.clone();
        let runner = Runner::new(db.clone(), clock, auth, social, media, shutdown.clone());
        // Before the first response: other nodes must be able to verify what this node signs, and the other way round.
        app.auth.rotate_signing_keys().await.context("cannot load or create the signing keys")?;
        Ok(Self { db, site_clock, app, background, limits, runner, membership, shutdown })
    }

    /// Runs everything until `signal`, and then until the listener, the gateway and the job runner have finished.
    async fn run(self, listener: Listener, socket: TcpListener, signal: impl Future<Output = ()>) {
        let Self { db, site_clock, app, background, limits, runner, membership, shutdown } = self;
        let router = Arc::new(blegram_api::router(app.clone()));
        let serving = listener.serve(socket, router, shutdown.clone());
        let ending = async {
            signal.await;
            tracing::info!("shutting down; finishing requests in flight");
            shutdown.cancel();
        };
        let housekeeping = shutdown.run_until_cancelled(housekeeping(&app.auth));
        // Events are delivered until the last gateway connection has closed.
        let gateway_closed = CancellationToken::new();
        let draining = drain_gateway(&app, &shutdown, &gateway_closed);
        let delivering = background.run(&app, &gateway_closed);
        // Commands of the last connections are counted, too.
        let counting = gateway_closed.run_until_cancelled(limits);
        let belonging = async {
            if let Some(membership) = &membership {
                shutdown.run_until_cancelled(membership.renew()).await;
                membership.end().await;
            }
        };
        let following = clock::follow(&site_clock, &db, &shutdown);
        let (cut, ..) = tokio::join!(
            serving,
            ending,
            housekeeping,
            draining,
            delivering,
            counting,
            belonging,
            following,
            runner.work()
        );
        if cut > 0 {
            tracing::warn!(connections = cut, "aborted requests that outlived listener.drain_timeout_ms");
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

/// Installs the handlers of SIGTERM and SIGINT and returns a future that completes at the first of them. A signal that
/// arrives before the future is polled counts, too: a supervisor may stop the server as soon as it responds.
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    // A second signal has no effect: the graceful shutdown has its own time limit.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
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

/// Reports the URLs and the database: as a log line if logs are JSON, otherwise as a banner on standard output.
fn print_banner(config: &Config, is_demo: bool) {
    let site = config.site();
    let database = match config.database_url().backend() {
        Backend::Sqlite => format!("SQLite in {}", config.server.data_dir.display()),
        Backend::Postgres => "PostgreSQL".to_owned(),
    };
    if config.log.format == LogFormat::Json {
        tracing::info!(version = VERSION, url = site, listen = %config.server.listen, database, "serving");
    } else {
        let banner = format!(
            "\n  blegram {version}\n\n  API         {site}/api/v1\n  Swagger UI  {site}/docs\n  Data        {database}\n\n{logins}  Stop with Ctrl-C.\n\n",
            logins = if is_demo { format!("{}\n", demo::logins(config)) } else { String::new() },
            version = VERSION,
        );
        // A closed standard output does not stop the server.
        let _ = std::io::stdout().write_all(banner.as_bytes());
    }
}
