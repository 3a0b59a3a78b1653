//! Creating, reading and deleting posts, and their limits.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use crate::{both_databases, world::TestApp};

#[apply(both_databases)]
#[tokio::test]
async fn posts_by_id_keep_the_order_and_skip_invisible_ones(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ids.push(ann.posts(text).await);
    }
    let hidden = json!({ "text": "for followers", "visibility": "followers" });
    let hidden = ann.post("/api/v1/posts", &hidden).await.json()["id"].as_str().unwrap().to_owned();
    bob.put_empty(&format!("/api/v1/posts/{}/like", ids[0])).await.assert_status(200);
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let path = format!("/api/v1/posts?ids={},{unknown},{hidden},{}&ids={}", ids[2], ids[0], ids[2]);
    let found = bob.get(&path).await;
    assert_eq!(found.assert_status(200).items("text"), ["three", "one"]);
    assert_eq!(found.json()["items"][1]["viewer"]["liked"], true);
    assert_eq!(ann.get(&path).await.items("text"), ["three", "for followers", "one"]);
    assert_eq!(t.stranger().get(&path).await.json()["items"][0]["viewer"], json!(null));

    // As many statements for three as for one.
    let mut counts = Vec::new();
    for some in [&ids[..1], &ids[..]] {
        t.database.take_statements();
        bob.get(&format!("/api/v1/posts?ids={}", some.join(","))).await.assert_status(200);
        counts.push(t.database.take_statements().len());
    }
    assert_eq!(counts[0], counts[1]);

    let many = vec![unknown; 101].join(",");
    bob.get(&format!("/api/v1/posts?ids={}", &many[..many.len() - 37])).await.assert_status(200);
    for (ids, pointer, code) in [
        ("", "/ids", "required"),
        ("?ids=", "/ids/0", "wrong-type"),
        ("?ids=x", "/ids/0", "wrong-type"),
        (&format!("?ids={unknown},7"), "/ids/1", "wrong-type"),
        (&format!("?ids={many}"), "/ids", "too-many"),
    ] {
        bob.get(&format!("/api/v1/posts{ids}")).await.assert_invalid(&[(pointer, code)]);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn created_post_is_returned_as_written(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, haneul] = t.users(["ann", "haneul"]).await;
    let text = "  오늘의 노을 🌅 #제주 #Jeju #JEJU @Haneul님, @nobody <b>&</b>\n";
    let written = ann.post("/api/v1/posts", &json!({ "text": text })).await;
    written.assert_status(201);
    let id = written.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(written.header("location"), Some(&*format!("/api/v1/posts/{id}")));

    let path = format!("/api/v1/posts/{id}");
    assert_eq!(ann.get(&path).await.json(), written.json());
    let mut post = t.stranger().get(&path).await.json();
    assert_eq!(post["mentions"][0]["id"], haneul.get("/api/v1/me").await.json()["id"]);
    assert_eq!(post["mentions"].as_array().unwrap().len(), 1);
    assert_eq!(post["author"]["username"], "ann");
    for field in ["id", "author", "mentions"] {
        post.as_object_mut().unwrap().remove(field);
    }
    let expected = json!({
        "text": "오늘의 노을 🌅 #제주 #Jeju #JEJU @Haneul님, @nobody <b>&</b>",
        "media": [], "hashtags": ["제주", "jeju"], "visibility": "public", "like_count": 0, "comment_count": 0,
        "created_at": "2026-09-21T14:13:20.000Z", "edited_at": null, "viewer": null,
    });
    assert_eq!(post, expected);
    assert_eq!(ann.get(&path).await.json()["viewer"], json!({ "liked": false, "bookmarked": false }));
}

#[apply(both_databases)]
#[tokio::test]
async fn mention_resolves_to_the_longest_existing_username(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _, _] = t.users(["ann", "민수야", "민수야고"]).await;
    let post = ann
        .post("/api/v1/posts", &json!({ "text": "@민수야고마워 @민수야고마워요 @민수야! @ann님" }))
        .await
        .json();
    let names: Vec<_> =
        post["mentions"].as_array().unwrap().iter().map(|user| user["username"].clone()).collect();
    assert_eq!(names, ["민수야고", "민수야", "ann"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn followers_only_post_is_hidden_from_others(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let body = json!({ "text": "for friends", "visibility": "followers" });
    let post = ann.post("/api/v1/posts", &body).await.json();
    assert_eq!(post["visibility"], "followers");
    let path = format!("/api/v1/posts/{}", post["id"].as_str().unwrap());
    ann.get(&path).await.assert_status(200);
    for other in [&bob, &t.stranger()] {
        other.get(&path).await.assert_problem(404, "not-found");
        assert_eq!(other.get("/api/v1/users/@ann/posts").await.items("id").len(), 0);
        assert_eq!(other.get("/api/v1/timelines/public").await.items("id").len(), 0);
    }
    bob.delete(&path).await.assert_problem(404, "not-found");
    assert_eq!(ann.get("/api/v1/users/me/posts").await.items("id").len(), 1);
    assert_eq!(
        bob.get("/api/v1/users/@ann").await.json()["post_count"],
        1,
        "counts are the same for every viewer"
    );
}

#[apply(both_databases)]
#[tokio::test]
async fn deleting_a_post_removes_it_from_lists_and_counts(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let [remaining, deleted] = [ann.posts("kept").await, ann.posts("gone").await];
    let path = format!("/api/v1/posts/{deleted}");

    bob.delete(&path).await.assert_problem(403, "forbidden");
    t.stranger().delete(&path).await.assert_problem(401, "unauthenticated");
    ann.delete(&path).await.assert_status(204);
    ann.delete(&path).await.assert_problem(404, "not-found");
    bob.get(&path).await.assert_problem(404, "not-found");
    assert_eq!(bob.get("/api/v1/timelines/public").await.items("id"), [&*remaining]);
    assert_eq!(bob.get("/api/v1/users/@ann/posts").await.items("id"), [remaining]);
    assert_eq!(ann.get("/api/v1/me").await.json()["post_count"], 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_posts_are_counted_exactly(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let texts: Vec<String> = (0..50).map(|n| format!("post {n}")).collect();
    futures_util::future::join_all(texts.iter().map(|text| ann.posts(text))).await;
    assert_eq!(ann.get("/api/v1/me").await.json()["post_count"], 50);
    assert_eq!(ann.get("/api/v1/users/me/posts?limit=100").await.items("id").len(), 50);
}

#[apply(both_databases)]
#[tokio::test]
async fn post_limits_match_the_instance_information(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let limits = ann.get("/api/v1/instance").await.json()["limits"].clone();
    let limit = |name: &str| usize::try_from(limits[name].as_u64().unwrap()).unwrap();
    let many = |sign: char, count: usize| (0..count).map(|n| format!("{sign}name{n} ")).collect::<String>();
    let (chars, tags, mentions) =
        (limit("post_max_chars"), limit("post_max_hashtags"), limit("post_max_mentions"));
    for text in ["가".repeat(chars), many('#', tags), many('@', mentions)] {
        ann.posts(&text).await;
    }
    let rejected = [
        ("가".repeat(chars + 1), "too-long"),
        ("👨‍👩‍👧‍👦".repeat(limit("post_max_bytes") / 25 + 1), "too-long"),
        (many('#', tags + 1), "too-many"),
        (many('@', mentions + 1), "too-many"),
        (String::new(), "blank"),
        (" \n ".to_owned(), "blank"),
        ("\u{3164}\u{3164}".to_owned(), "blank"),
        ("a\u{202e}b".to_owned(), "invalid-characters"),
        ("a\u{7}b".to_owned(), "invalid-characters"),
        ("a\0b".to_owned(), "invalid-characters"),
    ];
    for (text, code) in rejected {
        ann.post("/api/v1/posts", &json!({ "text": text })).await.assert_invalid(&[("/text", code)]);
    }
    assert_eq!(ann.get("/api/v1/me").await.json()["post_count"], 3);
}

#[apply(both_databases)]
#[tokio::test]
async fn unknown_images_are_reported_separately(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let id = "019aaf4c-6c00-7a31-9c58-1f0e6a2b7c01";
    let body = json!({ "text": "x", "media_ids": [id, 7, id, "x"], "visibility": "nobody" });
    ann.post("/api/v1/posts", &body).await.assert_invalid(&[
        ("/media_ids/1", "wrong-type"),
        ("/media_ids/2", "repeated"),
        ("/media_ids/3", "not-found"),
        ("/visibility", "out-of-range"),
    ]);
    let other = id.replace("7c01", "7c02");
    let body = json!({ "text": "x", "media_ids": [id, other] });
    ann.post("/api/v1/posts", &body)
        .await
        .assert_invalid(&[("/media_ids/0", "not-found"), ("/media_ids/1", "not-found")]);
    let body = json!({ "text": "x", "media_ids": vec![id; 11] });
    ann.post("/api/v1/posts", &body).await.assert_invalid(&[("/media_ids", "too-many")]);
    ann.post("/api/v1/posts", &json!({ "text": "x", "media_ids": [] })).await.assert_status(201);
}

#[apply(both_databases)]
#[tokio::test]
async fn posts_of_the_same_instant_keep_their_order(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.insert(0, ann.posts(&n.to_string()).await);
    }
    t.clock.advance(Duration::from_secs(1));
    ids.insert(0, ann.posts("later").await);
    assert_eq!(ann.get("/api/v1/timelines/public").await.items("id"), ids);
}
