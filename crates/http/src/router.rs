//! The routes of all surfaces and the methods that each accepts.
//!
//! The layers look up each request's path here: for 404, for 405 with `Allow`, for the rule of the operation, and for the
//! path template in logs and metrics.

use poem::http::{HeaderValue, Method};

use crate::{Rejection, Rule, metrics};

/// One method of a path.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path template, such as `/posts/{post}`.
    pub path: String,
    /// `None` for a page or a file, which the gate lets through unchecked.
    pub operation: Option<RoutedOperation>,
    /// The required query parameters: an empty value of one is an invalid value, and does not count as absent.
    pub required_query: Vec<String>,
    /// The name in metrics: the id of the operation, or one of the labels of [`crate::metrics`].
    pub label: &'static str,
}

/// The operation of a route. The gate puts it into the data of each request that passed, for handlers.
#[derive(Debug, Clone, Copy)]
pub struct RoutedOperation {
    /// Its id.
    pub id: &'static str,
    /// What it demands.
    pub rule: &'static Rule,
}

impl Route {
    /// An operation without required query parameters.
    pub fn operation(method: Method, path: &str, id: &'static str, rule: &'static Rule) -> Self {
        let operation = Some(RoutedOperation { id, rule });
        Self { method, path: path.to_owned(), operation, required_query: Vec::new(), label: id }
    }

    /// A page, which is no operation.
    pub fn page(method: Method, path: &str) -> Self {
        Self::labelled(method, path, metrics::PAGE)
    }

    /// A file, which is no operation.
    pub fn file(method: Method, path: &str) -> Self {
        Self::labelled(method, path, metrics::FILE)
    }

    /// A health probe, which is no operation.
    pub fn health(path: &str) -> Self {
        Self::labelled(Method::GET, path, metrics::HEALTH)
    }

    fn labelled(method: Method, path: &str, label: &'static str) -> Self {
        Self { method, path: path.to_owned(), operation: None, required_query: Vec::new(), label }
    }
}

/// Two path templates collide, or one is malformed; the text says which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRoutes(String);

/// A router of all paths that the server handles.
#[derive(Debug)]
pub struct Router {
    resources: matchit::Router<Resource>,
    /// Of all routes, by their slots.
    labels: Vec<&'static str>,
}

/// A path template and its methods.
#[derive(Debug)]
pub(crate) struct Resource {
    template: String,
    routes: Vec<Route>,
    /// The slot of the first route; those of the others follow.
    first_slot: usize,
}

/// What metrics count a request for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The route with this number.
    Route(usize),
    /// `OPTIONS` of a known path.
    Options,
}

impl Router {
    /// Creates the router of `routes`.
    ///
    /// # Errors
    /// When two path templates collide.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Result<Self, InvalidRoutes> {
        let mut resources: Vec<Resource> = Vec::new();
        for route in routes {
            match resources.iter_mut().find(|resource| resource.template == route.path) {
                Some(resource) => resource.routes.push(route),
                None => resources.push(Resource {
                    template: route.path.clone(),
                    routes: vec![route],
                    first_slot: 0,
                }),
            }
        }
        let (mut router, mut labels) = (matchit::Router::new(), Vec::new());
        for mut resource in resources {
            resource.first_slot = labels.len();
            labels.extend(resource.routes.iter().map(|route| route.label));
            router
                .insert(resource.template.clone(), resource)
                .map_err(|error| InvalidRoutes(error.to_string()))?;
        }
        Ok(Self { resources: router, labels })
    }

    /// The labels of all routes, by their slots.
    pub(crate) fn labels(&self) -> &[&'static str] {
        &self.labels
    }

    /// What metrics count a request for; `None` if no route has the path and the method.
    pub(crate) fn slot(&self, method: &Method, path: &str) -> Option<Slot> {
        let resource = self.find(path)?;
        // As in the gate, HEAD is GET without the body.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let position = resource.routes.iter().position(|route| route.method == *method);
        match position {
            Some(position) => Some(Slot::Route(resource.first_slot + position)),
            None => (method == Method::OPTIONS).then_some(Slot::Options),
        }
    }

    /// The resource at `path`.
    pub(crate) fn find(&self, path: &str) -> Option<&Resource> {
        self.resources.at(path).ok().map(|found| found.value)
    }
}

impl Resource {
    /// The path template, with the names of its parameters; of bounded cardinality, for logs and metrics.
    pub(crate) fn template(&self) -> &str {
        &self.template
    }

    pub(crate) fn route(&self, method: &Method) -> Result<&Route, Rejection> {
        self.routes.iter().find(|route| route.method == *method).ok_or(Rejection::MethodNotAllowed)
    }

    /// The value of the `Allow` header.
    pub(crate) fn allow(&self) -> HeaderValue {
        let mut methods: Vec<&str> = self.routes.iter().map(|route| route.method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        HeaderValue::from_str(&methods.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("GET"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_knows_its_template_and_its_methods() {
        let posts = [Method::GET, Method::PATCH].map(|method| Route::page(method, "/posts/{post}"));
        let router = Router::new(posts).unwrap();
        let post = router.find("/posts/1").unwrap();
        assert_eq!(post.template(), "/posts/{post}");
        assert_eq!(post.allow(), "GET, PATCH, HEAD, OPTIONS");
        assert!(post.route(&Method::PATCH).is_ok() && router.find("/posts").is_none());
        assert!(matches!(post.route(&Method::PUT), Err(Rejection::MethodNotAllowed)));
    }

    #[test]
    fn colliding_paths_are_rejected() {
        let routes = ["/posts/{post}", "/posts/{id}"].map(|path| Route::page(Method::GET, path));
        assert!(Router::new(routes).is_err());
    }
}
