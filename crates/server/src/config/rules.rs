//! Rules between settings, and the rules of the `production` profile.

use blegram_persistence::may_be_unencrypted;
use ipnet::IpNet;
use url::{Host, Url};

use super::{
    Config,
    error::Problem,
    value::{Backend, StorageUrl},
    words::{MailTls, Profile},
};

pub(super) fn check(config: &Config) -> Vec<Problem> {
    let mut problems = sanity(config);
    problems.extend(super::login::check(config));
    if config.profile == Profile::Production {
        problems.extend(production(config));
    }
    problems
}

fn sanity(config: &Config) -> Vec<Problem> {
    let accounts = &config.accounts;
    let least_memory = accounts.password_parallelism.get().saturating_mul(8);
    let rules = [
        (
            accounts.password_memory_kib.get() < least_memory,
            "accounts.password_memory_kib",
            "argon2 needs at least 8 KiB for each lane (accounts.password_parallelism)",
        ),
        (
            accounts.session_idle_days > accounts.session_absolute_days,
            "accounts.session_idle_days",
            "cannot be longer than accounts.session_absolute_days",
        ),
        (
            accounts.native_idle_days > accounts.native_absolute_days,
            "accounts.native_idle_days",
            "cannot be longer than accounts.native_absolute_days",
        ),
    ];
    let media = &config.media;
    let is_bucket = matches!(media.storage, Some(StorageUrl::Bucket(..)));
    let bucket = [
        (
            is_bucket && media.s3_access_key_id.is_none(),
            "media.s3_access_key_id",
            "is required for s3:// storage",
        ),
        (
            is_bucket && media.s3_secret_access_key.is_none(),
            "media.s3_secret_access_key",
            "is required for s3:// storage; it can be read from a file: \
             BLEGRAM_MEDIA__S3_SECRET_ACCESS_KEY_FILE",
        ),
    ];
    let problems = violated(config, rules).into_iter().chain(violated(config, bucket));
    problems.chain(violated(config, mail(config))).collect()
}

fn mail(config: &Config) -> [(bool, &'static str, &'static str); 4] {
    let mail = &config.mail;
    let has_host = mail.host.is_some();
    [
        (
            has_host && mail.from.is_none(),
            "mail.from",
            "is required with mail.host: the sender of the mails, for example blegram <noreply@blegram.example>",
        ),
        (
            has_host && mail.folder.is_some(),
            "mail.folder",
            "cannot be set together with mail.host: mails are either sent or written to files",
        ),
        (
            mail.username.is_some() && mail.password.is_none(),
            "mail.password",
            "is required with mail.username; it can be read from a file: BLEGRAM_MAIL__PASSWORD_FILE",
        ),
        (
            mail.password.is_some() && mail.username.is_none(),
            "mail.username",
            "is required with mail.password",
        ),
    ]
}

fn production(config: &Config) -> Vec<Problem> {
    let shared = config.database_url().backend() == Backend::Postgres;
    let key = config.secrets.key.as_ref();
    let rules = [
        (
            shared && key.is_none(),
            "secrets.key",
            "production on PostgreSQL requires the same key on all nodes: set it to the output of `openssl rand -base64 32`",
        ),
        (
            key.is_some_and(super::SecretKey::is_weak),
            "secrets.key",
            "is not random; production requires the output of `openssl rand -base64 32`",
        ),
        (
            config.server.public_url.scheme() != "https",
            "server.public_url",
            "production requires the public https URL, for example https://blegram.example",
        ),
        (
            config.server.trusted_origins.iter().any(|origin| !origin.is_secure()),
            "server.trusted_origins",
            "production accepts https origins, and those of apps on the user's device: custom schemes \
             (capacitor://localhost), http://localhost and http://NAME.localhost",
        ),
        (
            config.mail.tls == MailTls::None
                && config.mail.host.as_ref().is_some_and(|host| !host.is_loopback()),
            "mail.tls",
            "production sends mail over an encrypted connection only, unless the SMTP server is on loopback: use `starttls` \
             or `tls`",
        ),
        (
            config.accounts.pages_url.scheme() != "https"
                && config.accounts.pages_url != config.server.public_url,
            "accounts.pages_url",
            "production requires an https URL: the links in mails contain tokens",
        ),
        (
            config.media.s3_public_url.as_ref().is_some_and(|url| url.scheme() != "https"),
            "media.s3_public_url",
            "production requires https",
        ),
    ];
    let problems = violated(config, rules).into_iter().chain(violated(config, undermining(config)));
    problems.chain(violated(config, unencrypted(config))).collect()
}

/// Connections to other machines that an attacker on the way could read or change (ASVS 12.3.1).
fn unencrypted(config: &Config) -> [(bool, &'static str, &'static str); 2] {
    let url = config.database_url();
    let is_plain = url.backend() == Backend::Postgres && may_be_unencrypted(url.expose());
    let media = &config.media;
    let is_bucket = matches!(media.storage, Some(StorageUrl::Bucket(..)));
    let endpoint = media.s3_endpoint.as_ref().filter(|url| is_bucket && url.scheme() == "http");
    [
        (
            is_plain && !config.database.allow_unencrypted,
            "database.url",
            "production encrypts the connection to PostgreSQL on another machine: append \
             `?sslmode=verify-full&sslrootcert=FILE` (`sslmode=require` accepts any certificate). In a private network, such as \
             that of containers on one machine, database.allow_unencrypted = true accepts it",
        ),
        (
            endpoint.is_some_and(|url| !is_loopback(url)) && !media.s3_allow_http,
            "media.s3_endpoint",
            "production requires https for an S3 server on another machine. In a private network, media.s3_allow_http = \
             true accepts http",
        ),
    ]
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// The least work of a password hash, memory in KiB times passes: the weakest of the argon2id settings that OWASP
/// recommends (7 MiB, five passes).
const LEAST_HASH_WORK: u64 = 7_168 * 5;

/// The shortest prefixes of a trusted proxy's network. Everybody in it can claim any address.
const SHORTEST_PREFIX: (u8, u8) = (8, 16);

/// Settings that would undo what protects the accounts.
fn undermining(config: &Config) -> [(bool, &'static str, &'static str); 2] {
    let accounts = &config.accounts;
    let (memory, passes) = (accounts.password_memory_kib.get(), accounts.password_iterations.get());
    let is_everybody = |net: &IpNet| match net {
        IpNet::V4(net) => net.prefix_len() < SHORTEST_PREFIX.0,
        IpNet::V6(net) => net.prefix_len() < SHORTEST_PREFIX.1,
    };
    [
        (
            memory < 7_168 || u64::from(memory) * u64::from(passes) < LEAST_HASH_WORK,
            "accounts.password_memory_kib",
            "is too little in production: passwords could be guessed from a stolen database. Use at least 7168 KiB, and \
             at least 35840 KiB times accounts.password_iterations, such as the defaults (19456 and 2)",
        ),
        (
            config.server.trusted_proxies.iter().any(is_everybody),
            "server.trusted_proxies",
            "trusts too many addresses: everybody among them can claim to be any client, which undoes all rate limits. \
             Production accepts networks from /8 (IPv4) and /16 (IPv6)",
        ),
    ]
}

fn violated<const N: usize>(config: &Config, rules: [(bool, &str, &str); N]) -> Vec<Problem> {
    rules
        .into_iter()
        .filter(|(is_violated, ..)| *is_violated)
        .map(|(_, key, advice)| problem(config, key, advice))
        .collect()
}

pub(super) fn problem(config: &Config, key: &str, advice: &str) -> Problem {
    let effective = config.effective.iter().find(|effective| effective.key == key);
    Problem {
        key: key.to_owned(),
        found: effective
            .and_then(|effective| effective.text.clone())
            .filter(|text| text != super::layers::REDACTED),
        origin: effective.map_or_else(|| "default".into(), |effective| effective.source.to_string()),
        advice: advice.to_owned(),
    }
}
