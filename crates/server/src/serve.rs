//! From start to the last answer after SIGTERM.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use blegram_auth::Auth;
use blegram_domain::{Clock, SystemClock};
use blegram_persistence::unhurried;
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

/// How long requests may go on that their clients have left.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or Ctrl-C, then finishes what is in flight.
///
/// # Errors
/// What keeps the site from starting, each saying what to do about it.
pub async fn serve(config: &Config, how: Serve) -> anyhow::Result<()> {
    // Before anything that ends badly when it is cut off.
    let end = asked_to_end().context("signals cannot be received")?;
    let (_folder, key) = keys(config)?;
    migrate::at_start(config).await?;
    let db = wire::database(config).await.context("the database at database.url does not answer")?;
    let is_demo = how.demo;
    if is_demo {
        tracing::info!("making the demo community, if it is not there yet");
        // No audit line for each of its accounts.
        let fill = demo::fill(config, &db, 1, SystemClock.now());
        unhurried(fill.with_subscriber(NoSubscriber::default())).await?;
    }
    let shutdown = CancellationToken::new();
    let site_clock = SiteClock::of(&db).await.context("the database's clock could not be read")?;
    clock::begin_ids(&db, &*site_clock).await.context("the newest ids could not be read")?;
    let (app, background) = wire::app(config, db.clone(), Arc::clone(&site_clock) as _, &key, &shutdown)?;
    let (auth, tasks) = (app.auth.clone(), app.tasks.clone());
    let (clock, social, media) = (Arc::clone(&app.clock), app.social.clone(), app.media.clone());
    let runner = Runner::new(db.clone(), clock, auth.clone(), social, media, shutdown.clone());
    // Before the first answer: what this node signs, others must be able to verify, and the other way round.
    auth.rotate_signing_keys().await.context("the signing keys could not be read or made")?;
    let address = config.server.listen;
    let socket = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set server.listen to a free address"))?;
    let site = Arc::clone(&app.site);
    let router = Arc::new(blegram_api::router(app.clone()));
    greet(config, is_demo);
    let limits = listener::Limits::from(&config.listener);
    let serving = listener::serve(socket, router, limits, site.base_path(), shutdown.clone());
    let ending = async {
        end.await;
        tracing::info!("finishing what is in flight");
        shutdown.cancel();
    };
    let tidying = shutdown.run_until_cancelled(tidy(&auth));
    // What happens is told for as long as somebody is connected.
    let alone = CancellationToken::new();
    let leaving = async {
        shutdown.cancelled().await;
        let cut = app.live.hub().drain().await;
        if cut > 0 {
            tracing::warn!(tasks = cut, "commands were cut that did not end");
        }
        alone.cancel();
    };
    let telling = background.run(&app, &alone);
    let following = clock::follow(&site_clock, &db, &shutdown);
    let (cut, ..) = tokio::join!(serving, ending, tidying, leaving, telling, following, runner.work());
    if cut > 0 {
        tracing::warn!(connections = cut, "requests were cut that outlived listener.drain_timeout_ms");
    }
    // Those whose clients hung up; each is as short as the request that it was.
    tasks.close();
    if tokio::time::timeout(LAST_TASKS, tasks.wait()).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "requests were cut that their clients had left");
    }
    db.close().await.context("the database did not take its leave")?;
    tracing::info!("stopped");
    Ok(())
}

/// The site's key: the configured one, or the data folder's. The folder is locked where something of it is used.
pub(crate) fn keys(config: &Config) -> anyhow::Result<(Option<DataFolder>, SecretSlice<u8>)> {
    let is_embedded = config.database_url().backend() == Backend::Sqlite;
    match &config.secrets.key {
        Some(key) if !is_embedded => Ok((None, key.expose().to_vec().into())),
        configured => {
            let folder = DataFolder::open(&config.server.data_dir)?;
            if config.database.url.is_none() {
                folder.make_database()?;
            }
            let key =
                configured.as_ref().map_or_else(|| folder.key(), |key| Ok(key.expose().to_vec().into()))?;
            Ok((Some(folder), key))
        }
    }
}

/// Ends at SIGTERM or Ctrl-C. Both are heard from this call on, not only once the future is waited for: a
/// supervisor may ask as soon as the site answers.
fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    // Both are asked for by people and by supervisors; a second one is not waited for: the drain has its own end.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Forgets now and then who stopped trying, and looks after the signing keys, which every node must have heard of.
async fn tidy(auth: &Auth) {
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    for minute in 0_u64.. {
        minutes.tick().await;
        auth.limiter().tidy();
        if !minute.is_multiple_of(60) {
            continue;
        }
        if let Err(error) = auth.rotate_signing_keys().await {
            // Nothing depends on it within the hour; the next one tries again.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the signing keys were not looked after"
            );
        }
    }
}

/// Says where things are: in the log that machines read, or in a banner for people.
fn greet(config: &Config, is_demo: bool) {
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
        // A banner that nobody can read is no reason to stop.
        let _ = std::io::stdout().write_all(banner.as_bytes());
    }
}
