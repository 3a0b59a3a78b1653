//! Every setting, once: name, type, default and meaning. Structures, parsing and reference come from here.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use ipnet::IpNet;
use url::Url;

use super::{
    layers::Layers,
    value::{DatabaseUrl, LogFilter, Origin, Secret, SecretKey, Shape, StorageUrl, Value},
    words::{LogFormat, Profile, Registration},
};
use crate::listener;

/// What holds when nobody says otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) enum Preset {
    Fixed(&'static str),
    /// Worked out at start; the text says from what.
    Derived(&'static str),
    /// Nothing; the text says what that means.
    Absent(&'static str),
}
use Preset::{Absent, Derived, Fixed};

/// One setting as the reference describes it.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) preset: Preset,
    pub(super) expected: &'static str,
    pub(super) example: &'static str,
    pub(super) shape: Shape,
    pub(super) meaning: &'static str,
}

impl Setting {
    /// As in `server.listen`.
    pub(super) fn key(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// As in `BLEGRAM_SERVER__LISTEN`.
    pub(super) fn variable(&self) -> String {
        format!("BLEGRAM_{}", self.key().replace('.', "__").to_uppercase())
    }
}

/// A group of settings.
pub(super) trait Section: Sized {
    const NAME: &'static str;
    const ABOUT: &'static str;
    const SETTINGS: &'static [Setting];

    /// `None` when a value was refused; the layers then hold the reasons, for all fields.
    fn read(layers: &mut Layers) -> Option<Self>;
}

/// Every section in the order of the reference: name, about, settings.
pub(super) const SECTIONS: [(&str, &str, &[Setting]); 10] = [
    (Root::NAME, Root::ABOUT, Root::SETTINGS),
    (Server::NAME, Server::ABOUT, Server::SETTINGS),
    (Listener::NAME, Listener::ABOUT, Listener::SETTINGS),
    (Database::NAME, Database::ABOUT, Database::SETTINGS),
    (Accounts::NAME, Accounts::ABOUT, Accounts::SETTINGS),
    (Media::NAME, Media::ABOUT, Media::SETTINGS),
    (Gateway::NAME, Gateway::ABOUT, Gateway::SETTINGS),
    (Limits::NAME, Limits::ABOUT, Limits::SETTINGS),
    (Secrets::NAME, Secrets::ABOUT, Secrets::SETTINGS),
    (Log::NAME, Log::ABOUT, Log::SETTINGS),
];

pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|(_, _, settings)| settings.iter())
}

macro_rules! setting {
    ($section:expr, $name:expr, $type:ty, $preset:expr, $($doc:literal)+) => {
        Setting {
            section: $section,
            name: $name,
            preset: $preset,
            expected: <$type>::EXPECTED,
            example: <$type>::EXAMPLE,
            shape: <$type>::SHAPE,
            meaning: concat!($($doc),+),
        }
    };
}

macro_rules! section {
    ($(#[doc = $about:literal])+ $vis:vis $struct:ident, $section:literal: $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $preset:expr;)+) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        $vis struct $struct { $($(#[doc = $doc])+ $vis $field: $type,)+ }

        impl Section for $struct {
            const NAME: &'static str = $section;
            const ABOUT: &'static str = concat!($($about),+);
            const SETTINGS: &'static [Setting] =
                &[$(setting!($section, stringify!($field), $type, $preset, $($doc)+)),+];

            fn read(layers: &mut Layers) -> Option<Self> {
                let mut settings = Self::SETTINGS.iter();
                $(let $field = layers.value::<$type>(settings.next()?);)+
                Some(Self { $($field: $field?,)+ })
            }
        }
    };
}

section! {
    /// At the top of the file, before any section.
    pub(super) Root, "":
    /// `production` refuses weak or missing secrets and plain http; `development` runs with nothing set and reads `.env`.
    profile: Profile = Fixed("development");
}

section! {
    /// Where blegram is reached and where it keeps its files.
    pub Server, "server":
    /// The address and port to listen on. `0.0.0.0` or `[::]` listens on every interface.
    listen: SocketAddr = Fixed("127.0.0.1:8080");
    /// The address people use, as links show it. Its origin is always trusted. Production demands https. It may have a path, as in `https://example.org/forum`: the proxy in front takes the path off each request, and blegram writes it into every address. The session's cookie keeps `Path=/`.
    public_url: Url = Derived("`http://` and `server.listen`");
    /// Other origins whose pages may call the API (CORS and CSRF), compared exactly. Apps in a web view have origins of their own, such as `capacitor://localhost`, `tauri://localhost` or `http://localhost`: see docs/hybrid-apps.md.
    trusted_origins: Vec<Origin> = Fixed("");
    /// The proxies in front of blegram. Only they are believed when they say who the client is.
    trusted_proxies: Vec<IpNet> = Fixed("");
    /// The folder of the embedded database and of generated secrets. Made when missing.
    data_dir: PathBuf = Fixed("./data");
}

section! {
    /// What one client may take of the listener.
    pub Listener, "listener":
    /// Sockets open at once, upgraded ones included. Above it clients wait in the kernel's backlog.
    max_connections: NonZeroU32 = Fixed("10000");
    /// Milliseconds that the head of a request may take. The first one is timed from the moment the client connects, others from their first byte.
    head_timeout_ms: NonZeroU32 = Fixed("10000");
    /// Milliseconds that a connection may be idle between two requests. Set it above the idle timeout of the proxy or load balancer in front (nginx and most cloud balancers: 60 seconds; Google's: 600). While less than a tenth of `max_connections` is free, a connection that has been idle for `head_timeout_ms` ends, at the latest after as long again.
    keep_alive_timeout_ms: NonZeroU32 = Fixed("75000");
    /// Bytes of the request line and header fields together. Above it the answer is 431.
    max_head_bytes: NonZeroU32 = Fixed("16384");
    /// Milliseconds that a request body may pause, or lag behind the pace below.
    body_grace_ms: NonZeroU32 = Fixed("10000");
    /// The slowest acceptable request body, in bytes per second.
    min_body_bytes_per_second: NonZeroU32 = Fixed("1024");
    /// Milliseconds that a client may take no byte of an answer while more wait to be sent.
    write_timeout_ms: NonZeroU32 = Fixed("30000");
    /// Milliseconds that requests in flight may go on after shutdown begins.
    drain_timeout_ms: NonZeroU32 = Fixed("30000");
}

section! {
    /// Where the data is.
    pub Database, "database":
    /// `sqlite:…` or `postgres://…`. A pooler between blegram and PostgreSQL must give each connection a session of its own (PgBouncer: `pool_mode = session`); one that lends sessions for a transaction or a statement is refused at start.
    url: Option<DatabaseUrl> = Absent("SQLite in `server.data_dir`");
    /// Connections that this process opens at most.
    max_connections: NonZeroU32 = Fixed("8");
    /// Milliseconds after which one statement is given up. Searches on SQLite are given up after 2000 at most; background work and commands on SQLite may take ten minutes. On PostgreSQL a transaction in which this process does nothing ends after half of it.
    statement_timeout_ms: NonZeroU32 = Fixed("5000");
    /// Apply migrations at start on PostgreSQL. SQLite always does; on PostgreSQL `blegram migrate up` is the other way.
    migrate: bool = Fixed("false");
}

section! {
    /// Accounts, passwords and sessions.
    pub Accounts, "accounts":
    /// Whether anyone may create an account.
    registration: Registration = Fixed("open");
    /// Memory of one password hash (argon2id), in KiB. A change applies to each password at its next login.
    password_memory_kib: NonZeroU32 = Fixed("19456");
    /// Passes of one password hash over its memory.
    password_iterations: NonZeroU32 = Fixed("2");
    /// Lanes of one password hash.
    password_parallelism: NonZeroU32 = Fixed("1");
    /// Passwords hashed at the same time. Each takes `password_memory_kib`.
    hash_threads: NonZeroU32 = Derived("the number of processors less one, at least 1");
    /// Logins that may wait for a hash thread. Above it the answer is 503.
    hash_queue: u32 = Fixed("64");
    /// Days without use after which a session ends.
    session_idle_days: NonZeroU32 = Fixed("7");
    /// Days after which a session ends even when used.
    session_absolute_days: NonZeroU32 = Fixed("30");
    /// Days without use after which the session of a native app ends.
    native_idle_days: NonZeroU32 = Fixed("30");
    /// Days after which the session of a native app ends even when used.
    native_absolute_days: NonZeroU32 = Fixed("180");
    /// Minutes that an access token of a native app is good for. It gets a new one with its refresh token.
    access_token_minutes: NonZeroU32 = Fixed("10");
    /// Days after which the next key for access tokens is made. The one before still verifies what it signed.
    signing_key_days: NonZeroU32 = Fixed("30");
}

/// So many attempts at once, refilled evenly over so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Attempts that may come at once, and the refill of one period.
    pub burst: NonZeroU32,
    /// The period, in seconds.
    pub per_seconds: NonZeroU32,
}

macro_rules! rates {
    ($(#[doc = $about:literal])+ $struct:ident, $section:literal: $($(#[doc = $doc:literal])+ $field:ident = $burst:expr, per $seconds:expr;)+) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub struct $struct { $($(#[doc = $doc])+ pub $field: Rate,)+ }

        impl Section for $struct {
            const NAME: &'static str = $section;
            const ABOUT: &'static str = concat!($($about),+);
            const SETTINGS: &'static [Setting] = &[$(
                setting!($section, concat!(stringify!($field), ".burst"), NonZeroU32, $burst, $($doc)+),
                setting!($section, concat!(stringify!($field), ".per_seconds"), NonZeroU32, $seconds, " Seconds in which the burst is refilled."),
            )+];

            fn read(layers: &mut Layers) -> Option<Self> {
                let mut settings = Self::SETTINGS.iter();
                $(let $field = (layers.value(settings.next()?), layers.value(settings.next()?));)+
                Some(Self { $($field: Rate { burst: $field.0?, per_seconds: $field.1? },)+ })
            }
        }
    };
}

section! {
    /// Images: where their files are, and how they are worked on.
    pub Media, "media":
    /// A folder (`file:///…`), or a bucket (`s3://bucket`, `s3://bucket/prefix`), which every node must reach.
    storage: Option<StorageUrl> = Absent("the folder `media` in `server.data_dir`");
    /// The S3 server, where it is not AWS: MinIO, R2, Garage, Ceph.
    s3_endpoint: Option<Url> = Absent("AWS");
    /// The region of the bucket; many servers that are not AWS take `auto` or anything.
    s3_region: String = Fixed("us-east-1");
    /// Whether URLs name the bucket in their path and not in their host, as MinIO and Garage want it.
    s3_path_style: bool = Fixed("false");
    /// Who blegram is to the S3 server.
    s3_access_key_id: Option<Secret> = Absent("needed with `s3://`");
    /// What proves it.
    s3_secret_access_key: Option<Secret> = Absent("needed with `s3://`");
    /// Where everybody can fetch what lies below `public/` in the bucket: the bucket itself, if it is open there, or a CDN.
    s3_public_url: Option<Url> = Absent("links to the bucket are signed and end");
    /// Images decoded at the same time. Each may take some hundred MiB for a moment.
    threads: NonZeroU32 = Derived("the number of processors less one, at least 1");
    /// Images that may wait for a thread. Above it the answer is 503.
    queue: u32 = Fixed("32");
    /// Milliseconds that an image may wait and be worked on.
    deadline_ms: NonZeroU32 = Fixed("30000");
    /// Direct uploads that this node receives at the same time; as many forms with files, and completions. Above it the answer is 503.
    uploads_at_once: NonZeroU32 = Fixed("64");
    /// The same of one account. Above it the answer is 429.
    uploads_per_account: NonZeroU32 = Fixed("8");
    /// The average rate that the body of an upload must have, beyond its first minute. One that is slower is cut (408).
    upload_min_bytes_per_second: NonZeroU32 = Fixed("16384");
}

section! {
    /// Live connections (WebSocket).
    pub Gateway, "gateway":
    /// Connections of one user. One more is closed with 4504.
    max_per_user: NonZeroU32 = Fixed("20");
    /// Connections from one address (IPv6: one /64). Above it the answer is 429.
    max_per_address: NonZeroU32 = Fixed("200");
    /// Handshakes a second of logged-in clients, on each node. Above it the answer is 503.
    handshakes_per_second: NonZeroU32 = Fixed("500");
    /// Seconds between two pings, give or take a tenth.
    heartbeat_seconds: NonZeroU32 = Fixed("25");
    /// Seconds that a client may take to answer a ping.
    pong_timeout_seconds: NonZeroU32 = Fixed("10");
    /// Commands a second of one connection, in the long run. Above it they are refused, and at last the connection is closed.
    commands_per_second: NonZeroU32 = Fixed("5");
    /// Commands that may come at once.
    command_burst: NonZeroU32 = Fixed("20");
    /// Topics that one connection may subscribe to.
    max_topics: NonZeroU32 = Fixed("64");
    /// Posts a second that a topic tells a connection. Above it only how many there are is told.
    posts_per_second: NonZeroU32 = Fixed("5");
    /// Bytes that may wait for one connection that does not keep up.
    queue_bytes: NonZeroU32 = Fixed("262144");
    /// Frames that may wait for one connection that does not keep up.
    queue_frames: NonZeroU32 = Fixed("512");
    /// Milliseconds that a client may take nothing of what waits for it.
    stall_timeout_ms: NonZeroU32 = Fixed("20000");
    /// Seconds that others believe somebody there who went: a refresh of a page is no absence.
    presence_grace_seconds: u32 = Fixed("20");
    /// When the node stops, how many clients a second it asks to reconnect.
    drain_per_second: NonZeroU32 = Fixed("500");
    /// Milliseconds over which the node spreads them at least.
    drain_min_ms: NonZeroU32 = Fixed("5000");
    /// Milliseconds over which the node spreads them at most.
    drain_max_ms: NonZeroU32 = Fixed("30000");
}

rates! {
    /// How often something may be tried: a burst, refilled evenly. Above it the answer is 429.
    Limits, "limits":
    /// Logins from one address.
    login_per_address = Fixed("25"), per Fixed("300");
    /// Logins to one account from one address.
    login_per_account_and_address = Fixed("10"), per Fixed("600");
    /// Logins to one account, from anywhere: wide enough that nobody shuts its owner out by trying.
    login_per_account = Fixed("100"), per Fixed("3600");
    /// New accounts from one address.
    signup_per_address = Fixed("5"), per Fixed("1800");
    /// New accounts from programs on this machine, over loopback: a developer's own scripts and tests. A client behind a
    /// trusted proxy counts under `signup_per_address`, whatever its address.
    signup_from_loopback = Derived("`signup_per_address`, and 20 times as many in development while that is not set"), per Derived("as in `signup_per_address`");
    /// Passwords given within the sessions of one account, as to change it.
    password_per_account = Fixed("10"), per Fixed("600");
    /// New names of one account: each keeps the one before from everybody else for 90 days.
    username_per_account = Fixed("5"), per Fixed("86400");
    /// Uploads from one address, each of one image or several.
    upload_per_address = Fixed("300"), per Fixed("600");
    /// Refused handshakes of the gateway from one address (IPv6: one /64). Those that succeed are not counted.
    handshake_failures_per_address = Fixed("60"), per Fixed("60");
    /// Connections to the gateway that one user opens.
    connections_per_user = Fixed("300"), per Fixed("60");
}

section! {
    /// Keys. Each can come from a file: `BLEGRAM_SECRETS__KEY_FILE=/run/secrets/key`.
    pub Secrets, "secrets":
    /// The key that signatures are made from, the same on every node. Production demands it with PostgreSQL.
    key: Option<SecretKey> = Absent("made in `server.data_dir` at the first start");
}

section! {
    /// What is logged, and how. Logs go to standard error.
    pub Log, "log":
    /// `pretty` for people, `json` for machines.
    format: LogFormat = Derived("`pretty` in development, `json` in production");
    /// Levels by target, as `tracing-subscriber` reads them.
    filter: LogFilter = Fixed("info,sea_orm_migration=warn,sqlx::postgres::notice=warn");
}

impl Server {
    /// Every trusted origin: the public URL's own and the configured others.
    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        std::iter::once(Origin::of(&self.public_url)).chain(self.trusted_origins.iter().cloned()).collect()
    }
}

fn ms(count: NonZeroU32) -> Duration {
    Duration::from_millis(count.get().into())
}

fn size(count: NonZeroU32) -> usize {
    usize::try_from(count.get()).unwrap_or(usize::MAX)
}

impl From<&Gateway> for blegram_gateway::Config {
    fn from(it: &Gateway) -> Self {
        let seconds = |count: u32| Duration::from_secs(count.into());
        let standard = Self::default();
        Self {
            timing: blegram_gateway::Timing {
                heartbeat: seconds(it.heartbeat_seconds.get()),
                pong_timeout: seconds(it.pong_timeout_seconds.get()),
                commands_per_second: it.commands_per_second.get(),
                command_burst: it.command_burst.get(),
                ..standard.timing
            },
            room: blegram_gateway::Room { bytes: size(it.queue_bytes), frames: size(it.queue_frames) },
            stall: ms(it.stall_timeout_ms),
            connections_per_user: size(it.max_per_user),
            connections_per_address: size(it.max_per_address),
            handshakes_per_second: it.handshakes_per_second,
            topics_per_connection: size(it.max_topics),
            posts_per_second: it.posts_per_second.get(),
            presence_grace: seconds(it.presence_grace_seconds),
            drain: blegram_gateway::Drain {
                per_second: it.drain_per_second,
                shortest: ms(it.drain_min_ms),
                longest: ms(it.drain_max_ms.max(it.drain_min_ms)),
            },
            ..standard
        }
    }
}

impl From<&Listener> for listener::Limits {
    fn from(it: &Listener) -> Self {
        Self {
            max_connections: size(it.max_connections),
            head_timeout: ms(it.head_timeout_ms),
            keep_alive_timeout: ms(it.keep_alive_timeout_ms),
            max_head_bytes: size(it.max_head_bytes),
            body_grace: ms(it.body_grace_ms),
            min_body_bytes_per_second: it.min_body_bytes_per_second.get().into(),
            write_timeout: ms(it.write_timeout_ms),
            drain_timeout: ms(it.drain_timeout_ms),
        }
    }
}
