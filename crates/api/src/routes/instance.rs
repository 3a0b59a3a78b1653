use poem_openapi::OpenApi;

use crate::{
    answer::{Answer, ApiResult},
    operation::{Login, Operation},
    routes::{AppData, Tag},
    schema::instance::{Instance, Provider, Settings},
};

pub(crate) struct InstanceApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[Operation::read("getInstance", Login::None, &[])];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Instance")]
impl InstanceApi {
    /// Get instance information
    ///
    /// Returns the version, whether registration is open, every limit on input, and the rate limits.
    /// 버전, 가입 가능 여부, 입력값의 모든 제한, 요청 횟수 제한을 반환합니다.
    #[oai(path = "/instance", method = "get", operation_id = "getInstance")]
    async fn get_instance(&self, app: AppData<'_>) -> ApiResult<Answer<Instance>> {
        let (quotas, quota) = (app.auth.limiter().quotas(), app.media.quota());
        let instance = Instance::new(Settings::of(&app.auth), quotas, quota);
        Ok(Answer(instance.with_login_providers(Provider::list(&app))))
    }
}
