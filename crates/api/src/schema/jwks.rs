use blegram_auth::signing_key::PublicKey;
use poem_openapi::Object;
use serde::Serialize;

/// The keys that access tokens are signed with (RFC 7517).
#[derive(Debug, Object, Serialize)]
pub(crate) struct Jwks {
    /// The newest first.
    keys: Vec<Jwk>,
}

/// A public key on the curve P-256.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Jwk {
    /// `EC`.
    kty: String,
    /// `P-256`.
    crv: String,
    x: String,
    y: String,
    /// Named in the header of the tokens that it signed.
    kid: String,
    /// `sig`.
    #[oai(rename = "use")]
    #[serde(rename = "use")]
    usage: String,
    /// `ES256`, the one algorithm that is accepted.
    alg: String,
}

impl From<Vec<PublicKey>> for Jwks {
    fn from(keys: Vec<PublicKey>) -> Self {
        Self { keys: keys.into_iter().map(Jwk::from).collect() }
    }
}

impl From<PublicKey> for Jwk {
    fn from(PublicKey { id, x, y }: PublicKey) -> Self {
        let [kty, crv, usage, alg] = ["EC", "P-256", "sig", "ES256"].map(ToOwned::to_owned);
        Self { kty, crv, x, y, kid: id, usage, alg }
    }
}
