//! Search for users, hashtags and posts, trends and suggestions, with the same results on both databases.

use std::time::Duration;

use blegram_domain::Clock;
use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, Answer, TestApp},
};

async fn search(actor: &Actor<'_>, what: &str, query: &str) -> Answer {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    actor.get(&format!("/api/v1/search/{what}?q={query}")).await
}

#[apply(both_databases)]
#[tokio::test]
async fn search_finds_korean_words_inside_compounds(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let forest = ann.posts("서울숲나들이 다녀왔어요").await;
    let studio = ann.posts("가족사진관에서, ＦＵＬＬ size").await;
    let both = ann.posts("서울 사진 Full of light").await;
    let table: [(&str, &[&String]); 11] = [
        ("서울", &[&both, &forest]),
        ("숲나", &[&forest]),
        ("사진", &[&both, &studio]),
        ("\u{1109}\u{1161}\u{110c}\u{1175}\u{11ab}", &[&both, &studio]),
        ("사진 서울", &[&both]),
        ("숲", &[&forest]),
        ("full", &[&both, &studio]),
        ("ful", &[]),
        ("서진", &[]),
        ("없는말", &[]),
        ("\"서울\" OR *) & !", &[]),
    ];
    for (query, expected) in table {
        assert_eq!(
            search(&t.stranger(), "posts", query).await.items("id"),
            expected.iter().map(|id| json!(id)).collect::<Vec<_>>(),
            "{query}"
        );
    }
    ann.patch(&format!("/api/v1/posts/{forest}"), &[], &json!({ "text": "부산" })).await.assert_status(200);
    ann.delete(&format!("/api/v1/posts/{both}")).await.assert_status(204);
    assert_eq!(
        search(&t.stranger(), "posts", "서울").await.items("id"),
        [json!(null); 0],
        "the search follows edits and deletions"
    );
    assert_eq!(search(&t.stranger(), "posts", "부산").await.items("id"), [forest]);
}

/// The database searches for a limited number of terms; the code compares the rest.
#[apply(both_databases)]
#[tokio::test]
async fn search_with_a_long_query_matches_every_term(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let syllables: String = ('가'..).take(50).collect();
    let almost: String = syllables.chars().take(49).collect();
    let words: Vec<String> = (0..20).map(|n| format!("w{n}")).collect();
    let whole = ann.posts(&format!("어제 {syllables}에서 {}", words.join(" "))).await;
    ann.posts(&format!("어제 {almost}에서 {}", words[..19].join(" "))).await;
    for query in [syllables.clone(), words.join(" "), format!("어 제 에 서 w19 {syllables}")] {
        let found = search(&t.stranger(), "posts", &query).await;
        assert_eq!(found.items("id"), [json!(whole)], "{query}");
    }
    for query in [almost, words[..19].join(" ")] {
        assert_eq!(search(&t.stranger(), "posts", &query).await.items("id").len(), 2, "{query}");
    }
    for what in ["users", "hashtags"] {
        let query = format!("ann {}", words.join(" "));
        assert!(search(&t.stranger(), what, &query).await.items("id").is_empty());
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn search_respects_visibility_and_discoverability(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let post = bob.posts("noeul").await;
    bob.post("/api/v1/posts", &json!({ "text": "noeul", "visibility": "followers" }))
        .await
        .assert_status(201);
    let found = async |viewer: &Actor<'_>| {
        let posts = search(viewer, "posts", "noeul").await.items("id");
        let users = search(viewer, "users", "bob").await.items("username");
        assert!(posts.iter().all(|id| *id == json!(post)));
        (posts.len(), users.len())
    };
    assert_eq!(found(&ann).await, (1, 1));
    ann.put_empty("/api/v1/users/@bob/mute").await.assert_status(200);
    assert_eq!((found(&ann).await, found(&chul).await), ((0, 1), (1, 1)), "muting hides posts, not accounts");
    ann.delete("/api/v1/users/@bob/mute").await.assert_status(200);
    bob.put_empty("/api/v1/users/@ann/block").await.assert_status(200);
    assert_eq!((found(&ann).await, found(&t.stranger()).await), ((0, 0), (1, 1)));
    bob.delete("/api/v1/users/@ann/block").await.assert_status(200);
    bob.patch("/api/v1/me", &[], &json!({ "is_private": true })).await.assert_status(200);
    assert_eq!(found(&ann).await, (0, 1), "the profile stays visible");
    bob.patch("/api/v1/me", &[], &json!({ "is_private": false, "discoverable": false }))
        .await
        .assert_status(200);
    assert_eq!(found(&ann).await, (0, 0));
    bob.patch("/api/v1/me", &[], &json!({ "discoverable": true })).await.assert_status(200);
    assert_eq!(found(&ann).await, (1, 1));
    t.database.execute("UPDATE users SET status = 'suspended' WHERE username = 'bob'").await;
    assert_eq!(found(&ann).await, (0, 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn user_search_lists_best_matches_first_in_pages(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [me, ..] = t.users(["finder", "min", "minsu", "jumin", "other"]).await;
    let jumin = t.stranger();
    jumin.log_in("jumin", crate::world::PASSWORD).await.assert_status(200);
    jumin.patch("/api/v1/me", &[], &json!({ "display_name": "바다 Min" })).await.assert_status(200);
    assert_eq!(search(&me, "users", "MIN").await.items("username"), ["min", "minsu", "jumin"]);
    assert_eq!(search(&me, "users", "@min").await.items("username"), ["min", "minsu", "jumin"]);
    assert_eq!(search(&me, "users", "바다").await.items("username"), ["jumin"]);
    let first = me.get("/api/v1/search/users?q=min&limit=2").await;
    assert_eq!(first.items("username"), ["min", "minsu"]);
    assert!(first.header("link").unwrap().contains("q=min"), "the link has the same query");
    let next = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let second = me.get(&format!("/api/v1/search/users?q=min&limit=2&cursor={next}")).await;
    assert_eq!(second.items("username"), ["jumin"]);
    let prev = second.json()["prev_cursor"].as_str().unwrap().to_owned();
    let back = me.get(&format!("/api/v1/search/users?q=min&limit=2&cursor={prev}")).await;
    assert_eq!(back.items("username"), ["min", "minsu"]);
    me.get(&format!("/api/v1/search/users?q=other&cursor={next}"))
        .await
        .assert_problem(400, "cursor-invalid");
    jumin.put("/api/v1/me/username", &json!({ "username": "somebody" })).await.assert_status(200);
    assert_eq!(search(&me, "users", "jumin").await.items("username"), [json!(null); 0]);
}

#[apply(both_databases)]
#[tokio::test]
async fn hashtag_counts_include_exactly_the_public_posts(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    for text in ["#제주바다 #jeju", "#제주 #Jeju", "#jeju"] {
        ann.posts(text).await;
    }
    let post = bob.posts("#jeju #제주").await;
    bob.post("/api/v1/posts", &json!({ "text": "#jeju", "visibility": "followers" }))
        .await
        .assert_status(201);
    let count = async |tag: &str| {
        ann.get(&format!("/api/v1/hashtags/{tag}")).await.json()["post_count"].as_u64().unwrap()
    };
    assert_eq!((count("JEJU").await, count("none").await), (4, 0));
    bob.patch("/api/v1/me", &[], &json!({ "is_private": true })).await.assert_status(200);
    assert_eq!(count("jeju").await, 3);
    bob.posts("#jeju #hidden").await;
    assert_eq!((count("jeju").await, count("hidden").await), (3, 0));
    bob.patch("/api/v1/me", &[], &json!({ "is_private": false })).await.assert_status(200);
    assert_eq!((count("jeju").await, count("hidden").await), (5, 1));
    bob.delete(&format!("/api/v1/posts/{post}")).await.assert_status(204);
    assert_eq!(count("jeju").await, 4);
    let names = |answer: &Answer| answer.items("name");
    assert_eq!(names(&search(&ann, "hashtags", "제주").await), ["제주", "제주바다"]);
    assert_eq!(names(&search(&ann, "hashtags", "바다").await), ["제주바다"]);
    assert_eq!(names(&search(&ann, "hashtags", "#je").await), ["jeju"]);
    assert_eq!(names(&search(&ann, "hashtags", "hid").await), ["hidden"], "found once the account is public");
    let offered = search(&ann, "suggestions", "b").await.json();
    assert_eq!(offered["users"][0]["username"], "bob");
    let offered = search(&ann, "suggestions", "제").await.json();
    assert_eq!(offered["hashtags"].as_array().unwrap().len(), 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn recent_searches_are_the_newest_twenty_without_duplicates(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    for n in 0..22 {
        search(&ann, "posts", &format!("word{n}")).await.assert_status(200);
    }
    search(&ann, "users", "word5").await.assert_status(200);
    search(&ann, "posts", "word7").await.assert_status(200);
    search(&ann, "suggestions", "word8").await.assert_status(200);
    let recent = ann.get("/api/v1/me/recent-searches?limit=100").await;
    let queries = recent.items("query");
    assert_eq!((queries.len(), &queries[..3]), (20, &[json!("word7"), json!("word5"), json!("word21")][..]));
    assert_eq!(recent.items("kind")[..2], [json!("posts"), json!("users")]);
    let id = recent.items("id")[0].as_str().unwrap().to_owned();
    bob.delete(&format!("/api/v1/me/recent-searches/{id}")).await.assert_problem(404, "not-found");
    ann.delete(&format!("/api/v1/me/recent-searches/{id}")).await.assert_status(204);
    assert_eq!(ann.get("/api/v1/me/recent-searches").await.items("query")[0], "word5");
    ann.delete("/api/v1/me/recent-searches").await.assert_status(204);
    assert_eq!(ann.get("/api/v1/me/recent-searches").await.items("query"), [json!(null); 0]);
}

/// Browsers follow a link of another site with the cookie.
#[apply(both_databases)]
#[tokio::test]
async fn searches_from_pages_of_other_sites_are_not_recorded(#[case] backend: Backend) {
    const SITE: &str = "sec-fetch-site";
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let table: [(&[(&str, &str)], bool); 9] = [
        (&[(SITE, "same-origin")], true),
        (&[(SITE, "none")], true),
        (&[], true),
        (&[(SITE, "cross-site"), ("origin", "https://app.example")], true),
        (&[("origin", "https://app.example")], true),
        (&[(SITE, "cross-site")], false),
        (&[(SITE, "same-site")], false),
        (&[(SITE, "same-site"), ("origin", "https://evil.example")], false),
        (&[(SITE, "가을")], false),
    ];
    for kind in ["posts", "users", "hashtags"] {
        for (headers, is_recorded) in table {
            let path = format!("/api/v1/search/{kind}?q=embarrassing");
            ann.send_bare(Method::GET, &path, headers, Vec::new()).await.assert_status(200);
            let recorded = ann.get("/api/v1/me/recent-searches").await.items("query").len();
            assert_eq!(recorded, usize::from(is_recorded), "{kind} {headers:?}");
            ann.delete("/api/v1/me/recent-searches").await.assert_status(204);
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn search_query_is_validated(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    for what in ["posts", "users", "hashtags", "suggestions"] {
        t.stranger().get(&format!("/api/v1/search/{what}")).await.assert_invalid(&[("/q", "required")]);
        search(&t.stranger(), what, "  ").await.assert_invalid(&[("/q", "blank")]);
        search(&t.stranger(), what, &"가".repeat(101)).await.assert_invalid(&[("/q", "too-long")]);
        search(&t.stranger(), what, "a\0").await.assert_invalid(&[("/q", "invalid-characters")]);
        search(&t.stranger(), what, "!?").await.assert_status(200);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn post_search_pages_lead_both_ways(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let mut posts: Vec<Value> = Vec::new();
    for n in 0..5 {
        posts.insert(0, json!(ann.posts(&format!("노을 {n}")).await));
        ann.posts("other").await;
    }
    let page = async |cursor: &Value| {
        let cursor = cursor.as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        ann.get(&format!("/api/v1/search/posts?q=%EB%85%B8%EC%9D%84&limit=2{cursor}")).await
    };
    let first = page(&json!(null)).await;
    assert_eq!(first.items("id"), posts[..2]);
    let second = page(&first.json()["next_cursor"]).await;
    assert_eq!(second.items("id"), posts[2..4]);
    let last = page(&second.json()["next_cursor"]).await;
    assert_eq!((last.items("id"), last.json()["next_cursor"].clone()), (posts[4..].to_vec(), json!(null)));
    assert_eq!(page(&last.json()["prev_cursor"]).await.items("id"), posts[2..4]);
    let newer = json!(ann.posts("새 노을").await);
    assert_eq!(page(&first.json()["prev_cursor"]).await.items("id"), [newer]);
}

#[apply(both_databases)]
#[tokio::test]
async fn trends_count_accounts_and_not_posts(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let people = t.users(["ann", "bob", "chul", "dana"]).await;
    for one in &people {
        one.posts("#autumn").await;
        one.posts("#autumn again").await;
    }
    for n in 0..10 {
        people[0].posts(&format!("#spam {n}")).await;
    }
    people[1].posts("#two").await;
    people[2].posts("#two").await;
    let trends = t.stranger().get("/api/v1/trends/hashtags").await;
    let names: Vec<Value> = trends.items("hashtag").iter().map(|tag| tag["name"].clone()).collect();
    assert_eq!((names, trends.items("account_count")), (vec![json!("autumn")], vec![json!(4)]));
    t.clock.advance(Duration::from_secs(25 * 60 * 60));
    assert_eq!(
        t.stranger().get("/api/v1/trends/hashtags").await.items("score"),
        [json!(null); 0],
        "posts older than a day do not count"
    );
}

#[apply(both_databases)]
#[tokio::test]
async fn trends_are_at_most_a_minute_old_despite_clock_steps(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let people = t.users(["ann", "bob", "chul", "dana"]).await;
    let trends = async |tag: &str| {
        for one in &people {
            one.posts(tag).await;
        }
        let trends = t.stranger().get("/api/v1/trends/hashtags").await;
        trends.items("hashtag").iter().map(|tag| tag["name"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(trends("#autumn").await, ["autumn"]);
    t.clock.step_wall(t.clock.now() - Duration::from_secs(60 * 60));
    t.clock.advance(Duration::from_secs(60));
    assert!(trends("#winter").await.contains(&json!("winter")));
}

#[apply(both_databases)]
#[tokio::test]
async fn suggested_users_rank_by_mutual_follows_and_stay_dismissed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [me, friend, other, mutual, once, famous, blocked] =
        t.users(["me.me", "friend", "other", "mutual", "once", "famous", "blocked"]).await;
    let follow = async |who: &Actor<'_>, whom: &str| {
        who.put_empty(&format!("/api/v1/users/@{whom}/follow")).await.assert_status(200);
    };
    for (who, whom) in [
        (&me, "friend"),
        (&me, "other"),
        (&friend, "mutual"),
        (&other, "mutual"),
        (&friend, "once"),
        (&friend, "blocked"),
        (&mutual, "famous"),
        (&once, "famous"),
        (&blocked, "famous"),
    ] {
        follow(who, whom).await;
    }
    me.put_empty("/api/v1/users/@blocked/block").await.assert_status(200);
    let suggested = me.get("/api/v1/users/suggested").await;
    let names = |answer: &Answer| {
        answer.items("user").iter().map(|user| user["username"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&suggested), ["mutual", "once", "famous"]);
    assert_eq!(suggested.items("mutual_count"), [2, 1, 0]);
    assert_eq!(suggested.items("mutuals")[0].as_array().unwrap().len(), 2);
    for _ in 0..2 {
        me.put_empty("/api/v1/users/suggested/@once/dismissal").await.assert_status(200);
    }
    assert_eq!(names(&me.get("/api/v1/users/suggested").await), ["mutual", "famous"]);
    famous.patch("/api/v1/me", &[], &json!({ "discoverable": false })).await.assert_status(200);
    assert_eq!(names(&me.get("/api/v1/users/suggested").await), ["mutual"]);
}
