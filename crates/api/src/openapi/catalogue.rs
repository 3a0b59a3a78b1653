//! The routes of the API and the methods that each accepts, read from the OpenAPI document, so that what the gate
//! rejects and what the document says cannot differ.
//!
//! The layers in front of the routes look up each request's path here: for 404, for 405 with `Allow`, for the
//! operation's row in `operation.rs`, and for the path template in logs and metrics.

use poem::http::{HeaderValue, Method};
use serde_json::Value;

use crate::{
    openapi::document,
    operation::{Operation, operation},
    problem::{Code, Problem},
};

/// Paths outside the document that only accept GET: pages for people, documents for tools, and health probes.
const PAGES: [&str; 9] = [
    "/docs",
    "/docs/",
    "/docs/{file}",
    "/openapi.json",
    "/openapi.yaml",
    "/asyncapi.json",
    "/problems/{code}",
    "/healthz",
    "/readyz",
];

/// Image files, outside the document: GET, and PUT with a signed upload link.
const FILES: &str = "/media/{*name}";

/// A router of all paths that the server handles.
pub(crate) struct Catalogue(matchit::Router<Resource>);

/// A path template and its methods.
#[derive(Debug)]
pub(crate) struct Resource {
    template: String,
    methods: Vec<(Method, Option<&'static Operation>)>,
    /// The required query parameters, by method.
    required: Vec<(Method, String)>,
}

impl Catalogue {
    pub(crate) fn new() -> Self {
        let document = document("");
        let paths = document["paths"].as_object().into_iter().flatten();
        let mut resources: Vec<Resource> =
            paths.map(|(template, item)| Resource::of(template, item, &document)).collect();
        resources.extend(PAGES.map(|page| Resource::page(page, &[Method::GET])));
        resources.push(Resource::page(FILES, &[Method::GET, Method::PUT]));
        let mut router = matchit::Router::new();
        for resource in resources {
            router.insert(resource.template.clone(), resource).expect("the document's paths do not collide");
        }
        Self(router)
    }

    /// The resource at `path`.
    pub(crate) fn find(&self, path: &str) -> Option<&Resource> {
        self.0.at(path).ok().map(|found| found.value)
    }
}

impl Resource {
    fn of(template: &str, item: &Value, document: &Value) -> Self {
        let (mut methods, mut required) = (Vec::new(), Vec::new());
        for (method, value) in item.as_object().into_iter().flatten() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes());
            let (Ok(method), Some(id)) = (method, value["operationId"].as_str()) else { continue };
            let names = required_query(value, document).into_iter();
            required.extend(names.map(|name| (method.clone(), name)));
            methods.push((method, operation(id)));
        }
        Self { template: template.to_owned(), methods, required }
    }

    fn page(template: &str, methods: &[Method]) -> Self {
        let methods = methods.iter().map(|method| (method.clone(), None)).collect();
        Self { template: template.to_owned(), methods, required: Vec::new() }
    }

    /// Whether a query parameter is required: then an empty value is an invalid value, and does not count as absent.
    pub(crate) fn requires(&self, method: &Method, name: &str) -> bool {
        self.required.iter().any(|(of, required)| of == method && required == name)
    }

    /// The path template, with the names of its parameters; of bounded cardinality, for logs and metrics.
    pub(crate) fn template(&self) -> &str {
        &self.template
    }

    /// The operation of `method`; `None` for a page or a file.
    ///
    /// # Errors
    /// 405 with `Allow`.
    pub(crate) fn operation(&self, method: &Method) -> Result<Option<&'static Operation>, Problem> {
        let found = self.methods.iter().find(|(other, _)| other == method);
        found.map(|(_, operation)| *operation).ok_or_else(|| Problem::new(Code::MethodNotAllowed))
    }

    /// The value of the `Allow` header.
    pub(crate) fn allow(&self) -> HeaderValue {
        let mut methods: Vec<&str> = self.methods.iter().map(|(method, _)| method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        HeaderValue::from_str(&methods.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("GET"))
    }
}

fn required_query(operation: &Value, document: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let resolved = parameters.map(|parameter| {
        let shared = parameter["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        shared.and_then(|pointer| document.pointer(pointer)).unwrap_or(parameter)
    });
    let required = resolved.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
    required.filter_map(|parameter| parameter["name"].as_str()).map(ToOwned::to_owned).collect()
}
