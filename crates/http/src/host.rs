//! The host that a request is for (RFC 9112, 3.2).
//!
//! A server that listens on loopback only serves programs of this machine, browsers included. Against pages that reach
//! it by DNS rebinding, under a name of their own, it rejects the names that it does not know. IP literals need no DNS,
//! so they cannot be rebound.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, Request, Version};
use ipnet::IpNet;

use crate::{Rejection, Site, headers::RequestHeader};

/// The hosts for which a listener accepts requests.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// The names, in lower case; `None` for any.
    names: Option<Vec<String>>,
    trusted_proxies: Vec<IpNet>,
}

impl Hosts {
    /// The hosts of `site`. `is_local`: the listener accepts connections over loopback only.
    pub(crate) fn new(site: &Site, is_local: bool) -> Self {
        let names = is_local.then(|| site.authorities().filter_map(name).collect());
        Self { names, trusted_proxies: site.trusted_proxies.clone() }
    }

    /// Rejects a request without exactly one valid host, and one from `peer` for a foreign host.
    pub(crate) fn check<B>(&self, request: &Request<B>, peer: IpAddr) -> Result<(), Rejection> {
        let field = field(request.headers(), request.version())?;
        // The host in a target in absolute form counts, and not `Host` (RFC 9112, 3.2.2).
        let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let host = target.map(|target| Host::parse(target).ok_or(Rejection::MalformedHost)).transpose()?;
        match host.or(field) {
            Some(Host::Name(name)) if !self.includes(name, peer) => Err(Rejection::ForeignHost),
            _ => Ok(()),
        }
    }

    fn includes(&self, name: &str, peer: IpAddr) -> bool {
        let Some(names) = &self.names else { return true };
        let name = normalized(name);
        name == "localhost"
            || name.ends_with(".localhost")
            || names.contains(&name)
            || self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }
}

/// The value of `Host`; `None` only in HTTP/1.0, where it is optional.
fn field(headers: &HeaderMap, version: Version) -> Result<Option<Host<'_>>, Rejection> {
    let mut values = RequestHeader::Host.values(headers);
    match (values.next(), values.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(None),
        (Some(value), None) => Host::parse(value).map(Some).ok_or(Rejection::MalformedHost),
        _ => Err(Rejection::MalformedHost),
    }
}

/// A host without its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host<'a> {
    /// An IP literal.
    Address,
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Parses a host with an optional port (RFC 9110, 7.2).
    fn parse(text: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let port = if port.is_empty() { port } else { port.strip_prefix(':')? };
            return (address.parse::<Ipv6Addr>().is_ok() && is_port(port)).then_some(Self::Address);
        }
        let (name, port) = text.split_once(':').unwrap_or((text, ""));
        let host = if name.parse::<Ipv4Addr>().is_ok() { Self::Address } else { Self::Name(name) };
        (is_name(name) && is_port(port)).then_some(host)
    }
}

fn is_port(port: &str) -> bool {
    port.is_empty() || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// Whether `name` is a registered name (RFC 3986, 3.2.2) that is not empty.
fn is_name(name: &str) -> bool {
    let is_literal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let mut parts = name.split('%');
    let first = parts.next().unwrap_or_default();
    let is_encoded = |part: &str| {
        let bytes = part.as_bytes();
        bytes.len() >= 2
            && bytes[..2].iter().all(u8::is_ascii_hexdigit)
            && bytes[2..].iter().copied().all(is_literal)
    };
    !name.is_empty() && first.bytes().all(is_literal) && parts.all(is_encoded)
}

/// The name in `authority`; `None` for an IP literal.
fn name(authority: &str) -> Option<String> {
    match Host::parse(authority.as_bytes())? {
        Host::Name(name) => Some(normalized(name)),
        Host::Address => None,
    }
}

/// A name in lower case, without the dot of the DNS root.
fn normalized(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
