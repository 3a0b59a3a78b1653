//! Follows, private accounts, blocks and mutes.

use blegram_persistence::testing::Backend;
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, TestApp},
};

async fn user(viewer: &Actor<'_>, name: &str) -> Value {
    viewer.get(&format!("/api/v1/users/@{name}")).await.assert_status(200).json()
}

#[apply(both_databases)]
#[tokio::test]
async fn following_updates_both_counts_and_the_home_timeline(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let before = ann.posts("before").await;
    chul.posts("of nobody that bob follows").await;
    let own = bob.posts("own").await;
    for _ in 0..2 {
        let state = bob.put_empty("/api/v1/users/@ann/follow").await;
        assert_eq!(state.json(), json!({ "following": true, "requested": false, "follower_count": 1 }));
    }
    assert_eq!(ann.notifications().await, ["follow"]);
    assert_eq!(
        (
            user(&bob, "ann").await["follower_count"].clone(),
            user(&ann, "bob").await["following_count"].clone()
        ),
        (json!(1), json!(1))
    );
    assert_eq!(user(&ann, "bob").await["viewer"]["followed_by"], true);
    let friends =
        ann.post("/api/v1/posts", &json!({ "text": "for friends", "visibility": "followers" })).await.json();
    assert_eq!(
        bob.get("/api/v1/timelines/home").await.items("id"),
        [friends["id"].clone(), json!(own), json!(before)]
    );
    assert_eq!(ann.get("/api/v1/users/@ann/followers").await.items("username"), ["bob"]);
    assert_eq!(t.stranger().get("/api/v1/users/@bob/following").await.items("username"), ["ann"]);
    let state = bob.delete("/api/v1/users/@ann/follow").await;
    assert_eq!(state.json(), json!({ "following": false, "requested": false, "follower_count": 0 }));
    assert_eq!(bob.get("/api/v1/timelines/home").await.items("id"), [own]);
    assert_eq!(ann.notifications().await, [""; 0]);
}

// Defect 21 of the predecessors.
#[apply(both_databases)]
#[tokio::test]
async fn self_follow_block_mute_and_report_are_rejected(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    for act in ["follow", "block", "mute"] {
        for me in ["me", "@ann"] {
            ann.put_empty(&format!("/api/v1/users/{me}/{act}")).await.assert_invalid(&[("/user", "self")]);
        }
    }
    let id = ann.get("/api/v1/me").await.json()["id"].clone();
    ann.post("/api/v1/reports", &json!({ "user_id": id, "reason": "spam" }))
        .await
        .assert_invalid(&[("", "self")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_follows_are_counted_exactly(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let both = [(&ann, "@bob"), (&bob, "@ann")];
    join_all(both.into_iter().cycle().take(30).map(|(who, other)| async move {
        who.put_empty(&format!("/api/v1/users/{other}/follow")).await.assert_status(200);
    }))
    .await;
    for (viewer, name) in [(&ann, "bob"), (&bob, "ann")] {
        let profile = user(viewer, name).await;
        assert_eq!((&profile["follower_count"], &profile["following_count"]), (&json!(1), &json!(1)));
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn private_account_shows_its_profile_and_opens_to_accepted_followers(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let post = ann.posts("secret #tag").await;
    ann.patch("/api/v1/me", &[], &json!({ "is_private": true })).await.assert_status(200);
    let (path, anonymous) = (format!("/api/v1/posts/{post}"), t.stranger());
    for stranger in [&bob, &anonymous] {
        assert_eq!(user(stranger, "ann").await["post_count"], 1, "the profile stays visible");
        for list in ["posts", "followers", "following"] {
            stranger.get(&format!("/api/v1/users/@ann/{list}")).await.assert_problem(403, "account-private");
        }
        for hidden in ["", "/comments", "/likes", "/revisions"] {
            stranger.get(&format!("{path}{hidden}")).await.assert_problem(404, "not-found");
        }
        for list in ["public", "hashtags/tag"] {
            assert_eq!(
                stranger.get(&format!("/api/v1/timelines/{list}")).await.items("id").len(),
                0,
                "{list}"
            );
        }
    }
    for fan in [&bob, &chul] {
        let requested = fan.put_empty("/api/v1/users/@ann/follow").await;
        assert_eq!(requested.json(), json!({ "following": false, "requested": true, "follower_count": 0 }));
    }
    assert_eq!(ann.notifications().await, ["follow_request", "follow_request"]);
    assert_eq!(ann.get("/api/v1/me/follow-requests").await.items("username"), ["chul", "bob"]);
    let accepted = ann.put_empty("/api/v1/me/follow-requests/@bob").await;
    assert_eq!(accepted.assert_status(200).json()["accepted"], true);
    ann.put_empty("/api/v1/me/follow-requests/@bob").await.assert_status(200);
    assert_eq!(ann.delete("/api/v1/me/follow-requests/@chul").await.json()["accepted"], false);
    ann.put_empty("/api/v1/me/follow-requests/@chul").await.assert_problem(404, "not-found");
    assert_eq!(
        (bob.notifications().await, chul.notifications().await),
        (vec!["follow_accepted".to_owned()], Vec::new())
    );
    assert_eq!(ann.notifications().await, [""; 0]);
    assert_eq!(bob.get("/api/v1/timelines/home").await.items("id"), [&*post]);
    assert_eq!(bob.get("/api/v1/users/@ann/posts").await.items("id"), [&*post]);
    chul.get(&path).await.assert_problem(404, "not-found");

    // A removed follower loses access; turning public accepts pending requests.
    ann.delete("/api/v1/me/followers/@bob").await.assert_status(204);
    bob.get(&path).await.assert_problem(404, "not-found");
    bob.put_empty("/api/v1/users/@ann/follow").await.assert_status(200);
    let public = ann.patch("/api/v1/me", &[], &json!({ "is_private": false })).await;
    assert_eq!(public.json()["follower_count"], 1);
    assert_eq!(user(&bob, "ann").await["viewer"]["following"], true);
    chul.get(&path).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn follow_request_can_be_withdrawn(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    ann.patch("/api/v1/me", &[], &json!({ "is_private": true })).await.assert_status(200);
    bob.put_empty("/api/v1/users/@ann/follow").await.assert_status(200);
    bob.delete("/api/v1/users/@ann/follow").await.assert_status(200);
    assert_eq!(ann.get("/api/v1/me/follow-requests").await.items("username").len(), 0);
    assert_eq!(ann.notifications().await, [""; 0]);
}

#[apply(both_databases)]
#[tokio::test]
async fn block_applies_both_ways_on_every_route(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let mine = ann.posts("mine").await;
    let theirs = bob.posts("for @ann").await;
    let neutral = chul.posts("neutral").await;
    let mut comments = Vec::new();
    for (one, text) in [(&ann, "by ann"), (&bob, "by bob")] {
        comments.push(one.comments(&neutral, text).await);
        one.put_empty(&format!("/api/v1/posts/{neutral}/like")).await.assert_status(200);
        one.put_empty("/api/v1/users/@chul/follow").await.assert_status(200);
    }
    ann.put_empty("/api/v1/users/@bob/follow").await.assert_status(200);
    bob.put_empty("/api/v1/users/@ann/follow").await.assert_status(200);
    bob.put_empty(&format!("/api/v1/posts/{mine}/bookmark")).await.assert_status(200);
    let blocked = ann.put_empty("/api/v1/users/@bob/block").await;
    assert_eq!(blocked.assert_status(200).json(), json!({ "blocking": true }));
    ann.put_empty("/api/v1/users/@bob/block").await.assert_status(200);

    // The blocking account still sees the profile and nothing else; the blocked account sees nothing.
    let header = user(&ann, "bob").await;
    assert_eq!(
        (&header["viewer"]["blocking"], &header["viewer"]["following"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((&header["follower_count"], &header["following_count"]), (&json!(0), &json!(1)));
    bob.get("/api/v1/users/@ann").await.assert_problem(404, "not-found");
    for list in ["posts", "followers", "following"] {
        ann.get(&format!("/api/v1/users/@bob/{list}")).await.assert_problem(403, "blocked");
        bob.get(&format!("/api/v1/users/@ann/{list}")).await.assert_problem(404, "not-found");
    }
    for (viewer, post, comment, other) in
        [(&ann, &theirs, &comments[1], "@bob"), (&bob, &mine, &comments[0], "@ann")]
    {
        for path in [
            format!("posts/{post}"),
            format!("posts/{post}/comments"),
            format!("posts/{post}/likes"),
            format!("comments/{comment}"),
            format!("comments/{comment}/replies"),
        ] {
            viewer.get(&format!("/api/v1/{path}")).await.assert_problem(404, "not-found");
        }
        for act in [
            format!("posts/{post}/like"),
            format!("posts/{post}/bookmark"),
            format!("comments/{comment}/like"),
        ] {
            viewer.put_empty(&format!("/api/v1/{act}")).await.assert_problem(404, "not-found");
        }
        let body = json!({ "text": "hello" });
        viewer.post(&format!("/api/v1/posts/{post}/comments"), &body).await.assert_problem(404, "not-found");
        let reply = json!({ "text": "hello", "parent_id": comment });
        viewer
            .post(&format!("/api/v1/posts/{neutral}/comments"), &reply)
            .await
            .assert_invalid(&[("/parent_id", "not-found")]);
        for list in ["timelines/public", "timelines/home", "me/bookmarks"] {
            assert!(
                !viewer.get(&format!("/api/v1/{list}")).await.items("id").contains(&json!(post)),
                "{list}"
            );
        }
        let seen = viewer.get(&format!("/api/v1/posts/{neutral}/comments")).await.items("id");
        assert!(!seen.contains(&json!(comment)));
        for list in [format!("posts/{neutral}/likes"), "users/@chul/followers".to_owned()] {
            let names = viewer.get(&format!("/api/v1/{list}")).await.items("username");
            assert!(!names.contains(&json!(other.trim_start_matches('@'))), "{list}");
        }
        let written = viewer.post("/api/v1/posts", &json!({ "text": format!("calling {other}") })).await;
        assert_eq!(written.json()["mentions"], json!([]), "no mentions across a block");
    }
    assert_eq!(
        chul.get(&format!("/api/v1/posts/{neutral}")).await.json()["comment_count"],
        2,
        "counts are unchanged"
    );
    assert_eq!(
        (ann.notifications().await, bob.notifications().await),
        (Vec::<String>::new(), Vec::<String>::new())
    );
    ann.put_empty("/api/v1/users/@bob/follow").await.assert_problem(403, "blocked");
    bob.put_empty("/api/v1/users/@ann/follow").await.assert_problem(404, "not-found");

    // Both accounts can block each other, and each block is independent.
    bob.put_empty("/api/v1/users/@ann/block").await.assert_status(200);
    ann.delete("/api/v1/users/@bob/block").await.assert_status(200);
    ann.get("/api/v1/users/@bob").await.assert_problem(404, "not-found");
    assert_eq!(bob.get("/api/v1/me/blocks").await.items("username"), ["ann"]);
    bob.delete("/api/v1/users/@ann/block").await.assert_status(200);
    assert_eq!(
        user(&ann, "bob").await["viewer"]["followed_by"],
        false,
        "unblocking does not restore the follow"
    );
    ann.get(&format!("/api/v1/posts/{theirs}")).await.assert_status(200);
}

#[apply(both_databases)]
#[tokio::test]
async fn muting_hides_posts_and_notifications_and_restricts_nothing_else(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    ann.put_empty("/api/v1/users/@bob/follow").await.assert_status(200);
    let post = bob.posts("loud #tag @ann").await;
    let mine = ann.posts("mine").await;
    assert_eq!(ann.notifications().await, ["mention"]);
    let muted = ann.put_empty("/api/v1/users/@bob/mute").await;
    assert_eq!(muted.json(), json!({ "muting": true }));
    for list in ["timelines/home", "timelines/public", "timelines/hashtags/tag"] {
        assert!(!ann.get(&format!("/api/v1/{list}")).await.items("id").contains(&json!(post)), "{list}");
    }
    for path in [format!("posts/{post}"), "users/@bob/posts".to_owned()] {
        ann.get(&format!("/api/v1/{path}")).await.assert_status(200);
    }
    bob.put_empty(&format!("/api/v1/posts/{mine}/like")).await.assert_status(200);
    let comment = bob.comments(&mine, "hello @ann").await;
    assert_eq!(ann.notifications().await, [""; 0], "neither earlier nor new notifications");
    let visible = ann.get(&format!("/api/v1/posts/{mine}/comments")).await.items("id");
    assert_eq!(visible, [comment], "comments of a muted account stay visible");
    assert_eq!(ann.get("/api/v1/me/mutes").await.items("username"), ["bob"]);
    assert_eq!(user(&bob, "ann").await["viewer"]["followed_by"], true, "the muted account sees no change");
    ann.delete("/api/v1/users/@bob/mute").await.assert_status(200);
    assert_eq!(ann.notifications().await, ["mention"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_follow_and_block_leave_no_follow(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    for _ in 0..10 {
        let (follow, block) = tokio::join!(
            bob.put_empty("/api/v1/users/@ann/follow"),
            ann.put_empty("/api/v1/users/@bob/block")
        );
        assert!([200, 404].contains(&follow.status.as_u16()));
        block.assert_status(200);
        assert_eq!(t.database.count("follows").await, 0);
        assert_eq!(user(&ann, "bob").await["following_count"], 0);
        ann.delete("/api/v1/users/@bob/block").await.assert_status(200);
    }
}
