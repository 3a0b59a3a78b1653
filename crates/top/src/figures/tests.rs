use std::time::Duration;

use super::*;
use crate::{
    readings::{Readings, Scrape},
    samples::Samples,
    testing::{FakeNode, metrics},
};

fn scrape(node: FakeNode, seconds: u32) -> Scrape {
    let samples = Samples::parse(&metrics(node, f64::from(seconds))).unwrap();
    Scrape { at: Duration::from_secs(u64::from(seconds)), samples }
}

fn readings(node: FakeNode) -> Readings {
    // A whole period of the load.
    Readings::between(Some(&scrape(node, 600)), &scrape(node, 660))
}

fn near(value: Option<f64>, expected: f64) {
    let value = value.unwrap();
    assert!((value - expected).abs() <= expected.abs() * 0.01 + 0.02, "{value} is not {expected}");
}

/// A metric that the fake node sends, and no figure has, would be missing in the view.
#[test]
fn every_figure_has_a_value() {
    let figures = serde_json::to_value(Figures::of(&readings(FakeNode::default()))).unwrap();
    let mut missing = Vec::new();
    find_missing("", &figures, &mut missing);
    // A pool has no statements, a use of it no connections.
    missing.retain(|path| !path.starts_with("/database/pools/"));
    assert!(missing.is_empty(), "{missing:?}");
}

fn find_missing(path: &str, value: &serde_json::Value, missing: &mut Vec<String>) {
    match value {
        serde_json::Value::Null => missing.push(path.to_owned()),
        serde_json::Value::Object(fields) if fields.is_empty() => missing.push(path.to_owned()),
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| find_missing(&format!("{path}/{name}"), value, missing));
        }
        _ => {}
    }
}

#[test]
fn figures_are_those_of_the_metrics() {
    let figures = Figures::of(&readings(FakeNode::default()));
    assert_eq!(figures.identity.node.as_deref(), Some("seoul-1"));
    assert_eq!(figures.identity.database.as_deref(), Some("postgres"));
    near(figures.process.cpu, 0.62);
    near(figures.requests.statuses.map(|statuses| statuses.all), 1349.0);
    let post = &figures.operations["getPost"];
    near(Some(post.statuses.all), 310.0);
    near(Some(post.statuses.client_errors), 9.3);
    near(Some(figures.operations["search"].statuses.server_errors), 0.31);
    near(Some(figures.operations["uploadMedia"].statuses.closed), 0.35);
    let latency = post.latency.as_ref().unwrap();
    near(Some(latency.rate), 310.0);
    assert!(latency.p50.unwrap().seconds < latency.p99.unwrap().seconds);
    let pool = &figures.database.pools["shared"];
    assert_eq!((pool.busy, pool.max, pool.waiting), (Some(8.0), Some(8.0), Some(2.0)));
    near(figures.database.pools["read"].statements, 2310.0);
    near(figures.rate_limited.get("reactions_per_user").copied(), 2.5);
    let command = figures.gateway.commands["subscribe"];
    near(Some(command.ok), 3.0);
    near(Some(command.failed), 0.1);
    assert_eq!(figures.cpu_pools["image"].queued, Some(14.0));
    assert_eq!(figures.jobs["provider_unlink"].oldest_seconds, Some(754.0));
    near(figures.jobs["mail"].runs.get("done").copied(), 0.6);
}

#[test]
fn sum_of_nodes_counts_what_they_share_once() {
    let nodes = [
        readings(FakeNode::default()),
        readings(FakeNode { name: "seoul-2", share: 0.5, database: "sqlite", ..FakeNode::default() }),
    ];
    let figures = Figures::sum(&nodes);
    near(figures.requests.statuses.map(|statuses| statuses.all), 1349.0 * 1.5);
    assert_eq!(figures.gateway.sockets, Some(1806.0));
    assert_eq!(
        (figures.jobs["provider_unlink"].due, figures.jobs["provider_unlink"].queued),
        (Some(9.0), Some(10.0))
    );
    assert_eq!(figures.nodes, Some(3.0));
    assert_eq!(figures.database.size_bytes, Some(4_831_838_208.0));
    assert_eq!(figures.bus.connected, Some(Switch { on: 2.0, of: 2.0 }));
    let identity =
        Identity { version: Some("0.1.0".into()), bus: Some("redis".into()), ..Identity::default() };
    assert_eq!(figures.identity, identity);
    let one = Figures::sum(&nodes[..1]);
    assert_eq!(one, Figures::of(&nodes[0]));
}

#[test]
fn nothing_is_invented_for_a_node_that_reports_nothing() {
    assert_eq!(Figures::of(&Readings::default()), Figures::default());
    assert_eq!(Figures::sum(&[]), Figures::default());
}
