//! The first start, restarts, and starts that are rejected.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use blegram_persistence::testing::Backend;
use rstest::rstest;
use rstest_reuse::apply;
use rustix::process::Signal;
use serde_json::json;

use crate::client::in_time;

use super::{
    both_databases,
    home::{Home, free_address},
    people::{id, json_fields},
};

fn mode(home: &Home, name: &str) -> u32 {
    fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn connections_over_loopback_are_not_capped_and_foreign_hosts_are_rejected() {
    let home = Home::new(&[("BLEGRAM_LISTENER__MAX_CONNECTIONS_PER_ADDRESS", "1")]);
    let _site = home.serve().await;
    let (mut first, mut second) = (home.connect().await, home.connect().await);
    assert_eq!(first.get("/healthz").await.status, 200);
    assert_eq!(second.get("/healthz").await.status, 200);
    first.send("GET /healthz HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    first.answer().await.assert_problem(400, "malformed-request");
}

#[tokio::test]
async fn first_start_in_an_empty_folder_creates_a_site() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    assert_eq!((mode(&home, "data"), mode(&home, "data/secrets.key")), (0o700, 0o600));
    assert!(home.path("data/blegram.db").exists());

    let url = format!("http://{}", home.address);
    let banner = in_time(async {
        loop {
            let output = site.stdout();
            if output.contains("Stop with Ctrl-C") {
                return output;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    for line in [
        &format!("\n\n  Open        {url}\n"),
        &format!("API         {url}/api/v1\n"),
        &format!("Swagger UI  {url}/docs\n"),
        "Data        SQLite in ./data\n",
    ] {
        assert!(banner.contains(line), "{line:?} is not in {banner:?}");
    }
    assert_eq!(home.stranger().get("/docs").await.status, 200);

    let ann = home.sign_up("ann").await;
    let written = ann.write("the first word #here").await;
    assert_eq!(written.status, 201, "{written:?}");
    let read = home.stranger().get(written.header("location").unwrap()).await;
    assert_eq!(read.json()["text"], "the first word #here");
}

#[rstest]
#[case::empty("serve", &["applied "])]
#[case::with_the_demo_community("serve --demo", &["applied ", "creating the demo community"])]
#[tokio::test]
async fn first_start_logs_only_the_expected_lines(#[case] arguments: &str, #[case] expected: &[&str]) {
    let home = Home::new(&[]);
    let site = home.run(arguments);
    site.prints("Stop with Ctrl-C").await;
    site.signal(Signal::TERM);
    let ended = site.end().await;
    ended.assert_success();
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let expected: Vec<&str> =
        expected.iter().copied().chain(["finishing requests in flight", "stopped"]).collect();
    assert_eq!(lines.len(), expected.len(), "{ended:?}");
    for (line, words) in lines.iter().zip(expected) {
        assert!(line.contains(" INFO ") && line.contains(words), "{words:?} is not in {line:?}");
    }
    assert!(lines[0].ends_with(" migrations"), "{lines:?}");
    let again = home.serve().await;
    again.signal(Signal::TERM);
    let again = again.end().await;
    assert!(!again.stderr.contains("applied "), "nothing is left to apply: {again:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn restart_keeps_posts_sessions_and_csrf_tokens(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    let post = id(&ann.write("still here").await.json());
    let csrf = ann.get("/api/v1/auth/csrf").await.json()["csrf_token"].as_str().unwrap().to_owned();
    site.signal(Signal::TERM);
    site.end().await.assert_success();

    let _site = home.serve().await;
    assert_eq!(ann.posts_of("ann").await, [post]);
    assert_eq!(ann.get("/api/v1/me").await.json()["username"], "ann", "the session stays valid");
    let body = json!({ "text": "by a program" }).to_string();
    for (token, status) in [(csrf.as_str(), 201), ("another", 403)] {
        let fields = format!("x-csrf-token: {token}\r\n{}", json_fields(&body));
        let answer = ann.send(&(ann.bare_head("POST /api/v1/posts", &fields) + &body)).await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn data_dir_is_used_by_one_process_at_a_time() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    let elsewhere = free_address().to_string();
    let home = home.set("BLEGRAM_SERVER__LISTEN", &elsewhere);
    for command in ["serve", "migrate up", "migrate down"] {
        let rejected = home.run(command).end().await;
        rejected.assert_failure(&[
            "another blegram process uses the data directory ./data",
            "stop it",
            "server.data_dir",
        ]);
        assert_eq!(rejected.stdout, "", "{command}");
    }
    home.run("migrate status").end().await.assert_success();
    assert_eq!(home.stranger().get("/readyz").await.status, 200, "the first process still serves");
    site.signal(Signal::KILL);
    site.end().await;
    home.run("migrate up").end().await.assert_success();
}

#[tokio::test]
async fn kubernetes_service_variables_are_logged_in_one_line() {
    let home = Home::new(&[
        ("BLEGRAM_SERVICE_HOST", "10.96.0.17"),
        ("BLEGRAM_SERVICE_PORT", "8080"),
        ("BLEGRAM_PORT", "tcp://10.96.0.17:8080"),
        ("BLEGRAM_PORT_8080_TCP_ADDR", "10.96.0.17"),
        ("BLEGRAM_LOG__FILTER", "info,blegram=debug"),
    ]);
    let site = home.serve().await;
    site.signal(Signal::TERM);
    let ended = site.end().await;
    ended.assert_success();
    let lines: Vec<_> = ended.stderr.lines().filter(|line| line.contains("BLEGRAM_SERVICE_HOST")).collect();
    assert!(lines.len() == 1 && lines[0].contains("BLEGRAM_PORT_8080_TCP_ADDR"), "{ended:?}");
}

#[tokio::test]
async fn listen_address_in_use_is_reported() {
    let home = Home::new(&[]);
    let _other = TcpListener::bind(home.address).unwrap();
    let rejected = home.run("serve").end().await;
    rejected.assert_failure(&["server.listen", &home.address.to_string()]);
    assert!(!rejected.stdout.contains("API"), "no banner without a listener: {rejected:?}");
}
