//! Malformed and invalid requests: every rejection is a problem, in a fixed order, and reveals nothing internal.

use std::sync::Arc;

use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    contract::CONTRACT,
    world::{Actor, Answer, Settings, TestApp},
};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn post_bytes(actor: &Actor<'_>, body: impl Into<Vec<u8>>) -> Answer {
    actor.send(Method::POST, "/api/v1/posts", &[JSON], body.into()).await
}

#[apply(both_databases)]
#[tokio::test]
async fn malformed_json_is_rejected(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let deep =
        |levels: usize| format!("{{\"text\":\"x\",\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let malformed: [Vec<u8>; 9] = [
        b"".to_vec(),
        b"{".to_vec(),
        b"{\"text\":\"x\"} trailing".to_vec(),
        b"{'text':'x'}".to_vec(),
        b"{\"text\":\"\\ud800\"}".to_vec(),
        b"{\"text\":\"\xff\xfe\"}".to_vec(),
        b"\xef\xbb\xbf{\"text\":\"x\"}".to_vec(),
        deep(32).into_bytes(),
        deep(20_000).into_bytes(),
    ];
    for body in malformed {
        post_bytes(&ann, body).await.assert_problem(400, "malformed-request");
    }
    post_bytes(&ann, deep(31)).await.assert_invalid(&[("/a", "unknown-field")]);
    for body in ["[]", "7", "\"text\"", "null"] {
        post_bytes(&ann, body).await.assert_invalid(&[("", "wrong-type")]);
    }
    assert_eq!(ann.get("/api/v1/me").await.json()["post_count"], 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn wrong_types_are_rejected_without_conversion(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    for text in [json!(7), json!(true), json!(["x"]), json!({ "a": 1 })] {
        ann.post("/api/v1/posts", &json!({ "text": text })).await.assert_invalid(&[("/text", "wrong-type")]);
    }
    ann.post("/api/v1/posts", &json!({ "text": null })).await.assert_invalid(&[("/text", "blank")]);
    ann.post("/api/v1/posts", &json!({ "text": "x", "media_ids": null, "visibility": 1, "a/b~c": 1 }))
        .await
        .assert_invalid(&[
            ("/media_ids", "wrong-type"),
            ("/visibility", "wrong-type"),
            ("/a~1b~0c", "unknown-field"),
        ]);
}

#[apply(both_databases)]
#[tokio::test]
async fn validation_errors_are_limited_to_50(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let many: serde_json::Value = (0..5000).map(|n| (format!("f{n}"), json!(0))).collect();
    let answer = ann.post("/api/v1/posts", &many).await;
    answer.assert_problem(422, "invalid");
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 50);
}

#[apply(both_databases)]
#[tokio::test]
async fn body_must_be_json_within_the_size_limit(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let body = br#"{"text":"x"}"#;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json; charset=euc-kr")],
        &[("content-type", "application/jsonp")],
        &[JSON, ("content-encoding", "gzip")],
    ] {
        ann.send(Method::POST, "/api/v1/posts", headers, body.to_vec())
            .await
            .assert_problem(415, "unsupported-media-type");
    }
    for content_type in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json\t;\tcharset=utf-8 ; profile=x",
        "application/json;; charset=utf-8;",
    ] {
        ann.send(Method::POST, "/api/v1/posts", &[("content-type", content_type)], body.to_vec())
            .await
            .assert_status(201);
    }
    // The size is checked before the content.
    let megabyte = vec![b'x'; 1024 * 1024];
    post_bytes(&ann, megabyte.clone()).await.assert_problem(413, "body-too-large");
    ann.send(Method::DELETE, "/api/v1/posts/x", &[], megabyte).await.assert_problem(413, "body-too-large");
    let fits = json!({ "text": "x".repeat(65_536 - 11) }).to_string();
    assert_eq!(fits.len(), 65_536);
    post_bytes(&ann, fits).await.assert_invalid(&[("/text", "too-long")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn rejections_follow_the_order_of_the_contract(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let stranger = t.stranger();
    let huge = vec![b'x'; 70_000];
    let evil = ("sec-fetch-site", "cross-site");
    let put = stranger.send_bare(Method::PUT, "/api/v1/posts", &[evil], huge.clone()).await;
    put.assert_problem(405, "method-not-allowed");
    let send = async |actor: &Actor<'_>, headers: &[(&str, &str)], body: &[u8]| {
        actor.send_bare(Method::POST, "/api/v1/posts", headers, body.to_vec()).await
    };
    send(&stranger, &[evil], &huge).await.assert_problem(413, "body-too-large");
    send(&stranger, &[evil], b"{").await.assert_problem(415, "unsupported-media-type");
    send(&stranger, &[evil, JSON], b"{").await.assert_problem(401, "unauthenticated");
    send(&ann, &[evil, JSON], b"{").await.assert_problem(403, "csrf-rejected");
    send(&ann, &[JSON, ("sec-fetch-site", "none")], b"{").await.assert_problem(400, "malformed-request");
}

#[apply(both_databases)]
#[tokio::test]
async fn unknown_paths_and_methods_are_rejected(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let stranger = t.stranger();
    for path in [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/posts/",
        "/api/v2/posts",
        "/api/v1/users//posts",
        "//",
        "/docs/x/y",
        "/%",
        "/api/v1/me/../instance",
    ] {
        for method in [Method::GET, Method::POST] {
            stranger.send(method, path, &[], Vec::new()).await.assert_problem(404, "not-found");
        }
    }
    for (method, path, allow) in [
        (Method::PUT, "/api/v1/posts", "GET, HEAD, POST, OPTIONS"),
        (Method::GET, "/api/v1/auth/login", "POST, OPTIONS"),
        (
            Method::POST,
            "/api/v1/posts/01890a5d-ac96-774b-bcce-b302099a8057",
            "DELETE, GET, HEAD, OPTIONS, PATCH",
        ),
        (Method::DELETE, "/healthz", "GET, HEAD, OPTIONS"),
        (Method::TRACE, "/api/v1/me", "GET, HEAD, OPTIONS, PATCH"),
    ] {
        let answer = stranger.send(method, path, &[], Vec::new()).await;
        answer.assert_problem(405, "method-not-allowed");
        let mut methods: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
        methods.sort_unstable();
        let mut expected: Vec<&str> = allow.split(", ").collect();
        expected.sort_unstable();
        assert_eq!(methods, expected, "{path}");
    }
    let options = stranger.send(Method::OPTIONS, "/api/v1/auth/login", &[], Vec::new()).await;
    options.assert_status(204);
    assert_eq!(options.header("allow"), Some("POST, OPTIONS"));
    let head = stranger.send(Method::HEAD, "/api/v1/instance", &[], Vec::new()).await;
    head.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn query_errors_are_reported_together_and_unknown_parameters_ignored(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let get = async |query: &str| ann.get(&format!("/api/v1/timelines/public?{query}")).await;
    get("limit=0&since_id=x")
        .await
        .assert_invalid(&[("/limit", "out-of-range"), ("/since_id", "wrong-type")]);
    get("limit=-5").await.assert_invalid(&[("/limit", "out-of-range")]);
    for limit in ["ten", "1.5", "1e3", "0x10", "%31%00", "+1", "１"] {
        get(&format!("limit={limit}")).await.assert_invalid(&[("/limit", "wrong-type")]);
    }
    get("limit=0&cursor=garbage").await.assert_problem(400, "cursor-invalid");
    ann.get("/api/v1/users/nonsense/posts?limit=0").await.assert_invalid(&[("/limit", "out-of-range")]);
    ann.get("/api/v1/users/nonsense/posts?cursor=x").await.assert_problem(400, "cursor-invalid");
    get("limit=-99999999999999999999").await.assert_invalid(&[("/limit", "out-of-range")]);
    for fine in
        ["limit=1000000", "limit=99999999999999999999", "limit=007", "utm_source=x&limit=5", "&&&", "%ff=%fe"]
    {
        get(fine).await.assert_status(200);
    }
}

/// Calls every list with its optional parameters empty, and expects the page that it returns without them.
#[apply(both_databases)]
#[tokio::test]
async fn empty_optional_query_parameters_are_ignored(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("hello #jeju").await;
    let comment = ann.comments(&post, "first").await;
    let conversation = ann.starts_conversation(&["@bob"], None).await;
    ann.sends_message(&conversation, "hello").await;
    bob.posts("another").await;
    t.set_role("ann", "admin").await;
    let mut count = 0;
    for (method, template, operation) in CONTRACT.operations() {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let queries: Vec<&Value> = parameters.filter(|parameter| parameter["in"] == "query").collect();
        // The site has no login providers, and their redirects are never equal.
        if method != Method::GET || queries.is_empty() || template.contains("{provider}") {
            continue;
        }
        let names = |required: bool| {
            let names = queries.iter().filter(move |query| (query["required"] == true) == required);
            names.filter_map(|query| query["name"].as_str()).collect::<Vec<_>>()
        };
        let path = template
            .replace("{post}", &post)
            .replace("{comment}", &comment)
            .replace("{conversation}", &conversation)
            .replace("{user}", "@ann")
            .replace("{tag}", "jeju");
        let required: Vec<String> = names(true)
            .into_iter()
            .map(|name| if name == "ids" { format!("ids={post}") } else { format!("{name}=hello") })
            .collect();
        let required = if template.contains("/search/") { "q=hello".to_owned() } else { required.join("&") };
        let optional = names(false).into_iter().filter(|name| *name != "q");
        for spelling in ["", "="] {
            let empty: Vec<String> = optional.clone().map(|name| format!("{name}{spelling}")).collect();
            let plain = ann.get(&format!("{path}?{required}")).await;
            let with_empty = ann.get(&format!("{path}?{}&{required}&", empty.join("&"))).await;
            plain.assert_status(200);
            // These cursors contain transaction ids of the PostgreSQL cluster, which other tests advance.
            let is_moving = ["/api/v1/conversations", "/api/v1/sync"].contains(&template);
            let page = |answer: &Answer| {
                let mut page = answer.json();
                if let Some(page) = page.as_object_mut().filter(|_| is_moving) {
                    page.retain(|name, _| !["prev_cursor", "cursor"].contains(&name.as_str()));
                }
                page
            };
            assert_eq!(page(with_empty.assert_status(200)), page(&plain), "{path} {empty:?}");
            let link = |answer: &Answer| answer.header("link").filter(|_| !is_moving).map(ToOwned::to_owned);
            assert_eq!(link(&with_empty), link(&plain), "{path} {empty:?}");
            count += empty.len();
        }
    }
    assert!(count > 80, "{count}");
    let page = ann.get("/api/v1/timelines/public?cursor=&limit=1&since_id=&limit=").await;
    let next = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let second = ann.get(&format!("/api/v1/timelines/public?limit=1&since_id&cursor={next}")).await;
    assert_eq!(second.items("id"), [json!(post)], "the cursor belongs to the same list");
    ann.get("/api/v1/search/posts?q=&limit=").await.assert_problem(422, "invalid");
    ann.get("/api/v1/timelines/public?limit=%20").await.assert_invalid(&[("/limit", "wrong-type")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn null_is_rejected_for_fields_that_cannot_be_cleared(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("hello").await;
    let comment = ann.comments(&post, "hello").await;
    let conversation = ann.starts_conversation(&["@bob"], None).await;
    let message = ann.sends_message(&conversation, "hello").await;
    for (path, fields) in [
        ("/api/v1/me".to_owned(), &["is_private", "discoverable", "messages_from"][..]),
        (format!("/api/v1/posts/{post}"), &["visibility", "media_ids"]),
        (format!("/api/v1/comments/{comment}"), &["text"]),
        (format!("/api/v1/conversations/{conversation}/messages/{message}"), &["text"]),
    ] {
        for field in fields {
            let answer = ann.patch(&path, &[], &json!({ *field: null })).await;
            answer.assert_invalid(&[(&format!("/{field}"), "null-not-allowed")]);
        }
        let all: Value = fields.iter().map(|field| ((*field).to_owned(), json!(null))).collect();
        let answer = ann.patch(&path, &[], &all).await;
        answer.assert_problem(422, "invalid");
        assert_eq!(answer.json()["errors"].as_array().unwrap().len(), fields.len());
    }
    ann.post("/api/v1/posts", &json!({ "text": "x", "visibility": null })).await.assert_status(201);
    ann.patch("/api/v1/me", &[], &json!({ "bio": null, "display_name": null })).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn request_ids_are_echoed_if_valid_and_replaced_otherwise(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let echoed_id = async |id: &str| {
        let answer =
            t.stranger().send(Method::GET, "/api/v1/nothing", &[("x-request-id", id)], Vec::new()).await;
        answer.assert_problem(404, "not-found");
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(echoed_id("trace-1.A_b").await, "trace-1.A_b");
    for odd in ["", "a b", "<script>", "x\"y", &"a".repeat(65)] {
        let id = echoed_id(odd).await;
        assert!(id != odd && id.len() == 36, "{id}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn panic_returns_a_problem_without_its_message(#[case] backend: Backend) {
    let readiness = Arc::new(|| panic!("the password is hunter2"));
    let t = TestApp::with(backend, Settings { readiness, ..Settings::default() }).await;
    let answer = t.stranger().get("/readyz").await;
    answer.assert_problem(500, "internal");
    assert!(!answer.text().contains("hunter2"));
}

#[apply(both_databases)]
#[tokio::test]
async fn database_error_returns_a_problem_without_sql(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = ann.posts("hello").await;
    t.database.execute("UPDATE posts SET visibility = 'nobody'").await;
    let answer = ann.get(&format!("/api/v1/posts/{post}")).await;
    answer.assert_problem(500, "internal");
    t.database.execute("ALTER TABLE posts RENAME TO gone").await;
    let answer = ann.get("/api/v1/timelines/public").await;
    answer.assert_status(500);
    assert!(
        !answer.text().contains("posts\"") && !answer.text().to_lowercase().contains("select"),
        "{}",
        answer.text()
    );
}
