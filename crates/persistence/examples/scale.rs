//! Measures the timelines and the search on 500,000 posts: response times and query plans on both databases.
//!
//! ```sh
//! cargo xtask services -- cargo run --release -p blegram-persistence --example scale
//! ```

#![expect(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::time::{Duration, Instant};

use blegram_domain::{
    PageRequest, UserId,
    page::{Limit, Scope},
    search::{Query, terms},
};
use blegram_persistence::{
    Db, search,
    testing::{Backend, TestDatabase},
    timelines,
};
use sea_orm::prelude::Uuid;

const POSTS: u32 = 500_000;
const AUTHORS: u32 = 10_000;
const ROUNDS: usize = 30;

#[tokio::main]
async fn main() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = filled(backend).await;
        println!("\n### {backend:?}, {POSTS} posts of {AUTHORS} authors (median of {ROUNDS})\n");
        let db = database.db();
        // The numbers of follows that `filled` inserts.
        for (reader, follows) in [(1, "2,000 authors"), (2, "3 quiet authors"), (3, "300 authors")] {
            let reader = UserId::from_uuid(Uuid::from_u128(reader));
            report(&database, &format!("home timeline, following {follows}"), async |db, page| {
                timelines::list_home(db, reader, page).await.unwrap().posts.len()
            })
            .await;
        }
        report(&database, "public timeline", async |db, page| {
            timelines::list_public(db, None, page).await.unwrap().posts.len()
        })
        .await;
        for word in ["사진", "제주", "드문말", "없는말"] {
            let query = Query::parse(word).unwrap();
            report(&database, &format!("search for {word}"), async |db, page| {
                search::list_post_ids(db, &query, page).await.unwrap().keys().len()
            })
            .await;
        }
        let _ = db;
    }
}

/// Measures the first page and a page halfway down, and prints the query plans.
async fn report(database: &TestDatabase, name: &str, read: impl AsyncFn(&Db, &PageRequest) -> usize) {
    let scope = Scope::new("scale", &[]);
    let first = PageRequest::new(scope, Limit::default(), None, None);
    let middle =
        first.page_keys(vec![Uuid::from_u128(u128::from(POSTS / 2)); 21]).into_page::<()>(Vec::new()).next;
    let mut times = Vec::new();
    let mut found = Vec::new();
    for page in [first, PageRequest::new(scope, Limit::default(), middle, None)] {
        let mut rounds: Vec<Duration> = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            found.push(read(database.db(), &page).await);
            rounds.push(start.elapsed());
        }
        rounds.sort_unstable();
        times.push(format!("{:.2} ms", rounds[ROUNDS / 2].as_secs_f64() * 1000.0));
    }
    println!("{name}: first page {} ({} posts), halfway down {}", times[0], found[0], times[1]);
    let mut statements = database.take_statements();
    statements.dedup();
    statements.sort();
    statements.dedup();
    for statement in statements.iter().take(1) {
        let plan = database.plan(statement).await;
        for line in plan.lines().take(12) {
            println!("    {line}");
        }
    }
    database.take_statements();
}

async fn filled(backend: Backend) -> TestDatabase {
    let database = TestDatabase::new(backend).await;
    let is_sqlite = backend == Backend::Sqlite;
    let series = |count: u32| {
        if is_sqlite {
            format!(
                "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {count})"
            )
        } else {
            format!("WITH series(n) AS (SELECT generate_series(1, {count}))")
        }
    };
    let id = |n: &str| {
        if is_sqlite {
            format!("unhex(printf('%032x', {n}))")
        } else {
            format!("lpad(to_hex({n}), 32, '0')::uuid")
        }
    };
    let json = if is_sqlite { "'[]'" } else { "'[]'::jsonb" };
    // 95 of 100 posts are by the first 1,000 authors; one in a hundred mentions Jeju, one in ten a photo.
    let author = "CASE WHEN n % 20 < 19 THEN n % 1000 + 1 ELSE n % 10000 + 1 END";
    let text = "CASE WHEN n % 100000 = 7 THEN 1 WHEN n % 100 = 3 THEN 2 WHEN n % 10 = 5 THEN 3 ELSE 4 END";
    let texts = ["아주드문말입니다", "제주바다에서", "가족사진관에서", "오늘의 하루"];
    let cases: Vec<String> =
        texts.iter().enumerate().map(|(n, text)| format!("WHEN {} THEN '{}'", n + 1, terms(text))).collect();
    let words = format!("CASE {text} {} END", cases.join(" "));
    let mut statements = vec![
        format!(
            "{} INSERT INTO users (id, username, username_skeleton, display_name, role, status, is_private, discoverable, created_at) \
             SELECT {}, 'user' || n, 'user' || n, 'user', 'user', 'active', false, true, 0 FROM series",
            series(AUTHORS),
            id("n")
        ),
        format!(
            "{} INSERT INTO posts (id, author_id, text, hashtags, mentions, visibility, created_at) \
             SELECT {}, {}, 'text', {json}, {json}, 'public', 0 FROM series",
            series(POSTS),
            id("n"),
            id(author)
        ),
        format!(
            "{} INSERT INTO follows (id, follower_id, followee_id) SELECT {}, {}, {} FROM series WHERE n <> 1",
            series(2000),
            id("n"),
            id("1"),
            id("n")
        ),
        format!(
            "{} INSERT INTO follows (id, follower_id, followee_id) SELECT {}, {}, {} FROM series",
            series(3),
            id("n + 10000"),
            id("2"),
            id("n * 3000 + 900")
        ),
        format!(
            "{} INSERT INTO follows (id, follower_id, followee_id) SELECT {}, {}, {} FROM series",
            series(300),
            id("n + 20000"),
            id("3"),
            id("n + 3")
        ),
    ];
    if is_sqlite {
        statements.push(format!(
            "{} INSERT INTO post_search (row_no, post_id) SELECT n, {} FROM series",
            series(POSTS),
            id("n")
        ));
        statements.push(format!(
            "{} INSERT INTO post_search_terms (rowid, terms) SELECT n, {words} FROM series",
            series(POSTS)
        ));
    } else {
        statements.push(format!(
            "{} INSERT INTO post_search (post_id, terms) SELECT {}, to_tsvector('simple', {words}) FROM series",
            series(POSTS),
            id("n")
        ));
    }
    statements.push("ANALYZE".to_owned());
    for statement in statements {
        database.execute(&statement).await;
    }
    database.take_statements();
    database
}
