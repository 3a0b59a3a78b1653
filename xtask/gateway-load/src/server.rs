//! Reads the server's memory and connections from `/proc`, which requires that it runs on this machine.

use std::{
    collections::HashSet,
    fs,
    net::{Ipv4Addr, SocketAddr},
};

/// The resident set size of a process in bytes; `None` without a process id or without `/proc`.
pub(crate) fn resident_memory(pid: Option<u32>) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Counts the `peers` that the server on `port` of this machine still has an established connection to; `None` without
/// `/proc`. IPv4 only. A client that reads nothing cannot detect that the server closed its connection: unread data
/// precedes the end of the stream.
pub(crate) fn count_open_connections(port: u16, peers: &HashSet<SocketAddr>) -> Option<usize> {
    Some(count_in_table(&fs::read_to_string("/proc/net/tcp").ok()?, port, peers))
}

fn count_in_table(table: &str, port: u16, peers: &HashSet<SocketAddr>) -> usize {
    let is_connected = |line: &&str| {
        let mut columns = line.split_whitespace().skip(1);
        let (Some(local), Some(peer), Some(state)) = (columns.next(), columns.next(), columns.next()) else {
            return false;
        };
        let is_server_end = parse_address(local).is_some_and(|address| address.port() == port);
        is_server_end && state == "01" && parse_address(peer).is_some_and(|address| peers.contains(&address))
    };
    table.lines().skip(1).filter(is_connected).count()
}

/// Parses an address of `/proc/net/tcp`: `0100007F:1F90` is 127.0.0.1:8080. The IP is one number in native byte order.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
    Some(SocketAddr::from((ip, u16::from_str_radix(port, 16).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_connections_are_counted_by_their_server_end() {
        let row = |local: &str, peer: &str, state: &str| {
            format!("   0: {local} {peer} {state} 00000000:00000000\n")
        };
        let ip = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let (server, one, two) = (ip([127, 0, 0, 1]), ip([127, 0, 0, 2]), ip([127, 0, 0, 3]));
        let server = format!("{server}:1F90");
        let table = [
            "  sl  local_address rem_address   st\n".to_owned(),
            row(&server, &format!("{one}:9C40"), "01"),
            // FIN_WAIT1: closed by the server, with bytes that the client has not received.
            row(&server, &format!("{two}:9C40"), "04"),
            // The client's end of the first connection, and a connection of an unrelated client.
            row(&format!("{one}:9C40"), &server, "01"),
            row(&server, &format!("{one}:9C41"), "01"),
        ];
        let peers = ["127.0.0.2:40000", "127.0.0.3:40000"].map(|text| text.parse().unwrap());
        assert_eq!(count_in_table(&table.concat(), 8080, &HashSet::from(peers)), 1);
    }
}
