//! The reference, the dashboard and the alerts, against the output of a site that has served traffic of every kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use promql_parser::{
    parser::{self, Expr},
    util::{ExprVisitor, walk_expr},
};
use serde_json::Value;

use super::{Samples, name_of, site, traffic};

/// The labels that Prometheus adds to every series.
const ADDED: [&str; 2] = ["job", "instance"];

/// The series that Prometheus makes itself.
const OF_PROMETHEUS: &str = "up";

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The names of all labels of each metric.
fn labels(samples: &Samples) -> BTreeMap<String, BTreeSet<String>> {
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for series in samples.0.keys() {
        let own = series.split_once('{').map(|(_, rest)| rest).unwrap_or_default();
        // Label values contain neither `=` nor `,`.
        let names = own.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.to_owned());
        labels.entry(name_of(series).to_owned()).or_default().extend(names);
    }
    labels
}

/// Collects what a query names.
#[derive(Default)]
struct Named {
    /// The metrics, with the labels of their matchers.
    metrics: Vec<(String, Vec<String>)>,
    /// The labels of `by`, `on` and `group_left`.
    labels: Vec<String>,
}

impl ExprVisitor for Named {
    type Error = String;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, String> {
        let selector = match expr {
            Expr::VectorSelector(selector) => Some(selector),
            Expr::MatrixSelector(selector) => Some(&selector.vs),
            _ => None,
        };
        if let Some(selector) = selector {
            let name = selector.name.clone().ok_or("a selector without a name")?;
            let labels = selector.matchers.matchers.iter().map(|matcher| matcher.name.clone()).collect();
            self.metrics.push((name, labels));
        }
        if let Expr::Aggregate(aggregate) = expr
            && let Some(modifier) = &aggregate.modifier
        {
            self.labels.extend(modifier.labels().labels.iter().cloned());
        }
        Ok(true)
    }
}

/// What is wrong with a query; empty if nothing is.
fn check(query: &str, known: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let concrete =
        query.replace("$__rate_interval", "5m").replace("$job", "blegram").replace("$instance", ".*");
    let expr = match parser::parse(&concrete) {
        Ok(expr) => expr,
        Err(error) => return vec![format!("{query}: {error}")],
    };
    let mut named = Named::default();
    if let Err(error) = walk_expr(&mut named, &expr) {
        return vec![format!("{query}: {error}")];
    }
    let mut wrong = Vec::new();
    let mut available: BTreeSet<&str> = ADDED.into();
    for (name, matchers) in &named.metrics {
        if name == OF_PROMETHEUS {
            continue;
        }
        let Some(labels) = known.get(name) else {
            wrong.push(format!("{query}: there is no metric {name}"));
            continue;
        };
        available.extend(labels.iter().map(String::as_str));
        let missing =
            matchers.iter().filter(|label| !ADDED.contains(&label.as_str()) && !labels.contains(*label));
        wrong.extend(missing.map(|label| format!("{query}: {name} has no label {label}")));
    }
    let missing = named.labels.iter().filter(|label| !available.contains(label.as_str()));
    wrong.extend(missing.map(|label| format!("{query}: no metric has a label {label}")));
    wrong
}

fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            Value::String(query) if name == "expr" => found.push(query.clone()),
            value => queries(value, found),
        }),
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

/// The names in the first column of the tables of the reference, and whether each is a histogram.
fn documented() -> BTreeMap<String, bool> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, rest)| (name.to_owned(), rest.starts_with("histogram"))).collect()
}

#[tokio::test]
async fn reference_dashboard_and_alerts_match_the_output() {
    let (site, _process) = site(&[]).await;
    traffic::use_everything(&site.home).await;
    let done = |samples: &Samples| {
        samples.sum("blegram_jobs_finished_total", r#"kind="erase-account",outcome="done""#) > 0.0
    };
    let samples = site.scrape_until(done).await;

    // Every documented metric is served, and every metric that is served is documented.
    let documented = documented();
    assert!(documented.len() > 50, "{documented:?}");
    let served: BTreeSet<String> = samples.0.keys().map(|series| name_of(series).to_owned()).collect();
    let expected: BTreeSet<String> = documented
        .iter()
        .flat_map(|(name, is_histogram)| match is_histogram {
            true => ["_bucket", "_sum", "_count"].map(|ending| format!("{name}{ending}")).to_vec(),
            false => vec![name.clone()],
        })
        .collect();
    assert_eq!(served, expected);

    let known = labels(&samples);
    let mut dashboard = Vec::new();
    queries(&serde_json::from_str(&read("deploy/grafana/blegram.json")).unwrap(), &mut dashboard);
    assert!(dashboard.len() > 60, "{}", dashboard.len());
    let rules: Value = serde_saphyr::from_str(&read("deploy/prometheus/alerts.yaml")).unwrap();
    let mut alerts = Vec::new();
    queries(&rules, &mut alerts);
    assert!(alerts.len() > 10, "{}", alerts.len());
    let wrong: Vec<String> = dashboard.iter().chain(&alerts).flat_map(|query| check(query, &known)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Every metric is on the dashboard or has an alert.
    let text = [dashboard, alerts].concat().join("\n");
    let unused: Vec<&String> = documented.keys().filter(|name| !text.contains(name.as_str())).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// The check itself finds what it is for.
#[test]
fn wrong_queries_are_found() {
    let known = labels(&Samples::of_lines("a_total{x=\"1\",y=\"2\"} 1\nb 2\n"));
    for (query, fault) in [
        ("sum(rate(a_total[5m])) by (x) + b", None),
        ("a_total{job=~\"$job\",x=\"1\"} > 0", None),
        ("c", Some("there is no metric c")),
        ("sum(a_total{z=\"1\"})", Some("a_total has no label z")),
        ("rate(b{x=\"1\"}[$__rate_interval])", Some("b has no label x")),
        ("sum by (z) (a_total)", Some("no metric has a label z")),
        ("sum(a_total", Some("sum(a_total")),
        ("{x=\"1\"}", Some("without a name")),
    ] {
        let wrong = check(query, &known);
        match fault {
            None => assert!(wrong.is_empty(), "{wrong:?}"),
            Some(fault) => assert!(wrong.len() == 1 && wrong[0].contains(fault), "{query}: {wrong:?}"),
        }
    }
}
