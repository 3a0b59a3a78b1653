use blegram_http::Viewer;
use blegram_limits::Policy;
use poem_openapi::OpenApi;

use crate::{
    answer::{ApiResult, Created},
    body::Body,
    operation::{Login, Operation},
    problem::Code,
    routes::{AppData, Tag},
    schema::report::{CreateReport, Report},
};

pub(crate) struct ReportsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] =
    &[Operation::write("createReport", Login::Required, &[Code::NotFound])
        .limited(Policy::Report)
        .with_body()
        .with_key()];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Reports")]
impl ReportsApi {
    /// Report content or an account
    ///
    /// Reports a post, a comment or an account that you can see, or a message in one of your conversations. Moderators
    /// get the current text, even if it is edited or deleted later. The author is not notified. Reporting it again
    /// returns your first report, unless the text has changed since: that is a new report.
    /// 볼 수 있는 게시글, 댓글, 계정, 또는 내가 참여한 대화의 메시지를 운영진에게 신고합니다. 나중에 고치거나 지워도
    /// 신고한 시점의 내용이 운영진에게 전달됩니다. 작성자에게는 알리지 않습니다. 다시 신고하면 처음 신고를 반환하지만,
    /// 그 사이 내용이 바뀌었다면 새로 접수합니다.
    #[oai(path = "/reports", method = "post", operation_id = "createReport")]
    async fn create_report(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<CreateReport>,
    ) -> ApiResult<Created<Report>> {
        let report = app.social.create_report(viewer.id(), body.0).await?;
        Ok(Created { location: None, version: None, body: report.into() })
    }
}
