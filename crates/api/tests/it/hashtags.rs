//! Hashtag timelines.

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, TestApp},
};

async fn tagged(actor: &Actor<'_>, tag: &str) -> Vec<Value> {
    actor.get(&format!("/api/v1/timelines/hashtags/{tag}")).await.items("id")
}

#[apply(both_databases)]
#[tokio::test]
async fn hashtag_timeline_accepts_any_spelling_and_lists_newest_first(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let first = ann.posts("노을 #제주 #Jeju").await;
    bob.posts("#jejudo is another").await;
    let second = bob.posts("again #JEJU #jeju").await;
    for spelling in ["jeju", "JEJU", "%23Jeju", "%EF%BC%AAeju"] {
        assert_eq!(tagged(&t.stranger(), spelling).await, [json!(second), json!(first)], "{spelling}");
    }
    assert_eq!(tagged(&ann, "%EC%A0%9C%EC%A3%BC").await, [json!(first)]);
    assert_eq!(tagged(&ann, "nobody").await, [json!(null); 0]);
    for no_tag in [
        "%21",
        "2026",
        &"a".repeat(51),
        "je%20ju",
        "%20jeju",
        "jeju%20",
        "je%0Aju",
        "je%C2%A0ju",
        "je%E3%80%80ju",
        "je%E2%80%8Bju",
        "je%00ju",
        "jeju%00",
        "jeju%EF%B8%8F",
        "je%E3%85%A4ju",
        "%CD%8Fjeju",
        "je+ju",
        "jeju.",
        "je%2Fju",
        "%23%23jeju",
        "%23",
        "je%FFju",
    ] {
        for path in [format!("/api/v1/timelines/hashtags/{no_tag}"), format!("/api/v1/hashtags/{no_tag}")] {
            ann.get(&path).await.assert_problem(404, "not-found");
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn editing_a_post_updates_its_hashtags(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = ann.posts("#old #kept").await;
    let path = format!("/api/v1/posts/{post}");
    ann.patch(&path, &[], &json!({ "text": "#kept #new" })).await.assert_status(200);
    assert_eq!(tagged(&ann, "old").await, [json!(null); 0]);
    for tag in ["kept", "new"] {
        assert_eq!(tagged(&ann, tag).await, [json!(post)], "{tag}");
    }
    ann.patch(&path, &[], &json!({ "visibility": "followers" })).await.assert_status(200);
    assert_eq!(tagged(&ann, "new").await, [json!(null); 0], "hashtag timelines list public posts only");
    ann.patch(&path, &[], &json!({ "visibility": "public" })).await.assert_status(200);
    assert_eq!(tagged(&ann, "new").await, [json!(post)]);
    ann.delete(&path).await.assert_status(204);
    assert_eq!(tagged(&ann, "new").await, [json!(null); 0]);
    assert_eq!(t.database.count("post_hashtags").await, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn hashtag_pages_lead_both_ways_and_take_two_statements(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let mut posts = Vec::new();
    for n in 0..5 {
        posts.insert(0, json!(ann.posts(&format!("{n} #jeju")).await));
    }
    let reader = t.stranger();
    t.database.take_statements();
    let path = "/api/v1/timelines/hashtags/jeju?limit=2";
    let first = reader.get(path).await;
    assert_eq!(t.database.take_statements().len(), 2);
    assert_eq!(first.items("id"), posts[..2]);
    let cursor = |page: &Value, name: &str| page[name].as_str().unwrap().to_owned();
    let second = reader.get(&format!("{path}&cursor={}", cursor(&first.json(), "next_cursor"))).await;
    assert_eq!(second.items("id"), posts[2..4]);
    let back = reader.get(&format!("{path}&cursor={}", cursor(&second.json(), "prev_cursor"))).await;
    assert_eq!(back.items("id"), posts[..2]);
    let other = format!("/api/v1/timelines/hashtags/other?cursor={}", cursor(&first.json(), "next_cursor"));
    reader.get(&other).await.assert_problem(400, "cursor-invalid");
    let since = posts[3].as_str().unwrap();
    assert_eq!(reader.get(&format!("{path}&since_id={since}")).await.items("id"), posts[..2]);
}
