//! JSON logs: complete, and without secrets or the contents of posts.

use std::path::Path;

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

/// The lines of `docs/logs.md`.
fn documented() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join("docs/logs.md")).unwrap()
}

/// The fields of a line, in order.
fn fields(line: &Value) -> Vec<&String> {
    line.as_object().unwrap().keys().collect()
}

/// The fields whose values are texts.
fn texts(line: &Value) -> Vec<&String> {
    line.as_object().unwrap().iter().filter(|(_, value)| value.is_string()).map(|(name, _)| name).collect()
}

#[tokio::test]
async fn documented_lines_have_the_fields_of_real_ones() {
    let home = Home::new(&[("BLEGRAM_LOG__FORMAT", "json")]);
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    assert_eq!(ann.post("/api/v1/posts", &json!({})).await.status, 422);
    let wrong = json!({ "login": "ann", "password": GUESS, "client": "browser" });
    assert_eq!(home.stranger().post("/api/v1/auth/login", &wrong).await.status, 401);
    site.signal(Signal::TERM);
    let log = site.end().await.stderr;
    let real: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let page = documented();
    let examples = page.lines().filter(|line| line.starts_with('{'));
    let examples: Vec<Value> = examples.map(|line| serde_json::from_str(line).unwrap()).collect();
    for message in ["request", "login failed"] {
        let example = examples.iter().find(|line| line["message"] == message).unwrap();
        let same = real
            .iter()
            .find(|line| (&line["message"], &line["status"]) == (&example["message"], &example["status"]));
        let same = same.unwrap_or_else(|| panic!("no line like {example} in {log}"));
        assert_eq!((fields(example), texts(example)), (fields(same), texts(same)));
        assert_eq!((&example["target"], &example["level"]), (&same["target"], &same["level"]));
    }
    for example in examples {
        // The same line in the other format.
        let text = page.lines().find(|line| {
            line.starts_with(example["timestamp"].as_str().unwrap())
                && fields(&example)
                    .into_iter()
                    .skip(3)
                    .all(|name| name == "target" || line.contains(&format!(" {name}=")))
        });
        assert!(text.is_some_and(|text| text.contains(example["message"].as_str().unwrap())), "{example}");
    }
}

/// The texts of the important lines are those of the code.
#[test]
fn documented_messages_are_in_the_code() {
    fn collect(folder: &Path, code: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, code);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut code = String::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap() {
        collect(&entry.unwrap().path().join("src"), &mut code);
    }
    let page = documented();
    let rows = page.split("## Important lines").nth(1).unwrap();
    let messages: Vec<&str> =
        rows.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(messages.len() > 15, "{messages:?}");
    for message in messages {
        assert!(code.contains(&format!("\"{message}\"")), "{message:?} is not in the code");
    }
}
