//! What the listener and the outermost layer count: requests by operation and status with their durations, and
//! connections.
//!
//! A request costs a few atomic additions: the layer resolves each route to its metrics when it is built. Nothing
//! that a client sends becomes a name: a path or method that no route has counts as [`UNKNOWN`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use blegram_metrics::{Counter, Gauge, Histogram, HistogramSnapshot};
use poem::http::{Method, StatusCode};

use crate::router::{Router, Slot};

/// The label of routes that are pages for people or documents for tools.
pub const PAGE: &str = "page";

/// The label of routes that are files.
pub const FILE: &str = "file";

/// The label of health probes.
pub const HEALTH: &str = "health";

/// The label of `OPTIONS` requests for a known path: mostly the preflights of browsers (CORS).
pub const OPTIONS: &str = "options";

/// The label of requests for an unknown path, with a method that the path does not have, or that the listener rejected.
pub const UNKNOWN: &str = "unknown";

/// The status of a request whose client closed the connection before the response, as in nginx.
pub const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The statuses that are counted apart; others count together.
const STATUSES: [u16; 32] = [
    101,
    200,
    201,
    202,
    204,
    206,
    301,
    302,
    303,
    304,
    307,
    308,
    400,
    401,
    403,
    404,
    405,
    406,
    409,
    410,
    412,
    413,
    415,
    416,
    422,
    428,
    429,
    431,
    CLIENT_CLOSED_REQUEST,
    500,
    503,
    504,
];

/// The counters of a node; all routers and listeners of the node share them.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    operations: Mutex<Vec<Arc<Operation>>>,
    in_flight: Gauge,
    /// Open connections, including upgraded ones.
    pub(crate) connections: Gauge,
    /// Connections that were reset, because their address had too many.
    pub(crate) rejected_connections: Counter,
    /// Failures to accept a connection that were not the client's, such as too many open files.
    pub(crate) accept_errors: Counter,
}

/// The counters of one operation.
#[derive(Debug)]
pub(crate) struct Operation {
    label: &'static str,
    statuses: [Counter; STATUSES.len()],
    other_statuses: Counter,
    duration: Histogram,
}

impl Operation {
    fn new(label: &'static str) -> Self {
        let statuses = std::array::from_fn(|_| Counter::default());
        Self { label, statuses, other_statuses: Counter::default(), duration: Histogram::default() }
    }

    fn record(&self, status: u16, duration: Duration) {
        let slot = STATUSES.binary_search(&status);
        slot.map_or(&self.other_statuses, |slot| &self.statuses[slot]).increment();
        self.duration.record(duration);
    }

    fn snapshot(&self) -> OperationSnapshot {
        let statuses = STATUSES.iter().zip(&self.statuses).map(|(status, count)| (Some(*status), count));
        let all = statuses.chain([(None, &self.other_statuses)]);
        let used = all.map(|(status, count)| (status, count.get())).filter(|(_, count)| *count > 0);
        OperationSnapshot { label: self.label, statuses: used.collect(), duration: self.duration.snapshot() }
    }
}

/// The counts of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSnapshot {
    /// The id of the operation, or one of the labels of this module.
    pub label: &'static str,
    /// The requests by status, those with at least one; `None` for a status that is not counted apart.
    pub statuses: Vec<(Option<u16>, u64)>,
    /// The time from the head of the request to the head of the response.
    pub duration: HistogramSnapshot,
}

/// The counts of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSnapshot {
    /// The operations that were requested at least once.
    pub operations: Vec<OperationSnapshot>,
    /// Requests without a response yet.
    pub in_flight: i64,
    /// Open connections, including upgraded ones.
    pub connections: i64,
    /// Connections that were reset, because their address had too many.
    pub rejected_connections: u64,
    /// Failures to accept a connection that were not the client's, such as too many open files.
    pub accept_errors: u64,
}

impl HttpMetrics {
    /// The counts.
    pub fn snapshot(&self) -> HttpSnapshot {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let operations = operations.iter().map(|operation| operation.snapshot());
        HttpSnapshot {
            operations: operations.filter(|operation| !operation.statuses.is_empty()).collect(),
            in_flight: self.in_flight.get(),
            connections: self.connections.get(),
            rejected_connections: self.rejected_connections.get(),
            accept_errors: self.accept_errors.get(),
        }
    }

    /// The counters of `label`, which is created at the first call.
    fn operation(&self, label: &'static str) -> Arc<Operation> {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(operation) = operations.iter().find(|operation| operation.label == label) {
            return Arc::clone(operation);
        }
        let operation = Arc::new(Operation::new(label));
        operations.push(Arc::clone(&operation));
        operation
    }

    /// Counts a request that the listener rejected.
    pub(crate) fn record_rejected(&self, status: StatusCode) {
        self.operation(UNKNOWN).record(status.as_u16(), Duration::ZERO);
    }
}

/// The counters of the routes of one router.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    metrics: Arc<HttpMetrics>,
    /// By the slots of the router.
    routes: Vec<Arc<Operation>>,
    options: Arc<Operation>,
    unknown: Arc<Operation>,
}

impl RouteMetrics {
    pub(crate) fn new(metrics: Arc<HttpMetrics>, router: &Router) -> Self {
        let routes = router.labels().iter().map(|label| metrics.operation(label)).collect();
        let (options, unknown) = (metrics.operation(OPTIONS), metrics.operation(UNKNOWN));
        Self { metrics, routes, options, unknown }
    }

    /// Begins to measure a request.
    pub(crate) fn begin(&self, router: &Router, method: &Method, path: &str) -> Measured<'_> {
        let operation = match router.slot(method, path) {
            Some(Slot::Route(slot)) => self.routes.get(slot).unwrap_or(&self.unknown),
            Some(Slot::Options) => &self.options,
            None => &self.unknown,
        };
        self.metrics.in_flight.increment();
        Measured { metrics: &self.metrics, operation, started: Instant::now(), status: None }
    }
}

/// A request that is being measured. It is counted on drop, so that it counts even if its client disconnects, which drops
/// the future of the request at any await point.
pub(crate) struct Measured<'a> {
    metrics: &'a HttpMetrics,
    operation: &'a Operation,
    started: Instant,
    pub(crate) status: Option<StatusCode>,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let status = self.status.map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16());
        self.operation.record(status, self.started.elapsed());
        self.metrics.in_flight.decrement();
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<HttpMetrics>);

impl OpenConnection {
    pub(crate) fn new(metrics: &Arc<HttpMetrics>) -> Self {
        metrics.connections.increment();
        Self(Arc::clone(metrics))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.decrement();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Login, Rule, router::Route};

    static READ: Rule = Rule::read(Login::None);

    fn routes() -> (Arc<HttpMetrics>, Router, RouteMetrics) {
        let routes = [
            Route::operation(Method::GET, "/posts/{post}", "getPost", &READ),
            Route::operation(Method::DELETE, "/posts/{post}", "deletePost", &READ),
            Route::page(Method::GET, "/about"),
        ];
        let (metrics, router) = (Arc::new(HttpMetrics::default()), Router::new(routes).unwrap());
        let routes = RouteMetrics::new(Arc::clone(&metrics), &router);
        (metrics, router, routes)
    }

    /// The statuses of an operation with their counts.
    type Counts = (&'static str, Vec<(Option<u16>, u64)>);

    fn counts(metrics: &HttpMetrics) -> Vec<Counts> {
        metrics.snapshot().operations.into_iter().map(|one| (one.label, one.statuses)).collect()
    }

    #[test]
    fn requests_count_for_their_operation_and_nothing_else_becomes_a_label() {
        let (metrics, router, routes) = routes();
        for (method, path) in [
            (Method::GET, "/posts/1"),
            (Method::HEAD, "/posts/2"),
            (Method::DELETE, "/posts/1"),
            (Method::GET, "/about"),
            (Method::OPTIONS, "/posts/1"),
            (Method::PUT, "/posts/1"),
            (Method::GET, "/wp-login.php"),
            (Method::OPTIONS, "/wp-login.php"),
            (Method::from_bytes(b"HACK").unwrap(), "/posts/1"),
        ] {
            routes.begin(&router, &method, path).status = Some(StatusCode::OK);
        }
        let expected = [("getPost", 2), ("deletePost", 1), ("page", 1), ("options", 1), ("unknown", 4)];
        assert_eq!(counts(&metrics), expected.map(|(label, count)| (label, vec![(Some(200), count)])));
    }

    #[test]
    fn request_of_a_client_that_disconnects_counts_as_499() {
        let (metrics, router, routes) = routes();
        let request = routes.begin(&router, &Method::GET, "/posts/1");
        assert_eq!((metrics.snapshot().in_flight, counts(&metrics)), (1, vec![]));
        drop(request);
        assert_eq!(
            (metrics.snapshot().in_flight, counts(&metrics)),
            (0, vec![("getPost", vec![(Some(499), 1)])])
        );
        assert_eq!(metrics.snapshot().operations[0].duration.count(), 1);
    }

    #[test]
    fn unusual_statuses_count_together() {
        let (metrics, router, routes) = routes();
        for status in [200, 418, 599] {
            routes.begin(&router, &Method::GET, "/about").status = StatusCode::from_u16(status).ok();
        }
        assert_eq!(counts(&metrics), [("page", vec![(Some(200), 1), (None, 2)])]);
        assert!(STATUSES.is_sorted(), "they are searched by bisection");
    }

    #[test]
    fn routers_of_a_node_share_their_counters() {
        let (metrics, router, routes) = routes();
        let other = RouteMetrics::new(Arc::clone(&metrics), &router);
        for routes in [routes, other] {
            routes.begin(&router, &Method::GET, "/about").status = Some(StatusCode::OK);
        }
        assert_eq!(counts(&metrics), [("page", vec![(Some(200), 2)])]);
    }
}
