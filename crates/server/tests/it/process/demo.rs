//! A community to look at, on both databases, and the check of every count.

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use super::{both_databases, home::Home, people::PASSWORD};

#[apply(both_databases)]
#[tokio::test]
async fn the_demo_world_is_made_once_and_every_count_of_it_is_right(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let site = home.serve().await;
    let made = home.run_with(&["demo"], "").await;
    made.assert_success();
    for told in ["Made 50 people, 400 posts", "16 messages", "haneul", "ann", PASSWORD, "--with ann"] {
        assert!(made.stdout.contains(told), "{told}: {made:?}");
    }
    let again = home.run_with(&["demo"], "").await;
    assert!(again.stdout.contains("there already"), "{again:?}");
    let counts = home.run_with(&["recount", "--dry-run"], "").await;
    assert!(counts.stdout.contains("Every count is right."), "{counts:?}");

    let found = home.stranger().get("/api/v1/search/posts?q=%EC%82%AC%EC%A7%84").await;
    assert!(!found.json()["items"].as_array().unwrap().is_empty());
    let trends = home.stranger().get("/api/v1/trends/hashtags").await;
    assert!(!trends.json()["items"].as_array().unwrap().is_empty(), "the last day has a trend");
    let people = home.stranger().get("/api/v1/users/@haneul").await;
    assert!(people.json()["avatar_url"].is_string());
    let swept = home.run_with(&["sweep"], "").await;
    assert!(swept.stdout.contains("Everything is where it belongs."), "{swept:?}");
    drop(site);
}

#[tokio::test]
async fn the_demo_world_is_for_an_empty_site_only() {
    let home = Home::new(&[]);
    let early = home.run_with(&["demo"], "").await;
    assert!(early.code != Some(0) && early.stderr.contains("there is no site"), "{early:?}");
    let _site = home.serve().await;
    home.run_with(&["user", "create", "somebody", "--password-stdin"], "small room with a sea view\n")
        .await
        .assert_success();
    let refused = home.run_with(&["demo"], "").await;
    assert!(refused.code != Some(0) && refused.stderr.contains("empty site"), "{refused:?}");
}
