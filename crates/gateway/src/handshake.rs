//! What a client asks for before there is a connection (RFC 6455, 4.2).

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

/// The subprotocol that is spoken here.
pub const PROTOCOL: &str = "blegram.v1+json";

/// What comes before a ticket: browsers can send nothing of their own but subprotocols.
const TICKET: &str = "blegram.ticket.";

/// A handshake that can be answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Handshake {
    accept: String,
    protocol: String,
    ticket: Option<String>,
}

/// Why a handshake cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It asks for no WebSocket: to be told how to.
    #[error(
        "this address speaks WebSocket: send Connection: Upgrade, Upgrade: websocket and Sec-WebSocket-Version: 13"
    )]
    NotAsked,
    /// It asks for one in a way that cannot be answered.
    #[error("Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
    /// It does not say what it wants to speak.
    #[error(
        "name blegram.v1+json in Sec-WebSocket-Protocol, and beside it at most one ticket as blegram.ticket.<ticket>"
    )]
    Protocol,
}

impl Handshake {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// Why it cannot be answered.
    pub fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let is_asked = has_token(headers, &CONNECTION, "upgrade")
            && has_token(headers, &UPGRADE, "websocket")
            && has_token(headers, &SEC_WEBSOCKET_VERSION, "13");
        if !is_asked {
            return Err(Error::NotAsked);
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

    /// The ticket that came along.
    pub fn ticket(&self) -> Option<&str> {
        self.ticket.as_deref()
    }

    /// Whether the client speaks what is spoken here. If not, it can be told by a close frame only: browsers show nothing
    /// else to pages.
    pub fn is_spoken(&self) -> bool {
        self.protocol == PROTOCOL
    }

    /// The headers of the answer, whose status is 101.
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
        // A ticket is a secret until it is used.
        f.debug_struct("Handshake").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    // By bytes: one element that is no text hides only itself.
    let values = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    values.filter_map(|element| str::from_utf8(element).ok()).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|it| it.eq_ignore_ascii_case(token))
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: [(&str, &str); 5] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "blegram.v1+json, blegram.ticket.abc_-"),
    ];

    fn read(changes: &[(&str, Option<&str>)]) -> Result<Handshake, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in ASKED {
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
    fn the_example_of_the_rfc() {
        let handshake = read(&[]).unwrap();
        assert_eq!((handshake.ticket(), handshake.is_spoken()), (Some("abc_-"), true));
        let answer = handshake.answer().map(|(_, value)| value.to_str().unwrap().to_owned());
        assert_eq!(answer, ["upgrade", "websocket", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "blegram.v1+json"]);
    }

    #[test]
    fn handshakes_that_are_refused() {
        let table = [
            ("connection", None, Error::NotAsked),
            ("connection", Some("close"), Error::NotAsked),
            ("upgrade", Some("h2c"), Error::NotAsked),
            ("sec-websocket-version", Some("8"), Error::NotAsked),
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
        assert!(!newer.is_spoken());
        let both = read(&[("sec-websocket-protocol", Some("blegram.v9+json, blegram.v1+json"))]).unwrap();
        assert!(both.is_spoken());
    }

    #[test]
    fn an_element_that_is_no_text_hides_only_itself() {
        let mut headers = HeaderMap::new();
        for (name, value) in ASKED {
            let value = [b"\xff, ", value.as_bytes(), ",\u{ac00}".as_bytes()].concat();
            let value = if name == "sec-websocket-key" { ASKED[3].1.as_bytes().to_vec() } else { value };
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(&value).unwrap());
        }
        let handshake = Handshake::read(&headers).unwrap();
        assert_eq!((handshake.ticket(), handshake.is_spoken()), (Some("abc_-"), true));
    }
}
