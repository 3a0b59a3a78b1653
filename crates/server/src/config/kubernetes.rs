//! Recognises the environment variables that Kubernetes sets in every container of a namespace for each Service. Those
//! of a Service called `blegram` or, for example, `blegram-redis` have the same prefix as our settings.
//!
//! A variable is recognised by name *and* value, so that misspelled settings are still rejected. For a Service
//! `blegram` with port 8080 these are `BLEGRAM_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_<NAME>`, `…_PORT`, and
//! `…_PORT_8080_TCP` with `_PROTO`, `_PORT` and `_ADDR`.

use std::net::{IpAddr, SocketAddr};

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Whether this is a variable of a Kubernetes Service.
pub(super) fn is_service_variable(name: &str, value: &str) -> bool {
    // The name of a Service ends with a letter or digit, so no Service has the variable `BLEGRAM_SERVER__PORT`.
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

/// `…_PORT=tcp://10.0.0.1:8080`, `…_PORT_8080_TCP=tcp://10.0.0.1:8080`, and the variables with its parts.
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
