use blegram_auth::signing_key::PublicKey;
use poem_openapi::Object;
use serde::Serialize;

/// The public keys that verify access tokens (JSON Web Key Set, RFC 7517).
/// 액세스 토큰을 검증하는 공개 키(JSON Web Key Set, RFC 7517).
#[derive(Debug, Object, Serialize)]
pub(crate) struct Jwks {
    /// The keys, newest first.
    /// 키 목록. 최신순입니다.
    keys: Vec<Jwk>,
}

/// A public key on the P-256 curve.
/// P-256 곡선의 공개 키.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Jwk {
    /// Always `EC`.
    /// 항상 `EC`입니다.
    kty: String,
    /// Always `P-256`.
    /// 항상 `P-256`입니다.
    crv: String,
    /// The x coordinate, in base64url.
    /// x 좌표(base64url).
    x: String,
    /// The y coordinate, in base64url.
    /// y 좌표(base64url).
    y: String,
    /// Key id, as in the `kid` header of the tokens that the key signed.
    /// 키 ID. 이 키로 서명한 토큰 헤더의 `kid`와 같습니다.
    kid: String,
    /// Always `sig`.
    /// 항상 `sig`입니다.
    #[oai(rename = "use")]
    #[serde(rename = "use")]
    usage: String,
    /// Always `ES256`, the only supported algorithm.
    /// 항상 `ES256`입니다. 지원하는 유일한 알고리즘입니다.
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
