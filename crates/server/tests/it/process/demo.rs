//! `blegram demo` on both databases, and `blegram recount`, which checks every count.

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use super::{both_databases, home::Home, people::PASSWORD};

#[apply(both_databases)]
#[tokio::test]
async fn demo_community_is_created_once_with_correct_counts(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let site = home.serve().await;
    let made = home.run_with(&["demo"], "").await;
    made.assert_success();
    let open = format!("Open {}/login\n  Log in as haneul", home.site());
    for text in ["Created 50 users, 400 posts", "16 messages", &open, "haneul", "ann", PASSWORD, "--with ann"]
    {
        assert!(made.stdout.contains(text), "{text}: {made:?}");
    }
    let again = home.run_with(&["demo"], "").await;
    assert!(again.stdout.contains("already exists"), "{again:?}");
    let counts = home.run_with(&["recount", "--dry-run"], "").await;
    assert!(counts.stdout.contains("All counters are correct."), "{counts:?}");

    let found = home.stranger().get("/api/v1/search/posts?q=%EC%82%AC%EC%A7%84").await;
    assert!(!found.json()["items"].as_array().unwrap().is_empty());
    let trends = home.stranger().get("/api/v1/trends/hashtags").await;
    assert!(!trends.json()["items"].as_array().unwrap().is_empty(), "the last day has a trend");
    let people = home.stranger().get("/api/v1/users/@haneul").await;
    assert!(people.json()["avatar_url"].is_string());
    let swept = home.run_with(&["sweep"], "").await;
    assert!(swept.stdout.contains("No problems found."), "{swept:?}");
    drop(site);
}

#[tokio::test]
async fn demo_community_needs_an_empty_site() {
    let home = Home::new(&[]);
    let early = home.run_with(&["demo"], "").await;
    assert!(early.code != Some(0) && early.stderr.contains("no database in"), "{early:?}");
    let _site = home.serve().await;
    home.run_with(&["user", "create", "somebody", "--password-stdin"], "small room with a sea view\n")
        .await
        .assert_success();
    let rejected = home.run_with(&["demo"], "").await;
    assert!(rejected.code != Some(0) && rejected.stderr.contains("empty site"), "{rejected:?}");
}
