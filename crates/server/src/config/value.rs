//! Text to real types: what each kind of setting accepts, and how to say so when it does not.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tracing_subscriber::EnvFilter;
use url::Url;

/// How a value is written in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bare,
    Text,
    List,
    /// Text that is never shown.
    Secret,
}

/// A type that a setting can have. Every layer arrives as text, so one parser serves file and environment.
pub(super) trait Value: Sized {
    /// Completes "expected …".
    const EXPECTED: &'static str;
    const EXAMPLE: &'static str;
    const SHAPE: Shape = Shape::Text;

    fn parse(text: &str) -> Option<Self>;

    /// Why `text` is refused, where that is more than that it has another form.
    fn reason(text: &str) -> Option<String> {
        let _ = text;
        None
    }

    /// The value of a setting that nobody set and that has no default.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const EXAMPLE: &'static str = T::EXAMPLE;
    const SHAPE: Shape = T::SHAPE;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    const EXAMPLE: &'static str = "true";
    const SHAPE: Shape = Shape::Bare;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for u32 {
    const EXPECTED: &'static str = "a whole number, 0 or more";
    const EXAMPLE: &'static str = "64";
    const SHAPE: Shape = Shape::Bare;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for NonZeroU32 {
    const EXPECTED: &'static str = "a whole number, 1 or more";
    const EXAMPLE: &'static str = "8";
    const SHAPE: Shape = Shape::Bare;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for SocketAddr {
    const EXPECTED: &'static str = "an IP address and a port";
    const EXAMPLE: &'static str = "0.0.0.0:8080";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path";
    const EXAMPLE: &'static str = "/var/lib/blegram";

    fn parse(text: &str) -> Option<Self> {
        (!text.contains('\0')).then(|| text.into())
    }
}

impl Value for Url {
    const EXPECTED: &'static str =
        "an http or https URL without credentials, query, fragment or empty parts of its path";
    const EXAMPLE: &'static str = "https://blegram.example";

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|it| matches!(it.scheme(), "http" | "https"))?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            // `//` at the beginning of an address names another host.
            && !url.path().contains("//");
        plain.then_some(url)
    }
}

impl Value for IpNet {
    const EXPECTED: &'static str = "a network (CIDR) or an IP address";
    const EXAMPLE: &'static str = "10.0.0.0/8";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| Some(IpNet::from(text.parse::<std::net::IpAddr>().ok()?)))
    }
}

/// Items are separated by commas; no item type here can contain one.
impl<T: Value> Value for Vec<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const EXAMPLE: &'static str = T::EXAMPLE;
    const SHAPE: Shape = Shape::List;

    fn parse(text: &str) -> Option<Self> {
        items(text).map(T::parse).collect()
    }

    fn reason(text: &str) -> Option<String> {
        items(text).find(|item| T::parse(item).is_none()).and_then(T::reason)
    }
}

pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// An exact web origin, `scheme://host[:port]`, in the form browsers send: lower case, default port left out. The pages of
/// an app in a web view have a scheme of their own, such as `capacitor://localhost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// As in an `Origin` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of an http or https URL.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        Self(url.origin().ascii_serialization())
    }

    /// Whether its pages are safe from others on the network: https, or on the user's own device.
    pub(super) fn is_secure(&self) -> bool {
        match self.0.split_once("://") {
            Some(("http", host)) => {
                let name = host.split(':').next().unwrap_or_default();
                name == "localhost" || name.ends_with(".localhost")
            }
            _ => true,
        }
    }

    /// An origin with a scheme that an app registered. Browsers send its host as it was registered, so it is not changed.
    fn custom(scheme: &str, rest: &str) -> Option<Self> {
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
        let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let is_host =
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
        let is_port =
            port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
        let is_exact = is_scheme && is_host && is_port && refused_scheme(scheme).is_none();
        is_exact.then(|| Self(format!("{scheme}://{rest}")))
    }
}

/// Why pages of a scheme are never trusted.
fn refused_scheme(scheme: &str) -> Option<&'static str> {
    match scheme {
        "file" | "content" | "filesystem" => Some("any file on a device would be trusted"),
        "data" | "javascript" | "vbscript" | "blob" | "about" | "view-source" => {
            Some("any page can make one, and browsers send `null` for it")
        }
        "ws" | "wss" => Some("pages that open WebSockets have an http or https origin"),
        "ftp" | "mailto" | "tel" => Some("no page comes from there"),
        _ => None,
    }
}

impl Value for Origin {
    const EXPECTED: &'static str = "exact origins (scheme, host, port; no path, no wildcard)";
    const EXAMPLE: &'static str = "https://app.blegram.example,http://localhost:3000";

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Self::custom(scheme, rest);
        }
        let url = <Url as Value>::parse(text)?;
        let exact = url.path() == "/" && !text.ends_with('/') && !text.contains('*');
        exact.then(|| Self::of(&url))
    }

    fn reason(text: &str) -> Option<String> {
        let scheme = text.split(':').next().unwrap_or_default().to_lowercase();
        let reason = match text {
            "null" => "browsers send it for every page without an origin, also for strangers' pages",
            _ if text.contains('*') => "an origin with a wildcard is many; name each of them",
            _ => refused_scheme(&scheme)?,
        };
        Some(format!("{text}: {reason}"))
    }
}

/// Which database a [`DatabaseUrl`] leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded database, one file.
    Sqlite,
    /// A server, shared by nodes.
    Postgres,
}

/// Where the data is. Secret as a whole, because it usually holds a password.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    pub(super) fn sqlite(file: &std::path::Path) -> Self {
        // The driver decodes the path, and ends it at the first of the other two.
        let path = file.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        Self(format!("sqlite://{path}?mode=rwc").into())
    }

    /// The URL in clear, for the driver only.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Decided by the scheme.
    #[must_use]
    pub fn backend(&self) -> Backend {
        if self.expose().starts_with("sqlite:") { Backend::Sqlite } else { Backend::Postgres }
    }
}

impl Value for DatabaseUrl {
    const EXPECTED: &'static str = "the `sqlite:` URL of a file or a `postgres://` URL, with special characters encoded (a `/` in a password is `%2F`)";
    const EXAMPLE: &'static str = "postgres://blegram:password@localhost/blegram";
    const SHAPE: Shape = Shape::Secret;

    fn parse(text: &str) -> Option<Self> {
        let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|it| text.starts_with(it));
        // In memory, each connection would have a database of its own; and what no URL is, the driver would repeat,
        // password and all.
        let is_file = !text.contains(":memory:") && !text.contains("mode=memory");
        (known && is_file && Url::parse(text).is_ok()).then(|| Self(text.into()))
    }
}

/// Where images are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageUrl {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket, below a prefix, which may be empty.
    Bucket(String, String),
}

impl Value for StorageUrl {
    const EXPECTED: &'static str = "`file:///` and a path, or `s3://` and a bucket, with a prefix or without";
    const EXAMPLE: &'static str = "s3://blegram";

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.port().is_none();
        match (url.scheme(), url.host_str()) {
            ("file", None) if is_plain => url.to_file_path().ok().map(Self::Folder),
            ("s3", Some(bucket)) if is_plain => {
                Some(Self::Bucket(bucket.to_owned(), url.path().trim_matches('/').to_owned()))
            }
            _ => None,
        }
    }
}

impl Value for String {
    const EXPECTED: &'static str = "a word";
    const EXAMPLE: &'static str = "eu-central-1";

    fn parse(text: &str) -> Option<Self> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (!text.is_empty() && text.chars().all(is_word)).then(|| text.to_owned())
    }
}

/// What proves something to somebody else's server.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret, for that server only.
    #[must_use]
    pub fn secret(&self) -> SecretString {
        self.0.clone()
    }
}

impl Value for Secret {
    const EXPECTED: &'static str = "a text without white space";
    const EXAMPLE: &'static str = "AKIAIOSFODNN7EXAMPLE";
    const SHAPE: Shape = Shape::Secret;

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains(char::is_whitespace)).then(|| Self(text.into()))
    }
}

/// The key that signatures (CSRF, cursors) are made from; at least 32 bytes.
#[derive(Debug, Clone)]
pub struct SecretKey(SecretSlice<u8>);

impl SecretKey {
    /// Random bytes practically always hold this many different values; words and repetitions do not.
    const FEWEST_DISTINCT: usize = 16;

    /// The key in clear.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    pub(super) fn is_weak(&self) -> bool {
        let distinct: std::collections::BTreeSet<_> = self.expose().iter().collect();
        distinct.len() < Self::FEWEST_DISTINCT
    }
}

impl Value for SecretKey {
    const EXPECTED: &'static str = "at least 32 random bytes in base64";
    const EXAMPLE: &'static str = "the output of `openssl rand -base64 32`";
    const SHAPE: Shape = Shape::Secret;

    fn parse(text: &str) -> Option<Self> {
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decode = |alphabet| GeneralPurpose::new(alphabet, lenient).decode(text);
        let bytes = decode(&alphabet::STANDARD).or_else(|_| decode(&alphabet::URL_SAFE)).ok()?;
        (bytes.len() >= 32).then(|| Self(bytes.into()))
    }
}

/// Which events are logged: `tracing-subscriber`'s filter directives, known to be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The directives as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for LogFilter {
    const EXPECTED: &'static str = "log levels by target, separated by commas";
    const EXAMPLE: &'static str = "info,blegram=debug";

    fn parse(text: &str) -> Option<Self> {
        EnvFilter::builder().parse(text).ok().map(|_| Self(text.to_owned()))
    }
}
