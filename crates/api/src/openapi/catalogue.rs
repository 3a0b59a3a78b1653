//! Which methods every address takes, read from the document, so that what is refused and what is
//! documented are one.

use poem::http::{HeaderValue, Method};
use serde_json::Value;

use crate::{
    openapi::document,
    operation::{Operation, operation},
    problem::{Code, Problem},
};

/// Addresses outside the document: for people, tools and probes; to be read only.
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

/// Files outside the document: to be read, and to be put by whoever has a link for that.
const FILES: &str = "/media/{*name}";

/// Every address that is served.
pub(crate) struct Catalogue(matchit::Router<Resource>);

/// An address and its methods.
#[derive(Debug)]
pub(crate) struct Resource {
    template: String,
    methods: Vec<(Method, Option<&'static Operation>)>,
    /// The parameters of queries that must be there, by method.
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

    /// What is served at `path`.
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

    /// Whether a parameter of the query must be there, so that an empty one is a value that is refused.
    pub(crate) fn requires(&self, method: &Method, name: &str) -> bool {
        self.required.iter().any(|(of, required)| of == method && required == name)
    }

    /// The address with the names of its parameters: one per kind of address, for logs and metrics.
    pub(crate) fn template(&self) -> &str {
        &self.template
    }

    /// The operation behind `method`; `None` for a page.
    ///
    /// # Errors
    /// 405 with `Allow`.
    pub(crate) fn operation(&self, method: &Method) -> Result<Option<&'static Operation>, Problem> {
        let found = self.methods.iter().find(|(taken, _)| taken == method);
        found.map(|(_, operation)| *operation).ok_or_else(|| Problem::new(Code::MethodNotAllowed))
    }

    /// The value of `Allow`.
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
