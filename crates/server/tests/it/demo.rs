//! The demo world is the same wherever it is made.

use std::{collections::BTreeMap, io, path::Path};

use blegram::{
    config::{Config, Inputs},
    demo::{self, Filled},
};
use blegram_domain::Timestamp;
use blegram_persistence::testing::{Backend, TestDatabase};

const MOMENT: i64 = 1_790_000_000_000_000;

fn defaults() -> Config {
    let nothing = BTreeMap::new();
    let read_secret = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let inputs = Inputs { file: None, env: &nothing, dotenv: &nothing, read_secret: &read_secret };
    Config::load(&inputs).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything in a world that is not an id or a secret, in the order of time.
async fn tell(backend: Backend, seed: u64, now: i64) -> Vec<String> {
    let database = TestDatabase::new(backend).await;
    let now = Timestamp::from_micros(now).unwrap();
    let filled = demo::fill(&defaults(), database.db(), seed, now).await.unwrap();
    assert!(matches!(filled, Filled::Now(_)));
    let mut told = Vec::new();
    for (table, sql) in [
        ("users", "u.username || ' ' || u.display_name || ' ' || u.bio FROM users u ORDER BY u.id"),
        (
            "posts",
            "u.username || ' ' || t.text || ' ' || t.visibility || ' ' || t.like_count || ' ' || t.comment_count \
             || ' ' || t.created_at FROM posts t JOIN users u ON u.id = t.author_id ORDER BY t.id",
        ),
        (
            "comments",
            "u.username || ' ' || t.text || ' ' || t.like_count || ' ' || t.created_at \
             FROM comments t JOIN users u ON u.id = t.author_id ORDER BY t.id",
        ),
        (
            "follows",
            "a.username || ' ' || b.username FROM follows t JOIN users a ON a.id = t.follower_id \
             JOIN users b ON b.id = t.followee_id ORDER BY t.id",
        ),
    ] {
        let lines = database.lines(&format!("SELECT {sql}").replacen(" FROM", " AS line FROM", 1)).await;
        assert!(lines.len() >= 50, "{table}: {}", lines.len());
        told.extend(lines);
    }
    told
}

#[tokio::test]
async fn a_seed_and_an_hour_make_one_world_on_both_databases() {
    let world = tell(Backend::Sqlite, 1, MOMENT).await;
    assert_eq!(world, tell(Backend::Postgres, 1, MOMENT + 1_000_000).await);
    assert_ne!(world, tell(Backend::Sqlite, 2, MOMENT).await);
}
