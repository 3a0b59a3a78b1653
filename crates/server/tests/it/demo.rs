//! The demo community: it is deterministic, and the examples of the document work with it.

use std::{collections::BTreeMap, io, path::Path};

use blegram::{
    config::{Config, Inputs},
    demo::{self, Filled},
};
use blegram_domain::Timestamp;
use blegram_persistence::testing::{Backend, TestDatabase};
use serde_json::Value;

const MOMENT: i64 = 1_790_000_000_000_000;

/// The default configuration, with the images in `folder`.
fn config(folder: &Path) -> Config {
    let storage = format!("file://{}", folder.display());
    let env = BTreeMap::from([("BLEGRAM_MEDIA__STORAGE".to_owned(), storage)]);
    let read_secret = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let inputs = Inputs { file: None, env: &env, dotenv: None, read_secret: &read_secret };
    Config::load(&inputs).unwrap_or_else(|error| panic!("{error}"))
}

/// Creates a demo community and returns its accounts, posts, comments, likes, follows, images and messages with their
/// times, without ids and secrets.
async fn dump_demo(backend: Backend, seed: u64, now: i64) -> Vec<String> {
    let database = TestDatabase::new(backend).await;
    let now = Timestamp::from_micros(now).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let filled = demo::fill(&config(folder.path()), database.db(), seed, now).await.unwrap();
    assert!(matches!(filled, Filled::Now(_)));
    let mut dump = Vec::new();
    for sql in [
        "SELECT u.username || ' ' || u.display_name || ' ' || u.bio || ' ' || u.created_at AS line FROM users u",
        "SELECT u.username || ' ' || t.text || ' ' || t.visibility || ' ' || t.comment_count || ' ' || t.created_at \
         AS line FROM posts t JOIN users u ON u.id = t.author_id",
        "SELECT u.username || ' ' || t.text || ' ' || t.like_count || ' ' || t.created_at AS line \
         FROM comments t JOIN users u ON u.id = t.author_id",
        "SELECT u.username || ' likes ' || p.text || ' ' || p.created_at AS line \
         FROM post_likes t JOIN users u ON u.id = t.user_id JOIN posts p ON p.id = t.post_id",
        "SELECT a.username || ' follows ' || b.username AS line FROM follows t \
         JOIN users a ON a.id = t.follower_id JOIN users b ON b.id = t.followee_id",
        "SELECT u.username || ' ' || m.blurhash || ' ' || coalesce(m.alt, '') || ' ' || m.created_at AS line \
         FROM media m JOIN users u ON u.id = m.owner_id",
        "SELECT u.username || ' says ' || m.text || ' ' || m.seq || ' ' || m.created_at AS line FROM messages m \
         JOIN users u ON u.id = m.sender_id",
    ] {
        let mut lines = database.lines(sql).await;
        assert!(lines.len() >= 16, "{sql}: {}", lines.len());
        lines.sort_unstable();
        dump.extend(lines);
    }
    dump
}

#[tokio::test]
async fn demo_community_depends_only_on_seed_and_hour_on_both_databases() {
    let world = dump_demo(Backend::Sqlite, 1, MOMENT).await;
    assert_eq!(world, dump_demo(Backend::Postgres, 1, MOMENT + 1_000_000).await);
    assert_ne!(world, dump_demo(Backend::Sqlite, 2, MOMENT).await);
}

/// The examples of the document work with the demo community: new usernames are free, and accounts that they name
/// exist.
#[tokio::test]
async fn demo_community_matches_the_openapi_examples() {
    let database = TestDatabase::new(Backend::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_micros(MOMENT).unwrap();
    demo::fill(&config(folder.path()), database.db(), 1, now).await.unwrap();
    let people = database.lines("SELECT u.username AS line FROM users u").await;
    let document: Value = serde_json::from_str(&blegram_api::openapi("http://127.0.0.1:8080")).unwrap();
    let example = |path: &str, pointer: &str| {
        let examples = &document["paths"][path];
        examples.pointer(pointer).unwrap_or_else(|| panic!("{path} {pointer}"))["value"].clone()
    };
    let json = "requestBody/content/application~1json/examples";
    for (path, method) in [("/api/v1/auth/signup", "post"), ("/api/v1/me/username", "put")] {
        for language in ["korean", "english"] {
            let body = example(path, &format!("/{method}/{json}/{language}"));
            let name = body["username"].as_str().unwrap().to_owned();
            assert!(!people.contains(&name), "{name} is in the demo community");
        }
    }
    let group = example("/api/v1/conversations", &format!("/post/{json}/korean"));
    let added = example("/api/v1/conversations/{conversation}/members", &format!("/post/{json}/korean"));
    let members = [&group, &added].map(|body| body["members"].as_array().unwrap().clone()).concat();
    for member in members {
        let name = member.as_str().unwrap().trim_start_matches('@').to_owned();
        assert!(people.contains(&name), "{name} is not in the demo community");
    }
    let login = example("/api/v1/auth/login", &format!("/post/{json}/demo"));
    assert_eq!(
        (login["login"].as_str(), login["password"].as_str()),
        (Some(demo::LOGINS[0]), Some(demo::PASSWORD))
    );
}
