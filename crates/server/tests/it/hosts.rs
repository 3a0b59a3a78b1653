//! The listener and `Host`: which requests it rejects, and for which hosts.

use std::sync::Arc;

use blegram_http::{Site, listener::Listener};
use poem::{Request, endpoint::make};

use crate::client::{Server, limits, listener, site};

/// Starts a server at `address` whose responses have the path of their request.
async fn server(address: &str, site: Site) -> Server {
    let endpoint = make(|request: Request| async move { request.uri().path().to_owned() });
    Server::start_at(address, Listener { site: Arc::new(site), ..listener(limits()) }, endpoint).await
}

fn local_site() -> Site {
    Site {
        public_url: "https://forum.example:8443/base".to_owned(),
        origins: ["https://forum.example:8443", "https://other.example", "capacitor://app"]
            .map(Into::into)
            .into(),
        trusted_proxies: vec!["127.0.0.7/32".parse().unwrap()],
    }
}

/// They never reach the layer that adds these headers to other responses.
#[tokio::test]
async fn rejections_of_the_listener_have_security_headers() {
    for (public_url, hsts) in [("https://forum.example", true), ("http://127.0.0.1:8080", false)] {
        let site = Site { public_url: public_url.to_owned(), ..local_site() };
        let server = server("0.0.0.0:0", site).await;
        let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(limits().max_head_bytes));
        for (head, status) in [("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400), (long.as_str(), 431)] {
            let mut client = server.connect().await;
            client.send(head).await;
            let answer = client.answer().await;
            assert_eq!(answer.status, status);
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cache-control", "no-store"),
                (
                    "content-security-policy",
                    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                ),
            ] {
                assert_eq!(answer.header(name), Some(value), "{status} {name}");
            }
            let transport = answer.header("strict-transport-security");
            assert_eq!(transport, hsts.then_some("max-age=63072000; includeSubDomains"), "{status}");
        }
    }
}

#[tokio::test]
async fn request_needs_exactly_one_valid_host() {
    let server = server("0.0.0.0:0", site()).await;
    let rejected = [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost:\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nHost: b\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n",
        "GET / HTTP/1.0\r\nhost:\r\n",
        "GET / HTTP/1.1\r\nhost: a b\r\n",
        "GET / HTTP/1.1\r\nhost: a, b\r\n",
        "GET / HTTP/1.1\r\nhost: a/b\r\n",
        "GET / HTTP/1.1\r\nhost: http://a\r\n",
        "GET / HTTP/1.1\r\nhost: ann@a\r\n",
        "GET / HTTP/1.1\r\nhost: a:b\r\n",
        "GET / HTTP/1.1\r\nhost: a:80:80\r\n",
        "GET / HTTP/1.1\r\nhost: a:65536\r\n",
        "GET / HTTP/1.1\r\nhost: :80\r\n",
        "GET / HTTP/1.1\r\nhost: ::1\r\n",
        "GET / HTTP/1.1\r\nhost: [::1\r\n",
        "GET / HTTP/1.1\r\nhost: [::1]80\r\n",
        "GET / HTTP/1.1\r\nhost: [a]\r\n",
        "GET / HTTP/1.1\r\nhost: a%zz\r\n",
        "GET / HTTP/1.1\r\nhost: \u{e9}\r\n",
        "GET http://a/ HTTP/1.1\r\n",
        "GET http://a/ HTTP/1.1\r\nhost: a b\r\n",
        "GET http://ann@a/ HTTP/1.1\r\nhost: a\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 4\r\n",
        "GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
    ];
    for head in rejected {
        let mut client = server.connect().await;
        client.send(format!("{head}\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{head}");
        answer.assert_problem(400, "malformed-request");
        client.closed().await;
    }
    let accepted = [
        "GET / HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost: A-b_c.example.:8080\r\n",
        "GET / HTTP/1.1\r\nhost: a:\r\n",
        "GET / HTTP/1.1\r\nhost: xn--bj0bj06e.example\r\n",
        "GET / HTTP/1.1\r\nhost: a%2Fb\r\n",
        "GET / HTTP/1.1\r\nhost: 192.0.2.1:80\r\n",
        "GET / HTTP/1.1\r\nhost: [2001:db8::1]:80\r\n",
        "GET http://b:80/ HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.0\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\n",
    ];
    for head in accepted {
        let mut client = server.connect().await;
        client.send(format!("{head}\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "/"), "{head}");
    }
}

#[tokio::test]
async fn server_on_loopback_rejects_hosts_that_it_does_not_know() {
    let server = server("127.0.0.1:0", local_site()).await;
    let known = [
        "localhost",
        "LocalHost:8080",
        "localhost.",
        "app.localhost",
        "127.0.0.1:8080",
        "192.0.2.1",
        "[::1]:8080",
        "forum.example",
        "FORUM.example:8443",
        "forum.example.:80",
        "other.example",
        "app",
    ];
    let foreign = [
        "evil.example",
        "evil.example:8080",
        "notlocalhost",
        "localhost.evil.example",
        "x.forum.example",
        "127.1",
    ];
    for (host, is_known) in
        known.map(|host| (host, true)).into_iter().chain(foreign.map(|host| (host, false)))
    {
        let heads = [
            format!("GET /a HTTP/1.1\r\nhost: {host}\r\n"),
            format!("GET /a HTTP/1.0\r\nhost: {host}\r\n"),
            format!("GET /a HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n"),
            // The host in the target counts.
            format!("GET http://{host}/a HTTP/1.1\r\nhost: localhost\r\n"),
            format!("GET http://{host}/a HTTP/1.1\r\nhost: evil.example\r\n"),
        ];
        for head in heads {
            let mut client = server.connect().await;
            client.send(format!("{head}\r\n")).await;
            let answer = client.answer().await;
            if is_known {
                assert_eq!((answer.status, answer.body.as_str()), (200, "/a"), "{head}");
                continue;
            }
            assert_eq!(answer.status, 400, "{head}");
            answer.assert_problem(400, "malformed-request");
            assert!(answer.body.contains("server.public_url and server.trusted_origins"), "{}", answer.body);
            assert_eq!(answer.header("connection"), Some("close"));
            client.closed().await;
        }
    }
}

#[tokio::test]
async fn any_host_is_accepted_from_a_trusted_proxy() {
    let server = server("127.0.0.1:0", local_site()).await;
    for (address, host, status) in
        [("127.0.0.7", "upstream", 200), ("127.0.0.7", "a b", 400), ("127.0.0.8", "upstream", 400)]
    {
        let mut client = server.connect_from(address).await;
        client.send(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, status, "{address} {host}");
    }
}

#[tokio::test]
async fn any_host_is_accepted_on_a_network() {
    let server = server("0.0.0.0:0", local_site()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}
