use poem_openapi::OpenApi;

use crate::{
    answer::{Answer, ApiResult, Public},
    problem::Problem,
    routes::{AppData, Tag},
    schema::jwks::Jwks,
};

pub(crate) struct JwksApi;

#[OpenApi(tag = "Tag::Auth")]
impl JwksApi {
    /// Get the keys of access tokens
    ///
    /// For other services that want to read access tokens (RFC 7517); a new key is here an hour before it signs. Only
    /// this site can tell whether a token's session still lives.
    /// 다른 서비스가 액세스 토큰을 검증할 때 쓰는 공개 키입니다. 새 키는 서명에 쓰이기 한 시간 전에 공개됩니다.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "getJwks")]
    async fn get_jwks(&self, app: AppData<'_>) -> ApiResult<Public<Answer<Jwks>>> {
        let keys = app.auth.public_keys().await.map_err(Problem::from)?;
        Ok(Public(Answer(keys.into())))
    }
}
