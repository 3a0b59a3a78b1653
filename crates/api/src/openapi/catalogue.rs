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
}

impl Catalogue {
    pub(crate) fn new() -> Self {
        let document = document("");
        let paths = document["paths"].as_object().into_iter().flatten();
        let mut resources: Vec<Resource> =
            paths.map(|(template, item)| Resource::of(template, item)).collect();
        resources.extend(
            PAGES.map(|page| Resource { template: page.to_owned(), methods: vec![(Method::GET, None)] }),
        );
        let methods = vec![(Method::GET, None), (Method::PUT, None)];
        resources.push(Resource { template: FILES.to_owned(), methods });
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
    fn of(template: &str, item: &Value) -> Self {
        let methods = item.as_object().into_iter().flatten().filter_map(|(method, value)| {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
            Some((method, operation(value["operationId"].as_str()?)))
        });
        Self { template: template.to_owned(), methods: methods.collect() }
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
