//! Metrics of the real binary: formats, access, bounds, and the queries of the dashboard and the alerts.

mod queries;
mod secrets;
mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use blegram_persistence::testing::{Backend, TestDatabase};
use openmetrics_parser::{openmetrics::parse_openmetrics, prometheus::parse_prometheus};
use rustix::process::Signal;
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::home::{Home, Process, free_address};
use crate::client::{Answer, Client, in_time};

/// What Prometheus sends to get OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// A site that serves metrics.
struct Measured {
    home: Home,
    address: SocketAddr,
}

impl Measured {
    fn new(home: Home) -> Self {
        let address = free_address();
        Self { home: home.set("BLEGRAM_METRICS__LISTEN", &address.to_string()), address }
    }

    /// Sends a GET for `path` to the address of the metrics, with further `fields`, each ended by CRLF.
    async fn get(&self, path: &str, fields: &str) -> Answer {
        let mut client = Client::connect(self.address).await.unwrap();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{fields}\r\n", self.address)).await;
        client.answer().await
    }

    async fn scrape(&self) -> Samples {
        let answer = self.get("/metrics", "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Samples::parse(&answer.body)
    }

    /// Scrapes until `is_done`.
    async fn scrape_until(&self, is_done: impl Fn(&Samples) -> bool + Sync) -> Samples {
        in_time(async {
            loop {
                let samples = self.scrape().await;
                if is_done(&samples) {
                    return samples;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }
}

/// The samples of a page by their series: the name with the labels, as in the text.
#[derive(Debug, Clone, PartialEq)]
struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// Parses a page in the text format of Prometheus. A foreign parser checks it, too.
    #[track_caller]
    fn parse(page: &str) -> Self {
        parse_prometheus(page).unwrap_or_else(|error| panic!("{error:?}\n{page}"));
        Self::of_lines(page)
    }

    fn of_lines(page: &str) -> Self {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        Self(samples.collect())
    }

    #[track_caller]
    fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("{series} is not among {:#?}", self.0.keys()))
    }

    fn has(&self, name: &str) -> bool {
        self.0.keys().any(|series| name_of(series) == name)
    }

    /// The sum over all series of a name whose labels contain `label`.
    fn sum(&self, name: &str, label: &str) -> f64 {
        let series = self.0.iter().filter(|(series, _)| name_of(series) == name && series.contains(label));
        series.map(|(_, value)| value).sum()
    }

    fn series(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }
}

fn name_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}

async fn site(settings: &[(&str, &str)]) -> (Measured, Process) {
    let measured = Measured::new(Home::new(settings));
    let process = measured.home.serve().await;
    (measured, process)
}

#[tokio::test]
async fn both_formats_parse_and_have_the_same_families() {
    let (site, _process) = site(&[]).await;
    site.home.sign_up("ann").await;
    let text = site.get("/metrics", "").await;
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(text.header("cache-control"), Some("no-store"));
    let open = site.get("/metrics", &format!("accept: {OPEN_METRICS}\r\n")).await;
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(expected));

    let open_families = parse_openmetrics(&open.body).unwrap_or_else(|error| panic!("{error:?}")).families;
    assert!(open_families.len() > 50, "{}", open_families.len());
    let names = |page: &str| -> BTreeSet<String> {
        Samples::of_lines(page).0.keys().map(|series| name_of(series).to_owned()).collect()
    };
    Samples::parse(&text.body);
    assert_eq!(names(&text.body), names(&open.body));
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_status() {
    let (site, _process) = site(&[]).await;
    let before = site.scrape().await;
    let ann = site.home.sign_up("ann").await;
    assert_eq!(ann.write("hello").await.status, 201);
    assert_eq!(ann.post("/api/v1/posts", &json!({})).await.status, 422);
    assert_eq!(ann.get("/api/v1/me").await.status, 200);
    let after = site.scrape().await;
    for (labels, count) in [
        (r#"operation="signUp",status="201""#, 1.0),
        (r#"operation="createPost",status="201""#, 1.0),
        (r#"operation="createPost",status="422""#, 1.0),
        (r#"operation="getMe",status="200""#, 1.0),
    ] {
        assert_eq!(after.get(&format!("blegram_http_requests_total{{{labels}}}")), count, "{labels}");
    }
    assert_eq!(after.get(r#"blegram_http_request_duration_seconds_count{operation="createPost"}"#), 2.0);
    let bucket = r#"blegram_http_request_duration_seconds_bucket{operation="createPost",le="+Inf"}"#;
    assert_eq!(after.get(bucket), 2.0);
    let grows = |name: &str, label: &str| after.sum(name, label) > before.sum(name, label);
    assert!(grows("blegram_db_statements_total", r#"pool="read""#));
    assert!(grows("blegram_db_statements_total", r#"pool="write""#));
    assert!(grows("blegram_db_commits_total", ""));
    assert_eq!(after.get(r#"blegram_cpu_pool_tasks_total{pool="hash"}"#), 1.0);
    assert_eq!(after.get("blegram_http_requests_in_flight"), 0.0);
}

/// Otherwise anyone could fill the memory of the server and of Prometheus.
#[tokio::test]
async fn what_clients_send_creates_no_series() {
    let (site, _process) = site(&[]).await;
    let ann = site.home.sign_up("ann").await;
    let probe = async |number: usize| {
        let stranger = site.home.stranger();
        assert_eq!(stranger.get(&format!("/wp-login-{number}.php")).await.status, 404);
        assert_eq!(stranger.get(&format!("/api/v1/posts/{number}")).await.status, 404);
        let head = stranger.head(&format!("METHOD{number} /api/v1/me"), "");
        assert_eq!(stranger.send(&head).await.unwrap().status, 405);
        let foreign = format!("GET / HTTP/1.1\r\nhost: site-{number}.example\r\n\r\n");
        assert_eq!(stranger.send(&foreign).await.unwrap().status, 400);
        let wrong = json!({ "login": format!("user{number}"), "password": "wrong", "client": "browser" });
        assert_eq!(stranger.post("/api/v1/auth/login", &wrong).await.status, 401);
        traffic::command(&site.home, &ann, &format!("command.{number}")).await;
    };
    probe(0).await;
    let before = site.scrape().await;
    for number in 1..20 {
        probe(number).await;
    }
    let after = site.scrape().await;
    let new: Vec<String> = after.series().difference(&before.series()).cloned().collect();
    assert_eq!(new, [""; 0]);
    assert_eq!(after.get(r#"blegram_http_requests_total{operation="unknown",status="404"}"#), 20.0);
    assert_eq!(after.get(r#"blegram_http_requests_total{operation="unknown",status="405"}"#), 20.0);
    assert_eq!(after.get(r#"blegram_http_requests_total{operation="unknown",status="400"}"#), 20.0);
    let unknown = r#"blegram_gateway_commands_total{command="unknown",outcome="rejected"}"#;
    assert_eq!(after.get(unknown), 20.0);
}

#[tokio::test]
async fn metrics_are_on_their_own_address_only() {
    let (site, _process) = site(&[]).await;
    assert_eq!(site.home.stranger().get("/metrics").await.status, 404);
    assert_eq!(site.get("/api/v1/me", "").await.status, 404);
    assert_eq!(site.get("/healthz", "").await.body, "ok\n");
    assert_eq!(site.get("/readyz", "").await.body, "ready\n");
    let mut client = Client::connect(site.address).await.unwrap();
    let post = format!("POST /metrics HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", site.address);
    client.send(post).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    // A page in the operator's browser that rebinds its name to this address.
    let mut client = Client::connect(site.address).await.unwrap();
    client.send("GET /metrics HTTP/1.1\r\nhost: attacker.example\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 400);
    // None of these is a request to the site: its only ones are the probes of the start.
    assert_eq!(site.scrape().await.sum("blegram_http_requests_total", r#"status="400""#), 0.0);
}

#[tokio::test]
async fn without_the_setting_nothing_listens() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    site.signal(Signal::TERM);
    let ended = site.end().await;
    assert!(!ended.stderr.contains("metrics"), "{ended:?}");
}

#[tokio::test]
async fn token_protects_the_metrics() {
    let (site, _process) = site(&[("BLEGRAM_METRICS__TOKEN", "let-prometheus-in")]).await;
    for fields in
        ["", "authorization: Bearer let-prometheus-i\r\n", "authorization: Basic let-prometheus-in\r\n"]
    {
        let answer = site.get("/metrics", fields).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{fields}");
        assert!(!answer.body.contains("blegram_"), "{answer:?}");
    }
    let answer = site.get("/metrics", "authorization: Bearer let-prometheus-in\r\n").await;
    assert_eq!(answer.status, 200);
    Samples::parse(&answer.body);
    assert_eq!(site.get("/healthz", "").await.status, 200, "probes need no token");
}

#[tokio::test]
async fn address_that_is_not_on_loopback_is_reported() {
    let start = async |settings: &[(&str, &str)]| {
        let home = Home::new(settings);
        let listen = format!("0.0.0.0:{}", free_address().port());
        let home = home.set("BLEGRAM_METRICS__LISTEN", &listen);
        let site = home.serve().await;
        site.signal(Signal::TERM);
        site.end().await.stderr
    };
    let warning = "anyone who reaches this address can read the metrics";
    assert!(start(&[]).await.contains(warning));
    assert!(!start(&[("BLEGRAM_METRICS__TOKEN", "let-prometheus-in")]).await.contains(warning));
}

#[tokio::test]
async fn address_in_use_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new(&[("BLEGRAM_METRICS__LISTEN", &address)]);
    home.run("serve").end().await.assert_failure(&[&address, "metrics.listen"]);
}

/// More scrapes than the listener has connections for: the others wait for their turn.
#[tokio::test]
async fn concurrent_scrapes_are_all_answered() {
    let (site, _process) = site(&[]).await;
    let mut scrapes = JoinSet::new();
    for _ in 0..60 {
        let address = site.address;
        scrapes.spawn(async move {
            let mut client = Client::connect(address).await.unwrap();
            client
                .send(format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"))
                .await;
            client.answer().await
        });
    }
    for answer in scrapes.join_all().await {
        assert_eq!(answer.status, 200);
        assert_eq!(Samples::of_lines(&answer.body).get("blegram_db_up"), 1.0);
    }
}

/// A relay to the PostgreSQL server of the tests, which can be cut.
struct Relay {
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Relay {
    async fn start(server: String) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = socket.accept().await {
                let mut server = TcpStream::connect(&server).await.unwrap();
                connections.spawn(async move { copy_bidirectional(&mut client, &mut server).await });
            }
        });
        Self { address, tasks }
    }

    async fn cut(mut self) {
        self.tasks.shutdown().await;
    }
}

#[tokio::test]
async fn stopped_database_leaves_the_other_series() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (_, rest) = database.url().split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let relay = Relay::start(server.to_owned()).await;
    let url = format!("postgres://postgres@{}/{name}", relay.address);
    let site = Measured::new(Home::new(&[("BLEGRAM_DATABASE__URL", &url)]));
    let _process = site.home.serve().await;
    site.home.sign_up("ann").await;
    let before = site.scrape_until(|samples| samples.get("blegram_db_up") == 1.0).await;
    assert_eq!(before.get("blegram_nodes"), 1.0);
    assert!(before.get("blegram_db_size_bytes") > 1e6);
    assert_eq!(before.get(r#"blegram_jobs{kind="retention"}"#), 1.0);
    assert!(before.get(r#"blegram_db_connections_max{pool="shared"}"#) > 0.0);

    relay.cut().await;
    let after = site.scrape_until(|samples| samples.get("blegram_db_up") == 0.0).await;
    for name in ["blegram_nodes", "blegram_db_size_bytes", "blegram_jobs", "blegram_jobs_oldest_age_seconds"]
    {
        assert!(!after.has(name), "{name}");
    }
    assert_eq!(after.get(r#"blegram_http_requests_total{operation="signUp",status="201"}"#), 1.0);
    assert!(after.has("blegram_db_statements_total") && after.has("process_resident_memory_bytes"));
}
