//! The quota of an account and its usage.

use blegram_domain::media::quota::{Amount, Quota};
use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, Settings, TestApp, client_id, picture},
};

async fn site(backend: Backend, total_files: u64, unattached_files: u64) -> TestApp {
    let Quota { total, unattached } = Quota::default();
    let mut settings = Settings::default();
    settings.media.quota = Quota {
        total: Amount { files: total_files, ..total },
        unattached: Amount { files: unattached_files, ..unattached },
    };
    TestApp::with(backend, settings).await
}

impl Actor<'_> {
    async fn usage(&self) -> Value {
        let usage = self.get("/api/v1/me/usage").await;
        usage.assert_status(200);
        assert_eq!(usage.header("cache-control"), Some("no-store"));
        usage.json()
    }

    async fn used_files(&self) -> u64 {
        self.usage().await["media"]["files"].as_u64().unwrap()
    }

    async fn announces(&self, byte_size: usize) -> crate::world::Answer {
        let body = json!({ "content_type": "image/jpeg", "byte_size": byte_size });
        self.post("/api/v1/media/uploads", &body).await
    }
}

/// The default quota, in the instance information and in the usage.
#[apply(both_databases)]
#[tokio::test]
async fn usage_shows_what_is_used_and_what_is_allowed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let limits = t.stranger().get("/api/v1/instance").await.json()["limits"].clone();
    let expected = |name: &str| limits[name].as_u64().unwrap();
    assert_eq!((expected("media_quota_bytes"), expected("media_quota_files")), (5 << 30, 20_000));
    let unattached = ["media_quota_unattached_bytes", "media_quota_unattached_files"].map(expected);
    assert_eq!(unattached, [500 << 20, 100]);

    let empty = json!({
        "media": { "bytes": 0, "max_bytes": 5_u64 << 30, "files": 0, "max_files": 20_000 },
        "unattached_media": { "bytes": 0, "max_bytes": 500 << 20, "files": 0, "max_files": 100 },
    });
    assert_eq!(ann.usage().await, empty);
    let image = ann.uploads_picture().await;
    ann.announces(1_000).await.assert_status(201);
    let usage = ann.usage().await;
    assert_eq!((&usage["media"]["files"], &usage["unattached_media"]["files"]), (&json!(2), &json!(2)));
    assert_eq!(usage["media"]["bytes"], usage["unattached_media"]["bytes"]);
    assert!(usage["media"]["bytes"].as_u64().unwrap() > 1_000);
    ann.post("/api/v1/posts", &json!({ "text": "", "media_ids": [image] })).await.assert_status(201);
    let unattached = ann.usage().await["unattached_media"].clone();
    assert_eq!((&unattached["files"], &unattached["bytes"]), (&json!(1), &json!(1_000)));
    assert_eq!(bob.usage().await, empty);
    t.stranger().get("/api/v1/me/usage").await.assert_problem(401, "unauthenticated");
}

#[apply(both_databases)]
#[tokio::test]
async fn uploads_above_the_quota_are_rejected_with_the_figures(#[case] backend: Backend) {
    let t = site(backend, 2, 10).await;
    let [ann] = t.users(["ann"]).await;
    ann.uploads_picture().await;
    let file = picture(8, 6);
    // The first file of the form takes the last place.
    let form = ann.uploads(&[("a.png", "image/png", &file), ("b.png", "image/png", &file)]).await;
    form.assert_status(201);
    assert_eq!(form.json()["items"].as_array().unwrap().len(), 1);
    let problem = form.json()["problems"][0].clone();
    assert_eq!((&problem["pointer"], &problem["code"]), (&json!("/file/1"), &json!("quota-exceeded")));

    let rejected = [ann.uploads(&[("a.png", "image/png", &file)]).await, ann.announces(9).await];
    let details = rejected.iter().map(|answer| {
        answer.assert_problem(403, "quota-exceeded");
        answer.json()["detail"].as_str().unwrap().to_owned()
    });
    for detail in details.chain([problem["detail"].as_str().unwrap().to_owned()]) {
        for words in ["of 5120.0 MiB and are 2 of 2 files", "Delete posts", "파일 2개 중 2개", "삭제하면"]
        {
            assert!(detail.contains(words), "{words}: {detail}");
        }
    }
    assert_eq!(ann.used_files().await, 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_content_frees_the_quota_at_once(#[case] backend: Backend) {
    let t = site(backend, 1, 10).await;
    let [ann, _] = t.users(["ann", "bob"]).await;
    let id = ann.uploads_picture().await;
    ann.delete(&format!("/api/v1/media/{id}")).await.assert_status(204);

    let id = ann.uploads_picture().await;
    let post = ann.post("/api/v1/posts", &json!({ "text": "", "media_ids": [id] })).await.json();
    ann.delete(&format!("/api/v1/posts/{}", post["id"].as_str().unwrap())).await.assert_status(204);
    ann.get(&format!("/api/v1/media/{id}")).await.assert_problem(404, "not-found");

    let id = ann.uploads_picture().await;
    let conversation = ann.starts_conversation(&["@bob"], None).await;
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let body = json!({ "client_id": client_id(), "text": "", "media_ids": [id] });
    let message = ann.post(&messages, &body).await.json();
    assert_eq!(ann.usage().await["unattached_media"]["files"], 0);
    ann.delete(&format!("{messages}/{}", message["id"].as_str().unwrap())).await.assert_status(204);

    let id = ann.uploads_picture().await;
    ann.patch("/api/v1/me", &[], &json!({ "avatar_media_id": id })).await.assert_status(200);
    assert_eq!(ann.usage().await["unattached_media"]["files"], 0);
    ann.uploads(&[("a.png", "image/png", &picture(8, 6))]).await.assert_problem(403, "quota-exceeded");
    ann.patch("/api/v1/me", &[], &json!({ "avatar_media_id": null })).await.assert_status(200);
    assert_eq!(ann.used_files().await, 0);
    ann.uploads_picture().await;
}

/// A completion stores more than was announced if the variants are larger than the file.
#[apply(both_databases)]
#[tokio::test]
async fn completion_above_the_quota_is_rejected(#[case] backend: Backend) {
    let file = picture(1, 1);
    let mut settings = Settings::default();
    settings.media.quota.total.bytes = file.len() as u64;
    let t = TestApp::with(backend, settings).await;
    let [ann] = t.users(["ann"]).await;
    let body = json!({ "content_type": "image/png", "byte_size": file.len() });
    let upload = ann.post("/api/v1/media/uploads", &body).await.json();
    let url = upload["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap();
    let headers = [("content-type", "image/png")];
    t.stranger().send_bare(Method::PUT, url, &headers, file).await.assert_status(200);
    let complete = format!("/api/v1/media/uploads/{}/complete", upload["id"].as_str().unwrap());
    ann.post(&complete, &json!({})).await.assert_problem(403, "quota-exceeded");
}
