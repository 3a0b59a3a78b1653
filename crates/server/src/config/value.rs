//! Parses the text of a setting into its type, and describes the accepted values for error messages.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tracing_subscriber::EnvFilter;
use url::Url;

/// How `config show` writes a value in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bare,
    Text,
    List,
    /// Text that is redacted.
    Secret,
}

/// The type of a setting. All layers provide text, so one parser serves the file and the environment.
pub(super) trait Value: Sized {
    /// The accepted values; completes "expected …".
    const EXPECTED: &'static str;
    const EXAMPLE: &'static str;
    const SHAPE: Shape = Shape::Text;

    fn parse(text: &str) -> Option<Self>;

    /// An explanation of why `text` is rejected, if "expected …" does not say enough.
    fn reason(text: &str) -> Option<String> {
        let _ = text;
        None
    }

    /// The value of a setting that is not set and has no default.
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

impl Value for NonZeroU64 {
    const EXPECTED: &'static str = NonZeroU32::EXPECTED;
    const EXAMPLE: &'static str = "5368709120";
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
        "an http or https URL without credentials, query, fragment or empty path segments";
    const EXAMPLE: &'static str = "https://blegram.example";

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            // A path that starts with `//` would be read as another host in relative URLs.
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

/// Comma-separated items; no item type can contain a comma.
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
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// An exact web origin, `scheme://host[:port]`, in the form that browsers send: lower case, without the default port.
/// Apps in a web view have custom schemes, such as `capacitor://localhost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The origin as in an `Origin` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of an http or https URL.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        Self(url.origin().ascii_serialization())
    }

    /// Whether an attacker on the network cannot change its pages: https, or on the user's own device.
    pub(super) fn is_secure(&self) -> bool {
        match self.0.split_once("://") {
            Some(("http", host)) => {
                let name = host.split(':').next().unwrap_or_default();
                name == "localhost" || name.ends_with(".localhost")
            }
            _ => true,
        }
    }

    /// Parses an origin with a custom scheme. Browsers send its host as the app registered it, so it is not normalised.
    fn custom(scheme: &str, rest: &str) -> Option<Self> {
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
        let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let is_host =
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
        let is_port =
            port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
        let is_exact = is_scheme && is_host && is_port && rejected_scheme(scheme).is_none();
        is_exact.then(|| Self(format!("{scheme}://{rest}")))
    }
}

/// The reason why origins with this scheme are never trusted; `None` for other schemes.
fn rejected_scheme(scheme: &str) -> Option<&'static str> {
    match scheme {
        "file" | "content" | "filesystem" => Some("it would trust any file on a device"),
        "data" | "javascript" | "vbscript" | "blob" | "about" | "view-source" => {
            Some("any page can create one, and browsers send `null` for it")
        }
        "ws" | "wss" => Some("a page that opens a WebSocket has an http or https origin"),
        "ftp" | "mailto" | "tel" => Some("no page has this scheme"),
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
            "null" => "browsers send it for every page without an origin, including pages of attackers",
            _ if text.contains('*') => "wildcards are not supported; list each origin",
            _ => rejected_scheme(&scheme)?,
        };
        Some(format!("{text}: {reason}"))
    }
}

/// The web app that the server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebSource {
    /// The one in the binary.
    Embedded,
    /// None: the server has its API and the pages of logins and mails.
    Off,
    /// The one in a folder.
    Folder(PathBuf),
}

impl WebSource {
    /// Whether there is an app to open.
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self != Self::Off
    }
}

impl Value for WebSource {
    const EXPECTED: &'static str = "`on`, `off` or a folder";
    const EXAMPLE: &'static str = "/srv/blegram/web";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "on" => Some(Self::Embedded),
            "off" => Some(Self::Off),
            folder => PathBuf::parse(folder).map(Self::Folder),
        }
    }
}

/// The database system of a [`DatabaseUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded database, a single file.
    Sqlite,
    /// A database server, which nodes can share.
    Postgres,
}

/// The URL of the database. Treated as a secret, because it usually contains a password.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    pub(super) fn sqlite(file: &std::path::Path) -> Self {
        Self(blegram_persistence::Settings::sqlite(file).url.into())
    }

    /// The URL in plain text, for the driver only.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The database system, by the scheme.
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
        let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        // With an in-memory database, each connection would have a database of its own. And the driver's error for an
        // invalid URL would repeat it, including the password.
        let is_file = !text.contains(":memory:") && !text.contains("mode=memory");
        (known && is_file && Url::parse(text).is_ok()).then(|| Self(text.into()))
    }
}

/// The location of the image storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageUrl {
    /// A local directory.
    Folder(PathBuf),
    /// An S3 bucket, and a key prefix, which may be empty.
    Bucket(String, String),
}

impl Value for StorageUrl {
    const EXPECTED: &'static str = "`file:///PATH`, `s3://BUCKET` or `s3://BUCKET/PREFIX`";
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
    const EXPECTED: &'static str = "letters, digits, `-`, `_` and `.`";
    const EXAMPLE: &'static str = "eu-central-1";

    fn parse(text: &str) -> Option<Self> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (!text.is_empty() && text.chars().all(is_word)).then(|| text.to_owned())
    }
}

/// A credential for another server.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The credential, for that server only.
    #[must_use]
    pub fn secret(&self) -> SecretString {
        self.0.clone()
    }
}

impl Value for Secret {
    const EXPECTED: &'static str = "text without white space";
    const EXAMPLE: &'static str = "AKIAIOSFODNN7EXAMPLE";
    const SHAPE: Shape = Shape::Secret;

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains(char::is_whitespace)).then(|| Self(text.into()))
    }
}

/// The key from which signing keys (CSRF tokens, cursors) are derived; at least 32 bytes.
#[derive(Debug, Clone)]
pub struct SecretKey(SecretSlice<u8>);

impl SecretKey {
    /// Number of distinct byte values that random keys practically always have; words and repetitions have fewer.
    const FEWEST_DISTINCT: usize = 16;

    /// The key in plain text.
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

/// A valid filter of `tracing-subscriber`: levels by target.
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
    const EXPECTED: &'static str = "filter directives, separated by commas";
    const EXAMPLE: &'static str = "info,blegram=debug";

    fn parse(text: &str) -> Option<Self> {
        EnvFilter::builder().parse(text).ok().map(|_| Self(text.to_owned()))
    }
}
