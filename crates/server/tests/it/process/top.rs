//! `blegram top` in a terminal, in a pipe, and with nodes that do not answer.

use std::{
    os::unix::process::ExitStatusExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use blegram_persistence::testing::Backend;
use blegram_top::testing::{Answer, Exporter, FakeNode, PseudoTerminal, metrics};
use rstest_reuse::apply;
use rustix::{
    process::{Pid, Signal, kill_process},
    termios::LocalModes,
};
use serde_json::Value;

use super::{
    both_databases,
    home::{Home, free_address},
};

const BLEGRAM: &str = env!("CARGO_BIN_EXE_blegram");
/// In which a terminal prints what is typed and reads whole lines.
const USUAL_MODE: LocalModes = LocalModes::ECHO.union(LocalModes::ICANON).union(LocalModes::ISIG);

/// A node that has run for a minute longer at each scrape.
fn busy(node: FakeNode) -> Exporter {
    let minutes = |number| f64::from(u32::try_from(number).unwrap()) * 60.0;
    Exporter::start(move |number| Answer::Text(metrics(node, minutes(number)))).unwrap()
}

fn top(exporters: &[&Exporter], size: (u16, u16)) -> PseudoTerminal {
    let urls: Vec<_> = exporters.iter().map(|exporter| exporter.address().to_string()).collect();
    let mut arguments = vec!["top", "--interval", "0.2"];
    arguments.extend(urls.iter().flat_map(|url| ["--url", url.as_str()]));
    PseudoTerminal::start(BLEGRAM, &arguments, size, &[]).unwrap()
}

#[track_caller]
fn assert_restored(terminal: &PseudoTerminal) {
    assert!(!terminal.is_taken(), "{terminal:?}");
    assert!(terminal.mode().unwrap().local_modes.contains(USUAL_MODE));
}

#[test]
fn top_displays_a_node_until_a_key_quits() {
    let mut terminal = top(&[&busy(FakeNode::default())], (80, 24));
    // The second scrape brings rates.
    let text = terminal.wait_for(|text| text.contains("getPublicTimeline") && text.contains("max "));
    for words in ["  0.1.0  up ", "every 0.2 s", "PostgreSQL", "Requests", "p99", "sockets 1,204"] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(terminal.is_taken());
    assert!(!terminal.mode().unwrap().local_modes.intersects(USUAL_MODE));
    assert!(terminal.has_colours());

    terminal.press("5").unwrap();
    let _ = terminal.wait_for(|text| text.contains("provider_unlink") && text.contains("12 min 34 s"));
    terminal.press("\t").unwrap();
    let _ = terminal.wait_for(|text| text.contains("State") && text.contains("up"));
    terminal.press("+").unwrap();
    let _ = terminal.wait_for(|text| text.contains("every 0.5 s"));
    terminal.press("?").unwrap();
    let _ = terminal.wait_for(|text| text.contains("pause and resume"));
    terminal.press("xp").unwrap();
    let _ = terminal.wait_for(|text| text.contains("paused") && !text.contains("pause and resume"));
    terminal.press("q").unwrap();
    assert_eq!(terminal.wait().unwrap().code(), Some(0));
    assert_restored(&terminal);
}

#[test]
fn top_restores_the_terminal_after_every_signal_and_ctrl_c() {
    let node = busy(FakeNode::default());
    for signal in [None, Some(Signal::TERM), Some(Signal::INT), Some(Signal::HUP)] {
        let mut terminal = top(&[&node], (80, 24));
        let _ = terminal.wait_for(|text| text.contains("Requests"));
        match signal {
            None => terminal.press("\u{3}").unwrap(),
            Some(signal) => kill_process(Pid::from_child(terminal.child()), signal).unwrap(),
        }
        let status = terminal.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{signal:?}");
        assert_restored(&terminal);
    }
}

#[test]
fn top_fits_every_size_and_wide_names() {
    let node = FakeNode { name: "서울-데이터센터-2", share: 0.5, ..FakeNode::default() };
    let mut terminal = top(&[&busy(FakeNode::default()), &busy(node)], (120, 40));
    let _ = terminal.wait_for(|text| text.contains("2 nodes") && text.contains("log lines dropped"));
    terminal.press("6").unwrap();
    let text = terminal.wait_for(|text| text.contains("서울-데이터센터-2") && text.contains("seoul-1"));
    assert!(text.contains("서울-데이터센터-2  0.1.0") && text.contains("seoul-1            0.1.0"), "{text}");
    for (columns, rows) in [(40, 10), (12, 3), (1, 1), (80, 24)] {
        terminal.resize(columns, rows).unwrap();
        if columns > 1 {
            let _ = terminal
                .wait_for(|text| text.contains("blegram") && text.lines().count() <= usize::from(rows));
        }
    }
    let _ = terminal.wait_for(|text| text.contains("State") && text.contains("6 Nodes"));
    terminal.press("q").unwrap();
    assert!(terminal.wait().unwrap().success());
}

#[test]
fn top_reports_a_node_that_stops_answering_and_goes_on_when_it_is_back() {
    let is_away = Arc::new(AtomicBool::new(false));
    let answer = {
        let is_away = Arc::clone(&is_away);
        move |number| match is_away.load(Ordering::Relaxed) {
            true => Answer::Close,
            false => {
                Answer::Text(metrics(FakeNode::default(), f64::from(u32::try_from(number).unwrap()) * 60.0))
            }
        }
    };
    let node = Exporter::start(answer).unwrap();
    let mut terminal = top(&[&node], (80, 24));
    let _ = terminal.wait_for(|text| text.contains("getPost"));
    is_away.store(true, Ordering::Relaxed);
    let text = terminal.wait_for(|text| text.contains(&format!("{}: no metrics", node.address())));
    assert!(text.contains("getPost"), "the last figures stay: {text}");
    is_away.store(false, Ordering::Relaxed);
    let _ = terminal.wait_for(|text| !text.contains("no metrics") && text.contains("getPost"));
    terminal.press("q").unwrap();
    assert!(terminal.wait().unwrap().success());
}

#[test]
fn top_waits_for_a_node_that_is_not_there_yet() {
    let address = free_address();
    let arguments = ["top", "--interval", "0.2", "--url", &address.to_string()];
    let mut terminal = PseudoTerminal::start(BLEGRAM, &arguments, (80, 24), &[]).unwrap();
    let _ = terminal.wait_for(|text| text.contains("Connection refused") && text.contains("Trying again"));
    let _node = Exporter::start_on(address, |_| Answer::Text(metrics(FakeNode::default(), 60.0))).unwrap();
    let _ = terminal.wait_for(|text| text.contains("sockets 1,204"));
    terminal.press("q").unwrap();
    assert!(terminal.wait().unwrap().success());
}

#[test]
fn top_uses_no_colours_where_they_are_not_wanted() {
    let node = busy(FakeNode::default());
    let url = node.address().to_string();
    let arguments = ["top", "--url", &url];
    let mut terminal = PseudoTerminal::start(BLEGRAM, &arguments, (80, 24), &[("NO_COLOR", "1")]).unwrap();
    let _ = terminal.wait_for(|text| text.contains("Requests"));
    assert!(!terminal.has_colours());
    terminal.press("q").unwrap();
    assert!(terminal.wait().unwrap().success());
}

#[test]
fn top_prints_a_snapshot_on_a_terminal_that_cannot_place_text() {
    let url = busy(FakeNode::default()).address().to_string();
    let arguments = ["top", "--interval", "0.2", "--url", &url];
    let mut terminal = PseudoTerminal::start(BLEGRAM, &arguments, (80, 24), &[("TERM", "dumb")]).unwrap();
    assert!(terminal.wait().unwrap().success());
    assert!(terminal.text().contains("provider_unlink"), "{terminal:?}");
}

#[tokio::test]
async fn top_prints_a_snapshot_into_a_pipe() {
    let home = Home::new(&[]);
    let node = busy(FakeNode { name: "서울-1", ..FakeNode::default() });
    let url = node.address().to_string();
    let snapshot = home.run(&format!("top --interval 0.2 --url {url}")).end().await;
    snapshot.assert_success();
    assert!(!snapshot.stdout.contains('\u{1b}'), "{snapshot:?}");
    for words in ["  0.1.0  up ", "getPost", "Database connections", "withheld", "provider_unlink"] {
        assert!(snapshot.stdout.contains(words), "{words:?} is not in {}", snapshot.stdout);
    }
    let snapshot = home.run(&format!("top --json --interval 0.2 --url {url}")).end().await;
    snapshot.assert_success();
    let json: Value = serde_json::from_str(&snapshot.stdout).unwrap();
    assert!(json["site"]["requests"]["statuses"]["all"].as_f64().unwrap() > 0.0, "{json}");
    assert_eq!(json["nodes"][0]["figures"]["identity"]["node"], "서울-1");
    assert_eq!(json["nodes"][0]["error"], Value::Null);
    // Two scrapes each.
    assert_eq!(node.requests().len(), 4);
}

#[tokio::test]
async fn snapshot_fails_if_a_node_does_not_answer() {
    let home = Home::new(&[]);
    let (node, away) = (busy(FakeNode::default()), free_address());
    let url = node.address();
    let snapshot = home.run(&format!("top --once --interval 0.2 --url {url} --url {away}")).end().await;
    snapshot.assert_failure(&[&format!("{away}: no metrics"), "Connection refused"]);
    assert!(snapshot.stdout.contains("1 of 2 nodes") && snapshot.stdout.contains("getPost"), "{snapshot:?}");
    let none = home.run(&format!("top --once --url {away}")).end().await;
    none.assert_failure(&["Connection refused"]);
    assert_eq!(none.stdout, "");
}

#[tokio::test]
async fn top_explains_what_is_wrong_with_an_address() {
    let home = Home::new(&[]);
    let elsewhere = Exporter::start(|_| Answer::Text(metrics(FakeNode::default(), 1.0))).unwrap();
    let target = format!("http://{}/metrics", elsewhere.address());
    let cases = [
        (Answer::Text("<!doctype html>".to_owned()), "no metrics: line 1"),
        (Answer::Text("go_goroutines 7\n".to_owned()), "not those of blegram"),
        (Answer::Text(String::new()), "not those of blegram"),
        (Answer::Status(404), "is this the address of the setting metrics.listen"),
        (Answer::Status(401), "--token"),
        (Answer::Redirect(target), "status 302"),
        (Answer::Endless, "larger than 8 MiB"),
        (Answer::Silence, "no answer within 5 s"),
    ];
    for (answer, words) in cases {
        let exporter = Exporter::start(move |_| answer.clone()).unwrap();
        let snapshot = home.run(&format!("top --once --url {}", exporter.address())).end().await;
        snapshot.assert_failure(&[words]);
        assert_eq!(exporter.requests().len(), 1, "{words}");
    }
    assert_eq!(elsewhere.requests().len(), 0, "the token is for one address");
    for arguments in ["top --url ftp://node", "top --interval 0", "top --interval NaN", "top --interval 1e9"]
    {
        assert_eq!(home.run(arguments).end().await.code, Some(2), "{arguments}");
    }
}

#[tokio::test]
async fn public_address_of_a_site_has_no_metrics_and_top_explains_that() {
    let home = Home::new(&[]);
    let _site = home.serve().await;
    let snapshot = home.run(&format!("top --once --url {}", home.address)).end().await;
    snapshot.assert_failure(&["metrics.listen"]);
}

#[tokio::test]
async fn token_is_sent_and_never_printed() {
    let home = Home::new(&[("BLEGRAM_METRICS__TOKEN", "hunter2")]);
    let exporter = Exporter::start(|_| Answer::Status(403)).unwrap();
    for (arguments, secret) in [("", "hunter2"), (" --token hunter3", "hunter3")] {
        let snapshot = home.run(&format!("top --once --url {}{arguments}", exporter.address())).end().await;
        snapshot.assert_failure(&["rejects the token (status 403)"]);
        assert!(!snapshot.stderr.contains("hunter"), "{snapshot:?}");
        let requests = exporter.requests();
        assert!(
            requests.last().unwrap().contains(&format!("authorization: Bearer {secret}")),
            "{requests:?}"
        );
    }
    // The token of the configuration is for the node of the configuration.
    let configured = Home::new(&[]);
    std::fs::write(configured.path("blegram.toml"), "metrics.token = 'hunter4'").unwrap();
    configured.run(&format!("top --once --url {}", exporter.address())).end().await.assert_failure(&["403"]);
    assert!(!exporter.requests().last().unwrap().contains("authorization"), "{:?}", exporter.requests());
    let help = home.run("top --help").end().await;
    assert!(help.stdout.contains("BLEGRAM_METRICS__TOKEN") && !help.stdout.contains("hunter"), "{help:?}");
}

/// A proxy with TLS, with a certificate that the system trusts.
#[tokio::test]
async fn top_reads_metrics_over_https() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let home = Home::new(&[]);
    std::fs::write(home.path("ca.pem"), authority.cert.pem()).unwrap();
    let key = authority.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![authority.cert.der().clone()], key)
        .unwrap();
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate ends the handshake.
            let Ok(mut stream) = tls.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let text = metrics(FakeNode::default(), 60.0);
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
            let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    };
    let client = async {
        let run =
            |home: &Home| home.run(&format!("top --once --interval 0.2 --url https://localhost:{port}"));
        run(&home).end().await.assert_failure(&["certificate"]);
        let home = home.set("SSL_CERT_FILE", "ca.pem");
        let snapshot = run(&home).end().await;
        snapshot.assert_success();
        assert!(snapshot.stdout.contains("sockets 1,204"), "{snapshot:?}");
    };
    tokio::select! {
        () = client => {}
        () = server => {}
    }
}

#[tokio::test]
async fn top_without_an_address_names_the_setting() {
    let home = Home::new(&[]);
    home.run("top --once").end().await.assert_failure(&["metrics.listen", "--url"]);
    let home = home.set("BLEGRAM_METRICS__LISTEN", "127.0.0.1:0");
    home.run("top --once").end().await.assert_failure(&["port 0", "--url"]);
}

/// The names of the metrics are the same on both sides, and a configured node needs no arguments.
#[apply(both_databases)]
#[tokio::test]
async fn top_displays_the_node_of_the_configuration(#[case] backend: Backend) {
    let listen = free_address().to_string();
    let settings = [("BLEGRAM_METRICS__LISTEN", listen.as_str()), ("BLEGRAM_METRICS__TOKEN", "hunter2")];
    let home = Home::on(backend, &settings).await;
    let _site = home.serve().await;
    home.sign_up("ann").await;
    let mut snapshot = home.run("top --json --interval 0.5");
    // Without a pause, so that there are some between both scrapes.
    let stranger = home.stranger();
    while !snapshot.has_ended() {
        stranger.get("/api/v1/timelines/public").await;
    }
    let snapshot = snapshot.end().await;
    snapshot.assert_success();
    let json: Value = serde_json::from_str(&snapshot.stdout).unwrap();
    let site = &json["site"];
    let missing = missing(site);
    assert!(missing.is_empty(), "{missing:?} in {site:#}");
    assert!(site["operations"]["getPublicTimeline"]["statuses"]["all"].as_f64().unwrap() > 0.0, "{site:#}");
    assert!(site["operations"]["getPublicTimeline"]["latency"]["p99"].as_f64().unwrap() > 0.0, "{site:#}");
    assert_eq!(site["database"]["answers"]["on"], 1.0);
    assert_eq!(site["nodes"], 1.0);
    let database = if backend == Backend::Sqlite { "sqlite" } else { "postgres" };
    assert_eq!(site["identity"]["database"], database);
}

/// The figures that the node does not report. Quantiles are missing where nothing was measured, and so are labels that
/// occur later.
fn missing(site: &Value) -> Vec<String> {
    fn find(path: &str, value: &Value, missing: &mut Vec<String>) {
        let is_quantile = ["/p50", "/p95", "/p99"].iter().any(|end| path.ends_with(end));
        match value {
            Value::Null if !is_quantile => missing.push(path.to_owned()),
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| find(&format!("{path}/{name}"), value, missing));
            }
            _ => {}
        }
    }
    let mut missing = Vec::new();
    find("", site, &mut missing);
    // A pool on PostgreSQL has no statements, a use of it no connections.
    missing.retain(|path| !path.starts_with("/database/pools/"));
    // Jobs of a kind that this version does not know are counted, but not run.
    missing.retain(|path| path != "/jobs/unknown/duration");
    for (group, field) in
        [("database", "pools"), ("gateway", "commands"), ("gateway", "events"), ("gateway", "drops")]
    {
        if site[group][field].as_object().is_none_or(serde_json::Map::is_empty) {
            missing.push(format!("/{group}/{field}"));
        }
    }
    for field in ["operations", "cpu_pools", "jobs"] {
        if site[field].as_object().is_none_or(serde_json::Map::is_empty) {
            missing.push(format!("/{field}"));
        }
    }
    missing
}
