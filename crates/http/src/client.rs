//! The network address of the client, behind any number of trusted proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use poem::{Addr, Request};

use crate::{Site, headers::RequestHeader};

/// The address of the connection's peer. A server that does not use poem's own listener puts it into the request's
/// data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Who sends a request, as rate limits see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address; clients without a known one share `0.0.0.0`.
    pub address: IpAddr,
    /// Whether the client connects directly over loopback.
    pub is_loopback: bool,
}

impl Client {
    /// The client of a request to `site`.
    pub fn of(request: &Request, site: &Site) -> Self {
        let address = address(request, &site.trusted_proxies);
        Self {
            address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            is_loopback: is_loopback(request, &site.trusted_proxies),
        }
    }
}

/// The address of the client: that of the peer or, if the peer is a trusted proxy, the right-most address in
/// `X-Forwarded-For` that is not a trusted proxy. Any client can forge the addresses to the left of it. Reading stops
/// at an entry that is not an address; if no untrusted address precedes it, the last trusted one counts.
pub fn address(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer(request)?.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let values = RequestHeader::ForwardedFor.values(request.headers());
    let hops = values.flat_map(|value| value.split(|byte| *byte == b','));
    // Recipients ignore empty list elements (RFC 9110, 5.6.1).
    let hops: Vec<&[u8]> = hops.filter(|hop| !hop.trim_ascii().is_empty()).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev().map_while(read_hop) {
        client = hop;
        if !is_trusted(&hop) {
            break;
        }
    }
    Some(client)
}

/// Whether the client connects directly over loopback. A trusted proxy on this machine does not count: it forwards the
/// requests of others.
pub(crate) fn is_loopback(request: &Request, trusted: &[IpNet]) -> bool {
    peer(request)
        .map(|peer| peer.to_canonical())
        .is_some_and(|peer| peer.is_loopback() && !trusted.iter().any(|net| net.contains(&peer)))
}

/// Parses an address as proxies write it: without a port, or with a port and IPv6 in brackets.
fn read_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

fn peer(request: &Request) -> Option<IpAddr> {
    match (request.data::<Peer>(), &request.remote_addr().0) {
        (Some(Peer(address)), _) => Some(*address),
        (None, Addr::SocketAddr(address)) => Some(address.ip()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request_of(peer: &str, forwarded: &[&str]) -> Request {
        let mut request = Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        request.extension(Peer(peer.parse().unwrap())).finish()
    }

    fn trusted() -> [IpNet; 2] {
        ["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()]
    }

    fn address_of(peer: &str, forwarded: &[&str]) -> String {
        address(&request_of(peer, forwarded), &trusted()).unwrap().to_string()
    }

    #[test]
    fn loopback_excludes_remote_clients_and_proxies() {
        let is_loopback = |peer, forwarded: &[&str]| is_loopback(&request_of(peer, forwarded), &trusted());
        for peer in ["127.0.0.2", "::1", "::ffff:127.0.0.3"] {
            assert!(is_loopback(peer, &[]), "{peer}");
            assert!(is_loopback(peer, &["198.51.100.1"]), "the header is ignored: {peer}");
        }
        assert!(!is_loopback("127.0.0.1", &[]), "the trusted proxy itself");
        assert!(!is_loopback("127.0.0.1", &["127.0.0.2"]), "an address from a proxy");
        assert!(!is_loopback("10.0.0.1", &["::1"]) && !is_loopback("192.0.2.1", &["127.0.0.2"]));
    }

    #[test]
    fn forwarded_addresses_are_accepted_from_trusted_proxies_only() {
        assert_eq!(address_of("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(address_of("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &["6.6.6.6", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &["6.6.6.6, unknown"]), "127.0.0.1");
        assert_eq!(address_of("127.0.0.1", &["6.6.6.6, unknown, 10.0.0.9"]), "10.0.0.9");
        assert_eq!(address_of("127.0.0.1", &["10.0.0.8, 10.0.0.9"]), "10.0.0.8");
        assert_eq!(address_of("127.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(address_of("127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(address_of("127.0.0.1", &["\u{e9}, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &["198.51.100.1, ,", ""]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &[]), "127.0.0.1");
    }
}
