//! All settings: name, type, default, accepted range and description. The structures, the parsing and the reference are
//! generated from them; the doc comments become the descriptions.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use blegram_auth::Registration;
use blegram_limits::{Quota, Quotas};
use ipnet::IpNet;
use url::Url;

use super::{
    layers::Layers,
    login::{Login, LoginProvider},
    mail::{Host, Sender},
    redis::Redis,
    setting::{
        Preset::{Absent, Derived, Fixed},
        Section, Setting, range, rates, section, setting,
    },
    value::{DatabaseUrl, LogFilter, Origin, Secret, SecretKey, StorageUrl, Value, WebSource},
    words::{LogFormat, MailTls, Profile},
};

/// All sections in the order of the reference: name, description, settings.
pub(super) const SECTIONS: [(&str, &str, &[Setting]); 15] = [
    (Root::NAME, Root::ABOUT, Root::SETTINGS),
    (Server::NAME, Server::ABOUT, Server::SETTINGS),
    (Listener::NAME, Listener::ABOUT, Listener::SETTINGS),
    (Database::NAME, Database::ABOUT, Database::SETTINGS),
    (Accounts::NAME, Accounts::ABOUT, Accounts::SETTINGS),
    (Mail::NAME, Mail::ABOUT, Mail::SETTINGS),
    (Login::NAME, Login::ABOUT, Login::SETTINGS),
    (LoginProvider::NAME, LoginProvider::ABOUT, LoginProvider::SETTINGS),
    (Media::NAME, Media::ABOUT, Media::SETTINGS),
    (Gateway::NAME, Gateway::ABOUT, Gateway::SETTINGS),
    (Redis::NAME, Redis::ABOUT, Redis::SETTINGS),
    (Limits::NAME, Limits::ABOUT, Limits::SETTINGS),
    (Secrets::NAME, Secrets::ABOUT, Secrets::SETTINGS),
    (Log::NAME, Log::ABOUT, Log::SETTINGS),
    (Metrics::NAME, Metrics::ABOUT, Metrics::SETTINGS),
];

pub(super) fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|(_, _, settings)| settings.iter())
}

section! {
    /// Top-level keys, before any section.
    pub(super) Root, "":
    /// `production` rejects weak or missing secrets and plain HTTP; `development` needs no settings and reads `.env`.
    profile: Profile = Fixed("development");
}

section! {
    /// Addresses and origins of the site, and the data directory.
    pub Server, "server":
    /// IP address and port to listen on. `0.0.0.0` or `[::]` listens on all interfaces. On a loopback address, requests
    /// are rejected (400) unless their `Host` is an IP address, `localhost` or a name below it, or the host of
    /// `public_url` or of one of `trusted_origins`, or they come from one of `trusted_proxies`.
    listen: SocketAddr = Fixed("127.0.0.1:8080");
    /// The public URL of the site, used in links. Its origin is always trusted. Production requires https. It may have
    /// a path, as in `https://example.org/forum`: the proxy in front strips the path from each request, and blegram
    /// adds it to every URL that it generates. The session cookie keeps `Path=/`.
    public_url: Url = Derived("`http://` and `server.listen`");
    /// Other origins whose pages may call the API (CORS and CSRF), compared exactly. Apps in a web view have origins
    /// such as `capacitor://localhost`, `tauri://localhost` or `http://localhost`: see docs/hybrid-apps.md.
    trusted_origins: Vec<Origin> = Fixed("");
    /// Proxies in front of blegram. The client address is taken from `X-Forwarded-For` only for requests from these
    /// addresses.
    trusted_proxies: Vec<IpNet> = Fixed("");
    /// The web app at `/`: `on` serves the one in the binary, `off` none, and a folder the app in it: what a bundler such as
    /// Vite writes, with `index.html` and `assets`. The folder is read for each request, the names of the files beside
    /// `assets` once at the start: see docs/guide/front-end.md.
    web: WebSource = Fixed("on");
    /// The data directory, for the embedded database, local images and generated secrets. Created if missing.
    data_dir: PathBuf = Fixed("./data");
    /// An MMDB file with the places of networks, such as GeoLite2-City or DB-IP City Lite: then the list of sessions
    /// tells the city and country of each login. Read once at the start.
    places: Option<PathBuf> = Absent("sessions have no place");
}

section! {
    /// Limits of the HTTP listener for each connection and request.
    pub Listener, "listener":
    /// Maximum number of open sockets, including upgraded ones. Further clients wait in the kernel's backlog.
    max_connections: NonZeroU32 = Fixed("10000"), 1..=1_000_000;
    /// Maximum number of open sockets of one IPv4 address or IPv6 /64; an IPv4 /24 or an IPv6 /48 may have ten times as
    /// many. Further connections are reset. Connections from `server.trusted_proxies` and over loopback do not count:
    /// one address connects for many clients there.
    max_connections_per_address: NonZeroU32 = Fixed("200"), 1..=1_000_000;
    /// Milliseconds within which the head of a request (request line and header fields) must arrive. The first one is
    /// timed from when the client connects, later ones from their first byte.
    head_timeout_ms: NonZeroU32 = Fixed("10000"), 1..=600_000;
    /// Milliseconds that a connection may be idle between two requests. Set it above the idle timeout of the proxy or
    /// load balancer in front (nginx and most cloud load balancers: 60 seconds; Google's: 600). While less than a tenth
    /// of `max_connections` is free, a connection that has been idle for `head_timeout_ms` is closed within the same
    /// time again.
    keep_alive_timeout_ms: NonZeroU32 = Fixed("75000"), 1..=3_600_000;
    /// Maximum size of the request line and header fields together, in bytes. A larger head returns 431 as soon as it exceeds
    /// the limit.
    max_head_bytes: NonZeroU32 = Fixed("16384"), 1_024..=1_048_576;
    /// Milliseconds that a request body may pause, or lag behind `min_body_bytes_per_second`.
    body_grace_ms: NonZeroU32 = Fixed("10000"), 1..=600_000;
    /// Minimum average rate of a request body, in bytes per second.
    min_body_bytes_per_second: NonZeroU32 = Fixed("1024"), 1..=1_048_576;
    /// Milliseconds after which a connection is closed if the client accepts no byte of a pending response.
    write_timeout_ms: NonZeroU32 = Fixed("30000"), 1..=600_000;
    /// Milliseconds that requests in flight may take to finish after a shutdown begins.
    drain_timeout_ms: NonZeroU32 = Fixed("30000"), 1..=3_600_000;
}

section! {
    /// The database.
    pub Database, "database":
    /// `sqlite:…` or `postgres://…`. A connection pooler between blegram and PostgreSQL must give each connection its
    /// own session (PgBouncer: `pool_mode = session`); transaction and statement pooling are rejected at start.
    /// In production, the URL of a PostgreSQL server on another machine needs `?sslmode=verify-full&sslrootcert=FILE` (or
    /// `verify-ca`; `require` encrypts, but accepts any certificate).
    url: Option<DatabaseUrl> = Absent("SQLite in `server.data_dir`");
    /// Accept, in production, connections to a PostgreSQL server on another machine that may not be encrypted: for a
    /// private network in which no one else can listen, such as that of containers on one machine.
    allow_unencrypted: bool = Fixed("false");
    /// Maximum number of database connections of this process.
    max_connections: NonZeroU32 = Fixed("8"), 1..=1_000;
    /// Milliseconds after which an SQL statement is cancelled. On SQLite, searches are cancelled after at most 2000
    /// milliseconds, and background jobs and commands after ten minutes. On PostgreSQL, a transaction in which this
    /// process is idle ends after half of this time.
    statement_timeout_ms: NonZeroU32 = Fixed("5000"), 10..=600_000;
    /// Apply migrations at start on PostgreSQL; otherwise run `blegram migrate up`. SQLite is always migrated at start.
    migrate: bool = Fixed("false");
}

section! {
    /// Accounts, passwords and sessions.
    pub Accounts, "accounts":
    /// Whether anyone can sign up.
    registration: Registration = Fixed("open");
    /// Memory of one password hash (argon2id), in KiB. After a change, each password is rehashed at its next login.
    password_memory_kib: NonZeroU32 = Fixed("19456"), 8..=1_048_576;
    /// Number of passes of one password hash over its memory.
    password_iterations: NonZeroU32 = Fixed("2"), 1..=100;
    /// Number of lanes of one password hash.
    password_parallelism: NonZeroU32 = Fixed("1"), 1..=64;
    /// Number of passwords hashed concurrently. Each uses `password_memory_kib`.
    hash_threads: NonZeroU32 = Derived("the number of CPUs less one, at least 1"), 1..=1_024;
    /// Number of logins that may wait for a hash thread. Further ones return 503.
    hash_queue: u32 = Fixed("64"), 0..=100_000;
    /// Days of inactivity after which a browser session ends.
    session_idle_days: NonZeroU32 = Fixed("7"), 1..=3_650;
    /// Days after which a browser session ends, even if it is used.
    session_absolute_days: NonZeroU32 = Fixed("30"), 1..=3_650;
    /// Days of inactivity after which the session of a native app ends.
    native_idle_days: NonZeroU32 = Fixed("30"), 1..=3_650;
    /// Days after which the session of a native app ends, even if it is used.
    native_absolute_days: NonZeroU32 = Fixed("180"), 1..=3_650;
    /// Lifetime of the access tokens of native apps, in minutes. Apps get a new one with their refresh token.
    access_token_minutes: NonZeroU32 = Fixed("10"), 1..=60;
    /// Days after which the key that signs access tokens is rotated. Tokens signed with the previous key stay valid.
    signing_key_days: NonZeroU32 = Fixed("30"), 1..=3_650;
    /// URL below which the pages are that links in mails open: `/verify-email` and `/reset-password`, with the parameters
    /// `token` and `lang`. blegram serves simple ones itself; set it if your front end has its own.
    pages_url: Url = Derived("`server.public_url`");
}

section! {
    /// Mail: verification of addresses, password resets, and notices. With neither `host` nor `folder`, production sends
    /// no mail: addresses cannot be verified and passwords cannot be reset by mail. Mails wait in the database until the
    /// server accepts them.
    pub Mail, "mail":
    /// Name or address of the SMTP server.
    host: Option<Host> = Absent("no SMTP server is used");
    /// Port of the SMTP server.
    port: NonZeroU32 = Derived("587 with `starttls`, 465 with `tls`, 25 with `none`"), 1..=65_535;
    /// `starttls` encrypts the connection after it is open, `tls` from the beginning; both verify the certificate. Production
    /// accepts `none` only for a server on loopback.
    tls: MailTls = Fixed("starttls");
    /// PEM file of a certificate authority that is trusted besides those of the system.
    ca_file: Option<PathBuf> = Absent("only those of the system");
    /// User name for the SMTP server.
    username: Option<Secret> = Absent("no login");
    /// Password for the SMTP server.
    password: Option<Secret> = Absent("no login");
    /// Sender of the mails.
    from: Option<Sender> = Absent("required with `host`; otherwise `blegram <noreply@localhost>`");
    /// Seconds that each step of a connection to the SMTP server may take.
    timeout_seconds: NonZeroU32 = Fixed("10"), 1..=30;
    /// Directory to which mails are written as `.eml` files instead of being sent, for development.
    folder: Option<PathBuf> = Absent("in development without `host`, the directory `mail` in `server.data_dir`");
}

section! {
    /// Image storage and image processing.
    pub Media, "media":
    /// A directory (`file:///…`) or a bucket (`s3://bucket`, `s3://bucket/prefix`). All nodes must share it.
    storage: Option<StorageUrl> = Absent("the directory `media` in `server.data_dir`");
    /// Endpoint of the S3 server if it is not AWS, such as MinIO, R2, Garage or Ceph.
    s3_endpoint: Option<Url> = Absent("AWS");
    /// Accept, in production, an `http://` endpoint on another machine: for a private network in which no one else can
    /// listen. Links for direct uploads and downloads then have this address, too.
    s3_allow_http: bool = Fixed("false");
    /// Region of the bucket. Many servers other than AWS accept `auto` or any value.
    s3_region: String = Fixed("us-east-1");
    /// Use path-style URLs (the bucket in the path, not in the host name), as MinIO and Garage require.
    s3_path_style: bool = Fixed("false");
    /// Access key id for the S3 server.
    s3_access_key_id: Option<Secret> = Absent("required with `s3://`");
    /// Secret access key for the S3 server.
    s3_secret_access_key: Option<Secret> = Absent("required with `s3://`");
    /// Public URL of the prefix `public/` in the bucket: the bucket itself, if that prefix is public, or a CDN.
    s3_public_url: Option<Url> = Absent("all image links are signed and expire");
    /// Number of images decoded concurrently. Each may briefly use some hundred MiB of memory. One more thread decodes
    /// images of at most two megapixels and 1 MiB.
    threads: NonZeroU32 = Derived("the number of CPUs less one, at least 1"), 1..=1_024;
    /// Number of images that may wait for a thread. Further ones return 503.
    queue: u32 = Fixed("32"), 0..=100_000;
    /// Milliseconds within which an image must be processed, including the time in the queue.
    deadline_ms: NonZeroU32 = Fixed("30000"), 1..=600_000;
    /// Maximum number of concurrent direct uploads on this node; the same limit applies separately to multipart uploads
    /// and to completions. Further ones return 503.
    uploads_at_once: NonZeroU32 = Fixed("64"), 1..=10_000;
    /// The same limit for one account. Further ones return 429.
    uploads_per_account: NonZeroU32 = Fixed("8"), 1..=10_000;
    /// Minimum average rate of an upload after its first minute, in bytes per second. Slower uploads are aborted with
    /// 408.
    upload_min_bytes_per_second: NonZeroU32 = Fixed("16384"), 1..=1_073_741_824;
    /// Maximum size of all images of one account, in bytes, with their variants and with announced direct uploads.
    /// Further uploads return 403.
    quota_bytes: NonZeroU64 = Fixed("5368709120"), 1_048_576..=1_099_511_627_776_000;
    /// Maximum number of images and announced direct uploads of one account.
    quota_files: NonZeroU64 = Fixed("20000"), 1..=1_000_000_000;
    /// Maximum size of those that are not in a post, a message or a profile, in bytes. An announced direct upload
    /// counts until it is completed, or deleted after two hours; an unused image is deleted after a day.
    quota_unattached_bytes: NonZeroU64 = Fixed("524288000"), 1_048_576..=1_099_511_627_776_000;
    /// Maximum number of images and announced direct uploads that are not in a post, a message or a profile.
    quota_unattached_files: NonZeroU64 = Fixed("100"), 1..=1_000_000_000;
}

section! {
    /// The realtime gateway (WebSocket).
    pub Gateway, "gateway":
    /// Maximum number of connections of one user. A further one is closed with 4504.
    max_per_user: NonZeroU32 = Fixed("20"), 1..=10_000;
    /// Maximum number of connections from one IP address (IPv6: one /64). Further ones return 429.
    max_per_address: NonZeroU32 = Fixed("200"), 1..=1_000_000;
    /// Maximum number of handshakes of logged-in clients per second, on each node. Further ones return 503.
    handshakes_per_second: NonZeroU32 = Fixed("500"), 1..=1_000_000;
    /// Seconds between two pings, with 10 % jitter.
    heartbeat_seconds: NonZeroU32 = Fixed("25"), 1..=3_600;
    /// Seconds that a client may take to answer a ping.
    pong_timeout_seconds: NonZeroU32 = Fixed("10"), 1..=3_600;
    /// Average number of commands per second of one connection. Commands above it are rejected, and finally the
    /// connection is closed.
    commands_per_second: NonZeroU32 = Fixed("5"), 1..=100_000;
    /// Number of commands allowed at once.
    command_burst: NonZeroU32 = Fixed("20"), 1..=100_000;
    /// Maximum number of topic subscriptions of one connection.
    max_topics: NonZeroU32 = Fixed("64"), 1..=100_000;
    /// Maximum number of posts per second sent to a connection for one topic. Above it, only their number is sent.
    posts_per_second: NonZeroU32 = Fixed("5"), 1..=100_000;
    /// Maximum size of the send queue of one connection, in bytes.
    queue_bytes: NonZeroU32 = Fixed("262144"), 1_024..=1_073_741_824;
    /// Maximum length of the send queue of one connection, in frames.
    queue_frames: NonZeroU32 = Fixed("512"), 1..=1_000_000;
    /// Milliseconds after which a connection is closed if the client accepts none of the queued data.
    stall_timeout_ms: NonZeroU32 = Fixed("20000"), 1..=3_600_000;
    /// Seconds that a user stays online to others after the last connection has closed, so that reloading a page does
    /// not show as going offline.
    presence_grace_seconds: u32 = Fixed("20"), 0..=3_600;
    /// Number of clients per second that a node asks to reconnect when it shuts down.
    drain_per_second: NonZeroU32 = Fixed("500"), 1..=1_000_000;
    /// Minimum duration over which they are spread, in milliseconds.
    drain_min_ms: NonZeroU32 = Fixed("5000"), 1..=3_600_000;
    /// Maximum duration over which they are spread, in milliseconds.
    drain_max_ms: NonZeroU32 = Fixed("30000"), 1..=3_600_000;
}

rates! {
    /// Rate limits: a burst of attempts, refilled evenly. Exceeding a limit returns 429. A limit per IP address counts
    /// all addresses of one subscriber together (IPv6: the /64), and the wider network (IPv4: the /24, IPv6: the /48)
    /// gets ten times as much.
    Limits, "limits":
    /// Multiplies the limits of clients that connect over loopback, such as a developer's scripts and tests: those that
    /// are not set, except those of logins, sign-ups, passwords and usernames. Clients behind a trusted proxy have the
    /// usual limits, whatever their address.
    loopback_factor = Derived("10000 in development, 1 in production");
    /// Requests from one IP address without a login. Files, probes and preflights do not count.
    global_per_address = Fixed("200"), per Fixed("60");
    /// Requests and gateway commands of one user.
    global_per_user = Fixed("1200"), per Fixed("60");
    /// Logins from one IP address.
    login_per_address = Fixed("25"), per Fixed("300");
    /// Logins to one account from one IP address.
    login_per_account_and_address = Fixed("10"), per Fixed("600");
    /// Logins to one account from any address. Devices and networks from which the owner has logged in before do not
    /// count, so failed attempts of others do not lock the owner out.
    login_per_account = Fixed("100"), per Fixed("3600");
    /// Attempts to complete logins to one account with a second factor, from one IP address.
    second_factor_per_account_and_address = Fixed("10"), per Fixed("600");
    /// The same from any address. Devices and networks from which the owner has logged in before do not count. Such
    /// attempts are made by the owner, or by someone who knows the password.
    second_factor_per_account = Fixed("30"), per Fixed("86400");
    /// Logins with passkeys that are started from one IP address.
    passkey_starts_per_address = Fixed("60"), per Fixed("300");
    /// Steps of logins with other providers from one IP address. Each login has two or three.
    external_logins_per_address = Fixed("60"), per Fixed("300");
    /// Unlink notices of login providers from one IP address.
    unlink_notices_per_address = Fixed("300"), per Fixed("60");
    /// Sign-ups from one IP address.
    signup_per_address = Fixed("5"), per Fixed("1800");
    /// Sign-ups over loopback, from programs on this machine such as a developer's scripts and tests. Clients behind a
    /// trusted proxy count under `signup_per_address`, whatever their address.
    signup_from_loopback = Derived("`signup_per_address`; in development 20 times as many, unless that is set"), per Derived("as `signup_per_address`");
    /// Checks of passwords and codes within the sessions of one account, for example to change the password.
    password_per_account = Fixed("10"), per Fixed("600");
    /// Requests for a new password, and uses of the links in mails, from one IP address.
    email_tokens_per_address = Fixed("20"), per Fixed("3600");
    /// Changes of the e-mail address of one account. Each sends a mail.
    email_changes_per_user = Fixed("10"), per Fixed("3600");
    /// Mails to one recipient that anyone can cause: verifications and password resets.
    mails_per_recipient = Fixed("5"), per Fixed("3600");
    /// Notices to one recipient about their account, such as a changed password. Further ones are not sent.
    mail_notices_per_recipient = Fixed("20"), per Fixed("3600");
    /// Username changes of one account. Each reserves the previous name for 90 days.
    username_per_account = Fixed("5"), per Fixed("86400");
    /// Posts and edits of posts by one user.
    posts_per_user = Fixed("60"), per Fixed("300");
    /// Comments and edits of comments by one user.
    comments_per_user = Fixed("120"), per Fixed("300");
    /// Likes, bookmarks, follows, blocks and mutes by one user, and their reversals.
    reactions_per_user = Fixed("240"), per Fixed("60");
    /// Messages sent and edited by one user, over HTTP and the gateway.
    messages_per_user = Fixed("240"), per Fixed("60");
    /// Uploads by one user. An upload of several images counts once.
    uploads_per_user = Fixed("300"), per Fixed("600");
    /// Processing of the images of one user, in milliseconds of one thread. A photo takes some hundred.
    image_work_per_user = Fixed("600000"), per Fixed("3600");
    /// Gateway tickets of one user.
    tickets_per_user = Fixed("120"), per Fixed("60");
    /// Searches by one user or, without a login, from one IP address.
    searches = Fixed("120"), per Fixed("60");
    /// Reports to the moderators by one user.
    reports_per_user = Fixed("30"), per Fixed("3600");
    /// Failed gateway handshakes from one IP address. Successful ones are not counted.
    handshake_failures_per_address = Fixed("60"), per Fixed("60");
    /// Gateway connections opened by one user.
    connections_per_user = Fixed("300"), per Fixed("60");
}

section! {
    /// Secret keys. A key can be read from a file: `BLEGRAM_SECRETS__KEY_FILE=/run/secrets/key`.
    pub Secrets, "secrets":
    /// The key from which signing keys are derived; the same on every node. Production requires it with PostgreSQL.
    key: Option<SecretKey> = Absent("generated in `server.data_dir` at the first start");
}

section! {
    /// Logging, to standard error.
    pub Log, "log":
    /// `pretty` for humans, `json` for machines.
    format: LogFormat = Derived("`pretty` in development, `json` in production");
    /// Log levels by target, in the syntax of `tracing-subscriber`.
    filter: LogFilter = Fixed("info,sea_orm_migration=warn,sqlx::postgres::notice=warn");
}

section! {
    /// Metrics for monitoring, in the text formats of Prometheus and OpenMetrics: see docs/metrics.md.
    pub Metrics, "metrics":
    /// IP address and port of a listener of its own for `/metrics`, `/healthz` and `/readyz`, such as `127.0.0.1:9464`. It
    /// has no encryption: use a loopback or private address. On a loopback address, requests need an IP address or
    /// `localhost` as their `Host`.
    listen: Option<SocketAddr> = Absent("no metrics are served");
    /// The token that `/metrics` requires, as `Authorization: Bearer …`.
    token: Option<Secret> = Absent("`/metrics` requires no token");
}
