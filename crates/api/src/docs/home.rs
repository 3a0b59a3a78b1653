//! The page at `/`: what this server is, and where to go.

use maud::html;
use poem::{IntoResponse, Response, handler, web::Json};
use serde_json::json;

use crate::pages::{Page, Text, Visit, text};

const WELCOME: Text = text(
    "사진과 짧은 글을 나누고 실시간으로 대화하는 커뮤니티의 서버입니다. 앱과 웹사이트가 이 주소의 API를 사용합니다.",
    "This is the server of a community that shares photos and short posts and chats in real time. Apps and websites use the API at this address.",
);

/// A link with what it leads to.
struct Entry {
    path: &'static str,
    name: Text,
    about: Text,
}

const FOR_DEVELOPERS: [Entry; 4] = [
    Entry {
        path: "/docs",
        name: text("API 문서", "API documentation"),
        about: text(
            "모든 작업을 브라우저에서 바로 실행해 볼 수 있습니다.",
            "Every operation, ready to run in the browser.",
        ),
    },
    Entry {
        path: "/openapi.json",
        name: text("OpenAPI", "OpenAPI"),
        about: text(
            "클라이언트를 생성할 때 쓰는 문서입니다.",
            "The document from which clients are generated.",
        ),
    },
    Entry {
        path: "/asyncapi.json",
        name: text("AsyncAPI", "AsyncAPI"),
        about: text("실시간 웹소켓의 모든 프레임입니다.", "Every frame of the realtime WebSocket."),
    },
    Entry {
        path: "/problems",
        name: text("오류 코드", "Problem codes"),
        about: text("각 오류의 뜻과 해결 방법입니다.", "What each error means and what to do."),
    },
];

/// The page, or its links as JSON.
#[handler]
pub(crate) async fn show(visit: Visit<'_>) -> Response {
    let site = &visit.app.site;
    if visit.prefers_json() {
        let links = json!({
            "api": site.address("/api/v1"),
            "docs": site.address("/docs"),
            "openapi": site.address("/openapi.json"),
            "asyncapi": site.address("/asyncapi.json"),
            "problems": site.address("/problems"),
        });
        return visit.vary(Json(links).into_response());
    }
    let content = html! {
        p { (WELCOME.of(visit.language)) }
        h2 { (text("개발자를 위한 안내", "For developers").of(visit.language)) }
        dl {
            @for entry in &FOR_DEVELOPERS {
                dt { a href=(address(&visit, entry.path)) { (entry.name.of(visit.language)) } }
                dd { (entry.about.of(visit.language)) }
            }
        }
        p.hint.after { "blegram " (env!("CARGO_PKG_VERSION")) }
    };
    Page::reference(&visit, text("안녕하세요", "Welcome"), content).into_response()
}

/// The address of `path`; pages that know languages get that of this page.
fn address(visit: &Visit<'_>, path: &str) -> String {
    if path == "/problems" { visit.address(path) } else { visit.app.site.address(path) }
}
