//! Two nodes on one PostgreSQL database: they share tokens, revocations and jobs.

use blegram_persistence::testing::{Backend, TestDatabase};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    home::Home,
    people::{PASSWORD, Person},
};
use crate::client::{Answer, in_time};

/// 32 bytes, as `openssl rand -base64 32` prints them.
const KEY: &str = "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs=";

const SITE: &str = "https://blegram.example";

/// Two nodes with their common storage: a node with another one can delete no files, and its jobs fail.
fn nodes(database: &TestDatabase) -> (Home, Home, TempDir) {
    let storage = TempDir::new().unwrap();
    let files = format!("file://{}", storage.path().display());
    let node = || {
        Home::new(&[
            ("BLEGRAM_DATABASE__URL", database.url()),
            ("BLEGRAM_SECRETS__KEY", KEY),
            ("BLEGRAM_SERVER__PUBLIC_URL", SITE),
            ("BLEGRAM_MEDIA__STORAGE", &files),
        ])
    };
    (node(), node(), storage)
}

async fn with_bearer(home: &Home, line: &str, token: &str) -> Answer {
    let head = home.stranger().bare_head(line, &format!("authorization: Bearer {token}\r\n"));
    home.stranger().send(&head).await.unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

async fn assert_rejected_in_time(home: &Home, token: &str) {
    in_time(async {
        while with_bearer(home, "GET /api/v1/me", token).await.status != 401 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn tokens_and_revocations_are_accepted_by_both_nodes() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (one, other, _storage) = nodes(&database);
    let _sites = (one.serve().await, other.serve().await);
    let body = json!({ "username": "ann", "password": PASSWORD, "client": "native" });
    let phone = one.stranger().post("/api/v1/auth/signup", &body).await.json();
    let token = text(&phone["tokens"], "access_token");
    assert_eq!(with_bearer(&other, "GET /api/v1/me", token).await.json()["username"], "ann");

    // The response of the first node is lost; the other node returns the same token again.
    let grant =
        json!({ "grant_type": "refresh_token", "refresh_token": text(&phone["tokens"], "refresh_token") });
    let refresh = async |home: &Home| home.stranger().post("/api/v1/auth/token", &grant).await.json();
    let (lost, again) = (refresh(&one).await, refresh(&other).await);
    assert_eq!(lost["refresh_token"], again["refresh_token"]);

    let laptop = log_in(&other).await;
    assert_eq!(laptop.get("/api/v1/me").await.status, 200);
    let sessions = with_bearer(&one, "GET /api/v1/auth/sessions", token).await.json();
    let current =
        sessions["items"].as_array().unwrap().iter().find(|session| session["is_current"] == true).unwrap();
    let path = format!("/api/v1/auth/sessions/{}", text(current, "id"));
    assert_eq!(
        with_bearer(&other, &format!("DELETE {path}"), text(&again, "access_token")).await.status,
        204
    );
    assert_rejected_in_time(&one, token).await;
    assert_rejected_in_time(&one, text(&again, "access_token")).await;
    assert_eq!(laptop.at(&one).get("/api/v1/me").await.status, 200, "the other session stays valid");
}

#[tokio::test]
async fn account_deleted_on_one_node_is_purged_by_either() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (one, other, _storage) = nodes(&database);
    let _sites = (one.serve().await, other.serve().await);
    one.sign_up("ann").await;
    let ann = log_in(&other).await;
    assert_eq!(ann.write("hello #jeju").await.status, 201);
    let body = json!({ "password": PASSWORD });
    assert_eq!(ann.post("/api/v1/me/deletion", &body).await.status, 204);
    assert_eq!(one.stranger().get("/api/v1/users/@ann").await.status, 404);
    in_time(async {
        while database.count("users").await != 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(database.count("posts").await, 0);
}

/// A node with another address would send links that the others do not accept.
#[tokio::test]
async fn nodes_of_a_site_have_the_same_address() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let (one, other, _storage) = nodes(&database);
    let running = one.serve().await;
    let moved = other.set("BLEGRAM_SERVER__PUBLIC_URL", "https://www.blegram.example");
    let ended = moved.run("serve").end().await;
    ended.assert_failure(&[SITE, "https://www.blegram.example", "server.public_url", "a minute"]);
    // A node that has stopped does not hold the site to its address.
    running.signal(rustix::process::Signal::TERM);
    running.end().await.assert_success();
    assert_eq!(database.count("nodes").await, 0);
    let _running = moved.serve().await;
    assert_eq!(database.count("nodes").await, 1);
}

async fn log_in(home: &Home) -> Person {
    let body = json!({ "login": "ann", "password": PASSWORD, "client": "browser" });
    let answer = home.stranger().post("/api/v1/auth/login", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    home.with_cookie(&answer)
}
