//! The pages on which logins with providers end, if the login named no other.

use maud::html;
use poem::{Response, handler};

use super::{Page, Visit, app_link, text};

/// The page after a login or a link.
#[handler]
pub(super) async fn show(visit: Visit<'_>) -> Response {
    let content = html! {
        p { (text("이 창을 닫아도 됩니다.", "You can close this window.").of(visit.language)) }
        (app_link(&visit))
    };
    Page::new(&visit, text("완료했습니다", "Done"), content).into_response()
}

/// The page that Facebook shows to a user who asked for the deletion of their data. The code helps the operators to find
/// the request in the log.
#[handler]
pub(super) async fn show_unlinked(visit: Visit<'_>) -> Response {
    let code = visit.query("code").unwrap_or_default();
    let is_code =
        code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let removed = text(
        "로그인 서비스에서 받은 정보를 삭제했고, 이제 그 서비스로 로그인할 수 없습니다. 이 사이트의 계정은 계정 설정에서 삭제할 수 있습니다.",
        "The data from the login service was deleted, and it can no longer be used to log in. Your account on this site can be deleted in its settings.",
    );
    let content = html! {
        p { (removed.of(visit.language)) }
        @if is_code && !code.is_empty() {
            p.hint { (code) }
        }
    };
    Page::new(&visit, text("연결을 해제했습니다", "The link was removed"), content).into_response()
}
