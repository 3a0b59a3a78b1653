//! What is served beside the API: the document, Swagger UI, pages about problems, and probes.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use poem::{
    Endpoint, IntoResponse, Response, Route,
    endpoint::make_sync,
    handler,
    http::{StatusCode, header},
    web::{Data, Path},
};
use poem_openapi::OpenApiService;

use crate::{
    App,
    openapi::{openapi, openapi_yaml},
    problem::{Code, Problem},
};

/// Swagger UI, from this server alone: it works without the internet.
///
/// poem-openapi ships it as one page with everything inline; here its parts are files, so that the
/// policy can forbid inline scripts and browsers can keep the large ones.
pub(crate) fn swagger_ui() -> impl Endpoint<Output = Response> {
    let style = || inline_part("<style charset=\"UTF-8\">", "</style>");
    let script = || inline_part("<script charset=\"UTF-8\">", "</script>\n</head>");
    Route::new()
        .at("/", file("text/html; charset=utf-8", "no-cache", || PAGE.to_owned()))
        .at("/start.js", file("text/javascript; charset=utf-8", "no-cache", || START.to_owned()))
        .at("/swagger-ui.css", file("text/css; charset=utf-8", FOR_A_DAY, style))
        .at("/swagger-ui-bundle.js", file("text/javascript; charset=utf-8", FOR_A_DAY, script))
}

fn inline_part(open: &str, close: &str) -> String {
    let page = OpenApiService::new((), "", "").swagger_ui_html();
    let rest = page.split_once(open).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split_once(close)).map(|(part, _)| part.to_owned()).unwrap_or_default()
}

const FOR_A_DAY: &str = "public, max-age=86400";

const PAGE: &str = r##"<!doctype html>
<html lang="ko">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>blegram API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"##;

/// Asks the address that the page itself came from: a person who came by another name of the site stays there.
const START: &str = "fetch('/openapi.json').then((answer) => answer.json()).then((spec) => {
  spec.servers = [{ url: location.origin }];
  SwaggerUIBundle({ dom_id: '#ui', spec, deepLinking: true });
});
";

/// Swagger UI writes styles into its elements; everything else comes from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file whose text is made when somebody first asks for it: most processes are never asked for most of them.
fn file(
    content_type: &'static str,
    cache: &'static str,
    text: impl Fn() -> String + Send + Sync + 'static,
) -> impl Endpoint<Output = Response> {
    let bytes = OnceLock::new();
    make_sync(move |_| {
        let bytes = bytes.get_or_init(|| Bytes::from(text()));
        Response::builder()
            .content_type(content_type)
            .header(header::CACHE_CONTROL, cache)
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .body(bytes.clone())
    })
}

/// The document as JSON.
pub(crate) fn json(public_url: &str) -> impl Endpoint<Output = Response> + use<> {
    let public_url = public_url.to_owned();
    file("application/json", "no-cache", move || openapi(&public_url))
}

/// The document as YAML.
pub(crate) fn yaml(public_url: &str) -> impl Endpoint<Output = Response> + use<> {
    let public_url = public_url.to_owned();
    file("application/yaml", "no-cache", move || openapi_yaml(&public_url))
}

/// A page about a kind of problem.
#[handler]
pub(crate) fn problem_page(Path(code): Path<String>) -> poem::Result<Response> {
    let code = Code::ALL.iter().find(|known| known.as_str() == code).ok_or_else(Problem::not_found)?;
    Ok(Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")
        .header(header::CACHE_CONTROL, FOR_A_DAY)
        .body(page_about(*code)))
}

// Of constants only: nothing here came from a request.
fn page_about(code: Code) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{slug}</title></head>\n<body>\n\
         <h1>{title}</h1>\n<p><code>{slug}</code>, HTTP {status}</p>\n<p>{english}</p>\n<p lang=\"ko\">{korean}</p>\n\
         </body>\n</html>\n",
        slug = code.as_str(),
        title = code.title(),
        status = code.status(),
        english = code.english(),
        korean = code.korean(),
    )
}

/// Whether the process is alive.
#[handler]
pub(crate) fn healthz() -> Response {
    plain(StatusCode::OK, "ok\n".to_owned())
}

/// Whether the process can serve: not while it shuts down, nor without its database.
#[handler]
pub(crate) async fn readyz(app: Data<&Arc<App>>) -> Response {
    match (app.readiness)().await {
        Ok(()) => plain(StatusCode::OK, "ready\n".to_owned()),
        Err(lacking) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {lacking}\n")),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    Response::builder().status(status).header(header::CACHE_CONTROL, "no-store").body(text).into_response()
}
