//! Requests to other servers. They go to hosts on a list only, over https, to public addresses, without redirects, and
//! within limits of time and size: a provider that was taken over, or a name that resolves to an internal address, must
//! not reach what only this machine can (SSRF; ASVS 13.2.4).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect,
};
use url::{Host, Url, form_urlencoded};

use super::ProviderError;

/// The time for one request, to the end of its response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest response of a login.
pub(super) const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// The hosts that requests may go to.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts {
    /// Exact names.
    pub(super) exact: Vec<String>,
    /// Domains whose subdomains are included.
    pub(super) domains: Vec<String>,
}

impl Hosts {
    fn contain(&self, host: &str) -> bool {
        let is_below = |domain: &String| {
            host == domain || host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        self.exact.iter().any(|exact| exact == host) || self.domains.iter().any(is_below)
    }
}

/// A response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) is_json: bool,
    pub(super) body: Vec<u8>,
}

/// How a client authenticates at a token endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basic<'a> {
    pub(super) client_id: &'a str,
    pub(super) secret: &'a str,
}

/// The HTTP client for other servers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress {
    client: reqwest::Client,
    allows_loopback: bool,
}

impl Egress {
    /// Creates the client. `allows_loopback` also allows plain http to loopback addresses, for development.
    ///
    /// # Errors
    /// If the root certificates of the system cannot be used.
    pub fn new(allows_loopback: bool) -> Result<Self, ProviderError> {
        // Only the first call in a process has an effect, and any provider will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent("blegram")
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(!allows_loopback)
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(REQUEST_TIMEOUT)
            .pool_max_idle_per_host(4)
            .dns_resolver(Arc::new(PublicResolver { allows_loopback }))
            .build()
            .map_err(|error| ProviderError::Unavailable(error.to_string()))?;
        Ok(Self { client, allows_loopback })
    }

    /// Sends a GET request.
    pub(super) async fn get(
        &self,
        hosts: &Hosts,
        url: &Url,
        bearer: Option<&str>,
        max_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let mut request = self.client.get(self.check(hosts, url)?.clone()).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.header(AUTHORIZATION, secret_header(&format!("Bearer {token}"))?);
        }
        read(request, max_bytes).await
    }

    /// Sends a form.
    pub(super) async fn post(
        &self,
        hosts: &Hosts,
        url: &Url,
        form: &[(&str, &str)],
        basic: Option<Basic<'_>>,
    ) -> Result<Answer, ProviderError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = self
            .client
            .post(self.check(hosts, url)?.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        if let Some(Basic { client_id, secret }) = basic {
            // Both are form-encoded first (RFC 6749, 2.3.1).
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret)));
            request = request.header(AUTHORIZATION, secret_header(&format!("Basic {pair}"))?);
        }
        read(request, MAX_RESPONSE_BYTES).await
    }

    /// Sends a form with an `Authorization` of the provider's own kind.
    pub(super) async fn post_authorized(
        &self,
        hosts: &Hosts,
        url: &Url,
        form: &[(&str, &str)],
        authorization: &str,
    ) -> Result<Answer, ProviderError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .client
            .post(self.check(hosts, url)?.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, secret_header(authorization)?)
            .body(body);
        read(request, MAX_RESPONSE_BYTES).await
    }

    /// Sends a DELETE request.
    pub(super) async fn delete(
        &self,
        hosts: &Hosts,
        url: &Url,
        bearer: &str,
    ) -> Result<Answer, ProviderError> {
        let request = self
            .client
            .delete(self.check(hosts, url)?.clone())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, secret_header(&format!("Bearer {bearer}"))?);
        read(request, MAX_RESPONSE_BYTES).await
    }

    /// Checks where a request would go. The resolver checks names again, when it connects.
    fn check<'a>(&self, hosts: &Hosts, url: &'a Url) -> Result<&'a Url, ProviderError> {
        let name = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(domain)) => domain == "localhost",
            None => false,
        };
        let is_local = is_loopback && self.allows_loopback;
        let is_public_host = match url.host() {
            Some(Host::Ipv4(address)) => is_public(address.into()),
            Some(Host::Ipv6(address)) => is_public(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        };
        let is_scheme = url.scheme() == "https" || url.scheme() == "http" && is_local;
        let is_plain = url.username().is_empty() && url.password().is_none();
        if is_scheme && is_plain && (is_public_host || is_local) && hosts.contain(name) {
            return Ok(url);
        }
        Err(ProviderError::Rejected(format!("requests to {} {name} are not allowed", url.scheme())))
    }
}

fn secret_header(text: &str) -> Result<HeaderValue, ProviderError> {
    let value = HeaderValue::from_str(text);
    let mut value =
        value.map_err(|_| ProviderError::Rejected("a token with control characters".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(request: reqwest::RequestBuilder, max_bytes: usize) -> Result<Answer, ProviderError> {
    let mut response = request.send().await.map_err(unavailable)?;
    let status = response.status();
    if status.is_redirection() {
        return Err(ProviderError::Rejected("it answers with a redirect".to_owned()));
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|text| {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
    });
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unavailable)? {
        if body.len() + piece.len() > max_bytes {
            return Err(ProviderError::Rejected(format!("its response has more than {max_bytes} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer { status: status.as_u16(), is_json, body })
}

// Without the URL, whose query may contain a token.
fn unavailable(error: reqwest::Error) -> ProviderError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    ProviderError::Unavailable(text)
}

/// Resolves names to public addresses only, at the time of the connection: a name that resolved to a public address a
/// moment before cannot lead to an internal one (DNS rebinding).
#[derive(Debug)]
struct PublicResolver {
    allows_loopback: bool,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_loopback = self.allows_loopback;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let is_allowed = |address: &SocketAddr| {
                is_public(address.ip()) || allows_loopback && address.ip().to_canonical().is_loopback()
            };
            let addresses: Vec<SocketAddr> = found.filter(is_allowed).collect();
            if addresses.is_empty() {
                return Err(io::Error::other("the name has no public address").into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Blocks of IPv4 addresses that are not on the public internet (IANA special-purpose registry), with their prefix
/// lengths.
const SPECIAL_V4: [([u8; 4], u32); 18] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// The same within `2000::/3`, outside of which no IPv6 address is public.
const SPECIAL_V6: [([u16; 3], u32); 5] = [
    ([0x2001, 0, 0], 23),
    ([0x2001, 0xdb8, 0], 32),
    ([0x2002, 0, 0], 16),
    ([0x2620, 0x4f, 0x8000], 48),
    ([0x3fff, 0, 0], 20),
];

/// Whether an address is on the public internet.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let is_in = |(net, length): &([u8; 4], u32)| {
                (u32::from_be_bytes(*net) ^ address.to_bits()) >> (32 - length) == 0
            };
            !SPECIAL_V4.iter().any(is_in)
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            let first = |[a, b, c]: [u16; 3]| u64::from(a) << 32 | u64::from(b) << 16 | u64::from(c);
            let is_in =
                |(net, length): &([u16; 3], u32)| (first(*net) ^ first([a, b, c])) >> (48 - length) == 0;
            a >> 13 == 1 && !SPECIAL_V6.iter().any(is_in)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        let internal = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:a00:1::",
            "2620:4f:8000::1",
            "3fff::1",
        ];
        for address in internal {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in
            ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2001:4860:4860::8888"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn requests_go_to_listed_hosts_over_https_only() {
        let hosts = Hosts {
            exact: ["id.example", "10.0.0.1", "127.0.0.1", "::1", "localhost", "8.8.8.8"]
                .map(str::to_owned)
                .to_vec(),
            domains: vec!["cdn.example".to_owned()],
        };
        let is_allowed = |allows_loopback: bool, url: &str| {
            let egress = Egress::new(allows_loopback).unwrap();
            egress.check(&hosts, &Url::parse(url).unwrap()).is_ok()
        };
        for url in
            ["https://id.example/a", "https://cdn.example/", "https://a.cdn.example/", "https://8.8.8.8/"]
        {
            assert!(is_allowed(false, url) && is_allowed(true, url), "{url}");
        }
        for url in [
            "http://id.example/",
            "https://other.example/",
            "https://id.example.evil.example/",
            "https://evilcdn.example/",
            "https://user:secret@id.example/",
            "https://10.0.0.1/",
            "file:///etc/passwd",
        ] {
            assert!(!is_allowed(false, url) && !is_allowed(true, url), "{url}");
        }
        for url in ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"] {
            assert!(is_allowed(true, url) && !is_allowed(false, url), "{url}");
        }
    }

    #[tokio::test]
    async fn name_of_an_internal_address_is_not_resolved() {
        let resolve =
            |allows_loopback| PublicResolver { allows_loopback }.resolve("localhost".parse().unwrap());
        assert!(resolve(false).await.is_err());
        assert!(resolve(true).await.unwrap().next().unwrap().ip().is_loopback());
    }
}
