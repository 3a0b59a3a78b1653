//! The routes beside the API: the OpenAPI and AsyncAPI documents, Swagger UI, a page per problem code, and the probes
//! `/healthz` and `/readyz`.

use std::sync::{Arc, OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use poem::{
    Endpoint, IntoResponse, Response, Route,
    endpoint::make_sync,
    handler,
    http::{StatusCode, header},
    web::{Data, Path},
};
use poem_openapi::OpenApiService;
use sha2::{Digest, Sha256};

use crate::{
    App,
    address::{address, in_text},
    asyncapi::asyncapi,
    openapi::{openapi, openapi_yaml},
    problem::{Code, Problem},
};

/// Serves Swagger UI from this server alone, so that it works without internet access.
///
/// poem-openapi ships it as one page with everything inline. Here its parts are separate files that browsers can cache.
/// The page references each by its hash (Subresource Integrity), so that browsers only run what this binary contains.
pub(crate) fn swagger_ui(base_path: &str) -> impl Endpoint<Output = Response> + use<> {
    let start = start(base_path);
    Route::new()
        .at("/", page(address(base_path, "/docs"), start.clone()))
        .at("/start.js", file("text/javascript; charset=utf-8", FOR_A_DAY, move || start.clone()))
        .at("/swagger-ui.css", file("text/css; charset=utf-8", FOR_A_DAY, style))
        .at("/swagger-ui-bundle.js", file("text/javascript; charset=utf-8", FOR_A_DAY, bundle))
}

fn style() -> String {
    inline_part("<style charset=\"UTF-8\">", "</style>")
}

fn bundle() -> String {
    inline_part("<script charset=\"UTF-8\">", "</script>\n</head>")
}

fn inline_part(open: &str, close: &str) -> String {
    let page = OpenApiService::new((), "", "").swagger_ui_html();
    let rest = page.split_once(open).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split_once(close)).map(|(part, _)| part.to_owned()).unwrap_or_default()
}

const FOR_A_DAY: &str = "public, max-age=86400";

/// The script that starts Swagger UI. It uses the host from which the page was loaded, because the site may be
/// reachable under other names than that of its public URL.
fn start(base_path: &str) -> String {
    format!(
        "const base = {};
fetch(base + '/openapi.json').then((answer) => answer.json()).then((spec) => {{
  spec.servers = [{{ url: location.origin + base }}];
  SwaggerUIBundle({{ dom_id: '#ui', spec, deepLinking: true }});
}});
",
        serde_json::Value::from(base_path)
    )
}

/// The HTML page; `docs` is the address of its parts.
fn page(docs: String, start: String) -> impl Endpoint<Output = Response> {
    let page = OnceLock::new();
    make_sync(move |_| {
        let (html, policy): &(String, String) = page.get_or_init(|| {
            let [style, bundle, start] = [&style(), &bundle(), &start].map(|text| integrity(text));
            (html(&docs.replace('&', "&amp;"), &style, &bundle, &start), policy(&bundle, &start))
        });
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::CONTENT_SECURITY_POLICY, policy)
            .body(html.clone())
    })
}

/// The hash of a file, as used in `integrity` attributes and policies (Subresource Integrity, 3.1).
fn integrity(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Adds its hash to the address of each file: a browser would reject a cached file of another version.
fn html(docs: &str, style: &str, bundle: &str, start: &str) -> String {
    let query =
        |hash: &str| hash.chars().filter(char::is_ascii_alphanumeric).skip(6).take(12).collect::<String>();
    format!(
        r##"<!doctype html>
<html lang="ko">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>blegram API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{docs}/swagger-ui.css?{}" integrity="{style}">
</head>
<body>
<div id="ui"></div>
<script src="{docs}/swagger-ui-bundle.js?{}" integrity="{bundle}"></script>
<script src="{docs}/start.js?{}" integrity="{start}"></script>
</body>
</html>
"##,
        query(style),
        query(bundle),
        query(start)
    )
}

/// The Content-Security-Policy. It allows scripts by their hashes (CSP 3, 8.4), so that no other file of this origin,
/// such as an upload, can run as a script. Styles may be inline, because Swagger UI sets them on its elements.
fn policy(bundle: &str, start: &str) -> String {
    format!(
        "default-src 'none'; script-src '{bundle}' '{start}'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Serves a file that is generated on its first request: most processes never serve most of these files.
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
            .body(bytes.clone())
    })
}

/// Serves the OpenAPI document as JSON.
pub(crate) fn json(public_url: &str) -> impl Endpoint<Output = Response> + use<> {
    let public_url = public_url.to_owned();
    file("application/json", "no-cache", move || openapi(&public_url))
}

/// Serves the AsyncAPI document of the gateway.
pub(crate) fn asyncapi_json(public_url: &str) -> impl Endpoint<Output = Response> + use<> {
    let public_url = public_url.to_owned();
    file("application/json", "no-cache", move || asyncapi(&public_url))
}

/// Serves the OpenAPI document as YAML.
pub(crate) fn yaml(public_url: &str) -> impl Endpoint<Output = Response> + use<> {
    let public_url = public_url.to_owned();
    file("application/yaml", "no-cache", move || openapi_yaml(&public_url))
}

/// Serves the page about a problem code.
#[handler]
pub(crate) fn problem_page(Path(code): Path<String>, Data(app): Data<&Arc<App>>) -> poem::Result<Response> {
    let code = Code::ALL.iter().find(|known| known.as_str() == code).ok_or_else(Problem::not_found)?;
    Ok(Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")
        .header(header::CACHE_CONTROL, FOR_A_DAY)
        .body(page_about(*code, app.site.base_path())))
}

// Needs no escaping: it contains constants and the configured path, but no input.
fn page_about(code: Code, base_path: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{slug}</title></head>\n<body>\n\
         <h1>{title}</h1>\n<p><code>{slug}</code>, HTTP {status}</p>\n<p>{english}</p>\n<p lang=\"ko\">{korean}</p>\n\
         </body>\n</html>\n",
        slug = code.as_str(),
        title = code.title(),
        status = code.status(),
        english = in_text(base_path, code.english()),
        korean = in_text(base_path, code.korean()),
    )
}

/// Liveness probe: whether the process responds.
#[handler]
pub(crate) fn healthz() -> Response {
    plain(StatusCode::OK, "ok\n".to_owned())
}

/// Readiness probe: whether the process can serve requests. It cannot while it shuts down or without its database.
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
