//! Where a request comes from.

use std::net::IpAddr;

use ipnet::IpNet;
use poem::{Addr, Request};

/// The other end of a request's connection, for a router that is not driven by a socket of poem's own: put it into
/// the request's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The client's address: the peer's, or, behind proxies that are trusted, the right-most address in
/// `X-Forwarded-For` that is none of them; what is left of it, anybody can write.
pub(crate) fn address(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer(request)?.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    let headers = request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = headers.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut hops =
        hops.into_iter().rev().map_while(|hop| hop.parse::<IpAddr>().ok()).map(|hop| hop.to_canonical());
    Some(hops.find(|hop| !is_trusted(hop)).unwrap_or(peer))
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

    fn address_of(peer: &str, forwarded: &[&str]) -> String {
        let mut request = Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let request = request.extension(Peer(peer.parse().unwrap())).finish();
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        address(&request, &trusted).unwrap().to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(address_of("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(address_of("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &["6.6.6.6", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(address_of("127.0.0.1", &["6.6.6.6, unknown"]), "127.0.0.1");
        assert_eq!(address_of("127.0.0.1", &[]), "127.0.0.1");
    }
}
