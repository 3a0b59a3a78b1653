use poem_openapi::OpenApi;

use crate::{
    answer::{Answer, ApiResult},
    routes::{AppData, Tag},
    schema::instance::Instance,
};

pub(crate) struct InstanceApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Instance")]
impl InstanceApi {
    /// What this site is
    ///
    /// Its version, whether it takes new accounts, and every limit of what you can send.
    /// 버전, 가입 가능 여부, 보낼 수 있는 값의 모든 제한을 알려 줍니다.
    #[oai(path = "/instance", method = "get", operation_id = "getInstance")]
    async fn get_instance(&self, app: AppData<'_>) -> ApiResult<Answer<Instance>> {
        Ok(Answer(Instance::new(app.auth.registration())))
    }
}
