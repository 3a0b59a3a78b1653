//! The routes beside the API: the page at `/`, the OpenAPI and AsyncAPI documents, Swagger UI, the pages about problem
//! codes, the icon, and the probes `/healthz` and `/readyz`.

pub(crate) mod home;
pub(crate) mod icon;
pub(crate) mod problems;
mod swagger_ui;

use std::sync::{Arc, OnceLock};

use blegram_http::compression::Precompressed;
use poem::{
    Endpoint, IntoResponse, Response,
    endpoint::make_sync,
    handler,
    http::{HeaderValue, StatusCode, header},
    web::Data,
};

pub(crate) use swagger_ui::swagger_ui;

use crate::{
    App,
    asyncapi::asyncapi,
    openapi::{openapi, openapi_yaml},
};

const FOR_A_DAY: &str = "public, max-age=86400";

/// Serves a file that is generated, and compressed, on its first request: most processes never serve most of these files.
fn file(
    content_type: &'static str,
    cache: &'static str,
    text: impl Fn() -> String + Send + Sync + 'static,
) -> impl Endpoint<Output = Response> {
    let file = OnceLock::new();
    make_sync(move |request| {
        let mut response = file.get_or_init(|| Precompressed::new(text())).response(request.headers());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding, Origin"));
        response
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
