//! Clients of a site, and concurrent sign-ups.

use std::{io, net::SocketAddr};

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{both_databases, home::Home};
use crate::client::{Answer, Client};

/// The password of every account.
pub(crate) const PASSWORD: &str = "small room with a sea view";

/// A client with the cookie of a browser.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    address: SocketAddr,
    cookie: Option<String>,
}

impl Home {
    /// A client that is not logged in.
    pub(crate) fn stranger(&self) -> Person {
        Person { address: self.address, cookie: None }
    }

    /// Signs up an account, and returns its logged-in client.
    pub(crate) async fn sign_up(&self, name: &str) -> Person {
        let answer = self.stranger().sign_up(name).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.with_cookie(&answer)
    }

    /// A client with the session cookie of this response.
    pub(crate) fn with_cookie(&self, answer: &Answer) -> Person {
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap();
        Person { cookie: Some(cookie.to_owned()), ..self.stranger() }
    }
}

impl Person {
    pub(crate) fn cookie(&self) -> &str {
        self.cookie.as_deref().unwrap()
    }

    /// The head of a request as a browser sends it, with further `fields`, each ended by CRLF.
    pub(crate) fn head(&self, line: &str, fields: &str) -> String {
        self.bare_head(line, &format!("sec-fetch-site: same-origin\r\n{fields}"))
    }

    /// The head of a request as a program sends it, without an origin.
    pub(crate) fn bare_head(&self, line: &str, fields: &str) -> String {
        let cookie = self.cookie.as_ref().map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
        format!("{line} HTTP/1.1\r\nhost: {}\r\n{cookie}{fields}\r\n", self.address)
    }

    pub(crate) async fn send(&self, request: &str) -> io::Result<Answer> {
        let mut client = Client::connect(self.address).await?;
        client.try_send(request).await?;
        client.try_answer().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&self.head(&format!("GET {path}"), "")).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body).await.unwrap()
    }

    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> io::Result<Answer> {
        let body = body.to_string();
        self.send(&(self.head(&format!("POST {path}"), &json_fields(&body)) + &body)).await
    }

    pub(crate) async fn write(&self, text: &str) -> Answer {
        self.post("/api/v1/posts", &json!({ "text": text })).await
    }

    pub(crate) async fn sign_up(&self, name: &str) -> Answer {
        let body = json!({ "username": name, "password": PASSWORD, "client": "browser" });
        self.post("/api/v1/auth/signup", &body).await
    }

    /// The ids of all posts of a user, read page by page.
    pub(crate) async fn posts_of(&self, name: &str) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/api/v1/users/@{name}/posts?limit=100{cursor}")).await.json();
            ids.extend(page["items"].as_array().unwrap().iter().map(id));
            let Some(next) = page["next_cursor"].as_str() else { return ids };
            cursor = format!("&cursor={next}");
        }
    }

    /// The same client, connected to another node.
    pub(crate) fn at(&self, home: &Home) -> Self {
        self.at_address(home.address)
    }

    pub(crate) fn at_address(&self, address: SocketAddr) -> Self {
        Self { address, cookie: self.cookie.clone() }
    }

    pub(crate) fn token(&self) -> &str {
        self.cookie.as_ref().and_then(|cookie| cookie.split_once('=')).unwrap().1
    }
}

pub(crate) fn json_fields(body: &str) -> String {
    format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
}

pub(crate) fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_sign_ups_with_one_username_succeed_once(#[case] backend: Backend) {
    let home = Home::on(backend, &[("BLEGRAM_LIMITS__SIGNUP_PER_ADDRESS__BURST", "100")]).await;
    let _site = home.serve().await;
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let stranger = home.stranger();
        requests.spawn(async move { stranger.sign_up("ann").await });
    }
    let mut statuses: Vec<u16> = requests.join_all().await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, [409; 19].as_slice()));
}
