//! The search for posts: which posts match, page by page, and the query plans.

use blegram_domain::{
    PageRequest, Post, PostId, Visibility,
    page::{Limit, Scope},
    search::{Query, terms},
};
use blegram_persistence::{
    posts, search,
    testing::{Backend, TestDatabase},
    users,
};
use rstest_reuse::apply;

use crate::{both_databases, insert_post, insert_user, new_post, now};

/// 20,000 posts of one author with a common word, five of which also have a rare one.
async fn crowd(backend: Backend) -> TestDatabase {
    let database = TestDatabase::new(backend).await;
    insert_user(&database, "ann").await;
    let (series, id, json) = match backend {
        Backend::Sqlite => (
            "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 20000)",
            "unhex(printf('%032x', n))",
            "'[]'",
        ),
        Backend::Postgres => (
            "WITH series(n) AS (SELECT generate_series(1, 20000))",
            "lpad(to_hex(n), 32, '0')::uuid",
            "'[]'::jsonb",
        ),
    };
    let insert = format!(
        "{series} INSERT INTO posts (id, author_id, text, hashtags, mentions, visibility, created_at) \
         SELECT {id}, users.id, CASE WHEN n <= 5 THEN 'rare' ELSE 'text' END, {json}, {json}, 'public', 0 FROM series, users"
    );
    let (common, both) = (terms("서울숲나들이"), terms("서울숲나들이 드문말"));
    let text = format!("CASE WHEN posts.text = 'rare' THEN '{both}' ELSE '{common}' END");
    let index = match backend {
        Backend::Sqlite => vec![
            "INSERT INTO post_search (post_id) SELECT id FROM posts ORDER BY id".to_owned(),
            format!(
                "INSERT INTO post_search_terms (rowid, terms) SELECT row_no, {text} FROM post_search JOIN posts ON id = post_id"
            ),
        ],
        Backend::Postgres => vec![format!(
            "INSERT INTO post_search (post_id, terms) SELECT id, to_tsvector('simple', {text}) FROM posts"
        )],
    };
    for statement in [insert].iter().chain(&index).map(String::as_str).chain(["ANALYZE"]) {
        database.execute(statement).await;
    }
    database.take_statements();
    database
}

/// All posts that match `query`, read in pages of `limit`.
async fn walk(database: &TestDatabase, query: &str, limit: i64) -> Vec<PostId> {
    let query = Query::parse(query).unwrap();
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let scope = Scope::new("searchPosts", &[query.as_str()]);
        let page = PageRequest::new(scope, Limit::parse(limit).unwrap(), cursor, None);
        let page_keys = search::list_post_ids(database.db(), &query, &page).await.unwrap();
        found.extend(page_keys.keys().iter().copied().map(PostId::from_uuid));
        cursor = page_keys.into_page::<()>(vec![]).next;
        if cursor.is_none() {
            return found;
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn search_for_a_common_word_finds_every_post_once(#[case] backend: Backend) {
    let found = walk(&crowd(backend).await, "서울", 100).await;
    assert_eq!(found.len(), 20_000);
    assert!(found.windows(2).all(|pair| pair[0] > pair[1]));
}

/// A page examines at most 2,000 posts, however many posts of an undiscoverable author match.
#[apply(both_databases)]
#[tokio::test]
async fn search_examines_at_most_two_thousand_posts(#[case] backend: Backend) {
    let database = crowd(backend).await;
    insert_user(&database, "bob").await;
    let oldest = |count: &str| {
        format!(
            "UPDATE posts SET author_id = (SELECT id FROM users WHERE username = 'bob') \
             WHERE id IN (SELECT id FROM posts ORDER BY id {count})"
        )
    };
    database.execute("UPDATE users SET discoverable = false WHERE username = 'ann'").await;
    database.execute(&oldest("LIMIT 18001")).await;
    assert!(!walk(&database, "서울", 100).await.is_empty());
    database.execute("UPDATE posts SET author_id = (SELECT id FROM users WHERE username = 'ann')").await;
    database.execute(&oldest("LIMIT 18000")).await;
    assert!(walk(&database, "서울", 100).await.is_empty());
}

#[apply(both_databases)]
#[tokio::test]
async fn search_finds_a_post_in_order_after_it_becomes_public(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let old = Post { visibility: Visibility::Followers, ..new_post(ann, "옛날 서울") };
    let old = insert_post(&database, old).await;
    let mut expected = vec![old.id];
    // More posts in between than SQLite's row numbers may deviate from the order of ids.
    for n in 0..2200 {
        let text = if n % 2199 == 0 { "서울" } else { "부산" };
        let post = insert_post(&database, new_post(ann, text)).await;
        expected.extend((n % 2199 == 0).then_some(post.id));
    }
    expected.reverse();
    assert_eq!(walk(&database, "서울", 1).await, expected[..2]);
    let tx = database.db().write().await.unwrap();
    let author = users::find(&tx, ann).await.unwrap().unwrap().summary;
    let public = Post { visibility: Visibility::Public, ..old.clone() };
    posts::update(&tx, &old, &public, &author).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(walk(&database, "서울", 1).await, expected);
}

#[apply(both_databases)]
#[tokio::test]
async fn search_uses_the_index_and_never_scans_posts(#[case] backend: Backend) {
    let database = crowd(backend).await;
    let first = PageRequest::new(Scope::new("searchPosts", &[]), Limit::default(), None, None);
    let cursors = first.page_keys(vec![PostId::generate(now()).as_uuid(); 21]).into_page::<()>(vec![]);
    for word in ["서울", "드문말", "없는말", "드문말 서울", "드"] {
        for cursor in [None, cursors.next, cursors.prev] {
            let page = PageRequest::new(Scope::new("searchPosts", &[]), Limit::default(), cursor, None);
            search::list_post_ids(database.db(), &Query::parse(word).unwrap(), &page).await.unwrap();
            for statement in database.take_statements() {
                let plan = database.plan(&statement).await;
                let is_read = match backend {
                    Backend::Sqlite => plan.contains("post_search_terms VIRTUAL TABLE INDEX"),
                    // Not in the order of the posts, which would read all of them for a rare word.
                    Backend::Postgres if statement.contains("MATERIALIZED") => {
                        ["post_search_terms", "posts_pkey", "Sort"].iter().all(|part| plan.contains(part))
                    }
                    Backend::Postgres if statement.contains("LATERAL") => {
                        ["posts_public_id", "posts_pkey"].iter().any(|index| plan.contains(index))
                            && plan.contains("post_search_pkey")
                    }
                    Backend::Postgres => plan.contains("post_search_terms"),
                };
                let is_scanned = ["SCAN posts", "Seq Scan on post"].iter().any(|bad| plan.contains(bad));
                assert!(is_read && !is_scanned, "{word}\n{statement}\n{plan}");
            }
            database.take_statements();
        }
    }
}
