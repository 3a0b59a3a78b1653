//! Timelines: pages, links, cursors and `since_id`.

use std::time::Duration;

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    world::{Actor, Answer, TestApp},
};

/// Writes posts and returns their ids, newest first.
async fn posts(actor: &Actor<'_>, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.insert(0, actor.posts(&format!("post {n} #tag{n} @ann")).await);
    }
    ids
}

fn cursor(answer: &Answer, name: &str) -> Option<String> {
    answer.json()[name].as_str().map(ToOwned::to_owned)
}

/// The target of the link with the relation `rel` in the `Link` header.
fn link(answer: &Answer, rel: &str) -> Option<String> {
    let links = answer.header("link")?.split(", ");
    let link = links.filter_map(|link| link.split_once(&format!(">; rel=\"{rel}\""))).next()?.0;
    Some(link.trim_start_matches('<').to_owned())
}

// Defect 24 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn timeline_links_lead_both_ways(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let ids = posts(&ann, 7).await;
    for path in ["/api/v1/timelines/public", "/api/v1/users/@ann/posts"] {
        let reader = t.stranger();
        let mut page = reader.get(&format!("{path}?limit=3")).await;
        assert!(
            page.header("link").unwrap().contains("limit=3&cursor="),
            "the link keeps the client's query"
        );
        assert!(
            page.header("link").unwrap().find("rel=\"next\"")
                < page.header("link").unwrap().find("rel=\"prev\"")
        );
        let mut seen = page.items("id");
        while let Some(next) = link(&page, "next") {
            page = reader.get(&next).await;
            seen.extend(page.items("id"));
        }
        assert_eq!(seen, ids);
        assert_eq!(cursor(&page, "next_cursor"), None);

        let back = reader.get(&link(&page, "prev").unwrap()).await;
        assert_eq!(back.items("id"), ids[3..6]);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn links_are_valid_for_any_encoding_of_the_request(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [haneul] = t.users(["하늘이다"]).await;
    let ids = posts(&haneul, 3).await;
    let first = haneul.get("/api/v1/users/@하늘이다/posts?limit=1&x=%7f&%6cimit=1").await;
    assert_eq!(first.items("id"), ids[..1]);
    let next = link(&first, "next").unwrap();
    assert!(next.is_ascii(), "{next}");
    let old = cursor(&first, "next_cursor").unwrap();
    let second =
        haneul.get(&format!("{next}&%63ursor={old}").replace("?", &format!("?%63ursor={old}&"))).await;
    assert_eq!(link(&second, "next").map(|next| next.matches("ursor").count()), Some(1));
}

#[apply(both_databases)]
#[tokio::test]
async fn prev_cursor_of_the_first_page_finds_newer_posts(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let reader = t.stranger();
    let empty = reader.get("/api/v1/timelines/public").await;
    assert_eq!(empty.json(), json!({ "items": [], "next_cursor": null, "prev_cursor": null }));
    assert_eq!(empty.header("link"), None);

    posts(&ann, 2).await;
    let first = reader.get("/api/v1/timelines/public").await;
    let newer = format!("/api/v1/timelines/public?cursor={}", cursor(&first, "prev_cursor").unwrap());
    let nothing = reader.get(&newer).await;
    assert_eq!(nothing.items("id").len(), 0);
    assert_eq!(
        cursor(&nothing, "prev_cursor"),
        cursor(&first, "prev_cursor"),
        "an empty page keeps the cursor for the next request"
    );
    let fresh = posts(&ann, 2).await;
    assert_eq!(reader.get(&newer).await.items("id"), fresh);
}

#[apply(both_databases)]
#[tokio::test]
async fn cursor_stays_valid_when_its_post_is_deleted(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let ids = posts(&ann, 4).await;
    let first = ann.get("/api/v1/timelines/public?limit=2").await;
    ann.delete(&format!("/api/v1/posts/{}", ids[1])).await.assert_status(204);
    let second = ann.get(&link(&first, "next").unwrap()).await;
    assert_eq!(second.items("id"), ids[2..]);
}

#[apply(both_databases)]
#[tokio::test]
async fn since_id_excludes_older_posts(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let ids = posts(&ann, 5).await;
    let path = format!("/api/v1/timelines/public?since_id={}", ids[2]);
    ann.delete(&format!("/api/v1/posts/{}", ids[2])).await.assert_status(204);
    assert_eq!(ann.get(&path).await.items("id"), ids[..2], "the id need not exist");

    let first = ann.get(&format!("{path}&limit=1")).await;
    let second = ann.get(&link(&first, "next").unwrap()).await;
    assert_eq!((second.items("id"), cursor(&second, "next_cursor")), (vec![json!(ids[1])], None));
    let other = format!("/api/v1/timelines/public?cursor={}", cursor(&first, "next_cursor").unwrap());
    ann.get(&other).await.assert_problem(400, "cursor-invalid");
}

#[apply(both_databases)]
#[tokio::test]
async fn cursor_of_another_list_is_rejected(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    posts(&ann, 2).await;
    posts(&bob, 2).await;
    let public = cursor(&ann.get("/api/v1/timelines/public?limit=1").await, "next_cursor").unwrap();
    let of_ann = cursor(&ann.get("/api/v1/users/@ann/posts?limit=1").await, "next_cursor").unwrap();
    for path in [
        format!("/api/v1/users/@ann/posts?cursor={public}"),
        format!("/api/v1/users/@bob/posts?cursor={of_ann}"),
        format!("/api/v1/users/me/posts?cursor={of_ann}"),
        format!("/api/v1/timelines/public?cursor={of_ann}"),
        "/api/v1/timelines/public?cursor=%00%ff".to_owned(),
        format!("/api/v1/timelines/public?cursor={public}A"),
        format!("/api/v1/timelines/public?cursor={}", "A".repeat(9000)),
    ] {
        ann.get(&path).await.assert_problem(400, "cursor-invalid");
    }
    let page = ann.get(&format!("/api/v1/timelines/public?limit=50&cursor={public}")).await;
    assert_eq!(page.items("id").len(), 3, "the limit may differ from that of the previous page");
}

#[apply(both_databases)]
#[tokio::test]
async fn timeline_page_takes_a_constant_number_of_statements(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    posts(&ann, 15).await;
    posts(&bob, 15).await;
    // For a logged-in viewer, once a second, the session. For the posts of a user, the account, for a logged-in viewer the
    // relationship, and the ids.
    for (reader, session, account) in [(&t.stranger(), 0, 1), (&ann, 1, 2)] {
        let lists = [("/api/v1/timelines/public", 30, 1), ("/api/v1/users/@bob/posts", 15, account + 2)];
        for (path, posts, expected) in lists {
            for limit in [1, 5, 30] {
                // Sessions are cached for a second.
                t.clock.advance(Duration::from_secs(1));
                t.database.take_statements();
                let page = reader.get(&format!("{path}?limit={limit}")).await;
                assert_eq!(page.items("id").len(), posts.min(limit));
                let statements = t.database.take_statements();
                assert_eq!(statements.len(), session + expected, "{path} {limit}: {statements:#?}");
            }
        }
    }
}
