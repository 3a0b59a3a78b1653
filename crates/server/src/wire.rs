//! Builds the application from the configuration: the database and the services.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use blegram_api::{App, Background, Places, Realtime, Site};
use blegram_auth::{
    Auth, PasswordCost, Provider, Providers, SiteKey,
    provider::{egress::Egress, settings::ProviderSettings},
};
use blegram_bus::{Connected, Exchange, RedisBus, RedisSettings, alarm, notify};
use blegram_chat::Chat;
use blegram_domain::{
    Clock,
    session::{SessionLifetime, SessionLifetimes},
};
use blegram_http::listener::Listener;
use blegram_limits::{Shared, SharedSettings, SharedWork};
use blegram_media::{Media, ReceiveLimits};
use blegram_persistence::{Db, Executed, Notice, Settings};
use blegram_social::Social;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Accounts, Config},
    mail,
    readiness::readiness,
    web,
};

/// SQL statements that take longer are logged.
const SLOW_STATEMENT: Duration = Duration::from_millis(250);

/// How long sending notices may take.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections over loopback are not capped by address: what connects from this machine is a proxy or a tunnel, also one
/// that is not in `server.trusted_proxies`, or a program that could do more harm in other ways.
const LOOPBACK: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
];

/// Connects to the configured database.
///
/// # Errors
/// When it cannot be reached.
pub async fn database(config: &Config) -> Result<Db, blegram_persistence::Error> {
    let settings = Settings {
        max_connections: config.database.max_connections.get(),
        statement_timeout: Duration::from_millis(config.database.statement_timeout_ms.get().into()),
        ..Settings::new(config.database_url().expose())
    };
    Ok(Db::connect(&settings).await?.observed(log_slow))
}

fn log_slow(statement: Executed<'_>) {
    if statement.elapsed >= SLOW_STATEMENT {
        let (sql, failed) = (statement.sql, statement.failed);
        tracing::warn!(sql, failed, duration_ms = statement.elapsed.as_millis(), "slow SQL statement");
    }
}

/// The application of a node, and the work that has to run beside it.
pub struct Wired {
    /// The API with its services.
    pub app: App,
    /// Delivers events to gateway connections.
    pub background: Background,
    /// Counts rate limits in Redis; ends at once without it.
    pub limits: SharedWork,
}

impl std::fmt::Debug for Wired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wired").finish_non_exhaustive()
    }
}

/// Builds the application. Readiness probes fail once `shutdown` is cancelled.
///
/// # Errors
/// When argon2 rejects the password cost, when the mailer or the client for login providers cannot be built, or when the
/// image storage or the web app cannot be opened as configured.
pub fn app(
    config: &Config,
    db: Db,
    clock: Arc<dyn Clock>,
    key: &SecretSlice<u8>,
    shutdown: &CancellationToken,
) -> anyhow::Result<Wired> {
    let site_key = SiteKey::new(key.expose_secret());
    let redis = Redis::of(config, &site_key);
    let (shared_limits, limits) = shared_limits(redis.as_ref(), &site_key)?;
    let auth = blegram_auth::Config { shared_limits, ..auth_config(config, site_key) };
    let auth = Auth::new(db.clone(), Arc::clone(&clock), auth)?;
    let auth = match mail::mailer(config)? {
        Some(mailer) => auth.with_mailer(mailer),
        None => auth,
    };
    let auth = auth.with_providers(providers(config, &clock)?);
    let media = media(config, db.clone(), Arc::clone(&clock), key)?.with_limiter(Arc::clone(auth.limiter()));
    let (realtime, background) =
        Realtime::new((&config.gateway).into(), media.clone(), bus(redis.as_ref(), &db)?);
    let events = Arc::new(realtime.clone());
    let site = site(config);
    let web = web::app(&config.server.web, &site, &media)?;
    let app = App {
        auth: auth.with_events(Arc::clone(&events) as _),
        social: Social::new(db.clone(), Arc::clone(&clock)).with_events(Arc::clone(&events) as _),
        chat: Chat::new(db.clone(), Arc::clone(&clock)).with_events(events),
        site: Arc::new(site),
        web,
        readiness: readiness(db, media.clone(), shutdown.clone()),
        realtime,
        media,
        places: config.server.places.as_deref().map(places).transpose()?,
        clock,
        tasks: TaskTracker::new(),
        metrics: Arc::default(),
    };
    Ok(Wired { app, background, limits })
}

/// The Redis server of the site.
struct Redis {
    url: SecretString,
    /// The prefix of channels and keys. All nodes of a site share its key, and no other site has it.
    site: String,
}

impl Redis {
    fn of(config: &Config, site_key: &SiteKey) -> Option<Self> {
        let url = config.redis.url.as_ref()?.secret().clone();
        let site = site_key.secret("bus");
        let site: String = site.expose_secret().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Some(Self { url, site: format!("blegram:{site}") })
    }
}

/// The counters of rate limits that all nodes share. They connect when the work runs.
fn shared_limits(redis: Option<&Redis>, site_key: &SiteKey) -> anyhow::Result<(Option<Shared>, SharedWork)> {
    let Some(Redis { url, site }) = redis else { return Ok((None, Box::pin(std::future::ready(())))) };
    let settings = SharedSettings::new(url.clone(), site.clone(), site_key.secret("limits"));
    let (shared, work) = Shared::connect(&settings).context("cannot use redis.url")?;
    Ok((Some(shared), work))
}

/// The connection to the other nodes. It connects when the background work runs: a site must start without Redis.
fn bus(redis: Option<&Redis>, db: &Db) -> anyhow::Result<Connected> {
    if let Some(Redis { url, site }) = redis {
        let settings = RedisSettings::new(url.clone(), site.clone());
        let connected = RedisBus::connect(&settings).context("cannot use redis.url")?;
        return Ok(if db.receives_notices() { alarmed(connected, db) } else { connected });
    }
    Ok(if db.receives_notices() { notices(db) } else { Exchange::default().connect() })
}

/// Adds an alarm by notifications of PostgreSQL, for when only this node does not reach Redis.
fn alarmed(connected: Connected, db: &Db) -> Connected {
    let sender = db.clone();
    let (connected, alarm) = alarm::connect(connected, move |text| send_notices(sender.clone(), vec![text]));
    db.on_notice(move |notice| {
        if let Notice::Received(text) = notice {
            alarm.accept(text);
        }
    });
    connected
}

async fn send_notices(db: Db, texts: Vec<String>) -> Result<(), blegram_persistence::Error> {
    let sending = timeout(NOTICE_TIMEOUT, db.send_notices(&texts));
    sending.await.unwrap_or(Err(blegram_persistence::Error::TimedOut))
}

/// The bus by notifications of PostgreSQL. The job runner listens for them.
fn notices(db: &Db) -> Connected {
    let sender = db.clone();
    let (connected, relay) = notify::connect(move |texts| send_notices(sender.clone(), texts));
    db.on_notice(move |notice| match notice {
        Notice::Begin => relay.begin(),
        Notice::Received(text) => relay.accept(text),
        Notice::End => relay.end(),
    });
    connected
}

fn places(path: &Path) -> anyhow::Result<Places> {
    Places::open(path)
        .with_context(|| format!("cannot read the database of places at server.places: {}", path.display()))
}

/// Builds the login providers. None of them is asked for anything before the first login.
fn providers(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Providers> {
    let settings = config.provider_settings();
    if settings.is_empty() {
        return Ok(Providers::default());
    }
    let allows_loopback = config.allows_loopback();
    let egress = Egress::new(allows_loopback).context("cannot build the HTTPS client for login providers")?;
    let provider = |settings: ProviderSettings| {
        let id = settings.id.clone();
        let provider = Provider::new(settings, egress.clone(), Arc::clone(clock), allows_loopback);
        // The configuration was checked by the same rules.
        provider.map_err(|invalid| anyhow!("the login provider {id} has invalid settings: {invalid:?}"))
    };
    settings.into_iter().map(provider).collect()
}

fn site(config: &Config) -> Site {
    let origins = config.server.origins();
    Site {
        public_url: config.site(),
        origins: origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
        trusted_proxies: config.server.trusted_proxies.clone(),
    }
}

/// Builds the listener of `app`.
pub(crate) fn listener(config: &Config, app: &App) -> Listener {
    Listener {
        limits: (&config.listener).into(),
        uncapped: [&config.server.trusted_proxies[..], &LOOPBACK].concat(),
        site: Arc::clone(&app.site),
        surface: blegram_api::surface(app),
        metrics: Arc::clone(&app.metrics),
    }
}

/// Builds the image service. Its links are signed with a key derived from the site key.
///
/// # Errors
/// When the storage cannot be opened as configured.
pub fn media(
    config: &Config,
    db: Db,
    clock: Arc<dyn Clock>,
    key: &SecretSlice<u8>,
) -> blegram_media::Result<Media> {
    let settings = &config.media;
    let media = blegram_media::Config {
        location: config.media_location(),
        site: config.site(),
        signing_key: SiteKey::new(key.expose_secret()).secret("media"),
        threads: size(settings.threads.get()),
        queue: size(settings.queue),
        deadline: Duration::from_millis(settings.deadline_ms.get().into()),
        receive: ReceiveLimits {
            at_once: size(settings.uploads_at_once.get()),
            per_account: size(settings.uploads_per_account.get()),
            min_bytes_per_second: settings.upload_min_bytes_per_second.get().into(),
            ..ReceiveLimits::default()
        },
        quota: settings.into(),
    };
    Media::new(db, clock, media)
}

fn auth_config(config: &Config, site_key: SiteKey) -> blegram_auth::Config {
    let Accounts { hash_threads, hash_queue, .. } = config.accounts;
    blegram_auth::Config {
        registration: config.accounts.registration,
        password_cost: password_cost(&config.accounts),
        hash_threads: size(hash_threads.get()),
        hash_queue: size(hash_queue),
        session_lifetimes: SessionLifetimes {
            browser: SessionLifetime {
                idle: days(config.accounts.session_idle_days),
                absolute: days(config.accounts.session_absolute_days),
            },
            native: SessionLifetime {
                idle: days(config.accounts.native_idle_days),
                absolute: days(config.accounts.native_absolute_days),
            },
        },
        access_token_lifetime: Duration::from_secs(
            60 * u64::from(config.accounts.access_token_minutes.get()),
        ),
        signing_key_period: days(config.accounts.signing_key_days),
        quotas: config.limits.quotas,
        loopback_quotas: Some(config.limits.loopback_quotas),
        shared_limits: None,
        site_key,
        issuer: config.site(),
        sends_mail: config.mail_transport().is_some(),
        pages_url: config.pages_url(),
        web_origins: config.server.origins().iter().map(|origin| origin.as_str().to_owned()).collect(),
        app_redirect_uris: config.login.app_redirect_uris.clone(),
    }
}

/// The configuration for `blegram user`. Any site key will do: the command issues no tokens.
pub fn operator_config(config: &Config) -> blegram_auth::Config {
    auth_config(config, SiteKey::generate())
}

fn password_cost(accounts: &Accounts) -> PasswordCost {
    PasswordCost {
        memory_kib: accounts.password_memory_kib.get(),
        iterations: accounts.password_iterations.get(),
        parallelism: accounts.password_parallelism.get(),
    }
}

fn days(count: NonZeroU32) -> Duration {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    DAY * count.get()
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
