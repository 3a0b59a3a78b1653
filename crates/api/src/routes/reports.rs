use poem_openapi::OpenApi;

use crate::{
    answer::{ApiResult, Created},
    body::Body,
    problem::Problem,
    routes::{AppData, Tag},
    schema::report::{CreateReport, Report},
    viewer::Viewer,
};

pub(crate) struct ReportsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Reports")]
impl ReportsApi {
    /// Report something to the moderators
    ///
    /// A post, a comment or an account that you see. Nobody else is told. Reporting it again gives you your first report.
    /// 글, 댓글, 계정을 운영진에게 신고합니다. 다른 사람에게는 알리지 않으며, 다시 신고하면 처음 신고가 돌아옵니다.
    #[oai(path = "/reports", method = "post", operation_id = "createReport")]
    async fn create_report(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<CreateReport>,
    ) -> ApiResult<Created<Report>> {
        let report = app.social.create_report(viewer.id(), body.0).await.map_err(Problem::from)?;
        Ok(Created { location: None, body: report.into() })
    }
}
