//! Redirect URIs of native apps (RFC 8252): only those that the operator listed receive codes.

use std::net::IpAddr;

use url::{Host, Url};

/// A redirect URI that a native app may use, compared exactly; on loopback with any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRedirectUri {
    text: String,
    url: Url,
}

impl AppRedirectUri {
    /// The largest number of bytes.
    pub const MAX_BYTES: usize = 512;

    /// Validates a redirect URI: an https URL that the app claims, a scheme that the app owns (with a dot, as in
    /// `com.example.app:/callback`), or http on a loopback address.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        let is_usable = match url.scheme() {
            "https" => url.host().is_some(),
            "http" => is_loopback(&url),
            // The reverse of a domain of the app's author: a scheme without a dot may be any program's (RFC 8252, 7.1).
            scheme => scheme.contains('.'),
        };
        // The parser drops tabs and line breaks, which then would not be compared.
        let is_text =
            text.len() <= Self::MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        let is_valid = is_plain && is_usable && is_text;
        is_valid.then(|| Self { text: text.to_owned(), url })
    }

    /// Whether an app may use `requested`.
    pub fn allows(&self, requested: &str) -> bool {
        if !is_loopback(&self.url) || self.url.scheme() != "http" {
            return self.text == requested;
        }
        // The system chooses the port when the app opens its listener (RFC 8252, 7.3).
        Self::parse(requested).is_some_and(|requested| {
            let parts = |url: &Url| {
                (
                    url.scheme().to_owned(),
                    url.host().map(|host| host.to_owned()),
                    url.path().to_owned(),
                    url.query().map(ToOwned::to_owned),
                )
            };
            parts(&requested.url) == parts(&self.url)
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uri_belongs_to_an_app() {
        for good in
            ["https://app.example/cb", "com.example.app:/cb", "http://127.0.0.1/cb", "http://[::1]:1/cb"]
        {
            assert!(AppRedirectUri::parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://app.example/cb",
            "http://localhost/cb",
            "myapp:/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://app.example/cb#fragment",
            "https://user@app.example/cb",
            "/cb",
            "",
        ] {
            assert!(AppRedirectUri::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn redirect_uri_is_compared_exactly_but_for_the_port_on_loopback() {
        let allows = |listed: &str, requested: &str| AppRedirectUri::parse(listed).unwrap().allows(requested);
        assert!(allows("com.example.app:/cb", "com.example.app:/cb"));
        assert!(allows("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(allows("http://[::1]/cb", "http://[::1]:51004/cb"));
        for (listed, requested) in [
            ("com.example.app:/cb", "com.example.app:/cb/"),
            ("com.example.app:/cb", "com.example.app:/cb?x=1"),
            ("https://app.example/cb", "https://app.example:444/cb"),
            ("https://app.example/cb", "https://app.example/cb#x"),
            ("https://app.example/cb", "https://app.example.evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80/other"),
            ("http://127.0.0.1/cb", "http://[::1]:80/cb"),
            ("http://127.0.0.1/cb", "https://127.0.0.1:80/cb"),
            ("http://127.0.0.1/cb", "http://evil.example/cb"),
        ] {
            assert!(!allows(listed, requested), "{listed} {requested}");
        }
    }
}
