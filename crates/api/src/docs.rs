//! The routes beside the API: the OpenAPI and AsyncAPI documents, Swagger UI, a page per problem code, and the probes
//! `/healthz` and `/readyz`.

mod swagger_ui;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use poem::{
    Endpoint, IntoResponse, Response,
    endpoint::make_sync,
    handler,
    http::{StatusCode, header},
    web::{Data, Path},
};

pub(crate) use swagger_ui::swagger_ui;

use crate::{
    App,
    address::in_text,
    asyncapi::asyncapi,
    openapi::{openapi, openapi_yaml},
    problem::{Code, Problem},
};

const FOR_A_DAY: &str = "public, max-age=86400";

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
        // A node that receives events of others late is still better than one less.
        Ok(()) if app.realtime.is_degraded() => plain(StatusCode::OK, "ready\ndegraded: true\n".to_owned()),
        Ok(()) => plain(StatusCode::OK, "ready\n".to_owned()),
        Err(cause) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {cause}\n")),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    Response::builder().status(status).header(header::CACHE_CONTROL, "no-store").body(text).into_response()
}
