//! The routes of the API with the rules of their operations, for the layers in front of them.
//!
//! Paths, methods and parameters come from the handlers, through poem-openapi; the rules come from the rows in `routes/`.

use std::sync::LazyLock;

use blegram_http::router::{Route, RoutedOperation};
use poem::http::Method;
use poem_openapi::{
    OpenApi,
    registry::{MetaApi, MetaOperation, MetaParamIn},
};

use crate::{
    operation::{Operation, operation, operations},
    pages,
    problem::Code,
    routes::apis,
};

/// Paths outside the document that only accept GET: pages for people, and documents for tools.
const PAGES: [&str; 11] = [
    "/",
    "/docs",
    "/docs/",
    "/docs/{file}",
    "/openapi.json",
    "/openapi.yaml",
    "/asyncapi.json",
    "/problems",
    "/problems/{code}",
    "/favicon.ico",
    "/favicon.svg",
];

/// Health probes, outside the document.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Image files, outside the document: GET, and PUT with a signed upload link.
const FILES: &str = "/media/{*name}";

/// All routes, including pages and files.
///
/// # Panics
/// If the handlers and the rows do not match: such a bug stops the start.
pub(crate) fn routes() -> Vec<Route> {
    let operations = join(&meta(&apis()), operations().collect()).unwrap_or_else(|error| panic!("{error}"));
    let pages = PAGES.map(|page| Route::page(Method::GET, page));
    let probes = PROBES.map(Route::health);
    let files = [Method::GET, Method::PUT].map(|method| Route::file(method, FILES));
    operations.into_iter().chain(pages::routes()).chain(pages).chain(probes).chain(files).collect()
}

/// Whether the API or one of its pages is at `path`, whatever the method.
pub(crate) fn serves(path: &str) -> bool {
    static PATHS: LazyLock<matchit::Router<()>> = LazyLock::new(|| {
        let mut paths = matchit::Router::new();
        for route in routes() {
            // The second method of a path collides with the first.
            let _ = paths.insert(route.path, ());
        }
        paths
    });
    PATHS.at(path).is_ok()
}

/// An operation, as pages describe it.
pub(crate) struct Described {
    /// Its id.
    pub(crate) id: &'static str,
    /// The group in the OpenAPI document.
    pub(crate) tag: &'static str,
    /// Its method.
    pub(crate) method: Method,
    /// Its path template.
    pub(crate) path: String,
    codes: Vec<Code>,
}

impl Described {
    /// Whether it can return `code`.
    pub(crate) fn returns(&self, code: Code) -> bool {
        self.codes.contains(&code)
    }
}

/// All operations, in the order of their groups.
pub(crate) fn described() -> &'static [Described] {
    // Once, because anyone can request the pages that use it, and no rate limit counts them.
    static DESCRIBED: LazyLock<Vec<Described>> = LazyLock::new(|| {
        let paths = meta(&apis()).into_iter().flat_map(|api| api.paths);
        paths
            .flat_map(|path| {
                path.operations.into_iter().filter_map(move |handler| {
                    let row = operation(handler.operation_id?)?;
                    let tag = handler.tags.first().copied().unwrap_or_default();
                    let (method, path) = (handler.method, path.path.clone());
                    Some(Described { id: row.id, tag, method, path, codes: row.codes() })
                })
            })
            .collect()
    });
    &DESCRIBED
}

fn meta<A: OpenApi>(_: &A) -> Vec<MetaApi> {
    A::meta()
}

/// Joins the handlers with their rows by operation id.
fn join(apis: &[MetaApi], mut rows: Vec<&'static Operation>) -> Result<Vec<Route>, String> {
    let mut routes = Vec::new();
    for path in apis.iter().flat_map(|api| &api.paths) {
        for handler in &path.operations {
            let id = handler.operation_id.unwrap_or_default();
            let at = rows.iter().position(|row| row.id == id);
            let row = rows.swap_remove(at.ok_or_else(|| format!("the operation \"{id}\" has no row"))?);
            routes.push(route(&path.path, handler, row));
        }
    }
    match rows.first() {
        Some(row) => Err(format!("the row \"{}\" has no operation", row.id)),
        None => Ok(routes),
    }
}

fn route(path: &str, handler: &MetaOperation, row: &'static Operation) -> Route {
    let required =
        handler.params.iter().filter(|param| param.required && param.in_type == MetaParamIn::Query);
    Route {
        method: handler.method.clone(),
        path: path.to_owned(),
        operation: Some(RoutedOperation { id: row.id, rule: &row.rule }),
        required_query: required.map(|param| param.name.clone()).collect(),
        label: row.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_one_row() {
        let (apis, rows) = (meta(&apis()), || operations().collect::<Vec<_>>());
        assert_eq!(join(&apis, rows()).unwrap().len(), rows().len());

        let without_first = rows()[1..].to_vec();
        let error = join(&apis, without_first).unwrap_err();
        assert!(error.ends_with("has no row"), "{error}");

        let one_too_many = [rows(), vec![rows()[0]]].concat();
        let error = join(&apis, one_too_many).unwrap_err();
        assert!(error.ends_with("has no operation"), "{error}");
    }

    #[test]
    fn required_query_parameters_are_known() {
        let required: Vec<_> =
            routes().into_iter().filter(|route| !route.required_query.is_empty()).collect();
        assert!(required.iter().any(|route| route.path == "/api/v1/search/posts"), "{required:?}");
    }
}
