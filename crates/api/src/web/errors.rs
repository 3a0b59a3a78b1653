//! Errors of the app: at its start, and of requests that browsers send.

use std::{io, path::PathBuf, sync::Arc};

use blegram_http::surface::ErrorCode;
use poem::{
    Endpoint, IntoResponse, Request, Response,
    http::{HeaderValue, Method, StatusCode, header},
};

use super::{
    WebApp,
    addresses::{Address, Content},
    template::{Head, Template},
};
use crate::{
    pages::{self, Accepts},
    problem::Problem,
};

/// Why the files are not an app that can be served.
#[derive(Debug, thiserror::Error)]
pub enum InvalidWebApp {
    /// The document is missing.
    #[error("there is no index.html; build the app first")]
    NoIndex,
    /// The document is not HTML with a head, in UTF-8.
    #[error("index.html has no </head>")]
    NoHead,
    /// The folder cannot be read.
    #[error("cannot read the folder {}", folder.display())]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
}

/// The paths below which errors are those of the API, whatever the client accepts.
const OF_THE_API: [&str; 6] = ["/api", "/.well-known", "/assets", "/docs", "/media", "/problems"];

/// The layer in front of the gate that leads browsers: it redirects from an address with a slash at its end, and lets the app
/// show errors.
pub(crate) struct Guide<E> {
    web: Option<WebApp>,
    inner: E,
}

impl<E> Guide<E> {
    /// Puts the layer in front of `inner`.
    pub(crate) const fn new(web: Option<WebApp>, inner: E) -> Self {
        Self { web, inner }
    }

    /// The app, and which errors of this request it shows.
    fn app_for(&self, request: &Request) -> Option<(WebApp, Errors)> {
        let (path, accepts) = (request.uri().path(), Accepts::of(request.headers()));
        let web = self.web.as_ref()?;
        let (is_for_app, errors) = match web.0.addresses.find(path) {
            Some(Address::Document(content)) => (content.is_for(accepts), Errors::All),
            Some(Address::File(_) | Address::Robots) => (false, Errors::All),
            None => (Content::Private.is_for(accepts) && !is_of_the_api(path), Errors::NotFound),
        };
        is_for_app.then(|| (web.clone(), errors))
    }

    fn has_page(&self, path: &str) -> bool {
        pages::is_page(path) || self.web.as_ref().is_some_and(|web| web.0.addresses.has_document(path))
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Guide<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return self.inner.call(request).await;
        }
        let (uri, app) = (request.uri().clone(), self.app_for(&request));
        let mut error = match self.inner.call(request).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let path = uri.path().strip_suffix('/').filter(|path| self.has_page(path));
        if let Some(path) = path.filter(|_| error.status() == StatusCode::NOT_FOUND) {
            return Ok(redirect(path, uri.query()));
        }
        if let Some((web, errors)) = app
            && (errors == Errors::All || error.status() == StatusCode::NOT_FOUND)
            && let Ok(template) = web.template().await
        {
            error.set_data(Failed { web, template });
        }
        Err(error)
    }
}

/// The errors of a request that the app shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errors {
    All,
    NotFound,
}

fn is_of_the_api(path: &str) -> bool {
    let is_below = |prefix: &&str| {
        path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    OF_THE_API.iter().any(is_below)
}

fn redirect(path: &str, query: Option<&str>) -> Response {
    let location = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    match HeaderValue::from_str(&location) {
        // The edge prepends the path of the public URL.
        Ok(location) => {
            StatusCode::PERMANENT_REDIRECT.with_header(header::LOCATION, location).into_response()
        }
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The document that shows an error: data of the error.
#[derive(Clone)]
pub(crate) struct Failed {
    web: WebApp,
    template: Arc<Template>,
}

impl Failed {
    /// The document as the answer to the request `request_id`. The app finds out about the error itself: it has no data
    /// of it but the status.
    pub(crate) fn into_response(self, problem: Problem, request_id: &str) -> Response {
        let (code, headers) = problem.into_parts(request_id);
        let mut response = self.web.respond(code.status(), &self.template, &Head::not_indexed());
        response.headers_mut().remove(header::ETAG);
        let headers = headers.into_iter().filter(|(name, _)| *name != header::WWW_AUTHENTICATE);
        response.headers_mut().extend(headers);
        response.set_data(ErrorCode(code.as_str()));
        response
    }
}
