//! Images: uploads by form and direct uploads, storage, links and alt texts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use blegram_domain::Media as Image;
use blegram_media::testing::photo;
use blegram_persistence::testing::Backend;
use futures_util::{StreamExt, stream};
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, Answer, Settings, TestApp, client_id, form, picture},
};

/// The path of a link to this site, with its query.
fn path(link: &Value) -> String {
    link.as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap().to_owned()
}

impl TestApp {
    /// Runs the job that moves the images of an account to the area of the storage where they belong.
    async fn moves_images(&self, of: &Actor<'_>) {
        let me = of.get("/api/v1/me").await.json()["id"].as_str().unwrap().parse().unwrap();
        while self.media.move_media(me).await.unwrap() {}
    }
}

impl Actor<'_> {
    async fn posts_images(&self, ids: &[&str], visibility: &str) -> Value {
        let body = json!({ "text": "", "media_ids": ids, "visibility": visibility });
        let post = self.post("/api/v1/posts", &body).await;
        post.assert_status(201);
        post.json()
    }

    async fn fetch(&self, link: &Value, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, &path(link), headers, Vec::new()).await
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn uploaded_photo_is_posted_and_served(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let uploaded =
        ann.uploads_with(&[("IMG_1.JPG", "image/jpeg", &photo(1600, 1200))], &["  the sea "]).await;
    uploaded.assert_status(201);
    assert_eq!(uploaded.json()["problems"], json!([]));
    let media = &uploaded.json()["items"][0];
    assert_eq!(
        (&media["width"], &media["height"], &media["alt"]),
        (&json!(1080), &json!(1440), &json!("the sea"))
    );
    let id = media["id"].as_str().unwrap();

    let post = ann.posts_images(&[id], "public").await;
    assert_eq!(post["text"], "");
    let timeline =
        async || t.stranger().get("/api/v1/timelines/public").await.json()["items"][0]["media"].clone();
    assert_eq!(timeline().await, post["media"]);
    let signed = post["media"][0]["url"].clone();
    assert!(signed.as_str().unwrap().contains("signature="), "signed until the image is in the public area");
    t.stranger().fetch(&signed, &[]).await.assert_status(200);

    t.moves_images(&ann).await;
    t.stranger().fetch(&signed, &[]).await.assert_status(200);
    let listed = timeline().await;
    let variants = listed[0]["variants"].as_array().unwrap();
    assert_eq!(
        variants.iter().map(|variant| &variant["name"]).collect::<Vec<_>>(),
        ["thumb", "small", "large"]
    );
    for link in variants.iter().map(|variant| &variant["url"]).chain([&listed[0]["url"]]) {
        assert!(!link.as_str().unwrap().contains('?'), "a public link has no signature and does not expire");
        let file = t.stranger().fetch(link, &[]).await;
        file.assert_status(200);
        for (name, value) in [
            ("content-type", "image/webp"),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("accept-ranges", "bytes"),
        ] {
            assert_eq!(file.header(name), Some(value), "{name}");
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn files_support_range_and_conditional_requests(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let id = ann.uploads_picture().await;
    let link = ann.posts_images(&[&id], "public").await["media"][0]["url"].clone();
    let whole = ann.fetch(&link, &[]).await;
    let (tag, size) = (whole.header("etag").unwrap(), whole.body.len());

    let again = ann.fetch(&link, &[("if-none-match", tag)]).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    for (range, from, to) in [("bytes=0-9", 0, 10), ("bytes=5-", 5, size), ("bytes=-4", size - 4, size)] {
        let part = ann.fetch(&link, &[("range", range)]).await;
        part.assert_status(206);
        assert_eq!(part.body, whole.body[from..to]);
        assert_eq!(part.header("content-range"), Some(&*format!("bytes {from}-{}/{size}", to - 1)));
    }
    let beyond = ann.fetch(&link, &[("range", &format!("bytes={size}-"))]).await;
    beyond.assert_problem(416, "range-not-satisfiable");
    assert_eq!(beyond.header("content-range"), Some(&*format!("bytes */{size}")));
    for all in ["bytes=0-1,3-4", "bytes=5-2", "lines=1-2", "bytes=x-", "bytes=-"] {
        assert_eq!(ann.fetch(&link, &[("range", all)]).await.body, whole.body, "{all}");
    }
    let other = ann.fetch(&link, &[("range", "bytes=0-9"), ("if-range", "\"another\"")]).await;
    assert_eq!(other.body, whole.body);
    let head = ann.send(Method::HEAD, &path(&link), &[], Vec::new()).await;
    assert_eq!(head.header("content-length"), Some(&*size.to_string()));
}

#[apply(both_databases)]
#[tokio::test]
async fn followers_only_images_have_expiring_links(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    bob.put_empty("/api/v1/users/@ann/follow").await.assert_status(200);
    let id = ann.uploads_picture().await;
    let post = ann.posts_images(&[&id], "followers").await;
    let post = post["id"].as_str().unwrap();
    let link = bob.get(&format!("/api/v1/posts/{post}")).await.json()["media"][0]["url"].clone();
    let file = t.stranger().fetch(&link, &[]).await;
    file.assert_status(200);
    let cache = file.header("cache-control").unwrap();
    assert!(cache.starts_with("private, max-age="), "{cache}");

    t.moves_images(&ann).await;
    assert_eq!(bob.get(&format!("/api/v1/posts/{post}")).await.json()["media"][0]["url"], link);
    let bare = link.as_str().unwrap().split('?').next().unwrap();
    t.stranger().fetch(&json!(bare), &[]).await.assert_problem(404, "not-found");
    let forged = link.as_str().unwrap().replace("signature=", "signature=A");
    t.stranger().fetch(&json!(forged), &[]).await.assert_problem(404, "not-found");
    t.clock.advance(Duration::from_secs(2 * 60 * 60));
    t.stranger().fetch(&link, &[]).await.assert_problem(404, "not-found");
    ann.fetch(&ann.get(&format!("/api/v1/media/{id}")).await.json()["url"], &[]).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn image_is_used_once_and_by_its_owner_only(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let [used, picture, of_bob] =
        [ann.uploads_picture().await, ann.uploads_picture().await, bob.uploads_picture().await];
    ann.posts_images(&[&used], "public").await;
    ann.patch("/api/v1/me", &[], &json!({ "avatar_media_id": picture })).await.assert_status(200);
    for id in [&used, &picture] {
        let body = json!({ "text": "again", "media_ids": [id] });
        ann.post("/api/v1/posts", &body).await.assert_problem(409, "media-in-use");
        ann.patch("/api/v1/me", &[], &json!({ "avatar_media_id": used }))
            .await
            .assert_problem(409, "media-in-use");
        ann.delete(&format!("/api/v1/media/{id}")).await.assert_problem(409, "media-in-use");
    }
    let body = json!({ "text": "x", "media_ids": [of_bob] });
    ann.post("/api/v1/posts", &body).await.assert_invalid(&[("/media_ids/0", "not-found")]);
    ann.patch("/api/v1/me", &[], &json!({ "avatar_media_id": of_bob }))
        .await
        .assert_invalid(&[("/avatar_media_id", "not-found")]);
    assert_eq!(ann.get("/api/v1/me").await.json()["post_count"], 1, "rejected posts leave nothing behind");
    for method in [Method::GET, Method::DELETE] {
        let path = format!("/api/v1/media/{of_bob}");
        ann.send(method, &path, &[], Vec::new()).await.assert_problem(404, "not-found");
    }
    bob.delete(&format!("/api/v1/media/{of_bob}")).await.assert_status(204);
    bob.get(&format!("/api/v1/media/{of_bob}")).await.assert_problem(404, "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_posts_with_one_image_succeed_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let id = ann.uploads_picture().await;
    let body = json!({ "text": "mine", "media_ids": [id] });
    let all = futures_util::future::join_all((0..8).map(|_| ann.post("/api/v1/posts", &body))).await;
    let mut statuses: Vec<u16> = all.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(ann.get("/api/v1/me").await.json()["post_count"], 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn avatar_is_visible_wherever_its_owner_is(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = ann.posts("for @bob").await;
    ann.comments(&post, "first").await;
    let id = ann.uploads_picture().await;
    let me = ann.patch("/api/v1/me", &[], &json!({ "avatar_media_id": id })).await.json();
    let link = me["avatar_url"].clone();
    t.stranger().fetch(&link, &[]).await.assert_status(200);
    for (path, pointer) in [
        ("/api/v1/users/@ann".to_owned(), "/avatar_url"),
        (format!("/api/v1/posts/{post}"), "/author/avatar_url"),
        (format!("/api/v1/posts/{post}/comments"), "/items/0/author/avatar_url"),
        ("/api/v1/notifications".to_owned(), "/items/0/actor/avatar_url"),
        ("/api/v1/search/suggestions?q=ann".to_owned(), "/users/0/avatar_url"),
    ] {
        assert_eq!(bob.get(&path).await.json().pointer(pointer), Some(&link), "{path}");
    }
    let me = ann.patch("/api/v1/me", &[], &json!({ "avatar_media_id": null })).await;
    assert_eq!(me.json()["avatar_url"], Value::Null);
    ann.get(&format!("/api/v1/media/{id}")).await.assert_problem(404, "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn editing_a_post_replaces_its_images(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let [one, two, of_bob] =
        [ann.uploads_picture().await, ann.uploads_picture().await, bob.uploads_picture().await];
    let post = ann.posts_images(&[&one], "public").await;
    let path = format!("/api/v1/posts/{}", post["id"].as_str().unwrap());
    let ids = |post: &Value| {
        post["media"].as_array().unwrap().iter().map(|image| image["id"].clone()).collect::<Vec<_>>()
    };

    let rejected = ann.patch(&path, &[], &json!({ "media_ids": [one, two, of_bob] })).await;
    rejected.assert_invalid(&[("/media_ids/2", "not-found")]);
    t.clock.advance(Duration::from_secs(1));
    let edited = ann.patch(&path, &[], &json!({ "media_ids": [two, one] })).await.json();
    assert_eq!(ids(&edited), [json!(two), json!(one)]);
    assert_eq!(edited["edited_at"], "2026-09-21T14:13:21.000Z");
    t.clock.advance(Duration::from_secs(1));
    ann.patch(&path, &[], &json!({ "media_ids": [two] })).await.assert_status(200);
    let revisions = t.stranger().get(&format!("{path}/revisions")).await.json();
    let stored: Vec<_> = revisions["items"].as_array().unwrap().iter().map(ids).collect();
    // Earlier revisions do not show a removed image, either.
    assert_eq!(stored, [vec![json!(two)], vec![json!(two)], vec![]]);
    ann.patch(&path, &[], &json!({ "media_ids": [] })).await.assert_invalid(&[("/text", "blank")]);
    ann.patch(&path, &[], &json!({ "text": "words", "media_ids": [] })).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn alt_text_can_be_changed_after_the_upload(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let path = format!("/api/v1/media/{}", ann.uploads_picture().await);
    let before = ann.get(&path).await;
    let tag = before.header("etag").unwrap();
    let updated = ann.patch(&path, &[("if-match", tag)], &json!({ "alt": "해 질 녘의 바다" })).await;
    assert_eq!(updated.json()["alt"], "해 질 녘의 바다");
    let late = ann.patch(&path, &[("if-match", tag)], &json!({ "alt": "x" })).await;
    late.assert_problem(412, "precondition-failed");
    assert_eq!(ann.patch(&path, &[], &json!({})).await.json()["alt"], "해 질 녘의 바다");
    assert_eq!(ann.patch(&path, &[], &json!({ "alt": null })).await.json()["alt"], Value::Null);
    let long = "a".repeat(1001);
    ann.patch(&path, &[], &json!({ "alt": long })).await.assert_invalid(&[("/alt", "too-long")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn files_of_an_upload_are_validated_separately(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let good = picture(20, 20);
    let large = vec![0; usize::try_from(Image::MAX_BYTES).unwrap() + 1];
    let broken = &photo(64, 48)[..500];
    let answer = ann
        .uploads_with(
            &[
                ("a.png", "image/png", &good),
                ("b.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
                ("c.heic", "image/heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
                ("d.png", "image/png", b""),
                ("e.png", "image/png", &large),
                ("f.jpg", "image/jpeg", broken),
                ("g.html", "text/html", b"<!doctype html>"),
                ("h.png", "application/octet-stream", &good),
            ],
            &["first", "", "", "", "", "", "", "last"],
        )
        .await;
    answer.assert_status(201);
    let answer = answer.json();
    let alts: Vec<_> = answer["items"].as_array().unwrap().iter().map(|image| image["alt"].clone()).collect();
    assert_eq!(alts, ["first", "last"]);
    let problems: Vec<_> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (&problem["pointer"], &problem["code"]))
        .collect();
    let expected = [
        ("/file/1", "media-unsupported"),
        ("/file/2", "media-unsupported"),
        ("/file/3", "media-empty"),
        ("/file/4", "media-too-large"),
        ("/file/5", "media-broken"),
        ("/file/6", "media-unsupported"),
    ]
    .map(|(pointer, code)| (json!(pointer), json!(code)));
    assert_eq!(problems, expected.each_ref().map(|(pointer, code)| (pointer, code)));

    let none = ann.uploads(&[("e.png", "image/png", &large), ("d.png", "image/png", b"")]).await;
    none.assert_problem(413, "media-too-large");
    let errors = none.json()["errors"].clone();
    assert_eq!((&errors[0]["code"], &errors[1]["code"]), (&json!("media-too-large"), &json!("media-empty")));
    assert_eq!(t.database.count("media").await, 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn upload_forms_are_parsed_strictly(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let good = picture(4, 4);
    let file = ("a.png", "image/png", good.as_slice());
    ann.uploads(&[file; 11]).await.assert_invalid(&[("/file", "too-many")]);
    ann.uploads(&[]).await.assert_invalid(&[("/file", "required")]);
    ann.uploads_with(&[file], &["one", "two"]).await.assert_invalid(&[("/alt", "too-many")]);
    let long = "a".repeat(1001);
    ann.uploads_with(&[file], &[&long]).await.assert_invalid(&[("/alt/0", "too-long")]);
    ann.post("/api/v1/media", &json!({})).await.assert_problem(415, "unsupported-media-type");
    let send = async |content_type: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        let headers = [&[("content-type", content_type)], headers].concat();
        ann.send(Method::POST, "/api/v1/media", &headers, body).await
    };
    send("multipart/form-data", &[], Vec::new()).await.assert_problem(415, "unsupported-media-type");
    let (content_type, body) = form(&[file], &[]);
    send(&content_type, &[("content-encoding", "gzip")], body.clone())
        .await
        .assert_problem(415, "unsupported-media-type");
    let cut = body[..body.len() - 20].to_vec();
    send(&content_type, &[], cut).await.assert_problem(400, "malformed-request");
    send(&content_type, &[("content-length", "300000000")], Vec::new())
        .await
        .assert_problem(413, "body-too-large");
    let other = String::from_utf8_lossy(&form(&[], &["x"]).1).replace("\"alt\"", "\"na/me\"");
    send(&content_type, &[], other.into_bytes()).await.assert_invalid(&[("/na~1me", "unknown-field")]);
    assert_eq!(t.database.count("media").await, 0);
}

/// The parser does not buffer an endless preamble or part header.
#[apply(both_databases)]
#[tokio::test]
async fn upload_forms_without_parts_are_rejected_early(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let (content_type, end) = form(&[], &[]);
    let headless = String::from_utf8(end).unwrap().replace("--\r\n", "\r\nx-long: ");
    for first in ["preamble ".to_owned(), headless] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let endless = std::iter::repeat_n(vec![b'a'; 8192], 20_000);
        let pieces = stream::iter(std::iter::once(first.into_bytes()).chain(endless)).map(move |piece| {
            count.fetch_add(piece.len(), Ordering::Relaxed);
            Ok::<_, std::io::Error>(piece)
        });
        let body = poem::Body::from_bytes_stream(pieces);
        let headers = [("content-type", content_type.as_str())];
        let answer = ann.send_body(Method::POST, "/api/v1/media", &headers, body).await;
        answer.assert_problem(400, "malformed-request");
        assert!(sent.load(Ordering::Relaxed) < 200_000, "{sent:?} bytes were read");
    }
}

/// A form may be 200 MiB, so the caller is authorized before the body is read.
#[apply(both_databases)]
#[tokio::test]
async fn unauthorized_upload_forms_are_not_read(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let (content_type, _) = form(&[], &[]);
    // The body is not a form: a handler that reads it returns 400.
    let body = b"no form".to_vec();
    let headers = [("content-type", content_type.as_str())];
    let stranger = t.stranger().send(Method::POST, "/api/v1/media", &headers, body.clone()).await;
    stranger.assert_problem(401, "unauthenticated");
    let foreign = [
        ("content-type", content_type.as_str()),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ];
    ann.send_bare(Method::POST, "/api/v1/media", &foreign, body.clone())
        .await
        .assert_problem(403, "csrf-rejected");
    ann.send(Method::POST, "/api/v1/media", &headers, body).await.assert_problem(400, "malformed-request");
}

#[apply(both_databases)]
#[tokio::test]
async fn upload_is_replayed_with_the_same_idempotency_key(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let send = async |file: &[u8], alts: &[&str]| {
        let (content_type, body) = form(&[("a.png", "image/png", file)], alts);
        let headers = [("content-type", content_type.as_str()), ("idempotency-key", "one")];
        ann.send(Method::POST, "/api/v1/media", &headers, body).await
    };
    let first = send(&picture(8, 8), &["sea"]).await;
    first.assert_status(201);
    let again = send(&picture(8, 8), &["sea"]).await;
    assert_eq!((again.header("idempotent-replayed"), again.json()), (Some("true"), first.json()));
    assert_eq!(t.database.count("media").await, 1);
    send(&picture(9, 8), &["sea"]).await.assert_problem(422, "idempotency-key-reused");
    send(&picture(8, 8), &["lake"]).await.assert_problem(422, "idempotency-key-reused");
}

#[apply(both_databases)]
#[tokio::test]
async fn direct_upload_stores_the_announced_file(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let file = photo(64, 48);
    let announced = ann
        .post("/api/v1/media/uploads", &json!({ "content_type": "image/jpeg", "byte_size": file.len() }))
        .await;
    announced.assert_status(201);
    let upload = announced.json();
    assert_eq!(upload["method"], "PUT");
    let complete = format!("/api/v1/media/uploads/{}/complete", upload["id"].as_str().unwrap());
    ann.post(&complete, &json!({})).await.assert_problem(409, "upload-not-arrived");

    // The link alone authorizes the upload; no login is needed.
    let put = async |link: String, content_type: &str, file: &[u8]| {
        let headers = [("content-type", content_type)];
        t.stranger().send_bare(Method::PUT, &path(&json!(link)), &headers, file.to_vec()).await
    };
    let link = || upload["url"].as_str().unwrap().to_owned();
    put(link().replace("signature=", "signature=A"), "image/jpeg", &file)
        .await
        .assert_problem(404, "not-found");
    put(link().split('?').next().unwrap().to_owned(), "image/jpeg", &file)
        .await
        .assert_problem(404, "not-found");
    put(link(), "image/png", &file).await.assert_problem(415, "media-type-mismatch");
    put(link(), "image/jpeg", &file[1..]).await.assert_problem(422, "upload-mismatch");
    put(link(), "image/jpeg", &[&file[..], b"x"].concat()).await.assert_problem(413, "media-too-large");
    ann.post(&complete, &json!({})).await.assert_problem(409, "upload-not-arrived");
    put(link(), "image/jpeg", &file).await.assert_status(200);

    let media = ann.post(&complete, &json!({})).await;
    media.assert_status(200);
    assert_eq!(ann.post(&complete, &json!({})).await.json(), media.json());
    put(link(), "image/jpeg", &file).await.assert_problem(409, "upload-expired");
    ann.posts_images(&[media.json()["id"].as_str().unwrap()], "public").await;
    for (body, errors) in [
        (json!({ "content_type": "image/svg+xml", "byte_size": 9 }), [("/content_type", "out-of-range")]),
        (json!({ "content_type": "image/png", "byte_size": 0 }), [("/byte_size", "out-of-range")]),
        (
            json!({ "content_type": "image/png", "byte_size": Image::MAX_BYTES + 1 }),
            [("/byte_size", "out-of-range")],
        ),
        (json!({ "content_type": "image/png", "byte_size": 1.5 }), [("/byte_size", "wrong-type")]),
        (
            json!({ "content_type": "image/png", "byte_size": 9, "sha256": "abc" }),
            [("/sha256", "invalid-characters")],
        ),
    ] {
        ann.post("/api/v1/media/uploads", &body).await.assert_invalid(&errors);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn images_of_a_page_take_no_statement_of_their_own(#[case] backend: Backend) {
    // The statements of periodic work would be counted, too.
    let t = TestApp::with(backend, Settings { has_background: false, ..Settings::default() }).await;
    let [ann] = t.users(["ann"]).await;
    let statements = async || {
        t.database.take_statements();
        t.stranger().get("/api/v1/timelines/public").await.assert_status(200);
        t.database.take_statements().len()
    };
    ann.posts("words").await;
    let without = statements().await;
    for _ in 0..5 {
        let ids = [ann.uploads_picture().await, ann.uploads_picture().await];
        ann.posts_images(&[&ids[0], &ids[1]], "public").await;
    }
    assert_eq!(statements().await, without);
}

#[tokio::test]
async fn media_paths_do_not_leave_the_storage() {
    let t = TestApp::new(Backend::Sqlite).await;
    for name in [
        "incoming/x",
        "../secrets.key",
        "public/../../secrets.key",
        "public/%2e%2e/secrets.key",
        "public/00000000000000000000000000000000/00000000000000000000000000000000/large.webp",
        "",
        "public//large.webp",
    ] {
        let answer = t.stranger().get(&format!("/media/{name}")).await;
        answer.assert_problem(404, "not-found");
    }
    t.stranger().delete("/media/public/x").await.assert_problem(405, "method-not-allowed");
}

/// A body that sends some bytes and then stalls, and a semaphore with a permit once the server waits for more.
fn stalling(first: Vec<u8>) -> (poem::Body, Arc<tokio::sync::Semaphore>) {
    let waits = Arc::new(tokio::sync::Semaphore::new(0));
    let signal = Arc::clone(&waits);
    let pause = stream::once(async move {
        signal.add_permits(1);
        std::future::pending::<Result<Vec<u8>, std::io::Error>>().await
    });
    (poem::Body::from_bytes_stream(stream::iter([Ok(first)]).chain(pause)), waits)
}

#[apply(both_databases)]
#[tokio::test]
async fn slow_uploads_are_limited_per_account(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.media.receive.per_account = 1;
    let t = TestApp::with(backend, settings).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let (content_type, body) = form(&[("a.png", "image/png", &picture(8, 8))], &[]);
    let headers = [("content-type", content_type.as_str())];
    let (slow, waits) = stalling(body[..20].to_vec());
    let slow = ann.send_body(Method::POST, "/api/v1/media", &headers, slow);
    tokio::pin!(slow);
    tokio::select! {
        _ = &mut slow => panic!("the stalled upload was answered"),
        permit = waits.acquire() => permit.unwrap().forget(),
    }
    let rejected = ann.send(Method::POST, "/api/v1/media", &headers, body.clone()).await;
    rejected.assert_problem(429, "rate-limited");
    assert_eq!(rejected.header("retry-after"), Some("5"));
    bob.send(Method::POST, "/api/v1/media", &headers, body).await.assert_status(201);
}

#[apply(both_databases)]
#[tokio::test]
async fn direct_upload_accepts_one_request_at_a_time(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.media.receive.per_account = 1;
    let t = TestApp::with(backend, settings).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let file = photo(64, 48);
    let announced = json!({ "content_type": "image/jpeg", "byte_size": file.len() });
    let announce = async |by: &Actor<'_>| {
        let upload = by.post("/api/v1/media/uploads", &announced).await.json();
        path(&upload["url"])
    };
    let [one, other, of_bob] = [announce(&ann).await, announce(&ann).await, announce(&bob).await];
    let headers = [("content-type", "image/jpeg")];
    let anonymous = t.stranger();
    let put = async |link: &str| anonymous.send_bare(Method::PUT, link, &headers, file.clone()).await;
    {
        let (slow, waits) = stalling(file[..20].to_vec());
        let slow = anonymous.send_body(Method::PUT, &one, &headers, slow);
        tokio::pin!(slow);
        tokio::select! {
            _ = &mut slow => panic!("the stalled upload was answered"),
            permit = waits.acquire() => permit.unwrap().forget(),
        }
        let again = put(&one).await;
        again.assert_problem(409, "upload-in-progress");
        assert!(again.header("retry-after").is_some());
        let beside = put(&other).await;
        beside.assert_problem(429, "rate-limited");
        assert_eq!(beside.header("retry-after"), Some("5"));
        put(&of_bob).await.assert_status(200);
    }
    put(&one).await.assert_status(200);
    put(&other).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn slow_uploads_time_out(#[case] backend: Backend) {
    let mut settings = Settings::default();
    settings.media.receive.grace = Duration::ZERO;
    settings.media.receive.min_bytes_per_second = u64::MAX;
    let t = TestApp::with(backend, settings).await;
    let [ann] = t.users(["ann"]).await;
    let file = photo(64, 48);
    let announced = json!({ "content_type": "image/jpeg", "byte_size": file.len() });
    let upload = ann.post("/api/v1/media/uploads", &announced).await.json();
    let (slow, _) = stalling(file[..20].to_vec());
    let headers = [("content-type", "image/jpeg")];
    let answer = t.stranger().send_body(Method::PUT, &path(&upload["url"]), &headers, slow).await;
    answer.assert_problem(408, "request-timeout");
    let (content_type, body) = form(&[("a.png", "image/png", &picture(8, 8))], &[]);
    let (slow, _) = stalling(body[..20].to_vec());
    let headers = [("content-type", content_type.as_str())];
    let answer = ann.send_body(Method::POST, "/api/v1/media", &headers, slow).await;
    answer.assert_problem(408, "request-timeout");
}

#[apply(both_databases)]
#[tokio::test]
async fn incomplete_direct_uploads_have_a_quota(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let announced = json!({ "content_type": "image/jpeg", "byte_size": Image::MAX_BYTES });
    for _ in 0..25 {
        ann.post("/api/v1/media/uploads", &announced).await.assert_status(201);
    }
    let rejected = ann.post("/api/v1/media/uploads", &announced).await;
    rejected.assert_problem(403, "quota-exceeded");
    assert!(
        rejected.json()["detail"].as_str().unwrap().contains("are 25 of 100 files"),
        "{}",
        rejected.json()
    );
}

/// A link with a signature must have a valid one, even if the file is public.
#[apply(both_databases)]
#[tokio::test]
async fn invalid_signature_is_rejected_for_public_files_too(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let id = ann.uploads_picture().await;
    let post = ann.posts_images(&[&id], "public").await;
    t.moves_images(&ann).await;
    let own = ann.get(&format!("/api/v1/media/{id}")).await.json()["url"].clone();
    let bare = path(&own).split('?').next().unwrap().to_owned();
    assert!(bare.starts_with("/media/public/"));
    let get = async |path: String| t.stranger().get(&path).await;
    get(bare.clone()).await.assert_status(200);
    let signed = get(path(&own)).await;
    signed.assert_status(200);
    assert!(signed.header("cache-control").unwrap().starts_with("private, "));
    for query in [
        path(&own).replace("signature=", "signature=A"),
        path(&own).replace("expires=", "expires=1"),
        format!("{bare}?signature=AAAA"),
        format!("{bare}?expires=9999999999"),
        format!("{bare}?expires=soon&signature="),
    ] {
        get(query).await.assert_problem(404, "not-found");
    }
    get(format!("{bare}?v=1")).await.assert_status(200);

    // After the deletion, neither the address nor a cached ETag is valid.
    let tag = get(bare.clone()).await.header("etag").unwrap().to_owned();
    ann.delete(&format!("/api/v1/posts/{}", post["id"].as_str().unwrap())).await.assert_status(204);
    while t.media.purge_post(post["id"].as_str().unwrap().parse().unwrap()).await.unwrap() {}
    get(bare.clone()).await.assert_problem(404, "not-found");
    t.stranger()
        .send(Method::GET, &bare, &[("if-none-match", &tag)], Vec::new())
        .await
        .assert_problem(404, "not-found");
}

/// An image that was only ever in a message, or only visible to followers, is served with a signature only.
#[apply(both_databases)]
#[tokio::test]
async fn private_images_never_have_an_unsigned_address(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let conversation = ann.starts_conversation(&["@bob"], None).await;
    let [in_message, for_followers] = [ann.uploads_picture().await, ann.uploads_picture().await];
    ann.posts_images(&[&for_followers], "followers").await;
    let body = json!({ "client_id": client_id(), "text": "look", "media_ids": [in_message] });
    let sent = ann.post(&format!("/api/v1/conversations/{conversation}/messages"), &body).await;
    sent.assert_status(201);
    t.moves_images(&ann).await;
    let messages = bob.get(&format!("/api/v1/conversations/{conversation}/messages")).await.json();
    let of_bob = messages["items"][0]["media"][0]["url"].clone();
    bob.fetch(&of_bob, &[]).await.assert_status(200);
    for id in [&in_message, &for_followers] {
        let link = path(&ann.get(&format!("/api/v1/media/{id}")).await.json()["url"]);
        let (bare, query) = link.split_once('?').unwrap();
        assert!(bare.starts_with("/media/private/"), "{bare}");
        for unsigned in [bare.to_owned(), bare.replace("/private/", "/public/"), format!("{bare}?{query}x")] {
            t.stranger().get(&unsigned).await.assert_problem(404, "not-found");
        }
    }
    let message = sent.json()["id"].as_str().unwrap().to_owned();
    ann.delete(&format!("/api/v1/conversations/{conversation}/messages/{message}")).await.assert_status(204);
    while t.media.purge_media(in_message.parse().unwrap()).await.unwrap() {}
    bob.fetch(&of_bob, &[]).await.assert_problem(404, "not-found");
}

/// The bytes decide the type of a file, because phones and browsers send wrong types.
#[apply(both_databases)]
#[tokio::test]
async fn content_type_of_a_part_is_ignored(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let (png, jpeg) = (picture(8, 6), photo(16, 12));
    for label in [
        "image/png",
        "image/jpeg",
        "image/*",
        "image/heic",
        "application/octet-stream",
        "text/html; charset=utf-8",
        "*/*",
        "no type at all",
        "",
    ] {
        for file in [&png, &jpeg] {
            ann.uploads(&[("a", label, file)]).await.assert_status(201);
        }
        let rejected = ann.uploads(&[("a.png", label, b"<!doctype html>")]).await;
        rejected.assert_problem(415, "media-unsupported");
    }
    // No `Content-Type` at all.
    let (content_type, body) = form(&[("a.png", "image/png", &png)], &[]);
    let line = b"Content-Type: image/png\r\n";
    let at = body.windows(line.len()).position(|bytes| bytes.eq_ignore_ascii_case(line)).unwrap();
    let body = [&body[..at], &body[at + line.len()..]].concat();
    ann.send(Method::POST, "/api/v1/media", &[("content-type", &content_type)], body)
        .await
        .assert_status(201);
}

/// The default formats of phones are rejected with advice in English and Korean.
#[apply(both_databases)]
#[tokio::test]
async fn unsupported_phone_formats_are_rejected_with_advice(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    for (file, words) in [
        (
            &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..],
            &["HEIC", "Most Compatible", "Android", "높은 호환성"][..],
        ),
        (b"\0\0\0\x1cftypmif1\0\0\0\0heixmiaf", &["HEIC", "Most Compatible", "Android", "높은 호환성"]),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1miaf", &["AVIF", "JPEG", "iPhone", "Android", "저장해 보내세요"]),
        (b"\xff\x0a\xff\xff", &["JPEG XL", "받지 않습니다"]),
        (b"II*\0\x08\0\0\0", &["DNG", "ProRAW", "받지 않습니다"]),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", &["video", "동영상"]),
    ] {
        let rejected = ann.uploads(&[("IMG_1.HEIC", "image/jpeg", file)]).await;
        rejected.assert_problem(415, "media-unsupported");
        let problem = rejected.json();
        for text in [&problem["detail"], &problem["errors"][0]["detail"]] {
            for word in words {
                assert!(text.as_str().unwrap().contains(word), "{word}: {text}");
            }
        }
    }
    // Also when a direct upload is announced.
    for (content_type, words) in [
        ("image/heic", &["HEIC", "Most Compatible", "Android", "높은 호환성"][..]),
        ("image/avif", &["AVIF", "JPEG", "iPhone", "저장해 보내세요"]),
        ("video/mp4", &["video", "동영상"]),
        ("image/bmp", &["must be image/jpeg"]),
    ] {
        let announced = json!({ "content_type": content_type, "byte_size": 9 });
        let rejected = ann.post("/api/v1/media/uploads", &announced).await;
        rejected.assert_invalid(&[("/content_type", "out-of-range")]);
        let text = rejected.json()["errors"][0]["detail"].to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{content_type}: {text}");
    }
    // Also when a direct upload is completed.
    let file = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    let announced = json!({ "content_type": "image/jpeg", "byte_size": file.len() });
    let upload = ann.post("/api/v1/media/uploads", &announced).await.json();
    let headers = [("content-type", "image/jpeg")];
    let put = t.stranger().send_bare(Method::PUT, &path(&upload["url"]), &headers, file.to_vec()).await;
    put.assert_status(200);
    let complete = format!("/api/v1/media/uploads/{}/complete", upload["id"].as_str().unwrap());
    let rejected = ann.post(&complete, &json!({})).await;
    rejected.assert_problem(415, "media-unsupported");
    assert!(rejected.json()["detail"].as_str().unwrap().contains("Most Compatible"));
}
