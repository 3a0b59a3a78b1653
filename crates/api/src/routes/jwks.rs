use poem_openapi::OpenApi;

use crate::{
    answer::{Answer, ApiResult, Public},
    operation::{Login, Operation},
    routes::{AppData, Tag},
    schema::jwks::Jwks,
};

pub(crate) struct JwksApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[Operation::read("getJwks", Login::None, &[])];

#[OpenApi(tag = "Tag::Auth")]
impl JwksApi {
    /// Get the JSON Web Key Set
    ///
    /// The public keys with which other services verify access tokens (RFC 7517). A new key is published an hour before
    /// it signs tokens. A valid signature does not prove that the session is still active: only this site can tell.
    /// 다른 서비스가 액세스 토큰을 검증할 때 쓰는 공개 키입니다(RFC 7517). 새 키는 서명에 쓰이기 한 시간 전에
    /// 공개됩니다. 서명이 유효해도 세션은 이미 끝났을 수 있으며, 이는 이 사이트만 확인할 수 있습니다.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "getJwks")]
    async fn get_jwks(&self, app: AppData<'_>) -> ApiResult<Public<Answer<Jwks>>> {
        let keys = app.auth.public_keys().await?;
        Ok(Public(Answer(keys.into())))
    }
}
