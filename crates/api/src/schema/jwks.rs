use blegram_auth::signing_key::PublicKey;
use poem_openapi::Object;
use serde::Serialize;

/// The keys that access tokens are signed with (RFC 7517).
#[derive(Debug, Object, Serialize)]
pub(crate) struct Jwks {
    /// The newest first.
    /// 최신순.
    keys: Vec<Jwk>,
}

/// A public key on the curve P-256.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Jwk {
    /// `EC`.
    /// 항상 `EC`입니다.
    kty: String,
    /// `P-256`.
    /// 항상 `P-256`입니다.
    crv: String,
    /// The x coordinate, in base64url.
    /// x 좌표(base64url).
    x: String,
    /// The y coordinate, in base64url.
    /// y 좌표(base64url).
    y: String,
    /// Named in the header of the tokens that it signed.
    /// 이 키로 서명한 토큰의 헤더에 들어 있는 키 ID.
    kid: String,
    /// `sig`.
    /// 항상 `sig`입니다.
    #[oai(rename = "use")]
    #[serde(rename = "use")]
    usage: String,
    /// `ES256`, the one algorithm that is accepted.
    /// 허용되는 유일한 알고리즘입니다.
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
