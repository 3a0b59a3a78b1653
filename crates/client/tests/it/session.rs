//! Tokens: who refreshes them, and when.

use std::time::Duration;

use blegram_client::Error;
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::server::{Server, like, problem, tokens};

const REFRESH: &str = "POST /api/v1/auth/token";
const LIKE: &str = "PUT /api/v1/posts/00000000-0000-0000-0000-000000000000/like";

#[tokio::test]
async fn calls_with_an_expired_token_share_one_refresh() {
    let server = Server::start(|request, earlier| {
        Some(match &*request.line {
            REFRESH => (200, None, tokens(earlier + 2, 600)),
            _ => (200, None, like()),
        })
    })
    .await;
    server.client.restore(serde_json::from_value(tokens(1, 1)).unwrap());
    for result in join_all((0..10).map(|_| server.client.like_post(Uuid::nil()))).await {
        result.unwrap();
    }
    let refreshes = server.requests(REFRESH);
    assert_eq!(refreshes.len(), 1);
    let expected = json!({ "grant_type": "refresh_token", "refresh_token": "refresh-1" });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&refreshes[0].body).unwrap(), expected);
    for request in server.requests(LIKE) {
        assert_eq!(request.header("authorization"), Some("Bearer access-2"));
    }
    assert_eq!(server.client.tokens().unwrap().refresh_token, "refresh-2", "to be stored");
}

#[tokio::test]
async fn rejected_token_is_refreshed_once() {
    let server = Server::start(|request, _| {
        Some(match (&*request.line, request.header("authorization")) {
            (REFRESH, _) => (200, None, tokens(2, 600)),
            (_, Some("Bearer access-2")) => (200, None, like()),
            _ => (401, None, problem(401, "unauthenticated")),
        })
    })
    .await;
    server.client.restore(serde_json::from_value(tokens(1, 600)).unwrap());
    assert!(server.client.like_post(Uuid::nil()).await.unwrap().liked);
    assert_eq!(server.requests(REFRESH).len(), 1);
}

#[tokio::test]
async fn ended_session_is_unauthorized_without_a_loop() {
    let server = Server::start(|request, _| {
        Some(match &*request.line {
            REFRESH => (200, None, tokens(2, 600)),
            _ => (401, None, problem(401, "unauthenticated")),
        })
    })
    .await;
    server.client.restore(serde_json::from_value(tokens(1, 600)).unwrap());
    let error = server.client.like_post(Uuid::nil()).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized(_)), "{error:?}");
    assert_eq!((server.requests(LIKE).len(), server.requests(REFRESH).len()), (2, 1));
}

#[tokio::test]
async fn lost_response_of_a_refresh_is_requested_again() {
    let server = Server::start(|request, earlier| {
        Some(match (&*request.line, earlier) {
            (REFRESH, 0) => (502, None, json!("from a proxy")),
            (REFRESH, _) => (200, None, tokens(2, 600)),
            _ => (200, None, like()),
        })
    })
    .await;
    server.client.restore(serde_json::from_value(tokens(1, 600)).unwrap());
    let token = server.client.refresh().await.unwrap();
    assert_eq!(token.secret, "access-2");
    assert!(token.lifetime > Duration::from_secs(590));
    let refreshes = server.requests(REFRESH);
    assert_eq!(refreshes[0].body, refreshes[1].body, "with the same token");
}

#[tokio::test]
async fn tokens_are_not_printed() {
    let server = Server::start(|_, _| None).await;
    server.client.restore(serde_json::from_value(tokens(1, 600)).unwrap());
    assert!(!format!("{:?}", server.client).contains("access-1"));
}
