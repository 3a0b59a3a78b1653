//! JSON logs: complete, and without secrets or the contents of posts.

use rstest::rstest;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    home::Home,
    people::{PASSWORD, json_fields},
};

const POST: &str = "something between you and me";
const TOKEN: &str = "ble_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const GUESS: &str = "hunter2 or so";

#[rstest]
#[case::by_default("info,sea_orm_migration=warn,sqlx::postgres::notice=warn")]
#[case::in_every_detail("trace")]
#[tokio::test]
async fn json_log_lines_are_objects_without_secrets(#[case] filter: &str) {
    let home = Home::new(&[("BLEGRAM_LOG__FORMAT", "json"), ("BLEGRAM_LOG__FILTER", filter)]);
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    let post = ann.write(POST).await;
    assert_eq!(
        ann.get(&format!("{}?q={GUESS}", post.header("location").unwrap()).replace(' ', "+")).await.status,
        200
    );
    let wrong = json!({ "login": "ann", "password": GUESS, "client": "browser" });
    assert_eq!(home.stranger().post("/api/v1/auth/login", &wrong).await.status, 401);
    let broken = format!("{{\"password\": \"{GUESS}\"");
    let broken = home.stranger().head("POST /api/v1/auth/login", &json_fields(&broken)) + &broken;
    assert_eq!(home.stranger().send(&broken).await.unwrap().status, 400);
    // Tokens of mails, in links, forms and bodies.
    let stranger = home.stranger();
    assert_eq!(stranger.get(&format!("/verify-email?token={TOKEN}")).await.status, 200);
    let form = format!("token={TOKEN}");
    let fields =
        format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n", form.len());
    assert_eq!(
        stranger.send(&(stranger.head("POST /verify-email", &fields) + &form)).await.unwrap().status,
        422
    );
    let verify = json!({ "token": TOKEN });
    assert_eq!(stranger.post("/api/v1/auth/email-verifications/complete", &verify).await.status, 422);
    site.signal(Signal::TERM);
    let ended = site.end().await;
    ended.assert_success();

    assert_eq!(ended.stdout, "", "no banner with JSON logs");
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests: Vec<_> = lines.iter().filter(|line| line["message"] == "request").collect();
    for (method, route, status) in [
        ("POST", "/api/v1/auth/signup", 201),
        ("POST", "/api/v1/posts", 201),
        ("GET", "/api/v1/posts/{post}", 200),
        ("POST", "/api/v1/auth/login", 401),
        ("POST", "/api/v1/auth/login", 400),
    ] {
        let line = requests.iter().find(|line| {
            (&line["method"], &line["route"], &line["status"])
                == (&method.into(), &route.into(), &status.into())
        });
        assert!(line.is_some_and(|line| line["request_id"].is_string()), "{method} {route}: {requests:?}");
    }
    let id = post.header("x-request-id").unwrap();
    assert!(
        requests.iter().any(|line| line["request_id"] == id),
        "the request id of the response is in the log"
    );
    for secret in [PASSWORD, GUESS, &GUESS.replace(' ', "+"), POST, TOKEN, ann.token()] {
        assert!(!ended.stderr.contains(secret), "{secret:?} is in the log");
    }
}
