//! `blegram serve`: starts the server, runs it until SIGTERM or Ctrl-C, and shuts it down gracefully.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use blegram_auth::Auth;
use blegram_domain::{Clock, SystemClock};
use blegram_persistence::as_background_work;
use secrecy::SecretSlice;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::{instrument::WithSubscriber, subscriber::NoSubscriber};

use crate::{
    cli::Serve,
    clock::{self, SiteClock},
    config::{Backend, Config, LogFormat},
    data_folder::DataFolder,
    demo,
    jobs::Runner,
    listener, migrate, wire,
};

/// Time limit at shutdown for requests whose clients have disconnected.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or Ctrl-C, then finishes the requests in flight.
///
/// # Errors
/// When the server cannot start; the message says what to do about it.
pub async fn serve(config: &Config, options: Serve) -> anyhow::Result<()> {
    // First, so that a signal during start-up does not kill the process in the middle of a migration.
    let end = shutdown_signal().context("cannot install the signal handlers")?;
    let (_folder, key) = keys(config)?;
    migrate::at_start(config).await?;
    let db = wire::database(config).await.context("cannot connect to the database at database.url")?;
    let is_demo = options.demo;
    if is_demo {
        tracing::info!("creating the demo community, unless it exists");
        // Without a subscriber: the audit log would get one line per account.
        let fill = demo::fill(config, &db, 1, SystemClock.now());
        as_background_work(fill.with_subscriber(NoSubscriber::default())).await?;
    }
    let shutdown = CancellationToken::new();
    let site_clock = SiteClock::of(&db).await.context("cannot read the database clock")?;
    clock::begin_ids(&db, &*site_clock).await.context("cannot read the newest ids")?;
    let (app, background) = wire::app(config, db.clone(), Arc::clone(&site_clock) as _, &key, &shutdown)?;
    let (auth, tasks) = (app.auth.clone(), app.tasks.clone());
    let (clock, social, media) = (Arc::clone(&app.clock), app.social.clone(), app.media.clone());
    let runner = Runner::new(db.clone(), clock, auth.clone(), social, media, shutdown.clone());
    // Before the first response: other nodes must be able to verify what this node signs, and the other way round.
    auth.rotate_signing_keys().await.context("cannot load or create the signing keys")?;
    let address = config.server.listen;
    let socket = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set server.listen to a free address"))?;
    let site = Arc::clone(&app.site);
    let router = Arc::new(blegram_api::router(app.clone()));
    print_banner(config, is_demo);
    let limits = listener::Limits::from(&config.listener);
    let serving = listener::serve(socket, router, limits, site.base_path(), shutdown.clone());
    let ending = async {
        end.await;
        tracing::info!("shutting down; finishing requests in flight");
        shutdown.cancel();
    };
    let pruning = shutdown.run_until_cancelled(housekeeping(&auth));
    // Events are delivered until the last gateway connection has closed.
    let background_shutdown = CancellationToken::new();
    let draining = async {
        shutdown.cancelled().await;
        let cut = app.realtime.hub().drain().await;
        if cut > 0 {
            tracing::warn!(tasks = cut, "aborted gateway commands at shutdown");
        }
        background_shutdown.cancel();
    };
    let realtime = background.run(&app, &background_shutdown);
    let following = clock::follow(&site_clock, &db, &shutdown);
    let (cut, ..) = tokio::join!(serving, ending, pruning, draining, realtime, following, runner.work());
    if cut > 0 {
        tracing::warn!(connections = cut, "aborted requests that outlived listener.drain_timeout_ms");
    }
    // Requests that go on after their clients disconnected; none takes longer than a usual request.
    tasks.close();
    if tokio::time::timeout(LAST_TASKS, tasks.wait()).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "aborted requests whose clients had disconnected");
    }
    db.close().await.context("cannot close the database")?;
    tracing::info!("stopped");
    Ok(())
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
        tracing::info!(version = env!("CARGO_PKG_VERSION"), url = site, listen = %config.server.listen, database, "serving");
    } else {
        let banner = format!(
            "\n  blegram {version}\n\n  API         {site}/api/v1\n  Swagger UI  {site}/docs\n  Data        {database}\n\n{logins}  Stop with Ctrl-C.\n\n",
            logins = if is_demo { format!("{}\n", demo::logins(config)) } else { String::new() },
            version = env!("CARGO_PKG_VERSION"),
        );
        // A closed standard output does not stop the server.
        let _ = std::io::stdout().write_all(banner.as_bytes());
    }
}
