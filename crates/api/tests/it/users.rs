//! Looking up users by id, username and `me`.

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use crate::{both_databases, world::TestApp};

#[apply(both_databases)]
#[tokio::test]
async fn user_is_found_by_id_username_and_me(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, haneul] = t.users(["ann", "하늘이다"]).await;
    let id = haneul.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let by_id = ann.get(&format!("/api/v1/users/{id}")).await;
    assert_eq!(by_id.json()["username"], "하늘이다");
    // Percent-encoded, as browsers send it.
    for name in ["@%ED%95%98%EB%8A%98%EC%9D%B4%EB%8B%A4", "%40%ED%95%98%EB%8A%98%EC%9D%B4%EB%8B%A4"] {
        assert_eq!(ann.get(&format!("/api/v1/users/{name}")).await.json(), by_id.json());
    }
    assert_eq!(ann.get("/api/v1/users/@ANN").await.json()["username"], "ann");
    assert_eq!(ann.get("/api/v1/users/me").await.json()["username"], "ann");
    assert_eq!(t.stranger().get("/api/v1/users/@ann").await.json()["viewer"], json!(null));
    let viewer = json!({ "following": false, "followed_by": false, "requested": false, "blocking": false, "muting": false });
    assert_eq!(by_id.json()["viewer"], viewer);
}

#[apply(both_databases)]
#[tokio::test]
async fn users_by_id_keep_the_order_and_skip_invisible_ones(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul, dana] = t.users(["ann", "bob", "chul", "dana"]).await;
    let mut ids = Vec::new();
    for user in [&ann, &bob, &chul, &dana] {
        ids.push(user.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned());
    }
    dana.put_empty("/api/v1/users/@ann/block").await.assert_status(200);
    ann.put_empty("/api/v1/users/@bob/follow").await.assert_status(200);
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let path = format!("/api/v1/users?ids={},{unknown},{}&ids={}&ids={}", ids[2], ids[1], ids[3], ids[2]);
    let found = ann.get(&path).await;
    assert_eq!(found.assert_status(200).items("username"), ["chul", "bob"]);
    assert_eq!(found.json()["items"][1]["viewer"]["following"], true);
    let anonymous = t.stranger().get(&path).await;
    assert_eq!(anonymous.items("username"), ["chul", "bob", "dana"]);
    assert_eq!(anonymous.json()["items"][0]["viewer"], json!(null));
}

#[apply(both_databases)]
#[tokio::test]
async fn unknown_and_malformed_users_are_not_found(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    t.users(["ann"]).await;
    for name in [
        "ann",
        "@nobody",
        "@",
        "@a%00b",
        "%ff%fe",
        "01890a5dac96774bbcceb302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "@ann%2F",
        "@ann%20",
        "%20@ann",
        "@%20ann",
        "@an%20n",
        "@ann%0A",
        "@ann.",
        "@ann+",
        "@an%E2%80%8Bn",
        "%EF%BC%A0ann",
        "@%EF%BD%81nn",
        "@@ann",
        "me%20",
        "ME",
        "..",
        "%2e%2e",
    ] {
        for path in [format!("/api/v1/users/{name}"), format!("/api/v1/users/{name}/posts")] {
            t.stranger().get(&path).await.assert_problem(404, "not-found");
        }
    }
    for path in ["/api/v1/users/me", "/api/v1/users/me/posts"] {
        t.stranger().get(path).await.assert_problem(401, "unauthenticated");
    }
}
