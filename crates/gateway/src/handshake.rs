//! The server side of the WebSocket handshake (RFC 6455, 4.2), without I/O: it parses the headers of the request and
//! makes those of the response.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue,
    header::{
        CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The supported subprotocol.
pub const PROTOCOL: &str = "blegram.v1+json";

/// The prefix of a subprotocol that contains a ticket. In browsers, the subprotocols are the only part of the handshake
/// that a page controls.
const TICKET: &str = "blegram.ticket.";

/// A valid handshake request.
#[derive(Clone, PartialEq, Eq)]
pub struct Handshake {
    accept: String,
    protocol: String,
    ticket: Option<String>,
}

/// Why a handshake request is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request is not a WebSocket handshake.
    #[error(
        "a WebSocket handshake is required: send Connection: Upgrade, Upgrade: websocket and Sec-WebSocket-Version: 13"
    )]
    UpgradeRequired,
    /// `Sec-WebSocket-Key` is missing or invalid.
    #[error("Sec-WebSocket-Key must be 16 bytes, encoded in base64")]
    Key,
    /// The request offers no blegram subprotocol, or several tickets.
    #[error(
        "Sec-WebSocket-Protocol must contain blegram.v1+json and at most one ticket, as blegram.ticket.<ticket>"
    )]
    Protocol,
}

impl Handshake {
    /// Parses the headers of a request.
    ///
    /// # Errors
    /// If the request is not a valid handshake.
    pub fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let is_upgrade = has_token(headers, &CONNECTION, "upgrade")
            && has_token(headers, &UPGRADE, "websocket")
            && has_token(headers, &SEC_WEBSOCKET_VERSION, "13");
        if !is_upgrade {
            return Err(Error::UpgradeRequired);
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| is_key(key)).ok_or(Error::Key)?;
        let accept = derive_accept_key(key.as_bytes());
        let (mut protocol, mut ticket) = (None, None);
        for offered in tokens(headers, &SEC_WEBSOCKET_PROTOCOL) {
            match offered.strip_prefix(TICKET) {
                Some(_) if ticket.is_some() => return Err(Error::Protocol),
                Some(text) => ticket = Some(text.to_owned()),
                None if offered == PROTOCOL => protocol = Some(offered),
                None if offered.starts_with("blegram.v") => protocol = protocol.or(Some(offered)),
                None => {}
            }
        }
        let protocol = protocol.ok_or(Error::Protocol)?.to_owned();
        Ok(Self { accept, protocol, ticket })
    }

    /// The ticket of the request.
    pub fn ticket(&self) -> Option<&str> {
        self.ticket.as_deref()
    }

    /// Whether the client supports this version of the protocol. If not, the server has to accept the connection and
    /// send a close frame, because browsers do not show a rejected handshake to pages.
    pub fn is_supported(&self) -> bool {
        self.protocol == PROTOCOL
    }

    /// The headers of the response, which has status 101.
    pub fn answer(&self) -> [(HeaderName, HeaderValue); 4] {
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        [
            (CONNECTION, HeaderValue::from_static("upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_ACCEPT, value(&self.accept)),
            (SEC_WEBSOCKET_PROTOCOL, value(&self.protocol)),
        ]
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits the ticket, which is a secret until it is used.
        f.debug_struct("Handshake").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    // Splits the bytes, so that an element that is not UTF-8 does not affect the others.
    let values = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    values.filter_map(|element| str::from_utf8(element).ok()).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|element| element.eq_ignore_ascii_case(token))
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [(&str, &str); 5] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "blegram.v1+json, blegram.ticket.abc_-"),
    ];

    fn read(changes: &[(&str, Option<&str>)]) -> Result<Handshake, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in REQUEST {
            headers.insert(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        for (name, value) in changes {
            headers.remove(*name);
            if let Some(value) = value {
                headers.insert(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
            }
        }
        Handshake::read(&headers)
    }

    #[test]
    fn handshake_accepts_the_rfc_6455_example() {
        let handshake = read(&[]).unwrap();
        assert_eq!((handshake.ticket(), handshake.is_supported()), (Some("abc_-"), true));
        let answer = handshake.answer().map(|(_, value)| value.to_str().unwrap().to_owned());
        assert_eq!(answer, ["upgrade", "websocket", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "blegram.v1+json"]);
    }

    #[test]
    fn handshake_rejects_invalid_headers() {
        let table = [
            ("connection", None, Error::UpgradeRequired),
            ("connection", Some("close"), Error::UpgradeRequired),
            ("upgrade", Some("h2c"), Error::UpgradeRequired),
            ("sec-websocket-version", Some("8"), Error::UpgradeRequired),
            ("sec-websocket-key", None, Error::Key),
            ("sec-websocket-key", Some("c2hvcnQ="), Error::Key),
            ("sec-websocket-key", Some("no base64"), Error::Key),
            ("sec-websocket-protocol", None, Error::Protocol),
            ("sec-websocket-protocol", Some("graphql-ws"), Error::Protocol),
            ("sec-websocket-protocol", Some("blegram.ticket.a"), Error::Protocol),
            (
                "sec-websocket-protocol",
                Some("blegram.v1+json, blegram.ticket.a, blegram.ticket.b"),
                Error::Protocol,
            ),
        ];
        for (name, value, expected) in table {
            assert_eq!(read(&[(name, value)]).err(), Some(expected), "{name}: {value:?}");
        }
        let newer = read(&[("sec-websocket-protocol", Some("blegram.v9+json"))]).unwrap();
        assert!(!newer.is_supported());
        let both = read(&[("sec-websocket-protocol", Some("blegram.v9+json, blegram.v1+json"))]).unwrap();
        assert!(both.is_supported());
    }

    #[test]
    fn handshake_ignores_header_elements_that_are_not_utf8() {
        let mut headers = HeaderMap::new();
        for (name, value) in REQUEST {
            let value = [b"\xff, ", value.as_bytes(), ",\u{ac00}".as_bytes()].concat();
            let value = if name == "sec-websocket-key" { REQUEST[3].1.as_bytes().to_vec() } else { value };
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(&value).unwrap());
        }
        let handshake = Handshake::read(&headers).unwrap();
        assert_eq!((handshake.ticket(), handshake.is_supported()), (Some("abc_-"), true));
    }
}
