//! Crash safety: a site that is killed while it writes keeps everything that it has confirmed.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use rustix::process::Signal;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    both_databases,
    home::Home,
    people::{Person, id},
};
use crate::client::in_time;

const WRITERS: usize = 4;
const ENOUGH: u32 = 60;

/// Writes one post after the other until the connection fails, and returns the confirmed ones. Adds a permit to
/// `progress` for each.
async fn write_until_the_end(author: Person, progress: Arc<Semaphore>) -> Vec<String> {
    let mut confirmed = Vec::new();
    while let Ok(answer) = author.try_post("/api/v1/posts", &json!({ "text": "one more" })).await {
        assert_eq!(answer.status, 201, "{answer:?}");
        confirmed.push(id(&answer.json()));
        progress.add_permits(1);
    }
    confirmed
}

async fn assert_sound(file: &Path) {
    let database = Database::connect(format!("sqlite:{}?mode=ro", file.display())).await.unwrap();
    for check in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
        let statement = Statement::from_string(DbBackend::Sqlite, check);
        let rows = database.query_all_raw(statement).await.unwrap();
        let findings = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap());
        let findings: Vec<_> = findings.filter(|finding| finding != "ok").collect();
        assert!(findings.is_empty(), "{check}: {findings:?}");
    }
    database.close().await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn confirmed_posts_survive_a_kill(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let site = home.serve().await;
    let ann = home.sign_up("ann").await;
    let progress = Arc::new(Semaphore::new(0));
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        writers.spawn(write_until_the_end(ann.clone(), Arc::clone(&progress)));
    }
    in_time(progress.acquire_many(ENOUGH)).await.unwrap().forget();
    site.signal(Signal::KILL);
    assert_eq!(site.end().await.signal, Some(9));
    let confirmed = in_time(writers.join_all()).await.concat();
    if backend == Backend::Sqlite {
        assert_sound(&home.path("data/blegram.db")).await;
    }

    let site = home.serve().await;
    let listed = ann.posts_of("ann").await;
    let unique: BTreeSet<_> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "no post is listed twice");
    let lost: Vec<_> = confirmed.iter().filter(|post| !unique.contains(post)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), confirmed.len());
    assert!(listed.len() <= confirmed.len() + WRITERS, "only the last of each writer may be unconfirmed");
    assert_eq!(ann.get("/api/v1/users/@ann").await.json()["post_count"], listed.len());

    assert_eq!(ann.write("as if nothing had been").await.status, 201);
    site.signal(Signal::TERM);
    site.end().await.assert_success();
}
