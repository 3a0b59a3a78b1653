//! What the system knows of the server, when it runs on this machine.

use std::{
    collections::HashSet,
    fs,
    net::{Ipv4Addr, SocketAddr},
};

/// What is in the process's memory, in bytes.
pub(crate) fn resident(pid: Option<u32>) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Which of `peers` the server at `port` of this machine still holds a connection with. A client that reads nothing
/// cannot see that its connection was closed: what was sent before lies in front of the end.
pub(crate) fn count_connected(port: u16, peers: &HashSet<SocketAddr>) -> Option<usize> {
    Some(count_in_table(&fs::read_to_string("/proc/net/tcp").ok()?, port, peers))
}

fn count_in_table(table: &str, port: u16, peers: &HashSet<SocketAddr>) -> usize {
    let is_connected = |line: &&str| {
        let mut columns = line.split_whitespace().skip(1);
        let (Some(local), Some(peer), Some(state)) = (columns.next(), columns.next(), columns.next()) else {
            return false;
        };
        let is_servers = address(local).is_some_and(|address| address.port() == port);
        is_servers && state == "01" && address(peer).is_some_and(|address| peers.contains(&address))
    };
    table.lines().skip(1).filter(is_connected).count()
}

/// `0100007F:1F90` is 127.0.0.1:8080: the four bytes as they lie in memory, read as one number.
fn address(text: &str) -> Option<SocketAddr> {
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
            // Closed by the server, with bytes that the client does not take.
            row(&server, &format!("{two}:9C40"), "04"),
            // The client's end of the first, and a stranger.
            row(&format!("{one}:9C40"), &server, "01"),
            row(&server, &format!("{one}:9C41"), "01"),
        ];
        let peers = ["127.0.0.2:40000", "127.0.0.3:40000"].map(|text| text.parse().unwrap());
        assert_eq!(count_in_table(&table.concat(), 8080, &HashSet::from(peers)), 1);
    }
}
