//! The addresses of the site, as clients see them.
//!
//! The public URL may have a path, such as `https://example.org/forum`. The reverse proxy in front removes that path
//! from each request, so the routes of this server do not contain it. Every address that the server sends to clients
//! does.

use ipnet::IpNet;

/// The addresses of the site: its public URL, trusted origins and trusted proxies.
#[derive(Debug, Clone)]
pub struct Site {
    /// The URL at which clients reach the site, without a trailing slash. A reverse proxy in front removes its path, if
    /// it has one.
    pub public_url: String,
    /// The origins whose pages may use the API with the user's cookie, including the site's own, as browsers serialise
    /// them.
    pub origins: Vec<String>,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
}

impl Site {
    /// Whether cookies are restricted to https: unless the public URL is plain http.
    pub(crate) fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The address of `path` for clients, without scheme and host.
    pub fn address(&self, path: &str) -> String {
        address(self.base_path(), path)
    }

    /// The path of the public URL, empty for the root of a host.
    pub fn base_path(&self) -> &str {
        base_path(&self.public_url)
    }

    /// The host, and the port if there is one, of the public URL and of each origin.
    pub(crate) fn authorities(&self) -> impl Iterator<Item = &str> {
        let urls = self.origins.iter().chain([&self.public_url]);
        urls.filter_map(|url| url.split_once("://")).map(|(_, rest)| rest.split('/').next().unwrap_or(rest))
    }

    /// Whether `origin` is trusted. Compares exactly, because browsers serialise an origin in only one way.
    pub(crate) fn trusts(&self, origin: &str) -> bool {
        self.origins.iter().any(|trusted| trusted == origin)
    }
}

/// The path of the public URL without a trailing slash, empty for the root of a host.
///
/// ```
/// assert_eq!(blegram_http::base_path("https://example.org/forum"), "/forum");
/// assert_eq!(blegram_http::base_path("https://example.org"), "");
/// ```
pub fn base_path(public_url: &str) -> &str {
    let rest = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

/// The address of `path` for clients of a site below `base_path`, without scheme and host.
pub fn address(base_path: &str, path: &str) -> String {
    format!("{base_path}{path}")
}
