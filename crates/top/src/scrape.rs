//! Fetches the metrics of a node, within bounds: neither a node that never answers nor an answer that never ends stops the
//! view.

use std::{error::Error as _, fmt, time::Duration};

use reqwest::{StatusCode, header, redirect};
use url::Url;

use crate::samples::{ParseError, Samples};

/// A scrape may take this long.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// An answer may have this size. A node sends about 200 KiB.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The path of the metrics, if a URL has none.
const PATH: &str = "/metrics";

/// The address of the metrics of a node.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

/// A text that is no address of metrics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as http://127.0.0.1:9464/metrics")]
pub struct InvalidAddress;

impl std::str::FromStr for Address {
    type Err = InvalidAddress;

    /// A URL; `http://` and `/metrics` may be left out.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let mut url = Url::parse(&text).map_err(|_| InvalidAddress)?;
        let is_http = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        if url.path() == "/" {
            url.set_path(PATH);
        }
        is_http.then_some(Self(url)).ok_or(InvalidAddress)
    }
}

/// Host and port, without the password that a URL may have.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => write!(f, "{host}:{port}"),
            None => write!(f, "{host}"),
        }
    }
}

/// As it is displayed.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Why there are no metrics of a node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// It took longer than [`DEADLINE`].
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Timeout,
    /// The node demands another token.
    #[error("the node rejects the token (status {}); its setting metrics.token has the right one: --token, or the variable BLEGRAM_METRICS__TOKEN", .0.as_u16())]
    Unauthorized(StatusCode),
    /// Another status than 200.
    #[error("status {}; is this the address of the setting metrics.listen?", .0.as_u16())]
    Status(StatusCode),
    /// More than [`MAX_BYTES`].
    #[error("the answer is larger than {} MiB", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// Not UTF-8.
    #[error("the answer is no text")]
    NotText,
    /// No metrics, such as a page of the web app.
    #[error("the answer is no metrics: {0}. They have an address of their own, the setting metrics.listen")]
    NotMetrics(#[from] ParseError),
    /// The metrics of another program.
    #[error("the metrics at this address are not those of blegram")]
    NotBlegram,
}

/// The secret that a node demands from those who scrape it (`metrics.token`).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl From<String> for Token {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

/// Without the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Fetches metrics.
#[derive(Debug, Clone)]
pub struct Scraper {
    http: reqwest::Client,
    token: Option<Token>,
}

impl Scraper {
    /// `token` is sent to every address that is scraped.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(token: Option<Token>) -> Result<Self, Error> {
        // The provider for TLS. Fails only if the program has installed one, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            // Nodes are near; a proxy for the Internet does not reach them.
            .no_proxy()
            // The token is for this address only.
            .redirect(redirect::Policy::none())
            // A node may close an idle connection at the moment of the next scrape, which would look like an outage.
            .pool_max_idle_per_host(0)
            .timeout(DEADLINE)
            .build()
            .map_err(|error| unreachable(&error))?;
        Ok(Self { http, token })
    }

    /// The metrics of a node.
    ///
    /// # Errors
    /// One reason, as a sentence for the operator.
    pub async fn scrape(&self, address: &Address) -> Result<Samples, Error> {
        let samples = Samples::parse(&self.text(address).await?)?;
        if samples.has_prefix("blegram_") { Ok(samples) } else { Err(Error::NotBlegram) }
    }

    async fn text(&self, address: &Address) -> Result<String, Error> {
        let request = self.http.get(address.0.clone()).header(header::ACCEPT, "text/plain;version=0.0.4");
        let request = match &self.token {
            Some(Token(secret)) => request.bearer_auth(secret),
            None => request,
        };
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(Error::Unauthorized(status));
            }
            status => return Err(Error::Status(status)),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(Error::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| Error::NotText)
    }
}

fn unreachable(error: &reqwest::Error) -> Error {
    if error.is_timeout() {
        return Error::Timeout;
    }
    // The innermost cause is the most specific ("Connection refused"); the outer ones repeat the URL.
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    Error::Unreachable(crate::samples::printable(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_out_scheme_and_path() {
        let cases = [
            ("http://10.0.0.11:9464/metrics", "http://10.0.0.11:9464/metrics", "10.0.0.11:9464"),
            ("10.0.0.11:9464", "http://10.0.0.11:9464/metrics", "10.0.0.11:9464"),
            ("https://node.example", "https://node.example/metrics", "node.example"),
            ("[::1]:9464", "http://[::1]:9464/metrics", "[::1]:9464"),
            (
                "https://ops:hunter2@node.example/m/1?x=2",
                "https://ops:hunter2@node.example/m/1?x=2",
                "node.example",
            ),
        ];
        for (text, url, name) in cases {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.0.as_str(), address.to_string().as_str()), (url, name));
        }
        let secret: Address = "https://ops:hunter2@node.example".parse().unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "node.example Address(node.example)");
        assert_eq!(format!("{:?}", Token::from("hunter2".to_owned())), "Token");
        for text in ["", "ftp://node.example", "http://", "file:///etc/passwd", "a b"] {
            assert_eq!(text.parse::<Address>(), Err(InvalidAddress), "{text}");
        }
    }
}
