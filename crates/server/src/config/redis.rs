//! The connection to Redis: its settings and the type of its URL.

use secrecy::SecretString;
use url::Url;

use super::{
    layers::Layers,
    setting::{Preset::Absent, Section, Setting, range, section, setting},
    value::{Shape, Value},
};

section! {
    /// Redis 6 or newer, or Valkey, which carries events from node to node, and counts rate limits for all nodes together. A
    /// site with one node needs none. Without it, nodes on PostgreSQL use notifications of the database for events, which suits
    /// a few nodes and some hundred events per second; each needs `database.max_connections` of at least 5 for that. Rate
    /// limits then hold for each node.
    pub Redis, "redis":
    /// URL of the server: `redis://` or, with TLS, `rediss://`. All nodes must have the same. While it does not answer, nodes
    /// look for events of others in the database every second, and each counts rate limits alone.
    url: Option<RedisUrl> = Absent("on PostgreSQL, notifications of the database");
}

/// The URL of the Redis server. Treated as a secret, because it usually contains a password.
#[derive(Debug, Clone)]
pub struct RedisUrl(SecretString);

impl RedisUrl {
    /// The URL in plain text, for the driver only.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl Value for RedisUrl {
    const EXPECTED: &'static str =
        "a `redis://` or `rediss://` URL, with special characters encoded (a `/` in a password is `%2F`)";
    const EXAMPLE: &'static str = "rediss://blegram:password@localhost:6379";
    const SHAPE: Shape = Shape::Secret;

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_server = matches!(url.scheme(), "redis" | "rediss") && url.has_host();
        // The driver would read `insecure` from the fragment, and then accept any certificate.
        (is_server && url.fragment().is_none() && url.query().is_none()).then(|| Self(text.into()))
    }
}
