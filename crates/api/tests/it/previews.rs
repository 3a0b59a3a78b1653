//! Link previews of posts and profiles: what messengers and search engines read.

use blegram_media::testing::photo;
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use crate::{
    both_databases,
    web_app::{assert_is_document, browse, fetch, files},
    world::{Actor, PASSWORD, Settings, TestApp, picture},
};

/// What crawlers of messengers accept.
const CRAWLERS: [&[(&str, &str)]; 3] =
    [&[], &[("accept", "*/*")], &[("accept", "text/html;q=0.9,*/*;q=0.8")]];

async fn site(backend: Backend) -> TestApp {
    TestApp::with(backend, Settings { web: Some(files()), ..Settings::default() }).await
}

/// The head of the document at `path`, which must exist for everyone.
async fn head(t: &TestApp, path: &str) -> String {
    let answer = fetch(t, path, &[("accept", "*/*")]).await;
    assert_is_document(&answer, 200);
    let html = answer.text();
    html[..html.find("</head>").unwrap()].to_owned()
}

/// The unescaped content of a `<meta>` element.
fn meta(head: &str, name: &str) -> Option<String> {
    let start = ["property", "name"].map(|attribute| format!("<meta {attribute}=\"{name}\" content=\""));
    let at = start.iter().find_map(|start| head.find(start.as_str()).map(|at| at + start.len()))?;
    Some(unescape(&head[at..][..head[at..].find('"').unwrap()]))
}

fn title(head: &str) -> String {
    let start = head.find("<title>").unwrap() + "<title>".len();
    unescape(&head[start..][..head[start..].find("</title>").unwrap()])
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

async fn assert_indexable(t: &TestApp, path: &str, expected: bool) {
    let answer = browse(t, path).await;
    assert_is_document(&answer, 200);
    assert_eq!(answer.header("x-robots-tag"), (!expected).then_some("noindex"), "{path}");
    assert_eq!(meta(&answer.text(), "robots"), (!expected).then(|| "noindex".to_owned()), "{path}");
}

async fn change(actor: &Actor<'_>, profile: serde_json::Value) {
    actor.patch("/api/v1/me", &[], &profile).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn post_with_a_photo_is_a_large_card(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    change(&ann, json!({ "display_name": "앤" })).await;
    let uploaded =
        ann.uploads_with(&[("a.jpg", "image/jpeg", &photo(1600, 1200))], &["해 질 녘의 \"바다\""]).await;
    let media = uploaded.json()["items"][0]["id"].clone();
    let body = json!({ "text": "오늘의 노을\n #제주 & <b>", "media_ids": [media] });
    let post = ann.post("/api/v1/posts", &body).await.json();
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    for accepts in CRAWLERS {
        let answer = fetch(&t, &path, accepts).await;
        assert_is_document(&answer, 200);
        let head = answer.text();
        assert_eq!(title(&head), "앤: “오늘의 노을 #제주 & <b>” · blegram");
        let url = format!("http://127.0.0.1:8080{path}");
        for (name, expected) in [
            ("description", "오늘의 노을 #제주 & <b>"),
            ("og:type", "article"),
            ("og:site_name", "blegram"),
            ("og:title", "앤 (@ann)"),
            ("og:description", "오늘의 노을 #제주 & <b>"),
            ("og:url", &url),
            ("og:locale", "ko_KR"),
            ("og:image:width", "1080"),
            ("og:image:height", "1440"),
            ("og:image:alt", "해 질 녘의 \"바다\""),
            ("og:image:type", "image/webp"),
            ("twitter:card", "summary_large_image"),
            ("article:published_time", post["created_at"].as_str().unwrap()),
        ] {
            assert_eq!(meta(&head, name).as_deref(), Some(expected), "{name}: {head}");
        }
        assert!(head.contains(&format!("<link rel=\"canonical\" href=\"{url}\">")), "{head}");
        assert_eq!(answer.header("x-robots-tag"), None);
        // Crawlers have no cookie.
        let image = meta(&head, "og:image").unwrap();
        fetch(&t, image.strip_prefix("http://127.0.0.1:8080").unwrap(), &[]).await.assert_status(200);
    }
    // A program that prefers JSON has the API for it.
    fetch(&t, &path, &[("accept", "application/json")]).await.assert_problem(404, "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn text_of_any_kind_stays_text(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    let marks = "\u{301}".repeat(30);
    for (text, expected) in [
        ("</title><script>alert(1)</script>", "</title><script>alert(1)</script>"),
        ("\" onload=\"x' `y` &amp; &#x3c;", "\" onload=\"x' `y` &amp; &#x3c;"),
        ("שלום \u{202e}abc\u{202c}", "שלום abc"),
        ("👨‍👩‍👧‍👦 🇰🇷 👍🏽", "👨‍👩‍👧‍👦 🇰🇷 👍🏽"),
        (&format!("q{marks}b"), &format!("q{marks}b")),
    ] {
        let head = head(&t, &format!("/posts/{}", ann.posts(text).await)).await;
        assert_eq!(meta(&head, "og:description").as_deref(), Some(expected), "{head}");
        assert!(title(&head).contains(expected), "{head}");
        assert_eq!(head.matches("<script").count(), 1, "{head}");
        assert_eq!(head.matches("onload=\"").count(), 0, "{head}");
        assert_eq!(meta(&head, "twitter:card").as_deref(), Some("summary"));
    }
    let long = ann.posts(&"👨‍👩‍👧‍👦가 ".repeat(200)).await;
    let description = meta(&head(&t, &format!("/posts/{long}")).await, "og:description").unwrap();
    assert!(description.ends_with("👨‍👩‍👧‍👦…") || description.ends_with("가…"), "{description}");
    assert!(description.len() < 1_100, "{}", description.len());
}

#[apply(both_databases)]
#[tokio::test]
async fn post_without_text_is_described_by_its_images(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    for (alts, expected) in [(&["The sea", ""][..], "The sea"), (&[][..], "2 photos")] {
        let picture = picture(8, 6);
        let uploaded = ann.uploads_with(&[("a.png", "image/png", picture.as_slice()); 2], alts).await;
        let uploaded = uploaded.json();
        let ids = [&uploaded["items"][0]["id"], &uploaded["items"][1]["id"]];
        let post = ann.post("/api/v1/posts", &json!({ "text": "", "media_ids": ids })).await.json();
        let head = head(&t, &format!("/posts/{}", post["id"].as_str().unwrap())).await;
        assert_eq!(meta(&head, "og:description").as_deref(), Some(expected), "{head}");
        assert_eq!(title(&head), "ann (@ann) · blegram");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn what_the_public_may_not_see_looks_like_what_does_not_exist(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann, bob, private, suspended, deleted] = t.users(["ann", "bob", "cara", "dave", "erin"]).await;
    let followers = json!({ "text": "SECRET", "visibility": "followers" });
    let followers = ann.post("/api/v1/posts", &followers).await.json()["id"].as_str().unwrap().to_owned();
    let removed = ann.posts("SECRET").await;
    ann.delete(&format!("/api/v1/posts/{removed}")).await.assert_status(204);
    let of_private = private.posts("SECRET").await;
    change(&private, json!({ "is_private": true })).await;
    let of_suspended = suspended.posts("SECRET").await;
    t.database.execute("UPDATE users SET status = 'suspended' WHERE username = 'dave'").await;
    let of_deleted = deleted.posts("SECRET").await;
    deleted.post("/api/v1/me/deletion", &json!({ "password": PASSWORD })).await.assert_success();

    let unknown = browse(&t, "/posts/01a207d3-2e42-7580-8ed3-8115b4a694f2").await;
    assert_is_document(&unknown, 404);
    for path in [
        format!("/posts/{followers}"),
        format!("/posts/{removed}"),
        format!("/posts/{of_private}"),
        format!("/posts/{of_suspended}"),
        format!("/posts/{of_deleted}"),
        "/posts/nonsense".into(),
        "/posts/%ff".into(),
        "/@dave".into(),
        "/@erin".into(),
        "/@unknown".into(),
        "/@".into(),
        "/@%20".into(),
    ] {
        // The author gets the same document as everyone: the app shows the post to those who may see it.
        let author = ann.send_bare(poem::http::Method::GET, &path, &[("accept", "*/*")], Vec::new()).await;
        for answer in [browse(&t, &path).await, author] {
            if answer.header("content-type") == Some("application/problem+json") {
                answer.assert_problem(404, "not-found");
                continue;
            }
            assert_is_document(&answer, 404);
            assert_eq!(answer.body, unknown.body, "{path}");
            assert_eq!(answer.header("x-robots-tag"), Some("noindex"), "{path}");
        }
    }
    // They can be read by those who may.
    ann.get(&format!("/api/v1/posts/{followers}")).await.assert_status(200);
    bob.get(&format!("/api/v1/posts/{followers}")).await.assert_status(404);
}

#[apply(both_databases)]
#[tokio::test]
async fn profile_has_a_small_card(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    let empty = head(&t, "/@ann").await;
    assert_eq!(meta(&empty, "og:description").as_deref(), Some("Photos and posts on blegram"));
    assert_eq!(meta(&empty, "og:image"), None);

    let avatar = ann.uploads_picture().await;
    let profile =
        json!({ "display_name": "Ann \"<A>\"", "bio": "주말마다\n산에 갑니다", "avatar_media_id": avatar });
    change(&ann, profile).await;
    // The address is the canonical one, however it is written.
    for path in ["/@ann", "/@%61nn"] {
        let head = head(&t, path).await;
        assert_eq!(title(&head), "Ann \"<A>\" (@ann) · blegram");
        for (name, expected) in [
            ("description", "주말마다 산에 갑니다"),
            ("og:type", "profile"),
            ("profile:username", "ann"),
            ("og:title", "Ann \"<A>\" (@ann)"),
            ("og:url", "http://127.0.0.1:8080/@ann"),
            ("og:locale", "ko_KR"),
            ("twitter:card", "summary"),
        ] {
            assert_eq!(meta(&head, name).as_deref(), Some(expected), "{name}: {head}");
        }
        let image = meta(&head, "og:image").unwrap();
        fetch(&t, image.strip_prefix("http://127.0.0.1:8080").unwrap(), &[]).await.assert_status(200);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn private_and_undiscoverable_accounts_are_not_indexed(#[case] backend: Backend) {
    let t = site(backend).await;
    let [ann] = t.users(["ann"]).await;
    let post = format!("/posts/{}", ann.posts("the sea").await);
    for path in ["/@ann", &post] {
        assert_indexable(&t, path, true).await;
    }
    change(&ann, json!({ "discoverable": false })).await;
    for path in ["/@ann", &post] {
        assert_indexable(&t, path, false).await;
    }
    // A link to it still has a preview.
    assert_eq!(meta(&head(&t, &post).await, "og:description").as_deref(), Some("the sea"));

    change(&ann, json!({ "discoverable": true, "is_private": true })).await;
    assert_indexable(&t, "/@ann", false).await;
    assert_is_document(&browse(&t, &post).await, 404);
}
