//! The pages about problem codes: `/problems` lists them, and `/problems/<code>`, to which the `type` of a problem leads,
//! explains one. Programs that accept JSON get the same as JSON, such as an app that shows the texts to its users.

use std::collections::BTreeMap;

use blegram_domain::Language;
use maud::{Markup, html};
use poem::{
    IntoResponse, Response, handler,
    http::StatusCode,
    web::{Json, Path},
};
use serde::Serialize;

use crate::{
    address::in_text,
    catalogue::{self, Described},
    openapi::complete_addresses,
    pages::{Page, Text, Visit, other, text},
    problem::{Code, Problem},
};

/// The page about all codes.
#[handler]
pub(crate) async fn index(visit: Visit<'_>) -> Response {
    if visit.prefers_json() {
        let items: Vec<_> = Code::ALL.iter().map(|code| ProblemType::new(*code, &visit)).collect();
        return visit.vary(Json(Index { items }).into_response());
    }
    let rows = |codes: &[Code]| {
        html! {
            dl {
                @for code in codes {
                    dt { a href=(visit.address(&path(*code))) { code { (code.as_str()) } } }
                    dd { (prose(&explanation(*code, visit.language, &visit))) }
                }
            }
        }
    };
    let content = html! {
        p { (INTRODUCTION.of(visit.language)) }
        @for (status, codes) in by_status() {
            h2 { (status.as_str()) " " span lang="en" { (status.canonical_reason().unwrap_or_default()) } }
            (rows(&codes))
        }
    };
    Page::reference(&visit, text("오류 코드", "Problem codes"), content).into_response()
}

/// The page about one code.
#[handler]
pub(crate) async fn show(visit: Visit<'_>, Path(code): Path<String>) -> poem::Result<Response> {
    let Some(code) = Code::ALL.iter().copied().find(|known| known.as_str() == code) else {
        return if visit.names_html() { Ok(unknown(&visit)) } else { Err(Problem::not_found().into()) };
    };
    if visit.prefers_json() {
        return Ok(visit.vary(Json(ProblemType::new(code, &visit)).into_response()));
    }
    let language = visit.language;
    let content = html! {
        p.status {
            strong { (code.status().as_str()) }
            " " span lang="en" { (code.status().canonical_reason().unwrap_or_default()) " · " (code.title()) }
        }
        @for shown in [language, other(language)] {
            p lang=(shown.as_str()) { (prose(&explanation(code, shown, &visit))) }
        }
        @if code.may_pass() {
            p { (prose(RETRY.of(language))) }
        }
        h2 { (EXAMPLE.of(language)) }
        pre tabindex="0" { code { (example(code, &visit)) } }
        h2 { (OPERATIONS.of(language)) }
        (operations(code, &visit))
        p { a href=(visit.address("/problems")) { (ALL.of(language)) } }
    };
    Ok(Page::reference(&visit, text(code.as_str(), code.as_str()), content).into_response())
}

const INTRODUCTION: Text = text(
    "API의 모든 오류 응답은 application/problem+json(RFC 9457)이며, 그 code는 아래 가운데 하나입니다. 앞으로 코드가 추가될 수 있으니, 모르는 코드는 HTTP 상태로 처리하세요.",
    "Every error response of the API is application/problem+json (RFC 9457), and its code is one of these. More may be added: handle a code that you do not know by its HTTP status.",
);
const RETRY: Text = text(
    "프로그램은 같은 요청을 나중에 다시 보내도 됩니다. 응답에 `Retry-After`가 있으면 그만큼 기다리고, 쓰기 요청은 같은 `Idempotency-Key`로 보내세요.",
    "Programs may send the same request again later: not before `Retry-After`, if the response has it, and a write with the same `Idempotency-Key`.",
);
const EXAMPLE: Text = text("예시", "Example");
const OPERATIONS: Text = text("이 오류를 반환하는 작업", "Operations that return it");
const ALL: Text = text("모든 오류 코드", "All problem codes");
const EVERY_OPERATION: Text = text("모든 작업", "Every operation");
const NO_OPERATION: Text = text(
    "API 작업은 이 오류를 반환하지 않습니다. 파일 주소나 페이지에서만 나타납니다.",
    "No operation of the API. Only addresses of files and pages return it.",
);
const UNKNOWN: Text = text(
    "이 사이트에는 그런 오류 코드가 없습니다. 주소를 확인하세요.",
    "This site has no such problem code. Check the address.",
);

fn unknown(visit: &Visit<'_>) -> Response {
    let content = html! {
        p { (UNKNOWN.of(visit.language)) }
        p { a href=(visit.address("/problems")) { (ALL.of(visit.language)) } }
    };
    let page = Page::reference(visit, text("찾을 수 없습니다", "Not found"), content);
    let mut response = page.with_status(StatusCode::NOT_FOUND).into_response();
    response.set_data(blegram_http::surface::ErrorCode(Code::NotFound.as_str()));
    response
}

fn path(code: Code) -> String {
    format!("/problems/{}", code.as_str())
}

fn by_status() -> BTreeMap<StatusCode, Vec<Code>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for code in Code::ALL {
        groups.entry(code.status()).or_default().push(*code);
    }
    groups
}

fn explanation(code: Code, language: Language, visit: &Visit<'_>) -> String {
    let explanation = match language {
        Language::Korean => code.korean(),
        Language::English => code.english(),
    };
    in_text(visit.app.site.base_path(), explanation).into_owned()
}

/// Text with code between backticks.
fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

fn example(code: Code, visit: &Visit<'_>) -> String {
    let mut example = Problem::example(code);
    complete_addresses(&mut example, visit.app.site.base_path());
    serde_json::to_string_pretty(&example).unwrap_or_default()
}

fn operations(code: Code, visit: &Visit<'_>) -> Markup {
    let all = catalogue::described();
    let returning: Vec<_> = all.iter().filter(|operation| operation.returns(code)).collect();
    if returning.is_empty() {
        return html! { p { (NO_OPERATION.of(visit.language)) } };
    }
    if returning.len() == all.len() {
        return html! { p { (EVERY_OPERATION.of(visit.language)) } };
    }
    let mut groups: BTreeMap<&str, Vec<&Described>> = BTreeMap::new();
    for operation in returning {
        groups.entry(operation.tag).or_default().push(operation);
    }
    let docs = visit.app.site.address("/docs");
    html! {
        dl.operations {
            @for (tag, operations) in groups {
                dt lang="en" { (tag) }
                dd {
                    @for operation in operations {
                        a href={ (docs) "#/" (tag.replace(' ', "%20")) "/" (operation.id) }
                            title={ (operation.method) " " (visit.app.site.address(&operation.path)) } { (operation.id) }
                        " "
                    }
                }
            }
        }
    }
}

/// All codes, for programs.
#[derive(Serialize)]
struct Index {
    items: Vec<ProblemType>,
}

/// A code, for programs.
#[derive(Serialize)]
struct ProblemType {
    code: &'static str,
    status: u16,
    title: &'static str,
    /// The explanation by language.
    detail: BTreeMap<&'static str, String>,
    /// Whether the same request can succeed later.
    retryable: bool,
    /// The ids of the operations that return it.
    operations: Vec<&'static str>,
}

impl ProblemType {
    fn new(code: Code, visit: &Visit<'_>) -> Self {
        let returning = catalogue::described().iter().filter(|operation| operation.returns(code));
        Self {
            code: code.as_str(),
            status: code.status().as_u16(),
            title: code.title(),
            detail: Language::ALL
                .iter()
                .map(|language| (language.as_str(), explanation(code, *language, visit)))
                .collect(),
            retryable: code.may_pass(),
            operations: returning.map(|operation| operation.id).collect(),
        }
    }
}
