//! What is repeated, and when.

use std::time::{Duration, Instant};

use blegram_client::{Error, Limits, Upload, types::CreatePost};
use serde_json::json;
use uuid::Uuid;

use crate::server::{Server, like, problem, short_limits, tokens};

const LIKE: &str = "PUT /api/v1/posts/00000000-0000-0000-0000-000000000000/like";
const CREATE: &str = "POST /api/v1/posts";
const LOGIN: &str = "POST /api/v1/auth/login";

fn post() -> serde_json::Value {
    json!({
        "id": Uuid::nil(), "author": { "id": Uuid::nil(), "username": "ann", "display_name": "ann" }, "text": "hi",
        "media": [], "hashtags": [], "mentions": [], "visibility": "of a later version", "like_count": 0,
        "comment_count": 0, "created_at": "2026-01-01T00:00:00Z", "a field of a later version": 1,
    })
}

#[tokio::test]
async fn call_is_repeated_after_retry_after_and_not_before() {
    let server = Server::start(|_, earlier| {
        Some(if earlier == 0 { (503, Some(1), problem(503, "overloaded")) } else { (200, None, like()) })
    })
    .await;
    let begin = Instant::now();
    assert!(server.client.like_post(Uuid::nil()).await.unwrap().liked);
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(server.requests(LIKE).len(), 2);
}

#[tokio::test]
async fn repeated_post_has_the_same_idempotency_key_and_another_post_has_another() {
    let server = Server::start(|_, earlier| {
        Some(if earlier == 0 { (500, None, problem(500, "internal")) } else { (201, None, post()) })
    })
    .await;
    server.client.restore(serde_json::from_value(tokens(1, 600)).unwrap());
    let post = CreatePost { text: Some("hi".to_owned()), ..Default::default() };
    let created = server.client.create_post(&post).await.unwrap();
    assert_eq!(&*created.visibility, "of a later version");
    server.client.create_post(&post).await.unwrap();
    let requests = server.requests(CREATE);
    let keys: Vec<&str> = requests.iter().map(|request| request.header("idempotency-key").unwrap()).collect();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
    assert_eq!(requests[0].body, r#"{"text":"hi"}"#);
}

#[tokio::test]
async fn anonymous_post_is_repeated_only_if_it_was_not_started() {
    let server = Server::start(|_, _| Some((500, None, problem(500, "internal")))).await;
    let error = server.client.log_in("ann", "secret", "test").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: Some(500), .. }), "{error:?}");
    assert_eq!(server.requests(LOGIN).len(), 1);

    let server = Server::start(|_, earlier| {
        Some(match earlier {
            0 => (429, Some(0), problem(429, "rate-limited")),
            _ => (401, None, problem(401, "invalid-credentials")),
        })
    })
    .await;
    let error = server.client.log_in("ann", "secret", "test").await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized(_)), "{error:?}");
    assert_eq!(server.requests(LOGIN).len(), 2);
}

#[tokio::test]
async fn rejection_is_returned_at_once_with_its_code() {
    let server = Server::start(|_, _| Some((404, None, problem(404, "not-found")))).await;
    let error = server.client.like_post(Uuid::nil()).await.unwrap_err();
    assert_eq!(error.code(), Some("not-found"));
    assert_eq!(server.requests(LIKE).len(), 1);
}

#[tokio::test]
async fn second_factor_is_returned() {
    let challenge = json!({ "challenge": "c", "methods": ["totp"], "expires_at": "2026-01-01T00:00:00Z" });
    let server = Server::start(move |_, _| Some((202, None, challenge.clone()))).await;
    let error = server.client.log_in("ann", "secret", "test").await.unwrap_err();
    let Error::SecondFactor(challenge) = error else { panic!("{error:?}") };
    assert_eq!(challenge.challenge, "c");
}

#[tokio::test]
async fn call_to_a_silent_server_ends_in_time() {
    let server = Server::with_limits(short_limits(), |_, _| None).await;
    let begin = Instant::now();
    let error = server.client.like_post(Uuid::nil()).await.unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
    let Limits { call, attempt } = short_limits();
    assert!(begin.elapsed() < (call + attempt) * 5, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn images_are_uploaded_as_files_with_their_alt_texts() {
    let server = Server::start(|_, _| Some((201, None, json!({ "items": [], "problems": [] })))).await;
    let image = |name: &str, alt: Option<&str>| Upload {
        name: name.to_owned(),
        bytes: b"pixels".to_vec(),
        alt: alt.map(str::to_owned),
    };
    server.client.upload(vec![image("a.png", Some("a cat")), image("b.png", None)]).await.unwrap();
    let request = server.requests("POST /api/v1/media").remove(0);
    assert!(request.header("content-type").unwrap().starts_with("multipart/form-data"));
    for part in [r#"name="file"; filename="a.png""#, "pixels", r#"name="alt""#, "a cat"] {
        assert!(request.body.contains(part), "{part}: {}", request.body);
    }
    assert_eq!(request.body.matches(r#"name="alt""#).count(), 2, "one for each file");
}
