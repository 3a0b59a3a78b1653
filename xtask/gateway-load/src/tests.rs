//! Runs each scenario against a fake server without faults, and against one with the fault that the scenario detects.

use clap::Parser as _;
use serde_json::Value;

use crate::{
    Cli, Report, Scenario, Setup, chat,
    fake::{FakeServer, Fault},
    feed, idle,
};

/// Runs a command line against a new fake server. Returns the JSON report and the failure.
async fn run(fault: Fault, line: &str) -> (Value, Option<String>) {
    let fake = FakeServer::start(fault).await;
    let (report, failure) = run_at(&fake, line).await;
    (report, failure)
}

async fn run_at(fake: &FakeServer, line: &str) -> (Value, Option<String>) {
    let line = format!("gateway-load --url {} --addresses 3 --pid {} {line}", fake.url(), std::process::id());
    let cli = Cli::parse_from(line.split(' '));
    let setup = Setup::new(&cli.common).await.unwrap();
    match &cli.scenario {
        Scenario::Idle(options) => results(&idle::run(&setup, options).await.unwrap()),
        Scenario::Fanout(options) => results(&feed::fanout(&setup, options).await.unwrap()),
        Scenario::Direct(options) => results(&chat::direct(&setup, options).await.unwrap()),
        Scenario::Send(options) => results(&chat::send(&setup, options).await.unwrap()),
        Scenario::Slow(options) => results(&feed::slow(&setup, options).await.unwrap()),
    }
}

fn results(report: &impl Report) -> (Value, Option<String>) {
    assert!(!report.to_string().is_empty());
    (serde_json::to_value(report).unwrap(), report.failure())
}

#[tokio::test]
async fn idle_connections_answer_pings_and_stay_open() {
    let (report, failure) = run(Fault::None, "idle --sockets 30 --users 4 --hold 1").await;
    assert_eq!((failure, &report["open"], &report["opening"]["retried"]), (None, &30.into(), &0.into()));
    assert!(report["pings"].as_u64().unwrap() >= 30, "{report}");
    assert!(report["rss_before"].as_u64().unwrap() > 1 << 20, "{report}");
}

#[tokio::test]
async fn ended_connections_are_counted_by_close_code() {
    let (report, failure) = run(Fault::ExpireToken, "idle --sockets 5 --users 1 --hold 1").await;
    assert_eq!(report["closed"]["4001"], 5);
    assert_eq!(failure.unwrap(), "5 connections ended");
}

#[tokio::test]
async fn rejected_handshake_is_retried_later() {
    let fake = FakeServer::start(Fault::RejectHandshake).await;
    let (report, failure) = run_at(&fake, "idle --sockets 2 --users 1 --hold 0").await;
    assert_eq!((failure, &report["open"]), (None, &2.into()));
    assert_eq!(report["opening"]["retried"], fake.handshakes() - 2);
    assert!(fake.handshakes() > 2);
}

#[tokio::test]
async fn fanout_waits_for_each_post_on_each_connection() {
    let (report, failure) = run(Fault::None, "fanout --sockets 20 --users 3 --posts 4 --every 10").await;
    let round = &report["round"];
    assert_eq!((failure, &round["every"]["count"], &round["last"]["count"]), (None, &80.into(), &4.into()));
    assert!(round["first"]["max_ms"].as_f64() <= round["last"]["max_ms"].as_f64(), "{report}");
}

#[tokio::test]
async fn fanout_reports_missing_and_duplicate_posts() {
    let line = "fanout --sockets 5 --users 1 --posts 3 --every 10 --limit 200";
    let (_, failure) = run(Fault::LosePost, line).await;
    assert_eq!(failure.unwrap(), "1 frames missing, 0 duplicated, 0 connections ended");
    let (_, failure) = run(Fault::DoublePost, line).await;
    assert_eq!(failure.unwrap(), "0 frames missing, 1 duplicated, 0 connections ended");
}

#[tokio::test]
async fn direct_message_is_timed_at_sender_and_recipient() {
    let (report, failure) = run(Fault::None, "direct --messages 7").await;
    assert_eq!((failure, &report["ack"]["count"], &report["created"]["count"]), (None, &7.into(), &7.into()));
}

#[tokio::test]
async fn acknowledged_messages_are_checked_after_the_run() {
    let line = "send --conversations 3 --in-flight 2 --seconds 1";
    let (report, failure) = run(Fault::None, line).await;
    assert_eq!((failure, &report["stored"]["listed"]), (None, &report["acked"]));
    assert_eq!((&report["delivered"], &report["sent"]), (&report["acked"], &report["acked"]));
    assert!(report["ack"]["count"].as_u64().unwrap() > 0, "{report}");
    let (report, failure) = run(Fault::LoseMessage, line).await;
    assert_eq!((&report["stored"]["lost"], failure.is_some()), (&1.into(), true));
    let (report, failure) = run(Fault::DoubleMessage, line).await;
    assert_eq!((&report["stored"]["duplicated"], failure.is_some()), (&1.into(), true));
}

#[tokio::test]
async fn rejected_messages_are_counted_by_code() {
    let (report, failure) = run(Fault::RateLimit, "send --conversations 1 --in-flight 2 --seconds 1").await;
    let rejected = report["rejected"]["rate-limited"].as_u64().unwrap();
    assert_eq!(
        (failure, report["sent"].as_u64().unwrap()),
        (None, report["acked"].as_u64().unwrap() + rejected)
    );
    assert!(rejected > 1, "{report}");
}

#[tokio::test]
async fn stalled_connections_are_closed_by_the_server() {
    let line = "slow --sockets 12 --stalled 2 --users 2 --posts 60 --every 1 --text 40000 --wait 20";
    let (report, failure) = run(Fault::None, line).await;
    assert_eq!((failure, &report["without"]["every"]["count"]), (None, &600.into()));
    assert_eq!(report["with"]["every"]["count"], 600);
    assert_eq!(report["stalled"]["closed"], 2, "{report}");
    assert_eq!(report["stalled"]["close_codes"]["reset or cut off"], 2, "{report}");
}
