//! The variables that Kubernetes puts into every container of a namespace for each Service:
//! where a Service is called `blegram`, or `blegram-redis`, they have the prefix of our settings.
//!
//! They are known by name *and* value, so that a setting that is misspelled is still refused. For a Service `blegram` with
//! the port 8080 these are `BLEGRAM_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_<NAME>`, `…_PORT`, and
//! `…_PORT_8080_TCP` with `_PROTO`, `_PORT` and `_ADDR`.

use std::net::{IpAddr, SocketAddr};

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Whether Kubernetes made this variable.
pub(super) fn is_service_variable(name: &str, value: &str) -> bool {
    // The name of a Service ends with a letter or digit, so none makes `BLEGRAM_SERVER__PORT`.
    let is_cut = ["__PORT", "__SERVICE_"].iter().any(|end| name.contains(end));
    is_upper_snake(name) && !is_cut && (is_address(name, value) || is_link(name, value))
}

/// `…_SERVICE_HOST=10.0.0.1`, `…_SERVICE_PORT=8080`, `…_SERVICE_PORT_HTTP=8080`.
fn is_address(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") {
        return value.parse::<IpAddr>().is_ok();
    }
    let has_port_name = name.rsplit_once("_SERVICE_PORT_").is_some_and(|(_, port)| !port.is_empty());
    (has_port_name || name.ends_with("_SERVICE_PORT")) && is_port(value)
}

/// `…_PORT=tcp://10.0.0.1:8080`, `…_PORT_8080_TCP=tcp://10.0.0.1:8080` and its parts.
fn is_link(name: &str, value: &str) -> bool {
    if name.ends_with("_PORT") && url(value).is_some() {
        return true;
    }
    let (name, part) = ["_PROTO", "_PORT", "_ADDR"]
        .into_iter()
        .find_map(|part| Some((name.strip_suffix(part)?, part)))
        .unwrap_or((name, ""));
    let Some((port, protocol)) = name.rsplit_once("_PORT_").and_then(|(_, rest)| rest.split_once('_')) else {
        return false;
    };
    let protocol = protocol.to_ascii_lowercase();
    if !is_port(port) || !PROTOCOLS.contains(&protocol.as_str()) {
        return false;
    }
    match part {
        "" => url(value)
            .is_some_and(|(scheme, address)| scheme == protocol && address.port().to_string() == port),
        "_PROTO" => value == protocol,
        "_PORT" => value == port,
        _ => value.parse::<IpAddr>().is_ok(),
    }
}

fn url(value: &str) -> Option<(&str, SocketAddr)> {
    let (scheme, address) = value.split_once("://")?;
    let address = address.parse().ok()?;
    PROTOCOLS.contains(&scheme).then_some((scheme, address))
}

fn is_port(text: &str) -> bool {
    !text.starts_with(['0', '+']) && text.parse::<u16>().is_ok()
}

fn is_upper_snake(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
