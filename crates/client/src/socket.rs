//! The WebSocket connection to the gateway.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        ClientRequestBuilder, Error, Message,
        http::{Response, Uri, header::RETRY_AFTER},
    },
};
use url::Url;

use crate::{
    core::{Failure, Input},
    error::seconds,
};

/// The subprotocol of the gateway.
const PROTOCOL: &str = "blegram.v1+json";
const TIMEOUT: Duration = Duration::from_secs(10);

/// An open connection.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects and authenticates with a header of the handshake. A token in the URL would be logged.
    pub(crate) async fn connect(url: &Url, access_token: &str) -> Result<Self, Failure> {
        let address = address(url).map_err(|error| Failure::Fatal(error.to_string()))?;
        let request = ClientRequestBuilder::new(address)
            .with_sub_protocol(PROTOCOL)
            .with_header("Authorization", format!("Bearer {access_token}"));
        match timeout(TIMEOUT, connect_async_with_config(request, None, true)).await {
            Ok(Ok((stream, _))) => Ok(Self(stream)),
            Ok(Err(Error::Http(response))) => Err(rejection(&response)),
            Ok(Err(error)) => Err(Failure::Temporary { detail: error.to_string(), retry_after: None }),
            Err(_) => Err(Failure::Temporary { detail: "no response".to_owned(), retry_after: None }),
        }
    }

    /// Waits for the next frame or the end of the connection. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> Input {
        let disconnected = |reason: String| Input::Disconnected { code: None, reason };
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Input::Frame(text.to_string()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let reason = frame.reason.to_string();
                    return Input::Disconnected { code: Some(frame.code.into()), reason };
                }
                Some(Ok(Message::Close(None))) | None => return disconnected("closed".to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return disconnected(error.to_string()),
            }
        }
    }

    /// Sends a text frame; returns `false` if that fails or times out.
    pub(crate) async fn send(&mut self, text: String) -> bool {
        matches!(timeout(TIMEOUT, self.0.send(Message::text(text))).await, Ok(Ok(())))
    }

    /// Sends a close frame and waits up to a second for the server's.
    pub(crate) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.0.close(None)).await;
    }
}

/// `http://host/…` is `ws://host/…/api/v1/gateway`, and `https` is `wss`.
fn address(url: &Url) -> Result<Uri, impl std::error::Error + use<>> {
    let base = url.as_str().trim_end_matches('/');
    format!("ws{}/api/v1/gateway", base.strip_prefix("http").unwrap_or(base)).parse::<Uri>()
}

fn rejection(response: &Response<Option<Vec<u8>>>) -> Failure {
    let detail = response.status().to_string();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    match response.status().as_u16() {
        401 => Failure::Unauthorized,
        403 => Failure::Fatal(detail),
        _ => Failure::Temporary { detail, retry_after: retry_after.and_then(seconds) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_address_is_derived_from_the_site_url() {
        let cases = [
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/api/v1/gateway"),
            ("https://example.org/", "wss://example.org/api/v1/gateway"),
            ("https://example.org/photos/", "wss://example.org/photos/api/v1/gateway"),
        ];
        for (url, expected) in cases {
            assert_eq!(address(&url.parse().unwrap()).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn handshake_status_decides_whether_to_retry() {
        let failure_of = |status: u16, retry_after: &str| {
            rejection(
                &Response::builder().status(status).header(RETRY_AFTER, retry_after).body(None).unwrap(),
            )
        };
        assert!(matches!(failure_of(401, ""), Failure::Unauthorized));
        assert!(matches!(failure_of(403, ""), Failure::Fatal(_)));
        let after = |expected| move |failure| matches!(failure, Failure::Temporary { retry_after, .. } if retry_after == expected);
        for status in [429, 503] {
            assert!(after(Some(Duration::from_secs(7)))(failure_of(status, "7")));
        }
        assert!(after(None)(failure_of(500, "tomorrow")));
    }
}
